/**
 * How the values of template variables are written in PromQL. Pure.
 * As in Grafana's own Prometheus data source, the values of a variable that may have several become a regular
 * expression, for `=~`. Unlike there, no quote of a value ends the string that it stands in.
 */
import { type VariableFormat } from '../kinds';

const REGEX_CHARS = /[\\^$.*+?()[\]{}|]/g;

/** What stands for a character between quotes of PromQL, of either kind. */
const IN_STRING: Record<string, string> = {
  '\\': '\\\\',
  '"': '\\x22',
  "'": '\\x27',
  '`': '\\x60',
  '\n': '\\n',
};

function inString(text: string): string {
  return text.replace(/[\\"'`\n]/g, (char) => IN_STRING[char] ?? char);
}

function regexOf(value: string | string[]): string {
  const all = [value].flat().map((text) => text.replace(REGEX_CHARS, '\\$&'));
  return all.length === 1 ? (all[0] ?? '') : `(${all.join('|')})`;
}

/** A value for a field of the builder: the backend quotes it. */
export const forBuilder: VariableFormat = (value, { multi, includeAll }) =>
  multi || includeAll || Array.isArray(value) ? regexOf(value) : value;

/** A value between the quotes of a string in PromQL. */
export const forPromql: VariableFormat = (value, variable) => inString(forBuilder(value, variable));

/** The format for a query with these options. */
export function formatFor(source: object): VariableFormat {
  return 'expr' in source && typeof source.expr === 'string' && source.expr.trim() !== '' ? forPromql : forBuilder;
}
