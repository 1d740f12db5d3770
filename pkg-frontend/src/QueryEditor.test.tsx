import { type BackendSrv, setBackendSrv, setTemplateSrv, type TemplateSrv } from '@grafana/runtime';
import { cleanup, screen, within } from '@testing-library/react';
import { NEVER } from 'rxjs';

import { optionId, selectors } from './selectors';
import { newDataSource } from './testing/datasource';
import { focus, mountDetector, mountQuery } from './testing/harness';
import { type OutriderQuery } from './types';

const fetch = jest.fn();
setBackendSrv({ fetch } as unknown as BackendSrv);
setTemplateSrv({ replace: (text?: string) => text ?? '' } as unknown as TemplateSrv);
beforeEach(() => fetch.mockReset().mockReturnValue(NEVER));

const field = (testId: string) => within(screen.getByTestId(testId));
const httpJson = () => newDataSource({ source: 'http-json' });
const openTraining = (user: { click: (element: Element) => Promise<void> }) =>
  user.click(screen.getByRole('button', { name: 'Training' }));

describe('a saved {}', () => {
  it('renders every default and saves nothing by itself', async () => {
    const { user, saved, onRunQuery } = await mountQuery({}, newDataSource());
    await openTraining(user);
    expect(field(selectors.query.source).getByText('Generator')).toBeInTheDocument();
    expect(field(optionId('generator', 'series')).getByText('Web traffic')).toBeInTheDocument();
    expect(field(selectors.query.detector).getByText('Automatic')).toBeInTheDocument();
    expect(field(selectors.query.output).getByText('Everything')).toBeInTheDocument();
    expect(screen.getByLabelText('Sensitivity')).toHaveValue(0.5);
    expect(screen.getByLabelText('Refractory')).toHaveValue(300);
    expect(screen.getByLabelText('Time zone')).toHaveValue('UTC');
    expect(screen.getByLabelText('Training window')).toHaveValue('auto');
    expect(screen.getByLabelText('Refit every')).toHaveValue('auto');
    expect(screen.getByLabelText('Step')).toHaveValue('auto');
    expect(screen.getByRole('radio', { name: 'Both' })).toBeChecked();
    expect(saved).toHaveLength(0);
    expect(onRunQuery).not.toHaveBeenCalled();
  });

  it('asks the upstream in the settings', async () => {
    await mountQuery({}, httpJson());
    expect(field(selectors.query.source).getByText('HTTP JSON')).toBeInTheDocument();
    expect(screen.getByLabelText('Path')).toHaveValue('/query');
    expect(screen.getByLabelText('Rows')).toHaveValue('/query_response');
    expect(screen.getByLabelText('Parameter 1 name')).toHaveValue('from');
    expect(screen.getByLabelText('Parameter 2 value')).toHaveValue('${__to}');
  });
});

