/** What is tried in the browser. Each case opens the page anew, and works as a person would. */
import assert from 'node:assert/strict';

import { choose, fill, nextRadio, tabStops, tabTo } from './person.mjs';
import { askPlugin, detected } from './plugin.mjs';
import { API_KEY, TOKEN } from './upstream.mjs';

const HTTP_JSON = { jsonData: { source: 'http-json' } };

async function saveAndTest(page) {
  await tabTo(page, 'Save & test');
  await page.keyboard.press('Enter');
  await page.getByTestId('health').waitFor();
}

/** Fills in the settings of an HTTP JSON upstream with the keyboard alone, and saves them. */
async function enterHttpJsonSettings({ page, open }, url) {
  await open({ page: 'config' });
  await choose(page, 'Upstream', 'HTTP');
  await fill(page, 'URL', url);
  await fill(page, 'Health path', '/metrics');
  await fill(page, 'Timeout (s)', '5');
  await fill(page, 'Largest answer (MiB)', '8');
  await fill(page, 'Bearer token', TOKEN);
  await tabTo(page, 'Add header');
  await page.keyboard.press('Enter');
  await page.getByLabel('Header', { exact: true }).waitFor();
  await page.keyboard.press('Shift+Tab');
  await page.getByLabel('Header', { exact: true }).focus();
  await page.keyboard.type('X-Api-Key');
  await fill(page, 'Value', API_KEY);
  await saveAndTest(page);
}

/** Sets the options of the rows that the upstream of this test answers, and gives the saved query. */
async function enterHttpJsonQuery({ page, open, host }) {
  await open({ page: 'query', settings: HTTP_JSON });
  await fill(page, 'Path', '/metrics');
  await fill(page, 'Rows', '/data');
  await fill(page, 'Time', '/t');
  await fill(page, 'Value', '/v');
  await fill(page, 'Name', 'latency');
  await fill(page, 'Unit', 'ms');
  await tabTo(page, 'Add label');
  await page.keyboard.press('Enter');
  await page.getByLabel('Label 1 name').waitFor();
  await page.keyboard.type('host');
  await page.keyboard.press('Tab');
  await page.keyboard.type('/host');
  await choose(page, 'Detector', 'Isolation');
  await fill(page, 'Trees', '50');
  await page.keyboard.press('Tab');
  return host('query');
}

