import { type SelectableValue } from '@grafana/data';
import { InlineFieldRow, MultiSelect } from '@grafana/ui';
import React from 'react';

import { LIMITS } from '../defaults';
import { bindOptions, Labelled, NumberField, TextField } from '../fields';
import { type KindEditorProps } from '../kinds';
import { FOREST_FEATURES } from '../queryOptions';
import { inputId, selectors } from '../selectors';
import { type ForestFeature, type IsolationForestOptions } from '../types';
import { timeZone } from '../validation';

const ids = selectors.isolationForest;

/** Numbers in a row, as the backend counts them: the time of day is two, and is there once. */
function dimensions({ features, shingle }: IsolationForestOptions): number {
  const clocks = features.filter((feature) => feature === 'time-of-day').length;
  return (features.length - clocks) * shingle + 2 * clocks;
}

export function IsolationForestEditor(props: KindEditorProps<IsolationForestOptions>) {
  const { options, defaults, set, scope } = props;
  const { number } = bindOptions(ids, props);
  const knob = { width: 14 };
  const { features } = options;
  const isRolling = features.some((feature) => feature === 'rolling-mean' || feature === 'rolling-std');
  const extensionLevel = { min: 0, max: dimensions(options) - 1, integer: true };
  return (
    <>
      <InlineFieldRow>
        <Labelled
          testId={ids.features}
          scope={scope}
          label="Features"
          tooltip="What is looked at of each point. The time of day needs another one beside it. Default: the value."
        >
          <MultiSelect
            inputId={inputId(ids.features, scope)}
            aria-label="Features"
            options={FOREST_FEATURES}
            value={features.map(
              (value) => FOREST_FEATURES.find((feature) => feature.value === value) ?? { value, label: value },
            )}
            onChange={(chosen: Array<SelectableValue<ForestFeature>>) => {
              const values = chosen.flatMap(({ value }) => (value === undefined ? [] : [value]));
              set('features', values.length === 0 ? defaults.features : values);
            }}
            width={48}
            menuShouldPortal
          />
        </Labelled>
        {isRolling && (
          <NumberField
            {...number('featureWindow')}
            {...knob}
            label="Feature window"
            tooltip="Points that rolling mean and deviation look at, the judged one among them. Half may be missing."
            limits={LIMITS.featureWindow}
          />
        )}
        {features.includes('time-of-day') && (
          <TextField
            scope={scope}
            testId={ids.timeZone}
            label="Time zone"
            tooltip="Whose clock the time of day is read from, across daylight saving. An IANA name. Default: UTC."
            value={options.timeZone}
            validate={(text) => (text.trim() === '' ? undefined : timeZone(text))}
            onCommit={(text) => set('timeZone', text.trim() === '' ? defaults.timeZone : text.trim())}
          />
        )}
      </InlineFieldRow>
      <InlineFieldRow>
        <NumberField
          {...number('shingle')}
          {...knob}
          label="Shingle"
          tooltip={
            'Consecutive points that are judged as one, so that shapes count: 8 or 16, with a contamination. A run ' +
            'with a gap is not judged.'
          }
          limits={LIMITS.shingle}
        />
        <NumberField
          {...number('extensionLevel')}
          {...knob}
          label="Extension level"
          tooltip={
            'Numbers of a row that a cut looks at besides the first. Empty: all of them, cuts in any direction, which ' +
            'rank shapes better. 0: one at a time, axis-parallel, which costs a third.'
          }
          limits={extensionLevel}
          placeholder={String(extensionLevel.max)}
        />
      </InlineFieldRow>
      <InlineFieldRow>
        <NumberField
          {...number('threshold')}
          {...knob}
          label="Threshold"
          tooltip={
            'A point whose score is above this is an outlier. Scores run from 0 to 1; ordinary points have about 0.5. ' +
            'Without effect where a contamination is set.'
          }
          limits={LIMITS.threshold}
          disabled={options.contamination !== null}
        />
        <NumberField
          {...number('contamination')}
          {...knob}
          label="Contamination"
          tooltip={
            'The share of outliers to expect in the training window. The threshold is then taken from the scores of ' +
            'that window. Empty: the threshold counts.'
          }
          limits={LIMITS.contamination}
          placeholder="off"
        />
      </InlineFieldRow>
      <InlineFieldRow>
        <NumberField
          {...number('nTrees')}
          {...knob}
          label="Trees"
          tooltip="Trees in the forest. More make the scores steadier and the query slower."
          limits={LIMITS.nTrees}
        />
        <NumberField
          {...number('sampleSize')}
          {...knob}
          label="Sample size"
          tooltip="Training points that each tree is grown from, drawn without replacement."
          limits={LIMITS.sampleSize}
        />
        <NumberField
          {...number('seed')}
          {...knob}
          label="Seed"
          labelWidth={10}
          tooltip="Start of the random numbers. The same seed gives the same scores, always."
          limits={LIMITS.seed}
        />
      </InlineFieldRow>
    </>
  );
}
