/** The marks of events in panels: every one can be pointed at, and says what happened. */
import { expect, test } from '@grafana/plugin-e2e';
import { type Page } from '@playwright/test';

const TYPE = 'outrider-outliers-datasource';

// A page of Grafana and a mark after the other take longer than a click.
test.describe.configure({ timeout: 120_000 });

/** One of these holds the marks: the axis since Grafana 10.3, a canvas of their own before. */
const MARKS =
  '.u-axis > div, [data-testid="uplot-main-div"] ~ div > div[style*="position: absolute"] > div:first-child';

/** One point in twenty is an outlier, so that some are in sight whatever the time is. */
const QUERY = {
  refId: 'A',
  version: 1,
  source: { kind: 'generator', series: ['median'] },
  detector: { kind: 'isolation-forest' },
};

interface Asked {
  uid: string;
  type: string;
}

function dashboard(title: string, datasource: Asked, annotated: boolean) {
  const panel = (id: number, type: string, output: string) => ({
    id,
    type,
    title: type,
    datasource,
    gridPos: { x: 0, y: (id - 1) * 10, w: 24, h: 10 },
    targets: [{ ...QUERY, output, datasource }],
    fieldConfig: { defaults: {}, overrides: [] },
    options: {},
  });
  const annotation = { name: 'Outliers', enable: true, iconColor: 'red', datasource, target: QUERY };
  return {
    title,
    schemaVersion: 37,
    time: { from: 'now-3d', to: 'now' },
    annotations: { list: annotated ? [annotation] : [] },
    // Beside its series a panel of the default output has the events, without any annotation query.
    panels: annotated ? [panel(1, 'state-timeline', 'state')] : [panel(1, 'timeseries', 'all')],
  };
}

/** What went wrong in the page so far. A panel that cannot draw says so in its place and logs the error. */
function errorsOf(page: Page): string[] {
  const errors: string[] = [];
  page.on('pageerror', ({ message }) => errors.push(message));
  page.on('console', (message) => {
    if (message.type() === 'error' && /TypeError|is not a function|Unsupported/.test(message.text())) {
      errors.push(message.text());
    }
  });
  return errors;
}

interface QueryAnswer {
  results: Record<
    string,
    { frames?: Array<{ schema: { fields: Array<{ name: string }> }; data: { values: unknown[][] } }> }
  >;
}

/** The reasons that the page has been told so far. */
function reasonsOf(page: Page): string[] {
  const reasons: string[] = [];
  page.on('response', async (response) => {
    if (!response.url().includes('/api/ds/query')) {
      return;
    }
    const { results } = (await response.json()) as QueryAnswer;
    for (const { schema, data } of Object.values(results).flatMap(({ frames }) => frames ?? [])) {
      const column = schema.fields.findIndex(({ name }) => name === 'text');
      reasons.push(...((data.values[column] ?? []) as string[]));
    }
  });
  return reasons;
}

/** Points at all marks of the page, one after the other, and says how many there are. */
async function pointAtAll(page: Page, reasons: string[]): Promise<number> {
  const marks = page.locator(MARKS);
  const tag = page.getByText('outlier', { exact: true });
  const count = await marks.count();
  for (let index = 0; index < count; index++) {
    // By force: a mark may lie under its neighbour, whose words are as good.
    await marks.nth(index).hover({ force: true });
    await expect(tag.first()).toBeVisible();
    const shown = await page.locator('body').innerText();
    expect(reasons.filter((reason) => shown.includes(reason))).not.toEqual([]);
    expect(shown).toMatch(/median: (high|low) outlier/);
    await page.mouse.move(0, 0);
    await expect(tag).toHaveCount(0);
  }
  await expect(page.getByText('An unexpected error happened')).toHaveCount(0);
  return count;
}

for (const [what, annotated] of [
  ['a Time series panel with the default output', false],
  ['a State timeline under an annotation query', true],
] as const) {
  test(`every mark of ${what} can be hovered`, async ({ createDataSource, page, request }) => {
    const { uid } = await createDataSource({ type: TYPE });
    const made = await request.post('/api/dashboards/db', {
      data: { dashboard: dashboard(`Marks ${Date.now()} ${annotated}`, { uid, type: TYPE }, annotated) },
    });
    expect(made.ok()).toBe(true);
    const errors = errorsOf(page);
    const reasons = reasonsOf(page);
    await page.goto(((await made.json()) as { url: string }).url);
    await expect(page.locator(MARKS).first()).toBeAttached({ timeout: 30_000 });
    expect(await pointAtAll(page, reasons)).toBeGreaterThan(3);
    expect(errors).toEqual([]);
  });
}

test('Explore has no mark that cannot be hovered', async ({ createDataSource, page }) => {
  const { uid } = await createDataSource({ type: TYPE });
  const errors = errorsOf(page);
  const reasons = reasonsOf(page);
  const asked = { datasource: uid, queries: [QUERY], range: { from: 'now-3d', to: 'now' } };
  await page.setViewportSize({ width: 1400, height: 1600 });
  await page.goto(`/explore?left=${encodeURIComponent(JSON.stringify(asked))}`);
  await expect(page.locator('.u-over')).toBeVisible({ timeout: 30_000 });
  await expect.poll(() => reasons.length).toBeGreaterThan(3);
  await pointAtAll(page, reasons);
  await expect(page.locator('.u-over')).toBeVisible();
  expect(errors).toEqual([]);
});
