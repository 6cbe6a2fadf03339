// The export request itself: what it tells beside the spans, where it goes, and that nothing it meets makes anybody wait for ever.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { leave } from '../harness/browser.mjs';
import { startReceiver } from '../harness/receiver.mjs';
import { sampleExport } from '../harness/sample-export.mjs';
import { redirect } from '../harness/site.mjs';
import { stage } from './stage.mjs';

const late = { batch: { scheduledDelayMillis: 600_000 } };
const stats = (page) => page.evaluate(() => window.instance.stats());
const end = (page, ...names) => page.evaluate((names) => names.forEach((name) => window.instance.tracer.startSpan(name).end()), names);
const lost = ({ dropped }) => Object.fromEntries(Object.entries(dropped).filter(([, count]) => count));
const told = (page) => page.evaluate(() => window.errors ?? []);
/** On a machine that is busy, what took longer than the time limit arrives twice. */
const distinct = (spans) => [...new Set(spans.map(({ name }) => name))].sort();
const onError = (error) => (window.errors ??= []).push(error.message);

/** A record in the outbox, for the page that comes next. */
const store = (page, receiver, spans, name = 'stored') =>
  page.evaluate(async ([owner, spans, bytes]) => {
    const request = indexedDB.open('webspan.outbox', 1);
    request.onupgradeneeded = () => ['records', 'leases'].forEach((name) => request.result.createObjectStore(name));
    await new Promise((done) => (request.onsuccess = done));
    const transaction = request.result.transaction('records', 'readwrite');
    transaction.objectStore('records').put({ format: 1, encoding: '', body: new Uint8Array(bytes) }, [Date.now(), spans, bytes.length, owner, 0.5]);
    await new Promise((done) => (transaction.oncomplete = done));
    request.result.close();
  }, [`stage ${receiver.url}/v1/traces`, spans, [...sampleExport({ names: [name] }).body]]);

// ---- what it tells of the page

for (const [policy, ownOrigin] of [[undefined, true], ['unsafe-url', false], ['unsafe-url', true], ['no-referrer', false], ['no-referrer', true]]) {
  test(`an export to ${ownOrigin ? "the page's own origin" : 'another origin'} tells no URL of a page ${policy ? `with the policy ${policy}` : 'without a policy'}, and its origin as ever`, async (t) => {
    const options = { ...late, outbox: true, ...(ownOrigin && { endpoint: '/otlp' }) };
    const posts = [];
    const take = (request, response) => {
      posts.push(request.headers);
      response.writeHead(200).end();
    };
    const { page, site, receiver } = await stage(t, { options, content: { headers: policy && { 'Referrer-Policy': policy } }, routes: { '/otlp/v1/traces': take } });
    await page.goto(site.url('/?reset_token=hunter2#access_token=hunter3'));
    await end(page, 'sent');
    await page.evaluate(() => window.instance.flush());
    // What leaves with the page, also by the browser itself.
    await end(page, 'left');
    await delay(1200);
    leave(page, site.url('/elsewhere'));
    await page.waitForURL(site.url('/elsewhere'));
    if (!ownOrigin) {
      await store(page, receiver, 1);
      await page.goto(site.url('/?reset_token=hunter2'));
      await receiver.waitForSpans(3);
      assert.equal((await page.waitForFunction(() => window.instance.stats().recovered)) && receiver.spans.some(({ name }) => name === 'stored'), true);
    } else while (posts.length < 2) await delay(50);
    const headers = ownOrigin ? posts : receiver.requests.map((request) => request.headers);
    assert.deepEqual(headers.map(({ referer }) => referer), headers.map(() => undefined));
    assert.deepEqual(headers.map(({ origin }) => origin), headers.map(() => site.origin));
  });
}

// ---- where it goes

