/** Thin JSON: only what differs from the default is saved. Pure. */
import { isEqual, omit } from 'lodash';

/** The saved options with every default filled in. */
export function withDefaults<T extends object>(defaults: T, saved: Partial<T> | undefined): T {
  const present = Object.entries(saved ?? {}).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(present) };
}

/** `saved` with `key` set to `value`, or without `key` where `value` is its default. */
export function setOption<S extends object, K extends keyof S>(saved: S, key: K, value: S[K], byDefault: unknown): S {
  return value === undefined || isEqual(value, byDefault) ? (omit(saved, key) as S) : { ...saved, [key]: value };
}

/** `{kind, …options}`, or undefined where it says nothing that an absent choice would not say. */
export function thinChoice<C extends { kind: string }>(choice: C, kindByDefault: string): C | undefined {
  return choice.kind === kindByDefault && Object.keys(choice).length === 1 ? undefined : choice;
}
