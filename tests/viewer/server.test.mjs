import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { test } from 'node:test';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { attribute, BROWSER, checkout, FLASK, from, NODE, request, span, spanId } from './shop-trace.mjs';
import { viewerFor } from './viewer.mjs';

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const START_MS = 1_700_000_000_000;

const scope = { name: 'test', version: '1' };
const inTrace = (traceId, startMs = START_MS) => (fields) => span({ traceId, startMs }, { from: 0, to: 10, ...fields });
const traceIdOf = (number) => String(number).padStart(32, '0');

test('takes what the OpenTelemetry SDK for Node exports as protobuf', async (t) => {
  const viewer = await viewerFor(t);
  const exporter = new OTLPTraceExporter({ url: `${viewer.url}/v1/traces`, compression: 'gzip' });
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'shop-api' }),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  });
  const tracer = provider.getTracer('shop', '3.2.1');
  const parent = tracer.startSpan('GET /cart', { kind: SpanKind.SERVER, startTime: [1_700_000_000, 123_456_789], attributes: { 'http.response.status_code': 500 } });
  const child = tracer.startSpan(
    'SELECT',
    { kind: SpanKind.CLIENT, links: [{ context: parent.spanContext(), attributes: { why: 'test' } }], attributes: { list: ['a', 'b'], ratio: 0.5, yes: true } },
    trace.setSpan(context.active(), parent),
  );
  child.recordException(new TypeError('no such table'));
  child.end();
  parent.setStatus({ code: SpanStatusCode.ERROR, message: 'broken' }).end([1_700_000_001, 0]);
  await provider.shutdown();

  const { traceId, spanId: parentId } = parent.spanContext();
  const { spans } = await viewer.api(`/traces/${traceId}`);
  assert.deepEqual(spans.map(({ name }) => name), ['SELECT', 'GET /cart']);
  const [select, get] = spans;
  assert.equal(get.parentSpanId, '');
  assert.equal(get.kind, 'SERVER');
  assert.equal(get.startTimeUnixNano, '1700000000123456789');
  assert.equal(get.endTimeUnixNano, '1700000001000000000');
  assert.deepEqual(get.attributes, { 'http.response.status_code': 500 });
  assert.deepEqual(get.status, { code: 'ERROR', message: 'broken' });
  assert.equal(get.resource['service.name'], 'shop-api');
  assert.deepEqual(get.scope, { name: 'shop', version: '3.2.1' });
  assert.equal(select.parentSpanId, parentId);
  assert.deepEqual(select.attributes, { list: ['a', 'b'], ratio: 0.5, yes: true });
  assert.deepEqual(select.links, [{ traceId, spanId: parentId, attributes: { why: 'test' } }]);
  assert.equal(select.events[0].name, 'exception');
  assert.equal(select.events[0].attributes['exception.message'], 'no such table');
});

test('takes JSON and gives each span in the shape of the API', async (t) => {
  const viewer = await viewerFor(t);
  const response = await viewer.post(checkout(TRACE_ID, START_MS));
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'application/json');
  assert.deepEqual(await response.json(), {});

  const { traceId, spans } = await viewer.api(`/traces/${TRACE_ID}`);
  assert.equal(traceId, TRACE_ID);
  assert.equal(spans.length, 22);
  assert.deepEqual(spans.find(({ name }) => name === 'validate order'), {
    traceId: TRACE_ID,
    spanId: spanId(41),
    parentSpanId: spanId(40),
    name: 'validate order',
    kind: 'INTERNAL',
    startTimeUnixNano: '1700000000364000000',
    endTimeUnixNano: '1700000000381000000',
    flags: 0x101,
    traceState: '',
    attributes: { 'order.items': 3, 'order.total': 129.9, 'order.currency': 'EUR', 'order.tags': ['gift', 'express'] },
    droppedAttributesCount: 0,
    events: [],
    droppedEventsCount: 0,
    links: [],
    droppedLinksCount: 0,
    status: { code: 'UNSET', message: '' },
    resource: FLASK,
    scope: { name: 'opentelemetry.instrumentation.flask', version: '0.60b0' },
  });
});

