import { type Settings } from '../settings';

/** Settings as Grafana makes them for a new data source. */
export function newSettings(change: Partial<Settings> = {}): Settings {
  return {
    id: 1,
    uid: 'outrider',
    orgId: 1,
    name: 'Outrider',
    type: 'outrider-outliers-datasource',
    typeLogoUrl: '',
    typeName: 'Outrider',
    access: 'proxy',
    url: '',
    user: '',
    database: '',
    basicAuth: false,
    basicAuthUser: '',
    isDefault: false,
    readOnly: false,
    withCredentials: false,
    jsonData: {},
    secureJsonFields: {},
    ...change,
  };
}
