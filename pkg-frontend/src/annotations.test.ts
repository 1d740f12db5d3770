import {
  AnnotationEventFieldSource,
  type AnnotationQuery,
  CoreApp,
  type DataFrame,
  DataTopic,
  type Field,
  FieldType,
  textUtil,
  toDataFrame,
} from '@grafana/data';
import { lastValueFrom } from 'rxjs';

import { annotationSupport, canPointAtMarks, prepareAnnotation, toAnnotations, withoutMarks } from './annotations';
import { type OutriderQuery } from './types';

const annotation = (target?: OutriderQuery, mappings = {}) =>
  ({ name: 'Outliers', enable: true, iconColor: 'red', target, mappings }) as AnnotationQuery<OutriderQuery>;

describe('the query of an annotation', () => {
  it('asks the edited query for its events', () => {
    const query: OutriderQuery = { refId: 'X', direction: 'high', output: 'all' };
    expect(prepareAnnotation(annotation(query))).toEqual({
      refId: 'X',
      version: 1,
      direction: 'high',
      output: 'events',
    });
  });

  it('works before anything was edited', () => {
    expect(prepareAnnotation(annotation())).toEqual({ refId: 'Anno', version: 1, output: 'events' });
  });

  it('asks for the annotations of the upstream where that was chosen', () => {
    expect(prepareAnnotation(annotation({ refId: 'X', output: 'annotations' })).output).toBe('annotations');
  });
});

/** What the backend answers: the columns have names for readers. */
function events(rangeMs: number): DataFrame {
  const shown = (displayNameFromDS: string) => ({ displayNameFromDS });
  return toDataFrame({
    meta: { custom: { outrider: { rangeMs } } },
    fields: [
      { name: 'time', type: FieldType.time, config: shown('Begin'), values: [1000, 5000] },
      { name: 'timeEnd', type: FieldType.time, config: shown('End'), values: [3000, 5000] },
      { name: 'title', type: FieldType.string, config: shown('Event'), values: ['R&D <b>: low outlier', 'b: high'] },
      { name: 'text', type: FieldType.string, config: shown('Reason'), values: ['1 < 5', '9 > 5'] },
      { name: 'tags', type: FieldType.string, values: ['outlier,low', ''] },
      { name: 'id', type: FieldType.string, values: ['x', 'y'] },
    ],
  });
}

describe('the annotations of a dashboard', () => {
  it('are the events, with title, reason, end and tags, as HTML that shows them', async () => {
    const made = annotationSupport.processEvents?.(annotation(), [events(20_000)]);
    expect(made && (await lastValueFrom(made))).toEqual([
      {
        time: 1000,
        timeEnd: 3000,
        title: 'R&amp;D &lt;b&gt;: low outlier',
        text: '1 &lt; 5',
        tags: ['outlier', 'low'],
        id: 'x',
      },
      { time: 5000, timeEnd: undefined, title: 'b: high', text: '9 &gt; 5', tags: [], id: 'y' },
    ]);
  });

  it('read as they are in the tooltip of a panel, which puts them in as HTML', () => {
    const tooltip = document.createElement('div');
    tooltip.innerHTML = textUtil.sanitize(toAnnotations(annotation(), [events(0)])[0]?.title ?? '');
    expect(tooltip).toHaveTextContent('R&D <b>: low outlier');
  });

  it('are marks where a region would be too narrow to be seen', () => {
    const ends = (rangeMs: number) => toAnnotations(annotation(), [events(rangeMs)]).map(({ timeEnd }) => timeEnd);
    expect(ends(200_000)).toEqual([3000, undefined]);
    expect(ends(200_001)).toEqual([undefined, undefined]);
  });

  it('follow the mappings of the editor', () => {
    const mappings = {
      title: { source: AnnotationEventFieldSource.Text, value: '<i>mine</i>' },
      text: { source: AnnotationEventFieldSource.Field, value: 'Event' },
      id: { source: AnnotationEventFieldSource.Skip },
      tags: { value: 'id' },
    };
    expect(toAnnotations(annotation(undefined, mappings), [events(0)])[1]).toMatchObject({
      title: '<i>mine</i>',
      text: 'b: high',
      id: undefined,
      tags: ['y'],
    });
  });

  it('of an upstream are what it says', () => {
    const target: OutriderQuery = { refId: 'Anno', output: 'annotations' };
    expect(toAnnotations(annotation(target), [events(0)])[0]?.title).toBe('R&D <b>: low outlier');
  });

  it('are none where there is no data', () => {
    expect(toAnnotations(annotation(), [])).toEqual([]);
    expect(toAnnotations(annotation(), [toDataFrame({ fields: [] })])).toEqual([]);
  });

  it('can be made of the values of Grafana 9, which are no arrays', () => {
    const frame = events(0);
    const old = frame.fields.map((field) => ({ ...field, values: { toArray: () => field.values as unknown[] } }));
    const [first] = toAnnotations(annotation(), [{ ...frame, fields: old as unknown as Field[] }]);
    expect(first).toMatchObject({ time: 1000, tags: ['outlier', 'low'] });
  });
});

describe('the marks beside the series', () => {
  it('are left out in Explore before Grafana 11, which cannot show what they say', () => {
    expect(canPointAtMarks(CoreApp.Explore, '9.4.17')).toBe(false);
    expect(canPointAtMarks(CoreApp.Explore, '10.4.19')).toBe(false);
    expect(canPointAtMarks(CoreApp.Explore, '11.0.0-pre')).toBe(true);
    expect(canPointAtMarks(CoreApp.Dashboard, '9.4.17')).toBe(true);
    expect(canPointAtMarks(undefined, '9.4.17')).toBe(true);
  });

  it('are the frames of annotations and no other', () => {
    const series = toDataFrame({ fields: [] });
    const marks = toDataFrame({ meta: { dataTopic: DataTopic.Annotations }, fields: [] });
    expect(withoutMarks({ key: 'A', data: [series, marks] })).toEqual({ key: 'A', data: [series] });
  });
});
