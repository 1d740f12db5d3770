import { type SelectableValue } from '@grafana/data';
import { InlineFieldRow, MultiSelect } from '@grafana/ui';
import React from 'react';

import { bindOptions, Labelled, NumberField, TextField } from '../fields';
import { type KindEditorProps } from '../kinds';
import { choicesOf, helped } from '../schema';
import { DETECTOR_SCHEMAS } from '../schema.gen';
import { inputId, selectors } from '../selectors';
import { type ForestFeature, type IsolationForestOptions } from '../types';
import { timeZone } from '../validation';

const ids = selectors.isolationForest;
const schemas = DETECTOR_SCHEMAS['isolation-forest'].options;
const FEATURES = choicesOf<ForestFeature>(schemas.features);

/** Numbers in a row, as the backend counts them: the time of day is two, and is there once. */
function dimensions({ features, shingle }: IsolationForestOptions): number {
  const clocks = features.filter((feature) => feature === 'time-of-day').length;
  return (features.length - clocks) * shingle + 2 * clocks;
}

export function IsolationForestEditor(props: KindEditorProps<IsolationForestOptions>) {
  const { options, defaults, set, scope } = props;
  const { number } = bindOptions(ids, props, schemas);
  const knob = { width: 14 };
  const { features } = options;
  const isRolling = features.some((feature) => feature === 'rolling-mean' || feature === 'rolling-std');
  const extensionLevel = { min: 0, max: dimensions(options) - 1, integer: true };
  return (
    <>
      <InlineFieldRow>
        <Labelled testId={ids.features} scope={scope} {...helped(schemas.features)}>
          <MultiSelect
            inputId={inputId(ids.features, scope)}
            aria-label="Features"
            options={FEATURES}
            value={features.map(
              (value) => FEATURES.find((feature) => feature.value === value) ?? { value, label: value },
            )}
            onChange={(chosen: Array<SelectableValue<ForestFeature>>) => {
              const values = chosen.flatMap(({ value }) => (value === undefined ? [] : [value]));
              set('features', values.length === 0 ? defaults.features : values);
            }}
            width={48}
            menuShouldPortal
          />
        </Labelled>
        {isRolling && <NumberField {...number('featureWindow')} {...knob} />}
        {features.includes('time-of-day') && (
          <TextField
            scope={scope}
            testId={ids.timeZone}
            {...helped(schemas.timeZone)}
            value={options.timeZone}
            validate={(text) => (text.trim() === '' ? undefined : timeZone(text))}
            onCommit={(text) => set('timeZone', text.trim() === '' ? defaults.timeZone : text.trim())}
          />
        )}
      </InlineFieldRow>
      <InlineFieldRow>
        <NumberField {...number('shingle')} {...knob} />
        <NumberField
          {...number('extensionLevel')}
          {...knob}
          limits={extensionLevel}
          placeholder={String(extensionLevel.max)}
        />
      </InlineFieldRow>
      <InlineFieldRow>
        <NumberField {...number('threshold')} {...knob} disabled={options.contamination !== null} />
        <NumberField {...number('contamination')} {...knob} />
      </InlineFieldRow>
      <InlineFieldRow>
        <NumberField {...number('nTrees')} {...knob} />
        <NumberField {...number('sampleSize')} {...knob} />
        <NumberField {...number('seed')} {...knob} labelWidth={10} />
      </InlineFieldRow>
    </>
  );
}
