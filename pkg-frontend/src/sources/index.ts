import { type Source } from '../kinds';
import { DatabaseSettings } from '../settings/DatabaseSettings';
import { HttpSettings } from '../settings/HttpSettings';
import { SqliteSettings } from '../settings/SqliteSettings';
import { type SourceOptions } from '../types';

import { GeneratorEditor } from './Generator';
import { HttpJsonEditor } from './HttpJson';
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
    description: 'Any web service that answers with JSON rows of time and value',
    component: HttpJsonEditor,
    settings: HttpSettings,
  },
  postgresql: {
    label: 'PostgreSQL',
    description: 'PostgreSQL and TimescaleDB, tables or SQL',
    component: SqlEditor,
    settings: DatabaseSettings,
    formatVariable: formatSql,
    usesFormat: isText,
  },
  mysql: {
    label: 'MySQL',
    description: 'MySQL and MariaDB, tables or SQL',
    component: SqlEditor,
    settings: DatabaseSettings,
    formatVariable: formatMysql,
    usesFormat: isText,
  },
  sqlite: {
    label: 'SQLite',
    description: "A SQLite database file on Grafana's machine, opened read-only",
    component: SqlEditor,
    settings: SqliteSettings,
    formatVariable: formatSql,
    usesFormat: isText,
  },
};
