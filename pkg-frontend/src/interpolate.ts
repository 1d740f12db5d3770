/**
 * Template variables are replaced here, the backend's macros are not: the backend asks its upstream for more
 * than the visible range (the training window comes before it), so it alone knows what `${__from}` must be.
 * In: a query and Grafana's `replace`. Out: the same query, each of its own strings replaced between the macros. Pure.
 */
import { type InterpolateSource, type VariableFormat } from './kinds';
import { type OutriderQuery } from './types';

export type Replace = (text: string) => string;

/** The macros of the backend in each spelling that Grafana itself would replace. */
const MACRO =
  /(\$\{__(?:from|to|interval|interval_ms|rate_interval|rate_interval_ms|range|range_s|range_ms|maxDataPoints)(?::[^}]*)?\}|\$__(?:from|to|interval|interval_ms|rate_interval|rate_interval_ms|range|range_s|range_ms|maxDataPoints)(?!\w)|\[\[__(?:from|to|interval|interval_ms|rate_interval|rate_interval_ms|range|range_s|range_ms|maxDataPoints)(?::\w+)?\]\])/;

/** Keys that belong to Grafana, not to us. */
const GRAFANA_KEYS = new Set(['refId', 'datasource', 'datasourceId', 'hide', 'key', 'queryType', 'intervalMs']);

/** Replaces the variables in `text` and leaves the backend's macros as they are. */
export function interpolateText(text: string, replace: Replace): string {
  // A split by a regex with one group alternates between text (even) and macro (odd).
  return text
    .split(MACRO)
    .map((part, i) => (i % 2 === 0 ? part && replace(part) : bracesOf(part)))
    .join('');
}

/** Replaces the variables in every string below `value`. */
export function interpolate(value: unknown, replace: Replace): unknown {
  if (typeof value === 'string') {
    return interpolateText(value, replace);
  }
  if (Array.isArray(value)) {
    return value.map((item: unknown) => interpolate(item, replace));
  }
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]: [string, unknown]) => [key, interpolate(item, replace)]),
    );
  }
  return value;
}

/** Replaces the variables of a query; those in the options of its source by `interpolateSource`, where it is given. */
export function interpolateQuery(
  query: OutriderQuery,
  replace: Replace,
  interpolateSource?: (source: object) => object,
): OutriderQuery {
  const entries = Object.entries(query).map(([key, value]: [string, unknown]) => {
    if (GRAFANA_KEYS.has(key)) {
      return [key, value];
    }
    if (key === 'source' && interpolateSource !== undefined && typeof value === 'object' && value !== null) {
      return [key, interpolateSource(value)];
    }
    return [key, interpolate(value, replace)];
  });
  return Object.fromEntries(entries) as OutriderQuery;
}

/** Replaces the variables in all options of a source, and writes their values in the format that these options need. */
export function inFormat(formatOf: (source: object) => VariableFormat | undefined): InterpolateSource {
  return (source, replace) => interpolate(source, (text) => replace(text, formatOf(source))) as object;
}

/** `[[__from:date]]` is Grafana's old spelling of `${__from:date}`; the backend knows only the new one. */
function bracesOf(macro: string): string {
  return macro.startsWith('[[') ? `\${${macro.slice(2, -2)}}` : macro;
}
