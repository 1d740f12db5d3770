import React from 'react';

import { LIMITS } from '../defaults';
import { bindOptions, NumberField } from '../fields';
import { type KindEditorProps } from '../kinds';
import { selectors } from '../selectors';
import { type MadOptions } from '../types';

import { ThresholdEditor } from './ThresholdEditor';

const ids = selectors.mad;

export function MadEditor(props: KindEditorProps<MadOptions>) {
  const { defaults, scope } = props;
  const { option, number } = bindOptions(ids, props);
  return (
    <ThresholdEditor
      scope={scope}
      threshold={{
        ...number('threshold'),
        label: 'Threshold',
        tooltip: 'A point further than this from the median is an outlier, in robust sigmas.',
        limits: LIMITS.sigmas,
      }}
      window={{ ...option('window'), byDefault: defaults.window }}
    >
      <NumberField
        {...number('scale')}
        width={14}
        label="Scale"
        labelWidth={10}
        tooltip="What makes the median absolute deviation a sigma; the default is right for a normal distribution."
        limits={LIMITS.scale}
      />
    </ThresholdEditor>
  );
}
