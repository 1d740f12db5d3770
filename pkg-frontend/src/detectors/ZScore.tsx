import React from 'react';

import { LIMITS } from '../defaults';
import { type KindEditorProps } from '../kinds';
import { selectors } from '../selectors';
import { type ZScoreOptions } from '../types';

import { ThresholdEditor } from './ThresholdEditor';

const ids = selectors.zScore;

export function ZScoreEditor({ options, defaults, set, scope }: KindEditorProps<ZScoreOptions>) {
  return (
    <ThresholdEditor
      scope={scope}
      threshold={{
        testId: ids.threshold,
        label: 'Threshold',
        tooltip: 'A point further than this from the mean is an outlier, in standard deviations.',
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
    />
  );
}
