import { type SelectableValue } from '@grafana/data';
import { Alert, InlineFieldRow } from '@grafana/ui';
import React from 'react';

import { bindOptions, type Pair, PairsField, RadioField, SelectField, TextField } from '../fields';
import { type KindEditorProps } from '../kinds';
import { selectors } from '../selectors';
import { type HttpJsonFormat, type HttpJsonOptions, type HttpMethod, type RowForm, type TimeFormat } from '../types';
import { jsonPointer, labelPlace, path, rowsPlace } from '../validation';

import { Preview } from './Preview';

const ids = selectors.httpJson;

const METHODS: Array<SelectableValue<HttpMethod>> = [
  { value: 'GET', label: 'GET' },
  { value: 'POST', label: 'POST' },
];

const FORMATS: Array<SelectableValue<HttpJsonFormat>> = [
  { value: 'json', label: 'JSON' },
  { value: 'ndjson', label: 'JSON lines', description: 'One JSON text a line; read as the list of the lines' },
  { value: 'csv', label: 'CSV', description: 'Lines of cells, separated by commas, semicolons or tabs' },
];

const FORMS: Array<SelectableValue<RowForm>> = [
  { value: 'rows', label: 'Array of rows', description: 'An array of rows, each with a time and a value' },
  { value: 'columns', label: 'Columns', description: 'An array of times and an array of values side by side' },
  { value: 'keyed', label: 'Keyed by time', description: 'An object whose names are the times' },
];

/** What time and value point to, by the form of the rows. */
const PLACES: Record<RowForm, { time: string; value: string }> = {
  rows: {
    time: 'JSON pointer to the time inside a row: /0 is the first element of an array, /t the key t of an object.',
    value: 'JSON pointer to the value inside a row.',
  },
  columns: {
    time: 'JSON pointer to the array of times, from where the rows are.',
    value: 'JSON pointer to the array of values, from where the rows are.',
  },
  keyed: {
    time: '',
    value: 'JSON pointer to the value inside a member; empty where the member itself is the value.',
  },
};
const COLUMN = 'of the column: /name, or /0 for the first one.';

const TIME_FORMATS: Array<SelectableValue<TimeFormat>> = [
  { value: 'auto', label: 'Auto', description: 'Told by the size of the number, or ISO 8601 where it is text' },
  { value: 'ms', label: 'Milliseconds', description: 'Since the epoch' },
  { value: 's', label: 'Seconds', description: 'Since the epoch' },
  { value: 'us', label: 'Microseconds', description: 'Since the epoch' },
  { value: 'ns', label: 'Nanoseconds', description: 'Since the epoch' },
  { value: 'iso8601', label: 'ISO 8601', description: 'Such as 2024-05-01T12:00:00Z' },
];

const MACROS =
  'Macros: ${__from} and ${__to} (milliseconds since the epoch; ${__from:date:seconds}, ${__from:date:iso}), ' +
  '$__interval, $__interval_ms, $__maxDataPoints. They span the training window too, not only the visible range.';

