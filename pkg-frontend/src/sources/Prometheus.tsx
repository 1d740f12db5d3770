import { type SelectableValue } from '@grafana/data';
import { Button, IconButton, InlineFieldRow } from '@grafana/ui';
import React, { useState } from 'react';

import { bindOptions, RadioField, SelectField, SuggestField, SwitchField, TextField } from '../fields';
import { type KindEditorProps } from '../kinds';
import { selectors } from '../selectors';
import { type AdhocFilter, type Aggregate, type PrometheusCombine, type PrometheusOptions } from '../types';
import { listed } from '../validation';

const ids = selectors.prometheus;

type Mode = 'builder' | 'code';

const MODES: Array<SelectableValue<Mode>> = [
  { value: 'builder', label: 'Builder' },
  { value: 'code', label: 'Code' },
];

const AGGREGATES: Array<SelectableValue<Aggregate>> = [
  { value: 'mean', label: 'Mean', description: 'avg_over_time of the step' },
  { value: 'max', label: 'Max', description: 'max_over_time of the step' },
  { value: 'min', label: 'Min', description: 'min_over_time of the step' },
  { value: 'sum', label: 'Sum', description: 'sum_over_time of the step' },
  { value: 'count', label: 'Count', description: 'How many samples the step has' },
  { value: 'p95', label: '95th percentile', description: 'quantile_over_time of the step' },
  { value: 'last', label: 'Last', description: 'The newest sample of the step' },
  { value: 'none', label: 'None', description: 'The newest sample, up to five minutes old' },
];

const COMBINES: Array<SelectableValue<PrometheusCombine>> = [
  { value: 'none', label: 'Keep each series' },
  { value: 'sum', label: 'Sum' },
  { value: 'avg', label: 'Average' },
  { value: 'min', label: 'Min' },
  { value: 'max', label: 'Max' },
  { value: 'count', label: 'Count' },
];

const OPERATORS = ['=', '!=', '=~', '!~'].map((value): SelectableValue<string> => ({ value, label: value }));

const MACROS =
  'Macros: $__interval, $__interval_ms, $__rate_interval, $__rate_interval_ms. Not $__range, $__from, $__to: they ' +
  'would make a point another one in every time range.';

type Props = KindEditorProps<PrometheusOptions>;

export function PrometheusEditor(props: Props) {
  const { options, defaults, set, scope } = props;
  const { option } = bindOptions(ids, props);
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
            label="PromQL"
            tooltip={`What Prometheus evaluates at every step. Default: empty. ${MACROS}`}
            placeholder="sum by (job) (rate(http_requests_total[$__rate_interval]))"
          />
        </InlineFieldRow>
      ) : (
        <Builder {...props} />
      )}
      <InlineFieldRow>
        <TextField
          {...option('legend')}
          width={40}
          label="Legend"
          tooltip="Name of the series; {{label}} stands for the value of a label. Default: the name of the metric."
          placeholder="{{instance}}"
        />
        <TextField
          {...option('unit')}
          width={14}
          label="Unit"
          labelWidth={10}
          tooltip={`Grafana's id of the unit of the values, for example s, bytes or percent. Default: ${defaults.unit || 'none'}.`}
          placeholder="none"
        />
      </InlineFieldRow>
    </>
  );
}

function Builder(props: Props) {
  const { options, defaults, set, datasource, scope } = props;
  const { option } = bindOptions(ids, props);
  return (
    <>
      <InlineFieldRow>
        <SuggestField
          {...option('metric')}
          width={48}
          label="Metric"
          tooltip="Name of the metric. Default: none."
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
        <SwitchField
          {...option('rate')}
          label="Rate"
          tooltip="For counters: how fast they rise a second, over $__rate_interval. Default: off."
        />
        {!options.rate && (
          <SelectField
            {...option('aggregate')}
            label="Aggregate"
            tooltip={`What a step makes of the samples within it, series by series. Default: ${defaults.aggregate}.`}
            options={AGGREGATES}
          />
        )}
        <SelectField
          {...option('combine')}
          label="Combine"
          tooltip="What becomes of several series. Default: each is kept."
          options={COMBINES}
        />
        {(options.combine !== 'none' || options.by.length > 0) && (
          <TextField
            testId={ids.by}
            scope={scope}
            label="By"
            labelWidth={10}
            tooltip="Labels that combined series keep, separated by commas. Default: none, all become one series."
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
