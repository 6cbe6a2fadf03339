// An OTLP/HTTP receiver for tests: real HTTP, real CORS, the strict decoder behind it, and answers as a test wants them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { corsHeaders, isPreflight } from './cors.mjs';
import { startDecoder } from './decoder.mjs';

/**
 * A span as the strict decoder tells it: the shape of the viewer's API, but with typed attribute values.
 * @typedef {object} ReceivedSpan
 * @property {string} traceId 32 hex digits
 * @property {string} spanId 16 hex digits
 * @property {string} parentSpanId 16 hex digits; '' for a root
 * @property {string} name
 * @property {'INTERNAL' | 'SERVER' | 'CLIENT' | 'PRODUCER' | 'CONSUMER'} kind
 * @property {string} startTimeUnixNano
 * @property {string} endTimeUnixNano
 * @property {number} flags
 * @property {string} traceState
 * @property {Record<string, TypedValue>} attributes `plain(span.attributes)` gives the values alone
 * @property {number} droppedAttributesCount
 * @property {{ timeUnixNano: string, name: string, attributes: Record<string, TypedValue>, droppedAttributesCount: number }[]} events
 * @property {number} droppedEventsCount
 * @property {{ traceId: string, spanId: string, traceState: string, flags: number, attributes: Record<string, TypedValue>, droppedAttributesCount: number }[]} links
 * @property {number} droppedLinksCount
 * @property {{ code: 'UNSET' | 'OK' | 'ERROR', message: string }} status
 * @property {Record<string, TypedValue>} resource
 * @property {{ name: string, version: string, attributes: Record<string, TypedValue> } | null} scope
 * @property {string} schemaUrl
 */

/**
 * @typedef {{ string: string } | { int: string } | { double: number | 'NaN' | 'Infinity' | '-Infinity' } | { bool: boolean } |
 *   { array: TypedValue[] } | { kvlist: Record<string, TypedValue> } | { bytes: string } | { empty: true }} TypedValue
 */

/**
 * How to answer an export. `{}` is success, as a Collector says it.
 * @typedef {object} Answer
 * @property {number} [status] 200
 * @property {Record<string, string>} [headers] for example `{ 'Retry-After': '2' }`
 * @property {string | Uint8Array} [body] raw; for success an empty ExportTraceServiceResponse in the encoding of the request
 * @property {{ rejectedSpans?: number | string, errorMessage?: string }} [partialSuccess] makes the body
 * @property {number} [delayMs] wait before the answer
 * @property {boolean} [withoutCors] no CORS headers, as when a proxy answers for a Collector that is down
 * @property {boolean} [hang] never answer
 * @property {boolean} [reset] reset the connection instead
 * @property {boolean} [lost] the spans are taken, and the connection is reset instead of the answer
 * @property {boolean} [garbage] bytes that are no HTTP instead
 */

/**
 * @typedef {object} ReceivedRequest
 * @property {string} method
 * @property {string} path
 * @property {import('node:http').IncomingHttpHeaders} headers by lower-case name
 * @property {Buffer} bytes the body as it came over the wire
 * @property {Buffer} body the same without Content-Encoding
 * @property {ReceivedSpan[]} spans
 * @property {string[]} violations
 * @property {number} atMs performance.now() of this process, when the body was complete
 * @property {Answer} answer
 */

/**
 * Starts a receiver on a free port of 127.0.0.1.
 *
 * @param {object} [options]
 * @param {import('./cors.mjs').Cors} [options.cors] 'allow-all'
 * @param {Answer[] | ((request: ReceivedRequest, index: number) => Answer | undefined)} [options.answers]
 *   a list is used up in turn, then all succeed; a function is asked for each
 * @param {string} [options.path] where exports are wanted, '/v1/traces'; elsewhere the answer is 404
 */
export async function startReceiver({ cors = 'allow-all', answers = [], path = '/v1/traces' } = {}) {
  const decoder = await startDecoder();
  const receiver = new Receiver(decoder, { cors, answers, path });
  await receiver.listen();
  return receiver;
}

class Receiver {
  /** Spans of the requests that were answered with success: what a backend would have. */
  /** @type {ReceivedSpan[]} */ spans = [];
  /** Exports in the order in which their bodies were complete, whatever they were answered. */
  /** @type {ReceivedRequest[]} */ requests = [];
  /** @type {{ headers: import('node:http').IncomingHttpHeaders, atMs: number }[]} */ preflights = [];
  /** Exports whose connection ended within the body, as when a page goes and the request is not keepalive. */
  cutOffCount = 0;
  /** What came in over all requests and no receiver should get. `close()` throws when it is not empty. */
  /** @type {string[]} */ violations = [];

