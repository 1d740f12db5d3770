import { type DataSourceInstanceSettings } from '@grafana/data';
import { type DataSourceSrv, setDataSourceSrv, setTemplateSrv, type TemplateSrv } from '@grafana/runtime';

import { canBeAsked, loadOthers, otherUid } from './otherDataSource';
import { newDataSource } from './testing/datasource';
import { type OutriderQuery } from './types';

const scopedVars = {
  host: { text: 'web1', value: 'web1' },
  __interval: { text: '5m', value: '5m' },
  __interval_ms: { text: '300000', value: 300000 },
};
const filters = [{ key: 'job', operator: '=', value: 'a' }];

function others(known: Record<string, unknown>) {
  const get = jest.fn((uid: string) =>
    uid in known ? Promise.resolve(known[uid]) : Promise.reject(new Error('unknown')),
  );
  setDataSourceSrv({ get } as unknown as DataSourceSrv);
  return get;
}

const asks = (uid: string, query: object = {}): OutriderQuery => ({
  refId: 'B',
  source: { kind: 'grafana', query: { expr: 'up{h="$host"}[$__interval]', datasource: { uid, type: 'x' }, ...query } },
});

beforeEach(() => {
  const replace = (text?: string) => (text ?? '').replace('$host', 'generic');
  setTemplateSrv({ replace } as unknown as TemplateSrv);
});

it('knows which data source a query asks', () => {
  expect(otherUid({ query: { datasource: { uid: 'a' } }, datasourceUid: 'b' })).toBe('a');
  expect(otherUid({ query: { datasource: null }, datasourceUid: 'b' })).toBe('b');
  expect(otherUid({})).toBe('');
});

it('offers data sources with a backend, and none of ours', () => {
  const own = { uid: 'me', type: 'outrider' };
  const other = (change: object) =>
    canBeAsked({ uid: 'p', type: 'prometheus', meta: { backend: true }, ...change } as DataSourceInstanceSettings, own);
  expect(other({})).toBe(true);
  expect(other({ meta: { alerting: true } })).toBe(true);
  expect(other({ uid: 'me' })).toBe(false);
  expect(other({ type: 'outrider' })).toBe(false);
  expect(other({ type: '__expr__' })).toBe(false);
  expect(other({ meta: {} })).toBe(false);
  expect(other({ meta: { backend: true, mixed: true } })).toBe(false);
  expect(other({ meta: { backend: true, builtIn: true } })).toBe(false);
});

it('lets the other data source replace the variables of its query, but not the step', async () => {
  const applyTemplateVariables = jest.fn((query: object, _vars: object, _filters?: object[]) => ({
    ...query,
    expr: 'own',
  }));
  others({ backend: { applyTemplateVariables } });
  const query = asks('backend');
  await loadOthers([query.source as object]);
  const asked = newDataSource({ source: 'grafana' }).applyTemplateVariables(query, scopedVars, filters);
  expect(asked.source).toEqual({
    kind: 'grafana',
    query: { refId: 'A', expr: 'own', datasource: { uid: 'backend', type: 'x' } },
  });
  expect(applyTemplateVariables.mock.calls[0]?.slice(1)).toEqual([{ host: scopedVars.host }, filters]);
});

it('uses what a data source does to queries that move, and says that filters have no effect', async () => {
  others({
    moves: { interpolateVariablesInQueries: (queries: object[]) => queries.map((q) => ({ ...q, expr: 'moved' })) },
  });
  const query = asks('moves');
  await loadOthers([query.source as object]);
  const asked = newDataSource({ source: 'grafana' }).applyTemplateVariables(query, scopedVars, filters);
  expect(asked.source).toMatchObject({ query: { expr: 'moved' }, adhocFilters: filters });
});

it('replaces variables in its own way where the other data source has none, or is not known', async () => {
  others({ plain: {} });
  await loadOthers([asks('plain').source as object, asks('gone').source as object]);
  for (const uid of ['plain', 'gone']) {
    const asked = newDataSource({ source: 'grafana' }).applyTemplateVariables(asks(uid), scopedVars, filters);
    expect(asked.source).toMatchObject({ query: { expr: 'up{h="generic"}[$__interval]' }, adhocFilters: filters });
  }
});
