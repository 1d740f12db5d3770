import { FieldSet } from '@grafana/ui';
import React from 'react';

import { SETTINGS_DEFAULTS } from '../defaults';
import { SecretField, SelectField, TextField } from '../fields';
import { type SettingsEditorProps } from '../kinds';
import { withDefaults } from '../options';
import { choicesOf, helped } from '../schema';
import { SETTINGS_SCHEMA } from '../schema.gen';
import { selectors } from '../selectors';
import { hasSecret, setJson } from '../settings';
import { type InfluxLanguage, type SettingsOptions } from '../types';

import { Authentication } from './Authentication';
import { bindSecret, COMMON, WIDE } from './bind';
import { Connection } from './Connection';
import { CustomHeaders } from './CustomHeaders';
import { Limits } from './Limits';
import { Tls } from './Tls';

const ids = selectors.config;

/** How InfluxDB is reached, and who asks. */
export function InfluxSettings(props: SettingsEditorProps) {
  return (
    <>
      <Connection {...props} />
      <Database {...props} />
      <Authentication {...props} />
      <Tls {...props} />
      <CustomHeaders {...props} />
      <Limits {...props} />
    </>
  );
}

function Database(props: SettingsEditorProps) {
  const { settings, onChange } = props;
  const json = withDefaults<SettingsOptions>(SETTINGS_DEFAULTS, settings.jsonData);
  const set = <K extends keyof SettingsOptions>(key: K, value: SettingsOptions[K]) =>
    onChange(setJson(settings, key, value));
  const both =
    settings.user && hasSecret(settings, 'token')
      ? 'A user and a token are two ways to log in. Remove one of them.'
      : undefined;

  return (
    <FieldSet label="InfluxDB" disabled={settings.readOnly}>
      <TextField
        {...COMMON}
        testId={ids.influxDatabase}
        label="Database"
        tooltip="The database; in version 2 the bucket."
        value={json.database}
        onCommit={(database) => set('database', database.trim())}
      />
      <SelectField
        {...COMMON}
        testId={ids.influxLanguage}
        {...helped(SETTINGS_SCHEMA.queryLanguage)}
        value={json.queryLanguage}
        options={choicesOf<InfluxLanguage>(SETTINGS_SCHEMA.queryLanguage)}
        onCommit={(language) => set('queryLanguage', language)}
      />
      {json.queryLanguage === 'flux' && (
        <TextField
          {...COMMON}
          testId={ids.influxOrganization}
          {...helped(SETTINGS_SCHEMA.organization)}
          value={json.organization}
          onCommit={(organization) => set('organization', organization.trim())}
        />
      )}
      <TextField
        {...COMMON}
        testId={ids.influxUser}
        label="InfluxDB user"
        tooltip="User of InfluxDB 1; one that may only read. Default: none."
        value={settings.user}
        onCommit={(user) => onChange({ ...settings, user: user.trim() })}
      />
      {settings.user !== '' && (
        <SecretField
          {...bindSecret(props, 'password', ids.influxPassword)}
          label="InfluxDB password"
          tooltip="Password of that user. Stored encrypted."
        />
      )}
      <SecretField
        {...bindSecret(props, 'token', ids.influxToken)}
        label="API token"
        tooltip="Token of InfluxDB 2 or 3, sent as “Authorization: Token …”; one that may only read. Stored encrypted."
        placeholder="none"
        width={WIDE}
        error={both}
      />
    </FieldSet>
  );
}
