// A trace as a small shop leaves it: the browser loads a page, asks a Flask backend, which asks SQLite and a Node
// service; one payment fails. As OTLP/JSON, since that can be written by hand.

const NANOS_PER_MS = 1_000_000n;

export const attribute = (key, value) => ({ key, value: anyValue(value) });

function anyValue(value) {
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValue) } };
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

const attributes = (record) => Object.entries(record).map(([key, value]) => attribute(key, value));

/**
 * One span of a trace in a short form: times are milliseconds after `startMs`, ids numbers.
 * @param {{ traceId: string, startMs: number }} trace
 */
export function span(trace, { id, parent, name, kind = 1, from, to, attributes: own = {}, events = [], links = [], error }) {
  const nanos = (ms) => String(BigInt(Math.round((trace.startMs + ms) * 1000)) * (NANOS_PER_MS / 1000n));
  return {
    traceId: trace.traceId,
    spanId: spanId(id),
    ...(parent !== undefined && { parentSpanId: spanId(parent) }),
    name,
    kind,
    flags: 0x101,
    startTimeUnixNano: nanos(from),
    endTimeUnixNano: nanos(to),
    attributes: attributes(own),
    events: events.map((event) => ({ timeUnixNano: nanos(event.at), name: event.name, attributes: attributes(event.attributes ?? {}) })),
    links: links.map((link) => ({ traceId: link.traceId, spanId: spanId(link.id), attributes: attributes(link.attributes ?? {}) })),
    ...(error !== undefined && { status: { code: 2, message: error } }),
  };
}

export const spanId = (number) => (0xa0b0c0d000000000n + BigInt(number)).toString(16);

export const request = (...resourceSpans) => ({ resourceSpans });

export function from(resource, scope, ...spans) {
  return { resource: { attributes: attributes(resource) }, scopeSpans: [{ scope, spans }] };
}

export const BROWSER = {
  'service.name': 'shop-web',
  'service.version': '2.4.0',
  'telemetry.sdk.name': 'webspan',
  'telemetry.sdk.language': 'webjs',
  'telemetry.sdk.version': '0.1.0',
  'user_agent.original': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
  'browser.platform': 'Linux',
};
export const FLASK = {
  'service.name': 'shop-api',
  'telemetry.sdk.name': 'opentelemetry',
  'telemetry.sdk.language': 'python',
  'telemetry.sdk.version': '1.39.0',
  'host.name': 'api-7c9f',
  'process.runtime.name': 'cpython',
};
export const NODE = {
  'service.name': 'payments',
  'telemetry.sdk.name': 'opentelemetry',
  'telemetry.sdk.language': 'nodejs',
  'telemetry.sdk.version': '2.12.0',
  'host.name': 'payments-1',
};

const SERVER = 2;
const CLIENT = 3;

