import { type DataSourceJsonData, type DataSourcePlugin, type DataSourceSettings } from '@grafana/data';
import { type DataQuery } from '@grafana/schema';
import { type DataSourceWithBackend } from '@grafana/runtime';

export type Settings = DataSourceSettings<DataSourceJsonData, Record<string, string>>;
export type Plugin = DataSourcePlugin<DataSourceWithBackend>;

/** What the page knows, for the tests to look at. */
export interface Host {
  /** Of the data source, as saved; at first what the page was opened with. */
  settings: Partial<Settings>;
  /** With every secret, as the server has it and hands it to the backend. */
  stored?: Pick<Settings, 'url' | 'basicAuth' | 'basicAuthUser' | 'jsonData' | 'secureJsonData'>;
  query: DataQuery;
  /** How often the editor asked to run the query. */
  runs: number;
  /** Every request to the server. */
  requests: Array<{ method: string; url: string; data: unknown }>;
}

declare global {
  interface Window {
    host: Host;
  }
}

/** Settings as Grafana makes them for a new data source, with `change` in them. */
export function newSettings(change: Partial<Settings>): Settings {
  return {
    id: 1,
    uid: 'outrider',
    orgId: 1,
    name: 'Outrider',
    type: 'outrider-outliers-datasource',
    typeLogoUrl: '',
    typeName: 'Outrider – outlier detection',
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

/** The data source of the plugin, made of saved settings as Grafana does. */
export function newDataSource(plugin: Plugin, settings: Settings): DataSourceWithBackend {
  const { id, uid, type, name, access, readOnly, jsonData } = settings;
  const meta = { id: type } as never;
  return new plugin.DataSourceClass({ id, uid, type, name, meta, access: access as 'proxy', readOnly, jsonData });
}
