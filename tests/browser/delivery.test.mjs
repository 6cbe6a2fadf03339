// What ended is delivered: in batches, at the page's end, against collectors of every kind. And what is lost is counted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { closeTab, leave } from '../harness/browser.mjs';
import { plain } from '../harness/receiver.mjs';
import { events, text } from '../harness/site.mjs';
import { stage } from './stage.mjs';

const fast = { batch: { scheduledDelayMillis: 100 }, retry: { initialMillis: 50, maxMillis: 200, maxElapsedMillis: 2000 } };
const stats = (page) => page.evaluate(() => window.instance.stats());
const endSpans = (page, count) =>
  page.evaluate((count) => {
    for (let index = 0; index < count; index++) window.instance.tracer.startSpan(`s${index}`).end();
  }, count);
const lost = ({ dropped }) => Object.fromEntries(Object.entries(dropped).filter(([, count]) => count));

/** Every span that ended is in exactly one place. */
function assertBooks({ ended, queued, inFlight, delivered, unacknowledged, dropped }) {
  const { notReady, ...reasons } = dropped;
  assert.equal(ended, queued + inFlight + delivered + unacknowledged + Object.values(reasons).reduce((sum, count) => sum + count, 0));
}

test('spans leave together, when the eldest has waited long enough', async (t) => {
  const { page, receiver } = await stage(t, { options: { batch: { scheduledDelayMillis: 300 } } });
  // Timed by the page, which a busy machine keeps waiting as a whole.
  await page.evaluate(() => {
    const end = (count) => { for (let index = 0; index < count; index++) window.instance.tracer.startSpan('s').end(); };
    end(3);
    setTimeout(end, 100, 2);
  });
  await receiver.waitForSpans(5);
  assert.deepEqual(receiver.requests.map((request) => request.spans.length), [5]);
});

test('a full batch leaves at once, and the next one after it', async (t) => {
  const { page, receiver } = await stage(t, { options: { batch: { scheduledDelayMillis: 60_000, maxExportBatchSize: 10 } } });
  await endSpans(page, 25);
  await receiver.waitForSpans(20);
  assert.deepEqual(receiver.requests.map((request) => request.spans.length), [10, 10]);
  assert.equal((await stats(page)).queued, 5);
});

test('flush sends all and resolves when it is answered', async (t) => {
  const { page, receiver, flush } = await stage(t, { receiver: { answers: [{ delayMs: 200 }] }, options: { batch: { maxExportBatchSize: 10 } } });
  await endSpans(page, 25);
  await flush();
  assert.equal(receiver.spans.length, 25);
  const after = await stats(page);
  assert.equal(after.delivered, 25);
  assertBooks(after);
});

test('OTLP/JSON says the same as protobuf', async (t) => {
  const told = [];
  for (const protocol of ['http/protobuf', 'http/json']) {
    const limits = { attributeCountLimit: 10, eventCountLimit: 1, linkCountLimit: 1, attributePerEventCountLimit: 1 };
    const { page, receiver, flush } = await stage(t, { options: { protocol, limits } });
    await page.evaluate(() => {
      const parent = window.webspan.extract({ traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'vendor=1' });
      const start = (...args) => window.webspan.withSpan(parent, () => window.instance.getTracer('lib', '2.0').startSpan(...args));
      const span = start('name "quoted" ü 😀', { kind: 3, startTime: 1_700_000_000_000.5, links: [{ context: { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 }, attributes: { l: 1 } }] });
      span.setAttributes({ text: 'a\n\u0001', int: 2 ** 53, big: 1e21, half: 0.5, nan: NaN, inf: -Infinity, yes: true, list: ['a', null, 'b'], mixed: [1, 2.5], empty: '' });
      span.setAttribute('one too many', 1);
      span.addEvent('event', { k: 'v', dropped: 1 }, 1_700_000_000_001);
      span.addEvent('one too many');
      span.setStatus({ code: 2, message: 'why' });
      span.end(1_700_000_000_002);
    });
    await flush();
    const [span] = await receiver.waitForSpans(1);
    assert.equal(receiver.requests[0].headers['content-type'], protocol === 'http/json' ? 'application/json' : 'application/x-protobuf');
    const { spanId, ...rest } = span;
    told.push(rest);
  }
  assert.deepEqual(told[0], told[1]);
  assert.equal(told[0].startTimeUnixNano, '1700000000000500000');
  assert.deepEqual(told[0].attributes.int, { int: String(2 ** 53) });
  assert.deepEqual(told[0].attributes.big, { double: 1e21 });
  assert.deepEqual(told[0].attributes.nan, { double: 'NaN' });
  assert.deepEqual(told[0].status, { code: 'ERROR', message: 'why' });
  assert.deepEqual([told[0].traceState, told[0].droppedAttributesCount, told[0].droppedEventsCount], ['vendor=1', 1, 1]);
});

