import { InlineFieldRow } from '@grafana/ui';
import { isEmpty, pickBy } from 'lodash';
import React from 'react';

import { COMMON_DEFAULTS } from './defaults';
import { DurationField, NumberField, Section, TextField } from './fields';
import { percent, rulesSummary } from './queryOptions';
import { helped } from './schema';
import { COMMON_SCHEMA } from './schema.gen';
import { selectors } from './selectors';
import { type CommonOptions } from './types';
import { muted, mutes, type NumberLimits } from './validation';

const ids = selectors.query;
const NOT_NEGATIVE: NumberLimits = { min: 0 };

/** The rules of several parts, each of which may be left out. */
type Parted = 'minDeviation' | 'validRange';

interface Props {
  options: CommonOptions;
  set: <K extends keyof CommonOptions>(key: K, value: CommonOptions[K]) => void;
  scope: string;
}

/** What a person knows and no detector can. Closed at first: without rules the detector alone decides. */
export function RulesSection({ options, set, scope }: Props) {
  const { validRange } = options;
  const setPart = <K extends Parted>(key: K, name: keyof CommonOptions[K], value: number | null) => {
    const byDefault = COMMON_DEFAULTS[key];
    const said = pickBy(
      { ...options[key], [name]: value },
      (part, of) => part !== byDefault[of as keyof CommonOptions[K]],
    );
    set(key, isEmpty(said) ? byDefault : (said as CommonOptions[K]));
  };
  const part = <K extends Parted>(key: K, name: keyof CommonOptions[K]) => {
    const byDefault = COMMON_DEFAULTS[key][name] as number | null;
    return {
      scope,
      value: (options[key][name] as number | null | undefined) ?? byDefault,
      byDefault,
      width: 14,
      onCommit: (value: number | null) => setPart(key, name, value),
    };
  };
  return (
    <Section testId={ids.rulesSection} scope={scope} title="Rules" summary={rulesSummary(options)}>
      <InlineFieldRow>
        <NumberField
          {...part('minDeviation', 'absolute')}
          testId={ids.minDeviation}
          label="Min deviation"
          tooltip="A value that is nearer than this to what is expected is no outlier; the band is as wide at least. In the unit of the values."
          limits={NOT_NEGATIVE}
        />
        <NumberField
          {...part('minDeviation', 'relative')}
          testId={ids.minDeviationRelative}
          label="or percent"
          tooltip="The same as a share of the expected value; where both are set, the larger one counts."
          limits={{ ...NOT_NEGATIVE, unit: '%' }}
          value={percent(options.minDeviation.relative ?? 0)}
          onCommit={(value) => setPart('minDeviation', 'relative', (value ?? 0) / 100)}
        />
      </InlineFieldRow>
      <InlineFieldRow>
        <NumberField
          {...part('validRange', 'min')}
          testId={ids.validMin}
          label="Valid from"
          tooltip="A value below this is always an outlier, at once. Expected values and bands stay above."
          limits={{ max: validRange.max ?? undefined }}
        />
        <NumberField
          {...part('validRange', 'max')}
          testId={ids.validMax}
          label="to"
          tooltip="A value above this is always an outlier, at once. Expected values and bands stay below."
          limits={{ min: validRange.min ?? undefined }}
        />
      </InlineFieldRow>
      <InlineFieldRow>
        <NumberField
          testId={ids.minPoints}
          scope={scope}
          label={COMMON_SCHEMA.minPoints.label}
          tooltip={COMMON_SCHEMA.minPoints.help ?? ''}
          width={14}
          value={options.minPoints}
          byDefault={COMMON_DEFAULTS.minPoints}
          limits={COMMON_SCHEMA.minPoints.limits ?? {}}
          onCommit={(value) => set('minPoints', value ?? COMMON_DEFAULTS.minPoints)}
        />
        <DurationField
          testId={ids.minDuration}
          scope={scope}
          label={COMMON_SCHEMA.minDuration.label}
          tooltip={COMMON_SCHEMA.minDuration.help ?? ''}
          width={14}
          value={options.minDuration}
          byDefault={COMMON_DEFAULTS.minDuration}
          limits={COMMON_SCHEMA.minDuration.duration ?? {}}
          onCommit={(value) => set('minDuration', value)}
        />
      </InlineFieldRow>
      <InlineFieldRow>
        <TextField
          {...helped(COMMON_SCHEMA.mute)}
          testId={ids.mute}
          scope={scope}
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
