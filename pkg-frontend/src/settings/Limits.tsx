import { FieldSet } from '@grafana/ui';
import React from 'react';

import { MIB, SETTINGS_DEFAULTS } from '../defaults';
import { DurationField, NumberField } from '../fields';
import { type SettingsEditorProps } from '../kinds';
import { withDefaults } from '../options';
import { SETTINGS_SCHEMA } from '../schema.gen';
import { selectors } from '../selectors';
import { bytesToMiB, mibToBytes, setJson } from '../settings';
import { type SettingsOptions } from '../types';

import { COMMON } from './bind';

const ids = selectors.config;

/** Bytes in the settings, and MiB to people. */
const { min = 0, max = Infinity } = SETTINGS_SCHEMA.maxResponseBytes.limits ?? {};
const MIB_LIMITS = { min: min / MIB, max: max / MIB, unit: 'MiB' };

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
    label: SETTINGS_SCHEMA[key].label,
    tooltip: SETTINGS_SCHEMA[key].help ?? '',
    limits: SETTINGS_SCHEMA[key].limits ?? {},
    onCommit: (value: number | null) => set(key, value),
  });

  return (
    <FieldSet label="Limits" disabled={settings.readOnly}>
      <NumberField {...numeric('timeout')} label="Timeout (s)" />
      <NumberField
        {...COMMON}
        testId={ids.maxResponse}
        label="Largest answer (MiB)"
        tooltip={SETTINGS_SCHEMA.maxResponseBytes.help ?? ''}
        value={bytesToMiB(json.maxResponseBytes)}
        byDefault={bytesToMiB(SETTINGS_DEFAULTS.maxResponseBytes)}
        limits={MIB_LIMITS}
        onCommit={(mib) => set('maxResponseBytes', mib === null ? null : mibToBytes(mib))}
      />
      <NumberField {...numeric('maxRows')} />
      <NumberField {...numeric('maxSeries')} />
      <NumberField {...numeric('maxConcurrentRequests')} />
      <NumberField {...numeric('retries')} />
      <DurationField
        {...COMMON}
        testId={ids.settle}
        label={SETTINGS_SCHEMA.settle.label}
        tooltip={SETTINGS_SCHEMA.settle.help ?? ''}
        value={json.settle}
        byDefault={SETTINGS_DEFAULTS.settle}
        limits={SETTINGS_SCHEMA.settle.duration ?? {}}
        onCommit={(settle) => set('settle', settle)}
      />
    </FieldSet>
  );
}
