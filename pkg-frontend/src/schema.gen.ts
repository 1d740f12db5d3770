// Made of ../schema by scripts/schema.mjs: change the types in Rust, refresh the schemas, run `npm run schema`.
import { type KindSchema, type Schemas } from './schema';
import { type AdhocFilter } from './types';

export const QUERY_VERSION = 1;

/** Every source kind with its options. */
export interface SourceOptions {
  generator: {
    /** The series to make, one or more. */
    series: Array<'web-traffic' | 'median' | 'sine' | 'cosine'>;
    /** Start of the random numbers. The same seed makes the same series, always. */
    seed: number;
    /** Adds a field that is 1 where an outlier was put and 0 elsewhere, to judge a detector by. */
    truth: boolean;
    /** The value that the median series lies around. */
    median: number;
    /** How far ordinary points of the median series stray from the median, to both sides. */
    err: number;
    /** How far outliers of the median series lie outside the ordinary points, at most. */
    outlierErr: number;
    /** The share of points that are outliers, half of them below and half above. */
    outlierShare: number;
    /** The length of one wave of sine and cosine. */
    period: string;
  };
  'http-json': {
    /** Path below the URL in the data source settings, without parameters. Never a host, and without ... */
    path: string;
    /** How to ask; POST, with a JSON body, only where the data source settings allow it. */
    method: 'GET' | 'POST';
    /** Query parameters of the request. */
    params: Array<{ name: string; value: string }>;
    /** JSON text that a POST sends. Values of macros are escaped for use in a JSON string. */
    body: string;
    /** How the answer is written. */
    format: 'json' | 'ndjson' | 'csv';
    /** Where the rows are: a JSON pointer to one place (/data/rows; empty for the whole answer, or for the list of lines), or a JSONPath to any number of them ($.data[*].values). Not looked at in CSV. */
    rows: string;
    /** How times and values are laid out where the rows are. Not looked at in CSV. */
    form: 'rows' | 'columns' | 'keyed';
    /** Where in a row its time is; a row may be an array or an object. With columns where the array of times is; not looked at with keyed. In CSV the name of a column, or its index. */
    time: string;
    /** Where in a row its value is: a number, a number as text, or true (1) and false (0). null, "" and "NaN" are gaps. With columns where the array of values is, with keyed where in a member its value is. In CSV the name of a column, or its index. */
    value: string;
    /** Labels, which split the rows into series, each a name and where its text is. A row that lacks one gets an empty text. At most 32. */
    labels: Array<{ name: string; pointer: string }>;
    /** How times are written. */
    timeFormat: 'auto' | 'ms' | 's' | 'us' | 'ns' | 'iso8601';
    /** Name of the series. */
    name: string;
    /** Grafana's id of the unit of the values, for example ms, bytes or percent. */
    unit: string;
  };
  'simple-json': {
    /** Name of a metric that the server knows; /metrics or /search lists them. May hold macros. */
    target: string;
    /** What the server is asked for. It may answer with either, whatever is asked. */
    type: 'timeserie' | 'table';
    /** More data for the server, sent as payload and as data. Texts in it may hold macros. */
    payload: Record<string, unknown>;
    /** Query of /annotations, used where the output is the annotations of the upstream. */
    annotation: string;
    /** Grafana's id of the unit of the values, for example ms, bytes or percent. */
    unit: string;
  };
  influxdb: {
    /** What text is written in. Without text, the query is built, in InfluxQL. */
    language: null | 'influxql' | 'flux' | 'sql';
    /** The query as text, one statement that only reads. */
    text: string;
    /** Retention policy. */
    policy: string;
    /** What to read; in slashes a regular expression, /^cpu/. */
    measurement: string;
    /** Fields, a series each. */
    fields: Array<string>;
    /** What InfluxDB makes of the values of one step. */
    aggregate: 'mean' | 'max' | 'min' | 'sum' | 'count' | 'p95' | 'last' | 'none';
    /** Tags whose values split the points into series; * for all. */
    tags: Array<string>;
    /** What stands for a step without values: none (nothing), null (a gap), or a number. Not previous or linear, whose values depend on the range asked for, and on later points. */
    fill: string;
    /** Conditions on tags and fields, all of which must hold. */
    where: Array<AdhocFilter>;
    /** How InfluxQL's answers travel. */
    format: 'json' | 'csv';
  };
  sqlite: {
    /** Choose a table and columns, or write SQL. */
    mode: 'builder' | 'text';
    /** One SELECT, with macros. */
    sql: string;
    /** How the columns of the answer are read. */
    format: 'time-series' | 'table';
    /** Schema of the table; in MySQL its database. Not for SQLite. */
    schema: string;
    /** Table or view with a row for each measurement. */
    table: string;
    /** Column of the time: a timestamp, a date, a number since the epoch, or ISO 8601 text. */
    timeColumn: string;
    /** How times are stored that are numbers or text. */
    timeFormat: 'auto' | 'ms' | 's' | 'us' | 'ns' | 'iso8601';
    /** Columns of numbers; each makes a series of its name. In a table none means every column of numbers. */
    valueColumns: Array<string>;
    /** What the database makes of the values of a step; p95 in PostgreSQL only. */
    aggregate: 'mean' | 'max' | 'min' | 'sum' | 'count' | 'p95' | 'last' | 'none';
    /** Columns that split the rows into series. In a table none means every column of text. */
    labelColumns: Array<string>;
    /** Conditions that every row must meet: a column, an operator (=, !=, <, >, =~, !~) and a value. */
    filters: Array<AdhocFilter>;
    /** Grafana's id of the unit of the values, for example ms, bytes or percent. */
    unit: string;
  };
  postgresql: {
    /** Choose a table and columns, or write SQL. */
    mode: 'builder' | 'text';
    /** One SELECT, with macros. */
    sql: string;
    /** How the columns of the answer are read. */
    format: 'time-series' | 'table';
    /** Schema of the table; in MySQL its database. Not for SQLite. */
    schema: string;
    /** Table or view with a row for each measurement. */
    table: string;
    /** Column of the time: a timestamp, a date, a number since the epoch, or ISO 8601 text. */
    timeColumn: string;
    /** How times are stored that are numbers or text. */
    timeFormat: 'auto' | 'ms' | 's' | 'us' | 'ns' | 'iso8601';
    /** Columns of numbers; each makes a series of its name. In a table none means every column of numbers. */
    valueColumns: Array<string>;
    /** What the database makes of the values of a step; p95 in PostgreSQL only. */
    aggregate: 'mean' | 'max' | 'min' | 'sum' | 'count' | 'p95' | 'last' | 'none';
    /** Columns that split the rows into series. In a table none means every column of text. */
    labelColumns: Array<string>;
    /** Conditions that every row must meet: a column, an operator (=, !=, <, >, =~, !~) and a value. */
    filters: Array<AdhocFilter>;
    /** Grafana's id of the unit of the values, for example ms, bytes or percent. */
    unit: string;
  };
  mysql: {
    /** Choose a table and columns, or write SQL. */
    mode: 'builder' | 'text';
    /** One SELECT, with macros. */
    sql: string;
    /** How the columns of the answer are read. */
    format: 'time-series' | 'table';
    /** Schema of the table; in MySQL its database. Not for SQLite. */
    schema: string;
    /** Table or view with a row for each measurement. */
    table: string;
    /** Column of the time: a timestamp, a date, a number since the epoch, or ISO 8601 text. */
    timeColumn: string;
    /** How times are stored that are numbers or text. */
    timeFormat: 'auto' | 'ms' | 's' | 'us' | 'ns' | 'iso8601';
    /** Columns of numbers; each makes a series of its name. In a table none means every column of numbers. */
    valueColumns: Array<string>;
    /** What the database makes of the values of a step; p95 in PostgreSQL only. */
    aggregate: 'mean' | 'max' | 'min' | 'sum' | 'count' | 'p95' | 'last' | 'none';
    /** Columns that split the rows into series. In a table none means every column of text. */
    labelColumns: Array<string>;
    /** Conditions that every row must meet: a column, an operator (=, !=, <, >, =~, !~) and a value. */
    filters: Array<AdhocFilter>;
    /** Grafana's id of the unit of the values, for example ms, bytes or percent. */
    unit: string;
  };
  prometheus: {
    /** PromQL (or MetricsQL) to evaluate at every step. If it is given, the options of the builder (metric, matchers, aggregate, rate, combine, by) are not looked at. */
    expr: string;
    /** Name of the metric. */
    metric: string;
    /** Labels that series must have, all of them: {"key": "job", "operator": "=", "value": "api"} with =, !=, =~ or !~. */
    matchers: Array<AdhocFilter>;
    /** What a step makes of the samples within it, series by series: <aggregate>_over_time(metric[step]). */
    aggregate: 'mean' | 'max' | 'min' | 'sum' | 'count' | 'p95' | 'last' | 'none';
    /** For counters: the rise per second over $__rate_interval in the place of aggregate. */
    rate: boolean;
    /** What becomes of several series. */
    combine: 'none' | 'sum' | 'avg' | 'min' | 'max' | 'count';
    /** Labels that combined series keep. */
    by: Array<string>;
    /** Name of the series; {{label}} stands for the value of a label. */
    legend: string;
    /** Grafana's id of the unit of the values, for example ms, bytes or percent. */
    unit: string;
  };
  grafana: {
    /** Uid of the other data source, where query does not say it in its datasource, as saved queries do. One of the two is needed. */
    datasourceUid: string;
    /** Type of that data source. */
    datasourceType: string;
    /** The other data source's own query, as its editor saves it. Variables and macros in it are those of the other data source. */
    query: Record<string, unknown>;
    /** Keep the point of the step that is still running. For queries that do not aggregate, whose newest point is as good as any other; where they do, its value changes until the step is over. */
    keepRunningStep: boolean;
  };
}

