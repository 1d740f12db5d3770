/** Another data source of the same Grafana, judged: TestData asked through this plugin with its own editor. */
import { expect, test } from '@grafana/plugin-e2e';

import { selectors } from '../src/selectors';

const TYPE = 'outrider-outliers-datasource';

interface QueryAnswer {
  results: Record<string, { error?: string; frames?: Array<{ schema: { fields: Array<{ name: string }> } }> }>;
}

test('the query of another data source is judged', async ({ createDataSource, page, request, baseURL }) => {
  const account = await request.post('/api/serviceaccounts', {
    data: { name: `outrider-${Date.now()}`, role: 'Viewer' },
  });
  expect(account.ok()).toBe(true);
  const { id } = (await account.json()) as { id: number };
  const token = await request.post(`/api/serviceaccounts/${id}/tokens`, { data: { name: 'e2e' } });
  const { key } = (await token.json()) as { key: string };

  const other = await createDataSource({ type: 'grafana-testdata-datasource' });
  const ours = await createDataSource({
    type: TYPE,
    url: baseURL ?? '',
    jsonData: { source: 'grafana' },
    secureJsonData: { serviceAccountToken: key },
  } as never);

  const ask = async (datasource: { uid: string; type: string }) => {
    const to = Date.now();
    const query = {
      refId: 'A',
      datasource: { uid: ours.uid, type: TYPE },
      step: '1m',
      trainingWindow: '1h',
      detector: { kind: 'mad' },
      source: {
        kind: 'grafana',
        query: {
          refId: 'A',
          scenarioId: 'predictable_pulse',
          pulseWave: { timeStep: 60, onCount: 3, onValue: 2, offCount: 3, offValue: 1 },
          datasource,
        },
      },
    };
    const answer = await request.post('/api/ds/query', {
      data: { from: String(to - 3_600_000), to: String(to), queries: [query] },
    });
    return (await answer.json()) as QueryAnswer;
  };
  const answer = await ask({ uid: other.uid, type: 'grafana-testdata-datasource' });
  expect(answer.results.A?.error).toBeUndefined();
  const names = answer.results.A?.frames?.[0]?.schema.fields.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(['time', 'value', 'outlier']));

  // Itself, and an expression.
  expect((await ask({ uid: ours.uid, type: TYPE })).results.A?.error).toContain('never end');
  expect((await ask({ uid: '__expr__', type: '__expr__' })).results.A?.error).toContain('expressions');

  await page.goto(
    `/explore?left=${encodeURIComponent(JSON.stringify({ datasource: ours.uid, queries: [{ refId: 'A' }] }))}`,
  );
  await expect(page.getByTestId(selectors.grafana.datasource)).toBeVisible();
});