export function checkout(traceId, startMs) {
  const trace = { traceId, startMs };
  const s = (fields) => span(trace, fields);
  const api = (path, method, status) => ({
    'http.request.method': method,
    'url.full': `https://api.shop.example${path}`,
    'server.address': 'api.shop.example',
    'server.port': 443,
    'http.response.status_code': status,
    'network.protocol.version': '2',
  });
  const sql = (query, operation) => ({
    'db.system.name': 'sqlite',
    'db.namespace': 'shop.db',
    'db.operation.name': operation,
    'db.query.text': query,
  });
  return request(
    from(
      BROWSER,
      { name: 'webspan/document-load', version: '0.1.0' },
      s({
        id: 1, name: 'documentLoad', from: 0, to: 612,
        attributes: { 'url.full': 'https://shop.example/checkout', 'session.id': '5f0c6a31d2', 'browser.web_vital.lcp': 431.5 },
        events: [
          { at: 3, name: 'fetchStart' }, { at: 148, name: 'domInteractive' }, { at: 204, name: 'domContentLoadedEventEnd' },
          { at: 236, name: 'firstContentfulPaint' }, { at: 610, name: 'loadEventEnd' },
        ],
      }),
      s({ id: 2, parent: 1, name: 'documentFetch', kind: CLIENT, from: 3, to: 121, attributes: { 'url.full': 'https://shop.example/checkout', 'http.response.body.size': 18342 } }),
      s({ id: 3, parent: 1, name: 'resourceFetch', kind: CLIENT, from: 126, to: 189, attributes: { 'url.full': 'https://shop.example/assets/app.js', 'http.response.body.size': 84211 } }),
      s({ id: 4, parent: 1, name: 'resourceFetch', kind: CLIENT, from: 127, to: 158, attributes: { 'url.full': 'https://shop.example/assets/app.css', 'http.response.body.size': 12090 } }),
    ),
    from(
      BROWSER,
      { name: 'webspan/fetch', version: '0.1.0' },
      s({ id: 10, parent: 1, name: 'GET', kind: CLIENT, from: 212, to: 334, attributes: api('/cart?user=42', 'GET', 200) }),
      s({ id: 11, parent: 1, name: 'GET', kind: CLIENT, from: 214, to: 291, attributes: api('/recommendations', 'GET', 200) }),
      s({
        id: 12, parent: 1, name: 'POST', kind: CLIENT, from: 351, to: 598,
        attributes: { ...api('/orders', 'POST', 502), 'error.type': '502', 'http.request.body.size': 412 },
        events: [
          { at: 353, name: 'requestStart' }, { at: 594, name: 'responseStart' }, { at: 597, name: 'responseEnd' },
        ],
        error: '',
      }),
    ),
    from(
      FLASK,
      { name: 'opentelemetry.instrumentation.flask', version: '0.60b0' },
      s({ id: 20, parent: 10, name: 'GET /cart', kind: SERVER, from: 229, to: 322, attributes: { 'http.request.method': 'GET', 'http.route': '/cart', 'url.path': '/cart', 'http.response.status_code': 200, 'client.address': '203.0.113.7' } }),
      s({ id: 21, parent: 20, name: 'load cart', from: 232, to: 306, attributes: { 'cart.items': 3, 'user.id': '42' } }),
      s({ id: 22, parent: 20, name: 'render json', from: 308, to: 320 }),
      s({ id: 30, parent: 11, name: 'GET /recommendations', kind: SERVER, from: 226, to: 282, attributes: { 'http.request.method': 'GET', 'http.route': '/recommendations', 'http.response.status_code': 200 } }),
      s({
        id: 40, parent: 12, name: 'POST /orders', kind: SERVER, from: 362, to: 588,
        attributes: { 'http.request.method': 'POST', 'http.route': '/orders', 'http.response.status_code': 502 },
        error: 'PaymentDeclined: card_declined',
      }),
      s({ id: 41, parent: 40, name: 'validate order', from: 364, to: 381, attributes: { 'order.items': 3, 'order.total': 129.9, 'order.currency': 'EUR', 'order.tags': ['gift', 'express'] } }),
      s({
        id: 43, parent: 40, name: 'POST', kind: CLIENT, from: 412, to: 572,
        attributes: { 'http.request.method': 'POST', 'url.full': 'http://payments:3000/charge', 'http.response.status_code': 402, 'error.type': '402' },
        error: '',
      }),
    ),
    from(
      FLASK,
      { name: 'opentelemetry.instrumentation.sqlite3', version: '0.60b0' },
      s({ id: 23, parent: 21, name: 'SELECT cart', kind: CLIENT, from: 236, to: 259, attributes: sql('SELECT id, sku, quantity FROM cart WHERE user_id = ?', 'SELECT') }),
      s({ id: 24, parent: 21, name: 'SELECT products', kind: CLIENT, from: 262, to: 301, attributes: sql('SELECT sku, name, price, stock FROM products WHERE sku IN (?, ?, ?)', 'SELECT') }),
      s({ id: 31, parent: 30, name: 'SELECT products', kind: CLIENT, from: 231, to: 274, attributes: sql('SELECT sku, name, price FROM products ORDER BY score DESC LIMIT 8', 'SELECT') }),
      s({ id: 42, parent: 40, name: 'INSERT orders', kind: CLIENT, from: 384, to: 407, attributes: sql('INSERT INTO orders (user_id, total, state) VALUES (?, ?, ?)', 'INSERT') }),
      s({ id: 44, parent: 40, name: 'UPDATE orders', kind: CLIENT, from: 575, to: 585, attributes: sql("UPDATE orders SET state = 'declined' WHERE id = ?", 'UPDATE') }),
    ),
    from(
      NODE,
      { name: '@opentelemetry/instrumentation-http', version: '0.223.0' },
      s({ id: 50, parent: 43, name: 'POST /charge', kind: SERVER, from: 421, to: 566, attributes: { 'http.request.method': 'POST', 'http.route': '/charge', 'http.response.status_code': 402 }, error: 'card_declined' }),
      s({ id: 51, parent: 50, name: 'risk score', from: 425, to: 462, attributes: { 'risk.score': 0.12 } }),
      s({
        id: 52, parent: 50, name: 'authorize card', kind: CLIENT, from: 464, to: 561,
        attributes: { 'server.address': 'acquirer.example', 'server.port': 443, 'payment.attempt': 1 },
        events: [{
          at: 560, name: 'exception',
          attributes: {
            'exception.type': 'CardDeclinedError',
            'exception.message': 'The card was declined: insufficient_funds',
            'exception.stacktrace': 'CardDeclinedError: The card was declined: insufficient_funds\n    at authorize (/srv/payments/src/acquirer.js:88:11)\n    at process.processTicksAndRejections (node:internal/process/task_queues:105:5)\n    at async charge (/srv/payments/src/charge.js:41:18)\n    at async /srv/payments/src/server.js:27:5',
          },
        }],
        links: [{ traceId: 'c0ffee00c0ffee00c0ffee00c0ffee00', id: 7, attributes: { 'link.reason': 'retry of' } }],
        error: 'The card was declined: insufficient_funds',
      }),
    ),
  );
}
