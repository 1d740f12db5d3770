import { Alert, Button, Field, Input } from '@grafana/ui';
import React, { useState } from 'react';

import { type Host, newDataSource, newSettings, type Plugin, type Settings } from './state';

interface Props {
  plugin: Plugin;
  host: Host;
}

/** The page of a data source: name, the plugin's editor, "Save & test". */
export function ConfigPage({ plugin, host }: Props) {
  const [settings, setSettings] = useState<Settings>(newSettings(host.settings));
  const [health, setHealth] = useState<{ status: string; message: string }>();
  const ConfigEditor = plugin.components.ConfigEditor;
  if (ConfigEditor === undefined) {
    return <Alert title="The plugin has no config editor" />;
  }

  const save = async () => {
    const { url, basicAuth, basicAuthUser, jsonData } = settings;
    const secureJsonData = { ...host.stored?.secureJsonData, ...settings.secureJsonData };
    // The server keeps the secrets and sends back only which there are.
    const kept = Object.fromEntries(Object.entries(secureJsonData).filter(([, value]) => value !== ''));
    const fields = Object.fromEntries(Object.keys(kept).map((key) => [key, true]));
    const saved: Settings = { ...settings, secureJsonData: undefined, secureJsonFields: fields };
    host.stored = JSON.parse(
      JSON.stringify({ url, basicAuth, basicAuthUser, jsonData, secureJsonData: kept }),
    ) as Host['stored'];
    host.settings = saved;
    setSettings(saved);
    setHealth(await newDataSource(plugin, saved).testDatasource());
  };

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <h1 style={{ marginBottom: 16 }}>{settings.name}</h1>
      <Field label="Name">
        <Input
          id="name"
          width={40}
          value={settings.name}
          onChange={(e) => setSettings({ ...settings, name: e.currentTarget.value })}
        />
      </Field>
      <ConfigEditor
        options={settings}
        onOptionsChange={(next: Settings) => {
          setHealth(undefined);
          setSettings(next);
        }}
      />
      {health !== undefined && (
        <div data-testid="health">
          <Alert severity={health.status === 'success' ? 'success' : 'error'} title={health.message} />
        </div>
      )}
      <div style={{ marginTop: 24 }}>
        <Button type="submit">Save & test</Button>
      </div>
    </form>
  );
}
