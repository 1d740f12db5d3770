import { InlineFieldRow } from '@grafana/ui';
import { isUndefined, omitBy } from 'lodash';
import React from 'react';

import { COMMON_DEFAULTS, DURATION_LIMITS } from './defaults';
import { DurationField, NumberField, Section, TextField } from './fields';
import { percent, rulesSummary } from './queryOptions';
import { selectors } from './selectors';
import { type CommonOptions } from './types';
import { muted, mutes, type NumberLimits } from './validation';

const ids = selectors.query;
const NOT_NEGATIVE: NumberLimits = { min: 0 };
const POINTS: NumberLimits = { min: 0, max: 1000, integer: true };

interface Props {
  options: CommonOptions;
  set: <K extends keyof CommonOptions>(key: K, value: CommonOptions[K]) => void;
  scope: string;
}

/** What a person knows and no detector can. Closed at first: without rules the detector alone decides. */
export function RulesSection({ options, set, scope }: Props) {
  const { minDeviation, validRange } = options;
  const setPart = <K extends 'minDeviation' | 'validRange'>(
    key: K,
    name: keyof CommonOptions[K],
    value: number | null,
  ) => set(key, omitBy({ ...options[key], [name]: value ?? undefined }, isUndefined) as CommonOptions[K]);
  const part = <K extends 'minDeviation' | 'validRange'>(key: K, name: keyof CommonOptions[K], width?: number) => ({
    scope,
    value: (options[key][name] as number | undefined) ?? null,
    byDefault: null,
    width,
    onCommit: (value: number | null) => setPart(key, name, value),
  });
  return (
    <Section testId={ids.rulesSection} scope={scope} title="Rules" summary={rulesSummary(options)}>
      <InlineFieldRow>
        <NumberField
          {...part('minDeviation', 'absolute', 14)}
          testId={ids.minDeviation}
          label="Min deviation"
          tooltip="A value that is nearer than this to what is expected is no outlier; the band is as wide at least. In the unit of the values."
          limits={NOT_NEGATIVE}
        />
        <NumberField
          {...part('minDeviation', 'relative', 14)}
          testId={ids.minDeviationRelative}
          label="or percent"
          tooltip="The same as a share of the expected value; where both are set, the larger one counts."
          limits={{ ...NOT_NEGATIVE, unit: '%' }}
          value={minDeviation.relative === undefined ? null : percent(minDeviation.relative)}
          onCommit={(value) => setPart('minDeviation', 'relative', value === null ? null : value / 100)}
        />
      </InlineFieldRow>
      <InlineFieldRow>
        <NumberField
          {...part('validRange', 'min', 14)}
          testId={ids.validMin}
          label="Valid from"
          tooltip="A value below this is always an outlier, at once. Expected values and bands stay above."
          limits={validRange.max === undefined ? {} : { max: validRange.max }}
        />
        <NumberField
          {...part('validRange', 'max', 14)}
          testId={ids.validMax}
          label="to"
          tooltip="A value above this is always an outlier, at once. Expected values and bands stay below."
          limits={validRange.min === undefined ? {} : { min: validRange.min }}
        />
      </InlineFieldRow>
      <InlineFieldRow>
        <NumberField
          testId={ids.minPoints}
          scope={scope}
          label="Min points"
          tooltip="Points in a row that are out of the ordinary before the last of them is flagged."
          width={14}
          value={options.minPoints}
          byDefault={COMMON_DEFAULTS.minPoints}
          limits={POINTS}
          onCommit={(value) => set('minPoints', value ?? COMMON_DEFAULTS.minPoints)}
        />
        <DurationField
          testId={ids.minDuration}
          scope={scope}
          label="Min duration"
          tooltip="How long points are out of the ordinary before they are flagged. Alert rules wait for it too."
          width={14}
          value={options.minDuration}
          byDefault={COMMON_DEFAULTS.minDuration}
          limits={DURATION_LIMITS.minDuration}
          onCommit={(value) => set('minDuration', value)}
        />
      </InlineFieldRow>
      <InlineFieldRow>
        <TextField
          testId={ids.mute}
          scope={scope}
          label="Mute"
          tooltip="Times at which nothing is flagged, with semicolons between: days or dates, times, and a time zone (UTC without one). Default: none."
          placeholder="Sun 02:00-04:00 Europe/Berlin; 12-24..12-26"
          grow
          value={options.mute.join('; ')}
          validate={muted}
          onCommit={(text) => set('mute', mutes(text))}
        />
      </InlineFieldRow>
    </Section>
  );
}
