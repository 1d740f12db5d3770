import { type SelectableValue } from '@grafana/data';
import { InlineSwitch, RadioButtonGroup, Select } from '@grafana/ui';
import React from 'react';

import { inputId } from '../selectors';

import { type FieldProps, INPUT_WIDTH, Labelled } from './Labelled';

interface ChoiceProps<T extends string> extends FieldProps {
  value: T;
  options: Array<SelectableValue<T>>;
  onCommit: (value: T) => void;
  width?: number;
}

/** One of a list. A saved value that is not in the list is shown as it is. */
export function SelectField<T extends string>({ value, options, onCommit, width, ...field }: ChoiceProps<T>) {
  return (
    <Labelled {...field}>
      <Select
        inputId={inputId(field.testId, field.scope)}
        aria-label={field.label}
        value={options.find((option) => option.value === value) ?? { value, label: value }}
        options={options}
        onChange={(option) => option?.value !== undefined && onCommit(option.value)}
        width={width ?? INPUT_WIDTH}
        menuShouldPortal
      />
    </Labelled>
  );
}

/** One of two or three, all in sight. */
export function RadioField<T extends string>({ value, options, onCommit, ...field }: ChoiceProps<T>) {
  return (
    <Labelled {...field} unbound>
      <RadioGroup label={field.label} groupId={inputId(field.testId, field.scope)} {...{ value, options, onCommit }} />
    </Labelled>
  );
}

interface RadioGroupProps<T> {
  label: string;
  /** Not `id`, which InlineField would bind its label to. */
  groupId: string;
  value: T;
  options: Array<SelectableValue<T>>;
  onCommit: (value: T) => void;
}

/** Names the group: RadioButtonGroup cannot do so in every version. */
function RadioGroup<T extends string>({ label, groupId, value, options, onCommit }: RadioGroupProps<T>) {
  return (
    <div role="group" aria-label={label}>
      <RadioButtonGroup id={groupId} value={value} options={options} onChange={onCommit} />
    </div>
  );
}

interface SwitchFieldProps extends FieldProps {
  value: boolean;
  onCommit: (value: boolean) => void;
}

export function SwitchField({ value, onCommit, ...field }: SwitchFieldProps) {
  return (
    <Labelled {...field}>
      <InlineSwitch
        id={inputId(field.testId, field.scope)}
        value={value}
        onChange={(event) => onCommit(event.currentTarget.checked)}
      />
    </Labelled>
  );
}
