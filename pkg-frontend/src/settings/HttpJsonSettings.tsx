import { FieldSet } from '@grafana/ui';
import React from 'react';

import { SwitchField, TextField } from '../fields';
import { type SettingsEditorProps } from '../kinds';
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
        <SwitchField
          {...bindFlag(props, 'allowPost')}
          label="Allow POST"
          tooltip="Whoever may query this data source may then send anything to the service by POST, with its credentials. Only for services whose POST changes nothing. Default: off, queries may GET only."
        />
        <TextField
          {...COMMON}
          testId={ids.allowedPaths}
          rows={3}
          label="Allowed paths"
          tooltip="Paths below the URL, one a line, such as /api/v1: queries may ask for these and what is below them, and for nothing else. Default: everything below the URL."
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
