import { cloneDeep } from 'lodash';

import { inFormat, interpolate, interpolateQuery, interpolateText } from './interpolate';
import { type ReplaceAs } from './kinds';
import { type OutriderQuery } from './types';

/** Replaces as Grafana does: user variables, and the built-in ones by the visible range. */
const grafana = (text: string) =>
  text.replace(
    /\$(\w+)|\$\{(\w+)(?::[^}]+)?\}|\[\[(\w+)(?::\w+)?\]\]/g,
    (all: string, a?: string, b?: string, c?: string) => {
      const name = a ?? b ?? c ?? '';
      return name.startsWith('__') ? 'VISIBLE' : ({ host: 'web1', window: '14d', env: 'prod' }[name] ?? all);
    },
  );

describe('interpolateText', () => {
  it.each([
    '$__from',
    '${__from}',
    '${__from:date}',
    '${__from:date:iso}',
    '${__from:date:seconds}',
    '$__to',
    '${__to}',
    '${__to:date:iso}',
    '$__interval',
    '${__interval}',
    '$__interval_ms',
    '${__interval_ms}',
    '$__rate_interval',
    '${__rate_interval_ms}',
    '$__range',
    '${__range_s}',
    '$__maxDataPoints',
    '${__maxDataPoints}',
  ])('leaves the macro %s to the backend', (macro) => {
    expect(interpolateText(macro, grafana)).toBe(macro);
    expect(interpolateText(`a=${macro}&b=${macro}`, grafana)).toBe(`a=${macro}&b=${macro}`);
  });

  it('replaces user variables in every spelling', () => {
    expect(interpolateText('/$host/${host}/[[host]]', grafana)).toBe('/web1/web1/web1');
  });

  it('replaces variables beside macros', () => {
    expect(interpolateText('${host}$__from${env}', grafana)).toBe('web1$__fromprod');
  });

  it('is not misled by names that only begin like a macro', () => {
    expect(interpolateText('$__from_here', grafana)).toBe('VISIBLE');
    expect(interpolateText('${__intervals}', grafana)).toBe('VISIBLE');
  });

  it('writes the old spelling of a macro in the one that the backend knows', () => {
    expect(interpolateText('[[__from:date]]-[[__to]]', grafana)).toBe('${__from:date}-${__to}');
  });

  it('keeps text without variables', () => {
    expect(interpolateText('', grafana)).toBe('');
    expect(interpolateText('100 $ {x}', grafana)).toBe('100 $ {x}');
  });
});

describe('interpolate', () => {
  it('reaches into lists and objects and keeps what is no text', () => {
    const value = { list: ['$host', { deep: '$env' }], n: 1, flag: true, none: null };
    expect(interpolate(value, grafana)).toEqual({ list: ['web1', { deep: 'prod' }], n: 1, flag: true, none: null });
  });
});

describe('interpolateQuery', () => {
  const query: OutriderQuery = {
    refId: '$host',
    datasource: { uid: '$host' },
    trainingWindow: '$window',
    source: {
      kind: 'http-json',
      path: '/$env/query',
      params: [
        { name: 'from', value: '${__from}' },
        { name: 'host', value: '$host' },
      ],
      body: '{"to": ${__to:date:iso}, "host": "$host"}',
    },
  };

  it('replaces everywhere in the query, but not in the keys of Grafana', () => {
    expect(interpolateQuery(query, grafana)).toEqual({
      refId: '$host',
      datasource: { uid: '$host' },
      trainingWindow: '14d',
      source: {
        kind: 'http-json',
        path: '/prod/query',
        params: [
          { name: 'from', value: '${__from}' },
          { name: 'host', value: 'web1' },
        ],
        body: '{"to": ${__to:date:iso}, "host": "web1"}',
      },
    });
  });

  it('writes the variables of the source in its own way', () => {
    const quoted = inFormat(() => (value) => `'${String(value)}'`);
    const replace: ReplaceAs = (text, format) => text.replace('$host', () => format?.('web1', {}) ?? 'web1');
    expect(interpolateQuery(query, grafana, (source) => quoted(source, replace, {}))).toMatchObject({
      trainingWindow: '14d',
      source: { path: '/$env/query', body: '{"to": ${__to:date:iso}, "host": "\'web1\'"}' },
    });
  });

  it('leaves the saved query as it was', () => {
    const before = cloneDeep(query);
    interpolateQuery(query, grafana);
    expect(query).toEqual(before);
  });
});
