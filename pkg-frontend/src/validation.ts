/**
 * Checks of what is typed. Each takes the text and gives undefined, or a message that says what is wrong, why, and
 * what to do. Text with a template variable in it passes: only the backend sees its value. Pure.
 */

export type Validator = (text: string) => string | undefined;

export interface NumberLimits {
  min?: number;
  max?: number;
  /** Like `min`, but the limit itself is too small. */
  above?: number;
  /** Like `max`, but the limit itself is too large. */
  below?: number;
  integer?: boolean;
  unit?: string;
}

export interface DurationLimits {
  min?: string;
  max?: string;
  /** A word that may stand in place of a duration. */
  word?: string;
}

/** A month is 30 days and a year 365, as in Grafana. */
const UNIT_MS: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  M: 2_592_000_000,
  y: 31_536_000_000,
};

const VARIABLE = /\$\w|\$\{\w|\[\[\w/;

export function hasVariable(text: string): boolean {
  return VARIABLE.test(text);
}

/** `15m` → 900000, `1h30m` → 5400000; undefined where the text is no duration. */
export function durationMs(text: string): number | undefined {
  const parts = [...text.trim().matchAll(/(\d+)(ms|[smhdwMy])/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text.trim()) {
    return undefined;
  }
  return parts.reduce((sum, [, count, unit = '']) => sum + Number(count) * (UNIT_MS[unit] ?? NaN), 0);
}

export function duration(limits: DurationLimits = {}): Validator {
  return (text) => {
    if (hasVariable(text) || (limits.word !== undefined && text.trim() === limits.word)) {
      return undefined;
    }
    const or = limits.word === undefined ? '' : `, or ${limits.word}`;
    const ms = durationMs(text);
    if (ms === undefined) {
      return `"${text}" is not a duration: it needs a whole number and a unit (s, m, h, d, w). Write for example 15m${or}.`;
    }
    if (ms === 0) {
      return `${text} is too short: a duration must be longer than nothing. Write for example 15m${or}.`;
    }
    if (limits.min !== undefined && ms < (durationMs(limits.min) ?? 0)) {
      return `${text} is too short: the shortest is ${limits.min}. Write ${limits.min} or more.`;
    }
    if (limits.max !== undefined && ms > (durationMs(limits.max) ?? Infinity)) {
      return `${text} is too long: the longest is ${limits.max}. Write ${limits.max} or less.`;
    }
    return undefined;
  };
}

/** `1d, 7d` → ['1d', '7d']. */
export function listed(text: string): string[] {
  return text
    .split(/[\s,]+/)
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** Up to `most` durations. */
export function durations(most: number): Validator {
  const check = duration();
  return (text) => {
    const items = hasVariable(text) ? [] : listed(text);
    if (items.length > most) {
      return `${items.length} durations are too many: each is fitted on its own. Write at most ${most}.`;
    }
    return items.map(check).find((message) => message !== undefined);
  };
}

/** The IANA name of a time zone. */
export const timeZone: Validator = (text) => {
  if (hasVariable(text)) {
    return undefined;
  }
  try {
    new Intl.DateTimeFormat('en', { timeZone: text.trim() });
    return undefined;
  } catch {
    return `"${text}" is no time zone: it must be an IANA name. Write for example Europe/Berlin or UTC.`;
  }
};

/** The times of a text, `Sun 02:00-04:00 Europe/Berlin; 2026-12-24`. */
export function mutes(text: string): string[] {
  return text
    .split(/[;\n]/)
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

const WEEKDAY = '(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*';
const DATE = '(?:\\d{4}-)?\\d{2}-\\d{2}';
const MUTED_DAYS = new RegExp(`^(?:${DATE}(?:\\.\\.${DATE})?|${WEEKDAY}(?:[-,]${WEEKDAY})*)$`, 'i');
const MUTED_TIMES = /^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$/;

/** Days, times and a time zone, in this order, as the backend reads them; several with semicolons between. */
export const muted: Validator = (text) => {
  const wrong = mutes(hasVariable(text) ? '' : text).find((item) => {
    const parts = item.split(/\s+/);
    const days = MUTED_DAYS.test(parts[0] ?? '') ? parts.splice(0, 1) : [];
    const times = MUTED_TIMES.test(parts[0] ?? '') ? parts.splice(0, 1) : [];
    const isZone = parts.length === 0 || (parts.length === 1 && timeZone(parts[0] ?? '') === undefined);
    return days.length + times.length === 0 || !isZone;
  });
  return wrong === undefined
    ? undefined
    : `"${wrong}" is no time to mute: it needs days or times, and may name a time zone. Write for example Sun 02:00-04:00 Europe/Berlin, or 12-24..12-26.`;
};

export function number(limits: NumberLimits = {}): Validator {
  return (text) => {
    const value = Number(text);
    const range = rangeText(limits);
    if (text.trim() === '' || !Number.isFinite(value)) {
      return `"${text}" is not a number. Write ${range || 'a number, for example 10'}.`;
    }
    if (limits.integer && !Number.isInteger(value)) {
      return `${text} is not a whole number, and parts of one make no sense here. Write ${range || 'a whole number'}.`;
    }
    const outside =
      value < (limits.min ?? -Infinity) ||
      value > (limits.max ?? Infinity) ||
      value <= (limits.above ?? -Infinity) ||
      value >= (limits.below ?? Infinity);
    return outside ? `${text} is out of range. Write ${range}.` : undefined;
  };
}

/** `1 to 600 seconds`, for messages and tooltips. */
export function rangeText({ min, max, above, below, integer, unit }: NumberLimits): string {
  const low = min !== undefined ? round(min) : above !== undefined ? `more than ${above}` : undefined;
  const most = max !== undefined && max !== Number.MAX_SAFE_INTEGER ? round(max) : undefined;
  const high = below !== undefined ? `less than ${below}` : most;
  const range =
    low !== undefined && high !== undefined
      ? `${low} to ${high}`
      : low !== undefined
        ? `${low} or more`
        : high !== undefined
          ? `${below === undefined ? 'at most ' : ''}${high}`
          : '';
  const noun = unit ? ` ${unit}` : '';
  return range === '' ? '' : `${integer ? 'a whole number, ' : ''}${range}${noun}`;
}

/** A JSON pointer (RFC 6901); empty means the whole document. */
export const jsonPointer: Validator = (text) => {
  if (text !== '' && !text.startsWith('/') && !hasVariable(text)) {
    return `"${text}" is not a JSON pointer: it must begin with a slash. Write for example /${text.replace(/^\$?\.?/, '')}.`;
  }
  if (/~(?![01])/.test(text)) {
    return `"${text}" is not a JSON pointer: after ~ only 0 or 1 may follow. Write ~0 for a ~ and ~1 for a slash in a key.`;
  }
  return undefined;
};

/** Longest JSONPath, and how deeply its brackets may be nested: as the backend has it. */
const MAX_JSON_PATH = 1000;
const MAX_NESTING = 6;

/** Where the rows are: a JSON pointer, or a JSONPath (RFC 9535) with what the backend takes of it. */
export const rowsPlace: Validator = (text) => {
  if (!text.trimStart().startsWith('$')) {
    return jsonPointer(text);
  }
  if (hasVariable(text)) {
    return undefined;
  }
  if (text.length > MAX_JSON_PATH) {
    return `The JSONPath is longer than ${MAX_JSON_PATH} characters. Write a shorter one.`;
  }
  const plain = text.replace(/'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"/g, 'x');
  let depth = 0;
  let deepest = 0;
  let inside = '';
  for (const sign of plain) {
    depth += '[('.includes(sign) ? 1 : '])'.includes(sign) ? -1 : 0;
    deepest = Math.max(deepest, depth);
    inside += depth > 0 ? sign : '';
  }
  if (depth !== 0 || /['"]/.test(plain)) {
    return `"${text}" is not a JSONPath: a bracket or a quote is not closed. Write for example $.data[*].values.`;
  }
  if (deepest > MAX_NESTING) {
    return `"${text}" has more than ${MAX_NESTING} brackets within one another. Write a simpler filter.`;
  }
  if (inside.includes('$') || inside.includes('..')) {
    return `"${text}" searches the whole answer for each value: in a filter, name what is below @. Write for example [?@.name == 'cpu'].`;
  }
  if (/(match|search)\s*\(/.test(inside)) {
    return `"${text}" has a regular expression, which is not done here. Compare with == instead.`;
  }
  return undefined;
};

/** Where a label is: in a row by a JSON pointer, or above it by a relative one. */
export const labelPlace: Validator = (text) => {
  const relative = /^(0|[1-9]\d{0,2})(#$|\/|$)/.exec(text);
  if (relative === null) {
    return /^\d/.test(text)
      ? `"${text}" is not a relative JSON pointer: after the levels to go up, a slash or # must follow. Write for example 1/name or 1#.`
      : jsonPointer(text);
  }
  return Number(relative[1]) > 128
    ? `"${text}" goes up ${relative[1]} levels, more than answers have. Write for example 1/name.`
    : jsonPointer(text.slice(relative[1]?.length).replace('#', ''));
};

/** The lines that are not empty. */
export function eachLine(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/** A path below the URL that queries are narrowed to. */
export const pathPrefix: Validator = (text) =>
  text.startsWith('/') ? path(text) : `"${text}" is not a path: it must begin with a slash. Write for example /api/v1.`;

/** A path below the URL of the settings: it can name no other host and cannot climb up. */
export const path: Validator = (text) => {
  const plain = text.replace(/\$\{[^}]*\}/g, 'x');
  const [first = ''] = plain.split('/');
  if (first.includes(':') || plain.includes('//') || plain.includes('\\')) {
    return `"${text}" names a host: only the URL in the data source settings may. Write the path alone, for example /query.`;
  }
  if (/[?#]/.test(plain)) {
    return `"${text}" is more than a path: parameters are encoded apart from it. Write the path alone, without ? and #.`;
  }
  if (plain.split(/\/|%2f|%5c/i).some(climbs)) {
    return `"${text}" climbs out of the URL in the data source settings: "." and ".." are not allowed. Write the path without them.`;
  }
  return undefined;
};

/** Whether a server could read the segment as `.` or `..`, encoded (even twice) or with parameters behind it. */
function climbs(segment: string): boolean {
  const [name] = segment.replace(/%(25)*2e/gi, '.').split(';');
  return name === '.' || name === '..';
}

/** The base URL of an upstream. */
export const baseUrl: Validator = (text) => {
  const example = 'Write for example http://localhost:8080.';
  if (text.trim() === '') {
    return `The URL is missing: without it there is nothing to ask. ${example}`;
  }
  if (!/^https?:\/\//i.test(text.trim())) {
    return `"${text}" is not an http URL: it must begin with http:// or https://. ${example}`;
  }
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return `"${text}" is not a URL: it needs a host. ${example}`;
  }
  if (url.username !== '' || url.password !== '') {
    return 'The URL holds a user name or a password, and URLs are stored in the clear. Use basic authentication below.';
  }
  if (/[?#]/.test(text)) {
    return `The URL holds a ? or a #, and paths are added at its end. Write parameters into the queries.`;
  }
  return undefined;
};

/** Host and port of a database server. */
export const hostAndPort: Validator = (text) => {
  const example = 'Write for example db.example.org:5432.';
  if (text.trim() === '') {
    return `The address is missing: without it there is nothing to ask. ${example}`;
  }
  if (text.includes('://')) {
    return `"${text}" begins with a scheme, and the kind of the upstream says it already. ${example}`;
  }
  if (text.trim().startsWith('/')) {
    return absolutePath(text.trim());
  }
  return /^(\[[0-9a-f:.%\w]+\]|[\w.-]+)(:\d{1,5})?$/i.test(text.trim())
    ? undefined
    : `"${text}" is not an address: it must be a host, and maybe a colon and a port, or the path of a socket. ${example}`;
};

/** A path from the root on, on Grafana's machine. */
export const absolutePath: Validator = (text) => {
  if (!text.startsWith('/')) {
    return `"${text}" is not an absolute path: it must begin with a slash. Write for example /var/lib/metrics/metrics.db.`;
  }
  return text.split('/').includes('..') ? `"${text}" climbs: ".." is not allowed. Write the path itself.` : undefined;
};

/** An HTTP header's name (a token of RFC 9110). */
export const headerName: Validator = (text) =>
  /^[!#$%&'*+.^_`|~0-9a-z-]+$/i.test(text)
    ? undefined
    : `"${text}" cannot name a header: only letters, digits and hyphens may stand in it. Write for example X-Api-Key.`;

/** Refuses empty text; `what` begins the message, `example` ends it. */
export function required(what: string, example: string): Validator {
  return (text) => (text.trim() === '' ? `${what} is missing. Write for example ${example}.` : undefined);
}

function round(value: number): string {
  return String(Number.isInteger(value) ? value : Number(value.toPrecision(2)));
}
