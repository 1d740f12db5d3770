/** What an absent key means, from the schema of the backend. */
import {
  COMMON_SCHEMA,
  DETECTOR_SCHEMAS,
  QUERY_VERSION,
  type SchemaSettings,
  SETTINGS_SCHEMA,
  SOURCE_SCHEMAS,
} from './schema.gen';
import { defaultsOf, type KindSchema } from './schema';
import {
  type CommonOptions,
  type DetectorKind,
  type DetectorOptions,
  type SettingsOptions,
  type SourceOptions,
} from './types';

export { QUERY_VERSION };

export const MIB = 1024 * 1024;

export const SETTINGS_DEFAULTS: SettingsOptions = {
  ...defaultsOf<SchemaSettings>(SETTINGS_SCHEMA),
  // Grafana's own.
  oauthPassThru: false,
  keepCookies: [],
};

export const COMMON_DEFAULTS = defaultsOf<CommonOptions>(COMMON_SCHEMA);
export const SOURCE_DEFAULTS = ofKinds(SOURCE_SCHEMAS) as SourceOptions;
export const DETECTOR_DEFAULTS = ofKinds(DETECTOR_SCHEMAS) as DetectorOptions;

/** The first of the list. */
export const DEFAULT_DETECTOR = Object.keys(DETECTOR_SCHEMAS)[0] as DetectorKind;

function ofKinds(schemas: Record<string, KindSchema>): unknown {
  return Object.fromEntries(Object.entries(schemas).map(([kind, { options }]) => [kind, defaultsOf(options)]));
}
