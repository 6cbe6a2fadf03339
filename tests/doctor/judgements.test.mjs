// What an answer means, as tables.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { part } from './doctor.mjs';

const cors = await part('cors');
const connection = await part('connection');
const exports = await part('exports');
const { readOptions } = await part('../options');
const { judgeHoneycombKey } = await part('honeycomb');
const { describe, summarise } = await part('report');

const ORIGIN = 'https://shop.example.com';
const page = { origin: ORIGIN, withCredentials: false, headerNames: [] };
const withCookies = { ...page, withCredentials: true };
const answer = (status, headers = {}, body = '') => ({ status, headers, body: Buffer.from(body), address: '203.0.113.7' });
const allow = (origin, more = {}) => ({ 'access-control-allow-origin': origin, ...more });

/** Each row: what is asked, the verdict, and what the finding has to say. */
function judged(rows, judge) {
  for (const [given, verdict, ...said] of rows) {
    const finding = judge(given);
    const shown = JSON.stringify([given, finding]);
    assert.equal(finding.verdict, verdict, shown);
    const told = [finding.found, finding.change, ...(finding.lines ?? [])].join(' ');
    for (const text of said) assert.match(told, text, shown);
    assert.equal(finding.change === undefined, verdict === 'ok', `what is to be changed is told where something is: ${shown}`);
  }
}

test('exports go where webspan sends them', () => {
  for (const path of ['', '/', '/v1/traces', '/v1/traces/', '/otlp', '/otlp//', '/otlp/v1/traces', '/v1/traces/more', '/otlp?key=1', '/v1/trace']) {
    const endpoint = `https://otel.example.com${path}`;
    const { settings } = readOptions({ endpoint }, { href: `${ORIGIN}/cart`, hostname: 'shop.example.com' });
    assert.equal(connection.tracesUrl(new URL(endpoint)).href, settings.tracesUrl);
  }
});

