import { type SelectableValue } from '@grafana/data';
import { Select } from '@grafana/ui';
import React, { useEffect, useRef, useState } from 'react';

import { inputId } from '../selectors';
import { type Choice } from '../types';

import { type FieldProps, INPUT_WIDTH, Labelled } from './Labelled';

interface SuggestProps extends FieldProps {
  value: string;
  /** What fits the text typed so far; asked when the list is opened and after each pause in typing. Must not fail. */
  load: (search: string) => Promise<Choice[]>;
  onCommit: (value: string) => void;
  placeholder?: string;
  width?: number;
}

/** Ms without a keystroke before the upstream is asked. */
const PAUSE = 250;

/** Text with suggestions of the upstream. What is not suggested can be typed all the same. */
export function SuggestField({ value, load, onCommit, placeholder, width, ...field }: SuggestProps) {
  const [options, setOptions] = useState<Array<SelectableValue<string>>>([]);
  const [isLoading, setLoading] = useState(false);
  // Answers may overtake each other, and come after the editor is gone: only the last one asked for counts.
  const latest = useRef(0);
  const timer = useRef<ReturnType<typeof setTimeout>>();
  useEffect(
    () => () => {
      latest.current = -1;
      clearTimeout(timer.current);
    },
    [],
  );

  const ask = async (search: string) => {
    const asked = ++latest.current;
    setLoading(true);
    const choices = await load(search);
    if (asked === latest.current) {
      setOptions(choices);
      setLoading(false);
    }
  };

  return (
    <Labelled {...field}>
      <Select
        inputId={inputId(field.testId, field.scope)}
        aria-label={field.label}
        value={value === '' ? null : (options.find((option) => option.value === value) ?? { value, label: value })}
        options={options}
        onOpenMenu={() => void ask('')}
        onInputChange={(text, { action }) => {
          if (action === 'input-change') {
            clearTimeout(timer.current);
            timer.current = setTimeout(() => void ask(text), PAUSE);
          }
        }}
        onChange={(option: SelectableValue<string> | null) => onCommit(option?.value ?? '')}
        isLoading={isLoading}
        placeholder={placeholder}
        allowCustomValue
        isClearable
        width={width ?? INPUT_WIDTH}
        menuShouldPortal
      />
    </Labelled>
  );
}
