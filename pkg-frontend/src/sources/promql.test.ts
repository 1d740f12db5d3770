import { formatFor, forBuilder, forPromql } from './promql';

const single = {};
const multi = { multi: true };

describe('forPromql', () => {
  it.each([
    ['web-1', single, 'web-1'],
    ['a.b', single, 'a.b'],
    ['a.b', multi, 'a\\\\.b'],
    ['a.b', { includeAll: true }, 'a\\\\.b'],
    [['a'], multi, 'a'],
    [['a.b', 'c|d'], multi, '(a\\\\.b|c\\\\|d)'],
    ['C:\\dir', single, 'C:\\\\dir'],
    ['C:\\dir', multi, 'C:\\\\\\\\dir'],
  ])('writes %j of %j as %s', (value, variable, written) => {
    expect(forPromql(value, variable)).toBe(written);
  });

  it('lets no value end the string that it stands in', () => {
    for (const value of ['"} or up #', "'} or up #", '`} or up #', '\\"} or up', 'a\nb', '\\']) {
      for (const variable of [single, multi]) {
        const written = forPromql(value, variable);
        expect(written).not.toMatch(/["'`\n]/);
        // Every backslash belongs to a pair, so none is left to escape the closing quote.
        expect(written.replace(/\\(?:\\|x2[27]|x60|n)/g, '')).not.toContain('\\');
      }
    }
  });
});

describe('forBuilder', () => {
  it('leaves quoting to the backend', () => {
    expect(forBuilder('a"b\\c.d', single)).toBe('a"b\\c.d');
    expect(forBuilder(['a"b', 'c.d'], multi)).toBe('(a"b|c\\.d)');
  });
});

describe('formatFor', () => {
  it('tells PromQL from the builder', () => {
    expect(formatFor({ kind: 'prometheus', expr: 'up{a="$b"}' })).toBe(forPromql);
    for (const source of [{}, { expr: ' ' }, { expr: 5 }, { metric: 'up' }]) {
      expect(formatFor(source)).toBe(forBuilder);
    }
  });
});
