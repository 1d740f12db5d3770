/** Saved queries of every age become today's. Pure; the backend does the same, since alert rules never come by here. */
import { QUERY_VERSION } from './defaults';
import { type OutriderQuery } from './types';

/** Fills the version in; whatever else is saved stays as it is, a query of a later version included. */
export function migrateQuery(saved: Partial<OutriderQuery> | undefined): OutriderQuery {
  return { refId: 'A', ...saved, version: saved?.version ?? QUERY_VERSION };
}
