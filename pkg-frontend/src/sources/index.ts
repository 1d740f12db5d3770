import { inFormat } from '../interpolate';
import { type Source } from '../kinds';
import { GrafanaSettings } from '../settings/GrafanaSettings';
import { DatabaseSettings } from '../settings/DatabaseSettings';
import { HttpJsonSettings } from '../settings/HttpJsonSettings';
import { SchemaSettings } from '../settings/SchemaSettings';
import { InfluxSettings } from '../settings/InfluxSettings';
import { SqliteSettings } from '../settings/SqliteSettings';
import { SOURCE_SCHEMAS } from '../schema.gen';
import { schemaEditor } from '../SchemaEditor';
import { type SourceOptions } from '../types';

import { GrafanaEditor } from './Grafana';
import { HttpJsonEditor } from './HttpJson';
import { PrometheusEditor } from './Prometheus';
import { formatFor } from './promql';
import { SimpleJsonEditor } from './SimpleJson';
import { InfluxDbEditor } from './InfluxDb';
import { interpolateInfluxDb } from './influxVariables';
import { SqlEditor } from './Sql';
import { formatMysql, formatSql, isText } from './sqlVariables';

type Sources = { [K in keyof SourceOptions]: Omit<Source<SourceOptions[K]>, 'label' | 'description'> };

/** What each does besides saying what it is. */
const OWN: Sources = {
  generator: { component: schemaEditor('generator', SOURCE_SCHEMAS.generator.options) },
  'http-json': { component: HttpJsonEditor, settings: HttpJsonSettings },
  'simple-json': { component: SimpleJsonEditor, settings: SchemaSettings },
  influxdb: { component: InfluxDbEditor, settings: InfluxSettings, interpolate: interpolateInfluxDb },
  sqlite: {
    component: SqlEditor,
    settings: SqliteSettings,
    interpolate: inFormat((source) => (isText(source) ? formatSql : undefined)),
  },
  postgresql: {
    component: SqlEditor,
    settings: DatabaseSettings,
    interpolate: inFormat((source) => (isText(source) ? formatSql : undefined)),
  },
  mysql: {
    component: SqlEditor,
    settings: DatabaseSettings,
    interpolate: inFormat((source) => (isText(source) ? formatMysql : undefined)),
  },
  prometheus: { component: PrometheusEditor, settings: SchemaSettings, interpolate: inFormat(formatFor) },
  grafana: { component: GrafanaEditor, settings: GrafanaSettings },
};

/** Every source the backend has, in the order of the list. */
export const SOURCES = Object.fromEntries(
  Object.entries(SOURCE_SCHEMAS).map(([kind, { label, description }]) => [
    kind,
    { label, description, ...OWN[kind as keyof Sources] },
  ]),
) as { [K in keyof SourceOptions]: Source<SourceOptions[K]> };
