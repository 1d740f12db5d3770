import { formatMysql, formatSql, isText } from './sqlVariables';

it('doubles the quotes of a single value', () => {
  expect(formatSql("o'brien", {})).toBe("o''brien");
  expect(formatSql("' OR '1'='1", {})).toBe("'' OR ''1''=''1");
});

it('quotes each of several values', () => {
  expect(formatSql(["o'brien", 'b'], { multi: true })).toBe("'o''brien','b'");
  expect(formatSql('a', { multi: true })).toBe("'a'");
  expect(formatSql('a', { includeAll: true })).toBe("'a'");
});

it('doubles backslashes for MySQL only', () => {
  expect(formatMysql("\\' OR 1=1 #", {})).toBe("\\\\'' OR 1=1 #");
  expect(formatSql('\\', {})).toBe('\\');
});

it('is for statements of the user only', () => {
  expect(isText({ mode: 'text' })).toBe(true);
  expect(isText({ mode: 'builder' })).toBe(false);
  expect(isText({})).toBe(false);
});
