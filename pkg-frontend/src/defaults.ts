/** What an absent key means, and the range each number may have. The backend has the same tables. */
import {
  type Choice,
  type CommonOptions,
  type DetectorKind,
  type DetectorOptions,
  type GeneratorSeries,
  type SettingsOptions,
  type SourceOptions,
  type SqlOptions,
} from './types';
import { type DurationLimits, type NumberLimits } from './validation';

export const QUERY_VERSION = 1;
export const MIB = 1024 * 1024;

export const SETTINGS_DEFAULTS: SettingsOptions = {
  source: 'generator',
  database: '',
  timeout: 30,
  maxResponseBytes: 64 * MIB,
  maxRows: 3_000_000,
  maxSeries: 1_000,
  maxConcurrentRequests: 4,
  retries: 2,
  settle: 'auto',
  healthPath: '/',
  allowPost: false,
  allowedPaths: [],
  tenant: '',
  scrapeInterval: '15s',
  tlsSkipVerify: false,
  tlsAuthWithCACert: false,
  tlsAuth: false,
  oauthPassThru: false,
  keepCookies: [],
  allowedUids: [],
  queryLanguage: 'influxql',
  organization: '',
  sslmode: 'verify-full',
  timeZone: '',
  path: '',
  allowedDirectories: [],
  immutable: false,
};

const SQL_DEFAULTS: SqlOptions = {
  mode: 'builder',
  sql: '',
  format: 'time-series',
  schema: '',
  table: '',
  timeColumn: 'time',
  timeFormat: 'auto',
  valueColumns: [],
  aggregate: 'mean',
  labelColumns: [],
  filters: [],
  unit: '',
};

export const COMMON_DEFAULTS: CommonOptions = {
  direction: 'both',
  training: 'window',
  trainingWindow: 'auto',
  refitInterval: 'auto',
  step: 'auto',
  settle: 'auto',
  transform: 'none',
  output: 'all',
  missing: 'no-data',
};

export const SOURCE_DEFAULTS: SourceOptions = {
  generator: {
    series: ['web-traffic'],
    seed: 42,
    truth: false,
    median: 10,
    err: 4,
    outlierErr: 15,
    outlierShare: 0.05,
    period: '1d',
  },
  'http-json': {
    path: '/query',
    method: 'GET',
    params: [
      { name: 'from', value: '${__from}' },
      { name: 'to', value: '${__to}' },
    ],
    body: '',
    format: 'json',
    rows: '/query_response',
    form: 'rows',
    time: '/0',
    value: '/1',
    labels: [],
    timeFormat: 'auto',
    name: 'value',
    unit: '',
  },
  'simple-json': { target: '', type: 'timeserie', payload: {}, annotation: '', unit: '' },
  grafana: { datasourceUid: '', datasourceType: '', query: {}, keepRunningStep: false },
  prometheus: {
    expr: '',
    metric: '',
    matchers: [],
    aggregate: 'mean',
    rate: false,
    combine: 'none',
    by: [],
    legend: '',
    unit: '',
  },
  influxdb: {
    language: null,
    text: '',
    policy: '',
    measurement: '',
    fields: [],
    aggregate: 'mean',
    tags: [],
    fill: 'none',
    where: [],
    format: 'json',
  },
  postgresql: SQL_DEFAULTS,
  mysql: SQL_DEFAULTS,
  sqlite: SQL_DEFAULTS,
};

export const DEFAULT_DETECTOR: DetectorKind = 'auto';

