/** Runs the specs where there is a Grafana to run them against, and says so where there is none. */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));

if (process.env.GRAFANA_URL === undefined) {
  console.log('e2e tests: skipped, GRAFANA_URL is not set: it names a Grafana with the plugin in it');
} else {
  const require = createRequire(import.meta.url);
  const cli = resolve(dirname(require.resolve('@playwright/test/package.json')), 'cli.js');
  const given = ['test', '--config', resolve(HERE, 'playwright.config.ts'), ...process.argv.slice(2)];
  const { status } = spawnSync(process.execPath, [cli, ...given], { stdio: 'inherit', cwd: dirname(HERE) });
  process.exitCode = status ?? 1;
}
