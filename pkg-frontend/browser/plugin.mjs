/** Runs the plugin itself with what the editors saved, through the program in OUTRIDER_HOST_CMD. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const WANTED_FIELDS = ['time', 'value', 'outlier', 'score'];

/** The host program and its leading arguments, or undefined where there is none. */
export function hostCommand() {
  const command = process.env.OUTRIDER_HOST_CMD?.trim();
  return command ? command.split(/\s+/) : undefined;
}

/** What the plugin answers to `query` under `settings`. */
export async function askPlugin(settings, query) {
  const [program, ...leading] = hostCommand();
  const folder = await mkdtemp(join(tmpdir(), 'outrider-browser-'));
  try {
    const [settingsFile, queryFile] = [join(folder, 'settings.json'), join(folder, 'query.json')];
    await writeFile(settingsFile, JSON.stringify(settings));
    await writeFile(queryFile, JSON.stringify(query));
    const given = ['--settings-file', settingsFile, '--query-file', queryFile, '--json'];
    const { stdout } = await promisify(execFile)(program, [...leading, ...given], {
      maxBuffer: 256 * 1024 * 1024,
      timeout: 120_000,
    });
    return JSON.parse(stdout);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Asserts that the answer has points with a verdict each, and gives its series: labels, unit and points. */
export function detected(answer) {
  assert.equal(answer.error ?? null, null);
  assert.equal(answer.status, 200);
  const frames = answer.frames.filter(({ meta }) => meta?.dataTopic !== 'annotations');
  assert.ok(frames.length > 0, 'there is a frame');
  return frames.map(({ name, fields }) => {
    const field = Object.fromEntries(fields.map((one) => [one.name, one]));
    for (const wanted of WANTED_FIELDS) {
      assert.ok(field[wanted], `frame ${name} has a field ${wanted}`);
    }
    const points = field.time.values.map((_, i) =>
      Object.fromEntries(WANTED_FIELDS.map((wanted) => [wanted, field[wanted].values[i]])),
    );
    assert.ok(points.length > 0, `frame ${name} has points`);
    return { labels: field.value.labels, unit: field.value.config?.unit, points };
  });
}