export const CASES = [
  {
    name: 'a new data source is a generator, saved without a word of it',
    run: async ({ page, open, host, screenshot }) => {
      await open({ page: 'config' });
      await screenshot('config-generator');
      await saveAndTest(page);
      assert.deepEqual(await host('stored'), {
        url: '',
        basicAuth: false,
        basicAuthUser: '',
        jsonData: {},
        secureJsonData: {},
      });
      assert.match(await page.getByTestId('health').innerText(), /Generator ready/);
    },
  },
  {
    name: 'an HTTP JSON upstream is set up with the keyboard alone',
    run: async (context) => {
      const { page, host, screenshot } = context;
      await enterHttpJsonSettings(context, 'http://127.0.0.1:9000');
      await screenshot('config-http-json');
      assert.deepEqual(await host('stored'), {
        url: 'http://127.0.0.1:9000',
        basicAuth: false,
        basicAuthUser: '',
        jsonData: {
          source: 'http-json',
          healthPath: '/metrics',
          timeout: 5,
          maxResponseBytes: 8 * 1024 * 1024,
          httpHeaderName1: 'X-Api-Key',
        },
        secureJsonData: { bearerToken: TOKEN, httpHeaderValue1: API_KEY },
      });
      assert.match(await page.getByTestId('health').innerText(), /Reached http:\/\/127\.0\.0\.1:9000/);
    },
  },
  {
    name: 'secrets never come back, and can be replaced',
    run: async (context) => {
      const { page, host } = context;
      await enterHttpJsonSettings(context, 'http://127.0.0.1:9000');
      assert.equal(await page.getByLabel('Bearer token').inputValue(), 'configured');
      assert.equal((await page.content()).includes(TOKEN), false);
      await page.getByTestId('outrider-config-bearer-token').getByRole('button', { name: 'Reset' }).click();
      await page.getByLabel('Bearer token').fill('another');
      await page.keyboard.press('Enter');
      await page.getByTestId('health').waitFor();
      assert.deepEqual((await host('stored')).secureJsonData, { bearerToken: 'another', httpHeaderValue1: API_KEY });
    },
  },
  {
    name: 'basic authentication and certificates are saved where Grafana has them',
    run: async ({ page, open, host, screenshot }) => {
      await open({ page: 'config', settings: { ...HTTP_JSON, url: 'https://127.0.0.1:9443' } });
      await tabTo(page, 'Basic authentication');
      await page.keyboard.press('Space');
      await fill(page, 'User', 'me');
      await fill(page, 'Password', 'pass');
      await tabTo(page, 'Own CA certificate');
      await page.keyboard.press('Space');
      await fill(page, 'CA certificate', 'ca pem');
      await tabTo(page, 'Client certificate');
      await page.keyboard.press('Space');
      await fill(page, 'Certificate', 'cert pem');
      await fill(page, 'Private key', 'key pem');
      await screenshot('config-tls');
      await saveAndTest(page);
      const stored = await host('stored');
      assert.equal(stored.basicAuth, true);
      assert.equal(stored.basicAuthUser, 'me');
      assert.deepEqual(stored.jsonData, { source: 'http-json', tlsAuthWithCACert: true, tlsAuth: true });
      assert.deepEqual(stored.secureJsonData, {
        basicAuthPassword: 'pass',
        tlsCACert: 'ca pem',
        tlsClientCert: 'cert pem',
        tlsClientKey: 'key pem',
      });
    },
  },
  {
    name: 'what is wrong in the settings is said beside it',
    run: async ({ page, open, screenshot }) => {
      await open({ page: 'config', settings: HTTP_JSON });
      await fill(page, 'URL', 'localhost:8080');
      await fill(page, 'Health path', '/../secret');
      await fill(page, 'Timeout (s)', '0');
      await page.keyboard.press('Tab');
      const alerts = page.getByRole('alert');
      await alerts.nth(2).waitFor();
      assert.deepEqual(
        (await alerts.allInnerTexts()).map((text) => text.split(':')[0].trim()),
        [
          '"localhost',
          '"/../secret" climbs out of the URL in the data source settings',
          '0 is out of range. Write 1 to 600 seconds.',
        ],
      );
      await screenshot('config-invalid');
    },
  },
  {
    name: 'an empty query shows the defaults and saves nothing',
    run: async ({ page, open, host, screenshot }) => {
      await open({ page: 'query' });
      await tabTo(page, 'Training');
      await page.keyboard.press('Enter');
      await page.getByLabel('Training window').waitFor();
      assert.equal(await page.getByLabel('Sensitivity', { exact: true }).inputValue(), '0.5');
      assert.equal(await page.getByLabel('Training window').inputValue(), 'auto');
      await screenshot('query-defaults');
      assert.deepEqual(await host('query'), { refId: 'A' });
      assert.equal(await host('runs'), 0);
    },
  },
  {
    name: 'a generator query is made with the keyboard alone, and saved thin',
    run: async ({ page, open, host, screenshot }) => {
      await open({ page: 'query' });
      await choose(page, 'Series', 'Sine');
      await fill(page, 'Outlier share', '0.02');
      await choose(page, 'Detector', 'Isolation');
      await nextRadio(page, 'Both');
      await fill(page, 'Contamination', '0.01');
      await tabTo(page, 'Training');
      assert.equal(await host('runs'), 5, 'the query ran once for each field that was left');
      await page.keyboard.press('Enter');
      await fill(page, 'Training window', '14d');
      await fill(page, 'Step', '10m');
      await choose(page, 'Output', 'State');
      await screenshot('query-generator');
      assert.deepEqual(await host('query'), {
        refId: 'A',
        version: 1,
        source: { kind: 'generator', series: ['web-traffic', 'sine'], outlierShare: 0.02 },
        detector: { kind: 'isolation-forest', contamination: 0.01 },
        direction: 'high',
        trainingWindow: '14d',
        step: '10m',
        output: 'state',
      });
    },
  },
  {
    name: 'an HTTP JSON query is made with the keyboard alone, and saved thin',
    run: async (context) => {
      const query = await enterHttpJsonQuery(context);
      await context.screenshot('query-http-json');
      assert.deepEqual(query, {
        refId: 'A',
        version: 1,
        source: {
          kind: 'http-json',
          path: '/metrics',
          rows: '/data',
          time: '/t',
          value: '/v',
          name: 'latency',
          unit: 'ms',
          labels: [{ name: 'host', pointer: '/host' }],
        },
        detector: { kind: 'isolation-forest', nTrees: 50 },
      });
    },
  },
  {
    name: 'what is wrong in a query is said beside it',
    run: async ({ page, open, screenshot }) => {
      await open({ page: 'query', settings: HTTP_JSON });
      await fill(page, 'Path', 'http://elsewhere/query');
      await fill(page, 'Rows', 'data.rows');
      await fill(page, 'Sensitivity', '2');
      await page.keyboard.press('Tab');
      const alerts = page.getByRole('alert');
      await alerts.nth(2).waitFor();
      const [path, rows, sensitivity] = await alerts.allInnerTexts();
      assert.match(path, /names a host/);
      assert.match(rows, /is not a JSON pointer/);
      assert.match(sensitivity, /Write 0 to 1\./);
      await screenshot('query-invalid');
    },
  },
  {
    name: 'variables are replaced when a query is sent, the macros of the backend are not',
    run: async ({ page, open, host }) => {
      const params = [
        { name: 'from', value: '${__from:date:iso}' },
        { name: 'step', value: '$__interval' },
        { name: 'host', value: '$host' },
      ];
      const source = { kind: 'http-json', path: '/${host}/query', params };
      await open({ page: 'query', settings: HTTP_JSON, query: { source } });
      await page.getByRole('button', { name: 'Refresh' }).click();
      await page.waitForFunction(() => window.host.requests.some(({ url }) => url.startsWith('/api/ds/query')));
      const { data } = (await host('requests')).find(({ url }) => url.startsWith('/api/ds/query'));
      assert.deepEqual(data.queries[0].source, {
        ...source,
        path: '/web1/query',
        params: [params[0], params[1], { name: 'host', value: 'web1' }],
      });
      assert.equal(data.queries[0].version, 1);
    },
  },
  {
    name: 'everything can be reached with Tab and has a name',
    run: async ({ page, open }) => {
      for (const parameters of [
        { page: 'config', settings: { ...HTTP_JSON, basicAuth: true } },
        { page: 'query' },
        { page: 'query', settings: HTTP_JSON },
      ]) {
        await open(parameters);
        const stops = await tabStops(page);
        assert.ok(stops.length > 10, `${stops.length} tab stops`);
        assert.deepEqual(
          stops.filter(({ name }) => !name),
          [],
          'no control without a name',
        );
      }
    },
  },
  {
    name: 'the light theme and a narrow panel',
    run: async ({ page, open, screenshot }) => {
      await page.setViewportSize({ width: 620, height: 900 });
      await open({ page: 'query', theme: 'light', settings: HTTP_JSON });
      await screenshot('query-narrow-light');
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      assert.ok(overflow <= 0, `the page is ${overflow} px too wide`);
    },
  },
  {
    name: 'the plugin answers a generator query that was saved here',
    needsPlugin: true,
    run: async ({ page, open, host }) => {
      await open({ page: 'config' });
      await saveAndTest(page);
      const settings = await host('stored');
      const query = { source: { kind: 'generator', series: ['median'] }, detector: { kind: 'isolation-forest' } };
      await open({ page: 'query', query });
      await fill(page, 'Threshold', '0.55');
      await page.keyboard.press('Tab');
      const [{ points }] = detected(await askPlugin(settings, await host('query')));
      const outliers = points.filter(({ outlier }) => outlier === 1);
      assert.ok(outliers.length > 0, 'there are outliers');
      assert.ok(
        outliers.every(({ score }) => score >= 0.55),
        'above the threshold that was entered',
      );
    },
  },
  {
    name: 'the plugin asks the upstream that was set up here, and finds its spikes',
    needsPlugin: true,
    run: async (context) => {
      const { host, upstream } = context;
      await enterHttpJsonSettings(context, upstream.url);
      const settings = await host('stored');
      const query = await enterHttpJsonQuery(context);
      upstream.requests.length = 0;
      const [{ labels, unit, points }] = detected(await askPlugin(settings, query));
      assert.ok(upstream.requests.length > 0, 'the upstream was asked');
      assert.ok(
        upstream.requests.every(({ known }) => known),
        'with the token and the key that were entered',
      );
      assert.equal(labels.host, 'web1');
      assert.equal(unit, 'ms');
      const spikes = points.filter(({ value }) => value > 60);
      assert.ok(spikes.length > 0, 'there is a spike in the range');
      assert.ok(
        spikes.every(({ outlier }) => outlier === 1),
        'and each is an outlier',
      );
    },
  },
];
