import { FieldSet } from '@grafana/ui';
import React from 'react';

import { SETTINGS_DEFAULTS } from '../defaults';
import { TextField } from '../fields';
import { type SettingsEditorProps } from '../kinds';
import { withDefaults } from '../options';
import { helped } from '../schema';
import { SETTINGS_SCHEMA } from '../schema.gen';
import { selectors } from '../selectors';
import { setJson } from '../settings';
import { type SettingsOptions } from '../types';
import { baseUrl, path } from '../validation';

import { COMMON, WIDE } from './bind';

const ids = selectors.config;

/** Where the upstream is. */
export function Connection({ settings, onChange }: SettingsEditorProps) {
  const json = withDefaults<SettingsOptions>(SETTINGS_DEFAULTS, settings.jsonData);
  const set = <K extends keyof SettingsOptions>(key: K, value: SettingsOptions[K] | null) =>
    onChange(setJson(settings, key, value ?? SETTINGS_DEFAULTS[key]));

  return (
    <FieldSet label="Connection" disabled={settings.readOnly}>
      <TextField
        {...COMMON}
        testId={ids.url}
        label="URL"
        tooltip="Where the upstream is, with scheme and port. Queries add their paths to it and can reach nothing else."
        placeholder="http://localhost:8080"
        width={WIDE}
        value={settings.url}
        validate={baseUrl}
        onCommit={(url) => onChange({ ...settings, url: url.trim() })}
      />
      {json.source === 'http-json' && (
        <TextField
          {...COMMON}
          testId={ids.healthPath}
          {...helped(SETTINGS_SCHEMA.healthPath)}
          placeholder={SETTINGS_DEFAULTS.healthPath}
          value={json.healthPath}
          validate={path}
          onCommit={(text) => set('healthPath', text.trim() || null)}
        />
      )}
    </FieldSet>
  );
}