for (const code of [301, 302, 303, 307, 308]) {
  test(`a collector that answers ${code} hands neither headers nor spans to another, and that is told once`, async (t) => {
    const other = await startReceiver();
    t.after(() => other.close());
    const answers = () => ({ status: code, headers: { Location: `${other.url}/v1/traces` } });
    const { page, receiver } = await stage(t, { receiver: { answers }, options: { ...late, onError, headers: { 'x-api-key': 'secret' } } });
    for (const name of ['first', 'second']) {
      await end(page, name);
      await page.evaluate(() => window.instance.flush());
    }
    assert.equal(other.requests.length + other.preflights.length, 0);
    assert.equal(receiver.requests.length, 2, 'neither is tried again');
    assert.deepEqual(lost(await stats(page)), { refused: 2 });
    const messages = await told(page);
    assert.equal(messages.filter((message) => /redirects.*final URL/.test(message)).length, 1);
    assert.ok(!messages.join().match(/HTTP \d/), 'no page is told the status');
  });
}

test('a sign-in page in the place of the collector gets no spans, and what is stored waits for the collector', async (t) => {
  const options = { ...late, outbox: true, onError, endpoint: '/otlp' };
  let isSignedIn = false;
  const { page, site } = await stage(t, {
    options,
    routes: {
      '/otlp/v1/traces': (request, response) => (isSignedIn ? response.writeHead(200).end() : redirect('/sign-in')(request, response)),
      '/sign-in': (request, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><title>Sign in</title>'),
    },
  });
  await page.goto(site.url('/elsewhere'));
  await store(page, { url: `${site.origin}/otlp` }, 7);
  await page.goto(site.url('/'));
  await page.waitForFunction(() => (window.errors ?? []).some((message) => /redirects/.test(message)));
  const { recovered, unrecovered } = await stats(page);
  assert.deepEqual([recovered, unrecovered], [0, 0]);
  assert.equal(site.requestsTo('/sign-in').length, 0);
  isSignedIn = true;
  await page.goto(site.url('/'));
  await page.waitForFunction(() => window.instance.stats().recovered === 7);
});

test('what the browser sends once the page is gone follows no redirect either', async (t) => {
  const other = await startReceiver();
  t.after(() => other.close());
  const answers = () => ({ status: 307, headers: { Location: `${other.url}/v1/traces` } });
  const { page, receiver } = await stage(t, { receiver: { answers }, options: { ...late, headers: { 'x-api-key': 'secret' } } });
  await end(page, 'left');
  await delay(1200);
  const cdp = await page.context().newCDPSession(page);
  cdp.send('Page.crash').catch(() => {});
  await receiver.waitUntil(() => receiver.requests.length > 0);
  await delay(500);
  assert.equal(other.requests.length + other.preflights.length, 0);
});

// ---- nobody waits for ever

const quick = { timeoutMillis: 300, retry: { initialMillis: 50, maxMillis: 100, maxElapsedMillis: 800 }, batch: { scheduledDelayMillis: 50 } };
const isExport = "String(url).includes('/v1/traces')";
const never = 'new Promise(() => {})';
for (const [name, wrapper, wanted] of [
  ['never settles', `() => ${never}`, 'expired'],
  ['drops the signal, before a collector that hangs', '(url, { method, headers, body }) => native(url, { method, headers, body })', 'expired'],
  ['throws', "() => { throw new Error('from a wrapper'); }", 'expired'],
  ['gives nothing', '() => undefined', 'expired'],
  ['gives what is no Response', "() => ({ status: '200 OK' })", 'expired'],
  ['gives a status that only looks right in 32 bits', '() => Promise.resolve({ status: 65736, headers: new Headers() })', 'expired'],
  ['gives a status beyond 32 bits', '() => Promise.resolve({ status: 2 ** 32 + 200, headers: new Headers() })', 'expired'],
  ['gives a status whose getter throws', "() => Promise.resolve({ get status() { throw new Error('from a getter'); } })", 'expired'],
  ['gives a good answer whose bytes never come', `() => Promise.resolve({ status: 200, headers: new Headers(), arrayBuffer: () => ${never} })`, 'delivered'],
  ['gives a good answer whose JSON never comes', `() => Promise.resolve({ status: 200, headers: new Headers({ 'content-type': 'application/json' }), json: () => ${never} })`, 'delivered'],
  ['gives a bad answer whose body cannot be cancelled', '() => Promise.resolve({ status: 400, headers: new Headers(), body: {} })', 'refused'],
]) {
  test(`where an earlier wrapper of fetch ${name}, the time limit holds and the next request goes`, async (t) => {
    const head = `<script>const native = window.fetch, wrapper = ${wrapper};
      window.odd = true;
      window.fetch = function (url, init) { return window.odd && ${isExport} ? wrapper(url, init) : native(url, init); };</script>`;
    const { page, receiver, pageErrors } = await stage(t, { content: { head }, options: quick, receiver: { answers: [{ hang: true }, { hang: true }, { hang: true }] } });
    await end(page, 'a', 'b');
    await page.evaluate(() => window.instance.flush());
    await page.waitForFunction(() => window.instance.stats().queued + window.instance.stats().inFlight === 0);
    const now = await stats(page);
    assert.equal(wanted === 'delivered' ? now.delivered : now.dropped[wanted], 2, JSON.stringify(now));
    await page.evaluate(() => (window.odd = false));
    receiver.respondWith({});
    await end(page, 'c');
    await receiver.waitForSpans((span) => span.name === 'c');
    await page.evaluate(() => window.instance.shutdown());
    assert.deepEqual(pageErrors, []);
  });
}

for (const [name, headers] of [
  ['whose promise never settles', () => new Promise(() => {})],
  ['that waits for a flush', async () => (await window.instance.flush(), {})],
  ['that ends a span and flushes', () => (window.instance.tracer.startSpan('in headers').end(), void window.instance.flush(), {})],
  ['that ends a span, and later flushes', async () => {
    await undefined;
    window.instance.tracer.startSpan('in headers').end();
    void window.instance.flush();
    return {};
  }],
  ['that fetches', async () => {
    await fetch('/echo').then((response) => response.text());
    return {};
  }],
  ['that starts a flush of its own as it throws', () => {
    window.instance.tracer.startSpan('in headers').end();
    void window.instance.flush();
    throw new Error('from headers');
  }],
]) {
  test(`headers from a function ${name} make no storm of a flush`, async (t) => {
    const { page, receiver } = await stage(t, { options: { ...quick, batch: { scheduledDelayMillis: 600_000, maxExportBatchSize: 2 }, headers, logLevel: 'none' } });
    await end(page, 'a', 'b', 'c');
    const startMs = performance.now();
    await page.evaluate(() => Promise.all([window.instance.flush(), window.instance.flush()]));
    assert.ok(performance.now() - startMs < 2500, 'it has ended');
    await delay(1500);
    assert.ok(receiver.requests.length <= 7, `${receiver.requests.length} requests`);
    if (name !== 'whose promise never settles') assert.deepEqual(distinct(receiver.spans).filter((name) => 'abc'.includes(name)), ['a', 'b', 'c']);
    const { ended, queued, inFlight, delivered, dropped } = await stats(page);
    assert.equal(ended, queued + inFlight + delivered + dropped.expired);
  });
}

test('a processor, an earlier wrapper of fetch and onError that end spans and flush make no storm', async (t) => {
  const head = `<script>const native = window.fetch;
    const more = (name) => { window.instance.tracer.startSpan(name).end(); void window.instance.flush(); };
    window.fetch = function (url, init) { if (${isExport}) more('in fetch'); return native(url, init); };
    window.more = more;</script>`;
  const { page, receiver } = await stage(t, {
    content: { head },
    options: {
      ...late,
      onError: () => window.more('in onError'),
      logLevel: 'none',
      spanProcessors: [{ onEnd: (span) => span.name === 'a' && window.more('in a processor') }],
    },
    receiver: { answers: [{ partialSuccess: { errorMessage: 'a warning' } }] },
  });
  await end(page, 'a');
  await page.evaluate(() => window.instance.flush());
  await delay(1000);
  assert.ok(receiver.requests.length <= 6, `${receiver.requests.length} requests`);
  assert.ok(receiver.spans.some((span) => span.name === 'in a processor'));
});

test('a flush covers what had ended when it was called, also behind a flush that is under way', async (t) => {
  const { page, receiver } = await stage(t, { options: late, receiver: { answers: [{ delayMs: 300 }, { delayMs: 300 }] } });
  const seen = await page.evaluate(async () => {
    const { tracer } = window.instance;
    const ended = (name) => tracer.startSpan(name).end();
    ended('a');
    const first = window.instance.flush().then(() => window.instance.stats().delivered);
    ended('b');
    const second = window.instance.flush().then(() => window.instance.stats().delivered);
    return [await first, await second];
  });
  assert.deepEqual(seen, [1, 2]);
  assert.deepEqual(receiver.requests.map(({ spans }) => spans.map(({ name }) => name)), [['a'], ['b']]);
});

test('a console that makes spans of what is printed is not printed for ever', async (t) => {
  const head = `<script>for (const name of ['groupCollapsed', 'log', 'groupEnd']) {
    const own = console[name];
    console[name] = (...args) => { window.printed = (window.printed ?? 0) + 1; window.instance?.tracer.startSpan('printed').end(); own.apply(console, args); };
  }</script>`;
  const { page, receiver } = await stage(t, { content: { head }, options: { ...late, debug: true } });
  await end(page, 'a');
  await page.evaluate(() => window.instance.flush());
  assert.equal(await page.evaluate(() => window.printed), 3);
  await receiver.waitForSpans(4);
});

// ---- an IndexedDB that keeps us waiting

const stuck = {
  'answers no open': 'IDBFactory.prototype.open = () => ({});',
  'answers no deletion': 'IDBFactory.prototype.deleteDatabase = () => ({});',
  'answers neither': 'IDBFactory.prototype.open = IDBFactory.prototype.deleteDatabase = () => ({});',
  'is told of no transaction that ends': "Object.defineProperty(IDBTransaction.prototype, 'oncomplete', { set() {} });",
};
for (const [name, code] of Object.entries(stuck)) {
  test(`where IndexedDB ${name}, flush and shutdown resolve all the same`, async (t) => {
    for (const discard of [false, true]) {
      const { page, pageErrors } = await stage(t, { content: { head: `<script>${code}</script>` }, options: { ...late, outbox: true, timeoutMillis: 4000 }, receiver: { answers: () => ({ status: 503 }) } });
      await end(page, 'a');
      await delay(300);
      const tookMs = await page.evaluate(async (discard) => {
        const startMs = performance.now();
        await window.instance.flush();
        await window.instance.shutdown({ discard });
        return performance.now() - startMs;
      }, discard);
      assert.ok(tookMs < 6000, `${tookMs} ms`);
      assert.deepEqual(pageErrors, []);
    }
  });
}

test('a database that another tab keeps from being opened holds nobody up, and is used once it opens', async (t) => {
  const { page, context, site } = await stage(t, { options: { ...late, outbox: true } });
  await page.goto(site.url('/elsewhere'));
  // A connection that does not give way to the deletion, behind which the next page's opening waits.
  await page.evaluate(async () => {
    const request = indexedDB.open('webspan.outbox', 1);
    request.onupgradeneeded = () => ['records', 'leases'].forEach((name) => request.result.createObjectStore(name));
    await new Promise((done) => (request.onsuccess = done));
    window.held = request.result;
    indexedDB.deleteDatabase('webspan.outbox');
  });
  const blocked = await context.newPage();
  await blocked.goto(site.url('/'));
  await blocked.waitForFunction(() => performance.getEntriesByType('resource').some(({ name }) => name.endsWith('/outbox.js')));
  const tookMs = await blocked.evaluate(async () => {
    const startMs = performance.now();
    await window.instance.shutdown({ discard: true });
    return performance.now() - startMs;
  });
  assert.ok(tookMs < 5000, `${tookMs} ms`);
  const later = await context.newPage();
  await later.goto(site.url('/'));
  // Nobody waits for it any more.
  await delay(1500);
  await page.evaluate(() => window.held.close());
  await later.waitForFunction(() => window.instance.transport.outbox);
});
