/** Serves the host page, SystemJS, Grafana's icons and the built plugin from 127.0.0.1, on a port that is free. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

const TYPES = { '.js': 'text/javascript', '.map': 'application/json', '.svg': 'image/svg+xml', '.html': 'text/html' };

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>Outrider</title>
    <style>body { margin: 0; }</style>
    <link rel="icon" href="data:," />
    <script>window.__grafana_public_path__ = '/public/';</script>
    <script src="/systemjs/system.min.js"></script>
    <script src="/systemjs/extras/amd.min.js"></script>
  </head>
  <body class="theme-dark">
    <div id="root"></div>
    <script src="/host/host.js"></script>
  </body>
</html>`;

/** `folders` maps the first part of a URL's path to a folder. */
export async function servePage(folders) {
  return listen(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    if (pathname === '/') {
      response.writeHead(200, { 'content-type': TYPES['.html'] }).end(PAGE);
      return;
    }
    const [, first, ...rest] = normalize(pathname).split('/');
    try {
      const body = await readFile(join(folders[first], ...rest));
      response.writeHead(200, { 'content-type': TYPES[extname(pathname)] ?? 'application/octet-stream' }).end(body);
    } catch {
      response.writeHead(404).end(`nothing at ${pathname}`);
    }
  });
}

/** Starts a server on a free port of 127.0.0.1; `close` ends it with all its connections. */
export async function listen(handler) {
  const server = createServer((request, response) => void handler(request, response));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${server.address().port}`, close };
}
