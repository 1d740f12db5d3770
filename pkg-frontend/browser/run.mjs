/**
 * The browser test: builds the host page, opens it in Chromium with the built plugin in it, and runs the cases.
 * CHROMIUM: the browser. OUTRIDER_DIST: folder of module.js. OUTRIDER_HOST_CMD: program that runs the plugin itself;
 * without it the cases that need it fail, or are skipped with OUTRIDER_ALLOW_SKIP=1.
 */
import { access, mkdir, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

import { CASES } from './cases.mjs';
import { hostCommand } from './plugin.mjs';
import { servePage } from './server.mjs';
import { serveUpstream } from './upstream.mjs';

const require = createRequire(import.meta.url);
const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const ARTIFACTS = resolve(ROOT, 'artifacts');
const DIST = resolve(ROOT, process.env.OUTRIDER_DIST ?? '../dist');
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

async function main() {
  await access(resolve(DIST, 'module.js')).catch(() => {
    throw new Error(`there is no module.js in ${DIST}: run "npm run build" first`);
  });
  await buildHost();
  await rm(ARTIFACTS, { recursive: true, force: true });
  await mkdir(ARTIFACTS, { recursive: true });

  const upstream = await serveUpstream();
  const server = await servePage({
    host: resolve(ROOT, '.browser'),
    plugin: DIST,
    public: resolve(dirname(require.resolve('@grafana/ui/package.json')), 'dist/public'),
    systemjs: dirname(require.resolve('systemjs/dist/system.min.js')),
  });
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: FLAGS,
  });

  const count = { passed: 0, failed: 0, skipped: 0 };
  try {
    for (const { name, needsPlugin, run } of CASES) {
      if (needsPlugin && hostCommand() === undefined && process.env.OUTRIDER_ALLOW_SKIP === '1') {
        count.skipped += 1;
        console.log(`- ${name}: skipped, OUTRIDER_HOST_CMD is not set`);
        continue;
      }
      try {
        if (needsPlugin && hostCommand() === undefined) {
          throw new Error('OUTRIDER_HOST_CMD is not set: name the program that runs the plugin');
        }
        await runCase(browser, server.url, upstream, run);
        count.passed += 1;
        console.log(`✓ ${name}`);
      } catch (error) {
        count.failed += 1;
        console.log(`✗ ${name}\n${error.stack ?? error}`);
      }
    }
  } finally {
    await browser.close();
    await Promise.all([server.close(), upstream.close()]);
  }

  const rest = [count.failed && `${count.failed} failed`, count.skipped && `${count.skipped} skipped`].filter(Boolean);
  console.log(`browser tests: ${[`${count.passed} passed`, ...rest].join(', ')}`);
  process.exitCode = count.failed > 0 ? 1 : 0;
}

/** Runs one case in a browser context of its own. What the page complains of fails the case. */
async function runCase(browser, url, upstream, run) {
  const context = await browser.newContext({ viewport: { width: 1240, height: 900 }, reducedMotion: 'reduce' });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    const { url } = message.location();
    // Grafana's fonts are not in its packages; the system's stand in.
    if (message.type() === 'error' && !url.includes('/public/fonts/')) {
      complaints.push(`${message.text()} (${url})`);
    }
  });

  /** Opens the page and waits until the editor is there. */
  const open = async (parameters) => {
    const search = new URLSearchParams(
      Object.entries(parameters).map(([key, value]) => [
        key,
        typeof value === 'string' ? value : JSON.stringify(value),
      ]),
    );
    await page.goto(`${url}/?${search}`);
    await page.getByLabel(parameters.page === 'config' ? 'Upstream' : 'Detector', { exact: true }).waitFor();
  };
  const host = (key) => page.evaluate((k) => window.host[k], key);
  const screenshot = async (name) => {
    // No tooltip of the field that happens to have the focus, nor of the one before, which fades out.
    await page.evaluate(() => document.activeElement?.blur());
    await page.waitForFunction(() =>
      [...document.querySelectorAll('[role="tooltip"]')].every(
        (tooltip) => !tooltip.checkVisibility({ visibilityProperty: true }),
      ),
    );
    await page.waitForLoadState('networkidle');
    await page.screenshot({ path: resolve(ARTIFACTS, `${name}.png`), fullPage: true });
  };

  try {
    await run({ page, open, host, screenshot, upstream });
    if (complaints.length > 0) {
      throw new Error(`the page complained:\n${complaints.join('\n')}`);
    }
  } catch (error) {
    await screenshot('failed').catch(() => undefined);
    throw complaints.length > 0 ? new Error(`${error.stack}\nthe page complained first of: ${complaints[0]}`) : error;
  } finally {
    await context.close();
  }
}

/** Bundles the host page; unchanged parts come from a cache. */
async function buildHost() {
  const webpack = require('webpack');
  const compiler = webpack(require('./webpack.config.js'));
  const stats = await new Promise((done, fail) =>
    compiler.run((error, result) => (error ? fail(error) : done(result))),
  );
  await new Promise((done) => compiler.close(done));
  if (stats.hasErrors()) {
    throw new Error(stats.toString('errors-only'));
  }
}

await main();