const collectors = [
  ['429 with Retry-After', [{ status: 429, headers: { 'Retry-After': '1' } }], { delivered: 5 }, 900],
  ['503 twice', [{ status: 503 }, { status: 503 }], { delivered: 5 }, 50],
  ['502 without CORS headers', [{ status: 502, withoutCors: true }], { delivered: 5 }, 20],
  ['a reset connection', [{ reset: true }], { delivered: 5 }, 20],
  ['no HTTP at all', [{ garbage: true }], { delivered: 5 }, 20],
  ['one that hangs', [{ hang: true }], { delivered: 5 }, 400],
  ['400', [{ status: 400 }], { dropped: { refused: 5 } }],
  ['401 with a long body', [{ status: 401, body: 'x'.repeat(1_000_000) }], { dropped: { refused: 5 } }],
  ['413 until the batch is small', (request) => (request.spans.length > 2 ? { status: 413 } : {}), { delivered: 5 }],
  ['413 always', () => ({ status: 413 }), { dropped: { refused: 5 } }],
  ['a partial success', [{ partialSuccess: { rejectedSpans: 2, errorMessage: 'too old' } }], { delivered: 3, dropped: { rejected: 2 } }],
  ['200 with a body that is no OTLP', [{ body: 'OK!' }], { delivered: 5 }],
  ['a partial success as JSON', [{ body: '{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}', headers: { 'Content-Type': 'application/json' } }], { delivered: 3, dropped: { rejected: 2 } }],
  ['JSON of another kind', ['null', '7', '[]', '{"partialSuccess":{"rejectedSpans":{"valueOf":1,"toString":1}}}', '{"partialSuccess":{"errorMessage":{"toString":1}}}'].map((body) => ({ body, headers: { 'Content-Type': 'application/json' } })), { delivered: 5 }, 0, { maxExportBatchSize: 1 }],
  ['503 with a date in Retry-After', ((asked = 0) => () => (asked++ ? {} : { status: 503, headers: { 'Retry-After': new Date(Date.now() + 2500).toUTCString() } }))(), { delivered: 5 }, 1000],
  ['200 with HTML', [{ body: '<html>', headers: { 'Content-Type': 'text/html' } }], { delivered: 5 }],
  ['500', [{ status: 500 }], { dropped: { refused: 5 } }],
  ['503 for ever', () => ({ status: 503 }), { dropped: { expired: 5 } }],
];
for (const [name, answers, wanted, atLeastMs = 0, batch] of collectors) {
  test(`a collector that answers ${name}`, async (t) => {
    const { page, receiver, pageErrors } = await stage(t, { receiver: { answers, cors: { allowedOrigins: ['*'], allowedHeaders: ['*'], exposedHeaders: ['Retry-After'] } }, options: { ...fast, ...(batch && { batch }), timeoutMillis: /hangs/.test(name) ? 400 : 5000, onError: (error) => (window.errors ??= []).push(error.message) } });
    const startMs = performance.now();
    await endSpans(page, 5);
    let now;
    do {
      await delay(30);
      now = await stats(page);
      assertBooks(now);
    } while ((now.queued || now.inFlight) && performance.now() - startMs < 8000);
    assert.ok(performance.now() - startMs >= atLeastMs, 'it waited');
    assert.equal(now.delivered, wanted.delivered ?? 0);
    assert.deepEqual(lost(now), wanted.dropped ?? {});
    const told = (await page.evaluate(() => window.errors)) ?? [];
    if (wanted.dropped) assert.ok(told.some((message) => /spans lost/.test(message)), 'the loss is told');
    if (name.startsWith('a partial success')) assert.ok(told.some((message) => /too old/.test(message)));
    assert.equal(await page.evaluate(() => fetch('/echo').then((response) => response.status)), 200, 'the page goes on');
    assert.deepEqual(pageErrors, []);
    assert.equal(receiver.violations.length, 0);
  });
}

