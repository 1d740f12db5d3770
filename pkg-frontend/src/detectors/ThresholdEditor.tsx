import { InlineFieldRow } from '@grafana/ui';
import React, { type ComponentProps, type ReactNode } from 'react';

import { NumberField } from '../fields';

import { WindowField } from './WindowField';

interface Props {
  scope: string;
  threshold: Omit<ComponentProps<typeof NumberField>, 'scope' | 'width'>;
  window: Omit<ComponentProps<typeof WindowField>, 'scope'>;
  /** Fields that only one detector has. */
  children?: ReactNode;
}

/** A detector that flags values too far from what a window holds: how far, and which window. */
export function ThresholdEditor({ scope, threshold, window, children }: Props) {
  return (
    <InlineFieldRow>
      <NumberField {...threshold} scope={scope} width={14} />
      <WindowField {...window} scope={scope} />
      {children}
    </InlineFieldRow>
  );
}
