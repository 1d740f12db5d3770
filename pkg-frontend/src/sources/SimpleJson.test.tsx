import { render, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import React from 'react';

import { SOURCE_DEFAULTS } from '../defaults';
import { inputId, selectors } from '../selectors';
import { newDataSource } from '../testing/datasource';
import { type Choice, type SimpleJsonOptions } from '../types';

import { SimpleJsonEditor } from './SimpleJson';

const ids = selectors.simpleJson;

function show(options: Partial<SimpleJsonOptions>, answers: Record<string, Choice[]> = {}) {
  const datasource = newDataSource({ source: 'simple-json' });
  const getChoices = jest
    .spyOn(datasource, 'getChoices')
    .mockImplementation((name) => Promise.resolve(answers[name] ?? []));
  const set = jest.fn();
  const defaults = SOURCE_DEFAULTS['simple-json'];
  render(<SimpleJsonEditor {...{ datasource, set, defaults }} options={{ ...defaults, ...options }} scope="A" />);
  return { getChoices, set };
}

const input = (id: string) => document.getElementById(inputId(id, 'A')) as HTMLInputElement;

it('offers the metrics of the server, and takes others', async () => {
  const { getChoices, set } = show({}, { metrics: [{ value: 'cpu', label: 'CPU' }] });
  await userEvent.click(input(ids.target));
  await userEvent.click(await screen.findByText('CPU'));
  expect(set).toHaveBeenLastCalledWith('target', 'cpu');
  await userEvent.type(input(ids.target), 'mem{Enter}');
  expect(set).toHaveBeenLastCalledWith('target', 'mem');
  await waitFor(() => expect(getChoices).toHaveBeenCalledWith('metrics', { search: '' }));
});

it('shows what the server wants to know besides the metric', async () => {
  const { getChoices, set } = show(
    { target: 'cpu', payload: { region: 'eu', note: 'x' } },
    {
      payloads: [{ value: 'region', label: 'Region', description: 'select' }],
      'payload-options': [{ value: 'us', label: 'United States' }],
    },
  );
  expect(await screen.findByText('Region')).toBeInTheDocument();
  await userEvent.click(input(`${ids.payload}-region`));
  await userEvent.click(await screen.findByText('United States'));
  expect(set).toHaveBeenLastCalledWith('payload', { note: 'x', region: 'us' });
  expect(getChoices).toHaveBeenCalledWith('payload-options', {
    metric: 'cpu',
    name: 'region',
    search: '',
    payload: '{"region":"eu","note":"x"}',
  });
});

it('saves payload values as JSON where they are', async () => {
  const { set } = show({ payload: { n: 3, text: '3', word: 'eu' } });
  expect(screen.getAllByDisplayValue(/./).map((field) => (field as HTMLInputElement).value)).toEqual(
    expect.arrayContaining(['n', '3', 'text', '"3"', 'word', 'eu']),
  );
  const value = screen.getByDisplayValue('eu');
  await userEvent.clear(value);
  await userEvent.type(value, '[[1]{Enter}');
  expect(set).toHaveBeenLastCalledWith('payload', { n: 3, text: '3', word: [1] });
});
