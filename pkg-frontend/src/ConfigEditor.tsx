import { type DataSourcePluginOptionsEditorProps } from '@grafana/data';
import { Alert, FieldSet } from '@grafana/ui';
import React from 'react';

import { SETTINGS_DEFAULTS } from './defaults';
import { LABEL_WIDTH, SelectField } from './fields';
import { kindOptions } from './kinds';
import { selectors } from './selectors';
import { setJson } from './settings';
import { SOURCES } from './sources';
import { type OutriderJsonData, type OutriderSecureJsonData } from './types';

type Props = DataSourcePluginOptionsEditorProps<OutriderJsonData, OutriderSecureJsonData>;

/** The data source settings: which upstream, and how it is reached. */
export function ConfigEditor({ options: saved, onOptionsChange }: Props) {
  // A provisioned data source may come without any jsonData.
  const settings = { ...saved, jsonData: saved.jsonData ?? {} };
  const kind = settings.jsonData.source ?? SETTINGS_DEFAULTS.source;
  const source = Object.hasOwn(SOURCES, kind) ? SOURCES[kind] : undefined;
  const UpstreamSettings = source?.settings;

  return (
    <>
      <FieldSet disabled={settings.readOnly}>
        <SelectField
          testId={selectors.config.source}
          scope=""
          label="Upstream"
          labelWidth={LABEL_WIDTH + 4}
          tooltip="Where the series come from. Queries that name no source use this one. Default: Generator."
          value={kind}
          options={kindOptions(SOURCES)}
          disabled={settings.readOnly}
          width={40}
          onCommit={(next) => onOptionsChange(setJson(settings, 'source', next))}
        />
      </FieldSet>
      {UpstreamSettings !== undefined && <UpstreamSettings settings={settings} onChange={onOptionsChange} />}
      {source !== undefined && UpstreamSettings === undefined && (
        <Alert
          data-testid={selectors.config.generatorNote}
          severity="info"
          title={`${source.label}: nothing to set up`}
        >
          {source.description}. Choose what it makes in each query.
        </Alert>
      )}
      {source === undefined && (
        <Alert severity="error" title={`Unknown upstream "${kind}"`}>
          This version of the plugin has no such upstream. Choose one from the list, or install a version that has it.
        </Alert>
      )}
    </>
  );
}
