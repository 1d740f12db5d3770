import { FieldSet } from '@grafana/ui';
import React from 'react';

import { SETTINGS_DEFAULTS } from '../defaults';
import { SecretField, SelectField, TextField } from '../fields';
import { type SettingsEditorProps } from '../kinds';
import { withDefaults } from '../options';
import { choicesOf, helped } from '../schema';
import { SETTINGS_SCHEMA } from '../schema.gen';
import { selectors } from '../selectors';
import { setJson } from '../settings';
import { type SettingsOptions } from '../types';
import { hostAndPort, required } from '../validation';

import { bindSecret, COMMON, WIDE } from './bind';
import { Limits } from './Limits';
import { TimeZone } from './TimeZone';
import { Tls } from './Tls';

const ids = selectors.config;

const PORTS: Partial<Record<string, number>> = { postgresql: 5432, mysql: 3306 };

/** How a database server is reached. */
export function DatabaseSettings(props: SettingsEditorProps) {
  const { settings, onChange } = props;
  const json = withDefaults<SettingsOptions>(SETTINGS_DEFAULTS, settings.jsonData);
  const port = PORTS[json.source];
  return (
    <>
      <FieldSet label="Connection" disabled={settings.readOnly}>
        <TextField
          {...COMMON}
          testId={ids.address}
          label="Host"
          tooltip={`Host name or address of the server, and its port, or the path of its socket on this machine. Default port: ${port}.`}
          placeholder={`localhost:${port}`}
          width={WIDE}
          value={settings.url}
          validate={hostAndPort}
          onCommit={(url) => onChange({ ...settings, url: url.trim() })}
        />
        <TextField
          {...COMMON}
          testId={ids.database}
          {...helped(SETTINGS_SCHEMA.database)}
          value={json.database}
          onCommit={(database) => onChange(setJson(settings, 'database', database.trim()))}
        />
        <TextField
          {...COMMON}
          testId={ids.user}
          label="User"
          tooltip="Who logs in. Best one that may read the tables, and nothing else."
          value={settings.user}
          validate={required('The user', 'grafana_reader')}
          onCommit={(user) => onChange({ ...settings, user: user.trim() })}
        />
        <SecretField
          {...bindSecret(props, 'password', ids.password)}
          label="Password"
          tooltip="Password of the user. Stored encrypted."
        />
        <SelectField
          {...COMMON}
          testId={ids.sslmode}
          {...helped(SETTINGS_SCHEMA.sslmode)}
          value={json.sslmode}
          options={choicesOf<SettingsOptions['sslmode']>(SETTINGS_SCHEMA.sslmode)}
          onCommit={(sslmode) => onChange(setJson(settings, 'sslmode', sslmode))}
        />
        <TimeZone {...props} />
      </FieldSet>
      {json.sslmode !== 'disable' && <Tls {...props} />}
      <Limits {...props} />
    </>
  );
}
