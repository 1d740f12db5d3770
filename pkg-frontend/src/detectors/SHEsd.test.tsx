import { type BackendSrv, setBackendSrv } from '@grafana/runtime';
import { cleanup, screen, within } from '@testing-library/react';
import { NEVER } from 'rxjs';

import { optionId } from '../selectors';
import { mountDetector } from '../testing/harness';

setBackendSrv({ fetch: () => NEVER } as unknown as BackendSrv);

const kind = 's-h-esd';

it('saves each number under its original name', async () => {
  for (const [label, typed, option] of [
    ['Max anomalies', '0.02', { maxAnoms: 0.02 }],
    ['Alpha', '0.01', { alpha: 0.01 }],
    ['Period', '288', { period: 288 }],
    ['Piece in points', '4032', { longtermPeriod: 4032 }],
  ] as const) {
    const { user, last } = await mountDetector({ kind });
    const input = screen.getByLabelText(label);
    await user.clear(input);
    await user.type(input, `${typed}{Enter}`);
    expect(last()?.detector).toStrictEqual({ kind, ...option });
    cleanup();
  }
});

it('saves each choice, and nothing for the default', async () => {
  for (const [label, chosen, option] of [
    ['Tested side', 'neg', { direction: 'neg' }],
    ['Peaks only', 'med_max', { threshold: 'med_max' }],
    ['Only last', 'day', { onlyLast: 'day' }],
  ] as const) {
    const { user, last } = await mountDetector({ kind });
    const select = screen.getByLabelText(label);
    await user.click(select);
    await user.click(screen.getByText(chosen));
    expect(last()?.detector).toStrictEqual({ kind, ...option });
    cleanup();
  }
  const { user, last } = await mountDetector({ kind, direction: 'pos' });
  await user.click(screen.getByLabelText('Tested side'));
  await user.click(screen.getByText('As the query'));
  expect(last()?.detector).toStrictEqual({ kind });
});

it('asks for the length of a piece in one way only', async () => {
  const { user, last } = await mountDetector({ kind });
  expect(screen.queryByLabelText('Piece')).not.toBeInTheDocument();
  await user.click(screen.getByLabelText('Long term'));
  expect(last()?.detector).toStrictEqual({ kind, longterm: true });
  expect(screen.queryByLabelText('Piece in points')).not.toBeInTheDocument();
  const weeks = screen.getByLabelText('Piece');
  await user.clear(weeks);
  await user.type(weeks, '1');
  await user.tab();
  expect(within(screen.getByTestId(optionId(kind, 'piecewiseMedianPeriodWeeks'))).getByRole('alert')).toHaveTextContent(
    '2 to 520 weeks',
  );
});
