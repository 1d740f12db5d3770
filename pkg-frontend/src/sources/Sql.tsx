import { type SelectableValue } from '@grafana/data';
import { InlineFieldRow } from '@grafana/ui';
import React from 'react';

import { bindOptions, type Pair, PairsField, RadioField, SelectField, SuggestField, TextField } from '../fields';
import { type KindEditorProps } from '../kinds';
import { selectors } from '../selectors';
import {
  type AdhocFilter,
  type Aggregate,
  type SqlFormat,
  type SqlMode,
  type SqlOptions,
  type TimeFormat,
} from '../types';
import { listed } from '../validation';

const ids = selectors.sql;

const MODES: Array<SelectableValue<SqlMode>> = [
  { value: 'builder', label: 'Builder' },
  { value: 'text', label: 'SQL' },
];

const FORMATS: Array<SelectableValue<SqlFormat>> = [
  { value: 'time-series', label: 'Time series', description: 'Columns time, metric; numbers are values, text labels' },
  { value: 'table', label: 'Table', description: 'The columns named here count' },
];

const AGGREGATES: Array<SelectableValue<Aggregate>> = [
  { value: 'mean', label: 'Mean' },
  { value: 'max', label: 'Maximum' },
  { value: 'min', label: 'Minimum' },
  { value: 'sum', label: 'Sum' },
  { value: 'count', label: 'Count' },
  { value: 'p95', label: '95th percentile', description: 'PostgreSQL only' },
  { value: 'last', label: 'Last', description: 'The latest of each step' },
  { value: 'none', label: 'None', description: 'The rows as they are' },
];

const TIME_FORMATS: Array<SelectableValue<TimeFormat>> = [
  { value: 'auto', label: 'Auto', description: 'A timestamp; or told by the size of the number, or ISO 8601 text' },
  { value: 's', label: 'Seconds', description: 'Since the epoch' },
  { value: 'ms', label: 'Milliseconds', description: 'Since the epoch' },
  { value: 'us', label: 'Microseconds', description: 'Since the epoch' },
  { value: 'ns', label: 'Nanoseconds', description: 'Since the epoch' },
  { value: 'iso8601', label: 'ISO 8601', description: 'Text such as 2024-05-01T12:00:00Z' },
];

const MACROS =
  "Macros: $__timeFilter(column), $__timeGroup(column, '5m'), $__timeFrom(), $__timeTo(), $__unixEpochFilter(column), " +
  '$__adhocFilters, $__interval, $__interval_ms, $__from, $__to. They span the training window too.';

/** A table of a database, or a statement of one's own. */
export function SqlEditor(props: KindEditorProps<SqlOptions>) {
  const { options } = props;
  const { option } = bindOptions(ids, props);
  return (
    <>
      <InlineFieldRow>
        <RadioField
          {...option('mode')}
          label="Query by"
          tooltip="Choose a table and columns, or write SQL. Default: Builder."
          options={MODES}
        />
        {options.mode === 'text' && (
          <RadioField
            {...option('format')}
            label="Format"
            labelWidth={10}
            tooltip="How the columns of the answer are read. Default: Time series."
            options={FORMATS}
          />
        )}
      </InlineFieldRow>
      {options.mode === 'text' && (
        <InlineFieldRow>
          <TextField
            {...option('sql')}
            grow
            rows={6}
            label="Statement"
            tooltip={`One SELECT. ${MACROS}`}
            placeholder={
              'SELECT $__timeGroup(created_at, $__interval) AS time, avg(value) AS value\nFROM metrics\nWHERE $__timeFilter(created_at)\nGROUP BY 1 ORDER BY 1'
            }
          />
        </InlineFieldRow>
      )}
      {(options.mode === 'builder' || options.format === 'table') && <Columns {...props} />}
      {options.mode === 'builder' && <Filters {...props} />}
    </>
  );
}

