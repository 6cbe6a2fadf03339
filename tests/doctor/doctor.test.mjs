// `webspan doctor` against real servers, each with one thing wrong.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { startReceiver } from '../harness/receiver.mjs';
import { json, page as webPage, redirect, reset, startSite, status, withCors } from '../harness/site.mjs';
import { doctor, examined, verdicts } from './doctor.mjs';

const ORIGIN = 'http://127.0.0.1:5000';
const FINE = {
  allowedOrigins: [ORIGIN],
  allowedHeaders: ['Content-Type', 'Content-Encoding'],
  maxAgeSeconds: 7200,
  exposedHeaders: ['Retry-After'],
};

/** What is no OTLP at all; that a request holds no span, which an SDK would not send, is no such thing. */
const isBroken = ({ violations }) => violations.some((violation) => violation.startsWith('Malformed'));

/** A receiver that takes what is OTLP and refuses the rest, as a Collector does. */
async function receiverFor(t, cors = FINE, answers = (request) => (isBroken(request) ? { status: 400 } : {})) {
  const receiver = await startReceiver({ cors, answers });
  t.after(() => receiver.close({ allowViolations: true }));
  return receiver;
}

async function siteFor(t, options) {
  const site = await startSite(options);
  t.after(() => site.close());
  return site;
}

test('a collector without a fault: all is ok, exit code 0, and no span was sent', async (t) => {
  const receiver = await receiverFor(t);
  const { status: code, tracesUrl, findings, ...told } = await examined(receiver.url, ORIGIN);
  assert.equal(code, 0);
  assert.equal(tracesUrl, `${receiver.url}/v1/traces`);
  assert.deepEqual(findings.filter(({ verdict }) => verdict !== 'ok'), []);
  assert.deepEqual(Object.keys(told.by), [
    'reachable', 'page may connect', 'origin allowed', 'header content-type allowed', 'header content-encoding allowed', 'preflight remembered', 'credentials',
    'export as protobuf', 'export as JSON', 'export compressed', 'Retry-After readable', 'errors readable',
  ]);
  const [protobuf, asJson, compressed, garbage] = receiver.requests;
  assert.deepEqual([protobuf, asJson, compressed].map((request) => [isBroken(request), request.spans]), Array(3).fill([false, []]), 'OTLP, without a span');
  assert.deepEqual(receiver.requests.map(({ headers }) => [headers['content-type'], headers['content-encoding'], headers.origin]), [
    ['application/x-protobuf', undefined, ORIGIN],
    ['application/json', undefined, ORIGIN],
    ['application/x-protobuf', 'gzip', ORIGIN],
    ['application/x-protobuf', undefined, ORIGIN],
  ]);
  assert.deepEqual(gunzipSync(compressed.bytes), protobuf.bytes);
  assert.ok(isBroken(garbage));
  assert.deepEqual(receiver.preflights.map(({ headers }) => headers['access-control-request-headers']), [undefined, 'content-type', 'content-encoding,content-type']);
});

for (const [fault, cors, expected, said] of [
  ['another origin', { ...FINE, allowedOrigins: ['https://shop.example.com'] }, { 'origin allowed': 'problem' }, /allowed_origins: \['http:\/\/127\.0\.0\.1:5000'\]/],
  ['no CORS', 'none', { 'origin allowed': 'problem' }, /allowed_origins/],
  ['origins alone', { allowedOrigins: [ORIGIN] }, { 'header content-encoding allowed': 'warning', 'preflight remembered': 'warning', 'Retry-After readable': 'warning' }, /allowed_headers: \['Content-Type', 'Content-Encoding'\]/],
  ['Content-Encoding alone', { ...FINE, allowedHeaders: ['Content-Encoding'] }, { 'header content-type allowed': 'problem' }, /replaces the default/],
  ['no max age', { ...FINE, maxAgeSeconds: undefined }, { 'preflight remembered': 'warning' }, /max_age: 7200/],
  ['nothing exposed', { ...FINE, exposedHeaders: undefined }, { 'Retry-After readable': 'warning' }, /exposed_headers/],
]) {
  test(`${fault}: that is told, and nothing else`, async (t) => {
    const receiver = await receiverFor(t, cors);
    const told = await examined(receiver.url, ORIGIN);
    const wrong = Object.fromEntries(Object.entries(verdicts(told)).filter(([, verdict]) => verdict !== 'ok'));
    assert.deepEqual(wrong, expected);
    assert.equal(told.status, Object.values(expected).includes('problem') ? 1 : 0);
    assert.match(JSON.stringify(told.findings), said);
    // No page would get to see them.
    if (told.status === 1) assert.ok(!('errors readable' in told.by));
  });
}

