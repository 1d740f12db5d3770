/** The way of a new user through a real Grafana: picker, Save & test, panel, Explore, alert rule. */
import { expect, test } from '@grafana/plugin-e2e';
import { type Page } from '@playwright/test';

import { inputId, optionId, selectors } from '../src/selectors';

const TYPE = 'outrider-outliers-datasource';
const LAST_SIX_HOURS = { from: 'now-6h', to: 'now' };

/** The frames of a query's answer, as far as they are looked at here. */
interface QueryAnswer {
  results: Record<
    string,
    { frames: Array<{ schema: { fields: Array<{ name: string }> }; data: { values: number[][] } }> }
  >;
}

const fieldNames = (answer: QueryAnswer) =>
  (answer.results.A?.frames ?? []).map(({ schema }) => schema.fields.map(({ name }) => name));

/** Asks for so many outliers that some are in sight whatever the time is. */
async function askForOutliers(page: Page, refId = 'A') {
  for (const [testId, label] of [
    [optionId('generator', 'series'), 'Median'],
    [selectors.query.detector, 'Isolation'],
  ] as const) {
    const select = page.locator(`#${inputId(testId, refId)}`);
    await select.fill(label);
    await select.press('Enter');
  }
  const contamination = page.locator(`#${inputId(selectors.isolationForest.contamination, refId)}`);
  await contamination.fill('0.1');
  await contamination.press('Enter');
}

test('the data source is in the picker, and Save & test says that it is ready', async ({
  createDataSourceConfigPage,
  page,
}) => {
  const config = await createDataSourceConfigPage({ type: TYPE });
  await expect(page.getByLabel('Upstream')).toBeVisible();
  await expect(config.saveAndTest()).toBeOK();
  await expect(config).toHaveAlert('success', { hasText: 'Generator ready' });
});

test('a panel shows values, scores and outliers', async ({ createDataSource, panelEditPage, page }) => {
  const { name } = await createDataSource({ type: TYPE });
  await panelEditPage.datasource.set(name);
  await panelEditPage.timeRange.set(LAST_SIX_HOURS);
  await panelEditPage.setVisualization('Time series');
  await askForOutliers(page);
  const response = await panelEditPage.refreshPanel();
  expect(response.ok()).toBe(true);
  const answer = (await response.json()) as QueryAnswer;
  expect(fieldNames(answer)[0]).toEqual(expect.arrayContaining(['time', 'value', 'anomaly', 'outlier', 'score']));
  const flags = (answer.results.A?.frames ?? []).flatMap(({ schema, data }) => {
    const outlier = schema.fields.findIndex((field) => field.name === 'outlier');
    return data.values[outlier] ?? [];
  });
  expect(flags).toContain(1);
  await expect(panelEditPage.panel.getErrorIcon()).toBeHidden();
  await expect(panelEditPage.panel.locator.locator('canvas').first()).toBeVisible();
});

test('Explore shows the same query', async ({ createDataSource, explorePage, page }) => {
  const { name } = await createDataSource({ type: TYPE });
  await explorePage.datasource.set(name);
  await askForOutliers(page);
  await expect(explorePage.runQuery()).toBeOK();
  await expect(explorePage.timeSeriesPanel.locator).toBeVisible();
});

test('an annotation is made of events', async ({ createDataSource, annotationEditPage, page }) => {
  const { name } = await createDataSource({ type: TYPE });
  await annotationEditPage.datasource.set(name);
  await expect(page.getByTestId(selectors.query.detector)).toBeVisible();
  await expect(page.getByTestId(selectors.query.output)).toBeHidden();
  await expect(annotationEditPage.runQuery()).toBeOK();
});

test('an alert rule can be previewed', async ({ createDataSource, alertRuleEditPage, page }) => {
  const { name } = await createDataSource({ type: TYPE });
  const row = await alertRuleEditPage.getQueryRow();
  await row.datasource.set(name);
  await askForOutliers(page);
  await expect(alertRuleEditPage.evaluate()).toBeOK();
});
