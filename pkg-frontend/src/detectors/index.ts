import { type Kind } from '../kinds';
import { type DetectorOptions } from '../types';

import { AutoEditor } from './Auto';
import { IsolationForestEditor } from './IsolationForest';

/** Every detector the backend has, in the order of the list. */
export const DETECTORS: { [K in keyof DetectorOptions]: Kind<DetectorOptions[K]> } = {
  auto: {
    label: 'Automatic',
    description: 'Finds season, level and unrest by itself and flags what is new; works with no tuning',
    component: AutoEditor,
  },
  'isolation-forest': {
    label: 'Isolation forest',
    description: 'Flags values that random cuts set apart easily; for series without strong daily rhythm',
    component: IsolationForestEditor,
  },
};
