import { InlineFieldRow } from '@grafana/ui';
import React from 'react';

import { LIMITS } from '../defaults';
import { NumberField } from '../fields';
import { type KindEditorProps } from '../kinds';
import { selectors } from '../selectors';
import { type IsolationForestOptions } from '../types';

const ids = selectors.isolationForest;

export function IsolationForestEditor({ options, defaults, set, scope }: KindEditorProps<IsolationForestOptions>) {
  const knob = { scope, width: 14 };
  return (
    <>
      <InlineFieldRow>
        <NumberField
          {...knob}
          testId={ids.threshold}
          label="Threshold"
          tooltip={
            'A point whose score is above this is an outlier. Scores run from 0 to 1; ordinary points have about 0.5. ' +
            'Without effect where a contamination is set.'
          }
          value={options.threshold}
          byDefault={defaults.threshold}
          limits={LIMITS.threshold}
          disabled={options.contamination !== null}
          onCommit={(value) => set('threshold', value ?? defaults.threshold)}
        />
        <NumberField
          {...knob}
          testId={ids.contamination}
          label="Contamination"
          tooltip={
            'The share of outliers to expect in the training window. The threshold is then taken from the scores of ' +
            'that window. Empty: the threshold counts.'
          }
          value={options.contamination}
          byDefault={defaults.contamination}
          limits={LIMITS.contamination}
          placeholder="off"
          onCommit={(value) => set('contamination', value)}
        />
      </InlineFieldRow>
      <InlineFieldRow>
        <NumberField
          {...knob}
          testId={ids.nTrees}
          label="Trees"
          tooltip="Trees in the forest. More make the scores steadier and the query slower."
          value={options.nTrees}
          byDefault={defaults.nTrees}
          limits={LIMITS.nTrees}
          onCommit={(value) => set('nTrees', value ?? defaults.nTrees)}
        />
        <NumberField
          {...knob}
          testId={ids.sampleSize}
          label="Sample size"
          tooltip="Training points that each tree is grown from, drawn without replacement."
          value={options.sampleSize}
          byDefault={defaults.sampleSize}
          limits={LIMITS.sampleSize}
          onCommit={(value) => set('sampleSize', value ?? defaults.sampleSize)}
        />
        <NumberField
          {...knob}
          testId={ids.seed}
          label="Seed"
          labelWidth={10}
          tooltip="Start of the random numbers. The same seed gives the same scores, always."
          value={options.seed}
          byDefault={defaults.seed}
          limits={LIMITS.seed}
          onCommit={(value) => set('seed', value ?? defaults.seed)}
        />
      </InlineFieldRow>
    </>
  );
}
