import {
  type AdHocVariableFilter,
  type DataQueryRequest,
  type DataQueryResponse,
  type DataSourceInstanceSettings,
  type MetricFindValue,
  type ScopedVars,
  type TimeRange,
} from '@grafana/data';
import { config, DataSourceWithBackend, getTemplateSrv, type TemplateSrv } from '@grafana/runtime';
import { from, map, type Observable, switchMap } from 'rxjs';

import { annotationSupport, canPointAtMarks, withoutMarks } from './annotations';
import { QUERY_VERSION, SETTINGS_DEFAULTS } from './defaults';
import { interpolateQuery } from './interpolate';
import { type ReplaceAs } from './kinds';
import { migrateQuery } from './migrations';
import { interpolateOther, loadOthers } from './otherDataSource';
import { SOURCES } from './sources';
import {
  type AdhocFilter,
  type Choice,
  type OutriderJsonData,
  type OutriderQuery,
  type PreviewTable,
  type Source,
  type SourceKind,
} from './types';

/** The frontend of the data source: everything but variables happens in the backend. */
export class OutriderDataSource extends DataSourceWithBackend<OutriderQuery, OutriderJsonData> {
  /** The upstream in the settings, which a query that names no source asks. */
  readonly sourceKind: SourceKind;
  /** What of the settings everyone may read. */
  readonly jsonData: OutriderJsonData;

  override annotations = annotationSupport;

  constructor(settings: DataSourceInstanceSettings<OutriderJsonData>) {
    super(settings);
    this.jsonData = settings.jsonData ?? {};
    this.sourceKind = this.jsonData.source ?? SETTINGS_DEFAULTS.source;
  }

  override getDefaultQuery(): Partial<OutriderQuery> {
    return { version: QUERY_VERSION };
  }

  override filterQuery(query: OutriderQuery): boolean {
    return !query.hide;
  }

  /** Variables are replaced at once, and other data sources come when they are asked for: they must be there before. */
  override query(request: DataQueryRequest<OutriderQuery>): Observable<DataQueryResponse> {
    const others = request.targets.flatMap(({ source }) => (source?.kind === 'grafana' ? [source] : []));
    const answers =
      others.length === 0 ? super.query(request) : from(loadOthers(others)).pipe(switchMap(() => super.query(request)));
    return canPointAtMarks(request.app, config.buildInfo.version) ? answers : answers.pipe(map(withoutMarks));
  }

  /** `filters` are those of ad-hoc filter variables; before Grafana 11 they must be asked for. */
  override applyTemplateVariables(
    query: OutriderQuery,
    scopedVars: ScopedVars,
    filters?: AdHocVariableFilter[],
  ): OutriderQuery {
    const templateSrv = getTemplateSrv();
    const migrated = migrateQuery(query);
    const { source } = migrated;
    const kind = source?.kind ?? this.sourceKind;
    const own = Object.hasOwn(SOURCES, kind) ? SOURCES[kind].interpolate : undefined;
    const replace: ReplaceAs = (text, format) => templateSrv.replace(text, scopedVars, format);
    const interpolated = interpolateQuery(
      migrated,
      (text) => replace(text),
      own && ((source) => own(source, replace, this.jsonData)),
    );
    const all = filters ?? adhocFilters(templateSrv, this.name);
    const other = source?.kind === 'grafana' ? interpolateOther(source, scopedVars, all) : undefined;
    if (other === undefined) {
      return withFilters(interpolated, all, this.sourceKind);
    }
    const asked = { ...interpolated, source: { ...interpolated.source, kind: 'grafana' as const, query: other.query } };
    return withFilters(asked, other.filtered ? [] : all, this.sourceKind);
  }

  /** What can be chosen: an answer of the upstream in the settings. Empty where it cannot be asked. */
  async getChoices(question: string, params: Record<string, string> = {}): Promise<Choice[]> {
    try {
      return await this.ask(`${this.sourceKind}/${question}`, params);
    } catch {
      return [];
    }
  }

  /** The first points of what the upstream answers to a query of this source, its variables replaced. */
  async preview(source: Source, range?: TimeRange): Promise<PreviewTable> {
    const query = this.applyTemplateVariables({ refId: 'preview', version: QUERY_VERSION, source }, {});
    return this.postResource('preview', { query, from: range?.from.valueOf(), to: range?.to.valueOf() });
  }

  /** The values of a variable. Its query is a question: `tag-values?key=host`. */
  override async metricFindQuery(query: string, options?: { scopedVars?: ScopedVars }): Promise<MetricFindValue[]> {
    const text = getTemplateSrv().replace(query, options?.scopedVars).trim();
    if (text === '') {
      return [];
    }
    const [question, params] = splitOnce(text, '?');
    const choices = await this.ask(`${this.sourceKind}/${question}`, Object.fromEntries(new URLSearchParams(params)));
    return choices.map(({ value, label }) => ({ text: label, value }));
  }

  override async getTagKeys(): Promise<MetricFindValue[]> {
    return (await this.getChoices('tag-keys')).map(({ value }) => ({ text: value }));
  }

  override async getTagValues({ key }: { key: string }): Promise<MetricFindValue[]> {
    return (await this.getChoices('tag-values', { key })).map(({ value }) => ({ text: value }));
  }

  private async ask<Value extends string>(
    path: string,
    params: Record<string, string> = {},
  ): Promise<Array<Choice<Value>>> {
    const answer: unknown = await this.getResource(path, params);
    return Array.isArray(answer) ? (answer as Array<Choice<Value>>) : [];
  }
}

/** The query with the filters of the dashboard among the options of its source, which says so if it cannot filter. */
function withFilters(query: OutriderQuery, filters: AdHocVariableFilter[], sourceKind: SourceKind): OutriderQuery {
  if (filters.length === 0) {
    return query;
  }
  const adhocFilters: AdhocFilter[] = filters.map(({ key, operator, value }) => ({ key, operator, value }));
  return { ...query, source: { ...(query.source ?? { kind: sourceKind }), adhocFilters } };
}

function adhocFilters(templateSrv: TemplateSrv, name: string): AdHocVariableFilter[] {
  // Not among the types of the package, but in every version before 11.
  const { getAdhocFilters } = templateSrv as { getAdhocFilters?: (name: string) => AdHocVariableFilter[] };
  return getAdhocFilters?.call(templateSrv, name) ?? [];
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
