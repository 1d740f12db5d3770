import { InlineFieldRow } from '@grafana/ui';
import React from 'react';

import { LIMITS } from '../defaults';
import { bindOptions, NumberField, TextField } from '../fields';
import { type KindEditorProps } from '../kinds';
import { selectors } from '../selectors';
import { type AutoOptions } from '../types';

const ids = selectors.auto;

export function AutoEditor(props: KindEditorProps<AutoOptions>) {
  const { options, defaults, set, scope } = props;
  const { number } = bindOptions(ids, props);
  const knob = { width: 14 };
  return (
    <InlineFieldRow>
      <NumberField
        {...number('sensitivity')}
        {...knob}
        label="Sensitivity"
        tooltip="How easily a point is flagged: 0 only the grossest, 1 with many false alarms."
        limits={LIMITS.sensitivity}
      />
      <NumberField
        {...number('refractory')}
        {...knob}
        label="Refractory"
        tooltip="Points for which an incident is not told again unless it gets worse; a tenth of them for steps in white noise."
        limits={LIMITS.refractory}
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
