import { InlineFieldRow } from '@grafana/ui';
import React, { useEffect, useState } from 'react';

import { bindOptions, type Pair, PairsField, RadioField, SuggestField, TextField } from '../fields';
import { type KindEditorProps } from '../kinds';
import { choicesOf } from '../schema';
import { SOURCE_SCHEMAS } from '../schema.gen';
import { selectors } from '../selectors';
import { type Choice, type SimpleJsonOptions } from '../types';

const ids = selectors.simpleJson;
const schemas = SOURCE_SCHEMAS['simple-json'].options;

export function SimpleJsonEditor(props: KindEditorProps<SimpleJsonOptions>) {
  const { options, set, datasource, scope } = props;
  const { option } = bindOptions(ids, props, schemas);
  const payloads = usePayloads(datasource, options.target);
  const offered = new Set(payloads.map(({ value }) => value));
  const others = Object.entries(options.payload).filter(([name]) => !offered.has(name));
  const setPayload = (name: string, value: string) => set('payload', withEntry(options.payload, name, value));

  return (
    <>
      <InlineFieldRow>
        <SuggestField
          {...option('target')}
          placeholder="choose or type"
          width={48}
          load={(search) => datasource.getChoices('metrics', { search })}
        />
        <RadioField {...option('type')} labelWidth={10} options={choicesOf<SimpleJsonOptions['type']>(schemas.type)} />
        <TextField {...option('unit')} width={14} labelWidth={10} placeholder="none" />
      </InlineFieldRow>
      {payloads.length > 0 && (
        <InlineFieldRow>
          {payloads.map(({ value: name, label, description }) => (
            <SuggestField
              key={name}
              testId={`${ids.payload}-${name}`}
              scope={scope}
              label={label}
              tooltip={`The server offers this ${description ?? 'input'} for the metric; it is sent as "${name}" in the payload.`}
              value={textOf(options.payload[name])}
              load={(search) =>
                datasource.getChoices('payload-options', {
                  metric: options.target,
                  name,
                  search,
                  payload: JSON.stringify(options.payload),
                })
              }
              onCommit={(value) => setPayload(name, value)}
            />
          ))}
        </InlineFieldRow>
      )}
      <InlineFieldRow>
        <PairsField
          testId={ids.payload}
          scope={scope}
          label="Payload"
          tooltip="More data for the server, sent as payload and as data. A value may be JSON; anything else is text. Default: none."
          noun="Entry"
          columns={[
            { name: 'name', placeholder: 'region' },
            { name: 'value', placeholder: 'eu, 3 or ["a", "b"]' },
          ]}
          value={others.map(([name, value]): Pair => [name, textOf(value)])}
          onCommit={(pairs) => {
            const kept = Object.entries(options.payload).filter(([name]) => offered.has(name));
            const entered = pairs.map(([name, text]): [string, unknown] => [name, valueOf(text)]);
            set('payload', Object.fromEntries([...kept, ...entered]));
          }}
        />
      </InlineFieldRow>
      <InlineFieldRow>
        <TextField {...option('annotation')} grow placeholder="#deploy" />
      </InlineFieldRow>
    </>
  );
}

/** What the server wants to know besides the metric; servers of the older protocol want nothing. */
function usePayloads(datasource: KindEditorProps<SimpleJsonOptions>['datasource'], metric: string): Array<Choice> {
  const [payloads, setPayloads] = useState<Choice[]>([]);
  useEffect(() => {
    let mounted = true;
    const asked = metric === '' ? Promise.resolve([]) : datasource.getChoices('payloads', { metric });
    void asked.then((found) => mounted && setPayloads(found));
    return () => {
      mounted = false;
    };
  }, [datasource, metric]);
  return payloads;
}

function withEntry(payload: Record<string, unknown>, name: string, text: string): Record<string, unknown> {
  const others = Object.entries(payload).filter(([key]) => key !== name);
  return Object.fromEntries(text === '' ? others : [...others, [name, valueOf(text)]]);
}

/** JSON where it is JSON but no text of its own, else the text itself: variables and names need no quotes. */
function valueOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function textOf(value: unknown): string {
  if (value === undefined) {
    return '';
  }
  // Text that would be read as JSON keeps its quotes.
  return typeof value === 'string' && valueOf(value) === value ? value : JSON.stringify(value);
}
