import { FieldSet } from '@grafana/ui';
import React from 'react';

import { SETTINGS_DEFAULTS } from '../defaults';
import { type SettingsEditorProps } from '../kinds';
import { withDefaults } from '../options';
import { OWN_SETTINGS, SETTINGS_SCHEMA, SOURCE_SCHEMAS } from '../schema.gen';
import { OptionField } from '../SchemaEditor';
import { optionId } from '../selectors';
import { setJson } from '../settings';
import { type SettingsOptions } from '../types';

import { COMMON } from './bind';
import { HttpSettings } from './HttpSettings';

/** How an HTTP upstream is reached, with the settings that only its kind knows, drawn from the schema. */
export function SchemaSettings(props: SettingsEditorProps) {
  const { settings, onChange } = props;
  const json = withDefaults<SettingsOptions>(SETTINGS_DEFAULTS, settings.jsonData);
  const own = OWN_SETTINGS[json.source] ?? [];
  return (
    <>
      {own.length > 0 && (
        <FieldSet label={SOURCE_SCHEMAS[json.source].label} disabled={settings.readOnly}>
          {own.map((key) => (
            <OptionField
              key={key}
              {...COMMON}
              testId={optionId('config', key)}
              schema={SETTINGS_SCHEMA[key]}
              value={json[key]}
              onCommit={(value) => onChange(setJson(settings, key, value as SettingsOptions[typeof key]))}
            />
          ))}
        </FieldSet>
      )}
      <HttpSettings {...props} />
    </>
  );
}