describe('what is saved', () => {
  it('is the version and what differs from the default', async () => {
    const { user, last, onRunQuery } = await mountQuery({}, newDataSource());
    await user.click(screen.getByRole('radio', { name: 'High' }));
    expect(last()).toStrictEqual({ refId: 'A', version: 1, direction: 'high' });
    expect(onRunQuery).toHaveBeenCalledTimes(1);
    await user.click(screen.getByRole('radio', { name: 'Both' }));
    expect(last()).toStrictEqual({ refId: 'A', version: 1 });
  });

  it('says that counters are judged by their rate', async () => {
    const { user, last } = await mountQuery({}, newDataSource());
    expect(screen.getByRole('radio', { name: 'As they are' })).toBeChecked();
    await user.click(screen.getByRole('radio', { name: 'Rate' }));
    expect(last()).toStrictEqual({ refId: 'A', version: 1, transform: 'rate' });
  });

  it('has the kind beside the options of a kind, and neither where all is default', async () => {
    const { user, last } = await mountQuery({}, newDataSource());
    const refractory = screen.getByLabelText('Refractory');
    await user.clear(refractory);
    await user.type(refractory, '30{Enter}');
    expect(last()).toStrictEqual({ refId: 'A', version: 1, detector: { kind: 'auto', refractory: 30 } });
    await user.clear(refractory);
    await user.tab();
    expect(last()).toStrictEqual({ refId: 'A', version: 1 });
    expect(refractory).toHaveValue(300);
  });

  it('keeps what the editor does not know', async () => {
    const query = { detector: { kind: 'isolation-forest', newer: 1 }, later: 5 } as Partial<OutriderQuery>;
    const { user, last } = await mountQuery(query, newDataSource());
    await user.type(screen.getByLabelText('Contamination'), '0.02{Enter}');
    expect(last()).toEqual({
      refId: 'A',
      version: 1,
      later: 5,
      detector: { kind: 'isolation-forest', newer: 1, contamination: 0.02 },
    });
  });

  it('is saved and run when the field is left, not on each key', async () => {
    const { user, saved, onRunQuery } = await mountQuery({}, newDataSource());
    await openTraining(user);
    const window = screen.getByLabelText('Training window');
    await user.clear(window);
    await user.type(window, '14d');
    expect(saved).toHaveLength(0);
    await user.tab();
    expect(saved).toEqual([{ refId: 'A', version: 1, trainingWindow: '14d' }]);
    expect(onRunQuery).toHaveBeenCalledTimes(1);
  });

  it('is not saved after Escape', async () => {
    const { user, saved } = await mountQuery({}, newDataSource());
    const sensitivity = screen.getByLabelText('Sensitivity');
    await user.clear(sensitivity);
    await user.type(sensitivity, '0.9{Escape}');
    await user.tab();
    expect(saved).toHaveLength(0);
    expect(sensitivity).toHaveValue(0.5);
  });
});

describe('the source', () => {
  it('is chosen with the keyboard', async () => {
    const { user, last } = await mountQuery({ source: { kind: 'generator', seed: 7 } }, newDataSource());
    focus('Source');
    await user.keyboard('{ArrowDown}{ArrowDown}{Enter}');
    expect(last()?.source).toStrictEqual({ kind: 'http-json' });
    expect(screen.getByText('The upstream of this data source is generator')).toBeInTheDocument();
  });

  it('is left out where it is the one in the settings', async () => {
    const { user, last } = await mountQuery({ source: { kind: 'generator' } }, httpJson());
    focus('Source');
    await user.keyboard('{ArrowDown}{ArrowDown}{Enter}');
    expect(last()).toStrictEqual({ refId: 'A', version: 1 });
  });

  it('is named where this version does not know it, and is kept', async () => {
    const query = { source: { kind: 'pigeon', loft: 3 } } as unknown as Partial<OutriderQuery>;
    const { user, last } = await mountQuery(query, newDataSource());
    expect(screen.getByText('Unknown source "pigeon"')).toBeInTheDocument();
    await user.click(screen.getByRole('radio', { name: 'Low' }));
    expect(last()?.source).toEqual({ kind: 'pigeon', loft: 3 });
  });
});

describe('the generator', () => {
  it('adds a series', async () => {
    const { user, last } = await mountQuery({}, newDataSource());
    focus('Series');
    await user.keyboard('sine{Enter}');
    expect(last()?.source).toEqual({ kind: 'generator', series: ['web-traffic', 'sine'] });
  });

  it('makes the default series when none is left', async () => {
    const { user, last } = await mountQuery({ source: { kind: 'generator', series: ['sine'] } }, newDataSource());
    focus('Series');
    await user.keyboard('{Backspace}');
    expect(last()).toStrictEqual({ refId: 'A', version: 1 });
    expect(field(optionId('generator', 'series')).getByText('Web traffic')).toBeInTheDocument();
  });

  it('shows the options of the chosen series only', async () => {
    await mountQuery({ source: { kind: 'generator', series: ['sine'] } }, newDataSource());
    expect(screen.getByLabelText('Period')).toHaveValue('1d');
    expect(screen.getByLabelText('Outlier share')).toHaveValue(0.05);
    expect(screen.queryByLabelText('Median')).not.toBeInTheDocument();
  });

  it('saves the truth switch', async () => {
    const { user, last } = await mountQuery({}, newDataSource());
    await user.click(screen.getByLabelText('Truth'));
    expect(last()?.source).toEqual({ kind: 'generator', truth: true });
  });
});

