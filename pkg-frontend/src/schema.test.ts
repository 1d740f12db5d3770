import { DEFAULT_DETECTOR, DETECTOR_DEFAULTS, SETTINGS_DEFAULTS, SOURCE_DEFAULTS } from './defaults';
import { choicesOf, helped, type KindSchema, matters, type OptionSchema } from './schema';
import { COMMON_SCHEMA, DETECTOR_SCHEMAS, SETTINGS_SCHEMA, SOURCE_SCHEMAS } from './schema.gen';
import { duration, number } from './validation';

const all = [COMMON_SCHEMA, SETTINGS_SCHEMA, ...optionsOf(SOURCE_SCHEMAS), ...optionsOf(DETECTOR_SCHEMAS)].flatMap(
  (schemas) => Object.entries<OptionSchema>(schemas),
);

function optionsOf(kinds: Record<string, KindSchema>) {
  return Object.values(kinds).map(({ options }) => options);
}

describe('the schema', () => {
  it('has the same defaults as before it was there', () => {
    expect(DEFAULT_DETECTOR).toBe('auto');
    expect(DETECTOR_DEFAULTS.auto).toEqual({ sensitivity: 0.5, refractory: 300, timeZone: 'UTC' });
    expect(DETECTOR_DEFAULTS['s-h-esd']).toMatchObject({ direction: null, threshold: 'None', period: null });
    expect(DETECTOR_DEFAULTS.seasonal.periods).toEqual([]);
    expect(SOURCE_DEFAULTS['http-json'].params).toEqual([
      { name: 'from', value: '${__from}' },
      { name: 'to', value: '${__to}' },
    ]);
    expect(SOURCE_DEFAULTS.mysql).toEqual(SOURCE_DEFAULTS.postgresql);
    expect(SETTINGS_DEFAULTS).toMatchObject({
      source: 'generator',
      timeout: 30,
      sslmode: 'verify-full',
      settle: 'auto',
    });
  });

  it('has the limits of the backend', () => {
    const check = (schema: OptionSchema) => number(schema.limits);
    const { alpha } = DETECTOR_SCHEMAS['s-h-esd'].options;
    expect(check(alpha)('0.995')).toBeUndefined();
    expect(check(alpha)('1')).toMatch('Write more than 0 to less than 1.');
    expect(check(SETTINGS_SCHEMA.timeout)('1.5')).toBeUndefined();
    expect(check(SETTINGS_SCHEMA.timeout)('601')).toMatch('1 to 600 seconds');
    expect(check(SETTINGS_SCHEMA.maxResponseBytes)('1024')).toBeUndefined();
  });

  it('says what each option is, and takes each default', () => {
    expect(all.length).toBeGreaterThan(100);
    for (const [name, schema] of all) {
      expect(schema.label).not.toBe('');
      expect([name, schema.help]).toEqual([name, expect.stringMatching(/\.$/)]);
      if (typeof schema.byDefault === 'number') {
        expect([name, number(schema.limits)(String(schema.byDefault))]).toEqual([name, undefined]);
      }
      if (schema.input === 'duration') {
        expect([name, duration(schema.duration)(String(schema.byDefault))]).toEqual([name, undefined]);
      }
      if (schema.input === 'choice') {
        expect(choicesOf(schema).map(({ value }) => value)).toContain(schema.byDefault ?? '');
      }
    }
  });
});

describe('matters', () => {
  const option: OptionSchema = { label: 'Eps', input: 'number', byDefault: null, when: { method: ['dbscan'] } };

  it('follows other options', () => {
    expect(matters('eps', option, { eps: null, method: 'auto' })).toBe(false);
    expect(matters('eps', option, { eps: null, method: 'dbscan' })).toBe(true);
    expect(matters('eps', option, { eps: null, method: ['mad', 'dbscan'] })).toBe(true);
  });

  it('is true of what was set, so that it can be seen', () =>
    expect(matters('eps', option, { eps: 3, method: 'auto' })).toBe(true));
});

describe('helped', () => {
  const tooltip = (schema: Partial<OptionSchema>) =>
    helped({ label: 'A', help: 'Says it.', input: 'other', byDefault: null, ...schema }).tooltip;

  it('ends in the default', () => {
    expect(tooltip({ byDefault: 3 })).toBe('Says it. Default: 3.');
    expect(tooltip({ byDefault: false })).toBe('Says it. Default: off.');
    expect(tooltip({ byDefault: 'b', choices: [{ value: 'b', label: 'Bee' }] })).toBe('Says it. Default: Bee.');
    expect(tooltip({ empty: 'as the query' })).toBe('Says it. Default: as the query.');
    expect(tooltip({ byDefault: [], empty: 'all' })).toBe('Says it. Default: all.');
    expect(tooltip({ byDefault: ['a', 'b'] })).toBe('Says it. Default: a, b.');
  });
});
