import { type Kind } from '../kinds';
import { type DetectorOptions } from '../types';

import { IsolationForestEditor } from './IsolationForest';
import { SeasonalEditor } from './Seasonal';
import { SHEsdEditor } from './SHEsd';

/** Every detector the backend has, in the order of the list. */
export const DETECTORS: { [K in keyof DetectorOptions]: Kind<DetectorOptions[K]> } = {
  'isolation-forest': {
    label: 'Isolation forest',
    description: 'Flags values that random cuts set apart easily; for series without strong daily rhythm',
    component: IsolationForestEditor,
  },
  's-h-esd': {
    label: 'Seasonal hybrid ESD',
    description: "Twitter's AnomalyDetection: takes the season off and tests what is left; for steady daily rhythms",
    component: SHEsdEditor,
  },
  seasonal: {
    label: 'Seasonal band',
    description:
      'Flags values outside what is usual at this time of the day and the week; for any daily or weekly rhythm',
    component: SeasonalEditor,
  },
};
