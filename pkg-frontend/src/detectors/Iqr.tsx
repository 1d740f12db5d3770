import React from 'react';

import { LIMITS } from '../defaults';
import { type KindEditorProps } from '../kinds';
import { selectors } from '../selectors';
import { type IqrOptions } from '../types';

import { ThresholdEditor } from './ThresholdEditor';

const ids = selectors.iqr;

export function IqrEditor({ options, defaults, set, scope }: KindEditorProps<IqrOptions>) {
  return (
    <ThresholdEditor
      scope={scope}
      threshold={{
        testId: ids.factor,
        label: 'Factor',
        tooltip:
          'A point further than this outside the quartiles is an outlier, in interquartile ranges. 3 are the outer ' +
          'fences of Tukey, 1.5 his inner ones, which flag one ordinary point in 140.',
        value: options.factor,
        byDefault: defaults.factor,
        limits: LIMITS.factor,
        onCommit: (value) => set('factor', value ?? defaults.factor),
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
