import { type BackendSrv, setBackendSrv } from '@grafana/runtime';
import { screen } from '@testing-library/react';
import { NEVER } from 'rxjs';

import { newDataSource } from '../testing/datasource';
import { mountQuery } from '../testing/harness';

import { conditionOf } from './Sql';

setBackendSrv({ fetch: () => NEVER } as unknown as BackendSrv);

const source = { kind: 'postgresql' } as const;

it('saves what the builder needs, and nothing for the defaults', async () => {
  const { user, last } = await mountQuery({ source }, newDataSource());
  expect(screen.queryByLabelText('Statement')).not.toBeInTheDocument();
  await user.type(screen.getByLabelText('Value columns'), 'cpu, mem{Enter}');
  expect(last()?.source).toStrictEqual({ kind: 'postgresql', valueColumns: ['cpu', 'mem'] });
  await user.type(screen.getByLabelText('Label columns'), 'host{Enter}');
  expect(last()?.source).toStrictEqual({ kind: 'postgresql', valueColumns: ['cpu', 'mem'], labelColumns: ['host'] });
});

it('saves a statement', async () => {
  const { user, last } = await mountQuery({ source: { ...source, mode: 'text' } }, newDataSource());
  expect(screen.queryByLabelText('Time column')).not.toBeInTheDocument();
  await user.type(screen.getByLabelText('Statement'), 'SELECT 1');
  await user.tab();
  expect(last()?.source).toStrictEqual({ kind: 'postgresql', mode: 'text', sql: 'SELECT 1' });
});

it('asks for columns where the answer is a table', async () => {
  await mountQuery({ source: { ...source, mode: 'text', format: 'table' } }, newDataSource());
  expect(screen.getByLabelText('Time column')).toBeInTheDocument();
  expect(screen.queryByLabelText('Aggregate')).not.toBeInTheDocument();
});

it('reads conditions', () => {
  expect(conditionOf('host', 'web')).toEqual({ key: 'host', operator: '=', value: 'web' });
  expect(conditionOf('host', '= web')).toEqual({ key: 'host', operator: '=', value: 'web' });
  expect(conditionOf('host', '!~^db')).toEqual({ key: 'host', operator: '!~', value: '^db' });
  expect(conditionOf('n', '< 5')).toEqual({ key: 'n', operator: '<', value: '5' });
});
