/**
 * A page that does for the plugin what Grafana does: it lends its own modules, loads `module.js` with SystemJS, keeps
 * the state of the editors, and saves it. What the tests look at is on `window.host`.
 */
import * as emotionCss from '@emotion/css';
import * as grafanaData from '@grafana/data';
import * as grafanaRuntime from '@grafana/runtime';
import * as grafanaUi from '@grafana/ui';
import * as lodash from 'lodash';
import * as React from 'react';
import * as ReactDOM from 'react-dom';
import { createRoot } from 'react-dom/client';
import * as rxjs from 'rxjs';

import { ConfigPage } from './ConfigPage';
import { QueryPage } from './QueryPage';
import { fetchCanned } from './resources';
import { type Host, type Plugin } from './state';

interface SystemJs {
  addImportMap: (map: { imports: Record<string, string> }) => void;
  set: (id: string, module: object) => void;
  import: (url: string) => Promise<{ plugin: Plugin }>;
}

declare const System: SystemJs;

const { createTheme, ThemeContext } = grafanaData;
const { GlobalStyles, PortalContainer } = grafanaUi;

const SHARED: Record<string, object> = {
  '@emotion/css': emotionCss,
  '@grafana/data': grafanaData,
  '@grafana/runtime': grafanaRuntime,
  '@grafana/ui': grafanaUi,
  lodash,
  react: React,
  'react-dom': ReactDOM,
  rxjs,
};

function lendModules() {
  const imports = Object.fromEntries(Object.keys(SHARED).map((name) => [name, `package:${name}`]));
  System.addImportMap({ imports });
  for (const [name, module] of Object.entries(SHARED)) {
    System.set(`package:${name}`, { ...module, default: module, __useDefault: true });
  }
}

/** The part of Grafana's template service that matters here: user variables, and the built-in ones over the visible range. */
function replaceVariables(text?: string): string {
  const visible: Record<string, string> = { __from: '1700000000000', __to: '1700003600000', __interval: '2s' };
  const variables: Record<string, string> = { ...visible, host: 'web1' };
  return (text ?? '').replace(
    /\$(\w+)|\$\{(\w+)(?::[^}]+)?\}/g,
    (all: string, plain?: string, braced?: string) => variables[plain ?? braced ?? ''] ?? all,
  );
}

function provideServices(host: Host) {
  const backendSrv = { fetch: (request: grafanaRuntime.BackendSrvRequest) => fetchCanned(request, host) };
  grafanaRuntime.setBackendSrv(backendSrv as grafanaRuntime.BackendSrv);
  grafanaRuntime.setTemplateSrv({ replace: replaceVariables } as unknown as grafanaRuntime.TemplateSrv);
}

async function main() {
  const parameters = new URLSearchParams(location.search);
  const json = (name: string) => JSON.parse(parameters.get(name) ?? '{}') as object;
  const page = parameters.get('page') ?? 'query';
  const host: Host = { requests: [], runs: 0, settings: json('settings'), query: { refId: 'A', ...json('query') } };
  window.host = host;

  provideServices(host);
  lendModules();
  const { plugin } = await System.import('/plugin/module.js');

  const theme = createTheme({ colors: { mode: parameters.get('theme') === 'light' ? 'light' : 'dark' } });
  createRoot(document.getElementById('root') as HTMLElement).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <main style={{ padding: 24, maxWidth: 1180 }}>
        {page === 'config' ? <ConfigPage plugin={plugin} host={host} /> : <QueryPage plugin={plugin} host={host} />}
      </main>
      <PortalContainer />
    </ThemeContext.Provider>,
  );
}

void main().catch((error: unknown) => {
  console.error(error);
});
