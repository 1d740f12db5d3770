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
