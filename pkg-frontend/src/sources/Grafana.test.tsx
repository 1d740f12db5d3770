import { type DataSourceSrv, setDataSourceSrv } from '@grafana/runtime';
import { render, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import React from 'react';

import { SOURCE_DEFAULTS } from '../defaults';
import { newDataSource } from '../testing/datasource';
import { type GrafanaOptions, type OtherQuery } from '../types';

import { GrafanaEditor, jsonObject } from './Grafana';

interface EditorProps {
  query: OtherQuery;
  onChange: (query: OtherQuery) => void;
  onRunQuery: () => void;
}

function OwnEditor({ query, onChange, onRunQuery }: EditorProps) {
  return (
    <>
      <button onClick={() => onChange({ ...query, expr: 'down' })}>{String(query.expr)}</button>
      <button onClick={onRunQuery}>run</button>
    </>
  );
}

const meta = { backend: true, info: { logos: { small: '' } } };
const DATA_SOURCES = [
  { uid: 'prom', type: 'prometheus', name: 'Metrics', meta, components: { QueryEditor: OwnEditor } },
  {
    uid: 'sql',
    type: 'sql',
    name: 'Tables',
    meta,
    components: { QueryEditor: OwnEditor },
    getDefaultQuery: () => ({ format: 'time_series' }),
  },
  { uid: 'bare', type: 'bare', name: 'Bare', meta, components: {} },
  {
    uid: 'browser',
    type: 'browser',
    name: 'Browser',
    meta: { ...meta, backend: false },
    components: { QueryEditor: OwnEditor },
  },
  { uid: 'outrider', type: 'outrider-outliers-datasource', name: 'Us', meta, components: {} },
];

beforeEach(() => {
  // The picker knows data sources by name.
  const find = (ref: unknown) => DATA_SOURCES.find(({ uid, name }) => uid === ref || name === ref);
  setDataSourceSrv({
    get: (uid: string) => (find(uid) ? Promise.resolve(find(uid)) : Promise.reject(new Error('unknown'))),
    getInstanceSettings: find,
    getList: ({ filter }: { filter: (found: unknown) => boolean }) => DATA_SOURCES.filter(filter),
  } as unknown as DataSourceSrv);
});

function show(options: Partial<GrafanaOptions>) {
  const datasource = newDataSource({ source: 'grafana' });
  const set = jest.fn();
  const defaults = SOURCE_DEFAULTS.grafana;
  render(<GrafanaEditor {...{ datasource, set, defaults }} options={{ ...defaults, ...options }} scope="A" />);
  return set;
}

const prom = { expr: 'up', refId: 'A', datasource: { uid: 'prom', type: 'prometheus' } };

it("shows the other data source's own editor and saves what it says", async () => {
  const set = show({ query: prom });
  await userEvent.click(await screen.findByText('up'));
  expect(set).toHaveBeenLastCalledWith('query', { ...prom, expr: 'down' });
  await userEvent.click(screen.getByText('run'));
  expect(set).toHaveBeenCalledTimes(2);
});

it('offers what can be asked, and begins with its default query', async () => {
  const set = show({ query: prom });
  await screen.findByText('up');
  await userEvent.click(screen.getByRole('combobox'));
  expect(screen.queryByText('Browser')).toBeNull();
  expect(screen.queryByText('Us')).toBeNull();
  await userEvent.click(await screen.findByText('Tables'));
  await waitFor(() => expect(set).toHaveBeenCalled());
  expect(set).toHaveBeenLastCalledWith('query', {
    format: 'time_series',
    refId: 'A',
    datasource: { uid: 'sql', type: 'sql' },
  });
});

it('takes JSON where there is no editor', async () => {
  const bare = { q: 1, datasource: { uid: 'bare', type: 'bare' } };
  const set = show({ query: bare });
  const field = await screen.findByDisplayValue(/"q": 1/);
  await userEvent.clear(field);
  await userEvent.click(field);
  await userEvent.paste('{"q": 2, "datasource": {"uid": "outrider"}}');
  await userEvent.tab();
  expect(set).toHaveBeenLastCalledWith('query', { q: 2, datasource: bare.datasource });
  expect(jsonObject('[1]')).toContain('not a JSON object');
  expect(jsonObject('{')).toContain('not a JSON object');
});

it('says what cannot be asked', async () => {
  show({ datasourceUid: 'browser' });
  expect(await screen.findByText('Browser answers in the browser only')).toBeInTheDocument();
  show({ datasourceUid: 'gone' });
  expect(await screen.findByText('The data source "gone" cannot be loaded')).toBeInTheDocument();
});