describe('http-json', () => {
  it('saves a parameter once its row is left', async () => {
    const { user, saved, last } = await mountQuery({}, httpJson());
    await user.click(screen.getByRole('button', { name: 'Add parameter' }));
    await user.keyboard('host');
    await user.tab();
    expect(saved).toHaveLength(0);
    await user.keyboard('$host');
    await user.tab();
    await user.tab();
    expect(last()?.source).toEqual({
      kind: 'http-json',
      params: [
        { name: 'from', value: '${__from}' },
        { name: 'to', value: '${__to}' },
        { name: 'host', value: '$host' },
      ],
    });
  });

  it('does not save a row without a name', async () => {
    const { user, saved } = await mountQuery({}, httpJson());
    await user.click(screen.getByRole('button', { name: 'Add label' }));
    await user.tab();
    await user.keyboard('/2');
    await user.click(screen.getByLabelText('Path'));
    expect(saved).toHaveLength(0);
    expect(screen.getByLabelText('Label 1 pointer')).toHaveValue('/2');
  });

  it('removes a parameter', async () => {
    const { user, last } = await mountQuery({}, httpJson());
    await user.click(screen.getByRole('button', { name: 'Remove parameter 1' }));
    expect(last()?.source).toEqual({ kind: 'http-json', params: [{ name: 'to', value: '${__to}' }] });
  });

  it('saves an empty pointer, which means the whole answer', async () => {
    const { user, last } = await mountQuery({}, httpJson());
    await user.clear(screen.getByLabelText('Rows'));
    await user.tab();
    expect(last()?.source).toEqual({ kind: 'http-json', rows: '' });
  });

  it('has a body only where it is posted', async () => {
    const { user, last } = await mountQuery({}, httpJson());
    expect(screen.queryByLabelText('Body')).not.toBeInTheDocument();
    await user.click(screen.getByRole('radio', { name: 'POST' }));
    await user.click(screen.getByLabelText('Body'));
    await user.paste('{"from": ${__from}}');
    await user.tab();
    expect(last()?.source).toEqual({ kind: 'http-json', method: 'POST', body: '{"from": ${__from}}' });
  });

  it('asks for what the form and the format need', async () => {
    const { user, last } = await mountQuery({}, httpJson());
    await user.click(screen.getByRole('radio', { name: 'Keyed by time' }));
    expect(screen.queryByLabelText('Time')).not.toBeInTheDocument();
    await user.clear(screen.getByLabelText('Value'));
    await user.tab();
    expect(last()?.source).toEqual({ kind: 'http-json', form: 'keyed', value: '' });
    await user.click(screen.getByLabelText('Format'));
    await user.click(await screen.findByText('CSV'));
    expect(screen.queryByLabelText('Rows')).not.toBeInTheDocument();
    expect(screen.queryByRole('radio', { name: 'Columns' })).not.toBeInTheDocument();
    expect(screen.getByLabelText('Time')).toBeInTheDocument();
  });

  it('warns of a POST that the data source does not allow', async () => {
    const warning = /does not allow POST/;
    const post = { source: { kind: 'http-json', method: 'POST' } } as const;
    const { user } = await mountQuery(post, httpJson());
    expect(screen.getByText(warning)).toBeInTheDocument();
    await user.click(screen.getByRole('radio', { name: 'GET' }));
    expect(screen.queryByText(warning)).not.toBeInTheDocument();
    cleanup();
    await mountQuery(post, newDataSource({ source: 'http-json', allowPost: true }));
    expect(screen.queryByText(warning)).not.toBeInTheDocument();
  });

  it('shows the first points as they were understood', async () => {
    const datasource = httpJson();
    const table = {
      executed: 'GET http://h/query',
      columns: ['time', 'host', 'value'],
      rows: [['2023-11-14T22:13:20Z', 'web-1', '1.5']],
      series: 1,
      points: 7,
      notices: ['2 of 9 rows left out'],
    };
    const postResource = jest.spyOn(datasource, 'postResource').mockResolvedValueOnce(table);
    const { user } = await mountQuery({ source: { kind: 'http-json', rows: '' } }, datasource);
    await user.click(screen.getByRole('button', { name: 'Preview' }));
    expect(await screen.findByText('web-1')).toBeInTheDocument();
    expect(screen.getByText(/7 points in 1 series/)).toBeInTheDocument();
    expect(screen.getByText('2 of 9 rows left out')).toBeInTheDocument();
    const [path, asked] = postResource.mock.calls[0] ?? [];
    expect(path).toBe('preview');
    expect(asked).toMatchObject({ query: { source: { kind: 'http-json', rows: '', path: '/query' } } });
    // What is shown belongs to the options that were asked.
    await user.click(screen.getByRole('radio', { name: 'Columns' }));
    expect(screen.queryByText('web-1')).not.toBeInTheDocument();

    postResource.mockRejectedValueOnce({ data: { error: '[protocol] the rows pointer "" leads to an object' } });
    await user.click(screen.getByRole('button', { name: 'Preview' }));
    expect(await screen.findByText(/leads to an object/)).toBeInTheDocument();
  });

  it('says what is wrong with a path or a pointer', async () => {
    const { user } = await mountQuery({}, httpJson());
    const path = screen.getByLabelText('Path');
    await user.clear(path);
    await user.type(path, 'http://evil/x');
    await user.tab();
    expect(field(selectors.httpJson.path).getByRole('alert')).toHaveTextContent(/names a host/);
    const time = screen.getByLabelText('Time');
    await user.clear(time);
    await user.type(time, '0');
    await user.tab();
    expect(field(selectors.httpJson.time).getByRole('alert')).toHaveTextContent('Write for example /0.');
    await user.clear(time);
    await user.type(time, '/0');
    expect(field(selectors.httpJson.time).queryByRole('alert')).not.toBeInTheDocument();
  });
});

