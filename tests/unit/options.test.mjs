// What `init` takes, what it makes of it, and what it says about the rest.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { build } from 'esbuild';

const source = fileURLToPath(new URL('../../js/options.ts', import.meta.url));
const { outputFiles } = await build({ entryPoints: [source], bundle: true, format: 'esm', target: 'es2022', write: false });
const { readOptions } = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);

const LOCAL = { href: 'http://localhost:5173/shop/', hostname: 'localhost' };
const PUBLIC = { href: 'https://shop.example.com/cart/', hostname: 'shop.example.com' };
const ENDPOINT = 'https://otel.example.com';
const NO_LIMIT = 2 ** 31 - 1;

/** What the options of fetch and of XHR are without any word. */
const REQUESTS = {
  requestHook: undefined,
  applyCustomAttributesOnSpan: undefined,
  ignoreUrls: [],
  ignoreNetworkEvents: false,
  measureRequestSize: false,
  requireParentSpan: false,
};

const read = (options, page = PUBLIC) => readOptions({ endpoint: ENDPOINT, ...options }, page);
const settingsOf = (options, page) => read(options, page).settings;
const warningsOf = (options, page) => read(options, page).warnings;
/** What is said of options of which one cannot be read. */
const refusalOf = (options, page = PUBLIC) => {
  const { errors } = readOptions(options, page);
  assert.equal(errors.length, 1, `one message: ${errors.join(' | ')}`);
  return errors[0];
};
const nested = (path, value) => path.split('.').reduceRight((inner, key) => ({ [key]: inner }), value);
const at = (settings, path) => path.split('.').reduce((outer, key) => outer[key], settings);
const throwing = (key) => Object.defineProperty({}, key, { enumerable: true, get: () => { throw new Error('from the page'); } });

test('fills in every default when called without argument on a loopback page', () => {
  const { settings, warnings } = readOptions(undefined, LOCAL);
  assert.deepEqual(warnings, []);
  assert.deepEqual(settings, {
    serviceName: 'unknown_service',
    serviceVersion: undefined,
    resourceAttributes: {},
    tracesUrl: 'http://localhost:4318/v1/traces',
    headers: {},
    credentials: 'same-origin',
    protocol: 'http/protobuf',
    compression: 'auto',
    timeoutMillis: 10_000,
    retry: { initialMillis: 1000, maxMillis: 30_000, maxElapsedMillis: 300_000 },
    batch: { scheduledDelayMillis: 5000, maxExportBatchSize: 512, maxQueueSize: 2048 },
    sampler: 'always_on',
    propagateTraceHeaderCorsUrls: [],
    ignoreUrls: [],
    noTraceHeaderUrls: [],
    corsTraceHeaders: ['traceparent'],
    consent: 'granted',
    instrumentations: {
      fetch: REQUESTS,
      xhr: REQUESTS,
      documentLoad: {
        applyCustomAttributesOnSpan: { documentLoad: undefined, documentFetch: undefined, resourceFetch: undefined },
        ignoreNetworkEvents: false,
        ignorePerformancePaintEvents: false,
      },
      navigation: { quietMillis: 100, maxDurationMillis: 10_000 },
      errors: true,
    },
    captures: [],
    outbox: false,
    pageTrace: true,
    semconv: 'stable',
    session: false,
    documentUrl: false,
    spanProcessors: [],
    redact: { keys: [], url: undefined },
    limits: {
      attributeCountLimit: 128,
      attributeValueLengthLimit: NO_LIMIT,
      eventCountLimit: 128,
      linkCountLimit: 128,
      attributePerEventCountLimit: 128,
      attributePerLinkCountLimit: 128,
      spansPerMinute: 1000,
    },
    onError: undefined,
    logLevel: 'warn',
    debug: false,
  });
});

