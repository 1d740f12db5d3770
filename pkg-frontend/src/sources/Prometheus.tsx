import { type SelectableValue } from '@grafana/data';
import { Button, IconButton, InlineFieldRow } from '@grafana/ui';
import React, { useState } from 'react';

import { bindOptions, RadioField, SelectField, SuggestField, SwitchField, TextField } from '../fields';
import { type KindEditorProps } from '../kinds';
import { choicesOf, helped } from '../schema';
import { SOURCE_SCHEMAS } from '../schema.gen';
import { selectors } from '../selectors';
import { type AdhocFilter, type PrometheusOptions } from '../types';
import { listed } from '../validation';

const ids = selectors.prometheus;
const schemas = SOURCE_SCHEMAS.prometheus.options;

type Mode = 'builder' | 'code';

const MODES: Array<SelectableValue<Mode>> = [
  { value: 'builder', label: 'Builder' },
  { value: 'code', label: 'Code' },
];

const OPERATORS = ['=', '!=', '=~', '!~'].map((value): SelectableValue<string> => ({ value, label: value }));

const MACROS =
  'Macros: $__interval, $__interval_ms, $__rate_interval, $__rate_interval_ms. Not $__range, $__from, $__to: they ' +
  'would make a point another one in every time range.';

type Props = KindEditorProps<PrometheusOptions>;

export function PrometheusEditor(props: Props) {
  const { options, set, scope } = props;
  const { option } = bindOptions(ids, props, schemas);
  const [mode, setMode] = useState<Mode>(options.expr === '' ? 'builder' : 'code');
  // Kept while the builder is open, so that a look at it costs nothing.
  const [kept, setKept] = useState('');

  const change = (next: Mode) => {
    setMode(next);
    if (next === 'builder' && options.expr !== '') {
      setKept(options.expr);
      set('expr', '');
    } else if (next === 'code' && kept !== '') {
      set('expr', kept);
    }
  };

  return (
    <>
      <InlineFieldRow>
        <RadioField
          testId={ids.mode}
          scope={scope}
          label="Query by"
          tooltip="Builder: choose a metric and labels. Code: write PromQL. Default: Builder."
          value={mode}
          options={MODES}
          onCommit={change}
        />
      </InlineFieldRow>
      {mode === 'code' ? (
        <InlineFieldRow>
          <TextField
            {...option('expr')}
            grow
            rows={3}
            tooltip={`${option('expr').tooltip} ${MACROS}`}
            placeholder="sum by (job) (rate(http_requests_total[$__rate_interval]))"
          />
        </InlineFieldRow>
      ) : (
        <Builder {...props} />
      )}
      <InlineFieldRow>
        <TextField {...option('legend')} width={40} placeholder="{{instance}}" />
        <TextField {...option('unit')} width={14} labelWidth={10} placeholder="none" />
      </InlineFieldRow>
    </>
  );
}

function Builder(props: Props) {
  const { options, set, datasource, scope } = props;
  const { option } = bindOptions(ids, props, schemas);
  return (
    <>
      <InlineFieldRow>
        <SuggestField
          {...option('metric')}
          width={48}
          placeholder="choose or type"
          load={(search) => datasource.getChoices('metrics', { search })}
        />
      </InlineFieldRow>
      <Matchers
        matchers={options.matchers}
        scope={scope}
        loadKeys={(search) => datasource.getChoices('tag-keys', { search, metric: options.metric })}
        loadValues={(key, search) => datasource.getChoices('tag-values', { key, search, metric: options.metric })}
        onCommit={(matchers) => set('matchers', matchers)}
      />
      <InlineFieldRow>
        <SwitchField {...option('rate')} />
        {!options.rate && (
          <SelectField
            {...option('aggregate')}
            options={choicesOf<PrometheusOptions['aggregate']>(schemas.aggregate)}
          />
        )}
        <SelectField {...option('combine')} options={choicesOf<PrometheusOptions['combine']>(schemas.combine)} />
        {(options.combine !== 'none' || options.by.length > 0) && (
          <TextField
            testId={ids.by}
            scope={scope}
            {...helped(schemas.by)}
            labelWidth={10}
            placeholder="job, instance"
            value={options.by.join(', ')}
            onCommit={(labels) => set('by', listed(labels))}
          />
        )}
      </InlineFieldRow>
    </>
  );
}

interface MatchersProps {
  matchers: AdhocFilter[];
  scope: string;
  loadKeys: (search: string) => ReturnType<Props['datasource']['getChoices']>;
  loadValues: (key: string, search: string) => ReturnType<Props['datasource']['getChoices']>;
  onCommit: (matchers: AdhocFilter[]) => void;
}

/** The labels that series must have. One without a name is not saved. */
function Matchers({ matchers, scope, loadKeys, loadValues, onCommit }: MatchersProps) {
  const [adding, setAdding] = useState(false);
  const rows = adding ? [...matchers, { key: '', operator: '=', value: '' }] : matchers;

  const change = (at: number, part: Partial<AdhocFilter>) => {
    const next = rows.map((row, i) => (i === at ? { ...row, ...part } : row)).filter(({ key }) => key !== '');
    if (next.length === rows.length) {
      setAdding(false);
    }
    onCommit(next);
  };
  const remove = (at: number) => {
    if (at === matchers.length) {
      setAdding(false);
    } else {
      onCommit(matchers.filter((_, i) => i !== at));
    }
  };

  return (
    <>
      {rows.map((row, i) => (
        <InlineFieldRow key={i}>
          <SuggestField
            testId={ids.matcherKey}
            scope={`${scope}-${i}`}
            label={`Label ${i + 1}`}
            tooltip="A label that series must have."
            value={row.key}
            load={loadKeys}
            onCommit={(key) => change(i, { key })}
          />
          <SelectField
            testId={ids.matcherOperator}
            scope={`${scope}-${i}`}
            label={`Operator ${i + 1}`}
            labelWidth={14}
            width={10}
            tooltip="= the same text, != another; =~ matches a regular expression, !~ does not. Default: =."
            value={row.operator}
            options={OPERATORS}
            onCommit={(operator) => change(i, { operator })}
          />
          <SuggestField
            testId={ids.matcherValue}
            scope={`${scope}-${i}`}
            label={`Value ${i + 1}`}
            labelWidth={12}
            tooltip="What the label is compared with."
            value={row.value}
            load={(search) => loadValues(row.key, search)}
            onCommit={(value) => change(i, { value })}
          />
          <IconButton name="trash-alt" type="button" tooltip={`Remove label ${i + 1}`} onClick={() => remove(i)} />
        </InlineFieldRow>
      ))}
      {!adding && (
        <InlineFieldRow>
          <Button variant="secondary" size="sm" icon="plus" type="button" onClick={() => setAdding(true)}>
            Add label
          </Button>
        </InlineFieldRow>
      )}
    </>
  );
}
