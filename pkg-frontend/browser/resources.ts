/** The answers of the server, canned: the resources of the plugin, its health, and an empty answer to queries. */
import { type BackendSrvRequest, type FetchResponse } from '@grafana/runtime';
import { type Observable, of, throwError } from 'rxjs';

import { type Host } from './state';

const SERIES = [
  { value: 'web-traffic', label: 'Web traffic', description: 'Requests a second with days and weeks' },
  { value: 'median', label: 'Median with outliers', description: 'Uniform noise around a median' },
  { value: 'sine', label: 'Sine wave', description: 'A noisy sine wave with outliers' },
  { value: 'cosine', label: 'Cosine wave', description: 'A noisy cosine wave with outliers' },
];

const ANSWERS: Array<[RegExp, (host: Host) => unknown]> = [
  [/\/resources\/generator\/series$/, () => SERIES],
  [/\/health$/, health],
  [/^\/api\/ds\/query/, () => ({ results: {} })],
];

export function fetchCanned({ method, url, data }: BackendSrvRequest, host: Host): Observable<FetchResponse> {
  host.requests.push({ method: method ?? 'GET', url, data: data as unknown });
  const answer = ANSWERS.find(([pattern]) => pattern.test(url))?.[1];
  if (answer === undefined) {
    return throwError(() => ({ status: 404, data: { error: `no canned answer for ${url}` } }));
  }
  return of({ ok: true, status: 200, statusText: 'OK', data: answer(host), url } as FetchResponse);
}

function health({ stored }: Host) {
  const source = (stored?.jsonData as { source?: string } | undefined)?.source;
  return source === 'http-json'
    ? { status: 'OK', message: `Reached ${stored?.url}/ in 12 ms: "ready"` }
    : { status: 'OK', message: 'Generator ready: 4 series, no network needed' };
}
