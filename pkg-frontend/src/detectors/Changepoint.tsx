import { InlineFieldRow } from '@grafana/ui';
import React from 'react';

import { LIMITS } from '../defaults';
import { NumberField, RadioField } from '../fields';
import { type KindEditorProps } from '../kinds';
import { CHANGE_KINDS } from '../queryOptions';
import { selectors } from '../selectors';
import { type ChangepointOptions } from '../types';

const ids = selectors.changepoint;

export function ChangepointEditor({ options, defaults, set, scope }: KindEditorProps<ChangepointOptions>) {
  const knob = { scope, width: 14 };
  return (
    <>
      <InlineFieldRow>
        <RadioField
          testId={ids.kinds}
          scope={scope}
          label="Changes"
          tooltip="What is an event: a new level, more or less noise, or both. Default: Both."
          value={options.kinds}
          options={CHANGE_KINDS}
          onCommit={(kinds) => set('kinds', kinds)}
        />
        <NumberField
          {...knob}
          testId={ids.falseAlarmsPerWeek}
          label="False alarms"
          tooltip={
            'How many false alarms a week a series may raise that does not change. Fewer mean that a change is seen later.'
          }
          value={options.falseAlarmsPerWeek}
          byDefault={defaults.falseAlarmsPerWeek}
          limits={LIMITS.falseAlarmsPerWeek}
          onCommit={(value) => set('falseAlarmsPerWeek', value ?? defaults.falseAlarmsPerWeek)}
        />
      </InlineFieldRow>
      <InlineFieldRow>
        <NumberField
          {...knob}
          testId={ids.minShift}
          label="Smallest shift"
          tooltip="The smallest change of the level to look for, in standard deviations of the noise."
          value={options.minShift}
          byDefault={defaults.minShift}
          limits={LIMITS.minShift}
          onCommit={(value) => set('minShift', value ?? defaults.minShift)}
        />
        <NumberField
          {...knob}
          testId={ids.minSize}
          label="Shortest"
          tooltip="How many points a change must have lasted to be an event."
          value={options.minSize}
          byDefault={defaults.minSize}
          limits={LIMITS.minSize}
          onCommit={(value) => set('minSize', value ?? defaults.minSize)}
        />
      </InlineFieldRow>
    </>
  );
}
