import { type BackendSrv, setBackendSrv } from '@grafana/runtime';
import { screen } from '@testing-library/react';
import { of } from 'rxjs';

import { newDataSource } from '../testing/datasource';
import { mountConfig, mountQuery } from '../testing/harness';
import { newSettings } from '../testing/settings';

import { readCondition } from './InfluxDb';

const fetch = jest.fn();
setBackendSrv({ fetch } as unknown as BackendSrv);

const influxdb = () => newDataSource({ source: 'influxdb' });

beforeEach(() => {
  fetch.mockReset();
  fetch.mockReturnValue(of({ data: [{ value: 'cpu', label: 'cpu' }] }));
});

it('offers what the upstream has, and saves what is chosen', async () => {
  const { user, last } = await mountQuery({}, influxdb());
  await user.click(screen.getByLabelText('Measurement'));
  await user.click(await screen.findByText('cpu'));
  expect(last()?.source).toStrictEqual({ kind: 'influxdb', measurement: 'cpu' });
  expect(fetch).toHaveBeenCalledWith(
    expect.objectContaining({ url: '/api/datasources/uid/outrider/resources/influxdb/measurements' }),
  );
  fetch.mockReturnValue(of({ data: [{ value: 'load', label: 'load', description: 'float' }] }));
  await user.click(screen.getByLabelText('Fields'));
  await user.click(await screen.findByText('load'));
  expect(last()?.source).toStrictEqual({ kind: 'influxdb', measurement: 'cpu', fields: ['load'] });
  expect(fetch).toHaveBeenLastCalledWith(expect.objectContaining({ params: { measurement: 'cpu' } }));
});

it('has a form for InfluxQL and a text for every language', async () => {
  const { user, last } = await mountQuery({}, influxdb());
  await user.click(screen.getByLabelText('Text'));
  const text = screen.getByRole('textbox', { name: 'Text' });
  await user.type(text, 'select 1');
  await user.tab();
  expect(last()?.source).toStrictEqual({ kind: 'influxdb', text: 'select 1' });
  await user.click(screen.getByLabelText('Form'));
  expect(screen.getByLabelText('Measurement')).toBeInTheDocument();
  await user.click(screen.getByLabelText('Language'));
  await user.click(screen.getByText('Flux'));
  expect(last()?.source).toStrictEqual({ kind: 'influxdb', language: 'flux' });
  expect(screen.queryByLabelText('Measurement')).not.toBeInTheDocument();
});

it('reads conditions as they are typed', () => {
  for (const [text, operator, value] of [
    ['= web-1', '=', 'web-1'],
    ['web-1', '=', 'web-1'],
    ['=~ /^web = 1/ ', '=~', '/^web = 1/'],
    ['!=a', '!=', 'a'],
    ['> 5', '>', '5'],
    ['', '=', ''],
  ] as const) {
    expect(readCondition(['host', text])).toEqual({ key: 'host', operator, value });
  }
});

it('asks for database, user and token in the settings', async () => {
  const { user, last } = mountConfig(newSettings({ jsonData: { source: 'influxdb' } }));
  await user.type(screen.getByLabelText('Database'), 'weather{Enter}');
  expect(last()?.jsonData).toEqual({ source: 'influxdb', database: 'weather' });
  expect(screen.queryByLabelText('InfluxDB password')).not.toBeInTheDocument();
  await user.type(screen.getByLabelText('InfluxDB user'), 'bob{Enter}');
  expect(last()?.user).toBe('bob');
  await user.type(screen.getByLabelText('InfluxDB password'), 'secret');
  await user.tab();
  expect(last()?.secureJsonData).toEqual({ password: 'secret' });
});
