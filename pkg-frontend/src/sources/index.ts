import { inFormat } from '../interpolate';
import { type Source } from '../kinds';
import { GrafanaSettings } from '../settings/GrafanaSettings';
import { DatabaseSettings } from '../settings/DatabaseSettings';
import { HttpJsonSettings } from '../settings/HttpJsonSettings';
import { HttpSettings } from '../settings/HttpSettings';
import { PrometheusSettings } from '../settings/PrometheusSettings';
import { InfluxSettings } from '../settings/InfluxSettings';
import { SqliteSettings } from '../settings/SqliteSettings';
import { type SourceOptions } from '../types';

import { GeneratorEditor } from './Generator';
import { GrafanaEditor } from './Grafana';
import { HttpJsonEditor } from './HttpJson';
import { PrometheusEditor } from './Prometheus';
import { formatFor } from './promql';
import { SimpleJsonEditor } from './SimpleJson';
import { InfluxDbEditor } from './InfluxDb';
import { interpolateInfluxDb } from './influxVariables';
import { SqlEditor } from './Sql';
import { formatMysql, formatSql, isText } from './sqlVariables';

/** Every source the backend has, in the order of the list. */
export const SOURCES: { [K in keyof SourceOptions]: Source<SourceOptions[K]> } = {
  generator: {
    label: 'Generator',
    description: 'Made-up series with known outliers; needs no network',
    component: GeneratorEditor,
  },
  'http-json': {
    label: 'HTTP JSON',
    description: 'Any web service that answers with times and values in JSON or CSV',
    component: HttpJsonEditor,
    settings: HttpJsonSettings,
  },
  'simple-json': {
    label: 'SimpleJSON',
    description: "A server with the protocol of Grafana's SimpleJSON or JSON data source",
    component: SimpleJsonEditor,
    settings: HttpSettings,
  },
  grafana: {
    label: 'Grafana data source',
    description: 'Any other data source of the same Grafana, with its own query',
    component: GrafanaEditor,
    settings: GrafanaSettings,
  },
  influxdb: {
    label: 'InfluxDB',
    description: 'InfluxDB 1, 2 and 3, asked in InfluxQL, Flux or SQL',
    component: InfluxDbEditor,
    settings: InfluxSettings,
    interpolate: interpolateInfluxDb,
  },
  sqlite: {
    label: 'SQLite',
    description: "A SQLite database file on Grafana's machine, opened read-only",
    component: SqlEditor,
    settings: SqliteSettings,
    interpolate: inFormat((source) => (isText(source) ? formatSql : undefined)),
  },
  postgresql: {
    label: 'PostgreSQL',
    description: 'PostgreSQL and TimescaleDB, tables or SQL',
    component: SqlEditor,
    settings: DatabaseSettings,
    interpolate: inFormat((source) => (isText(source) ? formatSql : undefined)),
  },
  mysql: {
    label: 'MySQL',
    description: 'MySQL and MariaDB, tables or SQL',
    component: SqlEditor,
    settings: DatabaseSettings,
    interpolate: inFormat((source) => (isText(source) ? formatMysql : undefined)),
  },
  prometheus: {
    label: 'Prometheus',
    description: 'Prometheus, Mimir, Thanos, VictoriaMetrics: PromQL over their common HTTP API',
    component: PrometheusEditor,
    settings: PrometheusSettings,
    interpolate: inFormat(formatFor),
  },
};
