import { migrateQuery } from './migrations';

describe('migrateQuery', () => {
  it('makes a query of nothing', () => {
    expect(migrateQuery({})).toEqual({ refId: 'A', version: 1 });
    expect(migrateQuery(undefined)).toEqual({ refId: 'A', version: 1 });
  });

  it('keeps what is saved, unknown keys included', () => {
    const saved = { refId: 'B', direction: 'low', later: true } as const;
    expect(migrateQuery(saved)).toEqual({ ...saved, version: 1 });
  });

  it('does not turn a later version back', () => {
    expect(migrateQuery({ refId: 'A', version: 7 }).version).toBe(7);
  });
});
