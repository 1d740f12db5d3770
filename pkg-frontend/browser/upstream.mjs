/** An HTTP JSON upstream for the plugin: an hourly rhythm with a spike every four hours, for those who know the token and the key. */
import { listen } from './server.mjs';

const STEP_MS = 300_000;
const SPIKE_EVERY = 50;
const ROWS_AT_MOST = 50_000;

export const TOKEN = 't0ken-of-the-upstream';
export const API_KEY = 'k3y-of-the-upstream';

export async function serveUpstream() {
  const requests = [];
  const server = await listen((request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://localhost');
    const known = request.headers.authorization === `Bearer ${TOKEN}` && request.headers['x-api-key'] === API_KEY;
    requests.push({ pathname, searchParams, known });
    const answer = !known
      ? [401, { error: 'who are you?' }]
      : pathname === '/metrics'
        ? [200, rows(searchParams)]
        : [404, {}];
    response.writeHead(answer[0], { 'content-type': 'application/json' }).end(JSON.stringify(answer[1]));
  });
  return { ...server, requests };
}

/** A function of the time alone, so that it does not matter when the test runs. */
function rows(parameters) {
  const from = Math.ceil(Number(parameters.get('from')) / STEP_MS);
  const to = Math.min(Math.floor(Number(parameters.get('to')) / STEP_MS), from + ROWS_AT_MOST);
  const data = [];
  for (let i = from; i <= to; i += 1) {
    const spike = i % SPIKE_EVERY === 0 ? 80 : 0;
    data.push({ t: i * STEP_MS, v: 20 + 5 * Math.sin((i * Math.PI) / 6) + spike, host: 'web1' });
  }
  return { data };
}
