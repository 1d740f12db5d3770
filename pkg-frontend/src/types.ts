/** The wire format: what is stored in the data source settings and in a saved query. Options are those of the schema. */
import { type DataSourceJsonData } from '@grafana/data';
import { type DataQuery } from '@grafana/schema';

import {
  type CommonOptions,
  type DetectorOptions,
  type SchemaSettings,
  type SecretName,
  type SourceOptions as SchemaSources,
} from './schema.gen';

export { type CommonOptions, type DetectorOptions };

/** Every source kind with its options. */
export interface SourceOptions extends Omit<SchemaSources, 'grafana'> {
  grafana: GrafanaOptions;
}

export interface GrafanaOptions extends Omit<SchemaSources['grafana'], 'query'> {
  query: Partial<OtherQuery>;
}

/** The saved query of another data source: what is in it, only that data source knows. */
export type OtherQuery = DataQuery & Record<string, unknown>;

export type GeneratorOptions = SourceOptions['generator'];
export type GeneratorSeries = GeneratorOptions['series'][number];
export type HttpJsonOptions = SourceOptions['http-json'];
export type RowForm = HttpJsonOptions['form'];
export type InfluxDbOptions = SourceOptions['influxdb'];
export type InfluxLanguage = NonNullable<InfluxDbOptions['language']>;
export type PrometheusOptions = SourceOptions['prometheus'];
export type SimpleJsonOptions = SourceOptions['simple-json'];
export type SqlOptions = SourceOptions['postgresql'];
export type IsolationForestOptions = DetectorOptions['isolation-forest'];
export type ForestFeature = IsolationForestOptions['features'][number];

/** A kind with those of its options that differ from the default. */
export type KindChoice<Options, Kind extends keyof Options = keyof Options> = {
  [K in Kind]: { kind: K } & Partial<Options[K]>;
}[Kind];

export type SourceKind = keyof SourceOptions;
export type DetectorKind = keyof DetectorOptions;
/** `adhocFilters` are added when the query is sent, and never saved. */
export type Source = KindChoice<SourceOptions> & { adhocFilters?: AdhocFilter[] };
export type Detector = KindChoice<DetectorOptions>;

export interface OutriderQuery extends DataQuery, Partial<CommonOptions> {
  version?: number;
  source?: Source;
  detector?: Detector;
}

/** One condition of an ad-hoc filter variable; the backend checks it. */
export interface AdhocFilter {
  key: string;
  operator: string;
  value: string;
}

export interface SettingsOptions extends SchemaSettings {
  /** Grafana's own keys: who the user is goes along with requests. */
  oauthPassThru: boolean;
  keepCookies: string[];
}

export type OutriderJsonData = DataSourceJsonData &
  Partial<SettingsOptions> & { [header: `httpHeaderName${number}`]: string | undefined };

export type SecretKey = SecretName | `httpHeaderValue${number}`;

export type OutriderSecureJsonData = Partial<Record<SecretKey, string>>;

/** The first points of an answer, as they were understood. */
export interface PreviewTable {
  /** What was asked. */
  executed: string;
  columns: string[];
  rows: string[][];
  series: number;
  points: number;
  notices: string[];
}

/** One answer to a question of an editor, a variable or an ad-hoc filter. */
export interface Choice<Value extends string = string> {
  value: Value;
  label: string;
  description?: string;
}
