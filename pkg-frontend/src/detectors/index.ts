import { type Kind } from '../kinds';
import { type DetectorOptions } from '../types';

import { AutoEditor } from './Auto';
import { ChangepointEditor } from './Changepoint';
import { IqrEditor } from './Iqr';
import { IsolationForestEditor } from './IsolationForest';
import { MadEditor } from './Mad';
import { ZScoreEditor } from './ZScore';
import { SeasonalEditor } from './Seasonal';
import { SHEsdEditor } from './SHEsd';
import { PeersEditor } from './Peers';
import { JointEditor } from './Joint';

/** Every detector the backend has, in the order of the list; the default comes first. */
export const DETECTORS: { [K in keyof DetectorOptions]: Kind<DetectorOptions[K]> } = {
  auto: {
    label: 'Automatic',
    description: 'Finds season, level and unrest by itself and flags what is new; works with no tuning',
    component: AutoEditor,
  },
  'isolation-forest': {
    label: 'Isolation forest',
    description: 'Flags values, features or runs of points that random cuts set apart easily; every knob of the forest',
    component: IsolationForestEditor,
  },
  seasonal: {
    label: 'Seasonal band',
    description:
      'Flags values outside what is usual at this time of the day and the week; for any daily or weekly rhythm',
    component: SeasonalEditor,
  },
  's-h-esd': {
    label: 'Seasonal hybrid ESD',
    description: "Twitter's AnomalyDetection: takes the season off and tests what is left; for steady daily rhythms",
    component: SHEsdEditor,
  },
  mad: {
    label: 'MAD',
    description:
      'Flags values many robust sigmas from the median; steady against outliers, for series without daily rhythm',
    component: MadEditor,
  },
  'z-score': {
    label: 'Z-score',
    description: 'Flags values many standard deviations from the mean; for bell-shaped noise without daily rhythm',
    component: ZScoreEditor,
  },
  iqr: {
    label: 'IQR',
    description: "Flags values far outside the quartiles (Tukey's fences); for lopsided values without daily rhythm",
    component: IqrEditor,
  },
  changepoint: {
    label: 'Changepoint',
    description: 'Flags the onset of a new level or of more or less noise, once; not single wild points',
    component: ChangepointEditor,
  },
  peers: {
    label: 'Peers',
    description: 'Flags series that behave unlike the other series of the panel; for fleets and replicas',
    component: PeersEditor,
  },
  joint: {
    label: 'Joint',
    description: 'Flags moments at which several metrics together are unusual, one verdict a group such as a host',
    component: JointEditor,
  },
};
