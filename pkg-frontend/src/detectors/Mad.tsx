import React from 'react';

import { LIMITS } from '../defaults';
import { NumberField } from '../fields';
import { type KindEditorProps } from '../kinds';
import { selectors } from '../selectors';
import { type MadOptions } from '../types';

import { ThresholdEditor } from './ThresholdEditor';

const ids = selectors.mad;

export function MadEditor({ options, defaults, set, scope }: KindEditorProps<MadOptions>) {
  return (
    <ThresholdEditor
      scope={scope}
      threshold={{
        testId: ids.threshold,
        label: 'Threshold',
        tooltip: 'A point further than this from the median is an outlier, in robust sigmas.',
        value: options.threshold,
        byDefault: defaults.threshold,
        limits: LIMITS.sigmas,
        onCommit: (value) => set('threshold', value ?? defaults.threshold),
      }}
      window={{
        testId: ids.window,
        value: options.window,
        byDefault: defaults.window,
        onCommit: (value) => set('window', value),
      }}
    >
      <NumberField
        scope={scope}
        width={14}
        testId={ids.scale}
        label="Scale"
        labelWidth={10}
        tooltip="What makes the median absolute deviation a sigma; the default is right for a normal distribution."
        value={options.scale}
        byDefault={defaults.scale}
        limits={LIMITS.scale}
        onCommit={(value) => set('scale', value ?? defaults.scale)}
      />
    </ThresholdEditor>
  );
}
