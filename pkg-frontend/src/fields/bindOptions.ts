/** Props that bind a field to one option of a query, and say what its schema says. Pure but for the change they report. */
import { type KindEditorProps } from '../kinds';
import { helped, type OptionSchema } from '../schema';

type Numeric<Options> = { [K in keyof Options]: Options[K] extends number | null ? K : never }[keyof Options];

/** `ids` are the test ids of the kind's options, from `selectors`; `schemas` its options. */
export function bindOptions<Options extends object, Ids extends object>(
  ids: Ids & { [K in keyof Ids]: string },
  { options, defaults, set, scope }: KindEditorProps<Options>,
  schemas: Record<string, OptionSchema>,
) {
  return {
    option: <K extends keyof Options & keyof Ids & string>(key: K) => ({
      ...helped(schemaOf(schemas, key)),
      scope,
      testId: ids[key] as string,
      value: options[key],
      onCommit: (value: Options[K]) => set(key, value),
    }),
    /** For a `NumberField`: when it is emptied, the option takes its default again. */
    number: (key: Numeric<Options> & keyof Ids & string) => {
      const { label, help = '', limits = {}, empty } = schemaOf(schemas, key);
      return {
        label,
        tooltip: help,
        limits,
        empty,
        scope,
        testId: ids[key] as string,
        value: options[key] as number | null,
        byDefault: defaults[key] as number | null,
        onCommit: (value: number | null) => set(key, (value ?? defaults[key]) as Options[typeof key]),
      };
    },
  };
}

function schemaOf(schemas: Record<string, OptionSchema>, key: string): OptionSchema {
  return schemas[key] ?? { label: key, input: 'other', byDefault: null };
}