describe('the detector', () => {
  it('has no use for the threshold where a contamination is set', async () => {
    const { user } = await mountDetector({ kind: 'isolation-forest' });
    expect(screen.getByLabelText('Threshold')).toBeEnabled();
    await user.type(screen.getByLabelText('Contamination'), '0.01');
    await user.tab();
    expect(screen.getByLabelText('Threshold')).toBeDisabled();
  });

  it('says what is wrong with a number', async () => {
    const { user } = await mountDetector({ kind: 'isolation-forest' });
    const threshold = screen.getByLabelText('Threshold');
    await user.clear(threshold);
    await user.type(threshold, '2');
    expect(field(selectors.isolationForest.threshold).queryByRole('alert')).not.toBeInTheDocument();
    await user.tab();
    expect(field(selectors.isolationForest.threshold).getByRole('alert')).toHaveTextContent('Write 0 to 1.');
    expect(threshold).toBeInvalid();
  });
});

describe('every detector', () => {
  it('is edited with its own options, and saves what differs', async () => {
    for (const [kind, label, typed, option] of [
      ['mad', 'Threshold', '5', { threshold: 5 }],
      ['mad', 'Scale', '1', { scale: 1 }],
      ['z-score', 'Threshold', '4', { threshold: 4 }],
      ['z-score', 'Window', '6h', { window: '6h' }],
      ['iqr', 'Factor', '1.5', { factor: 1.5 }],
      ['iqr', 'Window', '1d', { window: '1d' }],
      ['changepoint', 'False alarms', '1', { falseAlarmsPerWeek: 1 }],
      ['changepoint', 'Smallest shift', '3', { minShift: 3 }],
      ['changepoint', 'Shortest', '12', { minSize: 12 }],
    ] as const) {
      const { user, last } = await mountDetector({ kind });
      if (label === 'Scale') {
        await user.click(screen.getByRole('button', { name: 'Advanced' }));
      }
      const input = screen.getByLabelText(label);
      await user.clear(input);
      await user.type(input, `${typed}{Enter}`);
      expect(last()?.detector).toStrictEqual({ kind, ...option });
      cleanup();
    }
  });

  it('has the kinds of changes in sight', async () => {
    const { user, last } = await mountDetector({ kind: 'changepoint' });
    await user.click(screen.getByRole('radio', { name: 'Noise' }));
    expect(last()?.detector).toStrictEqual({ kind: 'changepoint', kinds: 'variance' });
  });

  it('says what a window may be', async () => {
    const { user } = await mountDetector({ kind: 'mad' });
    const window = screen.getByLabelText('Window');
    await user.clear(window);
    await user.type(window, 'all');
    await user.tab();
    expect(field(optionId('mad', 'window')).getByRole('alert')).toHaveTextContent('or training');
  });
});

