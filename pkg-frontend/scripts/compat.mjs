/**
 * Checks that what the plugin imports from Grafana is there, with the same shape, in every version it is to run in.
 * Versions can be given: `npm run compat -- 10.4.19 13.0.0`.
 */
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const LEVITATE = '@grafana/levitate@0.17.2';
const PACKAGES = ['@grafana/data', '@grafana/ui', '@grafana/runtime'];
/** The oldest supported, the last of each major version since, and the newest. */
const VERSIONS = ['9.4.17', '10.4.19', '11.6.16', '12.0.2', '13.2.2'];
const ENTRY = process.env.OUTRIDER_COMPAT_ENTRY ?? 'src/module.ts';

const versions = process.argv.length > 2 ? process.argv.slice(2) : VERSIONS;
const results = versions.map((version) => {
  console.log(`\n== Grafana ${version}`);
  const targets = PACKAGES.map((name) => `${name}@${version}`).join(',');
  const levitate = ['levitate', 'is-compatible', '--path', ENTRY, '--target', targets];
  const { status } = spawnSync('npm', ['exec', '--yes', `--package=${LEVITATE}`, '--', ...levitate], {
    cwd: dirname(dirname(fileURLToPath(import.meta.url))),
    stdio: 'inherit',
    // Levitate installs the packages to compare; none of them needs a browser or a script of its own.
    env: { ...process.env, PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD: '1', npm_config_ignore_scripts: 'true' },
  });
  return { version, compatible: status === 0 };
});

console.log('');
for (const { version, compatible } of results) {
  console.log(
    `Grafana ${version.padEnd(10)} ${compatible ? 'compatible' : 'NOT COMPATIBLE (or not installable), see above'}`,
  );
}
const good = results.filter(({ compatible }) => compatible).length;
console.log(`compat: ${good} of ${results.length} versions compatible`);
process.exitCode = good === results.length ? 0 : 1;
