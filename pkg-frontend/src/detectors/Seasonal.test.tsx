import { type BackendSrv, setBackendSrv } from '@grafana/runtime';
import { cleanup, screen, within } from '@testing-library/react';
import { NEVER } from 'rxjs';

import { optionId } from '../selectors';
import { mountDetector } from '../testing/harness';

setBackendSrv({ fetch: () => NEVER } as unknown as BackendSrv);

const kind = 'seasonal';

it('saves what is typed', async () => {
  for (const [label, typed, option] of [
    ['Coverage', '0.99', { coverage: 0.99 }],
    ['Seasons', '12h 1d', { periods: ['12h', '1d'] }],
    ['Time zone', 'Europe/Berlin', { timeZone: 'Europe/Berlin' }],
  ] as const) {
    const { user, last } = await mountDetector({ kind });
    const input = screen.getByLabelText(label);
    await user.clear(input);
    await user.type(input, `${typed}{Enter}`);
    expect(last()?.detector).toStrictEqual({ kind, ...option });
    cleanup();
  }
});

it('has both methods in sight', async () => {
  const { user, last } = await mountDetector({ kind });
  await user.click(screen.getByRole('radio', { name: 'Quantiles' }));
  expect(last()?.detector).toStrictEqual({ kind, method: 'quantiles' });
});

it('takes the defaults again when emptied', async () => {
  const saved = { kind, periods: ['1d'], timeZone: 'Asia/Tokyo' } as const;
  const { user, last } = await mountDetector({ ...saved, periods: [...saved.periods] });
  await user.clear(screen.getByLabelText('Seasons'));
  await user.tab();
  await user.clear(screen.getByLabelText('Time zone'));
  await user.tab();
  expect(last()?.detector).toStrictEqual({ kind });
  expect(screen.getByLabelText('Time zone')).toHaveValue('UTC');
});

it('says what is no time zone and no season', async () => {
  const { user } = await mountDetector({ kind });
  for (const [label, typed, id, said] of [
    ['Time zone', 'Mars/Olympus', optionId(kind, 'timeZone'), 'no time zone'],
    ['Seasons', '1d, often', optionId(kind, 'periods'), 'not a duration'],
  ] as const) {
    const input = screen.getByLabelText(label);
    await user.clear(input);
    await user.type(input, typed);
    await user.tab();
    expect(within(screen.getByTestId(id)).getByRole('alert')).toHaveTextContent(said);
  }
});
