import { Input, TextArea } from '@grafana/ui';
import React from 'react';

import { inputId } from '../selectors';
import { duration, type DurationLimits, number, type NumberLimits, rangeText, type Validator } from '../validation';

import { type FieldProps, INPUT_WIDTH, Labelled } from './Labelled';
import { useDraft } from './useDraft';

interface TextFieldProps extends FieldProps {
  value: string;
  /** False refuses the text: it then stays in the field. */
  onCommit: (text: string) => unknown;
  validate?: Validator;
  placeholder?: string;
  width?: number;
  grow?: boolean;
  type?: 'text' | 'number';
  rows?: number;
}

/** One line of text; several with `rows`. */
export function TextField({
  value,
  onCommit,
  validate,
  placeholder,
  width,
  grow,
  type,
  rows,
  ...field
}: TextFieldProps) {
  const draft = useDraft(value, onCommit, validate);
  const common = {
    id: inputId(field.testId, field.scope),
    value: draft.text,
    placeholder,
    spellCheck: false,
    'aria-invalid': draft.error !== undefined,
    ...draft.handlers,
  };
  return (
    <Labelled {...field} error={draft.error} grow={grow}>
      {rows === undefined ? (
        <Input {...common} type={type} step="any" width={grow ? undefined : (width ?? INPUT_WIDTH)} />
      ) : (
        <TextArea {...common} rows={rows} />
      )}
    </Labelled>
  );
}

interface NumberFieldProps extends FieldProps {
  value: number | null;
  byDefault: number | null;
  /** What it means that there is none. */
  empty?: string;
  limits: NumberLimits;
  onCommit: (value: number | null) => void;
  placeholder?: string;
  width?: number;
}

/** Of a default, as many as say something to people. */
const DIGITS = 5;

/** A number; when emptied it takes its default again. */
export function NumberField({
  value,
  byDefault,
  empty = 'off',
  limits,
  onCommit,
  tooltip,
  ...field
}: NumberFieldProps) {
  const check = number(limits);
  const commit = (text: string) => {
    if (text.trim() === '') {
      onCommit(byDefault);
      return true;
    }
    const parsed = Number(text);
    if (!Number.isFinite(parsed)) {
      return false;
    }
    onCommit(parsed);
    return true;
  };
  return (
    <TextField
      placeholder={byDefault === null ? empty : undefined}
      {...field}
      type="number"
      tooltip={sentences(
        tooltip,
        rangeText(limits),
        byDefault === null ? empty : String(Number(byDefault.toPrecision(DIGITS))),
      )}
      value={value === null ? '' : String(value)}
      validate={(text) => (text.trim() === '' ? undefined : check(text))}
      onCommit={commit}
    />
  );
}

interface DurationFieldProps extends FieldProps {
  value: string;
  byDefault: string;
  limits: DurationLimits;
  onCommit: (value: string) => void;
  width?: number;
}

/** A duration such as 15m; when emptied it takes its default again. */
export function DurationField({ value, byDefault, limits, onCommit, tooltip, ...field }: DurationFieldProps) {
  const range = limits.min !== undefined ? `${limits.min} to ${limits.max}` : 'a duration such as 30s, 15m, 1h, 7d';
  return (
    <TextField
      {...field}
      tooltip={sentences(tooltip, limits.word === undefined ? range : `${limits.word} or ${range}`, byDefault)}
      value={value}
      validate={duration(limits)}
      onCommit={(text) => onCommit(text.trim() === '' ? byDefault : text.trim())}
    />
  );
}

function sentences(text: string, range: string, byDefault: string): string {
  const capital = range.charAt(0).toUpperCase() + range.slice(1);
  return `${text}${capital === '' ? '' : ` ${capital}.`} Default: ${byDefault}.`;
}
