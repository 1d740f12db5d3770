import { act, render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import React, { useState } from 'react';

import { ConfigEditor } from '../ConfigEditor';
import { type OutriderDataSource } from '../datasource';
import { type Props as QueryProps, QueryEditor } from '../QueryEditor';
import { type Settings } from '../settings';
import { type Detector, type OutriderQuery } from '../types';

import { newDataSource } from './datasource';

/** Keeps an editor's state as Grafana does, and all that it saved. */
function mount<T>(initial: T, editor: (state: T, save: (next: T) => void) => React.ReactElement) {
  const saved: T[] = [];
  function Host() {
    const [state, setState] = useState(initial);
    return editor(state, (next) => {
      saved.push(next);
      setState(next);
    });
  }
  render(<Host />);
  return { saved, last: () => saved.at(-1), user: userEvent.setup() };
}

export function mountConfig(settings: Settings) {
  return mount(settings, (options, save) => <ConfigEditor options={options} onOptionsChange={save} />);
}

export async function mountQuery(
  query: Partial<OutriderQuery>,
  datasource: OutriderDataSource,
  extra: Pick<QueryProps, 'annotation'> = {},
) {
  const onRunQuery = jest.fn();
  const host = mount({ refId: 'A', ...query }, (state, save) => (
    <QueryEditor query={state} datasource={datasource} onChange={save} onRunQuery={onRunQuery} {...extra} />
  ));
  // The list of series comes with the next tick.
  await act(() => Promise.resolve());
  return { ...host, onRunQuery };
}

/** The editor of a query with this detector. */
export const mountDetector = (detector: Detector, datasource = newDataSource()) => mountQuery({ detector }, datasource);

/** Moves the focus as Tab would, to the field or the button with this name. */
export function focus(name: string) {
  const element = screen.queryByLabelText(name) ?? screen.getByRole('button', { name });
  act(() => element.focus());
}
