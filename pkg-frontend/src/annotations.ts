/**
 * The annotations of a dashboard: which query is asked, and what is made of its answer.
 *
 * Grafana's own mapping finds columns by the names they are shown under. Those of a table of events are made for
 * readers ("Reason" instead of `text`), so it would find neither title, text nor end.
 */
import {
  type AnnotationEvent,
  AnnotationEventFieldSource,
  type AnnotationEventMappings,
  type AnnotationQuery,
  type AnnotationSupport,
  CoreApp,
  type DataFrame,
  type DataQueryResponse,
  DataTopic,
  type Field,
} from '@grafana/data';
import { of } from 'rxjs';

import { QUERY_VERSION } from './defaults';
import { migrateQuery } from './migrations';
import { type OutriderQuery } from './types';

export const annotationSupport: AnnotationSupport<OutriderQuery> = {
  getDefaultQuery: () => ({ version: QUERY_VERSION, output: 'events' }),
  prepareQuery: prepareAnnotation,
  processEvents: (annotation, frames) => of(toAnnotations(annotation, frames)),
};

/** Explore of Grafana before 11 is emptied by pointing at a mark: its tooltip asks for permissions that only panels have. */
export function canPointAtMarks(app: string | undefined, version: string): boolean {
  return app !== CoreApp.Explore || Number.parseInt(version, 10) >= 11;
}

/** An answer without the events that are drawn beside its series. */
export function withoutMarks(response: DataQueryResponse): DataQueryResponse {
  const data = response.data as DataFrame[];
  return { ...response, data: data.filter(({ meta }) => meta?.dataTopic !== DataTopic.Annotations) };
}

/** The query of an annotation: the one that was edited, asked for its events or for the annotations of the upstream. */
export function prepareAnnotation({ target }: AnnotationQuery<OutriderQuery>): OutriderQuery {
  const output = target?.output === 'annotations' ? 'annotations' : 'events';
  return { ...migrateQuery({ refId: 'Anno', ...target }), output };
}

/** What an annotation can have of a row. */
const PARTS = ['time', 'timeEnd', 'title', 'text', 'tags', 'id'] as const;
type Part = (typeof PARTS)[number];

/** A row as an annotation, with the columns that the mappings of the annotation's editor name, if they name others. */
export function toAnnotations(
  { target, mappings = {} }: AnnotationQuery<OutriderQuery>,
  frames: DataFrame[],
): AnnotationEvent[] {
  // What an upstream says of its own may be HTML, as it is in Grafana's own annotations. Names and reasons are not.
  const asHtml = target?.output === 'annotations' ? (text: string) => text : escapeHtml;
  return frames.flatMap((frame) => {
    const columns = new Map(PARTS.map((part) => [part, column(frame, part, mappings)]));
    const narrow = narrowMs(frame);
    return Array.from({ length: columns.get('time')?.length ?? 0 }, (_, row) => {
      const cell = (part: Part) => columns.get(part)?.[row];
      const own = (part: Part) => mappings[part]?.source === AnnotationEventFieldSource.Text;
      const shown = (part: 'title' | 'text') => {
        const text = textOf(cell(part));
        return text === undefined || own(part) ? text : asHtml(text);
      };
      const [time, end] = [numberOf(cell('time')), numberOf(cell('timeEnd'))];
      return {
        time,
        timeEnd: time !== undefined && end !== undefined && end - time >= narrow ? end : undefined,
        title: shown('title'),
        text: shown('text'),
        tags: tagsOf(cell('tags')),
        id: textOf(cell('id')),
      };
    }).filter(({ time }) => time !== undefined);
  });
}

/** Below this length an event is a mark and no region: most versions draw a narrow one without a mark to point at. */
function narrowMs(frame: DataFrame): number {
  const about = frame.meta?.custom?.['outrider'] as { rangeMs?: unknown } | undefined;
  return Math.max(1, (numberOf(about?.rangeMs) ?? 0) / 100);
}

/** The cells of a part, undefined if there are none. */
function column(frame: DataFrame, part: Part, mappings: AnnotationEventMappings): unknown[] | undefined {
  const { source, value } = mappings[part] ?? {};
  if (source === AnnotationEventFieldSource.Skip) {
    return undefined;
  }
  if (source === AnnotationEventFieldSource.Text) {
    return new Array<unknown>(frame.length).fill(value);
  }
  const wanted = (value === undefined || value === '' ? part : value).toLowerCase();
  const names = (field: Field) => [field.name, field.config.displayName, field.config.displayNameFromDS];
  const field = frame.fields.find((field) => names(field).some((name) => name?.toLowerCase() === wanted));
  return field && cells(field);
}

/** Before Grafana 10 the values of a field are no array. */
function cells({ values }: Field): unknown[] {
  return Array.isArray(values) ? values : (values as { toArray: () => unknown[] }).toArray();
}

function tagsOf(cell: unknown): string[] {
  if (Array.isArray(cell)) {
    return cell.map(String);
  }
  return (textOf(cell) ?? '')
    .split(',')
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '');
}

const numberOf = (cell: unknown) => (typeof cell === 'number' ? cell : undefined);
const textOf = (cell: unknown) => (typeof cell === 'string' ? cell : typeof cell === 'number' ? `${cell}` : undefined);

function escapeHtml(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}
