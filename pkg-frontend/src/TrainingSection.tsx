import { InlineFieldRow } from '@grafana/ui';
import React from 'react';

import { COMMON_DEFAULTS } from './defaults';
import { DurationField, RadioField, Section } from './fields';
import { TRAININGS, trainingSummary } from './queryOptions';
import { helped } from './schema';
import { COMMON_SCHEMA } from './schema.gen';
import { selectors } from './selectors';
import { type CommonOptions } from './types';

const ids = selectors.query;

interface Props {
  options: CommonOptions;
  set: <K extends keyof CommonOptions>(key: K, value: CommonOptions[K]) => void;
  scope: string;
}

/** What the models are trained on. Closed at first: the defaults do for most. */
export function TrainingSection({ options, set, scope }: Props) {
  const duration = (key: 'trainingWindow' | 'refitInterval' | 'step' | 'settle') => ({
    label: COMMON_SCHEMA[key].label,
    tooltip: COMMON_SCHEMA[key].help ?? '',
    scope,
    testId: ids[key],
    width: 14,
    value: options[key],
    byDefault: COMMON_DEFAULTS[key],
    limits: COMMON_SCHEMA[key].duration ?? {},
    onCommit: (value: string) => set(key, value),
  });
  return (
    <Section testId={ids.trainingSection} scope={scope} title="Training" summary={trainingSummary(options)}>
      <InlineFieldRow>
        <RadioField
          {...helped(COMMON_SCHEMA.training)}
          testId={ids.training}
          scope={scope}
          value={options.training}
          options={TRAININGS}
          onCommit={(training) => set('training', training)}
        />
      </InlineFieldRow>
      <InlineFieldRow>
        {options.training === 'window' && (
          <>
            <DurationField {...duration('trainingWindow')} />
            <DurationField {...duration('refitInterval')} />
          </>
        )}
        <DurationField {...duration('step')} />
        <DurationField {...duration('settle')} labelWidth={10} />
      </InlineFieldRow>
    </Section>
  );
}
