import { config } from '@grafana/runtime';
import { FieldSet } from '@grafana/ui';
import React from 'react';

import { SecretField, SwitchField, TextField } from '../fields';
import { type SettingsEditorProps } from '../kinds';
import { helped } from '../schema';
import { SETTINGS_SCHEMA } from '../schema.gen';
import { selectors } from '../selectors';
import { setJson } from '../settings';
import { baseUrl, listed } from '../validation';

import { bindFlag, bindSecret, COMMON, WIDE } from './bind';
import { CustomHeaders } from './CustomHeaders';
import { Limits } from './Limits';
import { Tls } from './Tls';

const ids = selectors.config;

/** How Grafana itself is reached, and with whose rights. */
export function GrafanaSettings(props: SettingsEditorProps) {
  const { settings, onChange } = props;
  const appUrl = config.appUrl.replace(/\/+$/, '');
  return (
    <>
      <FieldSet label="Connection" disabled={settings.readOnly}>
        <TextField
          {...COMMON}
          testId={ids.url}
          label="URL"
          tooltip={`Where the backend reaches this Grafana. Default: what Grafana tells the plugin, which it does only if it gave the plugin a token. Yours is ${appUrl}.`}
          placeholder={appUrl}
          width={WIDE}
          value={settings.url}
          validate={(text) => (text.trim() === '' ? undefined : baseUrl(text))}
          onCommit={(url) => onChange({ ...settings, url: url.trim() })}
        />
      </FieldSet>
      <FieldSet label="Rights" disabled={settings.readOnly}>
        <SecretField
          {...bindSecret(props, 'serviceAccountToken', ids.serviceAccountToken)}
          label="Service account token"
          tooltip="Whoever may query this data source gets what this account may query, unless the allowed data sources below narrow it. Goes before a token that Grafana gave the plugin. Needed for alert rules. Stored encrypted. Default: none."
          placeholder="glsa_…"
          width={WIDE}
        />
        <TextField
          {...COMMON}
          testId={ids.allowedUids}
          rows={3}
          {...helped(SETTINGS_SCHEMA.allowedUids)}
          placeholder="all"
          width={WIDE}
          value={(settings.jsonData.allowedUids ?? []).join('\n')}
          onCommit={(text) => onChange(setJson(settings, 'allowedUids', listed(text)))}
        />
        <SwitchField
          {...bindFlag(props, 'oauthPassThru')}
          label="Forward OAuth identity"
          tooltip="Where there is no token, ask with the OAuth identity of who looks at the dashboard, if Grafana accepts it at its own API. Sent to Grafana's own address only. Default: off."
        />
        <TextField
          {...COMMON}
          testId={ids.keepCookies}
          label="Forward cookies"
          tooltip="Where there is no token, ask with these cookies of who looks at the dashboard: names with commas between. Sent to Grafana's own address only. Grafana never forwards its own login cookie. Default: none."
          placeholder="none"
          value={(settings.jsonData.keepCookies ?? []).join(', ')}
          onCommit={(text) => onChange(setJson(settings, 'keepCookies', listed(text)))}
        />
      </FieldSet>
      <Tls {...props} />
      <CustomHeaders {...props} />
      <Limits {...props} />
    </>
  );
}