test('a collector that is not there costs the page nothing but a count', async (t) => {
  const { page, pageErrors } = await stage(t, { options: { ...fast, endpoint: 'http://127.0.0.1:1' } });
  await endSpans(page, 3);
  await delay(300);
  const now = await stats(page);
  assert.equal(now.queued + now.inFlight, 3);
  assertBooks(now);
  assert.deepEqual(pageErrors, []);
});

test('headers may be an object, a function or a promise, and are asked for each request', async (t) => {
  const { page, receiver, flush } = await stage(t, {
    options: {
      headers: async () => {
        window.asked = (window.asked ?? 0) + 1;
        await new Promise((resolve) => setTimeout(resolve, 20));
        return { authorization: `Bearer ${window.asked}` };
      },
    },
  });
  for (const _ of [1, 2]) {
    await endSpans(page, 1);
    await flush();
  }
  assert.deepEqual(receiver.requests.map((request) => request.headers.authorization), ['Bearer 1', 'Bearer 2']);
  // At the page's end there is no time to wait: the last one goes.
  await endSpans(page, 1);
  await page.goto('about:blank');
  await receiver.waitForSpans(3);
  assert.equal(receiver.requests[2].headers.authorization, 'Bearer 2');
});

test('exports are never traced and their URL is never a request of the page', async (t) => {
  const { page, receiver, flush } = await stage(t);
  await page.evaluate((url) => fetch(url + '/v1/traces', { method: 'POST' }).catch(() => {}), receiver.url);
  await endSpans(page, 1);
  await flush();
  await flush();
  assert.deepEqual(receiver.spans.map((span) => span.name), ['s0']);
  receiver.violations.length = 0;
});

for (const count of [20, 100, 500]) {
  for (const [way, go] of [
    ['a link', (page) => page.evaluate(() => document.body.appendChild(Object.assign(document.createElement('a'), { href: '/elsewhere' })).click())],
    ['location.replace', (page) => page.evaluate(() => location.replace('/elsewhere'))],
    ['a reload', (page) => page.reload()],
  ]) {
    test(`${count} small spans arrive when the page is left by ${way}, across origins, with no preflight cached`, async (t) => {
      const { page, receiver } = await stage(t, { options: { batch: { scheduledDelayMillis: 60_000, maxExportBatchSize: 2000 } } });
      await endSpans(page, count);
      assert.equal(receiver.preflights.length, 0);
      // Not awaited: whether such a call is ever answered by a page that goes, nobody promises. What counts arrives below.
      go(page).catch(() => {});
      await receiver.waitForSpans(count);
      assert.equal(new Set(receiver.spans.map((span) => span.spanId)).size, count, 'none twice');
      assert.ok(receiver.requests.every((request) => request.bytes.length <= 61_440));
    });
  }
}

