import { type DataSourceInstanceSettings } from '@grafana/data';

import { OutriderDataSource } from '../datasource';
import { type OutriderJsonData } from '../types';

/** A data source as Grafana makes it of saved settings. */
export function newDataSource(jsonData: OutriderJsonData = {}): OutriderDataSource {
  const meta = { id: 'outrider-outliers-datasource' };
  return new OutriderDataSource({
    id: 1,
    uid: 'outrider',
    type: meta.id,
    name: 'Outrider',
    meta,
    access: 'proxy',
    readOnly: false,
    jsonData,
  } as DataSourceInstanceSettings<OutriderJsonData>);
}
