import { InlineFieldRow } from '@grafana/ui';
import React from 'react';

import { bindOptions, type Pair, PairsField, RadioField, SelectField, SuggestField, TextField } from '../fields';
import { type KindEditorProps } from '../kinds';
import { choicesOf, helped } from '../schema';
import { SOURCE_SCHEMAS } from '../schema.gen';
import { selectors } from '../selectors';
import { type AdhocFilter, type SqlOptions } from '../types';
import { listed } from '../validation';

const ids = selectors.sql;
// The same for all databases.
const schemas = SOURCE_SCHEMAS.postgresql.options;

const MACROS =
  "Macros: $__timeFilter(column), $__timeGroup(column, '5m'), $__timeFrom(), $__timeTo(), $__unixEpochFilter(column), " +
  '$__adhocFilters, $__interval, $__interval_ms, $__from, $__to. They span the training window too.';

/** A table of a database, or a statement of one's own. */
export function SqlEditor(props: KindEditorProps<SqlOptions>) {
  const { options } = props;
  const { option } = bindOptions(ids, props, schemas);
  return (
    <>
      <InlineFieldRow>
        <RadioField {...option('mode')} options={choicesOf<SqlOptions['mode']>(schemas.mode)} />
        {options.mode === 'text' && (
          <RadioField {...option('format')} labelWidth={10} options={choicesOf<SqlOptions['format']>(schemas.format)} />
        )}
      </InlineFieldRow>
      {options.mode === 'text' && (
        <InlineFieldRow>
          <TextField
            {...option('sql')}
            grow
            rows={6}
            tooltip={`${schemas.sql?.help} ${MACROS}`}
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
  const { option } = bindOptions(ids, props, schemas);
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
            <SuggestField {...option('schema')} load={(search) => datasource.getChoices('schemas', { search })} />
          )}
          <SuggestField {...option('table')} load={(search) => datasource.getChoices('tables', { schema, search })} />
          <SelectField {...option('aggregate')} options={choicesOf<SqlOptions['aggregate']>(schemas.aggregate)} />
        </InlineFieldRow>
      )}
      <InlineFieldRow>
        <SuggestField
          testId={ids.timeColumn}
          scope={scope}
          {...helped(schemas.timeColumn)}
          value={options.timeColumn}
          load={ofKind('time')}
          onCommit={(value) => set('timeColumn', value === '' ? defaults.timeColumn : value)}
        />
        <SelectField {...option('timeFormat')} options={choicesOf<SqlOptions['timeFormat']>(schemas.timeFormat)} />
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
        <TextField {...option('unit')} placeholder="none" />
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