for (const [fault, answers, check, expected, said] of [
  ['an answer without CORS headers', () => ({ withoutCors: true }), 'export as protobuf', 'problem', /arrive twice/],
  ['error answers without CORS headers', (request) => (isBroken(request) ? { status: 400, withoutCors: true } : {}), 'errors readable', 'warning', /looks like a failure of CORS/],
  ['partial success', () => ({ partialSuccess: { rejectedSpans: 2, errorMessage: 'no quota' } }), 'export as protobuf', 'warning', /2 spans rejected, \\"no quota\\"/],
  ['a web page for everything', () => ({ body: '<!doctype html>', headers: { 'Content-Type': 'text/html' } }), 'export as protobuf', 'problem', /web page/],
  ['a key that is wanted', () => ({ status: 401 }), 'export as protobuf', 'problem', /--header/],
  ['JSON that is not taken', ({ headers }) => (/json/.test(headers['content-type']) ? { status: 415 } : {}), 'export as JSON', 'warning', /415/],
  ['compression that is not taken', ({ headers }) => (headers['content-encoding'] ? { status: 400 } : {}), 'export compressed', 'warning', /400/],
  ['a connection that breaks', () => ({ reset: true }), 'export as protobuf', 'problem', /ECONNRESET/],
]) {
  test(`${fault}: is told`, async (t) => {
    const receiver = await receiverFor(t, FINE, answers);
    const told = await examined(receiver.url, ORIGIN);
    assert.equal(told.by[check].verdict, expected, JSON.stringify(told.findings, null, 1));
    assert.match(JSON.stringify(told.by[check]), said);
  });
}

test('headers of the page: each is asked for, values are sent and not shown', async (t) => {
  const answers = (request) => (request.headers['x-key'] !== 'SECRET' ? { status: 401 } : isBroken(request) ? { status: 400 } : {});
  const receiver = await receiverFor(t, { ...FINE, allowedHeaders: [...FINE.allowedHeaders, 'X-Key'] }, answers);
  const told = await examined(receiver.url, ORIGIN, '--header', 'X-Key: SECRET', '--header', 'X-Other');
  assert.equal(told.by['header x-key allowed'].verdict, 'ok');
  assert.equal(told.by['header x-other allowed'].verdict, 'problem');
  assert.deepEqual(told.by['header x-other allowed'].lines, ["allowed_headers: ['Content-Type', 'Content-Encoding', 'X-Key', 'X-Other']"]);
  assert.equal(told.by['export as protobuf'].verdict, 'ok');
  assert.doesNotMatch(JSON.stringify(told), /SECRET/);
});

test("a collector on the page's own origin needs no CORS", async (t) => {
  const receiver = await receiverFor(t, 'none');
  const told = await examined(receiver.url, receiver.url);
  assert.deepEqual(told.findings.filter(({ verdict }) => verdict !== 'ok'), []);
  assert.equal(receiver.preflights.length, 1, 'the one that asks whether it is there');
});

