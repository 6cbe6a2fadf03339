// Pages and APIs for browser tests: one origin for each call of startSite, all on 127.0.0.1, which makes them cross-origin
// to each other (other ports) and loopback all the same.
import { once } from 'node:events';
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { projectDir } from '../../js/build/setup.mjs';
import { corsHeaders, isPreflight } from './cors.mjs';

/**
 * @typedef {object} SiteRequest
 * @property {string} method
 * @property {string} path without the query
 * @property {URL} url
 * @property {import('node:http').IncomingHttpHeaders} headers by lower-case name
 * @property {[string, string][]} rawHeaders as they came over the wire: spelling, order and repetitions
 * @property {Buffer} body complete once the handler runs
 * @property {number} atMs performance.now() of this process, when the headers were there
 * @property {number} pushedBytes of the answer's body, taken by the kernel: grows while the client reads
 * @property {Promise<'finished' | 'cut off'>} ended how the answer ended
 */

/**
 * Answers one request. `json`, `text`, `echo`, `redirect`, ... below make handlers.
 * @typedef {(request: SiteRequest, response: import('node:http').ServerResponse) => void | Promise<void>} Handler
 */

/**
 * Starts an origin on a free port of 127.0.0.1. `/dist/...` serves what the build made; a page without content answers
 * at `/` unless `routes` has one.
 *
 * @param {object} [options]
 * @param {Record<string, Handler>} [options.routes] by path, `'/api/cart'`, or method and path, `'POST /api/cart'`;
 *   `'/files/*'` fits everything below
 * @param {import('./cors.mjs').Cors} [options.cors] for all routes, 'none'
 * @param {Record<string, string>} [options.headers] of every answer, for example `Timing-Allow-Origin`
 * @param {string} [options.distDir]
 */
export async function startSite({ routes = {}, cors = 'none', headers = {}, distDir = join(projectDir, 'dist') } = {}) {
  const site = new Site({ routes, cors, headers, distDir });
  await site.listen();
  return site;
}

class Site {
  /** @type {SiteRequest[]} all but preflights and /favicon.ico */
  requests = [];
  /** @type {SiteRequest[]} */
  preflights = [];

