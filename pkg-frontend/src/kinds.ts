/** What the records in `sources/` and `detectors/` map a kind to. */
import { type SelectableValue, type TimeRange } from '@grafana/data';
import { type ComponentType } from 'react';

import { type OutriderDataSource } from './datasource';
import { type Settings } from './settings';
import { type OutriderJsonData } from './types';

export interface KindEditorProps<Options> {
  /** The options of the kind, every default filled in. */
  options: Options;
  defaults: Options;
  /** Saves one option. */
  set: <K extends keyof Options>(key: K, value: Options[K]) => void;
  datasource: OutriderDataSource;
  /** The refId of the query. */
  scope: string;
  /** What is visible, where Grafana says it. */
  range?: TimeRange;
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
  /**
   * Replaces the variables in the options of a query, where their values must be written in the upstream's language;
   * Grafana's own way where it is absent.
   */
  interpolate?: InterpolateSource;
}

export type InterpolateSource = (source: object, replace: ReplaceAs, jsonData: OutriderJsonData) => object;

/** Replaces the variables in a text and writes their values in this way; in Grafana's own by default. */
export type ReplaceAs = (text: string, format?: VariableFormat) => string;

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
