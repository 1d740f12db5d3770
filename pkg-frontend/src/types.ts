/** The wire format: what is stored in the data source settings and in a saved query. */
import { type DataSourceJsonData } from '@grafana/data';
import { type DataQuery } from '@grafana/schema';

export type GeneratorSeries = 'median' | 'sine' | 'cosine' | 'web-traffic';

export interface GeneratorOptions {
  series: GeneratorSeries[];
  seed: number;
  truth: boolean;
  median: number;
  err: number;
  outlierErr: number;
  outlierShare: number;
  period: string;
}

export interface Param {
  name: string;
  value: string;
}

export interface LabelPointer {
  name: string;
  pointer: string;
}

export type HttpMethod = 'GET' | 'POST';
export type TimeFormat = 'auto' | 'ms' | 's' | 'us' | 'ns' | 'iso8601';

export type HttpJsonFormat = 'json' | 'ndjson' | 'csv';
/** How rows are laid out where they are. */
export type RowForm = 'rows' | 'columns' | 'keyed';

export interface HttpJsonOptions {
  path: string;
  method: HttpMethod;
  params: Param[];
  body: string;
  format: HttpJsonFormat;
  rows: string;
  form: RowForm;
  time: string;
  value: string;
  labels: LabelPointer[];
  timeFormat: TimeFormat;
  name: string;
  unit: string;
}

/** What an upstream makes of the raw values of one step. */
export type Aggregate = 'mean' | 'max' | 'min' | 'sum' | 'count' | 'p95' | 'last' | 'none';

export type SimpleJsonType = 'timeserie' | 'table';

export interface SimpleJsonOptions {
  target: string;
  type: SimpleJsonType;
  /** What the server understands, by name; what is not text was written by hand. */
  payload: Record<string, unknown>;
  annotation: string;
  unit: string;
}

/** The saved query of another data source: what is in it, only that data source knows. */
export type OtherQuery = DataQuery & Record<string, unknown>;

export interface GrafanaOptions {
  /** Uid of the other data source, where its query does not say it. */
  datasourceUid: string;
  datasourceType: string;
  query: Partial<OtherQuery>;
  keepRunningStep: boolean;
}

export type PrometheusCombine = 'none' | 'sum' | 'avg' | 'min' | 'max' | 'count';

export interface PrometheusOptions {
  /** PromQL; where it is not empty, the options of the builder are not looked at. */
  expr: string;
  metric: string;
  matchers: AdhocFilter[];
  aggregate: Aggregate;
  rate: boolean;
  combine: PrometheusCombine;
  by: string[];
  legend: string;
  unit: string;
}

export type InfluxLanguage = 'influxql' | 'flux' | 'sql';
export type InfluxFormat = 'json' | 'csv';

export interface InfluxDbOptions {
  /** null = as the data source settings say. */
  language: InfluxLanguage | null;
  /** Empty = built from the options below, in InfluxQL. */
  text: string;
  policy: string;
  measurement: string;
  fields: string[];
  aggregate: Aggregate;
  tags: string[];
  /** `none`, `null` or a number. */
  fill: string;
  where: AdhocFilter[];
  format: InfluxFormat;
}

export type SqlMode = 'builder' | 'text';
export type SqlFormat = 'time-series' | 'table';

export interface SqlOptions {
  mode: SqlMode;
  sql: string;
  format: SqlFormat;
  schema: string;
  table: string;
  timeColumn: string;
  timeFormat: TimeFormat;
  valueColumns: string[];
  aggregate: Aggregate;
  labelColumns: string[];
  filters: AdhocFilter[];
  unit: string;
}

/** Every source kind with its options. */
export interface SourceOptions {
  generator: GeneratorOptions;
  'http-json': HttpJsonOptions;
  'simple-json': SimpleJsonOptions;
  grafana: GrafanaOptions;
  prometheus: PrometheusOptions;
  influxdb: InfluxDbOptions;
  postgresql: SqlOptions;
  mysql: SqlOptions;
  sqlite: SqlOptions;
}

export type ForestFeature = 'value' | 'difference' | 'rolling-mean' | 'rolling-std' | 'time-of-day';

export interface IsolationForestOptions {
  features: ForestFeature[];
  /** In points. */
  featureWindow: number;
  /** IANA name; for the time of day. */
  timeZone: string;
  /** Points of a row. */
  shingle: number;
  /** Numbers a cut looks at besides the first; null = as many as there are. */
  extensionLevel: number | null;
  nTrees: number;
  sampleSize: number;
  seed: number;
  threshold: number;
  /** Share of the training points to flag; null = judge by `threshold`. */
  contamination: number | null;
}

export interface AutoOptions {
  sensitivity: number;
  /** In points. */
  refractory: number;
  /** IANA name. */
  timeZone: string;
}

export interface MadOptions {
  /** `training`, or a duration: the points of that length before the judged one. */
  window: string;
  threshold: number;
  scale: number;
}

export interface ZScoreOptions {
  window: string;
  threshold: number;
}

export interface IqrOptions {
  window: string;
  factor: number;
}

export type ChangeKinds = 'level' | 'variance' | 'both';

