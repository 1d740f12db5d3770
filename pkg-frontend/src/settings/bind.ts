/** Props that bind a field to one key of the settings. Pure but for the change they report. */
import { LABEL_WIDTH } from '../fields';
import { type SettingsEditorProps } from '../kinds';
import { selectors } from '../selectors';
import { resetSecret, setJson, setSecret } from '../settings';
import { type SecretKey, type SettingsOptions } from '../types';

const ids = selectors.config;

type Flag = { [K in keyof SettingsOptions]: SettingsOptions[K] extends boolean ? K : never }[keyof SettingsOptions];

/** What every field of the settings has. */
export const COMMON = { scope: '', labelWidth: LABEL_WIDTH + 4 };
export const WIDE = 60;

export function bindFlag({ settings, onChange }: SettingsEditorProps, key: Flag) {
  return {
    ...COMMON,
    testId: ids[key],
    value: settings.jsonData[key] ?? false,
    onCommit: (value: boolean) => onChange(setJson(settings, key, value)),
  };
}

/** `testId` and `scope` for the secrets that are numbered. */
export function bindSecret(
  { settings, onChange }: SettingsEditorProps,
  key: SecretKey,
  testId: string,
  scope = COMMON.scope,
) {
  return {
    ...COMMON,
    testId,
    scope,
    value: settings.secureJsonData?.[key] ?? '',
    isConfigured: Boolean(settings.secureJsonFields?.[key]),
    onCommit: (value: string) => onChange(setSecret(settings, key, value)),
    onReset: () => onChange(resetSecret(settings, key)),
  };
}
