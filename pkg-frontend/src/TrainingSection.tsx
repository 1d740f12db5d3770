import { InlineFieldRow } from '@grafana/ui';
import React from 'react';

import { COMMON_DEFAULTS, DURATION_LIMITS } from './defaults';
import { DurationField, RadioField, Section } from './fields';
import { TRAININGS, trainingSummary } from './queryOptions';
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
    scope,
    testId: ids[key],
    width: 14,
    value: options[key],
    byDefault: COMMON_DEFAULTS[key],
    limits: DURATION_LIMITS[key],
    onCommit: (value: string) => set(key, value),
  });
  return (
    <Section testId={ids.trainingSection} scope={scope} title="Training" summary={trainingSummary(options)}>
      <InlineFieldRow>
        <RadioField
          testId={ids.training}
          scope={scope}
          label="Train on"
          tooltip={
            'The window before: a point has the same verdict in every panel, alert rule and zoom. The visible range: ' +
            'for a quick look. Default: Window before.'
          }
          value={options.training}
          options={TRAININGS}
          onCommit={(training) => set('training', training)}
        />
      </InlineFieldRow>
      <InlineFieldRow>
        {options.training === 'window' && (
          <>
            <DurationField
              {...duration('trainingWindow')}
              label="Training window"
              tooltip="Length of the history that a model is trained on; it ends where the points that it judges begin. Auto: what suits the detector (7d; about 4000 points for the automatic one)."
            />
            <DurationField
              {...duration('refitInterval')}
              label="Refit every"
              tooltip="How long a model judges before the next one is trained. Auto: 1d; 12 points for the automatic detector."
            />
          </>
        )}
        <DurationField
          {...duration('step')}
          label="Step"
          tooltip="Distance of the points that the upstream is asked for. Auto: the training window divided by about 2000, rounded (7d gives 5m). The generator has its own: 5m with web traffic, else 15m."
        />
        <DurationField
          {...duration('settle')}
          label="Settle"
          labelWidth={10}
          tooltip="For how long the newest points are left out, because late data may still change them; up to 1d. Auto: as the data source settings say, and as long as the upstream needs."
        />
      </InlineFieldRow>
    </Section>
  );
}
