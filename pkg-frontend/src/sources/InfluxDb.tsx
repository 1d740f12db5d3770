import { type SelectableValue } from '@grafana/data';
import { InlineFieldRow, MultiSelect } from '@grafana/ui';
import React, { useState } from 'react';

import { bindOptions, type Pair, PairsField, RadioField, SelectField, SuggestField, TextField } from '../fields';
import { type FieldProps, Labelled } from '../fields/Labelled';
import { type KindEditorProps } from '../kinds';
import { choicesOf, helped } from '../schema';
import { SOURCE_SCHEMAS } from '../schema.gen';
import { inputId, selectors } from '../selectors';
import { type AdhocFilter, type Choice, type InfluxDbOptions, type InfluxLanguage } from '../types';
import { type Validator } from '../validation';

const ids = selectors.influxDb;
const schemas = SOURCE_SCHEMAS.influxdb.options;

type Mode = 'form' | 'text';
const MODES: Array<SelectableValue<Mode>> = [
  { value: 'form', label: 'Form' },
  { value: 'text', label: 'Text' },
];

const MACROS =
  'Macros: $timeFilter or $__timeFilter(time) (the range with the ad-hoc filters), $__timeGroup(time), $__interval, ' +
  '$__adhocFilters; in Flux v.timeRangeStart, v.timeRangeStop, v.windowPeriod and v.defaultBucket. They span the ' +
  'training window too, not only the visible range.';

const EXAMPLES: Record<InfluxLanguage, string> = {
  influxql: 'SELECT mean("load") FROM "cpu" WHERE $timeFilter GROUP BY time($__interval), "host" fill(none)',
  flux:
    'from(bucket: v.defaultBucket) |> range(start: v.timeRangeStart, stop: v.timeRangeStop)\n' +
    '  |> aggregateWindow(every: v.windowPeriod, fn: mean, timeSrc: "_start", createEmpty: false)',
  sql: 'SELECT $__timeGroup(time) AS time, host, avg(load) AS load FROM cpu WHERE $__timeFilter(time) GROUP BY 1, 2',
};

export function InfluxDbEditor(props: KindEditorProps<InfluxDbOptions>) {
  const { options, set, datasource, scope } = props;
  const { option } = bindOptions(ids, props, schemas);
  const [chosen, setChosen] = useState<Mode>('form');
  const language = options.language ?? datasource.jsonData.queryLanguage ?? 'influxql';
  const hasForm = language === 'influxql';
  const isText = !hasForm || options.text !== '' || chosen === 'text';
  const format = (
    <SelectField
      {...option('format')}
      width={14}
      labelWidth={10}
      options={choicesOf<InfluxDbOptions['format']>(schemas.format)}
    />
  );

  return (
    <>
      <InlineFieldRow>
        <SelectField
          testId={ids.language}
          scope={scope}
          {...helped(schemas.language)}
          value={options.language ?? ''}
          options={choicesOf<InfluxLanguage | ''>(schemas.language)}
          onCommit={(value) => set('language', value === '' ? null : value)}
        />
        {hasForm && (
          <RadioField
            testId={ids.mode}
            scope={scope}
            label="Query"
            labelWidth={10}
            tooltip="Choose from lists, or write the query. A written query counts until its text is empty again."
            value={isText ? 'text' : 'form'}
            options={MODES}
            onCommit={(mode) => {
              setChosen(mode);
              if (mode === 'form') {
                set('text', '');
              }
            }}
          />
        )}
        {hasForm && format}
      </InlineFieldRow>
      {isText ? (
        <InlineFieldRow>
          <TextField
            {...option('text')}
            grow
            rows={4}
            tooltip={`${option('text').tooltip} ${MACROS}`}
            placeholder={EXAMPLES[language]}
          />
        </InlineFieldRow>
      ) : (
        <Form {...props} />
      )}
    </>
  );
}

function Form(props: KindEditorProps<InfluxDbOptions>) {
  const { options, set, datasource, scope } = props;
  const { option } = bindOptions(ids, props, schemas);
  const narrow: Record<string, string> = {
    ...(options.measurement !== '' && { measurement: options.measurement }),
    ...(options.policy !== '' && { policy: options.policy }),
  };
  const load =
    (question: string, params: Record<string, string> = {}) =>
    (search: string) =>
      datasource.getChoices(question, { ...params, ...(search !== '' && { search }) });

  return (
    <>
      <InlineFieldRow>
        <SuggestField {...option('measurement')} load={load('measurements')} />
        <SuggestField
          {...option('policy')}
          width={20}
          labelWidth={10}
          placeholder="default"
          load={load('retention-policies')}
        />
      </InlineFieldRow>
      <InlineFieldRow>
        <NamesField {...option('fields')} load={load('fields', narrow)} />
        <SelectField
          {...option('aggregate')}
          width={20}
          labelWidth={12}
          options={choicesOf<InfluxDbOptions['aggregate']>(schemas.aggregate)}
        />
      </InlineFieldRow>
      <InlineFieldRow>
        <NamesField {...option('tags')} load={load('tag-keys', narrow)} />
        <TextField
          testId={ids.fill}
          scope={scope}
          width={20}
          {...helped(schemas.fill)}
          labelWidth={12}
          placeholder="none"
          value={options.fill}
          validate={fill}
          onCommit={(text) => set('fill', text.trim() || 'none')}
        />
      </InlineFieldRow>
      <InlineFieldRow>
        <PairsField
          testId={ids.where}
          scope={scope}
          label="Where"
          tooltip="Conditions on tags and fields, all of which must hold: = web-1, != web-1, =~ ^web, !~ ^web, < 5, > 5. Default: none."
          noun="Condition"
          columns={[
            { name: 'key', placeholder: 'host' },
            { name: 'condition', placeholder: '= web-1' },
          ]}
          value={options.where.map(({ key, operator, value }): Pair => [key, `${operator} ${value}`])}
          onCommit={(pairs) => set('where', pairs.map(readCondition))}
        />
      </InlineFieldRow>
    </>
  );
}

/** A condition as it is typed; without an operator, “is” is meant. */
export function readCondition([key, text]: Pair): AdhocFilter {
  const [, operator = '=', value = ''] = /^\s*(=~|!~|!=|=|<|>)?\s*([^]*?)\s*$/.exec(text) ?? [];
  return { key, operator, value };
}

const fill: Validator = (text) => {
  const word = text.trim();
  const isGood = word === '' || word === 'none' || word === 'null' || Number.isFinite(Number(word));
  return isGood || word.includes('$') ? undefined : 'Write none, null or a number.';
};

interface NamesProps extends FieldProps {
  value: string[];
  /** What fits the text typed so far. Must not fail. */
  load: (search: string) => Promise<Choice[]>;
  onCommit: (names: string[]) => void;
}

/** Names, with suggestions of the upstream. */
function NamesField({ value, load, onCommit, ...field }: NamesProps) {
  const [options, setOptions] = useState<Choice[]>([]);
  return (
    <Labelled {...field}>
      <MultiSelect
        inputId={inputId(field.testId, field.scope)}
        aria-label={field.label}
        value={value.map((name) => ({ value: name, label: name }))}
        options={options}
        onOpenMenu={() => void load('').then(setOptions)}
        onChange={(chosen) => onCommit(chosen.flatMap(({ value: name }) => (name === undefined ? [] : [name])))}
        allowCustomValue
        width={32}
        menuShouldPortal
      />
    </Labelled>
  );
}