test('what leaves with the page as JSON fits into our share, and uses it', async (t) => {
  const { page, receiver } = await stage(t, { options: { protocol: 'http/json', batch: { scheduledDelayMillis: 60_000, maxExportBatchSize: 2000 } }, content: { head: '<script>delete window.fetchLater</script>' } });
  await endSpans(page, 1000);
  leave(page, '/elsewhere');
  await receiver.waitForSpans(100);
  await delay(300);
  const bodyBytes = receiver.requests.reduce((sum, request) => sum + request.bytes.length, 0);
  assert.ok(bodyBytes <= 40_960 - 4096 && bodyBytes > 32_000, `${bodyBytes} bytes`);
  assert.ok(receiver.requests.every((request) => request.headers['content-type'] === 'application/json'));
  assert.equal(new Set(receiver.spans.map((span) => span.spanId)).size, receiver.spans.length, 'none twice');
});

test('closing the tab delivers what has ended, and what has not as unfinished', async (t) => {
  const { page, receiver } = await stage(t, { routes: { '/events': events({ intervalMs: 50 }), '/quick': text('x'), '/hang': () => {} } });
  await page.evaluate(async () => {
    for (let index = 0; index < 50; index++) window.instance.tracer.startSpan(`s${index}`).end();
    window.reader = (await fetch('/events')).body.getReader();
    await window.reader.read();
    void fetch('/hang');
    await fetch('/quick').then((response) => response.text());
  });
  await closeTab(page);
  await receiver.waitForSpans(53);
  const requests = Object.fromEntries(receiver.spans.filter((span) => span.kind === 'CLIENT').map((span) => [new URL(plain(span.attributes)['url.full']).pathname, plain(span.attributes)]));
  assert.equal(requests['/events']['webspan.unfinished'], true);
  assert.equal(requests['/events']['http.response.status_code'], 200);
  assert.equal(requests['/hang']['webspan.unfinished'], true);
  assert.equal(requests['/quick']['webspan.unfinished'], undefined);
});

for (const beforeMs of [1, 100]) {
  test(`a fetch that ended ${beforeMs} ms before the page is left is delivered`, async (t) => {
    const { page, receiver } = await stage(t);
    // Not awaited: the page may be gone before it answers.
    page.evaluate(async (beforeMs) => {
      await fetch('/echo').then((response) => response.text());
      setTimeout(() => (location.href = '/elsewhere'), beforeMs);
    }, beforeMs).catch(() => {});
    const [span] = await receiver.waitForSpans((each) => each.kind === 'CLIENT');
    assert.equal(plain(span.attributes)['http.response.status_code'], 200);
    assert.equal(plain(span.attributes)['webspan.unfinished'], undefined);
  });
}

test('spans that are open when the page goes for good are delivered as unfinished, and not when it may come back', async (t) => {
  for (const bfcache of [false, true]) {
    const { page, site, receiver } = await stage(t, { bfcache });
    await page.evaluate(() => void (window.open = window.instance.tracer.startSpan('open')));
    await page.goto(site.url('/elsewhere'));
    if (bfcache) {
      // Not awaited: the page may be gone before it answers.
      page.evaluate(() => history.back()).catch(() => {});
      await page.waitForFunction(() => window.open);
      await page.evaluate(() => (window.open.end(), window.instance.flush()));
    }
    const [span] = await receiver.waitForSpans(({ name }) => name === 'open');
    assert.equal(plain(span.attributes)['webspan.unfinished'], bfcache ? undefined : true);
    assert.equal(receiver.spans.filter(({ name }) => name === 'open').length, 1);
  }
});

test('a page that is hidden sends what waits, and goes on when it is shown again', async (t) => {
  const { page, context, receiver } = await stage(t, { options: { batch: { scheduledDelayMillis: 60_000 } }, tabs: true });
  await page.bringToFront();
  const end = (name) => page.evaluate((name) => window.instance.tracer.startSpan(name).end(), name);
  await end('before');
  await (await context.newPage()).bringToFront();
  await receiver.waitForSpans((span) => span.name === 'before');
  await page.bringToFront();
  await end('after');
  await page.evaluate(() => window.instance.flush());
  await receiver.waitForSpans((span) => span.name === 'after');
  assert.equal(receiver.spans.filter(({ name }) => ['before', 'after'].includes(name)).length, 2);
});

