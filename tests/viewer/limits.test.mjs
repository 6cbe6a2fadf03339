// What the viewer holds is bounded, whoever sends and whoever reads.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { attribute, BROWSER, from, request as jsonRequest, span as jsonSpan } from './shop-trace.mjs';
import { empties, field, request, span, text, TYPE } from './protobuf.mjs';
import { viewerFor } from './viewer.mjs';

const MB = 1e6;
const scope = { name: 'test', version: '1' };
const messageOf = async (response) => {
  const body = Buffer.from(await response.arrayBuffer()).toString();
  return /(the body|the decompressed body|more than)[^"]*/.exec(body)?.[0] ?? body;
};

test('a small body that unpacks to a great many values is refused before they are built', async (t) => {
  const viewer = await viewerFor(t);
  const many = 1_100_000;
  const inSpan = (...parts) => request('s', span('a', ...parts));
  const value = (content) => field(9, field(1, 'k'), field(2, content));
  const table = [
    ['events', inSpan(empties(11, many))],
    ['attributes', inSpan(empties(9, many))],
    ['links', inSpan(empties(13, many))],
    ['attributes of an event', inSpan(field(11, empties(3, many)))],
    ['items of a list', inSpan(value(field(5, empties(1, many))))],
    ['entries of a map', inSpan(value(field(6, empties(1, many))))],
    ['names', inSpan(empties(5, many))],
    ['resources', empties(1, many)],
    ['scopes', field(1, empties(2, many))],
    ['keys of an entity', field(1, field(1, field(3, empties(3, many))))],
  ];
  const before = process.memoryUsage().rss;
  for (const [what, body] of table) {
    for (const [encoding, compress] of Object.entries({ gzip: gzipSync, br: (bytes) => brotliCompressSync(bytes, { params: { 1: 4 } }) })) {
      const response = await viewer.post(compress(body), { ...TYPE, 'Content-Encoding': encoding });
      assert.equal(response.status, 413, what);
      assert.equal(await messageOf(response), 'the body holds more than 1000000 values', what);
    }
  }
  const spans = await viewer.post(gzipSync(field(1, field(2, empties(2, 50_001)))), { ...TYPE, 'Content-Encoding': 'gzip' });
  assert.deepEqual([spans.status, await messageOf(spans)], [413, 'the body holds more than 50000 spans']);
  assert.ok((process.memoryUsage().rss - before) / MB < 300, 'without taking the memory first');
  assert.deepEqual(await viewer.api('/traces'), []);
});

/** In MB, of a viewer of its own that takes this one body. */
function peakOf(body) {
  const program = `
    import { startViewer } from ${JSON.stringify(new URL('../../dist/viewer/server.js', import.meta.url).href)};
    const body = await new Promise((resolve) => { const chunks = []; process.stdin.on('data', (chunk) => chunks.push(chunk)).on('end', () => resolve(Buffer.concat(chunks))); });
    const viewer = await startViewer({ port: 0 });
    const { status } = await fetch(viewer.url + '/v1/traces', { method: 'POST', body, headers: ${JSON.stringify({ ...TYPE, 'Content-Encoding': 'gzip' })} });
    console.log(JSON.stringify({ status, peak: process.resourceUsage().maxRSS / 1000 }));
    await viewer.close();
  `;
  return JSON.parse(execFileSync(process.execPath, ['--input-type=module', '--eval', program], { input: gzipSync(body) }));
}

test('the largest bodies that are taken need a few hundred megabytes', () => {
  const times = (count, make) => Array.from({ length: count }, (_, index) => make(index));
  const item = field(1, field(1, 'text of one item'));
  const list = (key) => field(9, field(1, key), field(2, field(5, ...times(1000, () => item))));
  for (const [what, body] of [
    ['spans with attributes', request('s', ...times(50_000, (index) => span(`span ${index}`, text('url.full', `https://x.example/${index}`), text('a', 'b'), text('c', 'd'))))],
    ['events', request('s', ...times(990, () => span('a', empties(11, 1000))))],
    ['links', request('s', ...times(990, () => span('a', empties(13, 1000))))],
    ['items of lists', request('s', span('a', ...times(490, (index) => list(`list ${index}`))))],
    ['keys that are all different', request('s', ...times(240, (index) => span('a', ...times(990, (key) => text(`${index}.${key}`, 'x')))))],
    ['resources', Buffer.concat(times(49_000, (index) => request(`service ${index}`, span('a'))))],
  ]) {
    const { status, peak } = peakOf(body);
    assert.equal(status, 200, what);
    assert.ok(peak < 600, `${what}: ${peak} MB`);
  }
});

test('a JSON document with too much in it is refused, also where nobody would look for it', async (t) => {
  const viewer = await viewerFor(t);
  const zip = (body) => viewer.post(gzipSync(body), { 'Content-Encoding': 'gzip' });
  for (const [body, status, message] of [
    [`{"unknown":[${'{"a":0},'.repeat(600_000)}0]}`, 413, /more than 1000000 values/],
    [`{"resourceSpans":[${'[],'.repeat(1_100_000)}{}]}`, 413, /more than 1000000 values/],
    [`{"resourceSpans":[{"scopeSpans":[{"spans":[${'{},'.repeat(50_000)}{}]}]}]}`, 413, /more than 50000 spans/],
    ['['.repeat(5_000_000), 400, /recursion limit/],
    [`{"a":${'{"a":'.repeat(200)}0${'}'.repeat(200)}}`, 400, /recursion limit/],
  ]) {
    const response = await zip(body);
    assert.equal(response.status, status, body.slice(0, 40));
    assert.match((await response.json()).message, message);
  }
});

test('values within values are kept as deep as decoders go, and deeper ones are an error', async (t) => {
  const viewer = await viewerFor(t);
  const nested = (depth) => {
    let value = field(1, 'x');
    for (let level = 0; level < depth; level++) value = field(5, field(1, value));
    return request('s', span('a', field(9, field(1, 'k'), field(2, value))));
  };
  assert.equal((await viewer.post(nested(40), TYPE)).status, 200);
  assert.equal((await viewer.post(nested(60), TYPE)).status, 400);
  assert.equal((await viewer.api('/traces')).length, 1);
});

test('decompression stops at the limit, and layers are not unpacked', async (t) => {
  const viewer = await viewerFor(t);
  const zeros = Buffer.alloc(200 * 1024 * 1024);
  for (const [encoding, compress] of Object.entries({ gzip: gzipSync, deflate: deflateSync })) {
    const response = await viewer.post(compress(zeros), { ...TYPE, 'Content-Encoding': encoding });
    assert.deepEqual([response.status, await messageOf(response)], [413, 'the decompressed body is larger than 20971520 bytes'], encoding);
  }
  const members = await viewer.post(Buffer.concat(Array(30).fill(gzipSync(zeros.subarray(0, 1024 * 1024)))), { ...TYPE, 'Content-Encoding': 'gzip' });
  assert.equal(members.status, 413, 'of all members of a gzip file together');
  const twice = await viewer.post(gzipSync(gzipSync('{}')), { 'Content-Encoding': 'gzip, gzip' });
  assert.equal(twice.status, 415);
  assert.equal((await viewer.post(gzipSync('{}').subarray(0, -4), { 'Content-Encoding': 'gzip' })).status, 400, 'one that breaks off');
  assert.equal((await viewer.post(Buffer.concat([gzipSync('{}'), Buffer.alloc(512)]), { 'Content-Encoding': 'gzip' })).status, 200, 'padded');
});

test('bytes are bounded as well as spans: the stalest traces go, and the counts say so', async (t) => {
  const maxBytes = 1 * MB;
  const viewer = await viewerFor(t, { maxBytes });
  const send = (number) => viewer.post(request('shop', span(`trace ${number}`, text('body', 'x'.repeat(50_000)))), TYPE);
  for (let number = 0; number < 40; number++) await send(number);
  const traces = await viewer.api('/traces');
  const counts = await viewer.api('/counts');
  assert.ok(traces.length > 10 && traces.length < 20, `${traces.length} of 50 KB in 1 MB`);
  assert.equal(traces.length, counts.traceCount);
  assert.ok(traces.some(({ rootName }) => rootName === 'trace 39') && !traces.some(({ rootName }) => rootName === 'trace 0'));
  assert.ok(counts.bytes <= maxBytes && counts.bytes > 0.9 * maxBytes, `${counts.bytes} B`);
  assert.deepEqual([counts.maxBytes, counts.maxSpans, counts.droppedTraceCount, counts.droppedSpanCount], [maxBytes, 20_000, 40 - traces.length, 40 - traces.length]);
  await fetch(`${viewer.url}/api/traces`, { method: 'DELETE' });
  const { traceCount, spanCount, bytes, droppedTraceCount, droppedSpanCount } = await viewer.api('/counts');
  assert.deepEqual([traceCount, spanCount, bytes, droppedTraceCount, droppedSpanCount], [0, 0, 0, 0, 0]);
});

test('what a span holds besides its name counts: events, links, keys, resources, scopes', async (t) => {
  const viewer = await viewerFor(t);
  const bytesOf = async (...more) => {
    await fetch(`${viewer.url}/api/traces`, { method: 'DELETE' });
    assert.equal((await viewer.post(request('s', span('a', ...more)), TYPE)).status, 200);
    return (await viewer.api('/counts')).bytes;
  };
  const bare = await bytesOf();
  const long = 'x'.repeat(1000);
  for (const [what, part] of [
    ['an event', field(11, field(2, long))],
    ['an attribute of an event', field(11, field(3, field(1, long)))],
    ['a link', field(13, field(4, field(1, long)))],
    ['a key', text(long, '')],
    ['an item of a list', field(9, field(1, 'k'), field(2, field(5, field(1, field(1, long)))))],
    ['a status', field(15, field(2, long))],
    ['a trace state', field(3, long)],
  ]) {
    const bytes = await bytesOf(part);
    assert.ok(bytes - bare >= 1000, `${what}: ${bytes - bare}`);
  }
  const wide = await bytesOf(text('k', `${'x'.repeat(999)}→`));
  assert.ok(wide - bare >= 2000, 'characters of two bytes');
});

test('of one trace that alone is too large the newest spans stay, and it says how many are gone', async (t) => {
  const viewer = await viewerFor(t, { maxSpans: 3 });
  const traceId = 'ab'.repeat(16);
  const spans = [1, 2, 3, 4, 5].map((id) => jsonSpan({ traceId, startMs: 1_700_000_000_000 }, { id, name: String(id), from: id, to: id + 1 }));
  await viewer.post(jsonRequest(from(BROWSER, scope, ...spans)));
  const [summary] = await viewer.api('/traces');
  assert.deepEqual([summary.spanCount, summary.droppedSpanCount], [3, 2]);
  const trace = await viewer.api(`/traces/${traceId}`);
  assert.deepEqual([trace.spans.map(({ name }) => name), trace.droppedSpanCount], [['3', '4', '5'], 2]);
  const { droppedTraceCount, droppedSpanCount } = await viewer.api('/counts');
  assert.deepEqual([droppedTraceCount, droppedSpanCount], [0, 2]);
});

test('a span that no limit has room for is dropped and counted', async (t) => {
  const viewer = await viewerFor(t, { maxBytes: 10_000 });
  assert.equal((await viewer.post(request('s', span('a', text('k', 'x'.repeat(20_000)))), TYPE)).status, 200);
  assert.deepEqual(await viewer.api('/traces'), []);
  const counts = await viewer.api('/counts');
  assert.deepEqual([counts.traceCount, counts.spanCount, counts.bytes, counts.droppedTraceCount, counts.droppedSpanCount], [0, 0, 0, 1, 1]);
});

test('long names are cut where they are kept beyond their spans, and long texts where they are shown', async (t) => {
  const viewer = await viewerFor(t);
  const long = 'é'.repeat(500_000);
  const body = field(1,
    field(1, field(1, field(1, 'service.name'), field(2, field(1, long)))),
    field(2, field(1, field(1, long), field(2, long)), span(long, text(long, long), field(11, field(2, long)), field(15, field(2, long)))));
  assert.equal((await viewer.post(body, TYPE)).status, 200);
  const [service] = await viewer.api('/services');
  const [summary] = await viewer.api('/traces');
  const { spans: [stored] } = await viewer.api(`/traces/${summary.traceId}`);
  for (const name of [service, summary.rootName, summary.rootService, stored.name, stored.scope.name, stored.events[0].name, ...Object.keys(stored.attributes)]) {
    assert.ok(Buffer.byteLength(name) <= 1027 && name.endsWith('é…'), name.slice(-5));
  }
  for (const value of [...Object.values(stored.attributes), stored.status.message]) assert.ok(Buffer.byteLength(value) <= 65_539 && value.endsWith('é…'));
  assert.ok((await viewer.api('/counts')).bytes < 0.5 * MB);
});

test('of one span a thousand attributes, events and links are kept, and the others are counted', async (t) => {
  const viewer = await viewerFor(t);
  const attributes = Array.from({ length: 1100 }, (_, index) => attribute(`key ${index}`, index));
  const event = { timeUnixNano: '1', name: 'e', attributes };
  const own = { ...jsonSpan({ traceId: 'ab'.repeat(16), startMs: 0 }, { id: 1, name: 'a', from: 0, to: 1 }), attributes, events: Array(1050).fill(event), droppedAttributesCount: 7 };
  await viewer.post(jsonRequest({ resource: { attributes }, scopeSpans: [{ scope, spans: [{ ...own, events: own.events.slice(0, 2) }] }] }));
  const { spans: [stored] } = await viewer.api(`/traces/${own.traceId}`);
  assert.deepEqual([Object.keys(stored.attributes).length, stored.droppedAttributesCount], [1000, 107]);
  for (const others of [stored.resource, stored.events[0].attributes]) assert.deepEqual([Object.keys(others).length, others['…']], [1001, '100 more']);
  await viewer.post(request('s', span('a', empties(11, 1050), empties(13, 1001))), TYPE);
  const summary = (await viewer.api('/traces')).find(({ rootService }) => rootService === 's');
  const { spans: [other] } = await viewer.api(`/traces/${summary.traceId}`);
  assert.deepEqual([other.events.length, other.droppedEventsCount, other.links.length, other.droppedLinksCount], [1000, 50, 1000, 1]);
});

test('names of services are forgotten when there are too many, those in use last', async (t) => {
  const viewer = await viewerFor(t, { maxSpans: 20 });
  for (let from = 0; from < 3000; from += 500) {
    const body = Buffer.concat(Array.from({ length: 500 }, (_, index) => request(`service ${from + index}`, span('a'))));
    assert.equal((await viewer.post(body, TYPE)).status, 200);
  }
  const services = await viewer.api('/services');
  assert.equal(services.length, 1000);
  for (const { rootService } of await viewer.api('/traces')) assert.ok(services.includes(rootService), rootService);
});

test('the summary of a trace with very many services names some, and says how many more there are', async (t) => {
  const viewer = await viewerFor(t);
  const trace = { traceId: 'cd'.repeat(16), startMs: 1_700_000_000_000 };
  await viewer.post(jsonRequest(...Array.from({ length: 60 }, (_, id) => from({ 'service.name': `s${id}` }, scope, jsonSpan(trace, { id: id + 1, name: 'a', from: id, to: id + 1 })))));
  const [summary] = await viewer.api('/traces');
  assert.deepEqual([summary.services.length, summary.moreServiceCount, summary.services[0].name], [50, 10, 's0']);
});

/** A connection of HTTP of which nothing is read unless it is asked for. */
async function unread(t, viewer, lines) {
  const { hostname, port } = new URL(viewer.url);
  const socket = connect(Number(port), hostname);
  t.after(() => socket.destroy());
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.pause();
  socket.write(`${[...lines, `Host: ${hostname}:${port}`].join('\r\n')}\r\n\r\n`);
  return socket;
}

test('a stream that nobody reads holds ids only, and its page is up to date once it reads again', async (t) => {
  const viewer = await viewerFor(t, { maxSpans: 100 });
  const socket = await unread(t, viewer, ['GET /api/stream HTTP/1.1']);
  await sleep(100);
  const name = 'n'.repeat(1000);
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  for (let batch = 0; batch < 30; batch++) {
    await viewer.post(request('s', ...Array.from({ length: 100 }, () => span(name, text('url.full', `https://x.example/${'p'.repeat(20_000)}`)))), TYPE);
    await sleep(110);
  }
  assert.ok((process.memoryUsage().rss - before) / MB < 150, `${(process.memoryUsage().rss - before) / MB} MB`);
  let read = '';
  socket.on('data', (chunk) => (read += chunk));
  socket.resume();
  await viewer.post(request('s', span('the last one')), TYPE);
  for (let waited = 0; waited < 5000 && !read.includes('the last one'); waited += 50) await sleep(50);
  assert.match(read, /the last one/);
  assert.ok(read.length < 10 * MB, `${read.length} B of what is gone were left out`);
});

test('a stream that falls too far behind is closed, so that its page asks for everything again', async (t) => {
  const viewer = await viewerFor(t);
  const socket = await unread(t, viewer, ['GET /api/stream HTTP/1.1']);
  await sleep(100);
  await viewer.post(request('s', ...Array.from({ length: 12_000 }, () => span('a'))), TYPE);
  const closed = once(socket, 'close');
  socket.resume();
  await closed;
  const counts = await viewer.api('/counts');
  assert.equal(counts.traceCount, 12_000);
});

test('no more streams than pages can need', async (t) => {
  const viewer = await viewerFor(t);
  const sockets = [];
  for (let number = 0; number < 32; number++) sockets.push(await unread(t, viewer, ['GET /api/stream HTTP/1.1']));
  await sleep(300);
  const refused = await fetch(`${viewer.url}/api/stream`);
  assert.equal(refused.status, 503);
  assert.match((await refused.json()).error, /32 streams are open/);
  sockets[0].destroy();
  await sleep(100);
  const taken = await fetch(`${viewer.url}/api/stream`);
  assert.equal(taken.status, 200);
  await taken.body.cancel();
});

test('a trace is sent piece by piece: a reader that stops keeps nothing that the store has dropped', async (t) => {
  const viewer = await viewerFor(t, { maxBytes: 30 * MB });
  const traceId = 'ef'.repeat(16);
  const spanOf = (id) => jsonSpan({ traceId, startMs: 0 }, { id, name: 'a', from: id, to: id + 1, attributes: { text: `${id} ${'\u0001'.repeat(60_000)}` } });
  for (let id = 0; id < 300; id += 20) await viewer.post(jsonRequest(from(BROWSER, scope, ...Array.from({ length: 20 }, (_, index) => spanOf(id + index)))));
  const reader = await unread(t, viewer, [`GET /api/traces/${traceId} HTTP/1.1`, 'Connection: close']);
  await sleep(200);
  await fetch(`${viewer.url}/api/traces`, { method: 'DELETE' });
  let bytes = 0;
  let end = '';
  reader.on('data', (chunk) => {
    bytes += chunk.length;
    end = (end + chunk.toString('latin1')).slice(-20);
  });
  reader.resume();
  await once(reader, 'end');
  assert.match(end, /\]\}\r\n0\r\n\r\n$/, 'it is JSON all the same');
  assert.ok(bytes < 50 * MB, `${bytes} B of 108 MB`);
});

