import React from 'react';

import { TextField } from '../fields';
import { type SettingsEditorProps } from '../kinds';
import { helped } from '../schema';
import { SETTINGS_SCHEMA } from '../schema.gen';
import { selectors } from '../selectors';
import { setJson } from '../settings';
import { timeZone } from '../validation';

import { COMMON } from './bind';

/** The time zone of times that say none. */
export function TimeZone({ settings, onChange }: SettingsEditorProps) {
  return (
    <TextField
      {...COMMON}
      testId={selectors.config.timeZone}
      {...helped(SETTINGS_SCHEMA.timeZone)}
      placeholder="UTC"
      value={settings.jsonData.timeZone ?? ''}
      validate={(text) => (text.trim() === '' ? undefined : timeZone(text))}
      onCommit={(zone) => onChange(setJson(settings, 'timeZone', zone.trim()))}
    />
  );
}
