import { FieldSet } from '@grafana/ui';
import React from 'react';

import { DURATION_LIMITS, SETTINGS_DEFAULTS } from '../defaults';
import { DurationField, TextField } from '../fields';
import { type SettingsEditorProps } from '../kinds';
import { withDefaults } from '../options';
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
          label="Tenant"
          tooltip="Whose data is asked for, where a server keeps several tenants (Mimir, Cortex, Thanos): sent as X-Scope-OrgID. Default: none."
          placeholder="none"
          value={json.tenant}
          onCommit={(tenant) => onChange(setJson(settings, 'tenant', tenant.trim()))}
        />
        <DurationField
          {...COMMON}
          testId={ids.scrapeInterval}
          label="Scrape interval"
          tooltip="How often Prometheus scrapes, which $__rate_interval is made of."
          value={json.scrapeInterval}
          byDefault={SETTINGS_DEFAULTS.scrapeInterval}
          limits={DURATION_LIMITS.scrapeInterval}
          onCommit={(interval) => onChange(setJson(settings, 'scrapeInterval', interval))}
        />
      </FieldSet>
      <HttpSettings {...props} />
    </>
  );
}