test('the path is that of the option `endpoint`', async (t) => {
  const receiver = await receiverFor(t);
  for (const [given, expected] of [['', '/v1/traces'], ['/', '/v1/traces'], ['/v1/traces', '/v1/traces'], ['/otlp/', '/otlp/v1/traces'], ['/otlp?key=1', '/otlp/v1/traces?key=1']]) {
    assert.equal((await examined(receiver.url + given, ORIGIN)).tracesUrl, receiver.url + expected);
  }
  assert.match(JSON.stringify((await examined(`${receiver.url}/otlp`, ORIGIN)).by['export as protobuf']), /404.*nothing takes traces/);
});

test('a preflight that is redirected', async (t) => {
  const site = await siteFor(t, { routes: { '/v1/traces': redirect('https://otel.example.com/v1/traces', 308) } });
  assert.match(JSON.stringify((await examined(site.origin, ORIGIN)).by['origin allowed']), /redirected.*otel\.example\.com/);
});

test('an address where nothing listens, one that speaks no HTTP, one that speaks no TLS, and a name that leads nowhere', async (t) => {
  const silent = createServer((socket) => socket.end('220 smtp\r\n')).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  t.after(() => silent.close());
  const gone = createServer().listen(0, '127.0.0.1');
  await once(gone, 'listening');
  const { port } = gone.address();
  gone.close();
  const receiver = await receiverFor(t);
  const site = await siteFor(t, { routes: { '/v1/traces': reset() } });
  for (const [url, said] of [
    [`http://127.0.0.1:${port}`, /nothing listens/],
    [`http://127.0.0.1:${silent.address().port}`, /does not answer in HTTP/],
    [receiver.url.replace('http:', 'https:'), /does not speak TLS/],
    ['http://no-such-host.invalid', /no-such-host\.invalid leads to no address/],
    [site.origin, /ECONNRESET/],
  ]) {
    const { status: code, findings } = await examined(url, ORIGIN);
    assert.equal(code, 1);
    assert.deepEqual(findings.map(({ check, verdict }) => [check, verdict]), [['reachable', 'problem']]);
    assert.match(findings[0].found, said);
  }
});

test('mixed content is told even where nothing answers', async () => {
  const { by } = await examined('http://no-such-host.invalid', 'https://shop.example.com');
  assert.equal(by['page may connect'].verdict, 'problem');
});

test('a collector on this machine, for a public page', async (t) => {
  const receiver = await receiverFor(t, { ...FINE, allowedOrigins: ['https://shop.example.com'] });
  const told = await examined(receiver.url, 'https://shop.example.com');
  assert.equal(told.status, 0);
  assert.equal(told.by['page may connect'].verdict, 'warning');
});

test('backends: whether traceparent may go there', async (t) => {
  const receiver = await receiverFor(t);
  const allowing = await siteFor(t, { cors: { allowedOrigins: [ORIGIN], allowedHeaders: ['Content-Type', 'traceparent'] } });
  const refusing = await siteFor(t, { routes: { '/api': withCors({ allowedOrigins: [ORIGIN], allowedHeaders: ['Content-Type'] }, status(200)) } });
  const told = await examined(receiver.url, ORIGIN, '--backend', allowing.url('/api'), '--backend', refusing.url('/api'));
  assert.equal(told.status, 1);
  assert.equal(told.by[`traceparent allowed by 127.0.0.1:${allowing.port}`].verdict, 'ok');
  assert.deepEqual(told.by[`traceparent allowed by 127.0.0.1:${refusing.port}`].lines, [`CORS(app, origins=['${ORIGIN}'], allow_headers=['Content-Type', 'traceparent'])`]);
  assert.equal(allowing.requests.length, 0, 'a backend is not asked to do anything');
});

