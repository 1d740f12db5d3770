import { SecretInput, SecretTextArea } from '@grafana/ui';
import React from 'react';

import { inputId } from '../selectors';

import { type FieldProps, INPUT_WIDTH, Labelled } from './Labelled';
import { useDraft } from './useDraft';

interface Props extends FieldProps {
  value: string;
  /** Stored on the server, which never sends it back. */
  isConfigured: boolean;
  onCommit: (value: string) => void;
  onReset: () => void;
  placeholder?: string;
  width?: number;
  error?: string | undefined;
  /** Lines, for a PEM block. */
  rows?: number;
}

/** A secret: it can be entered and reset, never read. */
export function SecretField({
  value,
  isConfigured,
  onCommit,
  onReset,
  placeholder,
  width,
  error,
  rows,
  ...field
}: Props) {
  const draft = useDraft(value, onCommit);
  const common = {
    id: inputId(field.testId, field.scope),
    value: draft.text,
    isConfigured,
    onReset,
    placeholder,
    autoComplete: 'new-password',
    ...draft.handlers,
  };
  return (
    <Labelled {...field} error={error}>
      {rows === undefined ? (
        <SecretInput {...common} width={width ?? INPUT_WIDTH} />
      ) : (
        <SecretTextArea {...common} rows={rows} cols={60} spellCheck={false} />
      )}
    </Labelled>
  );
}
