import {
  baseUrl,
  duration,
  durationMs,
  eachLine,
  durations,
  hasVariable,
  headerName,
  hostAndPort,
  jsonPointer,
  labelPlace,
  listed,
  muted,
  mutes,
  number,
  path,
  pathPrefix,
  rangeText,
  required,
  rowsPlace,
  timeZone,
} from './validation';

/** Each message says what is wrong and ends in what to do. */
const INSTRUCTS = /(Write|Use|Switch) .+\.$/;

describe('durationMs', () => {
  it.each([
    ['30s', 30_000],
    ['15m', 900_000],
    ['1h', 3_600_000],
    ['7d', 604_800_000],
    ['1w', 604_800_000],
    ['250ms', 250],
    [' 5m ', 300_000],
    ['1h30m', 5_400_000],
    ['1M', 2_592_000_000],
    ['1y', 31_536_000_000],
  ])('reads %s', (text, ms) => expect(durationMs(text)).toBe(ms));

  it.each(['', '5', 'm', '5 m', '-5m', '1.5h', '5mm', '5minutes', '5m!'])('refuses "%s"', (text) =>
    expect(durationMs(text)).toBeUndefined(),
  );
});

describe('hostAndPort', () => {
  it.each(['db', 'db.example.org:5432', '[::1]:5432', '10.0.0.1', '/run/postgresql', '/run/mysqld/mysqld.sock'])(
    'accepts %s',
    (text) => expect(hostAndPort(text)).toBeUndefined(),
  );

  it.each([
    ['', /missing/],
    ['postgres://db', /scheme/],
    ['a b', /not an address/],
    ['/run/../etc', /climbs/],
  ])('refuses "%s"', (text, why) => {
    expect(hostAndPort(text)).toMatch(why);
    expect(hostAndPort(text)).toMatch(INSTRUCTS);
  });
});

describe('duration', () => {
  const check = duration({ min: '1m', max: '400d' });

  it.each(['1m', '7d', '400d', '60s', '$window', '${window}', '[[window]]'])('accepts %s', (text) =>
    expect(check(text)).toBeUndefined(),
  );

  it.each([
    ['', /not a duration/],
    ['7x', /"7x" is not a duration/],
    ['0m', /longer than nothing/],
    ['59s', /shortest is 1m/],
    ['401d', /longest is 400d/],
    ['auto', /not a duration/],
  ])('refuses "%s"', (text, why) => {
    expect(check(text)).toMatch(why);
    expect(check(text)).toMatch(INSTRUCTS);
  });

  it('accepts its word', () => {
    expect(duration({ word: 'auto' })('auto')).toBeUndefined();
    expect(duration({ word: 'auto' })('always')).toMatch(/or auto\.$/);
  });
});

describe('number', () => {
  const trees = number({ min: 1, max: 10_000, integer: true });

  it.each(['1', '100', '10000'])('accepts %s', (text) => expect(trees(text)).toBeUndefined());

  it.each([
    ['', /not a number/],
    ['many', /not a number/],
    ['Infinity', /not a number/],
    ['1.5', /not a whole number/],
    ['0', /out of range\. Write a whole number, 1 to 10000\.$/],
    ['10001', /out of range/],
  ])('refuses "%s"', (text, why) => {
    expect(trees(text)).toMatch(why);
    expect(trees(text)).toMatch(INSTRUCTS);
  });

  it('tells "more than" from "at least"', () => {
    const contamination = number({ above: 0, max: 0.5 });
    expect(contamination('0')).toMatch(/Write more than 0 to 0\.5/);
    expect(contamination('0.0001')).toBeUndefined();
    expect(contamination('0.5')).toBeUndefined();
    expect(number({ min: 0, max: 1 })('0')).toBeUndefined();
  });
});