test('the origin, by the answer to a preflight that names no header', () => {
  const line = /allowed_origins: \['https:\/\/shop\.example\.com'\]/;
  judged(
    [
      [answer(204, allow(ORIGIN)), 'ok'],
      [answer(200, allow('*')), 'ok'],
      [answer(204), 'problem', /no Access-Control-Allow-Origin/, line],
      [answer(204, allow('https://www.example.com')), 'problem', /is https:\/\/www\.example\.com, not https:\/\/shop/, line],
      [answer(204, allow(`${ORIGIN}/`)), 'problem', line],
      [answer(204, allow('HTTPS://SHOP.EXAMPLE.COM')), 'problem', line],
      [answer(204, allow(`${ORIGIN}, ${ORIGIN}`)), 'problem', /twice.*two on the way/],
      [answer(405, allow(ORIGIN)), 'problem', /405.*knows no CORS/, line],
      [answer(500), 'problem', /500/],
      [answer(404), 'problem', /\/v1\/traces/],
      [answer(401, allow(ORIGIN)), 'problem', /neither keys nor cookies/, /OPTIONS/],
      [answer(301, { location: 'https://otel.example.com/' }), 'problem', /redirected.*https:\/\/otel\.example\.com\//],
    ],
    (given) => cors.judgeOrigin(given, page),
  );
});

test('the origin for a page that sends cookies', () => {
  judged(
    [
      [answer(204, allow(ORIGIN, { 'access-control-allow-credentials': 'true' })), 'ok'],
      [answer(204, allow(ORIGIN)), 'problem', /Access-Control-Allow-Credentials: true/],
      [answer(204, allow(ORIGIN, { 'access-control-allow-credentials': 'True' })), 'problem'],
      [answer(204, allow('*', { 'access-control-allow-credentials': 'true' })), 'problem', /\*.*cookies/],
    ],
    (given) => cors.judgeOrigin(given, withCookies),
  );
});

test('a header passes by its name in any case, or by a star where that is one', () => {
  const allows = (list, name, by = page) => cors.allowsHeader(answer(204, list === undefined ? {} : { 'access-control-allow-headers': list }), by, name);
  const rows = [
    ['Content-Type', 'content-type', true],
    ['accept , CONTENT-TYPE', 'content-type', true],
    ['content-type-options', 'content-type', false],
    [undefined, 'content-type', false],
    ['', 'content-type', false],
    ['*', 'content-encoding', true],
    ['*', 'Authorization', false],
    ['*, authorization', 'Authorization', true],
  ];
  for (const [list, name, expected] of rows) assert.equal(allows(list, name), expected, `${list} ${name}`);
  assert.equal(allows('*', 'content-type', withCookies), false, 'no star beside cookies');
});

test('what the Collector wants names both headers, and those of the page', () => {
  const own = { ...page, headerNames: ['X-Api-Key'] };
  const { verdict, lines } = cors.judgeHeader(answer(204, allow(ORIGIN)), own, 'content-encoding', 'warning');
  assert.equal(verdict, 'warning');
  assert.deepEqual(lines, ["allowed_headers: ['Content-Type', 'Content-Encoding', 'X-Api-Key']"]);
  const refusals = [answer(204), answer(403, allow(ORIGIN, { 'access-control-allow-headers': 'content-type' })), answer(204, { 'access-control-allow-headers': 'content-type' })];
  for (const refused of refusals) assert.equal(cors.judgeHeader(refused, page, 'content-type', 'problem').verdict, 'problem');
});

test('a preflight as browsers make it', () => {
  assert.deepEqual(cors.preflightHeaders(page, 'POST', ['Content-Type', 'X-B', 'Content-Encoding']), {
    origin: ORIGIN,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'content-encoding,content-type,x-b',
  });
  assert.ok(!('access-control-request-headers' in cors.preflightHeaders(page, 'POST', [])));
});

test('how long a preflight is remembered', () => {
  const given = (seconds) => answer(204, seconds === undefined ? {} : { 'access-control-max-age': seconds });
  judged(
    [
      [given('7200'), 'ok', /7200 s/],
      [given('86400'), 'ok', /86400 s, in Chromium for 7200 s/],
      [given('600'), 'ok'],
      [given(undefined), 'warning', /5 s only/, /max_age: 7200/],
      [given('5'), 'warning', /max_age: 7200/],
      [given('-1'), 'warning'],
      [given('a day'), 'warning'],
    ],
    cors.judgeMaxAge,
  );
});

test('credentials and Retry-After', () => {
  judged(
    [
      [answer(204, allow(ORIGIN)), 'ok', /not allowed/],
      [answer(204, allow(ORIGIN, { 'access-control-allow-credentials': 'true' })), 'ok'],
      [answer(204, allow('*', { 'access-control-allow-credentials': 'true' })), 'warning', /\*/],
    ],
    (given) => cors.judgeCredentials(given, page),
  );
  const exposing = (list) => answer(200, list === undefined ? {} : { 'access-control-expose-headers': list });
  judged(
    [[exposing('X-A, retry-after'), 'ok'], [exposing('*'), 'ok'], [exposing('X-A'), 'warning', /exposed_headers: \['Retry-After'\]/], [exposing(undefined), 'warning']],
    (given) => cors.judgeExposed(given, page),
  );
  assert.equal(cors.judgeExposed(exposing('*'), withCookies).verdict, 'warning');
});

test('whether a page may connect, by where it and the collector are', () => {
  const rows = [
    ['https://shop.example.com', 'https://otel.example.com/v1/traces', undefined, 'ok'],
    ['https://shop.example.com', 'http://otel.example.com/v1/traces', undefined, 'problem', /mixed content/],
    ['https://shop.example.com', 'http://192.168.1.4:4318/v1/traces', undefined, 'problem', /mixed content/],
    ['http://shop.example.com', 'http://otel.example.com/v1/traces', undefined, 'ok'],
    ['https://shop.example.com', 'http://localhost:4318/v1/traces', undefined, 'warning', /own machine.*asks them for permission/],
    ['https://shop.example.com', 'http://[::1]:4318/v1/traces', undefined, 'warning', /own machine/],
    ['http://shop.example.com', 'http://127.0.0.1:4318/v1/traces', undefined, 'warning', /refuses/],
    ['https://shop.example.com', 'https://otel.example.com/v1/traces', '10.1.2.3', 'warning', /local network/],
    ['https://shop.example.com', 'https://otel.example.com/v1/traces', '::ffff:172.20.0.1', 'warning', /local network/],
    ['https://shop.example.com', 'https://otel.example.com/v1/traces', '172.32.0.1', 'ok'],
    ['http://192.168.1.9:8080', 'http://192.168.1.4:4318/v1/traces', undefined, 'ok'],
    ['http://192.168.1.9:8080', 'http://localhost:4318/v1/traces', undefined, 'warning'],
    ['http://localhost:8080', 'http://localhost:4318/v1/traces', '127.0.0.1', 'ok'],
    ['http://shop.localhost:8080', 'http://otel.example.com/v1/traces', undefined, 'ok'],
  ];
  judged(rows.map(([origin, url, address, ...rest]) => [[origin, url, address], ...rest]), ([origin, url, address]) =>
    connection.judgeConnection(new URL(url), { ...page, origin }, address));
});

test('why there was no answer', () => {
  const rows = [
    ['ENOTFOUND', 'https://otel.example.com', /otel\.example\.com leads to no address/],
    ['ECONNREFUSED', 'http://localhost:4318', /nothing listens/, /0\.0\.0\.0:4318/],
    ['ETIMEDOUT', 'https://otel.example.com', /firewall/],
    ['CERT_HAS_EXPIRED', 'https://otel.example.com', /certificate.*not accepted/i],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'https://otel.example.com', /certificate.*not accepted/i],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'https://otel.example.com', /NODE_EXTRA_CA_CERTS/],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'https://otel.example.com', /intermediate/],
    ['EPROTO', 'https://localhost:4318', /does not speak TLS/, /http:/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'https://localhost:4318', /does not speak TLS/],
    ['HPE_INVALID_CONSTANT', 'http://localhost:4317', /does not answer in HTTP/, /gRPC.*4318/],
    ['ECONNRESET', 'http://otel.example.com', /does not answer in HTTP/, /https:/],
    ['ESOMETHING', 'http://otel.example.com', /a message \(ESOMETHING\)/],
  ];
  judged(rows.map(([code, url, ...said]) => [[code, url], 'problem', ...said]), ([code, url]) =>
    connection.judgeUnanswered('reachable', new URL(url), { code, message: 'a message' }));
});

