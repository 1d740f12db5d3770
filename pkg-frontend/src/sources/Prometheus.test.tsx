import { type BackendSrv, setBackendSrv } from '@grafana/runtime';
import { screen, within } from '@testing-library/react';
import { of } from 'rxjs';

import { optionId, selectors } from '../selectors';
import { newDataSource } from '../testing/datasource';
import { mountConfig, mountQuery } from '../testing/harness';
import { newSettings } from '../testing/settings';

const choices: Record<string, string[]> = {
  metrics: ['load', 'requests_total'],
  'tag-keys': ['host', 'job'],
  'tag-values': ['web-1', 'web-2'],
};
const asked: Array<[string, Record<string, string>]> = [];
const fetch = jest.fn(({ url, params }: { url: string; params: Record<string, string> }) => {
  const question = url.split('/').at(-1) ?? '';
  asked.push([question, params]);
  return of({ data: (choices[question] ?? []).map((value) => ({ value, label: value })) });
});
setBackendSrv({ fetch } as unknown as BackendSrv);
beforeEach(() => asked.splice(0));

const prometheus = () => newDataSource({ source: 'prometheus' });
const source = (options: object) => ({ source: { kind: 'prometheus' as const, ...options } });

describe('the builder', () => {
  it('suggests what the server has, and saves what is chosen', async () => {
    const { user, last } = await mountQuery({}, prometheus());
    await user.click(screen.getByLabelText('Metric'));
    await user.click(await screen.findByText('requests_total'));
    expect(last()?.source).toStrictEqual({ kind: 'prometheus', metric: 'requests_total' });

    await user.click(screen.getByRole('button', { name: 'Add label' }));
    await user.click(screen.getByLabelText('Label 1'));
    await user.click(await screen.findByText('job'));
    expect(last()?.source).toMatchObject({ matchers: [{ key: 'job', operator: '=', value: '' }] });
    await user.click(screen.getByLabelText('Value 1'));
    await user.click(await screen.findByText('web-2'));
    expect(last()?.source).toMatchObject({ matchers: [{ key: 'job', operator: '=', value: 'web-2' }] });
    expect(asked.at(-1)).toStrictEqual(['tag-values', { key: 'job', search: '', metric: 'requests_total' }]);

    await user.click(within(screen.getByTestId(selectors.prometheus.rate)).getByLabelText('Rate'));
    expect(last()?.source).toMatchObject({ rate: true });
    expect(screen.queryByTestId(selectors.prometheus.aggregate)).not.toBeInTheDocument();
    await user.click(screen.getByRole('button', { name: 'Remove label 1' }));
    expect(last()?.source).toStrictEqual({ kind: 'prometheus', metric: 'requests_total', rate: true });
  });

  it('does not save a label without a name', async () => {
    const { user, saved } = await mountQuery(source({ metric: 'load' }), prometheus());
    await user.click(screen.getByRole('button', { name: 'Add label' }));
    await user.click(screen.getByRole('button', { name: 'Remove label 1' }));
    expect(screen.queryByLabelText('Label 1')).not.toBeInTheDocument();
    expect(saved).toHaveLength(0);
  });

  it('keeps labels of combined series as a list', async () => {
    const { user, last } = await mountQuery(source({ metric: 'load', combine: 'sum' }), prometheus());
    await user.type(screen.getByLabelText('By'), 'job, host');
    await user.tab();
    expect(last()?.source).toMatchObject({ by: ['job', 'host'] });
  });
});

describe('PromQL', () => {
  it('is shown as it was saved, and comes back after a look at the builder', async () => {
    const { user, last } = await mountQuery(source({ expr: 'up' }), prometheus());
    expect(screen.getByLabelText('PromQL')).toHaveValue('up');
    await user.click(screen.getByRole('radio', { name: 'Builder' }));
    expect(last()?.source ?? {}).not.toHaveProperty('expr');
    expect(screen.getByLabelText('Metric')).toBeInTheDocument();
    await user.click(screen.getByRole('radio', { name: 'Code' }));
    expect(last()?.source).toMatchObject({ expr: 'up' });
  });
});

describe('the settings', () => {
  it('have a tenant and a scrape interval', async () => {
    const { user, last } = mountConfig(newSettings({ jsonData: { source: 'prometheus' } }));
    await user.type(screen.getByLabelText('Tenant'), 'team-a');
    await user.tab();
    const interval = within(screen.getByTestId(optionId('config', 'scrapeInterval'))).getByRole('textbox');
    expect(interval).toHaveValue('15s');
    await user.clear(interval);
    await user.type(interval, '1m');
    await user.tab();
    expect(last()?.jsonData).toMatchObject({ tenant: 'team-a', scrapeInterval: '1m' });
  });
});