export function HttpJsonEditor(props: KindEditorProps<HttpJsonOptions>) {
  const { options, defaults, set, scope, datasource, range } = props;
  const isTable = options.format === 'csv';
  const places = isTable ? { time: `Name or index ${COLUMN}`, value: `Name or index ${COLUMN}` } : PLACES[options.form];
  const { option } = bindOptions(ids, props);
  const orDefault = (key: 'path' | 'name') => ({
    ...option(key),
    onCommit: (value: string) => set(key, value === '' ? defaults[key] : value),
  });

  return (
    <>
      <InlineFieldRow>
        <RadioField
          {...option('method')}
          label="Method"
          tooltip={`How to ask. POST only where the data source settings allow it. Default: ${defaults.method}.`}
          options={METHODS}
        />
        <TextField
          {...orDefault('path')}
          grow
          label="Path"
          labelWidth={10}
          tooltip={`Path below the URL in the data source settings. Default: ${defaults.path}. ${MACROS}`}
          placeholder={defaults.path}
          validate={path}
        />
      </InlineFieldRow>
      <InlineFieldRow>
        <PairsField
          testId={ids.params}
          scope={scope}
          label="Parameters"
          tooltip={`Query parameters of the request. Default: from=\${__from}, to=\${__to}. ${MACROS}`}
          noun="Parameter"
          columns={[
            { name: 'name', placeholder: 'name' },
            { name: 'value', placeholder: '${__from}' },
          ]}
          value={options.params.map(({ name, value }): Pair => [name, value])}
          onCommit={(pairs) =>
            set(
              'params',
              pairs.map(([name, value]) => ({ name, value })),
            )
          }
        />
      </InlineFieldRow>
      {options.method === 'POST' && (
        <InlineFieldRow>
          <TextField
            {...option('body')}
            grow
            rows={4}
            label="Body"
            tooltip={`Body of the request, sent as it is. Default: empty. ${MACROS}`}
            placeholder={'{"from": ${__from}, "to": ${__to}}'}
          />
        </InlineFieldRow>
      )}
      {options.method === 'POST' && datasource.sourceKind === 'http-json' && !datasource.jsonData.allowPost && (
        <Alert severity="warning" title="This data source does not allow POST">
          Use GET, or let someone who may edit the data source switch on &quot;Allow POST&quot; in its settings.
        </Alert>
      )}
      <InlineFieldRow>
        <SelectField
          {...option('format')}
          width={24}
          label="Format"
          tooltip={`How the answer is written. Default: JSON.`}
          options={FORMATS}
        />
        {!isTable && (
          <RadioField
            {...option('form')}
            label="Form"
            labelWidth={10}
            tooltip="How times and values are laid out where the rows are. Default: Array of rows."
            options={FORMS}
          />
        )}
      </InlineFieldRow>
      <InlineFieldRow>
        {!isTable && (
          <TextField
            {...option('rows')}
            width={24}
            label="Rows"
            tooltip={
              'Where the rows are: a JSON pointer to one place (/data/rows; empty for the whole answer, or for the list of ' +
              `lines), or a JSONPath to any number of them ($.data[*].values). Default: ${defaults.rows}.`
            }
            placeholder="the whole answer"
            validate={rowsPlace}
          />
        )}
        {(isTable || options.form !== 'keyed') && (
          <TextField
            {...option('time')}
            width={14}
            label="Time"
            labelWidth={10}
            tooltip={`${places.time} Default: ${defaults.time}.`}
            validate={jsonPointer}
          />
        )}
        <TextField
          {...option('value')}
          width={14}
          label="Value"
          labelWidth={10}
          tooltip={`${places.value} Default: ${defaults.value}.`}
          validate={jsonPointer}
        />
      </InlineFieldRow>
      <InlineFieldRow>
        <SelectField
          {...option('timeFormat')}
          width={24}
          label="Time format"
          tooltip={`How the time is written. Default: ${defaults.timeFormat}.`}
          options={TIME_FORMATS}
        />
        <TextField
          {...orDefault('name')}
          width={14}
          label="Name"
          labelWidth={10}
          tooltip={`Name of the series. Default: ${defaults.name}.`}
          placeholder={defaults.name}
        />
        <TextField
          {...option('unit')}
          width={14}
          label="Unit"
          labelWidth={10}
          tooltip="Grafana's id of the unit of the values, for example ms, bytes or percent. Default: none."
          placeholder="none"
        />
      </InlineFieldRow>
      <InlineFieldRow>
        <PairsField
          testId={ids.labels}
          scope={scope}
          label="Labels"
          tooltip={
            'Labels: rows with the same ones make one series. A JSON pointer (/host) leads into the row. One that begins ' +
            'with a digit goes up from the rows first: 1/name is the name beside them, 1# the key or index of what holds ' +
            'them. A label called * makes all members of an object labels (1/tags). Default: none.'
          }
          noun="Label"
          columns={[
            { name: 'name', placeholder: 'host' },
            { name: 'pointer', placeholder: '/2', validate: labelPlace },
          ]}
          value={options.labels.map(({ name, pointer }): Pair => [name, pointer])}
          onCommit={(pairs) =>
            set(
              'labels',
              pairs.map(([name, pointer]) => ({ name, pointer })),
            )
          }
        />
      </InlineFieldRow>
      <Preview source={{ kind: 'http-json', ...options }} testId={ids.preview} {...{ datasource, range, scope }} />
    </>
  );
}
