/**
 * Makes src/schema.gen.ts of ../schema: types, defaults, limits, choices and help texts of every option. With --check it
 * only says whether the file is up to date.
 */
import { readFileSync, writeFileSync } from 'node:fs';

import { format, resolveConfig } from 'prettier';

const TARGET = new URL('../src/schema.gen.ts', import.meta.url);
const [query, settings] = ['query', 'settings'].map((name) =>
  JSON.parse(readFileSync(new URL(`../../schema/${name}.json`, import.meta.url), 'utf8')),
);

const HEADER = `// Made of ../schema by scripts/schema.mjs: change the types in Rust, refresh the schemas, run \`npm run schema\`.
import { type KindSchema, type Schemas } from './schema';
import { type AdhocFilter } from './types';
`;

/** The choices of a schema, if it is one. */
const choicesOf = (schema) => (schema.type === 'array' ? schema.items : schema).oneOf;

const isType = (schema, type) => [schema.type].flat().includes(type);

const isFilter = ({ properties = {} }) => Object.keys(properties).sort().join() === 'key,operator,value';

/** The options of an object in their order, but for what only goes over the wire. */
function optionsOf(object, except = []) {
  return object['x-order']
    .filter((name) => !except.includes(name) && !object.properties[name]['x-not-saved'])
    .map((name) => [name, object.properties[name]]);
}

function kindsOf({ $defs }, place) {
  return Object.entries($defs)
    .filter(([name]) => name.startsWith(`${place}.`))
    .map(([name, schema]) => [name.slice(place.length + 1), schema]);
}

/** The kinds in the order of the list, not of their names. */
function listed(schema, place, references) {
  const kinds = new Map(kindsOf(schema, place));
  return references.map(({ $ref }) => $ref.split('.').slice(1).join('.')).map((kind) => [kind, kinds.get(kind)]);
}

function typeOf(schema) {
  const orNull = isType(schema, 'null') ? ' | null' : '';
  if (schema.oneOf !== undefined) {
    return schema.oneOf.map((choice) => JSON.stringify(choice.const)).join(' | ');
  }
  if (schema.enum !== undefined) {
    return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  }
  if (isType(schema, 'array')) {
    return `Array<${typeOf(schema.items)}>${orNull}`;
  }
  if (isType(schema, 'integer') || isType(schema, 'number')) {
    return `number${orNull}`;
  }
  if (isType(schema, 'boolean')) {
    return `boolean${orNull}`;
  }
  if (isType(schema, 'object')) {
    if (isFilter(schema)) {
      return 'AdhocFilter';
    }
    const properties = Object.entries(schema.properties ?? {});
    return properties.length === 0
      ? 'Record<string, unknown>'
      : `{ ${properties.map(([name, property]) => `${name}: ${typeOf(property)}`).join('; ')} }`;
  }
  return `string${orNull}`;
}

const typesOf = (options) =>
  options.map(([name, schema]) => `/** ${plain(schema.description)} */\n${name}: ${typeOf(schema)};`).join('\n');

/** Text without the marks of Markdown. */
const plain = (text) => text.replaceAll('`', '');

/** One option as src/schema.ts has it. */
function optionSchema(schema) {
  const duration = schema['x-duration'] ?? schema.items?.['x-duration'];
  const isNumber = isType(schema, 'integer') || isType(schema, 'number');
  const choices = choicesOf(schema)?.map(({ const: value, title, description }) => ({
    value: value ?? '',
    label: value === null ? capital(title) : (title ?? value),
    ...(description === undefined ? {} : { description: plain(description) }),
  }));
  const when = schema['x-when'];
  return {
    label: schema.title,
    help: plain(schema.description),
    input: inputOf(schema, choices, duration),
    byDefault: schema.default,
    ...(isNumber ? { limits: numberLimits(schema) } : {}),
    ...(duration === undefined
      ? {}
      : { duration: { min: duration.minimum, max: duration.maximum, word: duration.word } }),
    ...(choices === undefined ? {} : { choices }),
    ...(schema.maxItems === undefined ? {} : { most: schema.maxItems }),
    ...(schema['x-empty'] === undefined ? {} : { empty: plain(schema['x-empty']) }),
    ...(when === undefined ? {} : { when }),
    ...(schema['x-advanced'] ? { advanced: true } : {}),
  };
}

