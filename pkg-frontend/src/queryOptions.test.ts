import { COMMON_DEFAULTS } from './defaults';
import { trainingSummary } from './queryOptions';

describe('trainingSummary', () => {
  it('names window, interval and step', () => {
    expect(trainingSummary(COMMON_DEFAULTS)).toBe('window auto, refit auto, step auto');
  });

  it('names no window where the visible range is trained on', () => {
    const summary = trainingSummary({ ...COMMON_DEFAULTS, training: 'visible-range', step: '5m' });
    expect(summary).toBe('on the visible range, step 5m');
  });
});
