import React from 'react';

import { DURATION_LIMITS } from '../defaults';
import { DurationField } from '../fields';

interface Props {
  testId: string;
  scope: string;
  value: string;
  byDefault: string;
  onCommit: (value: string) => void;
}

/** What a point is compared with: the training window, or the points of some length before it. */
export function WindowField(props: Props) {
  return (
    <DurationField
      {...props}
      width={14}
      label="Window"
      tooltip={
        'What a point is compared with: training for the training window, or a duration for the points of that length ' +
        'before it, which follows slow drifts.'
      }
      limits={DURATION_LIMITS.window}
    />
  );
}
