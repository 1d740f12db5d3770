// A web service as another team might have written it: rows are objects, times are ISO 8601, and the labels are
// nested. Only Node's standard library is needed.
//
//   node json_server.mjs [port]         port 0, the default, chooses a free one
//
// GET  /up                              a line of text
// GET  /api/v1/metrics?start=&stop=     ISO times; a point a minute and host
// POST /api/v1/search                   {"range": {"start": …, "stop": …}}, the same answer
import http from 'node:http';

const MINUTE = 60_000;
const HOSTS = ['web-1', 'web-2'];

/** A value that anyone can compute again: the minute of the hour, and 100 more on the second host. */
function valueOf(ms, hostIndex) {
  const minute = new Date(ms).getUTCMinutes();
  return minute === 30 ? null : minute + 100 * hostIndex + 0.5;
}

function rowsBetween(start, stop) {
  const rows = [];
  for (let ms = Math.ceil(start / MINUTE) * MINUTE; ms <= stop; ms += MINUTE) {
    HOSTS.forEach((host, index) => {
      rows.push({
        '@timestamp': new Date(ms).toISOString(),
        metric: { 'cpu/load': valueOf(ms, index), unit: 'percent' },
        resource: { tags: [{ key: 'host', value: host }] },
      });
    });
  }
  return rows;
}

function send(response, status, body) {
  const isText = typeof body === 'string';
  response.writeHead(status, { 'content-type': isText ? 'text/plain' : 'application/json' });
  response.end(isText ? body : JSON.stringify(body));
}

function answer(response, start, stop) {
  const [from, to] = [Date.parse(start), Date.parse(stop)];
  if (Number.isNaN(from) || Number.isNaN(to)) {
    send(response, 400, { error: 'start and stop must be ISO 8601 times' });
    return;
  }
  send(response, 200, { status: 'success', data: { took: 1, result: [{ rows: rowsBetween(from, to) }] } });
}

const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost');
  if (request.method === 'GET' && url.pathname === '/up') {
    send(response, 200, 'up and running\n');
  } else if (request.method === 'GET' && url.pathname === '/api/v1/metrics') {
    answer(response, url.searchParams.get('start'), url.searchParams.get('stop'));
  } else if (request.method === 'POST' && url.pathname === '/api/v1/search') {
    let text = '';
    request.setEncoding('utf8');
    request.on('data', (chunk) => (text += chunk));
    request.on('end', () => {
      try {
        const { range } = JSON.parse(text);
        answer(response, range.start, range.stop);
      } catch {
        send(response, 400, { error: 'the body must be JSON with a range' });
      }
    });
  } else {
    send(response, 404, { error: 'not found' });
  }
});

server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