/** Every detector kind with its options. */
export interface DetectorOptions {
  auto: {
    /** How easily a point is flagged: at 0 only the grossest outliers, at 1 many false alarms too. */
    sensitivity: number;
    /** Points after an incident during which only a worse one is reported; a tenth of them for steps in white noise. Where points are further apart than the query's step, so many steps. */
    refractory: number;
    /** Time zone whose clock the daily and weekly seasons follow, across changes to and from summer time, as an IANA name. */
    timeZone: string;
  };
  'isolation-forest': {
    /** What is looked at of each point, each at most once. The time of day, a place on a circle (sine and cosine), needs another one beside it. */
    features: Array<'value' | 'difference' | 'rolling-mean' | 'rolling-std' | 'time-of-day'>;
    /** Points that rolling mean and deviation look at, the judged one among them. Half may be missing. */
    featureWindow: number;
    /** Time zone that the time of day is read in, across changes to and from summer time, as an IANA name. */
    timeZone: string;
    /** Consecutive points that are judged as one, so that shapes count: 8 or 16, with a contamination. A run with a gap is not judged. */
    shingle: number;
    /** Numbers of a row that a cut looks at besides the first, up to all of the others: cuts in any direction, which rank shapes better. 0: axis-parallel cuts, which cost a third. A row has one number for each feature and each point of a shingle, and two for the time of day. */
    extensionLevel: number | null;
    /** A point whose score is above this is an outlier. Ordinary points have about 0.5. Without effect where a contamination is set. */
    threshold: number;
    /** The share of outliers to expect in the training window. The threshold is then taken from the scores of that window. */
    contamination: number | null;
    /** Trees in the forest. More make the scores steadier and the query slower. */
    nTrees: number;
    /** Training points that each tree is grown from, drawn without replacement. */
    sampleSize: number;
    /** Start of the random numbers. The same seed gives the same scores, always. */
    seed: number;
  };
  seasonal: {
    /** How the expected value is found. */
    method: 'mstl' | 'quantiles';
    /** Share of ordinary points within the band; the rest is flagged. */
    coverage: number;
    /** Lengths of the seasons, each at least two steps. */
    periods: Array<string>;
    /** Time zone of the people or machines behind the series, as an IANA name: seasons keep to the clock there when daylight saving begins or ends. */
    timeZone: string;
  };
  's-h-esd': {
    /** The largest share of the points of a run that may be anomalies. */
    maxAnoms: number;
    /** Significance level of the test: the chance of an anomaly in a run that has none. Smaller values flag less. */
    alpha: number;
    /** The side of the expected value that is tested. The original tests pos unless told otherwise. */
    direction: null | 'pos' | 'neg' | 'both';
    /** Points in a season. */
    period: number | null;
    /** Flag only values of at least this level, taken from the highest value of each day of the run (of each period, if that is given). */
    threshold: 'None' | 'med_max' | 'p95' | 'p99';
    /** Flag only the newest part of the run. Under a training window each point is the end of its own run, so this matters for training: visible-range. */
    onlyLast: null | 'day' | 'hr' | 'period';
    /** Judge long series in pieces with a median each, for series with a trend. */
    longterm: boolean;
    /** How long such a piece is. */
    piecewiseMedianPeriodWeeks: number;
    /** Judge in pieces of so many points, at least two periods. Not together with longterm. */
    longtermPeriod: number | null;
    /** Show as expected what the original does, season + trend without decimals, and not the centre of the band, season + median. */
    eValue: boolean;
  };
  mad: {
    /** A point further than this from the median is an outlier, in robust sigmas. */
    threshold: number;
    /** What a point is compared with: training for the training window, or a duration for the points of that length before it, which follows slow drifts. A duration longer than the training window sees less at the beginning of a block. */
    window: string;
    /** What makes the median absolute deviation a sigma; the default is right for a normal distribution. */
    scale: number;
  };
  'z-score': {
    /** A point further than this from the mean is an outlier, in standard deviations. */
    threshold: number;
    /** What a point is compared with: training for the training window, or a duration for the points of that length before it, which follows slow drifts. A duration longer than the training window sees less at the beginning of a block. */
    window: string;
  };
  iqr: {
    /** A point further than this outside the quartiles is an outlier, in interquartile ranges. 3 are the outer fences of Tukey, 1.5 his inner ones, which flag one ordinary point in 140. */
    factor: number;
    /** What a point is compared with: training for the training window, or a duration for the points of that length before it, which follows slow drifts. A duration longer than the training window sees less at the beginning of a block. */
    window: string;
  };
  changepoint: {
    /** Which changes are events: a new level, more or less noise, or both. */
    kinds: 'level' | 'variance' | 'both';
    /** How many false alarms a week a series may raise that does not change. Fewer mean that a change is seen later. */
    falseAlarmsPerWeek: number;
    /** The smallest change of the level to look for, in standard deviations of the noise. Changes down to about half of it are found too, but late. */
    minShift: number;
    /** How many points a change must have lasted to be an event. */
    minSize: number;
  };
  peers: {
    /** How series are compared with each other. */
    method: 'auto' | 'mad' | 'dbscan' | 'forest';
    /** How easily a point is flagged. With auto it sets the group sigmas to flag from: 12 at 0, 6 at 0.5, 3 at 1. With mad the deviations: 7.9 at 0, 2.9 at 0.5, 0.84 at 1. With dbscan it sets eps to (1 − sensitivity) times the span of all values so far, and a tenth more. With forest the share of past points that may be flagged: one in 100,000 at 0, in 1,000 at 0.5, in 10 at 1. */
    sensitivity: number;
    /** Series whose values are at most this far apart, in the unit of the values, belong together. */
    eps: number | null;
    /** A cluster of at least this many series is normal. */
    minSamples: number | null;
    /** Names of labels: series are compared with those that have the same values of these labels. */
    groupBy: Array<string>;
  };
}

/** What a query says beside its source and its detector. */
export interface CommonOptions {
  /** The side on which a point may be an outlier: above what is expected, below it, or both. */
  direction: 'both' | 'high' | 'low';
  /** What the models are trained on. With the window before, a point has the same verdict in every panel, alert rule and zoom. */
  training: 'window' | 'visible-range';
  /** Length of the history that a model is trained on; it ends where the points that it judges begin. auto is what suits the detector and the points: for auto 4,032 points, but at least 14d where these are no more than 20,160 points; for the others 7d, but at least 168 points. */
  trainingWindow: string;
  /** How long a model judges before the next one is trained. auto is 12 points for the detector auto, but at least 1h where these are no more than 60 points; 1d for the others. */
  refitInterval: string;
  /** Distance of the points that the upstream is asked for. auto is the upstream's own, else about 1/2000 of the training window, rounded: 5m for 7d. Upstreams that do not aggregate answer with the points they have; what is auto or counted in points then goes by their distance, with a fixed step if it is longer than that. */
  step: string;
  /** For how long the newest points are left out, neither shown nor judged nor missing, because late data may still change them. auto is the setting of the data source. Where the upstream itself may change its newest points (a negative offset in PromQL, older versions of VictoriaMetrics), they are left out for at least that long, and a notice says so. */
  settle: string;
  /** What is judged and shown: the values as they are, or, for counters, their rise. The automatic detector judges counters by their rise in both cases. */
  transform: 'none' | 'rate';
  /** What comes back. Alert rules get one number a series whatever is chosen: the score, the state, or else the outlier flag. */
  output: 'all' | 'state' | 'events' | 'score' | 'series' | 'alert' | 'annotations';
  /** What an alert rule, and the output Alert, sees where points are missing that should be there. */
  missing: 'no-data' | 'outlier' | 'normal';
  /** How far a value is from what is expected at least to be an outlier; the band is as wide at least. */
  minDeviation: { absolute: number; relative: number };
  /** The values that are possible. Any other is an outlier at once, whatever the detector says; expected values and bands stay within. */
  validRange: { max: number | null; min: number | null };
  /** Points in a row that are out of the ordinary before the last of them is flagged. */
  minPoints: number;
  /** How long points are out of the ordinary before they are flagged. Alert rules wait for it too. */
  minDuration: string;
  /** Times at which nothing is flagged: days or dates, times, and a time zone, such as Sun 02:00-04:00 Europe/Berlin or 12-24..12-26. */
  mute: Array<string>;
}

