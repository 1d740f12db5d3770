import { InlineFieldRow } from '@grafana/ui';
import React from 'react';

import { LIMITS } from '../defaults';
import { NumberField, TextField } from '../fields';
import { type KindEditorProps } from '../kinds';
import { selectors } from '../selectors';
import { type AutoOptions } from '../types';

const ids = selectors.auto;

export function AutoEditor({ options, defaults, set, scope }: KindEditorProps<AutoOptions>) {
  const knob = { scope, width: 14 };
  return (
    <InlineFieldRow>
      <NumberField
        {...knob}
        testId={ids.sensitivity}
        label="Sensitivity"
        tooltip="How easily a point is flagged: 0 only the grossest, 1 with many false alarms."
        value={options.sensitivity}
        byDefault={defaults.sensitivity}
        limits={LIMITS.sensitivity}
        onCommit={(value) => set('sensitivity', value ?? defaults.sensitivity)}
      />
      <NumberField
        {...knob}
        testId={ids.refractory}
        label="Refractory"
        tooltip="Points for which an incident is not told again unless it gets worse."
        value={options.refractory}
        byDefault={defaults.refractory}
        limits={LIMITS.refractory}
        onCommit={(value) => set('refractory', value ?? defaults.refractory)}
      />
      <TextField
        scope={scope}
        testId={ids.timeZone}
        label="Time zone"
        width={22}
        tooltip="IANA name of the time zone whose clock days and weeks follow, such as Europe/Berlin."
        value={options.timeZone}
        placeholder={defaults.timeZone}
        onCommit={(value) => set('timeZone', value === '' ? defaults.timeZone : value)}
      />
    </InlineFieldRow>
  );
}