  #server = createServer((incoming, response) => {
    this.#handle(incoming, response).catch((error) => {
      if (response.destroyed || incoming.destroyed) return; // the client left, which tests do on purpose
      response.destroy();
      throw error;
    });
  });
  #routes;
  #cors;
  #headers;
  #watchers = new Set();

  constructor({ routes, cors, headers, distDir }) {
    this.#routes = { '/': page(), '/favicon.ico': status(204), '/dist/*': files(distDir, '/dist/'), ...routes };
    this.#cors = cors;
    this.#headers = headers;
  }

  async listen() {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  get port() {
    return this.#server.address().port;
  }

  get origin() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** @param {string} path */
  url(path) {
    return this.origin + path;
  }

  /** Adds or replaces a route while the site runs: for redirects between sites that have to know each other's ports. */
  route(pattern, handler) {
    this.#routes[pattern] = handler;
  }

  /** @param {string} path */
  requestsTo(path) {
    return this.requests.filter((request) => request.path === path);
  }

  /**
   * Waits until `path` was asked for `count` times.
   * @returns {Promise<SiteRequest[]>}
   */
  async waitForRequests(path, count = 1, timeoutMs = 5_000) {
    const deadlineMs = performance.now() + timeoutMs;
    while (this.requestsTo(path).length < count) {
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) {
        const paths = this.requests.map((request) => `${request.method} ${request.path}`).join(', ') || 'none';
        throw new Error(`after ${timeoutMs} ms still waiting for ${count} requests to ${path}; requests: ${paths}`);
      }
      await Promise.race([new Promise((resolve) => this.#watchers.add(resolve)), delay(leftMs, undefined, { ref: false })]);
    }
    return this.requestsTo(path);
  }

  /** Stops at once, streams included. */
  async close() {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #handle(incoming, response) {
    const request = describe(incoming, response, this.origin);
    for (const [name, value] of Object.entries({ ...this.#headers, ...corsHeaders(this.#cors, incoming) })) {
      response.setHeader(name, value);
    }
    if (isPreflight(incoming) && this.#cors !== 'none') {
      this.preflights.push(request);
      response.writeHead(204).end();
      return;
    }
    if (request.path !== '/favicon.ico') this.requests.push(request);
    for (const resolve of this.#watchers) resolve();
    this.#watchers.clear();

    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    request.body = Buffer.concat(chunks);
    await this.#handlerFor(request)(request, response);
  }

  #handlerFor({ method, path }) {
    const fits = (pattern) => (pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern);
    const patterns = Object.keys(this.#routes);
    // The last of the longest: exact before wildcard, what a test gave before what every site has.
    const best = (candidates) => candidates.sort((a, b) => a.length - b.length).at(-1);
    const chosen = best(patterns.filter((pattern) => pattern.startsWith(`${method} `) && fits(pattern.slice(method.length + 1)))) ??
      best(patterns.filter(fits));
    return chosen ? this.#routes[chosen] : status(404);
  }
}

/** @returns {SiteRequest} */
function describe(incoming, response, origin) {
  const url = new URL(incoming.url, origin);
  const rawHeaders = [];
  for (let index = 0; index < incoming.rawHeaders.length; index += 2) {
    rawHeaders.push([incoming.rawHeaders[index], incoming.rawHeaders[index + 1]]);
  }
  return {
    method: incoming.method,
    path: url.pathname,
    url,
    headers: incoming.headers,
    rawHeaders,
    body: Buffer.alloc(0),
    atMs: performance.now(),
    pushedBytes: 0,
    ended: new Promise((resolve) => {
      response.once('close', () => resolve(response.writableFinished ? 'finished' : 'cut off'));
    }),
  };
}

/**
 * A page.
 * @param {object} [content]
 * @param {string} [content.head] HTML
 * @param {string} [content.body] HTML
 * @param {string} [content.csp] Content-Security-Policy
 * @param {Record<string, string>} [content.headers]
 * @returns {Handler}
 */
export function page({ head = '', body = '', csp, headers = {} } = {}) {
  const html = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Test</title>${head}<body>${body}</body></html>`;
  return text(html, { headers: { 'Content-Type': 'text/html; charset=utf-8', ...(csp && { 'Content-Security-Policy': csp }), ...headers } });
}

/**
 * A page that starts webspan before anything else: `window.webspan` is the module, `window.instance` what `init` returned.
 * Both are there when `page.goto` returns.
 * @param {object} options given to `init`; may hold RegExps and functions, which must not use what stands around them
 * @param {Parameters<typeof page>[0] & { module?: string }} [content]
 * @returns {Handler}
 */
export function webspanPage(options, { head = '', module = '/dist/index.js', ...content } = {}) {
  const start = `<script type="module">
    import * as webspan from ${JSON.stringify(module)};
    window.webspan = webspan;
    window.instance = webspan.init(${toSource(options)});
  </script>`;
  return page({ head: start + head, ...content });
}

/** JavaScript that makes `value` again. */
function toSource(value) {
  if (value instanceof RegExp) return String(value);
  if (typeof value === 'function') return `(${value})`;
  if (Array.isArray(value)) return `[${value.map(toSource).join(', ')}]`;
  if (value !== null && typeof value === 'object') {
    return `{ ${Object.entries(value).map(([key, member]) => `${JSON.stringify(key)}: ${toSource(member)}`).join(', ')} }`;
  }
  // A script element ends at the first `</script`, wherever it stands.
  return value === undefined ? 'undefined' : JSON.stringify(value).replaceAll('<', '\\u003c');
}

/** @returns {Handler} */
export function text(content, { status = 200, headers = {} } = {}) {
  const bytes = Buffer.from(content);
  return (request, response) => {
    response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': bytes.length, ...headers });
    response.end(request.method === 'HEAD' ? undefined : bytes);
  };
}

/** @returns {Handler} */
export function json(value, { status = 200, headers = {} } = {}) {
  return text(JSON.stringify(value), { status, headers: { 'Content-Type': 'application/json', ...headers } });
}

/** @returns {Handler} */
export function status(code, headers = {}) {
  return (request, response) => void response.writeHead(code, headers).end();
}

/** What arrived, as JSON: `{ method, path, headers, rawHeaders, body }`. The site keeps the same in `requests`. @returns {Handler} */
export function echo() {
  return (request, response) => {
    const { method, path, headers, rawHeaders, body } = request;
    return json({ method, path, headers, rawHeaders, body: body.toString() })(request, response);
  };
}

/** @returns {Handler} */
export function redirect(location, code = 302) {
  return status(code, { Location: location });
}

/** `handler`, later. @returns {Handler} */
export function after(durationMs, handler) {
  return async (request, response) => {
    await delay(durationMs);
    await handler(request, response);
  };
}

/** `handler` under CORS of its own, preflights included; the site's must be 'none'. @returns {Handler} */
export function withCors(cors, handler) {
  return (request, response) => {
    for (const [name, value] of Object.entries(corsHeaders(cors, response.req))) response.setHeader(name, value);
    return isPreflight(response.req) ? void response.writeHead(204).end() : handler(request, response);
  };
}

/** Accepts the request and never answers. @returns {Handler} */
export function hang() {
  return () => {};
}

/** Resets the connection instead of answering; with `afterBytes`, within the body. @returns {Handler} */
export function reset({ afterBytes = 0 } = {}) {
  return async (request, response) => {
    if (afterBytes > 0) {
      response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': afterBytes * 2 });
      await write(request, response, Buffer.alloc(afterBytes, 'x'));
      await delay(20); // a reset overtakes what the client has not read yet
    }
    response.socket.resetAndDestroy();
  };
}

/**
 * A body in pieces, with pauses; without a length unless `isSized`.
 * @param {{ chunks?: number, chunkBytes?: number, pauseMs?: number, isSized?: boolean, headers?: Record<string, string> }} [options]
 * @returns {Handler}
 */
export function slow({ chunks = 5, chunkBytes = 1_000, pauseMs = 50, isSized = false, headers = {} } = {}) {
  return async (request, response) => {
    response.writeHead(200, {
      'Content-Type': 'application/octet-stream',
      ...(isSized && { 'Content-Length': chunks * chunkBytes }),
      ...headers,
    });
    for (let sent = 0; sent < chunks && !response.destroyed; sent++) {
      if (sent > 0) await delay(pauseMs);
      await write(request, response, Buffer.alloc(chunkBytes, 'x'));
    }
    response.end();
  };
}

/**
 * A large body, as fast as the client reads it. While the page stalls, `request.pushedBytes` stands still: it counts
 * what left this process, not what waits in it.
 * @param {{ totalBytes: number, headers?: Record<string, string> }} options
 * @returns {Handler}
 */
export function flood({ totalBytes, headers = {} }) {
  const chunk = Buffer.alloc(64 * 1024, 'x');
  return async (request, response) => {
    response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': totalBytes, ...headers });
    for (let left = totalBytes; left > 0 && !response.destroyed; left -= chunk.length) {
      await write(request, response, chunk.subarray(0, left));
    }
    response.end();
  };
}

/**
 * Server-sent events, one every `intervalMs`; `count` of them, else until the client leaves.
 * @param {{ intervalMs?: number, count?: number, headers?: Record<string, string> }} [options]
 * @returns {Handler}
 */
export function events({ intervalMs = 50, count = Infinity, headers = {} } = {}) {
  return async (request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', ...headers });
    for (let number = 0; number < count && !response.destroyed; number++) {
      await write(request, response, Buffer.from(`id: ${number}\ndata: ${number}\n\n`));
      await delay(intervalMs);
    }
    response.end();
  };
}

/** Serves the files of a directory below a path. @returns {Handler} */
export function files(dir, below) {
  const contentTypes = {
    '.css': 'text/css',
    '.html': 'text/html; charset=utf-8',
    '.js': 'text/javascript; charset=utf-8',
    '.json': 'application/json',
    '.mjs': 'text/javascript; charset=utf-8',
    '.wasm': 'application/wasm',
  };
  return (request, response) => {
    const file = normalize(join(dir, decodeURIComponent(request.path.slice(below.length))));
    if (!file.startsWith(normalize(dir)) || !existsSync(file) || !statSync(file).isFile()) {
      return void response.writeHead(404).end(`there is no ${request.path}: has the project been built?`);
    }
    response.writeHead(200, { 'Content-Type': contentTypes[extname(file)] ?? 'application/octet-stream' });
    createReadStream(file).pipe(response);
  };
}

/** Resolves when the kernel has taken the bytes, or the client is gone. */
function write(request, response, bytes) {
  return new Promise((resolve) => {
    response.once('close', resolve);
    response.write(bytes, () => {
      request.pushedBytes += bytes.length;
      response.off('close', resolve);
      resolve();
    });
  });
}
