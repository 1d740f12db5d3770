import { type SelectableValue } from '@grafana/data';
import { InlineFieldRow } from '@grafana/ui';
import React from 'react';

import { LIMITS } from '../defaults';
import { bindOptions, NumberField, SelectField } from '../fields';
import { type KindEditorProps } from '../kinds';
import { selectors } from '../selectors';
import { type PeersMethod, type PeersOptions } from '../types';

import { GroupByField } from './GroupByField';

const ids = selectors.peers;

const METHODS: Array<SelectableValue<PeersMethod>> = [
  { value: 'auto', label: 'Auto', description: 'Each series against the group, after its usual offset and gain' },
  { value: 'mad', label: 'MAD', description: 'Distance of the raw value from the median of the group' },
  { value: 'dbscan', label: 'DBSCAN', description: 'Raw values that lie in no dense cluster' },
  { value: 'forest', label: 'Isolation forest', description: 'Forests on how each series departs from the group' },
];

export function PeersEditor(props: KindEditorProps<PeersOptions>) {
  const { options, set, scope } = props;
  const { option, number } = bindOptions(ids, props);
  const knob = { width: 14 };
  const isDbscan = options.method === 'dbscan';
  return (
    <>
      <InlineFieldRow>
        <SelectField
          {...option('method')}
          label="Method"
          tooltip="How series are compared with each other. Default: Auto."
          options={METHODS}
        />
        <NumberField
          {...number('sensitivity')}
          {...knob}
          label="Sensitivity"
          tooltip="How easily a point is flagged, from 0 to 1. Auto: 12 group sigmas at 0, 6 at 0.5, 3 at 1."
          limits={LIMITS.sensitivity}
          disabled={isDbscan && options.eps !== null}
        />
      </InlineFieldRow>
      {isDbscan && (
        <InlineFieldRow>
          <NumberField
            {...number('eps')}
            {...knob}
            label="Eps"
            tooltip="Series at most this far apart, in the unit of the values, belong together. Empty: from the sensitivity."
            limits={LIMITS.eps}
            placeholder="auto"
          />
          <NumberField
            {...number('minSamples')}
            {...knob}
            label="Min samples"
            tooltip="A cluster of at least this many series is normal. Empty: more than half of the series."
            limits={LIMITS.minSamples}
            placeholder="half"
          />
        </InlineFieldRow>
      )}
      <InlineFieldRow>
        <GroupByField
          testId={ids.groupBy}
          scope={scope}
          tooltip="Names of labels: series are compared with those that have the same values of them. Default: none."
          value={options.groupBy}
          onChange={(names) => set('groupBy', names)}
        />
      </InlineFieldRow>
    </>
  );
}