test('takes enum names, integers beyond 2^53 and an attribute called __proto__', async (t) => {
  const viewer = await viewerFor(t);
  const one = inTrace(TRACE_ID)({ id: 1, name: 'a' });
  one.kind = 'SPAN_KIND_PRODUCER';
  one.status = { code: 'STATUS_CODE_ERROR' };
  one.attributes = [attribute('big', 2), attribute('__proto__', 'kept')];
  one.attributes[0].value.intValue = '9223372036854775807';
  assert.equal((await viewer.post(request(from(BROWSER, scope, one)))).status, 200);
  const text = await (await fetch(`${viewer.url}/api/traces/${TRACE_ID}`)).text();
  const [stored] = JSON.parse(text).spans;
  assert.equal(stored.kind, 'PRODUCER');
  assert.equal(stored.status.code, 'ERROR');
  assert.equal(stored.attributes.big, '9223372036854775807');
  assert.match(text, /"__proto__":"kept"/);
});

test('keeps every kind of value, and names that objects have by themselves, wherever attributes are', async (t) => {
  const viewer = await viewerFor(t);
  const odd = [
    { key: '__proto__', value: { kvlistValue: { values: [{ key: '__proto__', value: { kvlistValue: { values: [attribute('polluted', true)] } } }] } } },
    attribute('constructor', 'kept'),
    attribute('10', 'a number as a name'),
    attribute('twice', 1),
    { key: 'empty', value: {} },
    { key: 'nothing' },
    { key: 'list', value: { arrayValue: { values: [{}, { kvlistValue: { values: [attribute('a', -0.5)] } }, { arrayValue: {} }] } } },
    { key: 'safe', value: { intValue: '-9007199254740991' } },
    { key: 'unsafe', value: { intValue: '9007199254740992' } },
    { key: 'infinite', value: { doubleValue: '-Infinity' } },
    { key: 'bytes', value: { bytesValue: 'AP8=' } },
    attribute('text', 'é\u0000\ud83d\ude00'),
    attribute('twice', 2),
  ];
  const one = { ...inTrace(TRACE_ID)({ id: 1, name: 'a' }), attributes: odd };
  one.events = [{ timeUnixNano: '1', name: 'e', attributes: odd }];
  one.links = [{ traceId: TRACE_ID, spanId: spanId(1), attributes: odd }];
  assert.equal((await viewer.post(request({ resource: { attributes: odd }, scopeSpans: [{ scope, spans: [one] }] }))).status, 200);
  const { spans: [stored] } = await viewer.api(`/traces/${TRACE_ID}`);
  const expected = JSON.parse(`{
    "10": "a number as a name", "__proto__": { "__proto__": { "polluted": true } }, "constructor": "kept", "twice": 2, "empty": null,
    "nothing": null, "list": [null, { "a": -0.5 }, []], "safe": -9007199254740991, "unsafe": "9007199254740992", "infinite": "-Infinity",
    "bytes": "AP8=", "text": "é\\u0000\ud83d\ude00"
  }`);
  for (const attributes of [stored.attributes, stored.events[0].attributes, stored.links[0].attributes, stored.resource]) {
    assert.equal(JSON.stringify(attributes), JSON.stringify(expected));
  }
});

test('spans keep their own resource and scope, however many of each are in a request', async (t) => {
  const viewer = await viewerFor(t);
  let id = 0;
  const spans = (count) => Array.from({ length: count }, () => inTrace(TRACE_ID)({ id: ++id, name: String(id) }));
  const counts = [[1, 250, 100], [0, 3], [99, 101], [0], [200]];
  const expected = counts.flatMap((ofResource, resource) =>
    ofResource.flatMap((count, scope) => Array(count).fill(`resource ${resource}, scope ${scope}`)));
  const resourceSpans = counts.map((ofResource, resource) => ({
    resource: { attributes: [attribute('service.name', `resource ${resource}`)] },
    scopeSpans: ofResource.map((count, scope) => ({ scope: { name: `scope ${scope}` }, spans: spans(count) })),
  }));
  assert.equal((await viewer.post(request(...resourceSpans))).status, 200);
  const { spans: stored } = await viewer.api(`/traces/${TRACE_ID}`);
  assert.deepEqual(stored.map(({ name }) => Number(name)), expected.map((_, index) => index + 1));
  assert.deepEqual(stored.map(({ resource, scope }) => `${resource['service.name']}, ${scope.name}`), expected);
});

