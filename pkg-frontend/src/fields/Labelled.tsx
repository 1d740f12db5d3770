import { css } from '@emotion/css';
import { InlineField, useStyles2 } from '@grafana/ui';
import React, { type ReactElement } from 'react';

import { inputId } from '../selectors';

/** What every field takes. */
export interface FieldProps {
  /** From `selectors`. */
  testId: string;
  /** The refId of the query, or '' in the settings. */
  scope: string;
  label: string;
  /** What it does, with unit, range and default. */
  tooltip: string;
  labelWidth?: number;
  disabled?: boolean;
}

export const LABEL_WIDTH = 18;
export const INPUT_WIDTH = 24;

interface Props extends FieldProps {
  error?: string | undefined;
  /** Takes the rest of the row; else what is wrong wraps before it pushes the neighbours away. */
  grow?: boolean;
  children: ReactElement;
  /** For what is a group of inputs, which one label cannot point to. */
  unbound?: boolean;
}

/** A label, its tooltip, an input bound to the label, and what is wrong with it. */
export function Labelled({
  testId,
  scope,
  label,
  tooltip,
  labelWidth,
  disabled,
  error,
  grow,
  unbound,
  children,
}: Props) {
  const styles = useStyles2(getStyles);
  return (
    <InlineField
      data-testid={testId}
      label={label}
      tooltip={tooltip}
      labelWidth={labelWidth ?? LABEL_WIDTH}
      disabled={disabled}
      grow={grow}
      shrink={grow}
      className={grow ? undefined : styles.narrow}
      htmlFor={unbound ? undefined : inputId(testId, scope)}
      invalid={error !== undefined}
      error={error}
    >
      {children}
    </InlineField>
  );
}

const getStyles = () => ({
  narrow: css({ '& [role="alert"]': { maxWidth: 320 } }),
});