test('what an answer to an export means', () => {
  const way = { check: 'export as protobuf', verdict: 'problem' };
  const seen = allow(ORIGIN);
  const partial = (rejected, message) => Buffer.from([0x0a, 4 + message.length, 0x08, rejected, 0x12, message.length, ...Buffer.from(message)]);
  judged(
    [
      [answer(200, seen), 'ok'],
      [answer(202, seen), 'ok'],
      [answer(200, { ...seen, 'content-type': 'application/json' }, '{"partialSuccess":{}}'), 'ok'],
      [answer(200, { ...seen, 'content-type': 'application/json' }, '{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}}'), 'warning', /3 spans rejected, "too old"/],
      [answer(200, seen, partial(2, 'no quota')), 'warning', /2 spans rejected, "no quota"/],
      [answer(200, { ...seen, 'content-type': 'application/json' }, 'OK'), 'warning', /not the JSON/],
      [answer(200, { ...seen, 'content-type': 'application/json' }, 'null'), 'ok'],
      [answer(200, { ...seen, 'content-type': 'text/html; charset=utf-8' }, '<!doctype html>'), 'problem', /web page/],
      [answer(200), 'problem', /arrive twice/, /allowed_origins/],
      [answer(301, { ...seen, location: 'https://x.example/' }), 'problem', /redirect to https:\/\/x\.example\//],
      [answer(401, seen), 'problem', /key is missing/],
      [answer(403), 'problem', /The page cannot even see that: it has no Access-Control-Allow-Origin/],
      [answer(404, seen), 'problem', /\/v1\/traces/],
      [answer(415, seen), 'problem', /encoding/],
      [answer(413, seen), 'problem', /max_request_body_size/],
      [answer(429, seen), 'warning', /later/],
      [answer(503, seen), 'warning', /later/],
      [answer(500, seen), 'problem', /log/],
    ],
    (given) => exports.judgeExport(way, given, page, true),
  );
  assert.equal(exports.judgeExport({ ...way, verdict: 'warning' }, answer(415, seen), page, true).verdict, 'warning');
  assert.equal(exports.judgeExport(way, answer(200), page, false).verdict, 'ok', 'on its own origin a page sees everything');
});

test('what an answer to garbage means', () => {
  judged(
    [
      [answer(400, allow(ORIGIN)), 'ok'],
      [answer(400), 'warning', /looks like a failure of CORS/, /always/],
      [answer(200, allow(ORIGIN)), 'warning', /no OTLP/],
    ],
    (given) => exports.judgeErrorAnswer(given, page, true),
  );
});

test('what a backend must allow', () => {
  judged(
    [
      [answer(200, allow(ORIGIN, { 'access-control-allow-headers': 'Content-Type, traceparent' })), 'ok'],
      [answer(200, allow(ORIGIN, { 'access-control-allow-headers': 'Content-Type' })), 'problem', /allow_headers=\['Content-Type', 'traceparent'\]/, /propagateTraceHeaderCorsUrls/],
      [answer(200, { 'access-control-allow-headers': '*' }), 'problem', /origins=\['https:\/\/shop\.example\.com'\]/],
    ],
    (given) => cors.judgeBackend(given, page, new URL('https://api.example.com/cart')),
  );
});

test('what a Honeycomb key may', () => {
  const told = (access, more = {}) =>
    answer(200, {}, JSON.stringify({ team: { name: 'Acme', slug: 'acme' }, environment: { name: 'Production', slug: 'production' }, api_key_access: access, ...more }));
  judged(
    [
      [told({ events: true, createDatasets: true, queries: false }), 'ok', /team Acme, environment Production/],
      [told({ events: true, queries: true, boards: true, markers: false }), 'warning', /more than send: queries, boards\./, /ingest key/],
      [told({ events: false }), 'problem', /may not send/],
      [told({ events: true }, { environment: { name: '', slug: '' } }), 'ok', /Classic/],
      [answer(401), 'problem', /eu1/],
      [answer(500), 'warning'],
      [answer(200, {}, 'null'), 'warning'],
      [answer(200, {}, '<html>'), 'warning'],
    ],
    judgeHoneycombKey,
  );
});

test('what is shown fits into 100 columns, and steers no terminal', () => {
  const found = `${'a word and another one '.repeat(20)}\x1b[31mred\x07`;
  const shown = describe({ check: 'check', verdict: 'problem', found, change: found, lines: ['line: \x1b[2J'] }, false);
  for (const line of shown.split('\n')) assert.ok(line.length <= 100, line);
  assert.doesNotMatch(shown, /[\x00-\x09\x0b-\x1f]/);
  assert.match(describe({ check: 'check', verdict: 'problem', found: 'found' }, true), /^\x1b\[31mproblem/);
});

test('the sum names each kind, and the whole block where a line of it is missing', () => {
  const fine = { check: 'a', verdict: 'ok', found: '' };
  assert.equal(summarise([fine, fine, { ...fine, verdict: 'problem' }], page), '\n1 problem, 0 warnings, 2 ok\n');
  const lacking = cors.judgeMaxAge(answer(204));
  assert.match(summarise([lacking], page), /receivers:\n +otlp:\n +protocols:\n +http:\n +cors:\n +allowed_origins: \['https:\/\/shop\.example\.com'\]\n +allowed_headers.*\n +max_age: 7200\n/);
});
