/** The viewer's server: receives traces, keeps them in memory, serves the API and the page. */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { isIP, type AddressInfo } from 'node:net';
import { Bodies } from './bodies.js';
import { receive } from './receiver.js';
import { TraceStore, type TraceFilter } from './store.js';
import { MAX_STREAMS, TraceStream } from './stream.js';

// Here is where the decoder's WebAssembly is loaded; the commands have its rules of what is a secret from here.
export { redact } from 'webspan-viewer-decode';

export interface ViewerOptions {
  /** 0 takes any that is free. @defaultValue 4318, the port of OTLP/HTTP */
  port?: number;
  /** Address to listen on. @defaultValue '127.0.0.1', which other machines cannot reach */
  host?: string;
  /** Spans kept in memory; beyond them the traces that were longest without news are dropped. @defaultValue 20000 */
  maxSpans?: number;
  /** Bytes of memory for these spans, by estimate; beyond them traces are dropped likewise. @defaultValue 134217728, 128 MiB */
  maxBytes?: number;
  /** Milliseconds that a request may take to arrive in full. @defaultValue 30000 */
  requestTimeoutMs?: number;
  /** Hears why something that was sent could not be taken. */
  onComplaint?: (message: string) => void;
}

export interface Viewer {
  /** Where the page is, and the endpoint to give to SDKs: `http://127.0.0.1:4318`. */
  readonly url: string;
  close(): Promise<void>;
}

export const DEFAULT_PORT = 4318;
export const DEFAULT_HOST = '127.0.0.1';
export const DEFAULT_MAX_SPANS = 20_000;
/** The spans above, at 6 KB for each with its attributes and events. */
export const DEFAULT_MAX_BYTES = 128 * 1024 * 1024;

/** Uploads on this machine are done in a fraction of it. Node's 300 s are for the internet. */
const REQUEST_TIMEOUT_MS = 30_000;
/** An answer of which the reader takes nothing for so long is given up. */
const STALLED_MS = 30_000;
/** Chromium opens 256 in all. */
const MAX_CONNECTIONS = 512;
/** Attributes that one question may name. Each is looked for in all spans. */
const MAX_ATTRIBUTE_FILTERS = 20;
/** Small items of a list are sent together. */
const CHUNK_CHARS = 64 * 1024;

const PAGE_FILES: Record<string, [file: string, contentType: string]> = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/page.js': ['page.js', 'text/javascript; charset=utf-8'],
  '/page.css': ['page.css', 'text/css; charset=utf-8'],
  '/favicon.svg': ['favicon.svg', 'image/svg+xml'],
};

const PAGE_HEADERS = {
  // Span names and attributes come from anywhere. Should one ever be written as markup, it still cannot run.
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'Referrer-Policy': 'no-referrer',
};