describe('the training section', () => {
  it('is closed at first and says in short what is set', async () => {
    const { user } = await mountQuery({ trainingWindow: '14d', step: '5m' }, newDataSource());
    const header = screen.getByRole('button', { name: 'Training' });
    expect(header).toHaveAttribute('aria-expanded', 'false');
    expect(screen.getByText('window 14d, refit auto, step 5m')).toBeInTheDocument();
    expect(screen.queryByLabelText('Training window')).not.toBeInTheDocument();
    focus('Training');
    await user.keyboard('{Enter}');
    expect(header).toHaveAttribute('aria-expanded', 'true');
    expect(screen.getByLabelText('Training window')).toHaveValue('14d');
  });

  it('has no window where the visible range is trained on', async () => {
    const { user, last } = await mountQuery({}, newDataSource());
    await openTraining(user);
    await user.click(screen.getByRole('radio', { name: 'Visible range' }));
    expect(last()).toStrictEqual({ refId: 'A', version: 1, training: 'visible-range' });
    expect(screen.queryByLabelText('Training window')).not.toBeInTheDocument();
    expect(screen.getByLabelText('Step')).toBeInTheDocument();
  });

  it('leaves the newest points out for as long as they settle', async () => {
    const { user, last } = await mountQuery({}, newDataSource());
    await openTraining(user);
    const settle = screen.getByLabelText('Settle');
    expect(settle).toHaveValue('auto');
    await user.clear(settle);
    await user.type(settle, '90s');
    await user.tab();
    expect(last()).toStrictEqual({ refId: 'A', version: 1, settle: '90s' });
    await user.clear(settle);
    await user.type(settle, '2d');
    await user.tab();
    expect(field(selectors.query.settle).getByRole('alert')).toHaveTextContent('2d is too long');
  });

  it('says what is wrong with a duration', async () => {
    const { user } = await mountQuery({}, newDataSource());
    await openTraining(user);
    const refit = screen.getByLabelText('Refit every');
    await user.clear(refit);
    await user.type(refit, '2x');
    await user.tab();
    expect(field(selectors.query.refitInterval).getByRole('alert')).toHaveTextContent('"2x" is not a duration');
  });
});

