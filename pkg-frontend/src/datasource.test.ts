import { type AnnotationQuery } from '@grafana/data';
import { type BackendSrv, setBackendSrv, setTemplateSrv, type TemplateSrv } from '@grafana/runtime';
import { of, throwError } from 'rxjs';

import { prepareAnnotation } from './datasource';
import { GENERATOR_SERIES } from './defaults';
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
    expect(replace).toHaveBeenCalledWith('/$host/', scope);
  });
});

describe('getDefaultQuery', () => {
  it('says its version and leaves the rest to the defaults', () => {
    expect(newDataSource().getDefaultQuery()).toEqual({ version: 1 });
  });
});

describe('annotations', () => {
  const annotation = (target?: OutriderQuery) =>
    ({ name: 'Outliers', enable: true, iconColor: 'red', target }) as AnnotationQuery<OutriderQuery>;

  it('ask the edited query for its events', () => {
    const query: OutriderQuery = { refId: 'X', direction: 'high', output: 'all' };
    expect(prepareAnnotation(annotation(query))).toEqual({
      refId: 'X',
      version: 1,
      direction: 'high',
      output: 'events',
    });
  });

  it('work before anything was edited', () => {
    expect(prepareAnnotation(annotation())).toEqual({ refId: 'Anno', version: 1, output: 'events' });
    expect(newDataSource().annotations.prepareQuery?.(annotation())).toEqual(prepareAnnotation(annotation()));
  });
});

describe('getGeneratorSeries', () => {
  it('is what the backend answers', async () => {
    const series = [{ value: 'median', label: 'M', description: '' }];
    fetch.mockReturnValue(of({ data: series }));
    await expect(newDataSource().getGeneratorSeries()).resolves.toEqual(series);
    expect(fetch).toHaveBeenCalledWith(
      expect.objectContaining({ method: 'GET', url: '/api/datasources/uid/outrider/resources/generator/series' }),
    );
  });

  it('is the list known here where the backend cannot be asked', async () => {
    fetch.mockReturnValue(throwError(() => new Error('down')));
    await expect(newDataSource().getGeneratorSeries()).resolves.toEqual(GENERATOR_SERIES);
  });

  it.each([null, {}, []])('is the list known here where the answer is %j', async (data) => {
    fetch.mockReturnValue(of({ data }));
    await expect(newDataSource().getGeneratorSeries()).resolves.toEqual(GENERATOR_SERIES);
  });
});
