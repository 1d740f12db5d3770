import { type Source } from '../kinds';
import { GrafanaSettings } from '../settings/GrafanaSettings';
import { HttpSettings } from '../settings/HttpSettings';
import { type SourceOptions } from '../types';

import { GeneratorEditor } from './Generator';
import { GrafanaEditor } from './Grafana';
import { HttpJsonEditor } from './HttpJson';
import { SimpleJsonEditor } from './SimpleJson';

/** Every source the backend has, in the order of the list. */
export const SOURCES: { [K in keyof SourceOptions]: Source<SourceOptions[K]> } = {
  generator: {
    label: 'Generator',
    description: 'Made-up series with known outliers; needs no network',
    component: GeneratorEditor,
  },
  'http-json': {
    label: 'HTTP JSON',
    description: 'Any web service that answers with JSON rows of time and value',
    component: HttpJsonEditor,
    settings: HttpSettings,
  },
  'simple-json': {
    label: 'SimpleJSON',
    description: "A server with the protocol of Grafana's SimpleJSON or JSON data source",
    component: SimpleJsonEditor,
    settings: HttpSettings,
  },
  grafana: {
    label: 'Grafana data source',
    description: 'Any other data source of the same Grafana, with its own query',
    component: GrafanaEditor,
    settings: GrafanaSettings,
  },
};