/** What of the settings everyone may read. */
export interface SchemaSettings {
  /** What kind of upstream the data source asks. */
  source:
    | 'generator'
    | 'http-json'
    | 'simple-json'
    | 'influxdb'
    | 'sqlite'
    | 'postgresql'
    | 'mysql'
    | 'prometheus'
    | 'grafana';
  /** Path below the URL that "Save & test" asks for. */
  healthPath: string;
  /** How long one request to the upstream may take. */
  timeout: number;
  /** A longer answer of the upstream is refused before it fills the memory; it is measured after decompression. */
  maxResponseBytes: number;
  /** An answer with more rows is refused. */
  maxRows: number;
  /** An answer with more series is refused. */
  maxSeries: number;
  /** Requests to the upstream under way at the same time; others wait. */
  maxConcurrentRequests: number;
  /** How often a request that only reads is tried again if the upstream cannot be reached or is too busy. */
  retries: number;
  /** For how long the newest points are left out by queries that do not say so themselves: as long as late data may still change them. auto is only as long as the upstream is known to need. */
  settle: string;
  /** Name of the database; in InfluxDB 2 the bucket. Grafana's older place for it, database beside jsonData, is read too. */
  database: string;
  /** Accept any certificate of the server. Anyone in between can then read and change the data. */
  tlsSkipVerify: boolean;
  /** Trust one more certificate authority, secureJsonData.tlsCACert (PEM), beside those of the system; or, for an upstream by HTTP, the very certificate that it shows. */
  tlsAuthWithCACert: boolean;
  /** Show a certificate to the server: secureJsonData.tlsClientCert and tlsClientKey (PEM). */
  tlsAuth: boolean;
  /** Whoever may query this data source may then send anything to the service by POST, with its credentials. Only for services whose POST changes nothing. Otherwise queries may GET only. */
  allowPost: boolean;
  /** Paths below the URL: queries may ask for these and what is below them, and for nothing else. */
  allowedPaths: Array<string>;
  /** Language of written queries that name none. */
  queryLanguage: 'influxql' | 'flux' | 'sql';
  /** Name of the organization that owns the bucket; Flux needs it. */
  organization: string;
  /** Absolute path of the database file on Grafana's machine, below a directory that the operator allows (sqlite_directories in grafana.ini). It is opened read-only. */
  path: string;
  /** Only databases below these directories are opened, of those that the operator of Grafana allows (sqlite_directories in grafana.ini). Absolute paths. */
  allowedDirectories: Array<string>;
  /** Nobody writes to the file: read it without locks. If somebody does, answers are wrong. */
  immutable: boolean;
  /** IANA name of the zone that timestamps without one are in. */
  timeZone: string;
  /** How far the server must prove who it is: libpq's names. */
  sslmode: 'disable' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';
  /** Whose data is asked for, where a server keeps several tenants (Mimir, Cortex, Thanos): sent as X-Scope-OrgID. */
  tenant: string;
  /** How often Prometheus scrapes, which $__rate_interval is made of. */
  scrapeInterval: string;
  /** Uids of the only data sources that may be asked. With a token, everyone who may query this data source otherwise gets whatever the account of the token may query. */
  allowedUids: Array<string>;
}

export type SecretName =
  | 'basicAuthPassword'
  | 'bearerToken'
  | 'serviceAccountToken'
  | 'password'
  | 'token'
  | 'tlsCACert'
  | 'tlsClientCert'
  | 'tlsClientKey';

export const COMMON_SCHEMA: Schemas<CommonOptions> = {
  direction: {
    label: 'Direction',
    help: 'The side on which a point may be an outlier: above what is expected, below it, or both.',
    input: 'choice',
    byDefault: 'both',
    choices: [
      { value: 'both', label: 'Both', description: 'High and low.' },
      { value: 'high', label: 'High', description: 'Only values above what is expected.' },
      { value: 'low', label: 'Low', description: 'Only values below what is expected.' },
    ],
  },
  training: {
    label: 'Train on',
    help: 'What the models are trained on. With the window before, a point has the same verdict in every panel, alert rule and zoom.',
    input: 'choice',
    byDefault: 'window',
    choices: [
      { value: 'window', label: 'Window before', description: 'A point never trains the model that judges it.' },
      {
        value: 'visible-range',
        label: 'Visible range',
        description: 'For a quick look at what is shown: the verdicts change with the zoom.',
      },
    ],
  },
  trainingWindow: {
    label: 'Training window',
    help: 'Length of the history that a model is trained on; it ends where the points that it judges begin. auto is what suits the detector and the points: for auto 4,032 points, but at least 14d where these are no more than 20,160 points; for the others 7d, but at least 168 points.',
    input: 'duration',
    byDefault: 'auto',
    duration: { min: '1m', max: '400d', word: 'auto' },
    when: { training: ['window'] },
  },
  refitInterval: {
    label: 'Refit every',
    help: 'How long a model judges before the next one is trained. auto is 12 points for the detector auto, but at least 1h where these are no more than 60 points; 1d for the others.',
    input: 'duration',
    byDefault: 'auto',
    duration: { min: '1m', max: '31d', word: 'auto' },
    when: { training: ['window'] },
  },
  step: {
    label: 'Step',
    help: "Distance of the points that the upstream is asked for. auto is the upstream's own, else about 1/2000 of the training window, rounded: 5m for 7d. Upstreams that do not aggregate answer with the points they have; what is auto or counted in points then goes by their distance, with a fixed step if it is longer than that.",
    input: 'duration',
    byDefault: 'auto',
    duration: { min: '1ms', max: '31d', word: 'auto' },
  },
  settle: {
    label: 'Settle',
    help: 'For how long the newest points are left out, neither shown nor judged nor missing, because late data may still change them. auto is the setting of the data source. Where the upstream itself may change its newest points (a negative offset in PromQL, older versions of VictoriaMetrics), they are left out for at least that long, and a notice says so.',
    input: 'duration',
    byDefault: 'auto',
    duration: { min: '0s', max: '1d', word: 'auto' },
  },
  transform: {
    label: 'Values',
    help: 'What is judged and shown: the values as they are, or, for counters, their rise. The automatic detector judges counters by their rise in both cases.',
    input: 'choice',
    byDefault: 'none',
    choices: [
      { value: 'none', label: 'As they are', description: 'Values as they are.' },
      {
        value: 'rate',
        label: 'Rate',
        description:
          'Counters become rates: the rise per second since the point before, a fall being a reset to zero. Where that leaves open whether the rise was a whole one the rate is unknown.',
      },
    ],
  },
  output: {
    label: 'Output',
    help: 'What comes back. Alert rules get one number a series whatever is chosen: the score, the state, or else the outlier flag.',
    input: 'choice',
    byDefault: 'all',
    choices: [
      {
        value: 'all',
        label: 'Everything',
        description:
          'Values, expected values, band, outliers and score of every series, and the events as annotations: time, value, expected, lower, upper, anomaly (the value where flagged), outlier (0 or 1), score. For time series panels.',
      },
      {
        value: 'state',
        label: 'State',
        description: 'One state a point: 0 Normal, 1 High, −1 Low, 2 Missing, 3 Muted. For state timelines.',
      },
      {
        value: 'events',
        label: 'Events',
        description:
          'One row an event: time, timeEnd, title, text (the reason), tags, id, series, value, expected, score, direction; tables hide tags and id. For annotations and tables.',
      },
      {
        value: 'score',
        label: 'Score',
        description:
          'The score alone, 0 to 1: of isolation forests about 0.5 is normal; of auto it is below 0.5 unless flagged, and about 0.1 at ordinary points. For time series panels.',
      },
      {
        value: 'series',
        label: 'Series',
        description:
          'One row a series, the most conspicuous first: time, series, state, seriesScore (of peers), flagged, score, worst, reason and the labels. For tables.',
      },
      {
        value: 'alert',
        label: 'Alert',
        description:
          'One series for each upstream series, labelled and without nulls: 1 where there is an outlier, else 0. For expressions in dashboards of Grafana 9.',
      },
      {
        value: 'annotations',
        label: 'Annotations of the upstream',
        description: "The upstream's own annotations, where it has some (simple-json); nothing is judged.",
      },
    ],
  },
  missing: {
    label: 'Missing points',
    help: 'What an alert rule, and the output Alert, sees where points are missing that should be there.',
    input: 'choice',
    byDefault: 'no-data',
    choices: [
      {
        value: 'no-data',
        label: 'No data',
        description:
          "Nothing; and nothing of a series whose newest points are missing, so that the rule's own setting for no data counts.",
      },
      { value: 'outlier', label: 'Outlier', description: '1, as of an outlier.' },
      { value: 'normal', label: 'Normal', description: '0, as of any point that is no outlier.' },
    ],
  },
  minDeviation: {
    label: 'Min deviation',
    help: 'How far a value is from what is expected at least to be an outlier; the band is as wide at least.',
    input: 'other',
    byDefault: { absolute: 0, relative: 0 },
  },
  validRange: {
    label: 'Valid range',
    help: 'The values that are possible. Any other is an outlier at once, whatever the detector says; expected values and bands stay within.',
    input: 'other',
    byDefault: { max: null, min: null },
  },
  minPoints: {
    label: 'Min points',
    help: 'Points in a row that are out of the ordinary before the last of them is flagged.',
    input: 'number',
    byDefault: 0,
    limits: { min: 0, max: 1000, integer: true, unit: 'points' },
  },
  minDuration: {
    label: 'Min duration',
    help: 'How long points are out of the ordinary before they are flagged. Alert rules wait for it too.',
    input: 'duration',
    byDefault: 'none',
    duration: { min: '0s', max: '31d', word: 'none' },
  },
  mute: {
    label: 'Mute',
    help: 'Times at which nothing is flagged: days or dates, times, and a time zone, such as Sun 02:00-04:00 Europe/Berlin or 12-24..12-26.',
    input: 'names',
    byDefault: [],
    empty: 'none',
  },
};

