/** What the records in `sources/` and `detectors/` map a kind to. */
import { type SelectableValue } from '@grafana/data';
import { type ComponentType } from 'react';

import { type OutriderDataSource } from './datasource';
import { type Settings } from './settings';

export interface KindEditorProps<Options> {
  /** The options of the kind, every default filled in. */
  options: Options;
  defaults: Options;
  /** Saves one option. */
  set: <K extends keyof Options>(key: K, value: Options[K]) => void;
  datasource: OutriderDataSource;
  /** The refId of the query. */
  scope: string;
}

export interface SettingsEditorProps {
  settings: Settings;
  onChange: (settings: Settings) => void;
}

export interface Kind<Options> {
  label: string;
  description: string;
  /** Edits the options of a query. */
  component: ComponentType<KindEditorProps<Options>>;
}

export interface Source<Options> extends Kind<Options> {
  /** Edits how the upstream is reached, where there is one. */
  settings?: ComponentType<SettingsEditorProps>;
  /** How the values of variables are written in the upstream's language; `undefined` is Grafana's own way. */
  formatVariable?: VariableFormat;
  /** Whether the options of a query are in that language; always, where it is not said. */
  usesFormat?: (source: object) => boolean;
}

/** What Grafana's `replace` takes as its third argument: writes the value, or several, of a variable. */
export type VariableFormat = (value: string | string[], variable: { multi?: boolean; includeAll?: boolean }) => string;

/** The kinds of a record as the options of a select. */
export function kindOptions<K extends string>(
  kinds: Record<K, { label: string; description: string }>,
): Array<SelectableValue<K>> {
  return (Object.keys(kinds) as K[]).map((value) => ({
    value,
    label: kinds[value].label,
    description: kinds[value].description,
  }));
}
