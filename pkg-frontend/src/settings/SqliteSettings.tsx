import { FieldSet } from '@grafana/ui';
import React from 'react';

import { SETTINGS_DEFAULTS } from '../defaults';
import { SwitchField, TextField } from '../fields';
import { type SettingsEditorProps } from '../kinds';
import { withDefaults } from '../options';
import { helped } from '../schema';
import { SETTINGS_SCHEMA } from '../schema.gen';
import { selectors } from '../selectors';
import { setJson } from '../settings';
import { type SettingsOptions } from '../types';
import { absolutePath } from '../validation';

import { bindFlag, COMMON, WIDE } from './bind';
import { Limits } from './Limits';
import { TimeZone } from './TimeZone';

const ids = selectors.config;

/** Which file, and which ones may be opened at all. */
export function SqliteSettings(props: SettingsEditorProps) {
  const { settings, onChange } = props;
  const json = withDefaults<SettingsOptions>(SETTINGS_DEFAULTS, settings.jsonData);
  return (
    <>
      <FieldSet label="File" disabled={settings.readOnly}>
        <TextField
          {...COMMON}
          testId={ids.allowedDirectories}
          rows={3}
          {...helped(SETTINGS_SCHEMA.allowedDirectories)}
          placeholder="/var/lib/metrics"
          value={json.allowedDirectories.join('\n')}
          validate={(text) => lines(text).map(absolutePath).find(Boolean)}
          onCommit={(text) => onChange(setJson(settings, 'allowedDirectories', lines(text)))}
        />
        <TextField
          {...COMMON}
          testId={ids.path}
          {...helped(SETTINGS_SCHEMA.path)}
          placeholder="/var/lib/metrics/metrics.db"
          width={WIDE}
          value={json.path}
          validate={absolutePath}
          onCommit={(path) => onChange(setJson(settings, 'path', path.trim()))}
        />
        <SwitchField {...bindFlag(props, 'immutable')} {...helped(SETTINGS_SCHEMA.immutable)} />
        <TimeZone {...props} />
      </FieldSet>
      <Limits {...props} />
    </>
  );
}

function lines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
