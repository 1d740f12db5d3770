/** Changes to the data source settings, each a pure function from settings to settings. */
import { type DataSourceSettings } from '@grafana/data';
import { omit } from 'lodash';

import { MIB, SETTINGS_DEFAULTS } from './defaults';
import { setOption } from './options';
import { type OutriderJsonData, type OutriderSecureJsonData, type SecretKey, type SettingsOptions } from './types';

export type Settings = DataSourceSettings<OutriderJsonData, OutriderSecureJsonData>;

export function setJson<K extends keyof SettingsOptions>(
  settings: Settings,
  key: K,
  value: SettingsOptions[K],
): Settings {
  const jsonData = setOption<Partial<SettingsOptions>, K>(settings.jsonData, key, value, SETTINGS_DEFAULTS[key]);
  return { ...settings, jsonData };
}

export function setSecret(settings: Settings, key: SecretKey, value: string): Settings {
  return { ...settings, secureJsonData: { ...settings.secureJsonData, [key]: value } };
}

/** Forgets a stored secret. Grafana keeps what is absent, so it is overwritten with nothing. */
export function resetSecret(settings: Settings, key: SecretKey): Settings {
  return {
    ...setSecret(settings, key, ''),
    secureJsonFields: { ...settings.secureJsonFields, [key]: false },
  };
}

export function hasSecret(settings: Settings, key: SecretKey): boolean {
  return Boolean(settings.secureJsonFields?.[key] || settings.secureJsonData?.[key]);
}

/** The numbers of the custom headers in use, ascending. */
export function headerNumbers(settings: Settings): number[] {
  return Object.keys(settings.jsonData)
    .map((key) => Number(/^httpHeaderName(\d+)$/.exec(key)?.[1]))
    .filter((n) => n > 0)
    .sort((a, b) => a - b);
}

/** Adds a nameless header at the lowest free number. */
export function addHeader(settings: Settings): Settings {
  const used = new Set(headerNumbers(settings));
  let n = 1;
  while (used.has(n)) {
    n += 1;
  }
  return renameHeader(settings, n, '');
}

export function renameHeader(settings: Settings, n: number, name: string): Settings {
  return { ...settings, jsonData: { ...settings.jsonData, [`httpHeaderName${n}`]: name } };
}

/** The others keep their numbers: their stored values cannot be read, so they cannot be moved. */
export function removeHeader(settings: Settings, n: number): Settings {
  const jsonData = omit(settings.jsonData, `httpHeaderName${n}`);
  return { ...resetSecret(settings, `httpHeaderValue${n}`), jsonData };
}

export function bytesToMiB(bytes: number): number {
  return Number((bytes / MIB).toPrecision(6));
}

export function mibToBytes(mib: number): number {
  return Math.round(mib * MIB);
}
