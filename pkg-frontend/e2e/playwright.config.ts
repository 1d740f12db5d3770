/** Runs the specs against the Grafana at GRAFANA_URL, in the browser at CHROMIUM. */
import { dirname, resolve } from 'node:path';

import { type PluginOptions } from '@grafana/plugin-e2e';
import { defineConfig } from '@playwright/test';

const AUTHENTICATED = resolve(__dirname, '../playwright/.auth/admin.json');

const pluginE2eAuth = `${dirname(require.resolve('@grafana/plugin-e2e'))}/auth`;

export default defineConfig<PluginOptions>({
  testDir: __dirname,
  outputDir: resolve(__dirname, '../test-results'),
  reporter: 'list',
  workers: 1,
  use: {
    baseURL: process.env.GRAFANA_URL,
    trace: 'retain-on-failure',
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-gpu'],
    },
  },
  projects: [
    { name: 'log in', testDir: pluginE2eAuth, testMatch: /.*\.js/ },
    { name: 'outrider', dependencies: ['log in'], use: { storageState: AUTHENTICATED } },
  ],
});
