// From a page to a real Collector and into its file: what arrives is what the page did, field by field.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ensureCollector, projectDir } from '../../js/build/setup.mjs';
import { launchBrowser, openPage } from '../harness/browser.mjs';
import { echo, startSite, webspanPage } from '../harness/site.mjs';
import { startCollector } from './collector.mjs';

const skip = ensureCollector() === null && 'there is no Go to build a Collector with';
const { version } = JSON.parse(readFileSync(join(projectDir, 'package.json'), 'utf8'));

const SCHEMA_URL = 'https://opentelemetry.io/schemas/1.45.0';

/** Bits of `Span.flags` and of those of links, as trace.proto defines them. */
const [SAMPLED, RANDOM, HAS_IS_REMOTE, IS_REMOTE] = [0x1, 0x2, 0x100, 0x200];

/** How far the page's clock, which counts from the start of the page, may be from the machine's. */
const CLOCK_TOLERANCE_MS = 50;

/** What comes to the page from somewhere else. */
const REMOTE = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', tracestate: 'vendor=value,other=1' };
const LINKED = { traceId: '1'.repeat(32), spanId: '2'.repeat(16) };

/** What the page does; gives what only the page can know of it. Runs in the page. */
async function visit({ REMOTE, LINKED }) {
  const { extract, traced, withSpan } = window.webspan;
  const { tracer } = window.instance;
  const startedMs = Date.now();
  const ids = {};
  const note = (name, span) => {
    const { traceId, spanId } = span.spanContext();
    ids[name] = { traceId, spanId };
    return span;
  };
  const start = (name, options) => note(name, tracer.startSpan(name, options));

  const everything = start('everything', {
    kind: 4,
    startTime: [1_763_690_000, 123_250_000],
    attributes: { 'at start': 'x', overwritten: 'before', 'not given': undefined },
    links: [{ context: { ...LINKED, traceFlags: 1 } }],
  });
  everything.setAttributes({
    text: 'Grüße, 世界 🌍',
    'empty text': '',
    'half a pair': 'a\ud800b',
    zero: 0,
    negative: -5,
    'largest safe': Number.MAX_SAFE_INTEGER,
    'smallest int64': -(2 ** 63),
    'above int64': 2 ** 63,
    fraction: 0.1,
    nan: NaN,
    infinity: Infinity,
    '-infinity': -Infinity,
    yes: true,
    no: false,
    texts: ['a', null, '', undefined, 'ü'],
    numbers: [1, 2.5, null, -3],
    flags: [true, false],
    'empty list': [],
    overwritten: 'after',
    ключ: 'a key that is not ASCII',
  });
  everything.addEvent('bare', new Date(1_763_690_000_124));
  everything.addEvent('with attributes', { step: 2, ratio: 0.5, list: ['x'] }, 1_763_690_000_125.5);
  const nowMs = performance.now();
  everything.addEvent('by the clock of the page', nowMs);
  const state = { get: () => 'value', set: () => state, unset: () => state, serialize: () => 'vendor=value' };
  everything.addLink({ context: { ...LINKED, traceFlags: 0, isRemote: true, traceState: state }, attributes: { why: 'batch', count: 3 } });
  everything.setStatus({ code: 1, message: 'only errors have a message' });
  everything.updateName('everything, renamed');
  everything.end(new Date(1_763_690_005_000));

  const crowded = start('crowded');
  for (let index = 0; index < 130; index++) crowded.setAttribute(`attribute ${index}`, index);
  for (let index = 0; index < 131; index++) crowded.addEvent(`event ${index}`);
  for (let index = 0; index < 132; index++) crowded.addLink({ context: { ...LINKED, traceFlags: 0 } });
  crowded.end();

  let stack;
  try {
    traced('outer', (outer) => {
      note('outer', outer);
      traced('inner', (inner) => {
        note('inner', inner);
        const error = new RangeError('out of range');
        ({ stack } = error);
        throw error;
      }, { kind: 3 });
    });
  } catch {
    // It is the page's own.
  }

  let echoed;
  await withSpan(extract({ traceparent: `00-${REMOTE.traceId}-${REMOTE.spanId}-01`, tracestate: REMOTE.tracestate }), async () => {
    start('below a remote parent').end();
    echoed = await fetch('/echo', { method: 'POST', body: 'hello' }).then((response) => response.text());
  });

  const ofALibrary = note('of a library', window.instance.getTracer('a library', '1.2.3').startSpan('of a library'));
  ofALibrary.setStatus({ code: 2, message: 'it failed' }).recordException('a text');
  ofALibrary.end();

  await window.instance.flush();
  return { ids, stack, echoedBytes: echoed.length, startedMs, endedMs: Date.now(), nowUnixMs: performance.timeOrigin + nowMs };
}

