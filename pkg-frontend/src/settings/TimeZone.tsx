import React from 'react';

import { TextField } from '../fields';
import { type SettingsEditorProps } from '../kinds';
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
      label="Time zone"
      tooltip="IANA name of the zone that timestamps without one are in. Default: UTC."
      placeholder="UTC"
      value={settings.jsonData.timeZone ?? ''}
      validate={(text) => (text.trim() === '' ? undefined : timeZone(text))}
      onCommit={(zone) => onChange(setJson(settings, 'timeZone', zone.trim()))}
    />
  );
}
