import { type BackendSrv, setBackendSrv } from '@grafana/runtime';
import { cleanup, screen, within } from '@testing-library/react';
import { NEVER } from 'rxjs';

import { selectors } from '../selectors';
import { newDataSource } from '../testing/datasource';
import { mountQuery } from '../testing/harness';
import { type Detector } from '../types';

setBackendSrv({ fetch: () => NEVER } as unknown as BackendSrv);

const kind = 'isolation-forest';
const mount = (detector: Omit<Extract<Detector, { kind: typeof kind }>, 'kind'>) =>
  mountQuery({ detector: { kind, ...detector } }, newDataSource());

it('saves what is typed', async () => {
  const all = { features: ['value', 'rolling-std', 'time-of-day'] } as const;
  for (const [label, typed, option] of [
    ['Shingle', '8', { shingle: 8 }],
    ['Extension level', '3', { extensionLevel: 3 }],
    ['Feature window', '36', { featureWindow: 36 }],
    ['Time zone', 'Europe/Berlin', { timeZone: 'Europe/Berlin' }],
  ] as const) {
    const { user, last } = await mount({ features: [...all.features] });
    const input = screen.getByLabelText(label);
    await user.clear(input);
    await user.type(input, `${typed}{Enter}`);
    expect(last()?.detector).toStrictEqual({ kind, ...all, ...option });
    cleanup();
  }
});

it('has a list of features, and the value where none is left', async () => {
  const { user, last } = await mount({ nTrees: 50 });
  const features = screen.getByLabelText('Features');
  await user.click(features);
  await user.click(screen.getByText('Difference'));
  expect(last()?.detector).toStrictEqual({ kind, nTrees: 50, features: ['value', 'difference'] });
  await user.type(features, '{Backspace}{Backspace}');
  expect(last()?.detector).toStrictEqual({ kind, nTrees: 50 });
  expect(within(screen.getByTestId(selectors.isolationForest.features)).getByText('Value')).toBeInTheDocument();
});

it('asks for a window and a time zone only where they matter', async () => {
  await mount({ shingle: 4 });
  expect(screen.queryByLabelText('Feature window')).not.toBeInTheDocument();
  expect(screen.queryByLabelText('Time zone')).not.toBeInTheDocument();
  cleanup();
  await mount({ features: ['rolling-mean'] });
  expect(screen.getByLabelText('Feature window')).toHaveValue(12);
  expect(screen.queryByLabelText('Time zone')).not.toBeInTheDocument();
});

it('shows the extension level that counts where none is set, and keeps a 0', async () => {
  const { user, last } = await mount({ shingle: 8 });
  const input = screen.getByLabelText('Extension level');
  expect(input).toHaveValue(null);
  expect(input).toHaveAttribute('placeholder', '7');
  await user.type(input, '0{Enter}');
  expect(last()?.detector).toStrictEqual({ kind, shingle: 8, extensionLevel: 0 });
  await user.clear(input);
  await user.tab();
  expect(last()?.detector).toStrictEqual({ kind, shingle: 8 });
});

it('knows the highest extension level', async () => {
  for (const [options, most] of [
    [{}, 0],
    [{ shingle: 8 }, 7],
    [{ features: ['value', 'rolling-std', 'time-of-day'], shingle: 4 }, 9],
  ] as const) {
    const saved = 'features' in options ? { ...options, features: [...options.features] } : options;
    for (const [extensionLevel, isWrong] of [
      [most, false],
      [most + 1, true],
    ] as const) {
      await mount({ ...saved, extensionLevel });
      const alert = within(screen.getByTestId(selectors.isolationForest.extensionLevel)).queryByRole('alert');
      expect(alert !== null).toBe(isWrong);
      cleanup();
    }
  }
});
