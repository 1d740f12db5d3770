import { InlineFieldRow } from '@grafana/ui';
import React from 'react';

import { LIMITS } from '../defaults';
import { bindOptions, NumberField, SelectField, SwitchField } from '../fields';
import { type KindEditorProps } from '../kinds';
import { ESD_PARTS, ESD_SIDES, ESD_THRESHOLDS } from '../queryOptions';
import { selectors } from '../selectors';
import { type SHEsdOptions } from '../types';

const ids = selectors.sHEsd;

export function SHEsdEditor(props: KindEditorProps<SHEsdOptions>) {
  const { options, set, scope } = props;
  const { option, number } = bindOptions(ids, props);
  const knob = { width: 14 };
  const inPieces = options.longterm && options.longtermPeriod === null;
  return (
    <>
      <InlineFieldRow>
        <NumberField
          {...number('maxAnoms')}
          {...knob}
          label="Max anomalies"
          tooltip="maxAnoms: the largest share of the points of a run that may be anomalies."
          limits={LIMITS.maxAnoms}
        />
        <NumberField
          {...number('alpha')}
          {...knob}
          label="Alpha"
          tooltip="alpha: the chance of an anomaly in a run that has none. Smaller values flag less."
          limits={LIMITS.alpha}
        />
        <SelectField
          {...knob}
          scope={scope}
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
          {...number('period')}
          {...knob}
          label="Period"
          tooltip="period: points in a season. Empty: a day, or a week of daily points."
          limits={LIMITS.seasonPoints}
          placeholder="a day"
        />
        <SelectField
          {...option('threshold')}
          {...knob}
          label="Peaks only"
          tooltip="threshold: flag only values of at least this level, taken from the highest value of each day."
          options={ESD_THRESHOLDS}
        />
        <SelectField
          {...knob}
          scope={scope}
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
          {...option('longterm')}
          label="Long term"
          tooltip="longterm: judge in pieces with a median each, for long series with a trend."
        />
        {inPieces && (
          <NumberField
            {...number('piecewiseMedianPeriodWeeks')}
            {...knob}
            label="Piece"
            tooltip="piecewiseMedianPeriodWeeks: how long a piece is."
            limits={LIMITS.weeks}
          />
        )}
        {(!options.longterm || options.longtermPeriod !== null) && (
          <NumberField
            {...number('longtermPeriod')}
            {...knob}
            label="Piece in points"
            tooltip="longtermPeriod: judge in pieces of so many points, at least two periods. Not together with long term."
            limits={LIMITS.piecePoints}
            placeholder="off"
          />
        )}
        <SwitchField
          {...option('eValue')}
          label="Season + trend"
          tooltip="eValue: show as expected what the original does, season + trend without decimals, not season + median."
        />
      </InlineFieldRow>
    </>
  );
}
