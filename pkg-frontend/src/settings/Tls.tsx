import { FieldSet } from '@grafana/ui';
import React from 'react';

import { SecretField, SwitchField } from '../fields';
import { type SettingsEditorProps } from '../kinds';
import { helped } from '../schema';
import { SETTINGS_SCHEMA } from '../schema.gen';
import { selectors } from '../selectors';

import { bindFlag, bindSecret } from './bind';

const ids = selectors.config;
const CERTIFICATE = { placeholder: '-----BEGIN CERTIFICATE-----', rows: 5 };

/** Whom we trust, and the certificate that we show. */
export function Tls(props: SettingsEditorProps) {
  const { tlsAuthWithCACert, tlsAuth } = props.settings.jsonData;
  return (
    <FieldSet label="TLS" disabled={props.settings.readOnly}>
      <SwitchField {...bindFlag(props, 'tlsSkipVerify')} {...helped(SETTINGS_SCHEMA.tlsSkipVerify)} />
      <SwitchField {...bindFlag(props, 'tlsAuthWithCACert')} {...helped(SETTINGS_SCHEMA.tlsAuthWithCACert)} />
      {tlsAuthWithCACert && (
        <SecretField
          {...bindSecret(props, 'tlsCACert', ids.tlsCACert)}
          {...CERTIFICATE}
          label="CA certificate"
          tooltip="Certificate of the authority, PEM; for an upstream by HTTP also the very certificate that it shows, whoever signed it. Stored encrypted."
        />
      )}
      <SwitchField {...bindFlag(props, 'tlsAuth')} {...helped(SETTINGS_SCHEMA.tlsAuth)} />
      {tlsAuth && (
        <>
          <SecretField
            {...bindSecret(props, 'tlsClientCert', ids.tlsClientCert)}
            {...CERTIFICATE}
            label="Certificate"
            tooltip="Client certificate, with its chain, PEM. Stored encrypted."
          />
          <SecretField
            {...bindSecret(props, 'tlsClientKey', ids.tlsClientKey)}
            label="Private key"
            tooltip="Key of the client certificate, PEM, without a passphrase. Stored encrypted."
            placeholder="-----BEGIN PRIVATE KEY-----"
            rows={5}
          />
        </>
      )}
    </FieldSet>
  );
}
