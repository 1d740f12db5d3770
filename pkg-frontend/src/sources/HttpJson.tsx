import { type SelectableValue } from '@grafana/data';
import { InlineFieldRow } from '@grafana/ui';
import React from 'react';

import { bindOptions, type Pair, PairsField, RadioField, SelectField, TextField } from '../fields';
import { type KindEditorProps } from '../kinds';
import { selectors } from '../selectors';
import { type HttpJsonOptions, type HttpMethod, type TimeFormat } from '../types';
import { jsonPointer, path } from '../validation';

const ids = selectors.httpJson;

const METHODS: Array<SelectableValue<HttpMethod>> = [
  { value: 'GET', label: 'GET' },
  { value: 'POST', label: 'POST' },
];

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
  const { options, defaults, set, scope } = props;
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
          tooltip={`How to ask. Default: ${defaults.method}.`}
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
      <InlineFieldRow>
        <TextField
          {...option('rows')}
          width={24}
          label="Rows"
          tooltip={`JSON pointer to the array of rows in the answer; empty where the answer is the array. Default: ${defaults.rows}.`}
          placeholder="the whole answer"
          validate={jsonPointer}
        />
        <TextField
          {...option('time')}
          width={14}
          label="Time"
          labelWidth={10}
          tooltip={`JSON pointer to the time inside a row: /0 is the first element of an array, /t the key t of an object. Default: ${defaults.time}.`}
          validate={jsonPointer}
        />
        <TextField
          {...option('value')}
          width={14}
          label="Value"
          labelWidth={10}
          tooltip={`JSON pointer to the value inside a row. Default: ${defaults.value}.`}
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
          tooltip="Labels taken from each row: rows with the same labels make one series. Default: none, all rows are one series."
          noun="Label"
          columns={[
            { name: 'name', placeholder: 'host' },
            { name: 'pointer', placeholder: '/2', validate: jsonPointer },
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
    </>
  );
}