export const DETECTOR_DEFAULTS: DetectorOptions = {
  auto: { sensitivity: 0.5, refractory: 300, timeZone: 'UTC' },
  'isolation-forest': {
    features: ['value'],
    featureWindow: 12,
    timeZone: 'UTC',
    shingle: 1,
    extensionLevel: null,
    nTrees: 100,
    sampleSize: 256,
    seed: 42,
    threshold: 0.6,
    contamination: null,
  },
  // The backend's scale has more digits; a saved 1.4826 means the same.
  mad: { window: 'training', threshold: 3.5, scale: 1.4826 },
  'z-score': { window: 'training', threshold: 3 },
  iqr: { window: 'training', factor: 3 },
  changepoint: { kinds: 'both', falseAlarmsPerWeek: 0.1, minShift: 2, minSize: 5 },
  's-h-esd': {
    maxAnoms: 0.1,
    direction: null,
    alpha: 0.05,
    onlyLast: null,
    threshold: 'None',
    eValue: false,
    longterm: false,
    piecewiseMedianPeriodWeeks: 2,
    period: null,
    longtermPeriod: null,
  },
  seasonal: { method: 'mstl', periods: [], timeZone: 'UTC', coverage: 0.999 },
  peers: { method: 'auto', sensitivity: 0.5, eps: null, minSamples: null, groupBy: [] },
  joint: { sensitivity: 0.5, groupBy: [], timeZone: 'UTC' },
};

const SEED: NumberLimits = { min: 0, max: Number.MAX_SAFE_INTEGER, integer: true };

export const LIMITS = {
  seed: SEED,
  timeout: { min: 1, max: 600, integer: true, unit: 'seconds' },
  maxResponseMiB: { min: 0.001, max: 1024, unit: 'MiB' },
  maxRows: { min: 1, max: 100_000_000, integer: true, unit: 'rows' },
  maxSeries: { min: 1, max: 100_000, integer: true, unit: 'series' },
  maxConcurrentRequests: { min: 1, max: 64, integer: true, unit: 'requests' },
  retries: { min: 0, max: 10, integer: true },
  outlierShare: { min: 0, max: 0.5 },
  median: {},
  err: { min: 0 },
  outlierErr: { min: 0 },
  featureWindow: { min: 2, max: 1000, integer: true, unit: 'points' },
  shingle: { min: 1, max: 64, integer: true, unit: 'points' },
  nTrees: { min: 1, max: 10_000, integer: true },
  sampleSize: { min: 2, max: 65_536, integer: true, unit: 'points' },
  threshold: { min: 0, max: 1 },
  refractory: { min: 0, max: 10_000, integer: true, unit: 'points' },
  contamination: { above: 0, max: 0.5 },
  sigmas: { above: 0, max: 1000, unit: 'sigmas' },
  scale: { above: 0, max: 1000 },
  factor: { above: 0, max: 1000 },
  falseAlarmsPerWeek: { above: 0, max: 1000, unit: 'a week' },
  minShift: { above: 0, max: 10, unit: 'sigmas' },
  minSize: { min: 2, max: 1000, integer: true, unit: 'points' },
  maxAnoms: { above: 0, max: 0.49 },
  alpha: { above: 0, max: 0.99 },
  weeks: { min: 2, max: 520, integer: true, unit: 'weeks' },
  seasonPoints: { min: 2, max: 1_000_000, integer: true, unit: 'points' },
  piecePoints: { min: 4, max: 100_000_000, integer: true, unit: 'points' },
  coverage: { min: 0.5, max: 0.99999 },
  sensitivity: { min: 0, max: 1 },
  eps: { above: 0 },
  minSamples: { min: 2, max: 10_000, integer: true, unit: 'series' },
} satisfies Record<string, NumberLimits>;

export const DURATION_LIMITS = {
  trainingWindow: { min: '1m', max: '400d', word: 'auto' },
  refitInterval: { min: '1m', max: '31d', word: 'auto' },
  step: { min: '1ms', max: '31d', word: 'auto' },
  period: { min: '1s', max: '400d' },
  window: { min: '1s', max: '400d', word: 'training' },
  scrapeInterval: { min: '1ms', max: '1d' },
  settle: { max: '1d', word: 'auto' },
} satisfies Record<string, DurationLimits>;

/** Offered when the backend cannot be asked. */
export const GENERATOR_SERIES: Array<Choice<GeneratorSeries>> = [
  {
    value: 'web-traffic',
    label: 'Web traffic',
    description: 'Requests a second with days and weeks, level shifts, gaps, and a spike or a drop to zero a week',
  },
  { value: 'median', label: 'Median with outliers', description: 'Uniform noise around a median' },
  { value: 'sine', label: 'Sine wave', description: 'A noisy sine wave with outliers' },
  { value: 'cosine', label: 'Cosine wave', description: 'A noisy cosine wave with outliers' },
];