export const SETTINGS_SCHEMA: Schemas<SchemaSettings> = {
  source: {
    label: 'Upstream',
    help: 'What kind of upstream the data source asks.',
    input: 'text',
    byDefault: 'generator',
  },
  healthPath: {
    label: 'Health path',
    help: 'Path below the URL that "Save & test" asks for.',
    input: 'text',
    byDefault: '/',
  },
  timeout: {
    label: 'Timeout',
    help: 'How long one request to the upstream may take.',
    input: 'number',
    byDefault: 30,
    limits: { min: 1, max: 600, unit: 'seconds' },
  },
  maxResponseBytes: {
    label: 'Largest answer',
    help: 'A longer answer of the upstream is refused before it fills the memory; it is measured after decompression.',
    input: 'number',
    byDefault: 67108864,
    limits: { min: 1024, max: 1073741824, integer: true, unit: 'bytes' },
  },
  maxRows: {
    label: 'Most rows',
    help: 'An answer with more rows is refused.',
    input: 'number',
    byDefault: 3000000,
    limits: { min: 1, max: 100000000, integer: true, unit: 'rows' },
  },
  maxSeries: {
    label: 'Most series',
    help: 'An answer with more series is refused.',
    input: 'number',
    byDefault: 1000,
    limits: { min: 1, max: 100000, integer: true, unit: 'series' },
  },
  maxConcurrentRequests: {
    label: 'Requests at once',
    help: 'Requests to the upstream under way at the same time; others wait.',
    input: 'number',
    byDefault: 4,
    limits: { min: 1, max: 64, integer: true, unit: 'requests' },
  },
  retries: {
    label: 'Retries',
    help: 'How often a request that only reads is tried again if the upstream cannot be reached or is too busy.',
    input: 'number',
    byDefault: 2,
    limits: { min: 0, max: 10, integer: true, unit: 'retries' },
  },
  settle: {
    label: 'Settle',
    help: 'For how long the newest points are left out by queries that do not say so themselves: as long as late data may still change them. auto is only as long as the upstream is known to need.',
    input: 'duration',
    byDefault: 'auto',
    duration: { min: '0s', max: '1d', word: 'auto' },
  },
  database: {
    label: 'Database',
    help: "Name of the database; in InfluxDB 2 the bucket. Grafana's older place for it, database beside jsonData, is read too.",
    input: 'text',
    byDefault: '',
    empty: 'the one that the server chooses',
  },
  tlsSkipVerify: {
    label: 'Skip verification',
    help: 'Accept any certificate of the server. Anyone in between can then read and change the data.',
    input: 'switch',
    byDefault: false,
  },
  tlsAuthWithCACert: {
    label: 'Own CA certificate',
    help: 'Trust one more certificate authority, secureJsonData.tlsCACert (PEM), beside those of the system; or, for an upstream by HTTP, the very certificate that it shows.',
    input: 'switch',
    byDefault: false,
  },
  tlsAuth: {
    label: 'Client certificate',
    help: 'Show a certificate to the server: secureJsonData.tlsClientCert and tlsClientKey (PEM).',
    input: 'switch',
    byDefault: false,
  },
  allowPost: {
    label: 'Allow POST',
    help: 'Whoever may query this data source may then send anything to the service by POST, with its credentials. Only for services whose POST changes nothing. Otherwise queries may GET only.',
    input: 'switch',
    byDefault: false,
  },
  allowedPaths: {
    label: 'Allowed paths',
    help: 'Paths below the URL: queries may ask for these and what is below them, and for nothing else.',
    input: 'names',
    byDefault: [],
    empty: 'everything below the URL',
  },
  queryLanguage: {
    label: 'Query language',
    help: 'Language of written queries that name none.',
    input: 'choice',
    byDefault: 'influxql',
    choices: [
      {
        value: 'influxql',
        label: 'InfluxQL',
        description: 'Of InfluxDB 1; later versions understand it through /query.',
      },
      { value: 'flux', label: 'Flux', description: 'Of InfluxDB 2, and of 1.8 where it is switched on.' },
      { value: 'sql', label: 'SQL', description: 'Of InfluxDB 3.' },
    ],
  },
  organization: {
    label: 'Organization',
    help: 'Name of the organization that owns the bucket; Flux needs it.',
    input: 'text',
    byDefault: '',
    when: { queryLanguage: ['flux'] },
  },
  path: {
    label: 'Path',
    help: "Absolute path of the database file on Grafana's machine, below a directory that the operator allows (sqlite_directories in grafana.ini). It is opened read-only.",
    input: 'text',
    byDefault: '',
  },
  allowedDirectories: {
    label: 'Allowed directories',
    help: 'Only databases below these directories are opened, of those that the operator of Grafana allows (sqlite_directories in grafana.ini). Absolute paths.',
    input: 'names',
    byDefault: [],
    empty: 'all that the operator allows',
  },
  immutable: {
    label: 'Immutable',
    help: 'Nobody writes to the file: read it without locks. If somebody does, answers are wrong.',
    input: 'switch',
    byDefault: false,
  },
  timeZone: {
    label: 'Time zone',
    help: 'IANA name of the zone that timestamps without one are in.',
    input: 'time-zone',
    byDefault: '',
    empty: 'UTC',
  },
  sslmode: {
    label: 'TLS mode',
    help: "How far the server must prove who it is: libpq's names.",
    input: 'choice',
    byDefault: 'verify-full',
    choices: [
      { value: 'disable', label: 'disable', description: 'No TLS at all.' },
      { value: 'prefer', label: 'prefer', description: 'TLS where the server offers it, with any certificate.' },
      { value: 'require', label: 'require', description: 'TLS with any certificate.' },
      { value: 'verify-ca', label: 'verify-ca', description: 'TLS with a certificate of a known authority.' },
      {
        value: 'verify-full',
        label: 'verify-full',
        description: 'TLS with a certificate of a known authority for this host name.',
      },
    ],
  },
  tenant: {
    label: 'Tenant',
    help: 'Whose data is asked for, where a server keeps several tenants (Mimir, Cortex, Thanos): sent as X-Scope-OrgID.',
    input: 'text',
    byDefault: '',
    empty: 'none',
  },
  scrapeInterval: {
    label: 'Scrape interval',
    help: 'How often Prometheus scrapes, which $__rate_interval is made of.',
    input: 'duration',
    byDefault: '15s',
    duration: { min: '1ms', max: '1d' },
  },
  allowedUids: {
    label: 'Allowed data sources',
    help: 'Uids of the only data sources that may be asked. With a token, everyone who may query this data source otherwise gets whatever the account of the token may query.',
    input: 'names',
    byDefault: [],
    empty: 'all that the token, or else the user, may query',
  },
};

/** The settings that only one kind of source knows, in their order. */
export const OWN_SETTINGS: { [K in keyof SourceOptions]: Array<keyof SchemaSettings> } = {
  generator: [],
  'http-json': ['allowPost', 'allowedPaths'],
  'simple-json': [],
  influxdb: ['queryLanguage', 'organization'],
  sqlite: ['path', 'allowedDirectories', 'immutable', 'timeZone'],
  postgresql: ['sslmode', 'timeZone'],
  mysql: ['sslmode', 'timeZone'],
  prometheus: ['tenant', 'scrapeInterval'],
  grafana: ['allowedUids'],
};