function inputOf(schema, choices, duration) {
  const isList = isType(schema, 'array');
  if (choices !== undefined) {
    return isList ? 'choices' : 'choice';
  }
  if (duration !== undefined) {
    return isList ? 'durations' : 'duration';
  }
  if (schema.format === 'iana-time-zone') {
    return 'time-zone';
  }
  if (isList) {
    return isType(schema.items, 'string') ? 'names' : 'other';
  }
  if (isType(schema, 'integer') || isType(schema, 'number')) {
    return 'number';
  }
  if (isType(schema, 'boolean')) {
    return 'switch';
  }
  return isType(schema, 'string') ? 'text' : 'other';
}

function numberLimits(schema) {
  // What a u64 holds beyond this, a number in JavaScript does not.
  const max = schema.format === 'uint64' ? Number.MAX_SAFE_INTEGER : schema.maximum;
  return {
    min: schema.minimum,
    above: schema.exclusiveMinimum,
    max,
    below: schema.exclusiveMaximum,
    integer: isType(schema, 'integer') || undefined,
    unit: schema['x-unit'],
  };
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

const record = (options) => Object.fromEntries(options.map(([name, schema]) => [name, optionSchema(schema)]));

/** The kinds of a place as a record; those with the same options share them. */
function kindsText(name, place, kinds) {
  const types = `${capital(place)}Options`;
  const shared = new Map();
  const texts = kinds.map(([, schema]) => JSON.stringify(record(optionsOf(schema))));
  const entries = kinds.map(([kind, { title, description }], at) => {
    let options = texts[at];
    if (texts.indexOf(options) !== texts.lastIndexOf(options)) {
      const constant = shared.get(options)?.constant ?? `SHARED_${place.toUpperCase()}_${shared.size + 1}`;
      shared.set(options, { constant, kind });
      options = constant;
    }
    const [label, what] = [title, plain(description)].map((text) => JSON.stringify(text));
    return `${JSON.stringify(kind)}: { label: ${label}, description: ${what}, options: ${options} },`;
  });
  const constants = [...shared].map(
    ([options, { constant, kind }]) => `const ${constant}: Schemas<${types}[${JSON.stringify(kind)}]> = ${options};`,
  );
  return `${constants.join('\n')}
/** Every kind of ${place} in the order of the list. */
export const ${name}: { [K in keyof ${types}]: KindSchema<${types}[K]> } = { ${entries.join('\n')} };`;
}

const sources = listed(query, 'source', query.properties.source.anyOf);
const detectors = listed(query, 'detector', query.properties.detector.anyOf);
const common = optionsOf(query, ['source', 'detector']);
const { jsonData, secureJsonData } = settings.properties;
const settingsOfKinds = listed(settings, 'settings', jsonData.anyOf).map(([kind, schema]) => [kind, optionsOf(schema)]);
const ownSettings = settingsOfKinds.flatMap(([, options]) => options);
const allSettings = [...new Map([...optionsOf(jsonData), ...ownSettings])];

const kindTypes = (name, what, kinds) => `
/** Every ${what} kind with its options. */
export interface ${name} {
${kinds.map(([kind, schema]) => `${JSON.stringify(kind)}: {\n${typesOf(optionsOf(schema))}\n};`).join('\n')}
}`;

const text = `${HEADER}
export const QUERY_VERSION = ${query.properties.version.const};
${kindTypes('SourceOptions', 'source', sources)}
${kindTypes('DetectorOptions', 'detector', detectors)}

/** What a query says beside its source and its detector. */
export interface CommonOptions {
${typesOf(common)}
}

/** What of the settings everyone may read. */
export interface SchemaSettings {
${typesOf(allSettings)}
}

export type SecretName = ${secureJsonData['x-order'].map((name) => JSON.stringify(name)).join(' | ')};

export const COMMON_SCHEMA: Schemas<CommonOptions> = ${JSON.stringify(record(common))};

export const SETTINGS_SCHEMA: Schemas<SchemaSettings> = ${JSON.stringify(record(allSettings))};

/** The settings that only one kind of source knows, in their order. */
export const OWN_SETTINGS: { [K in keyof SourceOptions]: Array<keyof SchemaSettings> } = ${JSON.stringify(
  Object.fromEntries(settingsOfKinds.map(([kind, options]) => [kind, options.map(([name]) => name)])),
)};

${kindsText('SOURCE_SCHEMAS', 'source', sources)}

${kindsText('DETECTOR_SCHEMAS', 'detector', detectors)}
`;

const wanted = await format(text, { ...(await resolveConfig(TARGET)), parser: 'typescript' });
if (process.argv.includes('--check')) {
  if (readFileSync(TARGET, 'utf8') !== wanted) {
    console.error('src/schema.gen.ts is not what ../schema says. Refresh it with: npm run schema');
    process.exit(1);
  }
} else {
  writeFileSync(TARGET, wanted);
}
