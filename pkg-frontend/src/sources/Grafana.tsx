import { CoreApp, type DataSourceInstanceSettings } from '@grafana/data';
import { DataSourcePicker, getDataSourceSrv } from '@grafana/runtime';
import { Alert, ErrorBoundaryAlert, InlineFieldRow } from '@grafana/ui';
import React, { useEffect, useRef, useState } from 'react';

import { bindOptions, Labelled, SwitchField, TextField } from '../fields';
import { type KindEditorProps } from '../kinds';
import { canBeAsked, hasBackend, loadOther, type OtherDataSource, otherUid } from '../otherDataSource';
import { SOURCE_SCHEMAS } from '../schema.gen';
import { inputId, selectors } from '../selectors';
import { type GrafanaOptions, type OtherQuery } from '../types';
import { type Validator } from '../validation';

const ids = selectors.grafana;

export function GrafanaEditor(props: KindEditorProps<GrafanaOptions>) {
  const { options, set, datasource, scope } = props;
  const { option } = bindOptions(ids, props, SOURCE_SCHEMAS.grafana.options);
  const uid = otherUid(options);
  const choose = async (chosen: DataSourceInstanceSettings) => {
    const ref = { uid: chosen.uid, type: chosen.type };
    const query = { ...(await defaultQuery(chosen.uid)), refId: scope, datasource: ref };
    // Another data source of the same type understands the same query.
    set('query', chosen.type === typeOf(options) ? { ...options.query, datasource: ref } : query);
  };

  return (
    <>
      <InlineFieldRow>
        <Labelled
          testId={ids.datasource}
          scope={scope}
          label="Data source"
          tooltip="Another data source of this Grafana that answers in the backend. Its rights apply: see Save & test in the settings of this one."
          unbound
        >
          <DataSourcePicker
            inputId={inputId(ids.datasource, scope)}
            current={uid === '' ? null : uid}
            placeholder="choose"
            noDefault
            width={48}
            filter={(other) => canBeAsked(other, { uid: datasource.uid, type: datasource.type })}
            onChange={(chosen) => void choose(chosen)}
          />
        </Labelled>
        <SwitchField {...option('keepRunningStep')} />
      </InlineFieldRow>
      {uid !== '' && (
        <OtherEditor
          key={uid}
          uid={uid}
          query={{ ...options.query, refId: scope }}
          onChange={(query) => set('query', query)}
          scope={scope}
        />
      )}
    </>
  );
}

interface OtherEditorProps {
  uid: string;
  query: OtherQuery;
  onChange: (query: OtherQuery) => void;
  scope: string;
}

/** The other data source's own editor, or the query as JSON where it has none. */
function OtherEditor({ uid, query, onChange, scope }: OtherEditorProps) {
  const other = useOther(uid);
  const latest = useRef(query);
  useEffect(() => {
    latest.current = query;
  });
  if (other === undefined) {
    return null;
  }
  if (other === 'unknown') {
    return (
      <Alert severity="error" title={`The data source "${uid}" cannot be loaded`}>
        It may have been removed, or you may not see it. Choose another one.
      </Alert>
    );
  }
  const Editor = other.components?.QueryEditor;
  const save = (next: OtherQuery) => {
    latest.current = next;
    onChange(next);
  };
  return (
    <>
      {!hasBackend(other) && (
        <Alert severity="warning" title={`${other.name} answers in the browser only`}>
          Queries for it cannot be asked by the backend, and so not be judged. Choose a data source with a backend.
        </Alert>
      )}
      {Editor === undefined ? (
        <InlineFieldRow>
          <TextField
            testId={ids.query}
            scope={scope}
            grow
            rows={6}
            label="Query"
            tooltip={`${other.name} has no query editor that can be shown here: the query as JSON, as a panel saves it.`}
            value={JSON.stringify(query, null, 2)}
            validate={jsonObject}
            onCommit={(text) => save({ ...(JSON.parse(text) as OtherQuery), datasource: query.datasource })}
          />
        </InlineFieldRow>
      ) : (
        <ErrorBoundaryAlert title={`The query editor of ${other.name} has stopped`}>
          <Editor datasource={other} query={query} onChange={save} onRunQuery={() => onChange(latest.current)} />
        </ErrorBoundaryAlert>
      )}
    </>
  );
}

function useOther(uid: string): OtherDataSource | 'unknown' | undefined {
  const [other, setOther] = useState<OtherDataSource | 'unknown'>();
  useEffect(() => {
    let mounted = true;
    loadOther(uid).then(
      (found) => mounted && setOther(found),
      () => mounted && setOther('unknown'),
    );
    return () => {
      mounted = false;
    };
  }, [uid]);
  return other;
}

/** What the other data source's editor begins with. */
async function defaultQuery(uid: string): Promise<Partial<OtherQuery>> {
  try {
    const other = await loadOther(uid);
    return other.getDefaultQuery?.(CoreApp.PanelEditor) ?? {};
  } catch {
    return {};
  }
}

function typeOf(options: GrafanaOptions): string | undefined {
  return getDataSourceSrv().getInstanceSettings(otherUid(options))?.type;
}

export const jsonObject: Validator = (text) => {
  try {
    const value: unknown = JSON.parse(text);
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
      return undefined;
    }
  } catch {
    // Said below.
  }
  return 'This is not a JSON object, which a query is. Write for example {"expr": "up"}.';
};