test('a body that does not end is given up, and the connection with it', async (t) => {
  const viewer = await viewerFor(t, { requestTimeoutMs: 400 });
  for (const headers of [['Content-Length: 1000'], ['Transfer-Encoding: chunked'], ['Content-Encoding: gzip', 'Content-Length: 1000']]) {
    const socket = await unread(t, viewer, ['POST /v1/traces HTTP/1.1', 'Content-Type: application/json', ...headers]);
    const ended = once(socket, 'close');
    socket.resume();
    await ended;
  }
  assert.equal((await viewer.post('{}')).status, 200);
});

test('many large uploads at once: the largest are refused, and a small one passes', async (t) => {
  const viewer = await viewerFor(t);
  const before = process.memoryUsage().rss;
  const part = Buffer.alloc(15 * 1024 * 1024, ' ');
  const answers = [];
  for (let number = 0; number < 12; number++) {
    const socket = await unread(t, viewer, ['POST /v1/traces HTTP/1.1', 'Content-Type: application/json', `Content-Length: ${part.length + 1}`]);
    answers[number] = '';
    socket.on('data', (chunk) => (answers[number] += chunk));
    socket.resume();
    await new Promise((resolve) => socket.write(part, resolve));
    await sleep(20);
  }
  assert.equal((await viewer.post(jsonRequest(from(BROWSER, scope)))).status, 200);
  const refused = answers.filter((answer) => /^HTTP\/1\.1 503 [\s\S]*Retry-After: 1/i.test(answer));
  assert.ok(refused.length >= 7, `${refused.length} of 12 are to send again`);
  assert.match(refused[0], /more than 67108864 bytes are being received at the same time/);
  // What was sent lies in this process, too.
  assert.ok((process.memoryUsage().rss - before) / MB < 400);
});