describe('rangeText', () => {
  it.each([
    [{ min: 1, max: 600, integer: true, unit: 'seconds' }, 'a whole number, 1 to 600 seconds'],
    [{ min: 2, max: 65_536 }, '2 to 65536'],
    [{ min: 1 / 1024, max: 1024, unit: 'MiB' }, '0.00098 to 1024 MiB'],
    [{ min: 0, max: Number.MAX_SAFE_INTEGER }, '0 or more'],
    [{ max: 3 }, 'at most 3'],
    [{}, ''],
  ])('of %j', (limits, text) => expect(rangeText(limits)).toBe(text));
});

describe('jsonPointer', () => {
  it.each(['', '/', '/0', '/a/b', '/a~1b', '/m~0n', '/$data', '/with space', '$pointer'])('accepts "%s"', (text) =>
    expect(jsonPointer(text)).toBeUndefined(),
  );

  it.each([
    ['0', 'Write for example /0.'],
    ['data/rows', 'Write for example /data/rows.'],
    ['$.data', 'Write for example /data.'],
    ['/a~b', 'Write ~0 for a ~'],
    ['/a~', 'Write ~0 for a ~'],
  ])('refuses "%s"', (text, advice) => expect(jsonPointer(text)).toContain(advice));
});

describe('rowsPlace', () => {
  it.each([
    '',
    '/a/b',
    '$',
    '$.data[*].values',
    "$['a]b'][?@.x == '[(']",
    '$rows',
    '$..dps',
    "$.a[?length(@.x) > 2 && (@.y == 'a..b$')]",
    '$.match',
  ])('accepts "%s"', (text) => expect(rowsPlace(text)).toBeUndefined());

  it.each([
    ['data', 'Write for example /data.'],
    ['$.a[', 'is not closed'],
    ["$['a]", 'is not closed'],
    ['$..[?@..x]', 'searches the whole answer'],
    ['$[?@.a == $.b]', 'searches the whole answer'],
    ['$[?((((((@.a))))))]', 'within one another'],
    ["$[?match(@.a, 'x')]", 'Compare with =='],
    [`$.${'a'.repeat(1000)}`, 'longer than 1000'],
  ])('refuses "%s"', (text, advice) => expect(rowsPlace(text)).toContain(advice));
});

describe('labelPlace', () => {
  it.each(['/2', '', '1/name', '0#', '1#', '2', '1/a~1b', '10/x'])('accepts "%s"', (text) =>
    expect(labelPlace(text)).toBeUndefined(),
  );

  it.each([
    ['1name', 'Write for example 1/name'],
    ['01/a', 'Write for example 1/name'],
    ['1#/a', 'Write for example 1/name'],
    ['200/a', 'goes up 200 levels'],
    ['1/a~2', 'Write ~0 for a ~'],
    ['name', 'Write for example /name.'],
  ])('refuses "%s"', (text, advice) => expect(labelPlace(text)).toContain(advice));
});

describe('pathPrefix', () => {
  it('takes paths that begin with a slash', () => {
    expect(eachLine(' /api/v1 \n\n/a b\n').map(pathPrefix)).toEqual([undefined, undefined]);
    expect(pathPrefix('api')).toContain('begin with a slash');
    expect(pathPrefix('/../x')).toContain('climbs');
    expect(pathPrefix('//h/x')).toContain('names a host');
  });
});

describe('path', () => {
  it.each([
    '',
    '/',
    '/query',
    'query',
    '/a..b/c',
    '/...',
    '/v1/series:range',
    '/$env/query',
    '/${__from:date}/x',
    '/a%2Fb',
  ])('accepts "%s"', (text) => expect(path(text)).toBeUndefined());

  it.each([
    ['http://evil/query', /names a host/],
    ['evil:80/query', /names a host/],
    ['//evil/query', /names a host/],
    ['/x//evil', /names a host/],
    ['/\\evil', /names a host/],
    ['file:/etc/passwd', /names a host/],
    ['/q?x=1', /more than a path/],
    ['/q#x', /more than a path/],
    ['/..', /climbs out/],
    ['../x', /climbs out/],
    ['/./x', /climbs out/],
    ['/a/../b', /climbs out/],
    ['/a/%2e%2E/b', /climbs out/],
    ['/a/.%2e', /climbs out/],
    ['/%252e%252e/b', /climbs out/],
    ['/a%2f..%2fb', /climbs out/],
    ['/..;x/b', /climbs out/],
  ])('refuses "%s"', (text, why) => {
    expect(path(text)).toMatch(why);
    expect(path(text)).toMatch(INSTRUCTS);
  });
});