export interface ChangepointOptions {
  kinds: ChangeKinds;
  falseAlarmsPerWeek: number;
  minShift: number;
  minSize: number;
}

export type EsdSide = 'pos' | 'neg' | 'both';
export type EsdPart = 'day' | 'hr' | 'period';
export type EsdThreshold = 'None' | 'med_max' | 'p95' | 'p99';

/** The names are those of Twitter's AnomalyDetection. */
export interface SHEsdOptions {
  maxAnoms: number;
  /** null = as the query's direction says. */
  direction: EsdSide | null;
  alpha: number;
  onlyLast: EsdPart | null;
  threshold: EsdThreshold;
  eValue: boolean;
  longterm: boolean;
  piecewiseMedianPeriodWeeks: number;
  /** Points in a season; null = a day, or a week of daily points. */
  period: number | null;
  /** Points in a piece; null = `longterm` says. */
  longtermPeriod: number | null;
}

export type SeasonalMethod = 'mstl' | 'quantiles';

export interface SeasonalOptions {
  method: SeasonalMethod;
  /** Durations; none = a day and a week where the window is long enough. */
  periods: string[];
  timeZone: string;
  coverage: number;
}

export type PeersMethod = 'auto' | 'mad' | 'dbscan' | 'forest';

export interface PeersOptions {
  method: PeersMethod;
  sensitivity: number;
  /** In the unit of the values; null = follows from `sensitivity`. */
  eps: number | null;
  /** Series; null = more than half of those present. */
  minSamples: number | null;
  /** Names of labels. */
  groupBy: string[];
}

export interface JointOptions {
  sensitivity: number;
  /** Names of labels. */
  groupBy: string[];
  timeZone: string;
}

/** Every detector kind with its options. */
export interface DetectorOptions {
  auto: AutoOptions;
  'isolation-forest': IsolationForestOptions;
  mad: MadOptions;
  'z-score': ZScoreOptions;
  iqr: IqrOptions;
  changepoint: ChangepointOptions;
  's-h-esd': SHEsdOptions;
  seasonal: SeasonalOptions;
  peers: PeersOptions;
  joint: JointOptions;
}

/** A kind with those of its options that differ from the default. */
export type KindChoice<Options, Kind extends keyof Options = keyof Options> = {
  [K in Kind]: { kind: K } & Partial<Options[K]>;
}[Kind];

export type SourceKind = keyof SourceOptions;
export type DetectorKind = keyof DetectorOptions;
/** `adhocFilters` are added when the query is sent, and never saved. */
export type Source = KindChoice<SourceOptions> & { adhocFilters?: AdhocFilter[] };
export type Detector = KindChoice<DetectorOptions>;

export type Direction = 'both' | 'high' | 'low';
export type Training = 'window' | 'visible-range';
export type Transform = 'none' | 'rate';
/** What an alert rule sees where points are missing. */
export type Missing = 'no-data' | 'outlier' | 'normal';
export type Output = 'all' | 'state' | 'events' | 'score' | 'series' | 'alert' | 'annotations';

/** What a query says beside its source and its detector. */
export interface CommonOptions {
  direction: Direction;
  training: Training;
  trainingWindow: string;
  refitInterval: string;
  step: string;
  /** For how long the newest points are left out; `auto` = as the data source settings say. */
  settle: string;
  transform: Transform;
  output: Output;
  missing: Missing;
}

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

export interface SettingsOptions {
  source: SourceKind;
  database: string;
  timeout: number;
  maxResponseBytes: number;
  maxRows: number;
  maxSeries: number;
  maxConcurrentRequests: number;
  retries: number;
  /** For how long the newest points are left out; `auto` = as long as the upstream needs. */
  settle: string;
  healthPath: string;
  /** Of HTTP JSON. */
  allowPost: boolean;
  /** Of HTTP JSON: paths below the URL; none listed is all. */
  allowedPaths: string[];
  tenant: string;
  scrapeInterval: string;
  tlsSkipVerify: boolean;
  tlsAuthWithCACert: boolean;
  tlsAuth: boolean;
  /** Grafana's own keys: who the user is goes along with requests. */
  oauthPassThru: boolean;
  keepCookies: string[];
  /** Of Grafana: uids of the only data sources that may be asked; none listed is all. */
  allowedUids: string[];
  /** Of InfluxDB: the language of queries that name none. */
  queryLanguage: InfluxLanguage;
  /** Of InfluxDB 2, for Flux. */
  organization: string;
  sslmode: SslMode;
  timeZone: string;
  path: string;
  allowedDirectories: string[];
  immutable: boolean;
}

/** How far a database server must prove who it is; libpq's names. */
export type SslMode = 'disable' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';

export type OutriderJsonData = DataSourceJsonData &
  Partial<SettingsOptions> & { [header: `httpHeaderName${number}`]: string | undefined };

export type SecretKey =
  | 'basicAuthPassword'
  | 'bearerToken'
  | 'serviceAccountToken'
  | 'password'
  | 'token'
  | 'tlsCACert'
  | 'tlsClientCert'
  | 'tlsClientKey'
  | `httpHeaderValue${number}`;

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