test('takes compressed bodies', async (t) => {
  const viewer = await viewerFor(t);
  const encodings = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync };
  for (const [number, [encoding, compress]] of Object.entries(encodings).entries()) {
    const body = JSON.stringify(request(from(BROWSER, scope, inTrace(traceIdOf(number + 1))({ id: 1, name: encoding }))));
    const response = await viewer.post(compress(body), { 'Content-Encoding': encoding });
    assert.equal(response.status, 200, encoding);
    const { spans } = await viewer.api(`/traces/${traceIdOf(number + 1)}`);
    assert.equal(spans[0].name, encoding);
  }
});

test('answers what it cannot take with a Status that says why', async (t) => {
  const viewer = await viewerFor(t);
  const wrongName = request(from(BROWSER, scope, { ...inTrace(TRACE_ID)({ id: 1 }), name: 7 }));
  const table = [
    ['{"resourceSpans":', {}, 400, /^not JSON: .*EOF/],
    [wrongName, {}, 400, /^resourceSpans\[0\]\.scopeSpans\[0\]\.spans\[0\]\.name: wanted a string, got 7$/],
    ['{}', { 'Content-Type': 'text/plain' }, 415, /^Content-Type is "text\/plain", wanted application\/x-protobuf or application\/json$/],
    ['{}', { 'Content-Encoding': 'zstd' }, 415, /^Content-Encoding is "zstd", wanted gzip, deflate, br or none$/],
    ['{}', { 'Content-Encoding': 'gzip' }, 400, /^the body is not gzip: /],
    [gzipSync(Buffer.alloc(21 * 1024 * 1024, ' ')), { 'Content-Encoding': 'gzip' }, 413, /^the decompressed body is larger than 20971520 bytes$/],
    [Buffer.alloc(21 * 1024 * 1024, ' '), {}, 413, /^the body is larger than 20971520 bytes$/],
  ];
  for (const [body, headers, status, message] of table) {
    const response = await viewer.post(body, headers);
    const answer = await response.json();
    assert.equal(response.status, status, answer.message);
    assert.match(answer.message, message);
    assert.ok(answer.code > 0);
    assert.ok(viewer.complaints.pop().endsWith(answer.message), 'the terminal shows it too');
  }
  assert.deepEqual(await viewer.api('/traces'), []);
});

test('answers bad protobuf in protobuf', async (t) => {
  const viewer = await viewerFor(t);
  const response = await viewer.post(Buffer.from('0a05ffffffffff', 'hex'), { 'Content-Type': 'application/x-protobuf' });
  assert.equal(response.status, 400);
  assert.equal(response.headers.get('content-type'), 'application/x-protobuf');
  const { code, message } = await protobufStatus(response);
  assert.equal(code, 3);
  assert.match(message, /^failed to decode Protobuf message: ExportTraceServiceRequest\.resource_spans/);
});

/** google.rpc.Status by hand: field 1 is a varint below 128, field 2 a string below 128 bytes. */
async function protobufStatus(response) {
  const bytes = Buffer.from(await response.arrayBuffer());
  assert.deepEqual([bytes[0], bytes[2], bytes[3]], [0x08, 0x12, bytes.length - 4]);
  return { code: bytes[1], message: bytes.subarray(4).toString() };
}