/** The resource of all spans, apart from what the browser alone knows. */
async function expectedResource(page) {
  const browser = await page.evaluate(() => {
    const { brands, mobile, platform } = navigator.userAgentData;
    return { brands: brands.map(({ brand, version }) => `${brand} ${version}`), mobile, platform, language: navigator.language, userAgent: navigator.userAgent };
  });
  return {
    'service.name': { string: 'shop' },
    'service.version': { string: '4.5.6' },
    'deployment.environment.name': { string: 'test' },
    replicas: { int: '3' },
    zones: { array: [{ string: 'a' }, { string: 'b' }] },
    'telemetry.sdk.name': { string: 'webspan' },
    'telemetry.sdk.language': { string: 'webjs' },
    'telemetry.sdk.version': { string: version },
    'browser.brands': { array: browser.brands.map((brand) => ({ string: brand })) },
    'browser.mobile': { bool: browser.mobile },
    'browser.platform': { string: browser.platform },
    'browser.language': { string: browser.language },
    'user_agent.original': { string: browser.userAgent },
  };
}

describe('a page sends to a Collector', { skip }, () => {
  let browser;
  let site;
  before(async () => {
    browser = await launchBrowser();
    site = await startSite({ routes: { '/echo': echo() } });
  });
  after(async () => {
    await site.close();
    await browser.close();
  });

  /** Opens a page that sends to a Collector with this CORS. */
  async function open(t, { cors, options = {} }) {
    const collector = await startCollector({ cors });
    site.route('/shop', webspanPage({
      endpoint: collector.endpoint,
      serviceName: 'shop',
      serviceVersion: '4.5.6',
      resourceAttributes: { 'deployment.environment.name': 'test', replicas: 3, zones: ['a', 'b'] },
      // The page load has tests of its own.
      instrumentations: { documentLoad: false },
      ...options,
    }));
    const context = await browser.newContext();
    const opened = await openPage(context, site.url('/shop'));
    t.after(async () => {
      await context.close();
      await collector.stop();
    });
    return { collector, ...opened };
  }

  for (const protocol of ['http/protobuf', 'http/json']) {
    test(`${protocol}, with the CORS of examples/collector: every field arrives`, async (t) => {
      const { collector, page, complaints, consoleWarnings } = await open(t, { cors: recommendedCors(site.origin), options: { protocol } });
      const did = await page.evaluate(visit, { REMOTE, LINKED });
      const received = await collector.waitForSpans(7);
      assert.equal(received.length, 7);
      const byName = Object.fromEntries(received.map((span) => [span.name, span]));
      const resource = await expectedResource(page);
      const own = { resource, scope: { name: 'webspan', version, attributes: {} }, schemaUrl: SCHEMA_URL };
      const plainSpan = {
        ...own, parentSpanId: '', kind: 'INTERNAL', flags: SAMPLED | RANDOM | HAS_IS_REMOTE, traceState: '', attributes: {}, events: [], links: [],
        status: { code: 'UNSET', message: '' }, droppedAttributesCount: 0, droppedEventsCount: 0, droppedLinksCount: 0,
      };

      assert.deepEqual(withoutTime(byName['everything, renamed'].events[2], did.nowUnixMs), { name: 'by the clock of the page', attributes: {}, droppedAttributesCount: 0 });
      assert.deepEqual({ ...byName['everything, renamed'], events: byName['everything, renamed'].events.slice(0, 2) }, {
        ...plainSpan,
        ...did.ids.everything,
        name: 'everything, renamed',
        kind: 'CONSUMER',
        startTimeUnixNano: '1763690000123250000',
        endTimeUnixNano: '1763690005000000000',
        attributes: {
          'at start': { string: 'x' },
          text: { string: 'Grüße, 世界 🌍' },
          'empty text': { string: '' },
          'half a pair': { string: 'a\ufffdb' },
          zero: { int: '0' },
          negative: { int: '-5' },
          'largest safe': { int: '9007199254740991' },
          'smallest int64': { int: '-9223372036854775808' },
          'above int64': { double: 2 ** 63 },
          fraction: { double: 0.1 },
          nan: { double: 'NaN' },
          infinity: { double: 'Infinity' },
          '-infinity': { double: '-Infinity' },
          yes: { bool: true },
          no: { bool: false },
          texts: { array: [{ string: 'a' }, { empty: true }, { string: '' }, { empty: true }, { string: 'ü' }] },
          numbers: { array: [{ int: '1' }, { double: 2.5 }, { empty: true }, { int: '-3' }] },
          flags: { array: [{ bool: true }, { bool: false }] },
          'empty list': { array: [] },
          overwritten: { string: 'after' },
          ключ: { string: 'a key that is not ASCII' },
        },
        events: [
          { name: 'bare', timeUnixNano: '1763690000124000000', attributes: {}, droppedAttributesCount: 0 },
          {
            name: 'with attributes',
            timeUnixNano: '1763690000125500000',
            attributes: { step: { int: '2' }, ratio: { double: 0.5 }, list: { array: [{ string: 'x' }] } },
            droppedAttributesCount: 0,
          },
        ],
        links: [
          { ...LINKED, traceState: '', flags: SAMPLED | HAS_IS_REMOTE, attributes: {}, droppedAttributesCount: 0 },
          {
            ...LINKED,
            traceState: 'vendor=value',
            flags: HAS_IS_REMOTE | IS_REMOTE,
            attributes: { why: { string: 'batch' }, count: { int: '3' } },
            droppedAttributesCount: 0,
          },
        ],
        status: { code: 'OK', message: '' },
      });

      const numbered = (kind, valueOf) => Array.from({ length: 128 }, (_, index) => valueOf(`${kind} ${index}`, index));
      assert.deepEqual(withoutTimes(byName.crowded, did), {
        ...plainSpan,
        ...did.ids.crowded,
        name: 'crowded',
        attributes: Object.fromEntries(numbered('attribute', (key, index) => [key, { int: String(index) }])),
        droppedAttributesCount: 2,
        events: numbered('event', (name) => ({ name, attributes: {}, droppedAttributesCount: 0 })),
        droppedEventsCount: 3,
        links: numbered('link', () => ({ ...LINKED, traceState: '', flags: HAS_IS_REMOTE, attributes: {}, droppedAttributesCount: 0 })),
        droppedLinksCount: 4,
      });

      const exception = {
        name: 'exception',
        attributes: { 'exception.type': { string: 'RangeError' }, 'exception.message': { string: 'out of range' }, 'exception.stacktrace': { string: did.stack } },
        droppedAttributesCount: 0,
      };
      const failed = { ...plainSpan, events: [exception], status: { code: 'ERROR', message: 'out of range' } };
      assert.deepEqual(withoutTimes(byName.outer, did), { ...failed, ...did.ids.outer, name: 'outer' });
      assert.deepEqual(withoutTimes(byName.inner, did), { ...failed, ...did.ids.inner, name: 'inner', kind: 'PRODUCER', parentSpanId: did.ids.outer.spanId });
      assert.equal(did.ids.inner.traceId, did.ids.outer.traceId);

      // The parent's flags say nothing of random ids, so its children may not either.
      const below = { ...plainSpan, parentSpanId: REMOTE.spanId, traceState: REMOTE.tracestate, flags: SAMPLED | HAS_IS_REMOTE | IS_REMOTE };
      assert.equal(did.ids['below a remote parent'].traceId, REMOTE.traceId);
      assert.deepEqual(withoutTimes(byName['below a remote parent'], did), { ...below, ...did.ids['below a remote parent'], name: 'below a remote parent' });

      const request = site.requestsTo('/echo').at(-1);
      const [, traceId, spanId] = request.headers.traceparent.split('-');
      assert.equal(request.headers.tracestate, REMOTE.tracestate);
      assert.equal(traceId, REMOTE.traceId);
      const { events: networkEvents, ...post } = withoutTimes(byName.POST, did);
      assert.deepEqual([networkEvents[0].name, networkEvents.at(-1).name], ['fetchStart', 'responseEnd']);
      const { events: _, ...belowWithoutEvents } = below;
      assert.deepEqual(post, {
        ...belowWithoutEvents,
        name: 'POST',
        kind: 'CLIENT',
        traceId,
        spanId,
        scope: { name: 'webspan/fetch', version, attributes: {} },
        attributes: {
          'http.request.method': { string: 'POST' },
          'http.response.status_code': { int: '200' },
          'http.response.body.size': { int: String(did.echoedBytes) },
          'network.protocol.version': { string: '1.1' },
          'server.address': { string: '127.0.0.1' },
          'server.port': { int: String(site.port) },
          'url.full': { string: site.url('/echo') },
        },
      });

      assert.deepEqual(withoutTimes(byName['of a library'], did), {
        ...plainSpan,
        ...did.ids['of a library'],
        name: 'of a library',
        scope: { name: 'a library', version: '1.2.3', attributes: {} },
        events: [{
          name: 'exception',
          attributes: { 'exception.type': { string: 'string' }, 'exception.message': { string: 'a text' } },
          droppedAttributesCount: 0,
        }],
        status: { code: 'ERROR', message: 'it failed' },
      });

      assert.deepEqual([...complaints(), ...consoleWarnings], []);
      const { delivered, dropped } = await page.evaluate(() => window.instance.stats());
      assert.equal(delivered, 7);
      assert.deepEqual(Object.entries(dropped).filter(([, count]) => count > 0), []);
    });

    test(`${protocol}, with nothing but allowed_origins: it arrives, and the console stays silent`, async (t) => {
      const { collector, page, complaints, consoleWarnings } = await open(t, { cors: { allowedOrigins: [site.origin] }, options: { protocol } });
      await page.evaluate(async () => {
        window.webspan.traced('manual', () => {});
        await fetch('/echo').then((response) => response.text());
        await window.instance.flush();
      });
      // What waits when a page is left goes out in another way, and has to pass as well.
      await page.evaluate(() => window.webspan.traced('at the end', () => {}));
      await page.goto('about:blank');
      const names = (await collector.waitForSpans(3)).map(({ name }) => name);
      assert.deepEqual(names.sort(), ['GET', 'at the end', 'manual']);
      assert.deepEqual([...complaints(), ...consoleWarnings], []);
    });
  }
});

