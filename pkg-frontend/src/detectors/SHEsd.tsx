import { InlineFieldRow } from '@grafana/ui';
import React from 'react';

import { LIMITS } from '../defaults';
import { NumberField, SelectField, SwitchField } from '../fields';
import { type KindEditorProps } from '../kinds';
import { ESD_PARTS, ESD_SIDES, ESD_THRESHOLDS } from '../queryOptions';
import { selectors } from '../selectors';
import { type SHEsdOptions } from '../types';

const ids = selectors.sHEsd;

export function SHEsdEditor({ options, defaults, set, scope }: KindEditorProps<SHEsdOptions>) {
  const knob = { scope, width: 14 };
  const inPieces = options.longterm && options.longtermPeriod === null;
  return (
    <>
      <InlineFieldRow>
        <NumberField
          {...knob}
          testId={ids.maxAnoms}
          label="Max anomalies"
          tooltip="maxAnoms: the largest share of the points of a run that may be anomalies."
          value={options.maxAnoms}
          byDefault={defaults.maxAnoms}
          limits={LIMITS.maxAnoms}
          onCommit={(value) => set('maxAnoms', value ?? defaults.maxAnoms)}
        />
        <NumberField
          {...knob}
          testId={ids.alpha}
          label="Alpha"
          tooltip="alpha: the chance of an anomaly in a run that has none. Smaller values flag less."
          value={options.alpha}
          byDefault={defaults.alpha}
          limits={LIMITS.alpha}
          onCommit={(value) => set('alpha', value ?? defaults.alpha)}
        />
        <SelectField
          {...knob}
          testId={ids.direction}
          label="Tested side"
          tooltip="direction: the side of the expected value that is tested. Default: as the query's direction says."
          value={options.direction ?? ''}
          options={ESD_SIDES}
          onCommit={(side) => set('direction', side === '' ? null : side)}
        />
      </InlineFieldRow>
      <InlineFieldRow>
        <NumberField
          {...knob}
          testId={ids.period}
          label="Period"
          tooltip="period: points in a season. Empty: a day, or a week of daily points."
          value={options.period}
          byDefault={defaults.period}
          limits={LIMITS.seasonPoints}
          placeholder="a day"
          onCommit={(value) => set('period', value)}
        />
        <SelectField
          {...knob}
          testId={ids.threshold}
          label="Peaks only"
          tooltip="threshold: flag only values of at least this level, taken from the highest value of each day."
          value={options.threshold}
          options={ESD_THRESHOLDS}
          onCommit={(threshold) => set('threshold', threshold)}
        />
        <SelectField
          {...knob}
          testId={ids.onlyLast}
          label="Only last"
          tooltip="onlyLast: flag only the newest part of the visible range, where that is what is trained on."
          value={options.onlyLast ?? ''}
          options={ESD_PARTS}
          onCommit={(part) => set('onlyLast', part === '' ? null : part)}
        />
      </InlineFieldRow>
      <InlineFieldRow>
        <SwitchField
          scope={scope}
          testId={ids.longterm}
          label="Long term"
          tooltip="longterm: judge in pieces with a median each, for long series with a trend."
          value={options.longterm}
          onCommit={(longterm) => set('longterm', longterm)}
        />
        {inPieces && (
          <NumberField
            {...knob}
            testId={ids.weeks}
            label="Piece"
            tooltip="piecewiseMedianPeriodWeeks: how long a piece is."
            value={options.piecewiseMedianPeriodWeeks}
            byDefault={defaults.piecewiseMedianPeriodWeeks}
            limits={LIMITS.weeks}
            onCommit={(value) => set('piecewiseMedianPeriodWeeks', value ?? defaults.piecewiseMedianPeriodWeeks)}
          />
        )}
        {(!options.longterm || options.longtermPeriod !== null) && (
          <NumberField
            {...knob}
            testId={ids.longtermPeriod}
            label="Piece in points"
            tooltip="longtermPeriod: judge in pieces of so many points, at least two periods. Not together with long term."
            value={options.longtermPeriod}
            byDefault={defaults.longtermPeriod}
            limits={LIMITS.piecePoints}
            placeholder="off"
            onCommit={(value) => set('longtermPeriod', value)}
          />
        )}
        <SwitchField
          scope={scope}
          testId={ids.eValue}
          label="Season + trend"
          tooltip="eValue: show as expected what the original does, season + trend without decimals, not season + median."
          value={options.eValue}
          onCommit={(eValue) => set('eValue', eValue)}
        />
      </InlineFieldRow>
    </>
  );
}
