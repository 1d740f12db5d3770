import { FieldSet } from '@grafana/ui';
import React from 'react';

import { SecretField, SwitchField, TextField } from '../fields';
import { type SettingsEditorProps } from '../kinds';
import { selectors } from '../selectors';
import { hasSecret } from '../settings';
import { required } from '../validation';

import { bindSecret, COMMON, WIDE } from './bind';

const ids = selectors.config;

/** Who we are: basic authentication or a bearer token. */
export function Authentication(props: SettingsEditorProps) {
  const { settings, onChange } = props;
  const both =
    settings.basicAuth && hasSecret(settings, 'bearerToken')
      ? 'Basic authentication and a bearer token both fill the Authorization header. Switch one of them off.'
      : undefined;
  return (
    <FieldSet label="Authentication" disabled={settings.readOnly}>
      <SwitchField
        {...COMMON}
        testId={ids.basicAuth}
        label="Basic authentication"
        tooltip="Send a user name and a password. Default: off."
        value={settings.basicAuth}
        onCommit={(basicAuth) => onChange({ ...settings, basicAuth })}
      />
      {settings.basicAuth && (
        <>
          <TextField
            {...COMMON}
            testId={ids.basicAuthUser}
            label="User"
            tooltip="User name for basic authentication."
            value={settings.basicAuthUser}
            validate={required('The user name', 'grafana')}
            onCommit={(basicAuthUser) => onChange({ ...settings, basicAuthUser })}
          />
          <SecretField
            {...bindSecret(props, 'basicAuthPassword', ids.basicAuthPassword)}
            label="Password"
            tooltip="Password for basic authentication. Stored encrypted."
          />
        </>
      )}
      <SecretField
        {...bindSecret(props, 'bearerToken', ids.bearerToken)}
        label="Bearer token"
        tooltip="Sent as “Authorization: Bearer …”. Stored encrypted. Default: none."
        placeholder="none"
        width={WIDE}
        error={both}
      />
    </FieldSet>
  );
}