describe('baseUrl', () => {
  it.each(['http://localhost:8080', 'https://example.com/api/', 'http://[::1]:9000'])('accepts %s', (text) =>
    expect(baseUrl(text)).toBeUndefined(),
  );

  it.each([
    ['', /is missing/],
    ['localhost:8080', /not an http URL/],
    ['example.com', /not an http URL/],
    ['ftp://example.com', /not an http URL/],
    ['http:example.com', /not an http URL/],
    ['http://', /not a URL/],
    ['http://me:secret@example.com', /in the clear/],
    ['http://example.com/?a=b', /holds a \?/],
  ])('refuses "%s"', (text, why) => {
    expect(baseUrl(text)).toMatch(why);
    expect(baseUrl(text)).toMatch(INSTRUCTS);
  });

  it('does not repeat a password', () => {
    expect(baseUrl('http://me:secret@example.com')).not.toContain('secret');
  });
});

describe('headerName', () => {
  it.each(['X-Api-Key', 'authorization', 'x_y'])('accepts %s', (text) => expect(headerName(text)).toBeUndefined());
  it.each(['', 'X Api', 'X:Api', 'X-Ä', 'a\nb'])('refuses "%s"', (text) => expect(headerName(text)).toMatch(INSTRUCTS));
});

describe('durations', () => {
  it.each(['', '1d', '1d, 7d', '12h 1d', '${periods}'])('accepts "%s"', (text) =>
    expect(durations(2)(text)).toBeUndefined(),
  );
  it.each(['1', '1d, week', '0s', '1d, 2d, 3d'])('refuses "%s"', (text) =>
    expect(durations(2)(text)).toMatch(INSTRUCTS),
  );
  it('are told apart by commas and spaces', () => expect(listed(' 1d,7d  12h, ')).toEqual(['1d', '7d', '12h']));
});

describe('timeZone', () => {
  it.each(['UTC', 'Europe/Berlin', ' America/New_York ', '$zone'])('accepts "%s"', (text) =>
    expect(timeZone(text)).toBeUndefined(),
  );
  it.each(['', 'Mars/Olympus', 'nine'])('refuses "%s"', (text) => expect(timeZone(text)).toMatch(INSTRUCTS));
});

describe('required', () => {
  const user = required('The user name', 'grafana');
  it('refuses empty text', () => expect(user(' ')).toBe('The user name is missing. Write for example grafana.'));
  it('accepts the rest', () => expect(user('me')).toBeUndefined());
});

describe('hasVariable', () => {
  it.each(['$a', 'x${a}', '[[a]]', '$__from'])('finds one in %s', (text) => expect(hasVariable(text)).toBe(true));
  it.each(['', '$', '100 $', '{a}', '$.a'])('finds none in "%s"', (text) => expect(hasVariable(text)).toBe(false));
});

describe('times to mute', () => {
  it('are split at semicolons', () => expect(mutes('Sun; 12-24 ;\n')).toStrictEqual(['Sun', '12-24']));

  it.each([
    '',
    'Sun 02:00-04:00 Europe/Berlin',
    'Mon-Fri 22:00-06:00',
    'sat,Sunday',
    '2026-12-24; 12-24..12-26 UTC',
    '03:00-24:00',
    'Sun ${zone}',
  ])('are days, times and a zone: %s', (text) => expect(muted(text)).toBeUndefined());

  it.each(['tomorrow', 'Europe/Berlin', 'Sun 2-4', 'Sun 02:00-25:00', 'Sun Berlin', 'Sun UTC 02:00-04:00'])(
    'are nothing else: %s',
    (text) => expect(muted(text)).toMatch(INSTRUCTS),
  );
});