test('documents for every option the default that it has, and a source for every option that OpenTelemetry or Fetch knows', async () => {
  const text = await readFile(source, 'utf8');
  const interfaces = new Map(
    [...text.matchAll(/^export interface (\w+Options)(?: extends (\w+))? \{\n(.*?)^\}/gms)].map(([, name, base, body]) => [
      name,
      [base, ...[...body.matchAll(/\/\*\*((?:(?!\*\/).)*)\*\/\n(?: *\/\/[^\n]*\n)? *(\w+)\?(?:: ([^\n]*);|\()/gs)].map(([, doc, key, type]) => ({ doc, key, type }))],
    ]),
  );
  const documented = new Map();
  const walk = (name, prefix) => {
    const [base, ...keys] = interfaces.get(name);
    if (base) walk(base, prefix);
    for (const { doc, key, type } of keys) {
      const inner = type?.match(/\w+Options\b/)?.[0];
      const fallback = doc.match(/@defaultValue (?:`([^`]+)`|none)/);
      assert.ok(fallback, `${prefix}${key} has @defaultValue`);
      documented.set(prefix + key, fallback[1]);
      if (!prefix && !['captures', 'consent', 'instrumentations', 'outbox', 'pageTrace', 'documentUrl'].includes(key)) assert.match(doc, /Source: [^]*https:\/\//, `${key} links its source`);
      if (inner) walk(inner, `${prefix}${key}.`);
    }
  };
  walk('WebspanOptions', '');
  const { settings } = readOptions({}, LOCAL);
  // What is off has its defaults once it is on.
  const switchedOn = (...names) => readOptions(Object.fromEntries(names.map((name) => [name, true])), LOCAL).settings;
  const optionsOf = (record, prefix) =>
    Object.entries(record).flatMap(([key, value]) => [
      prefix + key,
      ...(['retry', 'batch', 'redact', 'limits', 'instrumentations', 'fetch', 'xhr', 'documentLoad', 'navigation', 'session', 'outbox'].includes(key) ? optionsOf(value, `${prefix}${key}.`) : []),
    ]);
  const known = optionsOf(switchedOn('session', 'outbox'), '').filter((path) => path !== 'tracesUrl');
  assert.deepEqual([...documented.keys()].sort(), [...known, 'endpoint', 'tracesEndpoint'].sort());
  for (const [path, literal] of documented) {
    if (literal === undefined) {
      if (path !== 'tracesEndpoint') assert.equal(at(settings, path), undefined, path);
      continue;
    }
    // Given a default, nothing changes.
    assert.deepEqual(readOptions(nested(path, new Function(`return (${literal})`)()), LOCAL).settings, /^(session|outbox)\./.test(path) ? switchedOn(path.split('.')[0]) : settings, `${path}: ${literal}`);
  }
});

test('keeps what was given', () => {
  const sampler = () => true;
  const headers = async () => ({ authorization: 'Bearer 1' });
  const onError = () => {};
  const requestHook = () => {};
  const url = (text) => text;
  for (const [path, value, wanted = value] of [
    ['serviceName', 'shop-web'],
    ['serviceVersion', '1.2.3'],
    ['resourceAttributes', { a: 'b', n: 1.5, yes: true, no: false, zero: 0, empty: '', list: ['a', 'b'], holes: [null, 1, undefined, 2], none: [] }],
    ['headers', { 'X-Scope-OrgID': 'tenant', authorization: '' }],
    ['headers', headers],
    ['credentials', 'include'],
    ['protocol', 'http/json'],
    ['compression', 'gzip'],
    ['timeoutMillis', 1],
    ['timeoutMillis', Infinity, NO_LIMIT],
    ['timeoutMillis', 1e12, NO_LIMIT],
    ['retry', false],
    ['retry', true, { initialMillis: 1000, maxMillis: 30_000, maxElapsedMillis: 300_000 }],
    ['retry', { maxMillis: 5000 }, { initialMillis: 1000, maxMillis: 5000, maxElapsedMillis: 300_000 }],
    ['batch.scheduledDelayMillis', 0],
    ['batch', { maxExportBatchSize: 100, maxQueueSize: 100 }, { scheduledDelayMillis: 5000, maxExportBatchSize: 100, maxQueueSize: 100 }],
    ['sampler', 'always_off'],
    ['sampler', { ratio: 0 }],
    ['sampler', { ratio: 0.25 }],
    ['sampler', { ratio: 1 }],
    ['sampler', sampler],
    ['corsTraceHeaders', ['traceparent', 'TraceState'], ['traceparent', 'tracestate']],
    ['corsTraceHeaders', 'b3', ['b3']],
    ['corsTraceHeaders', []],
    ['consent', 'pending'],
    ['instrumentations.fetch', false],
    ['instrumentations.fetch', { requestHook }, { ...REQUESTS, requestHook }],
    ['instrumentations.xhr', false],
    ['instrumentations.navigation', { quietMillis: 50 }, { quietMillis: 50, maxDurationMillis: 10_000 }],
    ['instrumentations.errors', false],
    ['semconv', 'dup'],
    ['outbox', true, { maxBytes: 4_194_304, maxAgeMillis: 86_400_000, maxCount: 1000 }],
    ['outbox', { maxAgeMillis: 60_000 }, { maxBytes: 4_194_304, maxAgeMillis: 60_000, maxCount: 1000 }],
    ['session', true, { storage: 'memory', idleMillis: 1_800_000, maxAgeMillis: 14_400_000 }],
    ['session', { storage: 'localStorage' }, { storage: 'localStorage', idleMillis: 1_800_000, maxAgeMillis: 14_400_000 }],
    ['limits.spansPerMinute', Infinity, NO_LIMIT],
    ['redact', false],
    ['redact', { keys: ['pin'], url }],
    ['limits.attributeCountLimit', 0],
    ['limits.attributeValueLengthLimit', 4096],
    ['onError', onError],
    ['logLevel', 'none'],
    ['debug', true],
  ]) {
    const { settings, warnings } = read(nested(path, value));
    assert.deepEqual(at(settings, path), wanted, path);
    assert.deepEqual(warnings, [], path);
  }
});

test('takes objects of another frame', () => {
  const { settings, warnings } = readOptions(runInNewContext(`({ endpoint: '${ENDPOINT}', ignoreUrls: [/a/g], batch: { maxQueueSize: 1000 } })`), PUBLIC);
  assert.equal(String(settings.ignoreUrls), '/a/g');
  assert.equal(settings.batch.maxQueueSize, 1000);
  assert.deepEqual(warnings, []);
});

test('takes what an object has from its class, but not what the page has put into Object.prototype', (t) => {
  class Configuration {
    get serviceName() {
      return 'shop-web';
    }
  }
  Object.prototype.serviceVersion = 'polluted';
  t.after(() => delete Object.prototype.serviceVersion);
  const { settings } = readOptions(new Configuration(), LOCAL);
  assert.equal(settings.serviceName, 'shop-web');
  assert.equal(settings.serviceVersion, undefined);
});

test('takes undefined for not given, at every depth', () => {
  const given = {
    serviceName: undefined,
    headers: { authorization: undefined },
    resourceAttributes: { a: undefined },
    batch: { maxQueueSize: undefined },
    limits: undefined,
    sampler: undefined,
    instrumentations: { fetch: { requestHook: undefined } },
  };
  assert.deepEqual(read(given), read({}));
});

test('reports wrong types and values with the path, what was given and what was wanted', () => {
  for (const [path, value, given, wanted] of [
    ['serviceName', 5, '5', 'string (not empty)'],
    ['serviceName', '', '""', 'string (not empty)'],
    ['serviceVersion', null, 'null', 'string (not empty)'],
    ['resourceAttributes', [], 'Array', 'Object'],
    ['resourceAttributes.a', {}, 'Object', 'string or number or boolean or Array (of one of these types)'],
    ['resourceAttributes.a', [1, 'b'], 'Array', 'string or number or boolean or Array (of one of these types)'],
    ['resourceAttributes.a', [null, 1, 'b'], 'Array', 'string or number or boolean or Array (of one of these types)'],
    ['resourceAttributes.a', [['b']], 'Array', 'string or number or boolean or Array (of one of these types)'],
    ['resourceAttributes.a', null, 'null', 'string or number or boolean or Array (of one of these types)'],
    ['headers', null, 'Null', 'Object or function'],
    ['headers', new Headers({ a: 'b' }), 'Headers', 'Object or function'],
    ['credentials', 'yes', '"yes"', '"same-origin" or "omit" or "include"'],
    ['protocol', 'grpc', '"grpc"', '"http/protobuf" or "http/json"'],
    ['compression', 'brotli', '"brotli"', '"auto" or "gzip" or "none"'],
    ['timeoutMillis', 0, '0', 'number (whole, at least 1, or Infinity)'],
    ['timeoutMillis', 10n, '10', 'number (whole, at least 1, or Infinity)'],
    ['retry', 3, '3', 'boolean or Object'],
    ['retry.maxMillis', -1, '-1', 'number (whole, at least 1, or Infinity)'],
    ['batch', null, 'null', 'Object'],
    ['batch', new Map(), 'Map', 'Object'],
    ['batch.maxQueueSize', '2k', '"2k"', 'number (whole, at least 1, or Infinity)'],
    ['batch.maxQueueSize', 1.5, '1.5', 'number (whole, at least 1, or Infinity)'],
    ['batch.scheduledDelayMillis', NaN, 'NaN', 'number (whole, at least 0, or Infinity)'],
    ['sampler', 'ALWAYS_ON', '"ALWAYS_ON"', '"always_on" or "always_off" or Object or function'],
    ['sampler', 0.1, '0.1', '"always_on" or "always_off" or Object or function'],
    ['sampler.ratio', 1.01, '1.01', 'number (from 0 to 1)'],
    ['sampler.ratio', -0.1, '-0.1', 'number (from 0 to 1)'],
    ['sampler.ratio', NaN, 'NaN', 'number (from 0 to 1)'],
    ['sampler.ratio', '0.5', '"0.5"', 'number (from 0 to 1)'],
    ['sampler.ratio', undefined, 'undefined', 'number (from 0 to 1)'],
    ['consent', true, 'true', '"granted" or "pending"'],
    ['instrumentations', true, 'true', 'Object'],
    ['instrumentations.fetch', 'on', '"on"', 'boolean or Object'],
    ['instrumentations.fetch.requestHook', {}, 'Object', 'function'],
    ['redact.url', /x/, 'RegExp', 'function'],
    ['limits.eventCountLimit', -1, '-1', 'number (whole, at least 0, or Infinity)'],
    ['onError', Symbol('s'), 'Symbol(s)', 'function'],
    ['logLevel', 'verbose', '"verbose"', '"warn" or "none" or "error" or "info" or "debug"'],
    ['debug', 'false', '"false"', 'boolean'],
  ]) {
    assert.equal(refusalOf(nested(path, value)), `options.${path} is ${given}; wanted ${wanted}.`);
  }
});

test('names the element of a list that is wrong', () => {
  for (const [options, message] of [
    [{ ignoreUrls: ['/a', 5] }, 'options.ignoreUrls[1] is 5; wanted string (a URL) or RegExp (that does not match the empty text).'],
    [{ captures: ['userInteraction'] }, 'options.captures[0] is "userInteraction"; wanted function.'],
    [{ ignoreUrls: [undefined] }, 'options.ignoreUrls[0] is undefined; wanted string (a URL) or RegExp (that does not match the empty text).'],
    [{ ignoreUrls: 'https://[' }, 'options.ignoreUrls[0] is "https://["; wanted string (a URL) or RegExp (that does not match the empty text).'],
    [{ corsTraceHeaders: ['trace parent'] }, 'options.corsTraceHeaders[0] is "trace parent"; wanted string (a header name).'],
    [{ redact: { keys: ['a', ''] } }, 'options.redact.keys[1] is ""; wanted string (not empty).'],
  ]) {
    assert.equal(refusalOf(options), message);
  }
  assert.match(refusalOf({ ignoreUrls: null }), /^options.ignoreUrls is null;/);
});

test('reports an argument that is no object of options, without repeating text', () => {
  for (const [given, shown] of [[null, 'Null'], ['{"headers":{"authorization":"hush"}}', 'String'], [[], 'Array'], [() => {}, 'Function']]) {
    assert.equal(refusalOf(given), `options is ${shown}; wanted Object.`);
  }
});

test('reports a batch that is larger than the queue, and sends smaller ones', () => {
  const options = { batch: { maxExportBatchSize: 200, maxQueueSize: 100 } };
  assert.equal(refusalOf({ endpoint: ENDPOINT, ...options }), 'options.batch.maxExportBatchSize is 200; wanted at most maxQueueSize (100).');
  assert.equal(settingsOf(options).batch.maxExportBatchSize, 100);
});

test('reports headers that fetch would refuse, and shows no value of a header', () => {
  for (const [headers, name] of [
    [{ 'X Key': 'hush' }, 'headers.X'],
    [{ '': 'hush' }, 'headers.'],
    [{ 'Authorization: Bearer hush': '' }, 'headers.Authorization'],
    [{ authorization: 'hush\r\nx: y' }, 'headers.authorization'],
    [{ authorization: 'hush\u20ac' }, 'headers.authorization'],
    [{ authorization: 5 }, 'headers.authorization'],
    [{ authorization: null }, 'headers.authorization'],
    [{ authorization: ['hush'] }, 'headers.authorization'],
    ['authorization: hush', 'headers'],
    [[['authorization', 'hush']], 'headers'],
  ]) {
    const message = refusalOf({ headers });
    assert.ok(message.startsWith(`options.${name} is `), message);
    assert.doesNotMatch(message, /hush/);
  }
});

test('reports what getters and proxies throw as an option that is not readable', () => {
  const revoked = (target) => {
    const { proxy, revoke } = Proxy.revocable(target, {});
    revoke();
    return proxy;
  };
  for (const [options, path] of [
    [throwing('serviceName'), 'serviceName'],
    [{ batch: throwing('maxQueueSize') }, 'batch.maxQueueSize'],
    [{ headers: throwing('authorization') }, 'headers.authorization'],
    [{ resourceAttributes: throwing('a') }, 'resourceAttributes.a'],
    [{ ignoreUrls: Object.defineProperty(['x'], 0, { get: () => { throw new Error('from the page'); } }) }, 'ignoreUrls'],
    [{ limits: revoked({}) }, 'limits'],
    [{ limits: throwing(Symbol.toStringTag) }, 'limits'],
  ]) {
    const message = refusalOf(options);
    assert.ok(message.startsWith(`options.${path} is `), message);
    assert.doesNotMatch(message, /from the page/);
  }
  assert.equal(refusalOf(revoked({})), 'options is not readable; wanted Object.');
});

test('does not call toString or valueOf of what it was given', () => {
  const talkative = { toString: () => assert.fail('toString'), valueOf: () => assert.fail('valueOf') };
  for (const path of ['serviceName', 'endpoint', 'timeoutMillis', 'sampler.ratio', 'protocol', 'ignoreUrls', 'corsTraceHeaders', 'debug']) {
    assert.match(refusalOf(nested(path, talkative)), / is Object;/);
  }
});

test('neither writes to nor keeps what it was given', () => {
  const freeze = (value) => {
    if (Object(value) !== value || typeof value === 'function' || value instanceof RegExp) return value;
    Object.values(value).forEach(freeze);
    return Object.freeze(value);
  };
  const build = () => ({
    endpoint: ENDPOINT,
    headers: { a: 'b' },
    resourceAttributes: { list: ['a'] },
    ignoreUrls: ['https://a.example/', /b/g],
    corsTraceHeaders: ['traceparent'],
    sampler: { ratio: 0.5 },
    batch: { maxQueueSize: 1000 },
    redact: { keys: ['pin'] },
  });
  const { settings } = readOptions(freeze(build()), PUBLIC);
  const given = build();
  const { settings: same } = readOptions(given, PUBLIC);
  given.headers.a = 'changed';
  given.resourceAttributes.list.push('changed');
  given.ignoreUrls.push('changed');
  given.corsTraceHeaders.length = 0;
  given.sampler.ratio = 1;
  given.batch.maxQueueSize = 1;
  given.redact.keys[0] = 'changed';
  assert.deepEqual(same, settings);
  assert.notEqual(same.ignoreUrls[1], given.ignoreUrls[1]);
  assert.notEqual(readOptions({}, LOCAL).settings.corsTraceHeaders, readOptions({}, LOCAL).settings.corsTraceHeaders);
});

test('warns of an unknown option and names the nearest', () => {
  for (const [path, nearest] of [
    ['endpiont', 'endpoint'],
    ['endPoint', 'endpoint'],
    ['servicName', 'serviceName'],
    ['heders', 'headers'],
    ['smapler', 'sampler'],
    ['debg', 'debug'],
    ['rety', 'retry'],
    ['ignoreURLs', 'ignoreUrls'],
    ['ignoredUrls', 'ignoreUrls'],
    ['propogateTraceHeaderCorsUrls', 'propagateTraceHeaderCorsUrls'],
    ['propagateTraceHeadersCorsUrls', 'propagateTraceHeaderCorsUrls'],
    ['url', 'endpoint'],
    ['collectorUrl', 'endpoint'],
    ['name', 'serviceName'],
    ['tracingOrigins', 'propagateTraceHeaderCorsUrls'],
    ['batch.maxQueSize', 'maxQueueSize'],
    ['batch.maxExportSize', 'maxExportBatchSize'],
    ['instrumentations.fetch.requestHooks', 'requestHook'],
    ['limits.attributeCount', 'attributeCountLimit'],
  ]) {
    assert.deepEqual(warningsOf(nested(path, 1)), [`options.${path} is unknown; did you mean ${nearest}?`]);
  }
  for (const path of ['zoneful', 'constructor', 'toString', 'batch.url', 'instrumentations.webVitals']) {
    assert.deepEqual(warningsOf(nested(path, 1)), [`options.${path} is unknown.`]);
  }
});

test('makes the URL for traces from the endpoint', () => {
  for (const [endpoint, tracesUrl] of [
    ['https://otel.example.com', 'https://otel.example.com/v1/traces'],
    ['https://otel.example.com///', 'https://otel.example.com/v1/traces'],
    ['HTTPS://otel.example.com:443/', 'https://otel.example.com/v1/traces'],
    ['https://otel.example.com/prefix/', 'https://otel.example.com/prefix/v1/traces'],
    ['https://otel.example.com/v1/traces', 'https://otel.example.com/v1/traces'],
    ['https://otel.example.com/prefix/v1/traces/', 'https://otel.example.com/prefix/v1/traces'],
    ['https://otel.example.com/my-v1/traces', 'https://otel.example.com/my-v1/traces/v1/traces'],
    ['https://otel.example.com/prefix/?key=1&b=/', 'https://otel.example.com/prefix/v1/traces?key=1&b=/'],
    ['/otlp', 'https://shop.example.com/otlp/v1/traces'],
    ['./otlp', 'https://shop.example.com/cart/otlp/v1/traces'],
    ['//otel.example.com', 'https://otel.example.com/v1/traces'],
    ['https://undefined-behaviour.example/nullable', 'https://undefined-behaviour.example/nullable/v1/traces'],
    ['https://null.example.com', 'https://null.example.com/v1/traces'],
  ]) {
    const { settings, warnings } = readOptions({ endpoint }, PUBLIC);
    assert.equal(settings.tracesUrl, tracesUrl);
    assert.deepEqual(warnings, []);
    assert.ok(!('endpoint' in settings) && !('tracesEndpoint' in settings));
  }
});

test('uses tracesEndpoint as it stands, before endpoint', () => {
  assert.equal(settingsOf({ tracesEndpoint: 'https://a.example/ingest/?k=1' }).tracesUrl, 'https://a.example/ingest/?k=1');
});

test('reports endpoints that cannot be meant, and shows neither credentials nor query', () => {
  const unusable = /wanted string \(an http\(s\) URL without credentials or a path like "\/otlp"; is a variable not set\?\)\.$/;
  for (const [endpoint, wanted] of [
    ['', unusable],
    ['undefined', unusable],
    ['undefined/v1/traces', unusable],
    ['https://undefined', unusable],
    ['https://undefined:4318/', unusable],
    ['https://undefined.example.com/', unusable],
    ['https://otel.example.com/undefined/', unusable],
    ['https://otel.example.com/null?key=hush', unusable],
    ['https://null/v1/traces', unusable],
    ['http://localhost:NaN', unusable],
    [5, /is 5; wanted string \(an http/],
    [null, /is null; wanted string \(an http/],
    [new URL('https://otel.example.com'), /is URL; wanted string \(an http/],
    ['otel.example.com', unusable],
    ['localhost:4318', unusable],
    ['ftp://otel.example.com', unusable],
    ['javascript:alert(1)', unusable],
    ['https://', unusable],
    ['https://user:hush@otel.example.com', unusable],
    ['https://hush@otel.example.com', unusable],
    ['https://user:hu/hush@otel.example.com', unusable],
    ['ftp://otel.example.com/?key=hush', unusable],
  ]) {
    for (const path of ['endpoint', 'tracesEndpoint']) {
      const message = refusalOf({ [path]: endpoint });
      assert.ok(message.startsWith(`options.${path} is `), message);
      assert.match(message, wanted);
      assert.doesNotMatch(message, /hush/);
    }
  }
  assert.match(refusalOf({ endpoint: '/otlp' }, { href: 'file:///index.html', hostname: '' }), unusable);
});

test('has a default endpoint on loopback pages only', () => {
  for (const [hostname, local] of [
    ['localhost', true],
    ['shop.localhost', true],
    ['127.0.0.1', true],
    ['127.1.2.3', true],
    ['[::1]', true],
    ['mylocalhost', false],
    ['localhost.example.com', false],
    ['127.example.com', false],
    ['127.0.0.1.example.com', false],
    ['192.168.0.1', false],
    ['', false],
  ]) {
    const { settings, warnings } = readOptions({}, { href: `http://${hostname}/`, hostname });
    assert.equal(settings.tracesUrl, local ? 'http://localhost:4318/v1/traces' : null, hostname);
    assert.deepEqual(warnings, local ? [] : ['options.endpoint is not given; wanted a URL; nothing is sent without.']);
  }
});

test('warns of an http collector that an https page cannot reach', () => {
  for (const [endpoint, page, warns] of [
    ['http://otel.example.com', PUBLIC, true],
    ['http://localhost:4318', PUBLIC, false],
    ['http://127.0.0.1:4318', PUBLIC, false],
    ['https://otel.example.com', PUBLIC, false],
    ['http://otel.example.com', LOCAL, false],
  ]) {
    assert.deepEqual(
      warningsOf({ endpoint }, page),
      warns ? ['options.endpoint is an http: URL, which browsers block on an https: page; wanted https:.'] : [],
    );
  }
});

const UNMEANT = ['', new RegExp(undefined), new RegExp(''), /.*/, /^https|/g, 'undefined', 'https://undefined/api', 'https://api.example.com/null'];

test('leaves out, with a warning, patterns for other origins that would match everything or hold an unset variable', () => {
  for (const pattern of UNMEANT) {
    const { settings, warnings, errors } = read({ propagateTraceHeaderCorsUrls: ['https://ok.example/', pattern] });
    assert.deepEqual(settings.propagateTraceHeaderCorsUrls, ['https://ok.example/']);
    assert.deepEqual(warnings, ['options.propagateTraceHeaderCorsUrls[1] is left out; wanted a URL, or a RegExp that does not match the empty text.']);
    assert.deepEqual(errors, []);
  }
  assert.deepEqual(warningsOf({ propagateTraceHeaderCorsUrls: [/.+/, /./y, 'https://api.example.com', '/undefined-behaviour'] }), []);
});

test('hands no header to anybody where such a pattern says who is to get none', () => {
  for (const pattern of UNMEANT) {
    for (const path of ['ignoreUrls', 'noTraceHeaderUrls', 'instrumentations.fetch.ignoreUrls', 'instrumentations.xhr.ignoreUrls']) {
      const { settings, warnings, errors } = read(nested(path, ['https://ok.example/', pattern]));
      if (path !== 'noTraceHeaderUrls') assert.deepEqual(at(settings, path), ['https://ok.example/']);
      assert.ok(isHeaderless(settings), path);
      assert.equal(errors.length, 1);
      assert.ok(errors[0].startsWith(`options.${path}[1] is `), errors[0]);
      assert.deepEqual(warnings, []);
    }
  }
  assert.ok(!isHeaderless(settingsOf({ ignoreUrls: [/.+/, '/health'], noTraceHeaderUrls: 'https://undefined-behaviour.example' })));
});

/** No URL may carry our headers. */
const isHeaderless = ({ noTraceHeaderUrls }) => ['https://shop.example.com/cart', 'http://x/'].every((href) => noTraceHeaderUrls.some((pattern) => pattern.test?.(href)));

/** What is used in the place of options that cannot be read, where that is not what they are by default. */
const SAFE = {
  consent: { consent: 'pending' },
  endpoint: { tracesUrl: null },
  tracesEndpoint: { tracesUrl: null },
  headers: { tracesUrl: null },
  propagateTraceHeaderCorsUrls: { propagateTraceHeaderCorsUrls: [] },
  ignoreUrls: { noTraceHeaderUrls: [/^/] },
  noTraceHeaderUrls: { noTraceHeaderUrls: [/^/] },
  'instrumentations.fetch.ignoreUrls': { noTraceHeaderUrls: [/^/] },
  'instrumentations.xhr.ignoreUrls': { noTraceHeaderUrls: [/^/] },
  corsTraceHeaders: { corsTraceHeaders: [] },
  'sampler.ratio': { sampler: { ratio: 1 } },
};

const EVERY_OPTION = [
  ...['serviceName', 'serviceVersion', 'resourceAttributes', 'resourceAttributes.a', 'endpoint', 'tracesEndpoint', 'headers', 'headers.a', 'credentials', 'protocol'],
  ...['compression', 'timeoutMillis', 'retry', 'retry.initialMillis', 'retry.maxMillis', 'retry.maxElapsedMillis', 'batch', 'batch.scheduledDelayMillis'],
  ...['batch.maxExportBatchSize', 'batch.maxQueueSize', 'sampler', 'sampler.ratio', 'propagateTraceHeaderCorsUrls', 'ignoreUrls', 'noTraceHeaderUrls', 'corsTraceHeaders'],
  ...['consent', 'instrumentations', 'instrumentations.fetch', 'instrumentations.xhr', 'instrumentations.documentLoad', 'instrumentations.navigation', 'instrumentations.errors'],
  ...['requestHook', 'applyCustomAttributesOnSpan', 'ignoreUrls', 'ignoreNetworkEvents', 'measureRequestSize', 'requireParentSpan'].flatMap((name) => [`instrumentations.fetch.${name}`, `instrumentations.xhr.${name}`]),
  ...['applyCustomAttributesOnSpan', 'applyCustomAttributesOnSpan.documentLoad', 'ignoreNetworkEvents', 'ignorePerformancePaintEvents'].map((name) => `instrumentations.documentLoad.${name}`),
  ...['instrumentations.navigation.quietMillis', 'instrumentations.navigation.maxDurationMillis', 'captures', 'outbox', 'outbox.maxBytes', 'outbox.maxAgeMillis', 'outbox.maxCount'],
  ...['pageTrace', 'semconv', 'session', 'session.storage', 'session.idleMillis', 'session.maxAgeMillis', 'documentUrl', 'spanProcessors', 'redact', 'redact.keys', 'redact.url'],
  ...['limits', 'limits.attributeCountLimit', 'limits.attributeValueLengthLimit', 'limits.eventCountLimit', 'limits.linkCountLimit', 'limits.attributePerEventCountLimit'],
  ...['limits.attributePerLinkCountLimit', 'limits.spansPerMinute', 'onError', 'logLevel', 'debug'],
];

test('says one thing of each option that cannot be read, and uses its safe value', () => {
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  for (const path of EVERY_OPTION) {
    for (const wrong of [Symbol('no'), 10n, -0.5, new Date(), revoked.proxy]) {
      // A number is an attribute.
      if (path === 'resourceAttributes.a' && wrong === -0.5) continue;
      const { settings, errors } = read(nested(path, wrong));
      assert.equal(errors.length, 1, `${path}: ${errors.join(' | ')}`);
      assert.match(errors[0], new RegExp(`^options\\.${path.replaceAll('.', '\\.')}(\\[0\\])? is .*; wanted .*\\.$`));
      const [outer] = path.split('.');
      const normal = settingsOf(/^(session|outbox)\./.test(path) ? { [outer]: true } : {});
      if (path === 'redact.url') {
        assert.equal(settings.redact.url('https://shop.example.com/?customer=5'), 'REDACTED', 'as where it throws');
        assert.deepEqual({ ...settings, redact: { ...settings.redact, url: undefined } }, normal);
      } else if (/^instrumentations(\.fetch|\.xhr)?$/.test(path) && Object(wrong) === wrong) {
        assert.deepEqual(settings, { ...normal, noTraceHeaderUrls: [/^/] }, 'patterns may be in there');
      } else {
        assert.deepEqual(settings, { ...normal, ...(SAFE[path] ?? SAFE[outer]) }, path);
      }
    }
  }
});

test('is as careful as can be where the options as a whole cannot be read', () => {
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  const throwingAll = new Proxy({}, { ownKeys: () => { throw new Error('from the page'); } });
  for (const given of [null, 'text', '{"consent":"pending"}', 5, Symbol('s'), [], () => {}, revoked.proxy, throwingAll]) {
    const { settings, errors, warnings } = readOptions(given, LOCAL);
    assert.equal(errors.length, 1, String(errors));
    assert.match(errors[0], /^options is [\w ]+; wanted Object\.$/);
    assert.deepEqual(warnings, []);
    assert.deepEqual(settings, { ...readOptions({}, LOCAL).settings, tracesUrl: null, consent: 'pending', noTraceHeaderUrls: [/^/], propagateTraceHeaderCorsUrls: [] });
  }
});

test('takes what can be read beside what cannot', () => {
  const options = {
    endpoint: ENDPOINT,
    resourceAttributes: { good: 1, bad: {}, better: 'x' },
    ignoreUrls: ['https://a.example/', 5, /b/],
    corsTraceHeaders: ['traceparent', 'no header'],
    redact: { keys: ['pin', 5] },
    batch: { maxQueueSize: 'x', scheduledDelayMillis: 7 },
    get serviceVersion() { throw new Error('from the page'); },
  };
  const { settings, errors } = readOptions(options, PUBLIC);
  assert.deepEqual(errors.map((error) => error.split(' ')[0]), [
    'options.serviceVersion', 'options.resourceAttributes.bad', 'options.batch.maxQueueSize', 'options.ignoreUrls[1]', 'options.corsTraceHeaders[1]', 'options.redact.keys[1]',
  ]);
  assert.deepEqual(settings.resourceAttributes, { good: 1, better: 'x' });
  assert.deepEqual(settings.ignoreUrls, ['https://a.example/', /b/]);
  assert.deepEqual(settings.corsTraceHeaders, ['traceparent']);
  assert.deepEqual(settings.redact.keys, ['pin']);
  assert.deepEqual(settings.batch, { scheduledDelayMillis: 7, maxExportBatchSize: 512, maxQueueSize: 2048 });
  assert.equal(settings.serviceVersion, undefined);
});

test('sends nothing where one of the endpoints cannot be read, also where the other can', () => {
  for (const options of [{ tracesEndpoint: 'https://undefined' }, { endpoint: undefined, tracesEndpoint: '' }, { endpoint: '', tracesEndpoint: 'https://a.example/' }]) {
    const { settings, errors, warnings } = read(options, LOCAL);
    assert.equal(settings.tracesUrl, null);
    assert.equal(errors.length, 1);
    assert.deepEqual(warnings, []);
  }
});
