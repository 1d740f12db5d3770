import { Button, FieldSet, IconButton, InlineFieldRow } from '@grafana/ui';
import React from 'react';

import { SecretField, TextField } from '../fields';
import { type SettingsEditorProps } from '../kinds';
import { selectors } from '../selectors';
import { addHeader, headerNumbers, removeHeader, renameHeader } from '../settings';
import { headerName } from '../validation';

import { bindSecret } from './bind';

const ids = selectors.config;

/** Headers that go with every request: names in the clear, values encrypted, both under Grafana's own keys. */
export function CustomHeaders(props: SettingsEditorProps) {
  const { settings, onChange } = props;
  return (
    <FieldSet label="Custom headers" disabled={settings.readOnly}>
      {headerNumbers(settings).map((n) => (
        <InlineFieldRow key={n}>
          <TextField
            testId={ids.headerName}
            scope={String(n)}
            label="Header"
            labelWidth={12}
            tooltip="Name of the header."
            placeholder="X-Api-Key"
            value={settings.jsonData[`httpHeaderName${n}`] ?? ''}
            validate={headerName}
            onCommit={(name) => onChange(renameHeader(settings, n, name.trim()))}
          />
          <SecretField
            {...bindSecret(props, `httpHeaderValue${n}`, ids.headerValue, String(n))}
            label="Value"
            labelWidth={10}
            tooltip="Value of the header. Stored encrypted."
            width={28}
          />
          <IconButton
            name="trash-alt"
            type="button"
            tooltip={`Remove header ${n}`}
            onClick={() => onChange(removeHeader(settings, n))}
          />
        </InlineFieldRow>
      ))}
      <Button
        data-testid={ids.addHeader}
        variant="secondary"
        size="sm"
        icon="plus"
        type="button"
        onClick={() => onChange(addHeader(settings))}
      >
        Add header
      </Button>
    </FieldSet>
  );
}
