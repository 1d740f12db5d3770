import { FieldSet } from '@grafana/ui';
import React from 'react';

import { SwitchField, TextField } from '../fields';
import { type SettingsEditorProps } from '../kinds';
import { helped } from '../schema';
import { SETTINGS_SCHEMA } from '../schema.gen';
import { selectors } from '../selectors';
import { setJson } from '../settings';
import { eachLine, pathPrefix } from '../validation';

import { bindFlag, COMMON, WIDE } from './bind';
import { HttpSettings } from './HttpSettings';

const ids = selectors.config;

/** How a web service is reached, and what queries may ask of it. */
export function HttpJsonSettings(props: SettingsEditorProps) {
  const { settings, onChange } = props;
  return (
    <>
      <HttpSettings {...props} />
      <FieldSet label="Queries" disabled={settings.readOnly}>
        <SwitchField {...bindFlag(props, 'allowPost')} {...helped(SETTINGS_SCHEMA.allowPost)} />
        <TextField
          {...COMMON}
          testId={ids.allowedPaths}
          rows={3}
          {...helped(SETTINGS_SCHEMA.allowedPaths)}
          placeholder="all"
          width={WIDE}
          value={(settings.jsonData.allowedPaths ?? []).join('\n')}
          validate={(text) => eachLine(text).map(pathPrefix).find(Boolean)}
          onCommit={(text) => onChange(setJson(settings, 'allowedPaths', eachLine(text)))}
        />
      </FieldSet>
    </>
  );
}
