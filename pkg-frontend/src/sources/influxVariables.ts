/**
 * Variables in queries to InfluxDB. In a text their values are written as their place needs them: in quotes, in a
 * regular expression, or bare; so none can end its place and become a part of the query. In the other options they are
 * plain, because the backend quotes those. In: the options of a query and Grafana's `replace`. Out: the same options.
 */
import { interpolateText } from '../interpolate';
import { type ReplaceAs, type VariableFormat } from '../kinds';
import { type AdhocFilter, type InfluxDbOptions, type InfluxLanguage, type OutriderJsonData } from '../types';

type Place = 'single' | 'double' | 'regex' | 'bare';

/** A text in quotes, or a regular expression with what must stand before it to be one. */
const QUOTED: Record<InfluxLanguage, RegExp> = {
  influxql: /('(?:\\[^]|[^'\\])*'|"(?:\\[^]|[^"\\])*"|(?:=~|!~|\bfrom\s|\bby\s|[.,(])\s*\/(?:\\[^]|[^/\\\n])*\/)/i,
  flux: /("(?:\\[^]|[^"\\])*"|(?:=~|!~|[,(:])\s*\/(?:\\[^]|[^/\\\n])*\/)/,
  sql: /('(?:''|[^'])*'|"(?:""|[^"])*")/,
};

/** Values that are one word or number in each language. */
const BARE = /^(?:[A-Za-z_]\w*|-?\d+(?:\.\d+)?|\d+(?:ns|us|ms|s|m|h|d|w|mo|y))$/;

/** Options that are lists of names: a variable with several values becomes several names. */
const LISTS = ['fields', 'tags'] as const;

export function interpolateInfluxDb(source: object, replace: ReplaceAs, jsonData: OutriderJsonData): object {
  const options = source as Partial<InfluxDbOptions>;
  const plain = (text: string) => interpolateText(text, (part) => replace(part, asPlain));
  const replaced: Partial<InfluxDbOptions> = { ...options };
  for (const key of ['policy', 'measurement', 'fill'] as const) {
    if (options[key] !== undefined) {
      replaced[key] =
        key === 'measurement' && isRegex(options[key])
          ? inPlace(options[key], 'regex', 'influxql', replace)
          : plain(options[key]);
    }
  }
  for (const key of LISTS) {
    if (options[key] !== undefined) {
      replaced[key] = options[key].flatMap((name) => valuesOf(name, replace));
    }
  }
  if (options.where !== undefined) {
    replaced.where = options.where.map((condition) => interpolateCondition(condition, replace));
  }
  if (options.text !== undefined) {
    const language = options.language ?? jsonData.queryLanguage ?? 'influxql';
    replaced.text = interpolateLanguage(options.text, language, replace);
  }
  return replaced;
}

/** Replaces the variables in a text of this language. */
export function interpolateLanguage(text: string, language: InfluxLanguage, replace: ReplaceAs): string {
  const quoted = QUOTED[language] ?? QUOTED.influxql;
  // A split by a regex with one group alternates between what is outside of it (even) and inside (odd).
  return text
    .split(quoted)
    .map((part, i) => inPlace(part, i % 2 === 0 ? 'bare' : placeOf(part), language, replace))
    .join('');
}

function placeOf(part: string): Place {
  return part.endsWith('/') ? 'regex' : part.startsWith("'") ? 'single' : 'double';
}

function inPlace(text: string, place: Place, language: InfluxLanguage, replace: ReplaceAs): string {
  const format: VariableFormat = (value, variable) => written(value, variable, place, language);
  return interpolateText(text, (part) => replace(part, format));
}

function written(
  value: string | string[],
  variable: Parameters<VariableFormat>[1],
  place: Place,
  language: InfluxLanguage,
): string {
  const values = [value].flat().map(String);
  const several = Array.isArray(value) || Boolean(variable?.multi) || Boolean(variable?.includeAll);
  switch (place) {
    case 'regex':
      return several ? anyOf(values) : safePattern(values.join());
    case 'single':
    case 'double': {
      const one = values.length === 1 ? (values[0] ?? '') : `(${values.join('|')})`;
      return escaped(one, place === 'single' ? "'" : '"', language);
    }
    case 'bare':
      return bare(values, several, language);
  }
}

/** `value` as it stands between quotes of this kind. */
function escaped(value: string, quote: "'" | '"', language: InfluxLanguage): string {
  switch (language) {
    case 'sql':
      return value.replaceAll(quote, quote + quote);
    case 'flux':
      return value
        .replace(/[\\"]/g, (c) => `\\${c}`)
        .replaceAll('$', '\\x24')
        .replaceAll('\n', '\\n');
    case 'influxql':
      return value.replaceAll('\\', '\\\\').replaceAll(quote, `\\${quote}`).replaceAll('\n', '\\n');
  }
}

/** Values outside of quotes: words and numbers as they are; other texts as names, or as texts where a list stands. */
function bare(values: string[], several: boolean, language: InfluxLanguage): string {
  const quoted = (value: string, quote: "'" | '"') => quote + escaped(value, quote, language) + quote;
  if (several && language === 'sql') {
    return values.map((value) => quoted(value, "'")).join(', ');
  }
  if (several && language === 'flux') {
    return `[${values.map((value) => quoted(value, '"')).join(', ')}]`;
  }
  return values.map((value) => (BARE.test(value) ? value : quoted(value, '"'))).join(', ');
}

/** A regular expression that matches each of the values and nothing else. */
function anyOf(values: string[]): string {
  return `(${values.map(escapeRegex).join('|')})`;
}

/** Quotes, slashes and backslashes as codes, so that they end nothing, wherever the expression stands. */
function escapeRegex(value: string): string {
  return value.replace(/[$^.*+?()[\]{}|-]|[\\/'"]|\n/g, (c) => ('\\/\'"\n'.includes(c) ? code(c) : `\\${c}`));
}

function code(c: string): string {
  return `\\x${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}

/** A pattern that someone typed, as it is, but unable to end the expression. */
function safePattern(pattern: string): string {
  return pattern.replace(/\\\\|\\\/|\/|\n|\\$/g, (c) => code(c === '\\\\' ? '\\' : c === '\\/' ? '/' : c));
}

function isRegex(text: string): boolean {
  return text.length > 2 && text.startsWith('/') && text.endsWith('/');
}

function asPlain(value: string | string[]): string {
  return [value].flat().join(',');
}

/** The values of a text that is a variable and nothing else; of any other text the one that it becomes. */
function valuesOf(text: string, replace: ReplaceAs): string[] {
  let found: string[] | undefined;
  const one = interpolateText(text, (part) =>
    replace(part, (value) => {
      found = Array.isArray(value) ? value : undefined;
      return asPlain(value);
    }),
  );
  return found !== undefined && /^(?:\$\w+|\$\{[^}]+\}|\[\[[^\]]+\]\])$/.test(text.trim()) ? found : [one];
}

/** Several values turn “is” into “is any of”. */
function interpolateCondition(condition: AdhocFilter, replace: ReplaceAs): AdhocFilter {
  const { operator, value } = condition;
  const key = interpolateText(condition.key, (part) => replace(part, asPlain));
  if (operator === '=~' || operator === '!~') {
    return { key, operator, value: inPlace(value, 'regex', 'influxql', replace) };
  }
  const values = valuesOf(value, replace);
  if (values.length > 1 && (operator === '=' || operator === '!=')) {
    return { key, operator: operator === '=' ? '=~' : '!~', value: `^${anyOf(values)}$` };
  }
  return { key, operator, value: values.join(',') };
}
