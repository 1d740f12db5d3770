/** How the values of variables are written in SQL: as Grafana's own SQL data sources do. Pure. */
import { type VariableFormat } from '../kinds';

/** Only what the user writes in SQL is SQL: the builder's options are names and bound values. */
export function isText(source: object): boolean {
  return 'mode' in source && source.mode === 'text';
}

/**
 * A variable of one value goes into quotes of the user's own, so the quotes in it are doubled; one of several values
 * brings its quotes along: `'a','b'`.
 */
function format(escape: (text: string) => string): VariableFormat {
  return (value, variable) => {
    if (Array.isArray(value)) {
      return value.map((one) => `'${escape(one)}'`).join(',');
    }
    const text = escape(value);
    return variable.multi || variable.includeAll ? `'${text}'` : text;
  };
}

export const formatSql = format((text) => text.replace(/'/g, "''"));

/** In MySQL a backslash would take the quote behind it along. */
export const formatMysql = format((text) => text.replace(/\\/g, '\\\\').replace(/'/g, "''"));