test('rejects a span with unusable ids, keeps the others and says so', async (t) => {
  const viewer = await viewerFor(t);
  const good = inTrace(TRACE_ID)({ id: 1, name: 'good' });
  const response = await viewer.post(request(from(BROWSER, scope, { ...good, traceId: 'abcd', name: 'short' }, good)));
  assert.equal(response.status, 200);
  const { partialSuccess } = await response.json();
  assert.equal(partialSuccess.rejectedSpans, '1');
  assert.match(partialSuccess.errorMessage, /^span "short": trace id is "abcd", wanted 32 hex digits/);
  assert.deepEqual((await viewer.api(`/traces/${TRACE_ID}`)).spans.map(({ name }) => name), ['good']);
});

test('says where traces go when something else is asked for', async (t) => {
  const viewer = await viewerFor(t);
  const post = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' };
  const table = [
    ['/v1/metrics', post, 404, /OTEL_METRICS_EXPORTER=none/],
    ['/v1/logs', post, 404, /OTEL_LOGS_EXPORTER=none/],
    ['/v1/trace', post, 404, /traces go to \/v1\/traces/],
    ['/v1/traces', { headers: post.headers }, 405, /got GET, wanted POST/],
  ];
  for (const [path, init, status, message] of table) {
    const response = await fetch(viewer.url + path, init);
    assert.equal(response.status, status, path);
    assert.match((await response.json()).message, message);
  }
  for (const [path, init, status] of [['/nothing', {}, 404], ['/api/nothing', {}, 404], ['/api/traces', post, 405], [`/api/traces/${TRACE_ID}`, {}, 404], ['/', post, 405], ['/api/traces?limit=-1', {}, 400]]) {
    const response = await fetch(viewer.url + path, init);
    assert.equal(response.status, status, path);
    assert.ok((await response.json()).error);
  }
});

test('lets pages of every origin send, and browsers remember that', async (t) => {
  const viewer = await viewerFor(t);
  const preflight = await fetch(`${viewer.url}/v1/traces`, {
    method: 'OPTIONS',
    headers: {
      Origin: 'https://shop.example',
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'content-encoding,content-type,x-tenant',
      'Access-Control-Request-Private-Network': 'true',
    },
  });
  assert.equal(preflight.status, 204);
  const allowed = Object.fromEntries([...preflight.headers].filter(([name]) => name.startsWith('access-control-')));
  assert.deepEqual(allowed, {
    'access-control-allow-origin': 'https://shop.example',
    'access-control-allow-credentials': 'true',
    'access-control-allow-methods': 'POST',
    'access-control-allow-headers': 'content-encoding,content-type,x-tenant',
    'access-control-allow-private-network': 'true',
    'access-control-expose-headers': 'Retry-After',
    'access-control-max-age': '7200',
  });
  for (const body of ['{}', 'no JSON']) {
    const response = await viewer.post(body, { Origin: 'https://shop.example' });
    assert.equal(response.headers.get('access-control-allow-origin'), 'https://shop.example', `the page can read the answer to ${body}`);
  }
});

