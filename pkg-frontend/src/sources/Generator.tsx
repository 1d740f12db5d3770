import { type SelectableValue } from '@grafana/data';
import { InlineFieldRow, MultiSelect } from '@grafana/ui';
import React, { useEffect, useState } from 'react';

import { DURATION_LIMITS, GENERATOR_SERIES, LIMITS } from '../defaults';
import { bindOptions, DurationField, Labelled, NumberField, SwitchField } from '../fields';
import { type KindEditorProps } from '../kinds';
import { inputId, selectors } from '../selectors';
import { type GeneratorOptions, type GeneratorSeries } from '../types';

const ids = selectors.generator;

/** Which series an option shapes; the other options count for all of them. */
const SHAPES: Partial<Record<keyof GeneratorOptions, GeneratorSeries[]>> = {
  median: ['median'],
  err: ['median'],
  outlierErr: ['median'],
  outlierShare: ['median', 'sine', 'cosine'],
  period: ['sine', 'cosine'],
};

export function GeneratorEditor(props: KindEditorProps<GeneratorOptions>) {
  const { options, defaults, set, datasource, scope } = props;
  const { option, number } = bindOptions(ids, props);
  const [offered, setOffered] = useState(GENERATOR_SERIES);
  useEffect(() => {
    let mounted = true;
    void datasource.getGeneratorSeries().then((series) => mounted && setOffered(series));
    return () => {
      mounted = false;
    };
  }, [datasource]);

  const choices: Array<SelectableValue<GeneratorSeries>> = offered;
  const has = (option: keyof GeneratorOptions) => SHAPES[option]?.some((series) => options.series.includes(series));

  return (
    <>
      <InlineFieldRow>
        <Labelled
          testId={ids.series}
          scope={scope}
          label="Series"
          tooltip={`The series to make, one or more. Default: ${defaults.series.join(', ')}.`}
        >
          <MultiSelect
            inputId={inputId(ids.series, scope)}
            aria-label="Series"
            options={choices}
            value={options.series.map((value) => choices.find((c) => c.value === value) ?? { value, label: value })}
            onChange={(chosen) => {
              const series = chosen.flatMap(({ value }) => (value === undefined ? [] : [value]));
              set('series', series.length === 0 ? defaults.series : series);
            }}
            width={48}
            menuShouldPortal
          />
        </Labelled>
        <NumberField
          {...number('seed')}
          width={14}
          label="Data seed"
          labelWidth={14}
          tooltip="Start of the random numbers. The same seed makes the same series, always."
          limits={LIMITS.seed}
        />
        <SwitchField
          {...option('truth')}
          label="Truth"
          labelWidth={10}
          tooltip="Adds a field that is 1 where an outlier was put and 0 elsewhere, to judge a detector by. Default: off."
        />
      </InlineFieldRow>
      <InlineFieldRow>
        {has('median') && (
          <NumberField
            {...number('median')}
            width={14}
            label="Median"
            tooltip="The value that the median series lies around."
            limits={LIMITS.median}
          />
        )}
        {has('err') && (
          <NumberField
            {...number('err')}
            width={14}
            label="Spread"
            tooltip="How far ordinary points of the median series stray from the median, to both sides."
            limits={LIMITS.err}
          />
        )}
        {has('outlierErr') && (
          <NumberField
            {...number('outlierErr')}
            width={14}
            label="Outlier spread"
            tooltip="How far outliers of the median series lie outside the ordinary points, at most."
            limits={LIMITS.outlierErr}
          />
        )}
        {has('outlierShare') && (
          <NumberField
            {...number('outlierShare')}
            width={14}
            label="Outlier share"
            tooltip="The share of points that are outliers, half of them below and half above."
            limits={LIMITS.outlierShare}
          />
        )}
        {has('period') && (
          <DurationField
            testId={ids.period}
            scope={scope}
            width={14}
            label="Period"
            tooltip="The length of one wave of sine and cosine."
            value={options.period}
            byDefault={defaults.period}
            limits={DURATION_LIMITS.period}
            onCommit={(period) => set('period', period)}
          />
        )}
      </InlineFieldRow>
    </>
  );
}