/** The CORS that examples/collector/otel-collector.yaml recommends, for pages of this origin. */
function recommendedCors(origin) {
  const example = readFileSync(join(projectDir, 'examples/collector/otel-collector.yaml'), 'utf8');
  const setting = (name) => JSON.parse(RegExp(`^ *${name}: (.+)$`, 'm').exec(example)[1]);
  return { allowedOrigins: [origin], allowedHeaders: setting('allowed_headers'), exposedHeaders: setting('exposed_headers'), maxAgeSeconds: setting('max_age') };
}

/** The event without its time, which must be this. */
function withoutTime({ timeUnixNano, ...event }, unixMs) {
  assertNear(timeUnixNano, unixMs, unixMs, event.name);
  return event;
}

/** The span and its events without their times, which must be of the visit, and in order. */
function withoutTimes({ startTimeUnixNano, endTimeUnixNano, events, ...span }, { startedMs, endedMs }) {
  const times = [startTimeUnixNano, ...events.map(({ timeUnixNano }) => timeUnixNano), endTimeUnixNano];
  for (const time of times) assertNear(time, startedMs, endedMs, span.name);
  assert.deepEqual(times, times.toSorted(), `${span.name}: one after the other`);
  return { ...span, events: events.map(({ timeUnixNano: _, ...event }) => event) };
}

function assertNear(unixNano, earliestMs, latestMs, what) {
  const unixMs = Number(BigInt(unixNano) / 1_000n) / 1_000;
  assert.ok(unixMs >= earliestMs - CLOCK_TOLERANCE_MS && unixMs <= latestMs + CLOCK_TOLERANCE_MS, `${what}: ${unixMs} is from ${earliestMs} to ${latestMs}`);
}