  #server = createServer((request, response) => {
    this.#handle(request, response).catch((error) => this.#fail(error, response));
  });
  #decoder;
  #cors;
  #answers;
  #path;
  /** Any that is free, at first. */
  #port = 0;
  /** Called after every arrival. */
  #watchers = new Set();

  constructor(decoder, { cors, answers, path }) {
    this.#decoder = decoder;
    this.#cors = cors;
    this.#path = path;
    this.respondWith(answers);
  }

  async listen() {
    await this.plugIn();
    this.#port = this.#server.address().port;
  }

  /** The origin: give it to `init` as `endpoint`. */
  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  /**
   * From now on answers are these.
   * @param {Answer | Answer[] | ((request: ReceivedRequest, index: number) => Answer | undefined)} answers one answer is for all requests
   */
  respondWith(answers) {
    if (typeof answers === 'function') this.#answers = answers;
    else if (Array.isArray(answers)) {
      const left = [...answers];
      this.#answers = () => left.shift();
    } else this.#answers = () => answers;
  }

  /** @param {import('./cors.mjs').Cors} cors */
  allowCors(cors) {
    this.#cors = cors;
  }

  /**
   * Waits for a number of accepted spans and returns all, or for an accepted span that fits and returns all that fit.
   * @param {number | ((span: ReceivedSpan) => boolean)} wanted
   * @param {number} [timeoutMs]
   * @returns {Promise<ReceivedSpan[]>}
   */
  async waitForSpans(wanted, timeoutMs = 5_000) {
    const fitting = () => (typeof wanted === 'number' ? this.spans : this.spans.filter(wanted));
    const enough = typeof wanted === 'number' ? wanted : 1;
    await this.waitUntil(() => fitting().length >= enough, timeoutMs, typeof wanted === 'number' ? `${wanted} spans` : `a span with ${wanted}`);
    return [...fitting()];
  }

  /**
   * Waits until `condition()` holds; looks whenever a request arrives. For what `waitForSpans` does not say:
   * `await receiver.waitUntil(() => receiver.requests.length === 2)`.
   * @param {() => boolean} condition
   * @param {number} [timeoutMs]
   * @param {string} [what] named in the error
   */
  async waitUntil(condition, timeoutMs = 5_000, what = String(condition)) {
    if (condition()) return;
    let watcher;
    let timer;
    const holds = await new Promise((resolve) => {
      watcher = () => condition() && resolve(true);
      timer = setTimeout(() => resolve(false), timeoutMs);
      this.#watchers.add(watcher);
    });
    clearTimeout(timer);
    this.#watchers.delete(watcher);
    if (!holds) throw new Error(`after ${timeoutMs} ms still waiting for ${what}; ${this.#summary()}`);
  }

  /** Until `plugIn()` nobody gets through to it, not even who is connected already. */
  async unplug() {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  /** At the same address as before. */
  async plugIn() {
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  /**
   * Stops at once, open requests included.
   * @param {{ allowViolations?: boolean }} [options] a test that sends what is wrong says so
   */
  async close({ allowViolations = false } = {}) {
    if (this.#server.listening) await this.unplug();
    await this.#decoder.close();
    if (!allowViolations) assert.deepEqual(this.violations, [], 'the receiver got what no receiver should get');
  }

  async #handle(request, response) {
    if (isPreflight(request)) {
      this.preflights.push({ headers: request.headers, atMs: performance.now() });
      response.writeHead(204, corsHeaders(this.#cors, request)).end();
      this.#changed();
      return;
    }
    const chunks = [];
    try {
      for await (const chunk of request) chunks.push(chunk);
    } catch (error) {
      if (error.code !== 'ECONNRESET') throw error;
      this.cutOffCount += 1;
      this.#changed();
      return;
    }
    const received = await this.#judged(request, Buffer.concat(chunks));
    const index = this.requests.push(received) - 1;
    this.violations.push(...received.violations.map((violation) => `request ${index}: ${violation}`));
    received.answer = this.#isExport(received) ? (this.#answers(received, index) ?? {}) : { status: 404 };
    if (isSuccess(received.answer)) this.spans.push(...received.spans);
    this.#changed();
    await this.#send(received, request, response);
  }

  /** @returns {Promise<ReceivedRequest>} */
  async #judged(request, bytes) {
    const received = {
      method: request.method,
      path: request.url,
      headers: request.headers,
      bytes,
      body: bytes,
      spans: [],
      violations: [],
      atMs: performance.now(),
      answer: {},
    };
    if (!this.#isExport(received)) {
      received.violations.push(`${received.method} ${received.path} is not POST ${this.#path}`);
      return received;
    }
    try {
      received.body = withoutEncoding(bytes, request.headers['content-encoding']);
    } catch (error) {
      received.violations.push(error.message);
      return received;
    }
    const { spans, violations } = await this.#decoder.judge(request.headers['content-type'] ?? '', received.body);
    received.spans = spans;
    received.violations.push(...violations);
    return received;
  }

  #isExport({ method, path }) {
    return method === 'POST' && path === this.#path;
  }

  async #send(received, request, response) {
    const { answer } = received;
    if (answer.delayMs) await delay(answer.delayMs);
    if (answer.hang) return;
    if (answer.reset || answer.lost) return void request.socket.resetAndDestroy();
    if (answer.garbage) return void request.socket.end('\x00\xffthis is no HTTP\r\n\r\n');

    const isJson = received.headers['content-type'] === 'application/json';
    const isOtlp = isSuccess(answer) || answer.partialSuccess;
    response.writeHead(answer.status ?? 200, {
      ...(isOtlp && { 'Content-Type': isJson ? 'application/json' : 'application/x-protobuf' }),
      ...(!answer.withoutCors && corsHeaders(this.#cors, request)),
      ...answer.headers,
    });
    response.end(answer.body ?? (isOtlp ? exportResponse(answer.partialSuccess, isJson) : ''));
  }

  #changed() {
    for (const watcher of this.#watchers) watcher();
  }

  /** A mistake of the harness must not look like one of what is tested. */
  #fail(error, response) {
    this.violations.push(`the receiver itself failed: ${error.stack}`);
    response.destroy();
    this.#changed();
  }

  #summary() {
    const requests = this.requests.map(({ spans, bytes, answer }) => {
      const outcome = answer.hang ? 'hang' : answer.reset ? 'reset' : answer.lost ? 'lost' : answer.garbage ? 'garbage' : (answer.status ?? 200);
      return `${spans.length} spans in ${bytes.length} bytes -> ${outcome}`;
    });
    const names = this.spans.map(({ name }) => name).join(', ') || 'none';
    return `requests: ${requests.join('; ') || 'none'}; cut off: ${this.cutOffCount}; preflights: ${this.preflights.length}; accepted spans: ${names}; ` +
      `violations: ${this.violations.join('; ') || 'none'}`;
  }
}