test('Honeycomb: whose key it is, and what it may', async (t) => {
  const receiver = await receiverFor(t);
  const api = await siteFor(t, {
    routes: {
      'GET /1/auth': (request, response) =>
        (request.headers['x-honeycomb-team'] === 'SECRET'
          ? json({ api_key_access: { events: true, queries: true }, team: { name: 'Acme', slug: 'acme' }, environment: { name: 'Production', slug: 'production' } })
          : status(401))(request, response),
    },
  });
  const ask = (key) => examined(receiver.url, ORIGIN, '--honeycomb', key, '--honeycomb-api', api.origin);
  const known = await ask('SECRET');
  assert.equal(known.status, 0);
  assert.match(known.by['Honeycomb key'].found, /team Acme, environment Production.*queries/);
  assert.doesNotMatch(JSON.stringify(known), /SECRET/);
  const unknown = await ask('another');
  assert.equal(unknown.status, 1);
  assert.equal(unknown.by['Honeycomb key'].verdict, 'problem');
  assert.ok(receiver.requests.every(({ headers }) => !('x-honeycomb-team' in headers)), 'the key goes to Honeycomb only');
});

test('to be read: within 100 columns, without colours where nobody sees them, with the block to copy', async (t) => {
  const receiver = await receiverFor(t, { allowedOrigins: [ORIGIN] });
  const { status: code, stdout } = await doctor(receiver.url, ORIGIN);
  assert.equal(code, 0);
  for (const line of stdout.split('\n')) assert.ok(line.length <= 100, line);
  assert.doesNotMatch(stdout, /\x1b/);
  assert.match(stdout, /^warning {2}header content-encoding allowed: /m);
  assert.match(stdout, /^ {4}receivers:$/m);
  assert.match(stdout, /^0 problems, 3 warnings, 9 ok$/m);
});

test('called wrongly: what was given, what was wanted, exit code 2', async () => {
  const url = 'http://127.0.0.1:1';
  const table = [
    [[], /0 arguments were given, wanted two: <collector-url> <origin>/],
    [[url], /1 arguments? /],
    [[url, ORIGIN, 'more'], /3 arguments/],
    [['127.0.0.1:4318', ORIGIN], /<collector-url> is "127\.0\.0\.1:4318", wanted a URL with http: or https:/],
    [['ftp://x', ORIGIN], /<collector-url> is "ftp:\/\/x"/],
    [['https://undefined/', ORIGIN], /<collector-url> is .*undefined.*environment variable/],
    [['https://user:SECRET@x.example', ORIGIN], /without credentials/],
    [[url, 'shop.example.com'], /<origin> is "shop\.example\.com", wanted scheme, host and port/],
    [[url, 'https://shop.example.com/cart'], /wanted .* as in https:\/\/shop\.example\.com$/m],
    [[url, ORIGIN, '--header', 'X-Key=SECRET'], /--header is not a header, wanted NAME or 'NAME: VALUE'/],
    [[url, ORIGIN, '--backend', '/api'], /--backend is "\/api", wanted a URL/],
    [[url, ORIGIN, '--honeycomb'], /--honeycomb.* argument missing/],
    [[url, ORIGIN, '--colour'], /Unknown option '--colour'/],
  ];
  for (const [args, message] of table) {
    const { status: code, stdout, stderr } = await doctor(...args);
    assert.equal(code, 2, `${args.join(' ')}: ${stdout}${stderr}`);
    assert.equal(stdout, '');
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /SECRET|^ +at /m);
  }
});

test('help names every option', async () => {
  const { status: code, stdout } = await doctor('--help');
  assert.equal(code, 0);
  for (const option of ['--header', '--credentials', '--backend', '--honeycomb', '--honeycomb-api', '--json']) assert.match(stdout, RegExp(`^  ${option} `, 'm'));
});

test('what a server says cannot steer the terminal', async (t) => {
  const receiver = await receiverFor(t, FINE, () => ({ partialSuccess: { errorMessage: '\x1b[2Jgone' } }));
  const { stdout } = await doctor(receiver.url, ORIGIN);
  assert.match(stdout, /\?\[2Jgone/);
  assert.doesNotMatch(stdout, /\x1b/);
});

test('a page that a server gives for everything is no collector', async (t) => {
  const site = await siteFor(t, { routes: { '/*': webPage({}) } });
  const told = await examined(site.origin, site.origin);
  assert.match(told.by['export as protobuf'].found, /web page/);
});
