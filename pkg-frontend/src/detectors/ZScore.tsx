import React from 'react';

import { LIMITS } from '../defaults';
import { bindOptions } from '../fields';
import { type KindEditorProps } from '../kinds';
import { selectors } from '../selectors';
import { type ZScoreOptions } from '../types';

import { ThresholdEditor } from './ThresholdEditor';

const ids = selectors.zScore;

export function ZScoreEditor(props: KindEditorProps<ZScoreOptions>) {
  const { defaults, scope } = props;
  const { option, number } = bindOptions(ids, props);
  return (
    <ThresholdEditor
      scope={scope}
      threshold={{
        ...number('threshold'),
        label: 'Threshold',
        tooltip: 'A point further than this from the mean is an outlier, in standard deviations.',
        limits: LIMITS.sigmas,
      }}
      window={{ ...option('window'), byDefault: defaults.window }}
    />
  );
}
