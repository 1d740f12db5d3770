import { type BackendSrv, setBackendSrv, setTemplateSrv, type TemplateSrv } from '@grafana/runtime';
import { of, throwError } from 'rxjs';

import { newDataSource } from './testing/datasource';
import { type OutriderQuery } from './types';

const fetch = jest.fn();
setBackendSrv({ fetch } as unknown as BackendSrv);
beforeEach(() => fetch.mockReset());

describe('sourceKind', () => {
  it('is the generator where the settings say nothing', () => expect(newDataSource().sourceKind).toBe('generator'));
  it('is what the settings say', () => expect(newDataSource({ source: 'http-json' }).sourceKind).toBe('http-json'));
});

describe('filterQuery', () => {
  it('leaves hidden queries out, and no other', () => {
    expect(newDataSource().filterQuery({ refId: 'A', hide: true })).toBe(false);
    expect(newDataSource().filterQuery({ refId: 'A' })).toBe(true);
  });
});

describe('applyTemplateVariables', () => {
  it('asks Grafana for variables, with the scope of the panel, but not for the macros of the backend', () => {
    const replace = jest.fn((text?: string) => (text ?? '').replace('$host', 'web1').replace('${__from}', 'VISIBLE'));
    setTemplateSrv({ replace } as unknown as TemplateSrv);
    const query: OutriderQuery = { refId: 'A', source: { kind: 'http-json', path: '/$host/${__from}' } };
    const scope = { host: { text: 'web1', value: 'web1' } };

    expect(newDataSource().applyTemplateVariables(query, scope)).toEqual({
      refId: 'A',
      version: 1,
      source: { kind: 'http-json', path: '/web1/${__from}' },
    });
    expect(replace).toHaveBeenCalledWith('/$host/', scope, undefined);
  });
});

describe('ad-hoc filters', () => {
  const filters = [{ key: 'host', operator: '=', value: 'a', condition: 'x' }];
  const expected = [{ key: 'host', operator: '=', value: 'a' }];

  it('go to the source of the query, or to that of the data source', () => {
    setTemplateSrv({ replace: (text?: string) => text ?? '' } as unknown as TemplateSrv);
    const datasource = newDataSource({ source: 'http-json' });
    expect(datasource.applyTemplateVariables({ refId: 'A' }, {}, filters).source).toEqual({
      kind: 'http-json',
      adhocFilters: expected,
    });
    const query: OutriderQuery = { refId: 'A', source: { kind: 'generator', seed: 3 } };
    expect(datasource.applyTemplateVariables(query, {}, filters).source).toEqual({
      kind: 'generator',
      seed: 3,
      adhocFilters: expected,
    });
    expect(datasource.applyTemplateVariables({ refId: 'A' }, {}, []).source).toBeUndefined();
  });

  it('are asked for where Grafana does not hand them over', () => {
    const getAdhocFilters = jest.fn(() => filters);
    setTemplateSrv({ replace: (text?: string) => text ?? '', getAdhocFilters } as unknown as TemplateSrv);
    const { source } = newDataSource().applyTemplateVariables({ refId: 'A' }, {});
    expect(source).toEqual({ kind: 'generator', adhocFilters: expected });
    expect(getAdhocFilters).toHaveBeenCalledWith('Outrider');
  });

  it('offer what the upstream knows', async () => {
    fetch.mockReturnValue(of({ data: [{ value: 'host', label: 'Host' }] }));
    await expect(newDataSource().getTagKeys()).resolves.toEqual([{ text: 'host' }]);
    await expect(newDataSource().getTagValues({ key: 'host' })).resolves.toEqual([{ text: 'host' }]);
    expect(fetch).toHaveBeenLastCalledWith(
      expect.objectContaining({
        url: '/api/datasources/uid/outrider/resources/generator/tag-values',
        params: { key: 'host' },
      }),
    );
    fetch.mockReturnValue(throwError(() => new Error('down')));
    await expect(newDataSource().getTagKeys()).resolves.toEqual([]);
  });
});

describe('metricFindQuery', () => {
  it('asks the question it is', async () => {
    setTemplateSrv({ replace: (text?: string) => (text ?? '').replace('$h', 'host') } as unknown as TemplateSrv);
    fetch.mockReturnValue(of({ data: [{ value: 'a', label: 'A' }] }));
    await expect(newDataSource().metricFindQuery(' tag-values?key=$h&limit=5')).resolves.toEqual([
      { text: 'A', value: 'a' },
    ]);
    expect(fetch).toHaveBeenCalledWith(
      expect.objectContaining({
        url: '/api/datasources/uid/outrider/resources/generator/tag-values',
        params: { key: 'host', limit: '5' },
      }),
    );
  });

  it('has no values without a question, and says why where there is an error', async () => {
    setTemplateSrv({ replace: (text?: string) => text ?? '' } as unknown as TemplateSrv);
    await expect(newDataSource().metricFindQuery('')).resolves.toEqual([]);
    expect(fetch).not.toHaveBeenCalled();
    fetch.mockReturnValue(throwError(() => new Error('down')));
    await expect(newDataSource().metricFindQuery('series')).rejects.toThrow('down');
  });
});

describe('getDefaultQuery', () => {
  it('says its version and leaves the rest to the defaults', () => {
    expect(newDataSource().getDefaultQuery()).toEqual({ version: 1 });
  });
});