test('a question with very many filters is refused', async (t) => {
  const viewer = await viewerFor(t);
  const ask = (times) => fetch(`${viewer.url}/api/traces?${'attribute=a&'.repeat(times)}`);
  assert.equal((await ask(20)).status, 200);
  const refused = await ask(1000);
  assert.equal(refused.status, 400);
  assert.match((await refused.json()).error, /attribute is there 1000 times, wanted 20 at most/);
  assert.ok((await fetch(`${viewer.url}/api/traces?name=${'n'.repeat(100_000)}`)).status >= 400);
});

test('ids and names in odd forms neither end the viewer nor what it holds', async (t) => {
  const viewer = await viewerFor(t);
  for (const traceId of ['', 'zz', 'ab'.repeat(5000), '\u0000', '__proto__']) {
    const response = await viewer.post(jsonRequest(from(BROWSER, scope, { traceId, spanId: 'ab'.repeat(8), name: 'x'.repeat(100_000) })));
    assert.ok([200, 400].includes(response.status));
    assert.ok((await response.text()).length < 1000, 'the answer is short');
  }
  for (const path of ['/api/traces/%00', '/api/traces/__proto__', '//', '/api/traces?limit=1e999', '/api/traces?minDurationMs=NaN', '/%']) {
    assert.ok((await fetch(viewer.url + path)).status < 500, path);
  }
  assert.equal((await viewer.post(request('__proto__', span('constructor', text('__proto__', 'toString'))), TYPE)).status, 200);
  assert.deepEqual(await viewer.api('/services'), ['__proto__']);
});