function Columns(props: KindEditorProps<SqlOptions>) {
  const { options, defaults, set, datasource, scope } = props;
  const { option } = bindOptions(ids, props);
  const builds = options.mode === 'builder';
  const { schema, table } = options;
  const ofKind = (kind: string) => (search: string) =>
    datasource.getChoices('columns', { schema, table, kind, search });
  const list = (key: 'valueColumns' | 'labelColumns') => ({
    scope,
    testId: ids[key],
    value: options[key].join(', '),
    onCommit: (text: string) => set(key, listed(text)),
  });
  return (
    <>
      {builds && (
        <InlineFieldRow>
          {datasource.sourceKind !== 'sqlite' && (
            <SuggestField
              {...option('schema')}
              label="Schema"
              tooltip="Schema of the table; in MySQL its database. Default: where the database looks by itself."
              load={(search) => datasource.getChoices('schemas', { search })}
            />
          )}
          <SuggestField
            {...option('table')}
            label="Table"
            tooltip="Table or view with a row for each measurement."
            load={(search) => datasource.getChoices('tables', { schema, search })}
          />
          <SelectField
            {...option('aggregate')}
            label="Aggregate"
            tooltip="What the database makes of the values of a step. Default: Mean."
            options={AGGREGATES}
          />
        </InlineFieldRow>
      )}
      <InlineFieldRow>
        <SuggestField
          testId={ids.timeColumn}
          scope={scope}
          label="Time column"
          tooltip={`Column of the time: a timestamp, a number since the epoch, or ISO 8601 text. Default: ${defaults.timeColumn}.`}
          value={options.timeColumn}
          load={ofKind('time')}
          onCommit={(value) => set('timeColumn', value === '' ? defaults.timeColumn : value)}
        />
        <SelectField
          {...option('timeFormat')}
          label="Time format"
          tooltip={`How the time is stored. Default: ${defaults.timeFormat}.`}
          options={TIME_FORMATS}
        />
      </InlineFieldRow>
      <InlineFieldRow>
        <TextField
          {...list('valueColumns')}
          label="Value columns"
          tooltip={`Columns of numbers, with commas between them; each makes a series. Default: ${builds ? 'none' : 'all columns of numbers'}.`}
          placeholder="cpu, memory"
        />
        <SuggestField
          testId={`${ids.valueColumns}-add`}
          scope={scope}
          label="Add value"
          tooltip="Adds a column of numbers of the table."
          value=""
          load={ofKind('number')}
          onCommit={(name) => name !== '' && set('valueColumns', [...new Set([...options.valueColumns, name])])}
        />
      </InlineFieldRow>
      <InlineFieldRow>
        <TextField
          {...list('labelColumns')}
          label="Label columns"
          tooltip={`Columns that split the rows into series. Default: ${builds ? 'none' : 'all columns of text'}.`}
          placeholder="host"
        />
        <SuggestField
          testId={`${ids.labelColumns}-add`}
          scope={scope}
          label="Add label"
          tooltip="Adds a column of text of the table."
          value=""
          load={ofKind('text')}
          onCommit={(name) => name !== '' && set('labelColumns', [...new Set([...options.labelColumns, name])])}
        />
        <TextField
          {...option('unit')}
          label="Unit"
          tooltip="Grafana's id of the unit of the values, for example ms, bytes or percent. Default: none."
          placeholder="none"
        />
      </InlineFieldRow>
    </>
  );
}

const OPERATOR = /^(!=|=~|!~|[=<>])\s*/;

/** `=~ ^web` → operator and value; without an operator the values must be the same. */
export function conditionOf(key: string, text: string): AdhocFilter {
  const operator = OPERATOR.exec(text);
  return operator === null
    ? { key, operator: '=', value: text }
    : { key, operator: operator[1] ?? '=', value: text.slice(operator[0].length) };
}

function Filters({ options, set, scope }: KindEditorProps<SqlOptions>) {
  return (
    <InlineFieldRow>
      <PairsField
        testId={ids.filters}
        scope={scope}
        label="Filters"
        tooltip="Conditions that every row must meet: a column, and a value or an operator (=, !=, <, >, =~, !~) with a value. Default: none."
        noun="Filter"
        columns={[
          { name: 'column', placeholder: 'host' },
          { name: 'condition', placeholder: '= web-1' },
        ]}
        value={options.filters.map(({ key, operator, value }): Pair => [key, `${operator} ${value}`])}
        onCommit={(pairs) =>
          set(
            'filters',
            pairs.map(([key, text]) => conditionOf(key, text)),
          )
        }
      />
    </InlineFieldRow>
  );
}
