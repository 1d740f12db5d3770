/**
 * Template variables are replaced here, the backend's macros are not: the backend asks its upstream for more
 * than the visible range (the training window comes before it), so it alone knows what `${__from}` must be.
 * In: a query and Grafana's `replace`. Out: the same query, each of its own strings replaced between the macros. Pure.
 */
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

/** Replaces the variables of a query; those in the options of its source as the upstream's language needs them. */
export function interpolateQuery(query: OutriderQuery, replace: { text: Replace; source: Replace }): OutriderQuery {
  const entries = Object.entries(query).map(([key, value]: [string, unknown]) => [
    key,
    GRAFANA_KEYS.has(key) ? value : interpolate(value, key === 'source' ? replace.source : replace.text),
  ]);
  return Object.fromEntries(entries) as OutriderQuery;
}

/** `[[__from:date]]` is Grafana's old spelling of `${__from:date}`; the backend knows only the new one. */
function bracesOf(macro: string): string {
  return macro.startsWith('[[') ? `\${${macro.slice(2, -2)}}` : macro;
}