const SHARED_SOURCE_1: Schemas<SourceOptions['mysql']> = {
  mode: {
    label: 'Query by',
    help: 'Choose a table and columns, or write SQL.',
    input: 'choice',
    byDefault: 'builder',
    choices: [
      { value: 'builder', label: 'Builder', description: 'The statement is made of the options below.' },
      { value: 'text', label: 'SQL', description: "The statement is the user's own." },
    ],
  },
  sql: { label: 'Statement', help: 'One SELECT, with macros.', input: 'text', byDefault: '', when: { mode: ['text'] } },
  format: {
    label: 'Format',
    help: 'How the columns of the answer are read.',
    input: 'choice',
    byDefault: 'time-series',
    choices: [
      {
        value: 'time-series',
        label: 'Time series',
        description:
          'The time is in the column time, columns of numbers are values and name their series, columns of text are labels, and one called metric names the series.',
      },
      {
        value: 'table',
        label: 'Table',
        description: 'The options timeColumn, valueColumns and labelColumns say which columns count.',
      },
    ],
    when: { mode: ['text'] },
  },
  schema: {
    label: 'Schema',
    help: 'Schema of the table; in MySQL its database. Not for SQLite.',
    input: 'text',
    byDefault: '',
    empty: 'where the database looks by itself',
    when: { mode: ['builder'] },
  },
  table: {
    label: 'Table',
    help: 'Table or view with a row for each measurement.',
    input: 'text',
    byDefault: '',
    when: { mode: ['builder'] },
  },
  timeColumn: {
    label: 'Time column',
    help: 'Column of the time: a timestamp, a date, a number since the epoch, or ISO 8601 text.',
    input: 'text',
    byDefault: 'time',
  },
  timeFormat: {
    label: 'Time format',
    help: 'How times are stored that are numbers or text.',
    input: 'choice',
    byDefault: 'auto',
    choices: [
      {
        value: 'auto',
        label: 'Auto',
        description:
          'Text as ISO 8601, as in e-mails (RFC 2822) or as /Date(1700000000000)/; numbers, also as text, by their size: below 1e11 seconds, below 1e14 milliseconds, below 1e17 microseconds, else nanoseconds. For times of the years 1973 to 5138.',
      },
      { value: 'ms', label: 'Milliseconds', description: 'Milliseconds since the epoch.' },
      { value: 's', label: 'Seconds', description: 'Seconds since the epoch.' },
      { value: 'us', label: 'Microseconds', description: 'Microseconds since the epoch.' },
      { value: 'ns', label: 'Nanoseconds', description: 'Nanoseconds since the epoch.' },
      {
        value: 'iso8601',
        label: 'ISO 8601',
        description:
          'ISO 8601, as in RFC 3339: 2023-11-14T22:13:20.5+01:00. Without a zone, UTC is meant; without a time of day, midnight.',
      },
    ],
  },
  valueColumns: {
    label: 'Value columns',
    help: 'Columns of numbers; each makes a series of its name. In a table none means every column of numbers.',
    input: 'names',
    byDefault: [],
    most: 32,
    empty: 'none',
  },
  aggregate: {
    label: 'Aggregate',
    help: 'What the database makes of the values of a step; p95 in PostgreSQL only.',
    input: 'choice',
    byDefault: 'mean',
    choices: [
      { value: 'mean', label: 'Mean', description: 'The arithmetic mean.' },
      { value: 'max', label: 'Maximum', description: 'The largest.' },
      { value: 'min', label: 'Minimum', description: 'The smallest.' },
      { value: 'sum', label: 'Sum', description: 'All added.' },
      { value: 'count', label: 'Count', description: 'How many there are.' },
      {
        value: 'p95',
        label: '95th percentile',
        description: 'The 95th percentile, where the upstream knows percentiles.',
      },
      { value: 'last', label: 'Last', description: 'The one with the latest time.' },
      {
        value: 'none',
        label: 'None',
        description: 'Values as they are; of Prometheus the newest sample, up to five minutes old.',
      },
    ],
    when: { mode: ['builder'] },
  },
  labelColumns: {
    label: 'Label columns',
    help: 'Columns that split the rows into series. In a table none means every column of text.',
    input: 'names',
    byDefault: [],
    most: 32,
    empty: 'none',
  },
  filters: {
    label: 'Filters',
    help: 'Conditions that every row must meet: a column, an operator (=, !=, <, >, =~, !~) and a value.',
    input: 'other',
    byDefault: [],
    empty: 'none',
    when: { mode: ['builder'] },
  },
  unit: {
    label: 'Unit',
    help: "Grafana's id of the unit of the values, for example ms, bytes or percent.",
    input: 'text',
    byDefault: '',
    empty: 'none',
  },
};
/** Every kind of source in the order of the list. */
export const SOURCE_SCHEMAS: { [K in keyof SourceOptions]: KindSchema<SourceOptions[K]> } = {
  generator: {
    label: 'Generator',
    description: 'Made-up series with known outliers; needs no network',
    options: {
      series: {
        label: 'Series',
        help: 'The series to make, one or more.',
        input: 'choices',
        byDefault: ['web-traffic'],
        choices: [
          {
            value: 'web-traffic',
            label: 'Web traffic',
            description:
              'Requests a second of a web site with days and weeks, a slow trend, level shifts, gaps, and a spike or a drop to zero a week.',
          },
          {
            value: 'median',
            label: 'Median with outliers',
            description: 'Uniform noise around a median, with outliers outside it.',
          },
          { value: 'sine', label: 'Sine wave', description: 'A noisy sine wave with outliers.' },
          { value: 'cosine', label: 'Cosine wave', description: 'A noisy cosine wave with outliers.' },
        ],
      },
      seed: {
        label: 'Data seed',
        help: 'Start of the random numbers. The same seed makes the same series, always.',
        input: 'number',
        byDefault: 42,
        limits: { min: 0, max: 9007199254740991, integer: true },
      },
      truth: {
        label: 'Truth',
        help: 'Adds a field that is 1 where an outlier was put and 0 elsewhere, to judge a detector by.',
        input: 'switch',
        byDefault: false,
      },
      median: {
        label: 'Median',
        help: 'The value that the median series lies around.',
        input: 'number',
        byDefault: 10,
        limits: {},
        when: { series: ['median'] },
      },
      err: {
        label: 'Spread',
        help: 'How far ordinary points of the median series stray from the median, to both sides.',
        input: 'number',
        byDefault: 4,
        limits: { min: 0 },
        when: { series: ['median'] },
      },
      outlierErr: {
        label: 'Outlier spread',
        help: 'How far outliers of the median series lie outside the ordinary points, at most.',
        input: 'number',
        byDefault: 15,
        limits: { min: 0 },
        when: { series: ['median'] },
      },
      outlierShare: {
        label: 'Outlier share',
        help: 'The share of points that are outliers, half of them below and half above.',
        input: 'number',
        byDefault: 0.05,
        limits: { min: 0, max: 0.5 },
        when: { series: ['median', 'sine', 'cosine'] },
      },
      period: {
        label: 'Period',
        help: 'The length of one wave of sine and cosine.',
        input: 'duration',
        byDefault: '1d',
        duration: { min: '1s', max: '400d' },
        when: { series: ['sine', 'cosine'] },
      },
    },
  },
  'http-json': {
    label: 'HTTP JSON',
    description: 'Any web service that answers with times and values in JSON or CSV',
    options: {
      path: {
        label: 'Path',
        help: 'Path below the URL in the data source settings, without parameters. Never a host, and without ...',
        input: 'text',
        byDefault: '/query',
      },
      method: {
        label: 'Method',
        help: 'How to ask; POST, with a JSON body, only where the data source settings allow it.',
        input: 'choice',
        byDefault: 'GET',
        choices: [
          { value: 'GET', label: 'GET', description: 'Without a body.' },
          { value: 'POST', label: 'POST', description: 'With a JSON body.' },
        ],
      },
      params: {
        label: 'Parameters',
        help: 'Query parameters of the request.',
        input: 'other',
        byDefault: [
          { name: 'from', value: '${__from}' },
          { name: 'to', value: '${__to}' },
        ],
      },
      body: {
        label: 'Body',
        help: 'JSON text that a POST sends. Values of macros are escaped for use in a JSON string.',
        input: 'text',
        byDefault: '',
        when: { method: ['POST'] },
      },
      format: {
        label: 'Format',
        help: 'How the answer is written.',
        input: 'choice',
        byDefault: 'json',
        choices: [
          { value: 'json', label: 'JSON', description: 'One JSON text.' },
          { value: 'ndjson', label: 'JSON lines', description: 'One JSON text a line; read as the list of the lines.' },
          { value: 'csv', label: 'CSV', description: 'Lines of cells, separated by commas, semicolons or tabs.' },
        ],
      },
      rows: {
        label: 'Rows',
        help: 'Where the rows are: a JSON pointer to one place (/data/rows; empty for the whole answer, or for the list of lines), or a JSONPath to any number of them ($.data[*].values). Not looked at in CSV.',
        input: 'text',
        byDefault: '/query_response',
        when: { format: ['json', 'ndjson'] },
      },
      form: {
        label: 'Form',
        help: 'How times and values are laid out where the rows are. Not looked at in CSV.',
        input: 'choice',
        byDefault: 'rows',
        choices: [
          { value: 'rows', label: 'Array of rows', description: 'An array of rows, each with a time and a value.' },
          { value: 'columns', label: 'Columns', description: 'An array of times and an array of values side by side.' },
          { value: 'keyed', label: 'Keyed by time', description: 'An object whose names are the times.' },
        ],
        when: { format: ['json', 'ndjson'] },
      },
      time: {
        label: 'Time',
        help: 'Where in a row its time is; a row may be an array or an object. With columns where the array of times is; not looked at with keyed. In CSV the name of a column, or its index.',
        input: 'text',
        byDefault: '/0',
      },
      value: {
        label: 'Value',
        help: 'Where in a row its value is: a number, a number as text, or true (1) and false (0). null, "" and "NaN" are gaps. With columns where the array of values is, with keyed where in a member its value is. In CSV the name of a column, or its index.',
        input: 'text',
        byDefault: '/1',
      },
      labels: {
        label: 'Labels',
        help: 'Labels, which split the rows into series, each a name and where its text is. A row that lacks one gets an empty text. At most 32.',
        input: 'other',
        byDefault: [],
        empty: 'none',
      },
      timeFormat: {
        label: 'Time format',
        help: 'How times are written.',
        input: 'choice',
        byDefault: 'auto',
        choices: [
          {
            value: 'auto',
            label: 'Auto',
            description:
              'Text as ISO 8601, as in e-mails (RFC 2822) or as /Date(1700000000000)/; numbers, also as text, by their size: below 1e11 seconds, below 1e14 milliseconds, below 1e17 microseconds, else nanoseconds. For times of the years 1973 to 5138.',
          },
          { value: 'ms', label: 'Milliseconds', description: 'Milliseconds since the epoch.' },
          { value: 's', label: 'Seconds', description: 'Seconds since the epoch.' },
          { value: 'us', label: 'Microseconds', description: 'Microseconds since the epoch.' },
          { value: 'ns', label: 'Nanoseconds', description: 'Nanoseconds since the epoch.' },
          {
            value: 'iso8601',
            label: 'ISO 8601',
            description:
              'ISO 8601, as in RFC 3339: 2023-11-14T22:13:20.5+01:00. Without a zone, UTC is meant; without a time of day, midnight.',
          },
        ],
      },
      name: { label: 'Name', help: 'Name of the series.', input: 'text', byDefault: 'value' },
      unit: {
        label: 'Unit',
        help: "Grafana's id of the unit of the values, for example ms, bytes or percent.",
        input: 'text',
        byDefault: '',
        empty: 'none',
      },
    },
  },
  'simple-json': {
    label: 'SimpleJSON',
    description: "A server with the protocol of Grafana's SimpleJSON or JSON data source",
    options: {
      target: {
        label: 'Metric',
        help: 'Name of a metric that the server knows; /metrics or /search lists them. May hold macros.',
        input: 'text',
        byDefault: '',
      },
      type: {
        label: 'Format',
        help: 'What the server is asked for. It may answer with either, whatever is asked.',
        input: 'choice',
        byDefault: 'timeserie',
        choices: [
          { value: 'timeserie', label: 'Time series', description: 'Series of value and time.' },
          {
            value: 'table',
            label: 'Table',
            description: 'Columns and rows: every numeric column is a series, and text columns are its labels.',
          },
        ],
      },
      payload: {
        label: 'Payload',
        help: 'More data for the server, sent as payload and as data. Texts in it may hold macros.',
        input: 'other',
        byDefault: {},
        empty: 'none',
      },
      annotation: {
        label: 'Annotation',
        help: 'Query of /annotations, used where the output is the annotations of the upstream.',
        input: 'text',
        byDefault: '',
        empty: 'empty',
      },
      unit: {
        label: 'Unit',
        help: "Grafana's id of the unit of the values, for example ms, bytes or percent.",
        input: 'text',
        byDefault: '',
        empty: 'none',
      },
    },
  },
  influxdb: {
    label: 'InfluxDB',
    description: 'InfluxDB 1, 2 and 3, asked in InfluxQL, Flux or SQL',
    options: {
      language: {
        label: 'Language',
        help: 'What text is written in. Without text, the query is built, in InfluxQL.',
        input: 'choice',
        byDefault: null,
        choices: [
          { value: '', label: 'As the settings' },
          {
            value: 'influxql',
            label: 'InfluxQL',
            description: 'Of InfluxDB 1; later versions understand it through /query.',
          },
          { value: 'flux', label: 'Flux', description: 'Of InfluxDB 2, and of 1.8 where it is switched on.' },
          { value: 'sql', label: 'SQL', description: 'Of InfluxDB 3.' },
        ],
        empty: 'as the settings',
      },
      text: {
        label: 'Text',
        help: 'The query as text, one statement that only reads.',
        input: 'text',
        byDefault: '',
        empty: 'built from the options below',
      },
      policy: {
        label: 'Policy',
        help: 'Retention policy.',
        input: 'text',
        byDefault: '',
        empty: 'that of the database',
      },
      measurement: {
        label: 'Measurement',
        help: 'What to read; in slashes a regular expression, /^cpu/.',
        input: 'text',
        byDefault: '',
      },
      fields: { label: 'Fields', help: 'Fields, a series each.', input: 'names', byDefault: [] },
      aggregate: {
        label: 'Aggregate',
        help: 'What InfluxDB makes of the values of one step.',
        input: 'choice',
        byDefault: 'mean',
        choices: [
          { value: 'mean', label: 'Mean', description: 'The arithmetic mean.' },
          { value: 'max', label: 'Maximum', description: 'The largest.' },
          { value: 'min', label: 'Minimum', description: 'The smallest.' },
          { value: 'sum', label: 'Sum', description: 'All added.' },
          { value: 'count', label: 'Count', description: 'How many there are.' },
          {
            value: 'p95',
            label: '95th percentile',
            description: 'The 95th percentile, where the upstream knows percentiles.',
          },
          { value: 'last', label: 'Last', description: 'The one with the latest time.' },
          {
            value: 'none',
            label: 'None',
            description: 'Values as they are; of Prometheus the newest sample, up to five minutes old.',
          },
        ],
      },
      tags: {
        label: 'Group by',
        help: 'Tags whose values split the points into series; * for all.',
        input: 'names',
        byDefault: [],
        empty: 'none',
      },
      fill: {
        label: 'Fill',
        help: 'What stands for a step without values: none (nothing), null (a gap), or a number. Not previous or linear, whose values depend on the range asked for, and on later points.',
        input: 'text',
        byDefault: 'none',
      },
      where: {
        label: 'Where',
        help: 'Conditions on tags and fields, all of which must hold.',
        input: 'other',
        byDefault: [],
        empty: 'none',
      },
      format: {
        label: 'Format',
        help: "How InfluxQL's answers travel.",
        input: 'choice',
        byDefault: 'json',
        choices: [
          { value: 'json', label: 'JSON', description: 'In chunks of JSON.' },
          {
            value: 'csv',
            label: 'CSV',
            description: 'As comma-separated values: shorter, but errors in the middle of an answer are lost.',
          },
        ],
      },
    },
  },
  sqlite: {
    label: 'SQLite',
    description: "A SQLite database file on Grafana's machine, opened read-only",
    options: SHARED_SOURCE_1,
  },
  postgresql: {
    label: 'PostgreSQL',
    description: 'PostgreSQL and TimescaleDB, tables or SQL',
    options: SHARED_SOURCE_1,
  },
  mysql: { label: 'MySQL', description: 'MySQL and MariaDB, tables or SQL', options: SHARED_SOURCE_1 },
  prometheus: {
    label: 'Prometheus',
    description: 'Prometheus, Mimir, Thanos, VictoriaMetrics: PromQL over their common HTTP API',
    options: {
      expr: {
        label: 'PromQL',
        help: 'PromQL (or MetricsQL) to evaluate at every step. If it is given, the options of the builder (metric, matchers, aggregate, rate, combine, by) are not looked at.',
        input: 'text',
        byDefault: '',
        empty: 'empty',
      },
      metric: { label: 'Metric', help: 'Name of the metric.', input: 'text', byDefault: '', empty: 'none' },
      matchers: {
        label: 'Labels',
        help: 'Labels that series must have, all of them: {"key": "job", "operator": "=", "value": "api"} with =, !=, =~ or !~.',
        input: 'other',
        byDefault: [],
        empty: 'none',
      },
      aggregate: {
        label: 'Aggregate',
        help: 'What a step makes of the samples within it, series by series: <aggregate>_over_time(metric[step]).',
        input: 'choice',
        byDefault: 'mean',
        choices: [
          { value: 'mean', label: 'Mean', description: 'The arithmetic mean.' },
          { value: 'max', label: 'Maximum', description: 'The largest.' },
          { value: 'min', label: 'Minimum', description: 'The smallest.' },
          { value: 'sum', label: 'Sum', description: 'All added.' },
          { value: 'count', label: 'Count', description: 'How many there are.' },
          {
            value: 'p95',
            label: '95th percentile',
            description: 'The 95th percentile, where the upstream knows percentiles.',
          },
          { value: 'last', label: 'Last', description: 'The one with the latest time.' },
          {
            value: 'none',
            label: 'None',
            description: 'Values as they are; of Prometheus the newest sample, up to five minutes old.',
          },
        ],
        when: { rate: [false] },
      },
      rate: {
        label: 'Rate',
        help: 'For counters: the rise per second over $__rate_interval in the place of aggregate.',
        input: 'switch',
        byDefault: false,
      },
      combine: {
        label: 'Combine',
        help: 'What becomes of several series.',
        input: 'choice',
        byDefault: 'none',
        choices: [
          { value: 'none', label: 'Keep each series', description: 'Each is kept.' },
          { value: 'sum', label: 'Sum', description: 'All added.' },
          { value: 'avg', label: 'Average', description: 'The arithmetic mean.' },
          { value: 'min', label: 'Minimum', description: 'The smallest.' },
          { value: 'max', label: 'Maximum', description: 'The largest.' },
          { value: 'count', label: 'Count', description: 'How many there are.' },
        ],
      },
      by: {
        label: 'By',
        help: 'Labels that combined series keep.',
        input: 'names',
        byDefault: [],
        empty: 'none: all become one series',
      },
      legend: {
        label: 'Legend',
        help: 'Name of the series; {{label}} stands for the value of a label.',
        input: 'text',
        byDefault: '',
        empty: 'the name of the metric',
      },
      unit: {
        label: 'Unit',
        help: "Grafana's id of the unit of the values, for example ms, bytes or percent.",
        input: 'text',
        byDefault: '',
        empty: 'none',
      },
    },
  },
  grafana: {
    label: 'Grafana data source',
    description: 'Any other data source of the same Grafana, with its own query',
    options: {
      datasourceUid: {
        label: 'Data source',
        help: 'Uid of the other data source, where query does not say it in its datasource, as saved queries do. One of the two is needed.',
        input: 'text',
        byDefault: '',
      },
      datasourceType: {
        label: 'Type',
        help: 'Type of that data source.',
        input: 'text',
        byDefault: '',
        empty: 'Grafana finds out',
      },
      query: {
        label: 'Query',
        help: "The other data source's own query, as its editor saves it. Variables and macros in it are those of the other data source.",
        input: 'other',
        byDefault: {},
        empty: 'an empty query',
      },
      keepRunningStep: {
        label: 'Running step',
        help: 'Keep the point of the step that is still running. For queries that do not aggregate, whose newest point is as good as any other; where they do, its value changes until the step is over.',
        input: 'switch',
        byDefault: false,
      },
    },
  },
};

