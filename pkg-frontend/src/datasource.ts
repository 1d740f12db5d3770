import {
  type AnnotationQuery,
  type AnnotationSupport,
  type DataSourceInstanceSettings,
  type ScopedVars,
} from '@grafana/data';
import { DataSourceWithBackend, getTemplateSrv } from '@grafana/runtime';

import { GENERATOR_SERIES, QUERY_VERSION, SETTINGS_DEFAULTS } from './defaults';
import { interpolateQuery } from './interpolate';
import { migrateQuery } from './migrations';
import { type GeneratorSeriesInfo, type OutriderJsonData, type OutriderQuery, type SourceKind } from './types';

/** The frontend of the data source: everything but variables happens in the backend. */
export class OutriderDataSource extends DataSourceWithBackend<OutriderQuery, OutriderJsonData> {
  /** The upstream in the settings, which a query that names no source asks. */
  readonly sourceKind: SourceKind;

  override annotations: AnnotationSupport<OutriderQuery> = {
    getDefaultQuery: () => ({ version: QUERY_VERSION, output: 'events' }),
    prepareQuery: prepareAnnotation,
  };

  constructor(settings: DataSourceInstanceSettings<OutriderJsonData>) {
    super(settings);
    this.sourceKind = settings.jsonData?.source ?? SETTINGS_DEFAULTS.source;
  }

  override getDefaultQuery(): Partial<OutriderQuery> {
    return { version: QUERY_VERSION };
  }

  override filterQuery(query: OutriderQuery): boolean {
    return !query.hide;
  }

  override applyTemplateVariables(query: OutriderQuery, scopedVars: ScopedVars): OutriderQuery {
    const templateSrv = getTemplateSrv();
    return interpolateQuery(migrateQuery(query), (text) => templateSrv.replace(text, scopedVars));
  }

  /** The series the generator can make. Never fails: the list known here will do. */
  async getGeneratorSeries(): Promise<GeneratorSeriesInfo[]> {
    try {
      const answer: unknown = await this.getResource('generator/series');
      return Array.isArray(answer) && answer.length > 0 ? (answer as GeneratorSeriesInfo[]) : GENERATOR_SERIES;
    } catch {
      return GENERATOR_SERIES;
    }
  }
}

/** The query of an annotation: the one that was edited, asked for its events. */
export function prepareAnnotation(annotation: AnnotationQuery<OutriderQuery>): OutriderQuery {
  return { ...migrateQuery({ refId: 'Anno', ...annotation.target }), output: 'events' };
}