test('while the user has not consented nothing is sent and no header is added, and then all is', async (t) => {
  const { page, receiver, site } = await stage(t, { options: { consent: 'pending', ...fast } });
  await page.evaluate(() => fetch('/echo').then((response) => response.text()));
  await endSpans(page, 2);
  await delay(400);
  assert.equal(receiver.requests.length + receiver.preflights.length, 0);
  assert.equal(site.requestsTo('/echo')[0].headers.traceparent, undefined);
  await page.evaluate(() => window.instance.setConsent(true));
  await receiver.waitForSpans(3);
  await page.evaluate(() => fetch('/echo').then((response) => response.text()));
  assert.match(site.requestsTo('/echo')[1].headers.traceparent, /^00-/);
});

test('without consent everything is discarded and counted, and nothing is recorded', async (t) => {
  const { page, receiver, site } = await stage(t, { options: { consent: 'pending', ...fast } });
  await endSpans(page, 2);
  await page.evaluate(() => window.instance.setConsent(false));
  await page.evaluate(() => fetch('/echo').then((response) => response.text()));
  await endSpans(page, 3);
  await delay(300);
  const now = await stats(page);
  assert.deepEqual(lost(now), { consent: 2 });
  assert.equal(now.ended, 2);
  assert.equal(receiver.requests.length, 0);
  assert.equal(site.requestsTo('/echo')[0].headers.traceparent, undefined);
});

test('shutdown sends the rest, restores fetch, and records nothing more', async (t) => {
  const { page, receiver } = await stage(t);
  const after = await page.evaluate(async () => {
    const wrapped = window.fetch;
    window.instance.tracer.startSpan('last').end();
    await window.instance.shutdown();
    window.instance.tracer.startSpan('too late').end();
    return { restored: wrapped !== window.fetch, native: Object.hasOwn(window, 'fetch'), stats: window.instance.stats() };
  });
  assert.equal(after.restored, true);
  assert.equal(after.stats.delivered, 1);
  assert.deepEqual(receiver.spans.map((span) => span.name), ['last']);
  await page.evaluate((endpoint) => {
    window.instance = window.webspan.init({ endpoint });
    window.instance.tracer.startSpan('again').end();
    return window.instance.flush();
  }, receiver.url);
  await receiver.waitForSpans((span) => span.name === 'again');
});

test('the collector is told how many spans were lost, with the next ones, once', async (t) => {
  const { page, receiver, flush } = await stage(t, { options: { consent: 'pending', session: true, batch: { maxQueueSize: 10, maxExportBatchSize: 10 } }, receiver: { answers: [{ status: 400 }] } });
  await endSpans(page, 25);
  await page.evaluate(() => window.instance.setConsent(true));
  await flush();
  assert.equal(receiver.spans.length, 0, 'the first request is refused');
  for (const _ of [1, 2, 3]) {
    await endSpans(page, 1);
    await flush();
  }
  const reports = receiver.spans.filter(({ name }) => name === 'webspan.dropped');
  const told = {};
  for (const { attributes, scope, parentSpanId } of reports) {
    assert.deepEqual([scope.name, parentSpanId], ['webspan', '']);
    for (const [key, value] of Object.entries(plain(attributes))) if (key.startsWith('webspan.')) told[key] = (told[key] ?? 0) + value;
  }
  assert.deepEqual(told, { 'webspan.dropped.queue_full': 15, 'webspan.dropped.refused': 10 });
  assert.ok(plain(reports.at(-1).attributes)['session.id']);
  const now = await stats(page);
  assert.deepEqual([now.ended, now.delivered], [28, 3], 'it is no span of the page');
  assertBooks(now);
});
