import React from 'react';

import { LIMITS } from '../defaults';
import { bindOptions } from '../fields';
import { type KindEditorProps } from '../kinds';
import { selectors } from '../selectors';
import { type IqrOptions } from '../types';

import { ThresholdEditor } from './ThresholdEditor';

const ids = selectors.iqr;

export function IqrEditor(props: KindEditorProps<IqrOptions>) {
  const { defaults, scope } = props;
  const { option, number } = bindOptions(ids, props);
  return (
    <ThresholdEditor
      scope={scope}
      threshold={{
        ...number('factor'),
        label: 'Factor',
        tooltip:
          'A point further than this outside the quartiles is an outlier, in interquartile ranges. 3 are the outer ' +
          'fences of Tukey, 1.5 his inner ones, which flag one ordinary point in 140.',
        limits: LIMITS.factor,
      }}
      window={{ ...option('window'), byDefault: defaults.window }}
    />
  );
}
