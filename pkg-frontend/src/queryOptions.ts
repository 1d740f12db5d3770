/** The choices of a query that are no kinds. */
import { choicesOf } from './schema';
import { COMMON_SCHEMA } from './schema.gen';
import { type CommonOptions } from './types';

export const DIRECTIONS = choicesOf<CommonOptions['direction']>(COMMON_SCHEMA.direction);
export const TRAININGS = choicesOf<CommonOptions['training']>(COMMON_SCHEMA.training);
export const TRANSFORMS = choicesOf<CommonOptions['transform']>(COMMON_SCHEMA.transform);
export const OUTPUTS = choicesOf<CommonOptions['output']>(COMMON_SCHEMA.output);
export const MISSINGS = choicesOf<CommonOptions['missing']>(COMMON_SCHEMA.missing);

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
    (min ?? max ?? null) !== null && `valid ${min ?? 'any'} to ${max ?? 'any'}`,
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
