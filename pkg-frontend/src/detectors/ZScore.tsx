import { InlineFieldRow } from '@grafana/ui';
import React from 'react';

import { LIMITS } from '../defaults';
import { NumberField } from '../fields';
import { type KindEditorProps } from '../kinds';
import { selectors } from '../selectors';
import { type ZScoreOptions } from '../types';

import { WindowField } from './WindowField';

const ids = selectors.zScore;

export function ZScoreEditor({ options, defaults, set, scope }: KindEditorProps<ZScoreOptions>) {
  return (
    <InlineFieldRow>
      <NumberField
        scope={scope}
        width={14}
        testId={ids.threshold}
        label="Threshold"
        tooltip="A point further than this from the mean is an outlier, in standard deviations."
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
    </InlineFieldRow>
  );
}
