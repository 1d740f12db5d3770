/** The choices of a query that are no kinds. */
import { type SelectableValue } from '@grafana/data';

import {
  type ChangeKinds,
  type CommonOptions,
  type Direction,
  type EsdPart,
  type EsdSide,
  type EsdThreshold,
  type ForestFeature,
  type Missing,
  type Output,
  type SeasonalMethod,
  type Training,
  type Transform,
} from './types';

export const DIRECTIONS: Array<SelectableValue<Direction>> = [
  { value: 'both', label: 'Both' },
  { value: 'high', label: 'High' },
  { value: 'low', label: 'Low' },
];

export const TRAININGS: Array<SelectableValue<Training>> = [
  { value: 'window', label: 'Window before', description: 'A point never trains the model that judges it' },
  { value: 'visible-range', label: 'Visible range', description: 'For a quick look: scores change with the zoom' },
];

export const TRANSFORMS: Array<SelectableValue<Transform>> = [
  { value: 'none', label: 'As they are' },
  { value: 'rate', label: 'Rate', description: 'For counters: how fast they rise, a second' },
];

export const OUTPUTS: Array<SelectableValue<Output>> = [
  { value: 'all', label: 'Everything', description: 'Value, expected band, outliers, score and events' },
  { value: 'state', label: 'State', description: 'Normal, high, low, missing or muted, for a state timeline' },
  { value: 'events', label: 'Events', description: 'One row an outlier, for annotations and tables' },
  { value: 'score', label: 'Score', description: '0 to 1, one series each' },
  { value: 'series', label: 'Series', description: 'One row a series, the most conspicuous first, for tables' },
  { value: 'alert', label: 'Alert', description: '1 where there is an outlier, else 0; for expressions' },
  {
    value: 'annotations',
    label: 'Annotations of the upstream',
    description: 'What the upstream itself says happened; nothing is judged',
  },
];

export const MISSINGS: Array<SelectableValue<Missing>> = [
  { value: 'no-data', label: 'No data', description: 'A silent series is left out: the rule says what no data means' },
  { value: 'outlier', label: 'Outlier', description: '1, as an outlier' },
  { value: 'normal', label: 'Normal', description: '0, as if nothing were missing' },
];

export const FOREST_FEATURES: Array<SelectableValue<ForestFeature>> = [
  { value: 'value', label: 'Value' },
  { value: 'difference', label: 'Difference', description: 'To the point before: jumps' },
  { value: 'rolling-mean', label: 'Rolling mean', description: 'Of the last points: levels' },
  { value: 'rolling-std', label: 'Rolling deviation', description: 'Of the last points: bursts and flat lines' },
  { value: 'time-of-day', label: 'Time of day', description: 'What is normal may depend on the hour' },
];

export const CHANGE_KINDS: Array<SelectableValue<ChangeKinds>> = [
  { value: 'level', label: 'Level' },
  { value: 'variance', label: 'Noise' },
  { value: 'both', label: 'Both' },
];

/** An empty value stands for null, which a select cannot hold. */
export const ESD_SIDES: Array<SelectableValue<EsdSide | ''>> = [
  { value: '', label: 'As the query', description: "Follows the query's direction" },
  { value: 'pos', label: 'pos', description: 'Only high values are tested' },
  { value: 'neg', label: 'neg', description: 'Only low values are tested' },
  { value: 'both', label: 'both', description: 'Both sides, each at half of alpha' },
];

export const ESD_PARTS: Array<SelectableValue<EsdPart | ''>> = [
  { value: '', label: 'All' },
  { value: 'day', label: 'day', description: 'The last day of the run' },
  { value: 'hr', label: 'hr', description: 'The last hour of the run' },
  { value: 'period', label: 'period', description: 'The last season of the run' },
];

export const ESD_THRESHOLDS: Array<SelectableValue<EsdThreshold>> = [
  { value: 'None', label: 'None' },
  { value: 'med_max', label: 'med_max', description: 'Median of the daily maxima' },
  { value: 'p95', label: 'p95', description: '95th percentile of the daily maxima' },
  { value: 'p99', label: 'p99', description: '99th percentile of the daily maxima' },
];

export const SEASONAL_METHODS: Array<SelectableValue<SeasonalMethod>> = [
  { value: 'mstl', label: 'MSTL', description: 'A trend and seasonal medians around it' },
  { value: 'quantiles', label: 'Quantiles', description: 'The median at the same time of the longest season' },
];

/** How the models are trained, in a few words. */
export function trainingSummary({ training, trainingWindow, refitInterval, step }: CommonOptions): string {
  return training === 'visible-range'
    ? `on the visible range, step ${step}`
    : `window ${trainingWindow}, refit ${refitInterval}, step ${step}`;
}

/** The rules that are set, in a few words. */
export function rulesSummary(options: CommonOptions): string {
  const { minDeviation, validRange, minPoints, minDuration, mute } = options;
  const { absolute, relative } = minDeviation;
  const deviations = [absolute && String(absolute), relative && `${percent(relative)} %`].filter(Boolean);
  const { min, max } = validRange;
  const said = [
    deviations.length > 0 && `at least ${deviations.join(' and ')} off`,
    (min !== undefined || max !== undefined) && `valid ${min ?? 'any'} to ${max ?? 'any'}`,
    minPoints > 1 && `for ${minPoints} points`,
    minDuration !== 'none' && `for ${minDuration}`,
    mute.length > 0 && `muted ${mute.join('; ')}`,
  ].filter(Boolean);
  return said.length > 0 ? said.join(', ') : 'none';
}

/** A share in percent, without the digits that floating point adds. */
export function percent(share: number): number {
  return Number((share * 100).toPrecision(12));
}