test('shows traces to nobody but its own page', async (t) => {
  const viewer = await viewerFor(t);
  const { port } = new URL(viewer.url);
  const asked = (headers, path = '/api/traces') => statusOf(port, path, headers);
  assert.equal(await asked({ Host: `127.0.0.1:${port}` }), 200);
  assert.equal(await asked({ Host: `localhost:${port}` }), 200);
  assert.equal(await asked({ Host: `viewer.localhost:${port}` }), 200);
  assert.equal(await asked({ Host: `[::1]:${port}` }), 200);
  // DNS rebinding: a name of the attacker's that leads here.
  assert.equal(await asked({ Host: `rebound.example:${port}` }), 403);
  assert.equal(await asked({ Host: `rebound.example:${port}` }, '/'), 403);
  assert.equal(await asked({ Host: `127.0.0.1.rebound.example:${port}` }), 403);
  assert.equal(await asked({ Host: `127.0.0.1:${port}`, 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'no-cors' }), 403);
  // A page of another port of this machine, and a frame or a window that another site opens.
  assert.equal(await asked({ Host: `127.0.0.1:${port}`, 'Sec-Fetch-Site': 'same-site', 'Sec-Fetch-Mode': 'cors' }), 403);
  assert.equal(await asked({ Host: `127.0.0.1:${port}`, 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate' }), 403);
  assert.equal(await asked({ Host: `127.0.0.1:${port}`, 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate' }, '/'), 200, 'a link to the page');
  assert.equal(await asked({ Host: `127.0.0.1:${port}`, 'Sec-Fetch-Site': 'none', 'Sec-Fetch-Mode': 'navigate' }), 200, 'typed into the address bar');
  for (const host of ['', '127.0.0.1.', `localhost.:${port}`, `user@127.0.0.1:${port}`, `127.0.0.1:${port}.rebound.example`]) assert.equal(await asked({ Host: host }), 403, host);
  const response = await fetch(`${viewer.url}/api/traces`, { headers: { Origin: 'https://shop.example' } });
  assert.equal(response.headers.get('access-control-allow-origin'), null);
  assert.equal(response.headers.get('cross-origin-resource-policy'), 'same-origin');
});

/** fetch() would not let us choose the Host header. */
function statusOf(port, path, headers) {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ host: '127.0.0.1', port, path, headers, setHost: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    sent.on('error', reject);
    sent.end();
  });
}

test('a summary tells root, services, errors and duration', async (t) => {
  const viewer = await viewerFor(t);
  await viewer.post(checkout(TRACE_ID, START_MS));
  assert.deepEqual(await viewer.api('/traces'), [
    {
      traceId: TRACE_ID,
      rootName: 'documentLoad',
      rootService: 'shop-web',
      rootDetail: '/checkout',
      rootArrived: true,
      services: [
        { name: 'shop-web', spanCount: 7, errorCount: 1 },
        { name: 'shop-api', spanCount: 12, errorCount: 2 },
        { name: 'payments', spanCount: 3, errorCount: 2 },
      ],
      spanCount: 22,
      errorCount: 5,
      startTimeUnixNano: '1700000000000000000',
      durationMs: 612,
    },
  ]);
});

test('filters narrow the list', async (t) => {
  const viewer = await viewerFor(t);
  const [slow, failed, plain] = [traceIdOf(1), traceIdOf(2), traceIdOf(3)];
  await viewer.post(
    request(
      from(BROWSER, scope, inTrace(slow, START_MS)({ id: 1, name: 'GET /cart', to: 900, attributes: { 'cart.items': 3, tags: ['gift', 'x=y'] } })),
      from(FLASK, scope, inTrace(failed, START_MS + 1)({ id: 1, name: 'POST /orders', to: 20, error: 'no' })),
      from(NODE, scope, inTrace(plain, START_MS + 2)({ id: 1, name: 'get /health', to: 1, attributes: { 'cart.items': 4 } })),
    ),
  );
  const table = [
    ['', [plain, failed, slow]],
    ['limit=2', [plain, failed]],
    ['service=payments', [plain]],
    ['service=pay', []],
    ['name=get', [plain, slow]],
    ['minDurationMs=20', [failed, slow]],
    ['errors=1', [failed]],
    ['errors=0', [plain, failed, slow]],
    ['attribute=cart.items%3D3', [slow]],
    ['attribute=cart.items', [plain, slow]],
    ['attribute=tags%3Dx%3Dy', [slow]],
    ['attribute=host.name%3Dapi-7c9f', [failed]],
    ['attribute=toString', []],
    ['attribute=cart.items&attribute=tags%3Dgift', [slow]],
    ['service=payments&name=cart', []],
  ];
  for (const [query, wanted] of table) {
    const found = await viewer.api(`/traces?${query}`);
    assert.deepEqual(found.map(({ traceId }) => traceId), wanted, query);
  }
});

test('a batch that is sent twice counts once, and a finished span replaces the unfinished one', async (t) => {
  const viewer = await viewerFor(t);
  const s = inTrace(TRACE_ID);
  const unfinished = s({ id: 1, name: 'GET', to: 5, attributes: { 'webspan.unfinished': true } });
  await viewer.post(request(from(BROWSER, scope, unfinished)));
  await viewer.post(request(from(BROWSER, scope, unfinished)));
  await viewer.post(request(from(BROWSER, scope, s({ id: 1, name: 'GET', to: 80 }))));
  const [summary] = await viewer.api('/traces');
  assert.equal(summary.spanCount, 1);
  assert.equal(summary.durationMs, 80);
});

test('keeps to its limit by dropping the traces that were longest without news', async (t) => {
  const viewer = await viewerFor(t, { maxSpans: 4 });
  const send = (traceId, ...ids) => viewer.post(request(from(BROWSER, scope, ...ids.map((id) => inTrace(traceId)({ id, name: String(id) })))));
  const kept = async () => Object.fromEntries((await viewer.api('/traces')).map(({ traceId, spanCount }) => [Number(traceId), spanCount]));
  await send(traceIdOf(1), 1);
  await send(traceIdOf(2), 1, 2);
  await send(traceIdOf(1), 2);
  assert.deepEqual(await kept(), { 1: 2, 2: 2 });
  await send(traceIdOf(3), 1);
  assert.deepEqual(await kept(), { 1: 2, 3: 1 });
  await send(traceIdOf(4), 1, 2, 3, 4, 5, 6);
  assert.deepEqual(await kept(), { 4: 4 });
  assert.deepEqual((await viewer.api(`/traces/${traceIdOf(4)}`)).spans.map(({ name }) => name), ['3', '4', '5', '6']);
});

test('the stream tells of each trace that changed, and of clearing', async (t) => {
  const viewer = await viewerFor(t);
  const stream = await fetch(`${viewer.url}/api/stream`);
  assert.equal(stream.headers.get('content-type'), 'text/event-stream');
  const events = readEvents(stream);
  await viewer.post(checkout(TRACE_ID, START_MS));
  const changed = await events.next('trace');
  assert.equal(changed.traceId, TRACE_ID);
  assert.equal(changed.spanCount, 22);
  const cleared = await fetch(`${viewer.url}/api/traces`, { method: 'DELETE' });
  assert.equal(cleared.status, 204);
  await events.next('clear');
  assert.deepEqual(await viewer.api('/traces'), []);
});

function readEvents(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  return {
    async next(type) {
      for (;;) {
        const match = new RegExp(`event: ${type}\ndata: (.*)\n\n`).exec(text);
        if (match) {
          text = text.slice(match.index + match[0].length);
          return JSON.parse(match[1]);
        }
        const { value, done } = await reader.read();
        assert.ok(!done, `the stream ended before "${type}"`);
        text += value;
      }
    },
  };
}

test('clocks that disagree do not stretch a trace', async (t) => {
  const viewer = await viewerFor(t);
  const s = inTrace(TRACE_ID);
  await viewer.post(
    request(
      from(BROWSER, scope, s({ id: 1, name: 'GET', kind: 3, from: 0, to: 100 })),
      from(FLASK, scope, s({ id: 2, parent: 1, name: 'GET /cart', kind: 2, from: -60_000, to: -59_940 }), s({ id: 3, parent: 2, name: 'SELECT', from: -59_990, to: -59_980 })),
    ),
  );
  const [summary] = await viewer.api('/traces');
  assert.equal(summary.durationMs, 100);
  assert.equal(summary.startTimeUnixNano, `${START_MS}000000`);
});

test('spans that are each other\'s parent are shown all the same', async (t) => {
  const viewer = await viewerFor(t);
  const s = inTrace(TRACE_ID);
  await viewer.post(request(from(BROWSER, scope, s({ id: 1, parent: 2, name: 'a' }), s({ id: 2, parent: 1, name: 'b' }), s({ id: 3, parent: 3, name: 'c' }), s({ id: 4, parent: 2, name: 'd' }))));
  const [summary] = await viewer.api('/traces');
  assert.equal(summary.spanCount, 4);
  assert.equal(summary.rootArrived, false);
});
