import { FieldSet } from '@grafana/ui';
import React from 'react';

import { DURATION_LIMITS, LIMITS, SETTINGS_DEFAULTS } from '../defaults';
import { DurationField, NumberField } from '../fields';
import { type SettingsEditorProps } from '../kinds';
import { withDefaults } from '../options';
import { selectors } from '../selectors';
import { bytesToMiB, mibToBytes, setJson } from '../settings';
import { type SettingsOptions } from '../types';

import { COMMON } from './bind';

const ids = selectors.config;

/** How much one query may cost; for every source that has an upstream. */
export function Limits({ settings, onChange }: SettingsEditorProps) {
  const json = withDefaults<SettingsOptions>(SETTINGS_DEFAULTS, settings.jsonData);
  const set = <K extends keyof SettingsOptions>(key: K, value: SettingsOptions[K] | null) =>
    onChange(setJson(settings, key, value ?? SETTINGS_DEFAULTS[key]));
  const numeric = (key: 'timeout' | 'maxRows' | 'maxSeries' | 'maxConcurrentRequests' | 'retries') => ({
    ...COMMON,
    testId: ids[key],
    value: json[key],
    byDefault: SETTINGS_DEFAULTS[key],
    limits: LIMITS[key],
    onCommit: (value: number | null) => set(key, value),
  });

  return (
    <FieldSet label="Limits" disabled={settings.readOnly}>
      <NumberField
        {...numeric('timeout')}
        label="Timeout (s)"
        tooltip="Seconds that one request to the upstream may take."
      />
      <NumberField
        {...COMMON}
        testId={ids.maxResponse}
        label="Largest answer (MiB)"
        tooltip="A longer answer of the upstream is refused before it fills the memory; it is measured after decompression."
        value={bytesToMiB(json.maxResponseBytes)}
        byDefault={bytesToMiB(SETTINGS_DEFAULTS.maxResponseBytes)}
        limits={LIMITS.maxResponseMiB}
        onCommit={(mib) => set('maxResponseBytes', mib === null ? null : mibToBytes(mib))}
      />
      <NumberField {...numeric('maxRows')} label="Most rows" tooltip="An answer with more rows is refused." />
      <NumberField {...numeric('maxSeries')} label="Most series" tooltip="An answer with more series is refused." />
      <NumberField
        {...numeric('maxConcurrentRequests')}
        label="Requests at once"
        tooltip="Requests to the upstream under way at the same time; others wait."
      />
      <NumberField
        {...numeric('retries')}
        label="Retries"
        tooltip="How often a request that only reads is tried again if the upstream cannot be reached or is too busy."
      />
      <DurationField
        {...COMMON}
        testId={ids.settle}
        label="Settle"
        tooltip="For how long the newest points are left out by queries that do not say so themselves: as long as late data may still change them. Up to 1d. Auto: only as long as the upstream is known to need."
        value={json.settle}
        byDefault={SETTINGS_DEFAULTS.settle}
        limits={DURATION_LIMITS.settle}
        onCommit={(settle) => set('settle', settle)}
      />
    </FieldSet>
  );
}
