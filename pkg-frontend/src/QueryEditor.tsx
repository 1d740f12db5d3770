import { type QueryEditorProps, type TimeRange } from '@grafana/data';
import { Alert, InlineFieldRow } from '@grafana/ui';
import React, { type ComponentType } from 'react';

import { type OutriderDataSource } from './datasource';
import { COMMON_DEFAULTS, DEFAULT_DETECTOR, DETECTOR_DEFAULTS, SOURCE_DEFAULTS } from './defaults';
import { DETECTORS } from './detectors';
import { RadioField, SelectField } from './fields';
import { type KindEditorProps, kindOptions } from './kinds';
import { migrateQuery } from './migrations';
import { setOption, thinChoice, withDefaults } from './options';
import { DIRECTIONS, MISSINGS, OUTPUTS, TRANSFORMS } from './queryOptions';
import { RulesSection } from './RulesSection';
import { helped } from './schema';
import { COMMON_SCHEMA } from './schema.gen';
import { selectors } from './selectors';
import { SOURCES } from './sources';
import { TrainingSection } from './TrainingSection';
import { type CommonOptions, type Detector, type OutriderJsonData, type OutriderQuery, type Source } from './types';

export type Props = QueryEditorProps<OutriderDataSource, OutriderQuery, OutriderJsonData> & {
  /** Given by Grafana where an annotation is edited. */
  annotation?: unknown;
};

const ids = selectors.query;

export function QueryEditor({ query: saved, datasource, onChange, onRunQuery, annotation, range }: Props) {
  const query = migrateQuery(saved);
  const scope = query.refId;
  const options = withDefaults<CommonOptions>(COMMON_DEFAULTS, query);
  const source = query.source ?? { kind: datasource.sourceKind };
  const detector = query.detector ?? { kind: DEFAULT_DETECTOR };

  const save = <K extends keyof OutriderQuery>(key: K, value: OutriderQuery[K], byDefault?: unknown) => {
    onChange(setOption(query, key, value, byDefault));
    onRunQuery();
  };
  const setCommon = <K extends keyof CommonOptions>(key: K, value: CommonOptions[K]) =>
    save<keyof CommonOptions>(key, value, COMMON_DEFAULTS[key]);
  const common = <K extends 'direction' | 'missing' | 'output' | 'transform'>(key: K) => ({
    ...helped(COMMON_SCHEMA[key]),
    testId: ids[key],
    scope,
    value: options[key],
    onCommit: (value: CommonOptions[K]) => setCommon(key, value),
  });
  const setSource = (choice: Source) => save('source', thinChoice(choice, datasource.sourceKind));
  const setDetector = (choice: Detector) => save('detector', thinChoice(choice, DEFAULT_DETECTOR));

  return (
    <div>
      <InlineFieldRow>
        <SelectField
          testId={ids.source}
          scope={scope}
          label="Source"
          tooltip={`Where the series come from. Default: the upstream in the data source settings (${datasource.sourceKind}).`}
          value={source.kind}
          options={kindOptions(SOURCES)}
          onCommit={(kind) => kind !== source.kind && setSource({ kind })}
        />
      </InlineFieldRow>
      {SOURCES[source.kind]?.settings !== undefined && source.kind !== datasource.sourceKind && (
        <Alert severity="warning" title={`The upstream of this data source is ${datasource.sourceKind}`}>
          {SOURCES[source.kind].label} asks the URL in the data source settings. Choose {SOURCES[source.kind].label} as
          the upstream there and enter its URL.
        </Alert>
      )}
      <ChoiceEditor
        what="source"
        choice={source}
        kinds={SOURCES}
        defaults={SOURCE_DEFAULTS}
        onChange={setSource}
        {...{ datasource, scope, range }}
      />

      <InlineFieldRow>
        <RadioField {...common('transform')} options={TRANSFORMS} />
      </InlineFieldRow>
      <InlineFieldRow>
        <SelectField
          testId={ids.detector}
          scope={scope}
          label="Detector"
          tooltip="How outliers are told from ordinary points. Default: Automatic."
          value={detector.kind}
          options={kindOptions(DETECTORS)}
          onCommit={(kind) => kind !== detector.kind && setDetector({ kind })}
        />
        <RadioField {...common('direction')} labelWidth={14} options={DIRECTIONS} />
      </InlineFieldRow>
      <ChoiceEditor
        what="detector"
        choice={detector}
        kinds={DETECTORS}
        defaults={DETECTOR_DEFAULTS}
        onChange={setDetector}
        {...{ datasource, scope }}
      />

      <TrainingSection options={options} set={setCommon} scope={scope} />
      <RulesSection options={options} set={setCommon} scope={scope} />

      {annotation === undefined && (
        <InlineFieldRow>
          <SelectField {...common('output')} options={OUTPUTS} />
          <SelectField {...common('missing')} labelWidth={18} options={MISSINGS} />
        </InlineFieldRow>
      )}
    </div>
  );
}

interface ChoiceEditorProps<C extends { kind: string }> {
  what: string;
  choice: C;
  kinds: Record<string, { component: unknown }>;
  defaults: object;
  onChange: (choice: C) => void;
  datasource: OutriderDataSource;
  scope: string;
  range?: TimeRange;
}

/** The editor of the chosen kind; a kind of a later version keeps its options and is named. */
function ChoiceEditor<C extends { kind: string }>(props: ChoiceEditorProps<C>) {
  const { what, choice, kinds, defaults, onChange, datasource, scope, range } = props;
  const kind = Object.hasOwn(kinds, choice.kind) ? kinds[choice.kind] : undefined;
  if (kind === undefined) {
    return (
      <Alert severity="error" title={`Unknown ${what} "${choice.kind}"`}>
        This version of the plugin has no such {what}. Choose one from the list, or install a version that has it.
      </Alert>
    );
  }
  // The record pairs each kind with an editor of its own options; TypeScript cannot follow that through a lookup.
  type Options = Record<string, unknown>;
  const Editor = kind.component as ComponentType<KindEditorProps<Options>>;
  const ofKind = (defaults as Record<string, Options>)[choice.kind] ?? {};
  const set = (key: string, value: unknown) =>
    onChange(setOption(choice, key as keyof C, value as C[keyof C], ofKind[key]));
  return <Editor options={withDefaults(ofKind, choice)} defaults={ofKind} {...{ set, datasource, scope, range }} />;
}