describe('the rules', () => {
  const open = (user: { click: (element: Element) => Promise<void> }) =>
    user.click(screen.getByRole('button', { name: 'Rules' }));

  it('are none, and only what is set is saved', async () => {
    const { user, last, saved } = await mountQuery({}, newDataSource());
    expect(field(selectors.query.rulesSection).getByText('none')).toBeInTheDocument();
    await open(user);
    expect(screen.getByLabelText('Min deviation')).toHaveValue(0);
    expect(saved).toHaveLength(0);
    await user.clear(screen.getByLabelText('Min deviation'));
    await user.type(screen.getByLabelText('Min deviation'), '5');
    await user.tab();
    expect(last()).toStrictEqual({ refId: 'A', version: 1, minDeviation: { absolute: 5 } });
    await user.clear(screen.getByLabelText('or percent'));
    await user.type(screen.getByLabelText('or percent'), '7');
    await user.tab();
    expect(last()).toStrictEqual({ refId: 'A', version: 1, minDeviation: { absolute: 5, relative: 0.07 } });
    expect(screen.getByLabelText('or percent')).toHaveValue(7);
    await user.clear(screen.getByLabelText('Min deviation'));
    await user.clear(screen.getByLabelText('or percent'));
    await user.tab();
    expect(last()).toStrictEqual({ refId: 'A', version: 1 });
  });

  it('mute times, each of which is checked', async () => {
    const { user, last } = await mountQuery({}, newDataSource());
    await open(user);
    const mute = screen.getByLabelText('Mute');
    await user.type(mute, 'Sun 02:00-04:00 Europe/Berlin; 12-24');
    await user.tab();
    expect(last()).toStrictEqual({ refId: 'A', version: 1, mute: ['Sun 02:00-04:00 Europe/Berlin', '12-24'] });
    await user.clear(mute);
    await user.type(mute, 'tomorrow');
    await user.tab();
    expect(field(selectors.query.mute).getByRole('alert')).toHaveTextContent('"tomorrow" is no time to mute');
  });

  it('are summed up when closed', async () => {
    const rules = {
      minDeviation: { absolute: 5, relative: 0.1 },
      validRange: { min: 0, max: null },
      minPoints: 3,
      minDuration: '15m',
      mute: ['Sun'],
    };
    await mountQuery(rules, newDataSource());
    const summary = 'at least 5 and 10 % off, valid 0 to any, for 3 points, for 15m, muted Sun';
    expect(field(selectors.query.rulesSection).getByText(summary)).toBeInTheDocument();
  });
});

describe('the output', () => {
  it('is chosen with the keyboard', async () => {
    const { user, last } = await mountQuery({}, newDataSource());
    focus('Output');
    await user.keyboard('{ArrowDown}{ArrowDown}{Enter}');
    expect(last()).toStrictEqual({ refId: 'A', version: 1, output: 'state' });
  });

  it('says what an alert sees where points are missing', async () => {
    const { user, last } = await mountQuery({}, newDataSource());
    expect(field(selectors.query.missing).getByText('No data')).toBeInTheDocument();
    focus('Missing points');
    await user.keyboard('{ArrowDown}{ArrowDown}{Enter}');
    expect(last()).toStrictEqual({ refId: 'A', version: 1, missing: 'outlier' });
  });

  it('is not to be chosen for an annotation, which is always made of events', async () => {
    await mountQuery({}, newDataSource(), { annotation: {} });
    expect(screen.queryByLabelText('Output')).not.toBeInTheDocument();
    expect(screen.getByLabelText('Detector')).toBeInTheDocument();
  });
});

it('keeps the fields of two queries apart', async () => {
  const datasource = newDataSource();
  await mountQuery({ refId: 'A' }, datasource);
  await mountQuery({ refId: 'B' }, datasource);
  const ids = screen.getAllByLabelText('Sensitivity').map((input) => input.id);
  expect(new Set(ids).size).toBe(2);
});

it('binds every label to something that is there', async () => {
  for (const datasource of [newDataSource(), httpJson()]) {
    await mountQuery({}, datasource);
  }
  const targets = [...document.querySelectorAll('label[for]')].map((label) => label.getAttribute('for') ?? '');
  expect(targets.length).toBeGreaterThan(20);
  expect(targets.filter((id) => document.getElementById(id) === null)).toEqual([]);
});
