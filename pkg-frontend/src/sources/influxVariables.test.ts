import { type VariableFormat } from '../kinds';

import { interpolateInfluxDb, interpolateLanguage } from './influxVariables';

const VARIABLES: Record<string, string | string[]> = {
  host: 'web-1',
  evil: `x' OR 1=1; DROP DATABASE "d" -- \\`,
  hosts: ['web-1', `it's`, 'a/b'],
  one: ['web.1'],
  field: 'load',
  dotted: 'sensor.series',
  pattern: '^web/.*\\',
  minute: '5m',
};

/** Replaces as Grafana does: hands each value to the format, and leaves unknown names alone. */
const replace = (text: string, format?: VariableFormat) =>
  text.replace(/\$(\w+)|\$\{(\w+)\}/g, (all: string, a?: string, b?: string) => {
    const value = VARIABLES[a ?? b ?? ''];
    return value === undefined ? all : (format?.(value, { multi: Array.isArray(value) }) ?? String(value));
  });

const influxql = (text: string) => interpolateLanguage(text, 'influxql', replace);

describe('InfluxQL', () => {
  it.each([
    ['in quotes', `host = '$host'`, `host = 'web-1'`],
    ['in a regular expression, several', 'host =~ /^$hosts$/', String.raw`host =~ /^(web\-1|it\x27s|a\x2Fb)$/`],
    ['in a regular expression, one of several', 'host =~ /^$one$/', String.raw`host =~ /^(web\.1)$/`],
    ['in a regular expression, as typed', 'host =~ /$pattern/', String.raw`host =~ /^web\x2F.*\x5C/`],
    ['as a word', 'select mean($field) from $dotted', 'select mean(load) from "sensor.series"'],
    ['as a duration', 'group by time($minute)', 'group by time(5m)'],
    ['in a name', 'select "$field" from "$dotted"', 'select "load" from "sensor.series"'],
    ['not in macros', 'where $timeFilter and ${__from} > $__interval', 'where $timeFilter and ${__from} > $__interval'],
  ])('writes a value %s', (_, text, expected) => {
    expect(influxql(text)).toBe(expected);
  });

  it('lets no value end its place', () => {
    expect(influxql(`a = '$evil' and b = 1`)).toBe(String.raw`a = 'x\' OR 1=1; DROP DATABASE "d" -- \\' and b = 1`);
    expect(influxql(`select "$evil" from m`)).toBe(String.raw`select "x' OR 1=1; DROP DATABASE \"d\" -- \\" from m`);
    expect(influxql(`select $evil from m`)).toBe(String.raw`select "x' OR 1=1; DROP DATABASE \"d\" -- \\" from m`);
    expect(influxql('a =~ /$evil/ and b =~ /$pattern/')).toBe(
      String.raw`a =~ /x' OR 1=1; DROP DATABASE "d" -- \x5C/ and b =~ /^web\x2F.*\x5C/`,
    );
  });
});

describe('the other languages', () => {
  it('have quotes of their own', () => {
    expect(interpolateLanguage(`h = '$evil' AND h IN ($hosts) AND $field > 1`, 'sql', replace)).toBe(
      `h = 'x'' OR 1=1; DROP DATABASE "d" -- \\' AND h IN ('web-1', 'it''s', 'a/b') AND load > 1`,
    );
    expect(interpolateLanguage('r.h == "$evil" and contains(value: r.h, set: $hosts)', 'flux', replace)).toBe(
      String.raw`r.h == "x' OR 1=1; DROP DATABASE \"d\" -- \\" and contains(value: r.h, set: ["web-1", "it's", "a/b"])`,
    );
    expect(interpolateLanguage('r.h =~ /^$hosts$/', 'flux', replace)).toBe(
      String.raw`r.h =~ /^(web\-1|it\x27s|a\x2Fb)$/`,
    );
  });
});

describe('interpolateInfluxDb', () => {
  it('writes the options plainly, because the backend quotes them', () => {
    const source = {
      kind: 'influxdb',
      measurement: '$dotted',
      fields: ['$field', '$hosts', 'x $host'],
      tags: ['$one'],
      where: [
        { key: '$field', operator: '=', value: '$evil' },
        { key: 'host', operator: '=', value: '$hosts' },
        { key: 'host', operator: '!=', value: '${hosts}' },
        { key: 'host', operator: '=', value: '$one' },
        { key: 'host', operator: '=~', value: '^$hosts$' },
      ],
    };
    const any = String.raw`^(web\-1|it\x27s|a\x2Fb)$`;
    expect(interpolateInfluxDb(source, replace, {})).toEqual({
      kind: 'influxdb',
      measurement: 'sensor.series',
      fields: ['load', 'web-1', `it's`, 'a/b', 'x web-1'],
      tags: ['web.1'],
      where: [
        { key: 'load', operator: '=', value: VARIABLES.evil },
        { key: 'host', operator: '=~', value: any },
        { key: 'host', operator: '!~', value: any },
        { key: 'host', operator: '=', value: 'web.1' },
        { key: 'host', operator: '=~', value: any },
      ],
    });
  });

  it('knows the language of the settings', () => {
    const source = { text: `a = '$hosts'` };
    expect(interpolateInfluxDb(source, replace, { queryLanguage: 'sql' })).toEqual({ text: `a = '(web-1|it''s|a/b)'` });
    expect(interpolateInfluxDb({ ...source, language: 'influxql' }, replace, { queryLanguage: 'sql' })).toEqual({
      text: String.raw`a = '(web-1|it\'s|a/b)'`,
      language: 'influxql',
    });
  });
});
