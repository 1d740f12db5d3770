/** Test ids of every field; the id of its input is the same, with the scope (the query's refId) appended. */
export const selectors = {
  config: {
    source: 'outrider-config-source',
    generatorNote: 'outrider-config-generator-note',
    url: 'outrider-config-url',
    timeout: 'outrider-config-timeout',
    maxResponse: 'outrider-config-max-response',
    healthPath: 'outrider-config-health-path',
    basicAuth: 'outrider-config-basic-auth',
    basicAuthUser: 'outrider-config-basic-auth-user',
    basicAuthPassword: 'outrider-config-basic-auth-password',
    bearerToken: 'outrider-config-bearer-token',
    tlsSkipVerify: 'outrider-config-tls-skip-verify',
    tlsAuthWithCACert: 'outrider-config-tls-with-ca',
    tlsCACert: 'outrider-config-tls-ca',
    tlsAuth: 'outrider-config-tls-client-auth',
    tlsClientCert: 'outrider-config-tls-client-cert',
    tlsClientKey: 'outrider-config-tls-client-key',
    headerName: 'outrider-config-header-name',
    headerValue: 'outrider-config-header-value',
    addHeader: 'outrider-config-add-header',
  },
  query: {
    source: 'outrider-query-source',
    detector: 'outrider-query-detector',
    direction: 'outrider-query-direction',
    output: 'outrider-query-output',
    trainingSection: 'outrider-query-training-section',
    training: 'outrider-query-training',
    trainingWindow: 'outrider-query-training-window',
    refitInterval: 'outrider-query-refit-interval',
    step: 'outrider-query-step',
  },
  generator: {
    series: 'outrider-generator-series',
    seed: 'outrider-generator-seed',
    truth: 'outrider-generator-truth',
    median: 'outrider-generator-median',
    err: 'outrider-generator-err',
    outlierErr: 'outrider-generator-outlier-err',
    outlierShare: 'outrider-generator-outlier-share',
    period: 'outrider-generator-period',
  },
  httpJson: {
    method: 'outrider-http-json-method',
    path: 'outrider-http-json-path',
    params: 'outrider-http-json-params',
    body: 'outrider-http-json-body',
    rows: 'outrider-http-json-rows',
    time: 'outrider-http-json-time',
    timeFormat: 'outrider-http-json-time-format',
    value: 'outrider-http-json-value',
    name: 'outrider-http-json-name',
    unit: 'outrider-http-json-unit',
    labels: 'outrider-http-json-labels',
  },
  auto: {
    sensitivity: 'outrider-auto-sensitivity',
    refractory: 'outrider-auto-refractory',
    timeZone: 'outrider-auto-time-zone',
  },
  isolationForest: {
    threshold: 'outrider-isolation-forest-threshold',
    contamination: 'outrider-isolation-forest-contamination',
    nTrees: 'outrider-isolation-forest-trees',
    sampleSize: 'outrider-isolation-forest-sample-size',
    seed: 'outrider-isolation-forest-seed',
  },
  mad: {
    threshold: 'outrider-mad-threshold',
    window: 'outrider-mad-window',
    scale: 'outrider-mad-scale',
  },
  zScore: {
    threshold: 'outrider-z-score-threshold',
    window: 'outrider-z-score-window',
  },
  iqr: {
    factor: 'outrider-iqr-factor',
    window: 'outrider-iqr-window',
  },
  changepoint: {
    kinds: 'outrider-changepoint-kinds',
    falseAlarmsPerWeek: 'outrider-changepoint-false-alarms-per-week',
    minShift: 'outrider-changepoint-min-shift',
    minSize: 'outrider-changepoint-min-size',
  },
} as const;

/** The id of the input that belongs to `testId`; `scope` keeps two queries of one panel apart. */
export function inputId(testId: string, scope: string): string {
  return scope === '' ? testId : `${testId}-${scope}`;
}