/** Starts a viewer. Rejects when the port cannot be had. */
export async function startViewer(options: ViewerOptions = {}): Promise<Viewer> {
  const host = options.host ?? DEFAULT_HOST;
  const complain = options.onComplaint ?? (() => undefined);
  const store = new TraceStore(options.maxSpans ?? DEFAULT_MAX_SPANS, options.maxBytes ?? DEFAULT_MAX_BYTES);
  const bodies = new Bodies();
  const requestTimeout = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
  const stream = new TraceStream((traceId) => store.summary(traceId));
  const page = readPage();

  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    response.setHeader('X-Content-Type-Options', 'nosniff');
    const url = parseUrl(request);
    if (url === undefined) {
      sendJson(response, 400, { error: `cannot read the address "${request.url}"` });
    } else if (url.pathname.startsWith('/v1/')) {
      const accept = (spans: Parameters<TraceStore['add']>[0]) => stream.changed(store.add(spans));
      void receive(request, response, url.pathname, bodies, accept, complain);
    } else {
      const refusal = whyRefused(request, host, url.pathname);
      if (refusal !== undefined) sendJson(response, 403, { error: refusal });
      else if (url.pathname.startsWith('/api/')) answerApi(request, response, url, store, stream);
      else servePage(request, response, url.pathname, page);
    }
  };
  const timeouts = { requestTimeout, headersTimeout: requestTimeout, connectionsCheckingInterval: requestTimeout / 4 };
  const server = createServer(timeouts, (request, response) => {
    try {
      handle(request, response);
    } catch (error) {
      // One question that cannot be answered must not end the process with all that it holds.
      complain(`${request.method} ${request.url}: the viewer failed: ${String(error)}`);
      if (response.headersSent) response.destroy();
      else sendJson(response, 500, { error: 'the viewer failed; its terminal says why' });
    }
  });
  server.maxConnections = MAX_CONNECTIONS;

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port: options.port ?? DEFAULT_PORT, host }, resolve);
  });
  const { address, family, port } = server.address() as AddressInfo;
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    close: () =>
      new Promise((resolve, reject) => {
        stream.close();
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
}

function readPage(): Map<string, { body: Buffer; contentType: string }> {
  return new Map(
    Object.entries(PAGE_FILES).map(([path, [file, contentType]]) => [
      path,
      { body: readFileSync(new URL(`./page/${file}`, import.meta.url)), contentType },
    ]),
  );
}

function parseUrl(request: IncomingMessage): URL | undefined {
  try {
    return new URL(request.url ?? '/', 'http://viewer');
  } catch {
    return undefined;
  }
}

/**
 * Traces tell much about what a developer works on; pages of other origins must not read them. The API sends no CORS
 * headers, but a page can give its own host name our address (DNS rebinding), and is then of our origin.
 */
function whyRefused(request: IncomingMessage, listeningHost: string, path: string): string | undefined {
  const host = request.headers.host ?? '';
  const name = host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1').toLowerCase();
  const known = isIP(name) !== 0 || name === 'localhost' || name.endsWith('.localhost') || name === listeningHost.toLowerCase();
  if (!known) return `the page was asked for as "${host}"; open it by its IP address or as localhost`;
  // Links of other sites lead to the page; nobody has to follow one into the API.
  const navigates = request.headers['sec-fetch-mode'] === 'navigate' && !path.startsWith('/api/');
  const site = request.headers['sec-fetch-site'];
  // Another port is another origin, but the same site.
  if ((site === 'cross-site' || site === 'same-site') && !navigates) return 'other sites may not read traces';
  return undefined;
}

function servePage(request: IncomingMessage, response: ServerResponse, path: string, page: ReturnType<typeof readPage>): void {
  const file = page.get(path);
  if (file === undefined) {
    sendJson(response, 404, { error: `nothing is at ${path}` });
  } else if (request.method !== 'GET' && request.method !== 'HEAD') {
    refuseMethod(request, response, 'GET, HEAD');
  } else {
    response.writeHead(200, {
      ...PAGE_HEADERS,
      'Content-Type': file.contentType,
      'Content-Length': file.body.length,
      'Cache-Control': 'no-cache',
      'Cross-Origin-Resource-Policy': 'same-origin',
    });
    response.end(request.method === 'HEAD' ? undefined : file.body);
  }
}

function answerApi(request: IncomingMessage, response: ServerResponse, url: URL, store: TraceStore, stream: TraceStream): void {
  const { method } = request;
  const traceId = /^\/api\/traces\/([0-9a-f]{32})$/i.exec(url.pathname)?.[1]?.toLowerCase();
  if (url.pathname === '/api/traces' && method === 'DELETE') {
    store.clear();
    stream.cleared();
    response.writeHead(204).end();
  } else if (traceId === undefined && !['/api/traces', '/api/services', '/api/counts', '/api/stream'].includes(url.pathname)) {
    sendJson(response, 404, { error: `nothing is at ${url.pathname}; a trace is at /api/traces/<32 hex digits>` });
  } else if (method !== 'GET') {
    refuseMethod(request, response, url.pathname === '/api/traces' ? 'GET, DELETE' : 'GET');
  } else if (traceId !== undefined) {
    const spanIds = store.spanIds(traceId);
    if (spanIds === undefined) {
      sendJson(response, 404, { error: `no trace ${traceId} is here` });
    } else {
      const dropped = store.droppedSpanCount(traceId);
      const tail = `]${dropped > 0 ? `,"droppedSpanCount":${dropped}` : ''}}`;
      void sendList(response, `{"traceId":"${traceId}","spans":[`, spanIds, (spanId) => store.span(traceId, spanId), tail);
    }
  } else if (url.pathname === '/api/stream') {
    if (stream.hasRoom) stream.open(response);
    else sendJson(response, 503, { error: `${MAX_STREAMS} streams are open, and more are not wanted; close a page of the viewer` });
  } else if (url.pathname === '/api/services') {
    sendJson(response, 200, store.services());
  } else if (url.pathname === '/api/counts') {
    sendJson(response, 200, store.counts);
  } else {
    const filter = readFilter(url.searchParams);
    if (typeof filter === 'string') sendJson(response, 400, { error: filter });
    else void sendList(response, '[', store.find(filter), (id) => store.summary(id), ']');
  }
}

/** @returns a complaint when a value cannot be used. */
function readFilter(query: URLSearchParams): TraceFilter | string {
  const filter: TraceFilter = {
    service: query.get('service') || undefined,
    name: query.get('name') || undefined,
    errors: ['1', 'true'].includes(query.get('errors') ?? ''),
    attributes: query.getAll('attribute').filter(Boolean).map(parseAttribute),
  };
  const wanted = filter.attributes!.length;
  if (wanted > MAX_ATTRIBUTE_FILTERS) return `attribute is there ${wanted} times, wanted ${MAX_ATTRIBUTE_FILTERS} at most`;
  for (const key of ['minDurationMs', 'limit'] as const) {
    const given = query.get(key);
    if (!given) continue;
    const number = Number(given);
    if (!(number >= 0)) return `${key} is "${given}", wanted a number that is not negative`;
    filter[key] = number;
  }
  return filter;
}

/** `key=value`, or `key` alone: it must only be there. A key holds no "=", a value may. */
function parseAttribute(given: string): { key: string; value?: string } {
  const split = given.indexOf('=');
  return split < 0 ? { key: given.trim() } : { key: given.slice(0, split).trim(), value: given.slice(split + 1).trim() };
}

function refuseMethod(request: IncomingMessage, response: ServerResponse, allowed: string): void {
  response.setHeader('Allow', allowed);
  sendJson(response, 405, { error: `got ${request.method}, wanted ${allowed}` });
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
    'Cross-Origin-Resource-Policy': 'same-origin',
  });
  response.end(body);
}

/**
 * A list of what is stored, read item by item as fast as the reader takes it: in one piece it could be longer than a string can be, and a reader
 * that stops would keep in memory what the store has dropped long since. Items that are gone by then are left out.
 */
async function sendList(response: ServerResponse, head: string, ids: readonly string[], read: (id: string) => unknown, tail: string): Promise<void> {
  response.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', 'Cross-Origin-Resource-Policy': 'same-origin' });
  response.setTimeout(STALLED_MS, () => response.destroy());
  try {
    let text = head;
    let separator = '';
    for (const id of ids) {
      const item = read(id);
      if (item === undefined) continue;
      text += separator + JSON.stringify(item);
      separator = ',';
      if (text.length < CHUNK_CHARS) continue;
      const takesMore = response.write(text);
      text = '';
      if (!takesMore && !response.destroyed) await drained(response);
      if (response.destroyed) return;
    }
    response.end(text + tail);
  } catch {
    // The status is sent already: only a list that breaks off tells that it is not whole.
    response.destroy();
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}