/**
 * Attribute values without their types: `{ a: { int: '5' } }` -> `{ a: 5 }`. An integer that a number cannot hold
 * becomes a BigInt.
 * @param {Record<string, TypedValue>} attributes
 */
export function plain(attributes) {
  return Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, plainValue(value)]));
}

function plainValue(value) {
  const [[type, content]] = Object.entries(value);
  switch (type) {
    case 'int': return Number.isSafeInteger(Number(content)) ? Number(content) : BigInt(content);
    case 'double': return Number(content);
    case 'array': return content.map(plainValue);
    case 'kvlist': return plain(content);
    case 'bytes': return Buffer.from(content, 'base64');
    case 'empty': return null;
    default: return content;
  }
}

/** Also takes care that nothing stands behind the end of the compressed data, which zlib would not mention. */
function withoutEncoding(bytes, encoding) {
  if (encoding === undefined) return bytes;
  if (encoding !== 'gzip') throw new Error(`Content-Encoding ${encoding} is not gzip`);
  let unpacked;
  try {
    unpacked = gunzipSync(bytes, { info: true });
  } catch (error) {
    throw new Error(`the body is not gzip: ${error.message}`);
  }
  const { buffer, engine } = unpacked;
  if (engine.bytesWritten !== bytes.length) {
    throw new Error(`the body has ${bytes.length - engine.bytesWritten} bytes behind the end of its gzip data`);
  }
  return buffer;
}

function isSuccess({ status = 200, hang, reset, garbage }) {
  return status >= 200 && status < 300 && !hang && !reset && !garbage;
}

/** ExportTraceServiceResponse { partial_success: 1 { rejected_spans: int64 = 1, error_message: string = 2 } } */
function exportResponse(partialSuccess, isJson) {
  if (isJson) {
    const { rejectedSpans, ...rest } = partialSuccess ?? {};
    const members = rejectedSpans === undefined ? rest : { rejectedSpans: String(rejectedSpans), ...rest };
    return JSON.stringify(partialSuccess ? { partialSuccess: members } : {});
  }
  if (!partialSuccess) return Buffer.alloc(0);
  const { rejectedSpans = 0, errorMessage = '' } = partialSuccess;
  const text = Buffer.from(errorMessage);
  const content = [
    ...(rejectedSpans ? [0x08, ...varint(rejectedSpans)] : []),
    ...(text.length ? [0x12, ...varint(text.length), ...text] : []),
  ];
  return Buffer.from([0x0a, ...varint(content.length), ...content]);
}

function varint(number) {
  const bytes = [];
  let left = BigInt(number);
  for (; left > 127n; left >>= 7n) bytes.push(Number(left & 127n) | 128);
  return [...bytes, Number(left)];
}
