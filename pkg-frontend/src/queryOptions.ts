/** The choices of a query that are no kinds. */
import { type SelectableValue } from '@grafana/data';

import {
  type ChangeKinds,
  type CommonOptions,
  type Direction,
  type Output,
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
  { value: 'state', label: 'State', description: 'Normal, high, low or missing, for a state timeline' },
  { value: 'events', label: 'Events', description: 'One row an outlier, for annotations and tables' },
  { value: 'score', label: 'Score', description: '0 to 1, one series each' },
  { value: 'alert', label: 'Alert', description: '1 where there is an outlier, else 0; for expressions' },
];

export const CHANGE_KINDS: Array<SelectableValue<ChangeKinds>> = [
  { value: 'level', label: 'Level' },
  { value: 'variance', label: 'Noise' },
  { value: 'both', label: 'Both' },
];

/** How the models are trained, in a few words. */
export function trainingSummary({ training, trainingWindow, refitInterval, step }: CommonOptions): string {
  return training === 'visible-range'
    ? `on the visible range, step ${step}`
    : `on the ${trainingWindow} before each ${refitInterval}, step ${step}`;
}
