import { InlineFieldRow } from '@grafana/ui';
import React from 'react';

import { LIMITS } from '../defaults';
import { bindOptions, NumberField, RadioField, TextField } from '../fields';
import { type KindEditorProps } from '../kinds';
import { SEASONAL_METHODS } from '../queryOptions';
import { selectors } from '../selectors';
import { type SeasonalOptions } from '../types';
import { durations, listed, timeZone } from '../validation';

const ids = selectors.seasonal;
const MOST_PERIODS = 4;

export function SeasonalEditor(props: KindEditorProps<SeasonalOptions>) {
  const { options, defaults, set, scope } = props;
  const { option, number } = bindOptions(ids, props);
  return (
    <>
      <InlineFieldRow>
        <RadioField
          {...option('method')}
          label="Method"
          tooltip="MSTL follows a trend; quantiles take the median at the same time of the longest season."
          options={SEASONAL_METHODS}
        />
        <NumberField
          {...number('coverage')}
          width={14}
          label="Coverage"
          tooltip="Share of ordinary points within the band; the rest is flagged."
          limits={LIMITS.coverage}
        />
      </InlineFieldRow>
      <InlineFieldRow>
        <TextField
          scope={scope}
          testId={ids.periods}
          label="Seasons"
          tooltip="Lengths of the seasons, such as 1d, 7d. Empty: a day and a week, if the training window holds three."
          value={options.periods.join(', ')}
          placeholder="1d, 7d"
          validate={durations(MOST_PERIODS)}
          onCommit={(text) => set('periods', listed(text))}
        />
        <TextField
          scope={scope}
          testId={ids.timeZone}
          label="Time zone"
          tooltip="Seasons keep to the clock there, also when daylight saving begins. An IANA name. Default: UTC."
          value={options.timeZone}
          validate={(text) => (text.trim() === '' ? undefined : timeZone(text))}
          onCommit={(text) => set('timeZone', text.trim() === '' ? defaults.timeZone : text.trim())}
        />
      </InlineFieldRow>
    </>
  );
}
