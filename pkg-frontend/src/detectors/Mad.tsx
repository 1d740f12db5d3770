import { InlineFieldRow } from '@grafana/ui';
import React from 'react';

import { LIMITS } from '../defaults';
import { NumberField } from '../fields';
import { type KindEditorProps } from '../kinds';
import { selectors } from '../selectors';
import { type MadOptions } from '../types';

import { WindowField } from './WindowField';

const ids = selectors.mad;

export function MadEditor({ options, defaults, set, scope }: KindEditorProps<MadOptions>) {
  const knob = { scope, width: 14 };
  return (
    <InlineFieldRow>
      <NumberField
        {...knob}
        testId={ids.threshold}
        label="Threshold"
        tooltip="A point further than this from the median is an outlier, in robust sigmas."
        value={options.threshold}
        byDefault={defaults.threshold}
        limits={LIMITS.sigmas}
        onCommit={(value) => set('threshold', value ?? defaults.threshold)}
      />
      <WindowField
        testId={ids.window}
        scope={scope}
        value={options.window}
        byDefault={defaults.window}
        onCommit={(value) => set('window', value)}
      />
      <NumberField
        {...knob}
        testId={ids.scale}
        label="Scale"
        labelWidth={10}
        tooltip="What makes the median absolute deviation a sigma; the default is right for a normal distribution."
        value={options.scale}
        byDefault={defaults.scale}
        limits={LIMITS.scale}
        onCommit={(value) => set('scale', value ?? defaults.scale)}
      />
    </InlineFieldRow>
  );
}
