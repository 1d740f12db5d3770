import { FieldSet } from '@grafana/ui';
import React from 'react';

import { SETTINGS_DEFAULTS } from '../defaults';
import { SwitchField, TextField } from '../fields';
import { type SettingsEditorProps } from '../kinds';
import { withDefaults } from '../options';
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
          label="Allowed directories"
          tooltip="Only databases below these directories are opened, of those that the operator of Grafana allows (sqlite_directories in grafana.ini). Absolute paths, one a line. Default: all that the operator allows."
          placeholder="/var/lib/metrics"
          value={json.allowedDirectories.join('\n')}
          validate={(text) => lines(text).map(absolutePath).find(Boolean)}
          onCommit={(text) => onChange(setJson(settings, 'allowedDirectories', lines(text)))}
        />
        <TextField
          {...COMMON}
          testId={ids.path}
          label="Path"
          tooltip="Absolute path of the database file on Grafana's machine, below a directory that the operator allows (sqlite_directories in grafana.ini). It is opened read-only."
          placeholder="/var/lib/metrics/metrics.db"
          width={WIDE}
          value={json.path}
          validate={absolutePath}
          onCommit={(path) => onChange(setJson(settings, 'path', path.trim()))}
        />
        <SwitchField
          {...bindFlag(props, 'immutable')}
          label="Immutable"
          tooltip="Nobody writes to the file: read it without locks. If somebody does, answers are wrong. Default: off."
        />
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
