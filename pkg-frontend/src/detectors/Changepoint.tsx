import { InlineFieldRow } from '@grafana/ui';
import React from 'react';

import { LIMITS } from '../defaults';
import { bindOptions, NumberField, RadioField } from '../fields';
import { type KindEditorProps } from '../kinds';
import { CHANGE_KINDS } from '../queryOptions';
import { selectors } from '../selectors';
import { type ChangepointOptions } from '../types';

const ids = selectors.changepoint;

export function ChangepointEditor(props: KindEditorProps<ChangepointOptions>) {
  const { option, number } = bindOptions(ids, props);
  const knob = { width: 14 };
  return (
    <>
      <InlineFieldRow>
        <RadioField
          {...option('kinds')}
          label="Changes"
          tooltip="What is an event: a new level, more or less noise, or both. Default: Both."
          options={CHANGE_KINDS}
        />
        <NumberField
          {...number('falseAlarmsPerWeek')}
          {...knob}
          label="False alarms"
          tooltip={
            'How many false alarms a week a series may raise that does not change. Fewer mean that a change is seen later.'
          }
          limits={LIMITS.falseAlarmsPerWeek}
        />
      </InlineFieldRow>
      <InlineFieldRow>
        <NumberField
          {...number('minShift')}
          {...knob}
          label="Smallest shift"
          tooltip="The smallest change of the level to look for, in standard deviations of the noise."
          limits={LIMITS.minShift}
        />
        <NumberField
          {...number('minSize')}
          {...knob}
          label="Shortest"
          tooltip="How many points a change must have lasted to be an event."
          limits={LIMITS.minSize}
        />
      </InlineFieldRow>
    </>
  );
}