/** Every kind of detector in the order of the list. */
export const DETECTOR_SCHEMAS: { [K in keyof DetectorOptions]: KindSchema<DetectorOptions[K]> } = {
  auto: {
    label: 'Automatic',
    description: 'Finds season, level and unrest by itself and flags what is new; works with no tuning',
    options: {
      sensitivity: {
        label: 'Sensitivity',
        help: 'How easily a point is flagged: at 0 only the grossest outliers, at 1 many false alarms too.',
        input: 'number',
        byDefault: 0.5,
        limits: { min: 0, max: 1 },
      },
      refractory: {
        label: 'Refractory',
        help: "Points after an incident during which only a worse one is reported; a tenth of them for steps in white noise. Where points are further apart than the query's step, so many steps.",
        input: 'number',
        byDefault: 300,
        limits: { min: 0, max: 10000, integer: true, unit: 'points' },
      },
      timeZone: {
        label: 'Time zone',
        help: 'Time zone whose clock the daily and weekly seasons follow, across changes to and from summer time, as an IANA name.',
        input: 'time-zone',
        byDefault: 'UTC',
      },
    },
  },
  'isolation-forest': {
    label: 'Isolation forest',
    description: 'Flags values, features or runs of points that random cuts set apart easily; every knob of the forest',
    options: {
      features: {
        label: 'Features',
        help: 'What is looked at of each point, each at most once. The time of day, a place on a circle (sine and cosine), needs another one beside it.',
        input: 'choices',
        byDefault: ['value'],
        choices: [
          { value: 'value', label: 'Value', description: 'The value itself.' },
          { value: 'difference', label: 'Difference', description: 'To the point before: jumps.' },
          { value: 'rolling-mean', label: 'Rolling mean', description: 'Mean of the last points: levels.' },
          {
            value: 'rolling-std',
            label: 'Rolling deviation',
            description: 'Standard deviation of the last points: bursts and flat lines.',
          },
          {
            value: 'time-of-day',
            label: 'Time of day',
            description: 'The time on the clock, as a place on a circle: what is normal may depend on the hour.',
          },
        ],
      },
      featureWindow: {
        label: 'Feature window',
        help: 'Points that rolling mean and deviation look at, the judged one among them. Half may be missing.',
        input: 'number',
        byDefault: 12,
        limits: { min: 2, max: 1000, integer: true, unit: 'points' },
        when: { features: ['rolling-mean', 'rolling-std'] },
      },
      timeZone: {
        label: 'Time zone',
        help: 'Time zone that the time of day is read in, across changes to and from summer time, as an IANA name.',
        input: 'time-zone',
        byDefault: 'UTC',
        when: { features: ['time-of-day'] },
      },
      shingle: {
        label: 'Shingle',
        help: 'Consecutive points that are judged as one, so that shapes count: 8 or 16, with a contamination. A run with a gap is not judged.',
        input: 'number',
        byDefault: 1,
        limits: { min: 1, max: 64, integer: true, unit: 'points' },
      },
      extensionLevel: {
        label: 'Extension level',
        help: 'Numbers of a row that a cut looks at besides the first, up to all of the others: cuts in any direction, which rank shapes better. 0: axis-parallel cuts, which cost a third. A row has one number for each feature and each point of a shingle, and two for the time of day.',
        input: 'number',
        byDefault: null,
        limits: { min: 0, max: 65535, integer: true },
        empty: 'all',
      },
      threshold: {
        label: 'Threshold',
        help: 'A point whose score is above this is an outlier. Ordinary points have about 0.5. Without effect where a contamination is set.',
        input: 'number',
        byDefault: 0.6,
        limits: { min: 0, max: 1 },
      },
      contamination: {
        label: 'Contamination',
        help: 'The share of outliers to expect in the training window. The threshold is then taken from the scores of that window.',
        input: 'number',
        byDefault: null,
        limits: { above: 0, max: 0.5 },
        empty: 'off',
      },
      nTrees: {
        label: 'Trees',
        help: 'Trees in the forest. More make the scores steadier and the query slower.',
        input: 'number',
        byDefault: 100,
        limits: { min: 1, max: 10000, integer: true },
        advanced: true,
      },
      sampleSize: {
        label: 'Sample size',
        help: 'Training points that each tree is grown from, drawn without replacement.',
        input: 'number',
        byDefault: 256,
        limits: { min: 2, max: 65536, integer: true, unit: 'points' },
        advanced: true,
      },
      seed: {
        label: 'Seed',
        help: 'Start of the random numbers. The same seed gives the same scores, always.',
        input: 'number',
        byDefault: 42,
        limits: { min: 0, max: 9007199254740991, integer: true },
        advanced: true,
      },
    },
  },
  seasonal: {
    label: 'Seasonal band',
    description:
      'Flags values outside what is usual at this time of the day and the week; for any daily or weekly rhythm',
    options: {
      method: {
        label: 'Method',
        help: 'How the expected value is found.',
        input: 'choice',
        byDefault: 'mstl',
        choices: [
          {
            value: 'mstl',
            label: 'MSTL',
            description: 'A trend, and the median at each time of each season around it.',
          },
          { value: 'quantiles', label: 'Quantiles', description: 'The median at the same time of the longest season.' },
        ],
      },
      coverage: {
        label: 'Coverage',
        help: 'Share of ordinary points within the band; the rest is flagged.',
        input: 'number',
        byDefault: 0.999,
        limits: { min: 0.5, max: 0.99999 },
      },
      periods: {
        label: 'Seasons',
        help: 'Lengths of the seasons, each at least two steps.',
        input: 'durations',
        byDefault: [],
        duration: {},
        most: 4,
        empty: 'a day and a week, each if the training window holds three',
      },
      timeZone: {
        label: 'Time zone',
        help: 'Time zone of the people or machines behind the series, as an IANA name: seasons keep to the clock there when daylight saving begins or ends.',
        input: 'time-zone',
        byDefault: 'UTC',
      },
    },
  },
  's-h-esd': {
    label: 'Seasonal hybrid ESD',
    description: "Twitter's AnomalyDetection: takes the season off and tests what is left; for steady daily rhythms",
    options: {
      maxAnoms: {
        label: 'Max anomalies',
        help: 'The largest share of the points of a run that may be anomalies.',
        input: 'number',
        byDefault: 0.1,
        limits: { above: 0, max: 0.49 },
      },
      alpha: {
        label: 'Alpha',
        help: 'Significance level of the test: the chance of an anomaly in a run that has none. Smaller values flag less.',
        input: 'number',
        byDefault: 0.05,
        limits: { above: 0, below: 1 },
      },
      direction: {
        label: 'Tested side',
        help: 'The side of the expected value that is tested. The original tests pos unless told otherwise.',
        input: 'choice',
        byDefault: null,
        choices: [
          { value: '', label: 'As the query' },
          { value: 'pos', label: 'pos', description: 'Only values above the centre.' },
          { value: 'neg', label: 'neg', description: 'Only values below the centre.' },
          { value: 'both', label: 'both', description: 'Both, at half the significance level each.' },
        ],
        empty: 'as the query',
      },
      period: {
        label: 'Period',
        help: 'Points in a season.',
        input: 'number',
        byDefault: null,
        limits: { min: 2, max: 1000000, integer: true, unit: 'points' },
        empty: 'a day, or a week of daily points',
      },
      threshold: {
        label: 'Peaks only',
        help: 'Flag only values of at least this level, taken from the highest value of each day of the run (of each period, if that is given).',
        input: 'choice',
        byDefault: 'None',
        choices: [
          { value: 'None', label: 'None', description: 'Flag values of any level.' },
          { value: 'med_max', label: 'med_max', description: 'Median of the daily maxima.' },
          { value: 'p95', label: 'p95', description: '95th percentile of the daily maxima.' },
          { value: 'p99', label: 'p99', description: '99th percentile of the daily maxima.' },
        ],
      },
      onlyLast: {
        label: 'Only last',
        help: 'Flag only the newest part of the run. Under a training window each point is the end of its own run, so this matters for training: visible-range.',
        input: 'choice',
        byDefault: null,
        choices: [
          { value: '', label: 'All' },
          { value: 'day', label: 'day', description: 'The last day of the run.' },
          { value: 'hr', label: 'hr', description: 'The last hour of the run.' },
          { value: 'period', label: 'period', description: 'The last season of the run.' },
        ],
        empty: 'all',
      },
      longterm: {
        label: 'Long term',
        help: 'Judge long series in pieces with a median each, for series with a trend.',
        input: 'switch',
        byDefault: false,
      },
      piecewiseMedianPeriodWeeks: {
        label: 'Piece',
        help: 'How long such a piece is.',
        input: 'number',
        byDefault: 2,
        limits: { min: 2, max: 520, integer: true, unit: 'weeks' },
        when: { longterm: [true] },
      },
      longtermPeriod: {
        label: 'Piece in points',
        help: 'Judge in pieces of so many points, at least two periods. Not together with longterm.',
        input: 'number',
        byDefault: null,
        limits: { min: 4, max: 100000000, integer: true, unit: 'points' },
        empty: 'off',
        when: { longterm: [false] },
      },
      eValue: {
        label: 'Season + trend',
        help: 'Show as expected what the original does, season + trend without decimals, and not the centre of the band, season + median.',
        input: 'switch',
        byDefault: false,
        advanced: true,
      },
    },
  },
  mad: {
    label: 'MAD',
    description:
      'Flags values many robust sigmas from the median; steady against outliers, for series without daily rhythm',
    options: {
      threshold: {
        label: 'Threshold',
        help: 'A point further than this from the median is an outlier, in robust sigmas.',
        input: 'number',
        byDefault: 3.5,
        limits: { above: 0, max: 1000, unit: 'sigmas' },
      },
      window: {
        label: 'Window',
        help: 'What a point is compared with: training for the training window, or a duration for the points of that length before it, which follows slow drifts. A duration longer than the training window sees less at the beginning of a block.',
        input: 'duration',
        byDefault: 'training',
        duration: { min: '1s', max: '400d', word: 'training' },
      },
      scale: {
        label: 'Scale',
        help: 'What makes the median absolute deviation a sigma; the default is right for a normal distribution.',
        input: 'number',
        byDefault: 1.482602218505602,
        limits: { above: 0, max: 1000 },
        advanced: true,
      },
    },
  },
  'z-score': {
    label: 'Z-score',
    description: 'Flags values many standard deviations from the mean; for bell-shaped noise without daily rhythm',
    options: {
      threshold: {
        label: 'Threshold',
        help: 'A point further than this from the mean is an outlier, in standard deviations.',
        input: 'number',
        byDefault: 3,
        limits: { above: 0, max: 1000, unit: 'sigmas' },
      },
      window: {
        label: 'Window',
        help: 'What a point is compared with: training for the training window, or a duration for the points of that length before it, which follows slow drifts. A duration longer than the training window sees less at the beginning of a block.',
        input: 'duration',
        byDefault: 'training',
        duration: { min: '1s', max: '400d', word: 'training' },
      },
    },
  },
  iqr: {
    label: 'IQR',
    description: "Flags values far outside the quartiles (Tukey's fences); for lopsided values without daily rhythm",
    options: {
      factor: {
        label: 'Factor',
        help: 'A point further than this outside the quartiles is an outlier, in interquartile ranges. 3 are the outer fences of Tukey, 1.5 his inner ones, which flag one ordinary point in 140.',
        input: 'number',
        byDefault: 3,
        limits: { above: 0, max: 1000 },
      },
      window: {
        label: 'Window',
        help: 'What a point is compared with: training for the training window, or a duration for the points of that length before it, which follows slow drifts. A duration longer than the training window sees less at the beginning of a block.',
        input: 'duration',
        byDefault: 'training',
        duration: { min: '1s', max: '400d', word: 'training' },
      },
    },
  },
  changepoint: {
    label: 'Changepoint',
    description: 'Flags the onset of a new level or of more or less noise, once; not single wild points',
    options: {
      kinds: {
        label: 'Changes',
        help: 'Which changes are events: a new level, more or less noise, or both.',
        input: 'choice',
        byDefault: 'both',
        choices: [
          { value: 'level', label: 'Level', description: 'Changes of the level.' },
          { value: 'variance', label: 'Noise', description: 'Changes of the size of the noise.' },
          { value: 'both', label: 'Both', description: 'Both.' },
        ],
      },
      falseAlarmsPerWeek: {
        label: 'False alarms',
        help: 'How many false alarms a week a series may raise that does not change. Fewer mean that a change is seen later.',
        input: 'number',
        byDefault: 0.1,
        limits: { above: 0, max: 1000, unit: 'a week' },
      },
      minShift: {
        label: 'Smallest shift',
        help: 'The smallest change of the level to look for, in standard deviations of the noise. Changes down to about half of it are found too, but late.',
        input: 'number',
        byDefault: 2,
        limits: { above: 0, max: 10, unit: 'sigmas' },
      },
      minSize: {
        label: 'Shortest',
        help: 'How many points a change must have lasted to be an event.',
        input: 'number',
        byDefault: 5,
        limits: { min: 2, max: 1000, integer: true, unit: 'points' },
      },
    },
  },
  peers: {
    label: 'Peers',
    description: 'Flags series that behave unlike the other series of the panel; for fleets and replicas',
    options: {
      method: {
        label: 'Method',
        help: 'How series are compared with each other.',
        input: 'choice',
        byDefault: 'auto',
        choices: [
          {
            value: 'auto',
            label: 'Auto',
            description: 'Each series against the group, after its usual offset, gain and noise.',
          },
          {
            value: 'mad',
            label: 'MAD',
            description: 'Distance of the raw value from the median of the group, in median absolute deviations.',
          },
          { value: 'dbscan', label: 'DBSCAN', description: 'Raw values that lie in no dense cluster.' },
          {
            value: 'forest',
            label: 'Isolation forest',
            description: 'Isolation forests on how each series departs from the group.',
          },
        ],
      },
      sensitivity: {
        label: 'Sensitivity',
        help: 'How easily a point is flagged. With auto it sets the group sigmas to flag from: 12 at 0, 6 at 0.5, 3 at 1. With mad the deviations: 7.9 at 0, 2.9 at 0.5, 0.84 at 1. With dbscan it sets eps to (1 − sensitivity) times the span of all values so far, and a tenth more. With forest the share of past points that may be flagged: one in 100,000 at 0, in 1,000 at 0.5, in 10 at 1.',
        input: 'number',
        byDefault: 0.5,
        limits: { min: 0, max: 1 },
      },
      eps: {
        label: 'Eps',
        help: 'Series whose values are at most this far apart, in the unit of the values, belong together.',
        input: 'number',
        byDefault: null,
        limits: { above: 0 },
        empty: 'from the sensitivity',
        when: { method: ['dbscan'] },
      },
      minSamples: {
        label: 'Min samples',
        help: 'A cluster of at least this many series is normal.',
        input: 'number',
        byDefault: null,
        limits: { min: 2, max: 10000, integer: true, unit: 'series' },
        empty: 'more than half of the series that have a value',
        when: { method: ['dbscan'] },
      },
      groupBy: {
        label: 'Group by',
        help: 'Names of labels: series are compared with those that have the same values of these labels.',
        input: 'names',
        byDefault: [],
        empty: 'all series are one group',
      },
    },
  },
};
