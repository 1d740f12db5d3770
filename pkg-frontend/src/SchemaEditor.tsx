/** An editor that is drawn from the schema: for every kind that needs no more than its options one beside the other. */
import { type SelectableValue } from '@grafana/data';
import { InlineFieldRow, MultiSelect } from '@grafana/ui';
import React, { type ComponentType } from 'react';

import {
  DurationField,
  Labelled,
  NumberField,
  RadioField,
  Section,
  SelectField,
  SwitchField,
  TextField,
} from './fields';
import { type KindEditorProps } from './kinds';
import { choicesOf, helped, matters, type OptionSchema, type Schemas } from './schema';
import { inputId, optionId } from './selectors';
import { durations, listed, timeZone } from './validation';

type Options = Record<string, unknown>;

/** The editor of a kind with these options. */
export function schemaEditor<O extends object>(kind: string, schemas: Schemas<O>): ComponentType<KindEditorProps<O>> {
  const all = Object.entries<OptionSchema>(schemas);
  function SchemaEditor({ options, set, scope }: KindEditorProps<Options>) {
    const shown = all.filter(([name, schema]) => matters(name, schema, options));
    const fields = (some: typeof all) =>
      some.length > 0 && (
        <InlineFieldRow>
          {some.map(([name, schema]) => (
            <OptionField
              key={name}
              testId={optionId(kind, name)}
              scope={scope}
              schema={schema}
              value={options[name]}
              onCommit={(value) => set(name, value)}
            />
          ))}
        </InlineFieldRow>
      );
    const advanced = shown.filter(([, schema]) => schema.advanced);
    return (
      <>
        {fields(shown.filter(([, schema]) => !schema.advanced))}
        {advanced.length > 0 && (
          <Section
            testId={optionId(kind, 'advanced')}
            scope={scope}
            title="Advanced"
            summary={advanced.map(([, { label }]) => label).join(', ')}
          >
            {fields(advanced)}
          </Section>
        )}
      </>
    );
  }
  // Which option a name means, the schema knows and TypeScript does not.
  return SchemaEditor as unknown as ComponentType<KindEditorProps<O>>;
}

interface Props {
  testId: string;
  scope: string;
  labelWidth?: number;
  schema: OptionSchema;
  value: unknown;
  onCommit: (value: unknown) => void;
}

/** One option, entered as its schema says; nothing for what has no input of its own. */
export function OptionField({ testId, scope, labelWidth, schema, value, onCommit }: Props) {
  const { help = '', byDefault, empty } = schema;
  const field = { testId, scope, labelWidth, ...helped(schema) };
  switch (schema.input) {
    case 'number':
      return (
        <NumberField
          {...field}
          tooltip={help}
          width={14}
          value={value as number | null}
          byDefault={byDefault as number | null}
          empty={empty}
          limits={schema.limits ?? {}}
          onCommit={onCommit}
        />
      );
    case 'switch':
      return <SwitchField {...field} value={value === true} onCommit={onCommit} />;
    case 'choice':
      return <ChoiceOption {...{ field, schema, value, onCommit }} />;
    case 'duration':
      return (
        <DurationField
          {...field}
          tooltip={help}
          width={14}
          value={value as string}
          byDefault={byDefault as string}
          limits={schema.duration ?? {}}
          onCommit={onCommit}
        />
      );
    case 'durations':
      return (
        <TextField
          {...field}
          value={(value as string[]).join(', ')}
          placeholder="1d, 7d"
          validate={durations(schema.most ?? Infinity)}
          onCommit={(text) => onCommit(listed(text))}
        />
      );
    case 'choices':
    case 'names':
      return <ListOption {...{ field, schema, value: value as string[], onCommit }} />;
    case 'text':
    case 'time-zone':
      return (
        <TextField
          {...field}
          value={value as string}
          placeholder={byDefault === '' ? empty : String(byDefault)}
          validate={(text) => (schema.input === 'text' || text.trim() === '' ? undefined : timeZone(text))}
          onCommit={(text) => onCommit(text.trim() === '' ? byDefault : text.trim())}
        />
      );
    case 'other':
      return null;
  }
}

interface Field {
  testId: string;
  scope: string;
  labelWidth?: number;
  label: string;
  tooltip: string;
}

function ChoiceOption({ field, schema, value, onCommit }: Omit<Props, 'testId' | 'scope'> & { field: Field }) {
  const options = choicesOf<string>(schema);
  // In a select, nothing is an empty value.
  const props = {
    ...field,
    options,
    value: (value ?? '') as string,
    onCommit: (chosen: string) => onCommit(chosen === '' ? null : chosen),
  };
  return options.length > MOST_IN_SIGHT ? <SelectField {...props} /> : <RadioField {...props} />;
}

const MOST_IN_SIGHT = 3;

function ListOption({
  field,
  schema,
  value,
  onCommit,
}: Omit<Props, 'testId' | 'scope'> & { field: Field; value: string[] }) {
  const options = choicesOf<string>(schema);
  const isFree = schema.input === 'names';
  return (
    <Labelled {...field}>
      <MultiSelect
        inputId={inputId(field.testId, field.scope)}
        aria-label={field.label}
        options={options}
        value={value.map((item) => options.find((option) => option.value === item) ?? { value: item, label: item })}
        onChange={(chosen: Array<SelectableValue<string>>) => {
          const items = chosen.flatMap(({ value: item }) => (item === undefined ? [] : [item]));
          onCommit(items.length === 0 ? schema.byDefault : items);
        }}
        allowCustomValue={isFree}
        placeholder={schema.empty}
        noOptionsMessage={isFree ? 'Type a name' : undefined}
        width={48}
        menuShouldPortal
      />
    </Labelled>
  );
}
