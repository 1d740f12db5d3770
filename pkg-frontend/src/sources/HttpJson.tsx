import { Alert, InlineFieldRow } from '@grafana/ui';
import React from 'react';

import { bindOptions, type Pair, PairsField, RadioField, SelectField, TextField } from '../fields';
import { type KindEditorProps } from '../kinds';
import { choicesOf } from '../schema';
import { SOURCE_SCHEMAS } from '../schema.gen';
import { selectors } from '../selectors';
import { type HttpJsonOptions, type RowForm } from '../types';
import { jsonPointer, labelPlace, path, rowsPlace } from '../validation';

import { Preview } from './Preview';

const ids = selectors.httpJson;
const schemas = SOURCE_SCHEMAS['http-json'].options;

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

const MACROS =
  'Macros: ${__from} and ${__to} (milliseconds since the epoch; ${__from:date:seconds}, ${__from:date:iso}), ' +
  '$__interval, $__interval_ms, $__maxDataPoints. They span the training window too, not only the visible range.';

export function HttpJsonEditor(props: KindEditorProps<HttpJsonOptions>) {
  const { options, defaults, set, scope, datasource, range } = props;
  const isTable = options.format === 'csv';
  const places = isTable ? { time: `Name or index ${COLUMN}`, value: `Name or index ${COLUMN}` } : PLACES[options.form];
  const { option } = bindOptions(ids, props, schemas);
  const orDefault = (key: 'path' | 'name') => ({
    ...option(key),
    onCommit: (value: string) => set(key, value === '' ? defaults[key] : value),
  });

  return (
    <>
      <InlineFieldRow>
        <RadioField {...option('method')} options={choicesOf<HttpJsonOptions['method']>(schemas.method)} />
        <TextField
          {...orDefault('path')}
          grow
          labelWidth={10}
          tooltip={`${option('path').tooltip} ${MACROS}`}
          placeholder={defaults.path}
          validate={path}
        />
      </InlineFieldRow>
      <InlineFieldRow>
        <PairsField
          testId={ids.params}
          scope={scope}
          label="Parameters"
          tooltip={`${schemas.params?.help} Default: from=\${__from}, to=\${__to}. ${MACROS}`}
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
            tooltip={`${option('body').tooltip} ${MACROS}`}
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
        <SelectField {...option('format')} width={24} options={choicesOf<HttpJsonOptions['format']>(schemas.format)} />
        {!isTable && <RadioField {...option('form')} labelWidth={10} options={choicesOf<RowForm>(schemas.form)} />}
      </InlineFieldRow>
      <InlineFieldRow>
        {!isTable && <TextField {...option('rows')} width={24} placeholder="the whole answer" validate={rowsPlace} />}
        {(isTable || options.form !== 'keyed') && (
          <TextField
            {...option('time')}
            width={14}
            labelWidth={10}
            tooltip={`${places.time} Default: ${defaults.time}.`}
            validate={jsonPointer}
          />
        )}
        <TextField
          {...option('value')}
          width={14}
          labelWidth={10}
          tooltip={`${places.value} Default: ${defaults.value}.`}
          validate={jsonPointer}
        />
      </InlineFieldRow>
      <InlineFieldRow>
        <SelectField
          {...option('timeFormat')}
          width={24}
          options={choicesOf<HttpJsonOptions['timeFormat']>(schemas.timeFormat)}
        />
        <TextField {...orDefault('name')} width={14} labelWidth={10} placeholder={defaults.name} />
        <TextField {...option('unit')} width={14} labelWidth={10} placeholder="none" />
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
