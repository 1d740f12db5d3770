import { type SelectableValue } from '@grafana/data';
import { MultiSelect } from '@grafana/ui';
import React from 'react';

import { Labelled } from '../fields';
import { inputId } from '../selectors';

interface Props {
  testId: string;
  scope: string;
  tooltip: string;
  /** Names of labels. */
  value: string[];
  onChange: (names: string[]) => void;
}

/** The labels whose values make the groups of a detector that looks at several series at a time. */
export function GroupByField({ testId, scope, tooltip, value, onChange }: Props) {
  return (
    <Labelled testId={testId} scope={scope} label="Group by" tooltip={tooltip}>
      <MultiSelect
        inputId={inputId(testId, scope)}
        aria-label="Group by"
        options={[]}
        value={value.map((name) => ({ value: name, label: name }))}
        onChange={(chosen: Array<SelectableValue<string>>) =>
          onChange(chosen.flatMap(({ value: name }) => (name === undefined ? [] : [name])))
        }
        allowCustomValue
        placeholder="all series are one group"
        noOptionsMessage="Type the name of a label"
        width={48}
        menuShouldPortal
      />
    </Labelled>
  );
}
