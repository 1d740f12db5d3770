/** Other data sources of the same Grafana: which can be asked, and what they make of the variables in their queries. */
import {
  type AdHocVariableFilter,
  type DataSourceApi,
  type DataSourceInstanceSettings,
  type ScopedVars,
} from '@grafana/data';
import { getDataSourceSrv } from '@grafana/runtime';

import { type GrafanaOptions, type OtherQuery } from './types';

export type OtherDataSource = DataSourceApi<OtherQuery>;
type Options = Partial<GrafanaOptions>;

/** What data sources with a backend have, though the type of all data sources does not say so. */
type Interpolate = (query: OtherQuery, scopedVars: ScopedVars, filters?: AdHocVariableFilter[]) => OtherQuery;
type InterpolateAll = (
  queries: OtherQuery[],
  scopedVars: ScopedVars,
  filters?: AdHocVariableFilter[],
) => Array<OtherQuery | undefined>;

/** Those that are here, since variables are replaced without waiting. */
const loaded = new Map<string, OtherDataSource>();

/** The uid of the data source that is asked; '' where none is chosen. The backend reads the two in the same order. */
export function otherUid({ query, datasourceUid }: Options): string {
  const ref: unknown = query?.datasource;
  const uid = ref !== null && typeof ref === 'object' ? (ref as { uid?: unknown }).uid : undefined;
  return typeof uid === 'string' && uid.trim() !== '' ? uid : (datasourceUid ?? '');
}

/** Whether a data source can be asked: it answers in Grafana's backend, and is none of ours. */
export function canBeAsked(other: DataSourceInstanceSettings, own: { uid: string; type: string }): boolean {
  const { uid, type, meta } = other;
  return (
    uid !== own.uid && type !== own.type && hasBackend(other) && !meta.mixed && !meta.builtIn && type !== '__expr__'
  );
}

export function hasBackend({ meta }: Pick<DataSourceInstanceSettings, 'meta'>): boolean {
  return Boolean(meta.backend ?? meta.alerting);
}

/** Loads a data source with its editor; fails where Grafana does not know it. */
export async function loadOther(uid: string): Promise<OtherDataSource> {
  const other = (await getDataSourceSrv().get(uid)) as unknown as OtherDataSource;
  loaded.set(uid, other);
  return other;
}

/** Loads what the queries ask. Never fails: the backend says what is wrong. */
export async function loadOthers(all: Options[]): Promise<void> {
  const uids = new Set(all.map(otherUid).filter((uid) => uid !== '' && !loaded.has(uid)));
  await Promise.allSettled([...uids].map(loadOther));
}

/**
 * The other data source's query with its variables replaced in its own way; undefined where it is not loaded or has
 * none. `filtered` says whether it takes ad-hoc filters.
 */
export function interpolateOther(
  options: Options,
  scopedVars: ScopedVars,
  filters: AdHocVariableFilter[],
): { query: Partial<OtherQuery>; filtered: boolean } | undefined {
  const other = loaded.get(otherUid(options));
  const query = { refId: 'A', ...options.query } as OtherQuery;
  const vars = withoutMacros(scopedVars);
  const { applyTemplateVariables: one, interpolateVariablesInQueries: all } = (other ?? {}) as {
    applyTemplateVariables?: Interpolate;
    interpolateVariablesInQueries?: InterpolateAll;
  };
  // What is done to queries on their way to a backend; the other one is meant for queries that move elsewhere.
  if (one !== undefined) {
    return { query: one.call(other, query, vars, filters), filtered: one.length > 2 };
  }
  const [interpolated] = all?.call(other, [query], vars, filters) ?? [];
  return interpolated && { query: interpolated, filtered: (all?.length ?? 0) > 2 };
}

/** Steps and ranges are the backend's: it asks for more than the panel shows. */
function withoutMacros(scopedVars: ScopedVars): ScopedVars {
  const isMacro = (name: string) =>
    /^__(interval|interval_ms|rate_interval|rate_interval_ms|range|range_s|range_ms)$/.test(name);
  return Object.fromEntries(Object.entries(scopedVars).filter(([name]) => !isMacro(name)));
}
