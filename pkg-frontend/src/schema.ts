/** What is made of the backend's schema (`schema.gen.ts`), in the form the editors use. Pure. */
import { type SelectableValue } from '@grafana/data';
import { isEqual } from 'lodash';

import { type DurationLimits, type NumberLimits } from './validation';

/** One option as the schema has it. */
export interface OptionSchema {
  label: string;
  /** What it does; not there where an editor of its own says it. */
  help?: string;
  /** How it is entered. */
  input:
    'choice' | 'choices' | 'duration' | 'durations' | 'names' | 'number' | 'other' | 'switch' | 'text' | 'time-zone';
  byDefault: unknown;
  limits?: NumberLimits;
  duration?: DurationLimits;
  /** An empty value stands for null, which a select cannot hold. */
  choices?: Array<{ value: string; label: string; description?: string }>;
  /** The most items of a list. */
  most?: number;
  /** What null, an empty text or an empty list means. */
  empty?: string;
  /** Other options with the values of them with which this one has an effect. */
  when?: Record<string, unknown[]>;
  /** Few will need it. */
  advanced?: boolean;
}

/** The schema of each of some options. */
export type Schemas<Options> = Record<keyof Options, OptionSchema>;

/** A kind of source or detector with these options. */
export interface KindSchema<Options = Record<string, unknown>> {
  label: string;
  description: string;
  options: Schemas<Options>;
}

/** The defaults of options, as an object of them. */
export function defaultsOf<Options>(schemas: Schemas<Options>): Options {
  const all = Object.entries<OptionSchema>(schemas).map(([name, { byDefault }]) => [name, byDefault]);
  return Object.fromEntries(all) as Options;
}

/** The choices of an option for a select. */
export function choicesOf<Value extends string>({ choices = [] }: OptionSchema): Array<SelectableValue<Value>> {
  return choices as Array<SelectableValue<Value>>;
}

/** Whether the option has an effect beside the others, or says something that should be seen. */
export function matters(
  name: string,
  { when = {}, byDefault }: OptionSchema,
  options: Record<string, unknown>,
): boolean {
  const isMet = Object.entries(when).every(([other, values]) =>
    [options[other]].flat().some((value) => values.includes(value)),
  );
  return isMet || !isEqual(options[name], byDefault);
}

/** Label and tooltip of an option's field. */
export function helped(schema: OptionSchema): { label: string; tooltip: string } {
  return { label: schema.label, tooltip: `${schema.help ?? ''} Default: ${defaultText(schema)}.` };
}

/** What an absent option means, in words. */
function defaultText({ byDefault, empty = 'none', choices }: OptionSchema): string {
  const chosen = choices?.find(({ value }) => value === (byDefault ?? ''));
  if (chosen !== undefined) {
    return chosen.label;
  }
  if (byDefault === null || byDefault === '' || (Array.isArray(byDefault) && byDefault.length === 0)) {
    return empty;
  }
  return typeof byDefault === 'boolean' ? (byDefault ? 'on' : 'off') : [byDefault].flat().map(String).join(', ');
}
