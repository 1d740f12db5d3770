import { InlineFieldRow } from '@grafana/ui';
import React from 'react';

import { LIMITS } from '../defaults';
import { NumberField } from '../fields';
import { type KindEditorProps } from '../kinds';
import { selectors } from '../selectors';
import { type IqrOptions } from '../types';

import { WindowField } from './WindowField';

const ids = selectors.iqr;

export function IqrEditor({ options, defaults, set, scope }: KindEditorProps<IqrOptions>) {
  return (
    <InlineFieldRow>
      <NumberField
        scope={scope}
        width={14}
        testId={ids.factor}
        label="Factor"
        tooltip={
          'A point further than this outside the quartiles is an outlier, in interquartile ranges. 3 are the outer ' +
          'fences of Tukey, 1.5 his inner ones, which flag one ordinary point in 140.'
        }
        value={options.factor}
        byDefault={defaults.factor}
        limits={LIMITS.factor}
        onCommit={(value) => set('factor', value ?? defaults.factor)}
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
