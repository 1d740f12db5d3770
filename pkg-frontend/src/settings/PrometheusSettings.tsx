import { FieldSet } from '@grafana/ui';
import React from 'react';

import { SETTINGS_DEFAULTS } from '../defaults';
import { DurationField, TextField } from '../fields';
import { type SettingsEditorProps } from '../kinds';
import { withDefaults } from '../options';
import { helped } from '../schema';
import { SETTINGS_SCHEMA } from '../schema.gen';
import { selectors } from '../selectors';
import { setJson } from '../settings';
import { type SettingsOptions } from '../types';

import { COMMON } from './bind';
import { HttpSettings } from './HttpSettings';

const ids = selectors.config;

/** How a server with Prometheus' HTTP API is reached. */
export function PrometheusSettings(props: SettingsEditorProps) {
  const { settings, onChange } = props;
  const json = withDefaults<SettingsOptions>(SETTINGS_DEFAULTS, settings.jsonData);
  return (
    <>
      <FieldSet label="Prometheus" disabled={settings.readOnly}>
        <TextField
          {...COMMON}
          testId={ids.tenant}
          {...helped(SETTINGS_SCHEMA.tenant)}
          placeholder="none"
          value={json.tenant}
          onCommit={(tenant) => onChange(setJson(settings, 'tenant', tenant.trim()))}
        />
        <DurationField
          {...COMMON}
          testId={ids.scrapeInterval}
          label={SETTINGS_SCHEMA.scrapeInterval.label}
          tooltip={SETTINGS_SCHEMA.scrapeInterval.help ?? ''}
          value={json.scrapeInterval}
          byDefault={SETTINGS_DEFAULTS.scrapeInterval}
          limits={SETTINGS_SCHEMA.scrapeInterval.duration ?? {}}
          onCommit={(interval) => onChange(setJson(settings, 'scrapeInterval', interval))}
        />
      </FieldSet>
      <HttpSettings {...props} />
    </>
  );
}
