import { type Kind } from '../kinds';
import { type DetectorOptions } from '../types';

import { IsolationForestEditor } from './IsolationForest';
import { PeersEditor } from './Peers';

/** Every detector the backend has, in the order of the list. */
export const DETECTORS: { [K in keyof DetectorOptions]: Kind<DetectorOptions[K]> } = {
  'isolation-forest': {
    label: 'Isolation forest',
    description: 'Flags values that random cuts set apart easily; for series without strong daily rhythm',
    component: IsolationForestEditor,
  },
  peers: {
    label: 'Peers',
    description: 'Flags series that behave unlike the other series of the panel; for fleets and replicas',
    component: PeersEditor,
  },
};
