import { dateTime } from '@grafana/data';
import { Alert, Button, Icon } from '@grafana/ui';
import { useTheme2 } from '@grafana/ui';
import React, { useMemo, useState } from 'react';
import { firstValueFrom } from 'rxjs';

import { type Host, newDataSource, newSettings, type Plugin } from './state';

interface Props {
  plugin: Plugin;
  host: Host;
}

/** The query tab of a panel with one query. */
export function QueryPage({ plugin, host }: Props) {
  const theme = useTheme2();
  const [query, setQuery] = useState(host.query);
  const datasource = useMemo(() => newDataSource(plugin, newSettings(host.settings)), [plugin, host]);
  const QueryEditor = plugin.components.QueryEditor;
  if (QueryEditor === undefined) {
    return <Alert title="The plugin has no query editor" />;
  }

  const send = async () => {
    const [from, to] = [dateTime(1_700_000_000_000), dateTime(1_700_003_600_000)];
    const range = { from, to, raw: { from, to } };
    const request = { targets: [query], range, scopedVars: {}, intervalMs: 2000, maxDataPoints: 1000, requestId: 'Q1' };
    await firstValueFrom(datasource.query(request as never));
  };

  return (
    <>
      <header
        style={{
          display: 'flex',
          alignItems: 'center',
          gap: 8,
          padding: '4px 8px',
          background: theme.colors.background.secondary,
        }}
      >
        <Icon name="angle-down" />
        <strong style={{ color: theme.colors.text.link }}>{query.refId}</strong>
        <em style={{ color: theme.colors.text.secondary }}>(Outrider)</em>
        <span style={{ flex: 1 }} />
        <Button size="sm" variant="secondary" icon="sync" onClick={() => void send()}>
          Refresh
        </Button>
      </header>
      <section style={{ padding: 8, background: theme.colors.background.primary }}>
        <QueryEditor
          datasource={datasource}
          query={query}
          onChange={(next) => {
            host.query = JSON.parse(JSON.stringify(next)) as Host['query'];
            setQuery(next);
          }}
          onRunQuery={() => {
            host.runs += 1;
          }}
        />
      </section>
    </>
  );
}
