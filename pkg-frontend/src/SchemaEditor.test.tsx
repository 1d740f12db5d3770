import { type BackendSrv, setBackendSrv } from '@grafana/runtime';
import { cleanup, render, screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import React, { useState } from 'react';
import { NEVER } from 'rxjs';

import { DETECTORS } from './detectors';
import { DETECTOR_SCHEMAS } from './schema.gen';
import { defaultsOf, matters, type OptionSchema } from './schema';
import { schemaEditor } from './SchemaEditor';
import { optionId } from './selectors';
import { newDataSource } from './testing/datasource';
import { mountDetector } from './testing/harness';
import { type DetectorKind } from './types';

setBackendSrv({ fetch: () => NEVER } as unknown as BackendSrv);

const help = 'Says what it does.';
/** A kind that nobody has written an editor for. */
const MADE_UP: Record<string, OptionSchema> = {
  share: { label: 'Share', help, input: 'number', byDefault: null, empty: 'off', limits: { above: 0, below: 1 } },
  strict: { label: 'Strict', help, input: 'switch', byDefault: false },
  side: {
    label: 'Side',
    help,
    input: 'choice',
    byDefault: null,
    choices: [
      { value: '', label: 'As the query' },
      { value: 'high', label: 'High' },
    ],
  },
  span: { label: 'Span', help, input: 'duration', byDefault: 'auto', duration: { min: '1m', max: '1d', word: 'auto' } },
  names: { label: 'Names', help, input: 'names', byDefault: [], empty: 'all' },
  zone: { label: 'Zone', help, input: 'time-zone', byDefault: 'UTC' },
  tree: { label: 'Tree', help, input: 'other', byDefault: {} },
  depth: { label: 'Depth', help, input: 'number', byDefault: 3, limits: { min: 1, max: 9 }, when: { strict: [true] } },
  seed: { label: 'Seed', help, input: 'number', byDefault: 42, limits: { min: 0 }, advanced: true },
};

function mount() {
  const Editor = schemaEditor<Record<string, unknown>>('made-up', MADE_UP);
  const defaults = defaultsOf<Record<string, unknown>>(MADE_UP);
  const saved: Record<string, unknown> = {};
  function Host() {
    const [options, setOptions] = useState(defaults);
    const set = (key: string, value: unknown) => {
      saved[key] = value;
      setOptions({ ...options, [key]: value });
    };
    return <Editor {...{ options, defaults, set }} datasource={newDataSource()} scope="A" />;
  }
  render(<Host />);
  return { saved, user: userEvent.setup() };
}

it('draws and saves every option of a kind that it has never seen', async () => {
  const { saved, user } = mount();
  await user.type(screen.getByLabelText('Share'), '0.2{Enter}');
  await user.click(screen.getByLabelText('Strict'));
  await user.click(screen.getByRole('radio', { name: 'High' }));
  await user.clear(screen.getByLabelText('Span'));
  await user.type(screen.getByLabelText('Span'), '5m{Enter}');
  await user.type(screen.getByLabelText('Names'), 'host{Enter}');
  await user.clear(screen.getByLabelText('Zone'));
  await user.type(screen.getByLabelText('Zone'), 'Asia/Tokyo{Enter}');
  await user.clear(screen.getByLabelText('Depth'));
  await user.type(screen.getByLabelText('Depth'), '4{Enter}');
  expect(saved).toEqual({
    share: 0.2,
    strict: true,
    side: 'high',
    span: '5m',
    names: ['host'],
    zone: 'Asia/Tokyo',
    depth: 4,
  });
  await user.click(screen.getByRole('radio', { name: 'As the query' }));
  expect(saved.side).toBeNull();
  expect(screen.queryByLabelText('Seed')).not.toBeInTheDocument();
  await user.click(screen.getByRole('button', { name: 'Advanced' }));
  expect(screen.getByLabelText('Seed')).toHaveValue(42);
});

it('shows what has no effect only where it is set', () => {
  mount();
  expect(screen.queryByLabelText('Depth')).not.toBeInTheDocument();
});

it('says what is wrong with the limits of the schema', async () => {
  const { user } = mount();
  await user.type(screen.getByLabelText('Share'), '1');
  await user.tab();
  const field = within(screen.getByTestId(optionId('made-up', 'share')));
  expect(field.getByRole('alert')).toHaveTextContent('1 is out of range. Write more than 0 to less than 1.');
});

it('draws every detector with every option that has an effect', async () => {
  for (const kind of Object.keys(DETECTORS) as DetectorKind[]) {
    const { user } = await mountDetector({ kind });
    const advanced = screen.queryByRole('button', { name: 'Advanced' });
    if (advanced !== null) {
      await user.click(advanced);
    }
    const { options } = DETECTOR_SCHEMAS[kind];
    const defaults = defaultsOf<Record<string, unknown>>(options);
    for (const [name, schema] of Object.entries<OptionSchema>(options)) {
      if (matters(name, schema, defaults)) {
        expect(screen.getAllByText(schema.label).length).toBeGreaterThan(0);
      }
    }
    cleanup();
  }
});
