import { DataSourcePlugin } from '@grafana/data';

import { ConfigEditor } from './ConfigEditor';
import { OutriderDataSource } from './datasource';
import { QueryEditor } from './QueryEditor';
import { type OutriderJsonData, type OutriderQuery, type OutriderSecureJsonData } from './types';

export const plugin = new DataSourcePlugin<OutriderDataSource, OutriderQuery, OutriderJsonData, OutriderSecureJsonData>(
  OutriderDataSource,
)
  .setConfigEditor(ConfigEditor)
  .setQueryEditor(QueryEditor);
