import { InlineFieldRow } from '@grafana/ui';
import React from 'react';

import { LIMITS } from '../defaults';
import { bindOptions, NumberField, TextField } from '../fields';
import { type KindEditorProps } from '../kinds';
import { selectors } from '../selectors';
import { type JointOptions } from '../types';
import { timeZone } from '../validation';

import { GroupByField } from './GroupByField';

const ids = selectors.joint;

export function JointEditor(props: KindEditorProps<JointOptions>) {
  const { options, defaults, set, scope } = props;
  const { number } = bindOptions(ids, props);
  return (
    <>
      <InlineFieldRow>
        <NumberField
          {...number('sensitivity')}
          width={14}
          label="Sensitivity"
          tooltip="How easily a group is flagged, from 0 to 1. Each 0.1 more makes false alarms about twice as frequent."
          limits={LIMITS.sensitivity}
        />
        <TextField
          scope={scope}
          testId={ids.timeZone}
          label="Time zone"
          tooltip="The clock that daily and weekly habits keep to. An IANA name. Default: UTC."
          value={options.timeZone}
          validate={(text) => (text.trim() === '' ? undefined : timeZone(text))}
          onCommit={(text) => set('timeZone', text.trim() === '' ? defaults.timeZone : text.trim())}
        />
      </InlineFieldRow>
      <InlineFieldRow>
        <GroupByField
          testId={ids.groupBy}
          scope={scope}
          tooltip="Names of labels: series with the same values of them are the metrics of one group, such as a host, and get one verdict. Default: none."
          value={options.groupBy}
          onChange={(names) => set('groupBy', names)}
        />
      </InlineFieldRow>
    </>
  );
}
