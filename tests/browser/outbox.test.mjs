// What could not be delivered waits in IndexedDB, and a later page delivers it, each span once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { closeTab, launchBrowser, leave, openPage } from '../harness/browser.mjs';
import { startReceiver } from '../harness/receiver.mjs';
import { sampleExport } from '../harness/sample-export.mjs';
import { startSite, webspanPage } from '../harness/site.mjs';
import { stage } from './stage.mjs';

/** Nothing leaves by itself. */
const patient = { batch: { scheduledDelayMillis: 600_000, maxExportBatchSize: 10_000, maxQueueSize: 10_000 } };
const stored = { outbox: true, ...patient };

const stats = (page) => page.evaluate(() => window.instance.stats());
const endSpans = (page, count, bytes = 0) =>
  page.evaluate(([count, bytes]) => {
    for (let index = 0; index < count; index++) window.instance.tracer.startSpan(`s${index}`, { attributes: { filling: 'x'.repeat(bytes) } }).end();
  }, [count, bytes]);

/** The outbox is loaded and open. No page has to know when that is. */
const isOpen = (page) => page.waitForFunction(() => window.instance.transport.outbox);
const databases = (page) => page.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name));
const distinct = (spans) => new Set(spans.map(({ spanId }) => spanId)).size;

/** Leaves the page for another. */
async function go(page, url) {
  leave(page, url);
  await page.waitForURL(url);
}

/** Opens the page once more, in a tab of its own. */
const visit = (context, site, path = '/') => openPage(context, site.url(path));

/** Writes into the outbox, in a page without webspan: `[key, value]` each; text becomes bytes in `body`. */
const seed = (page, records) =>
  page.evaluate(async (records) => {
    const answered = (request) => new Promise((done, fail) => Object.assign(request, { onsuccess: () => done(request.result), onerror: () => fail(request.error) }));
    const request = indexedDB.open('webspan.outbox', 1);
    request.onupgradeneeded = () => ['records', 'leases'].forEach((name) => request.result.createObjectStore(name));
    const db = await answered(request);
    const store = db.transaction('records', 'readwrite').objectStore('records');
    for (const [key, { bytes, ...value }] of records) await answered(store.put(bytes ? { ...value, body: new Uint8Array(bytes) } : value, key));
    db.close();
  }, records);

/** So many spans are in the outbox, stored by a page that had no network. */
async function storeOffline(page, context, count) {
  await isOpen(page);
  await context.setOffline(true);
  await endSpans(page, count);
  await page.evaluate(() => window.instance.shutdown());
  assert.equal((await stats(page)).stored, count);
  await page.close();
  await context.setOffline(false);
}

/** All that is in the outbox, as text. */
const contents = (page) =>
  page.evaluate(async () => {
    const answered = (request) => new Promise((done, fail) => Object.assign(request, { onsuccess: () => done(request.result), onerror: () => fail(request.error) }));
    const db = await answered(indexedDB.open('webspan.outbox', 1));
    const store = db.transaction('records').objectStore('records');
    const [keys, values] = [await answered(store.getAllKeys()), await answered(store.getAll())];
    db.close();
    return keys.map((key, index) => ({ key, ...values[index], body: new TextDecoder('latin1').decode(values[index].body ?? new Uint8Array()) }));
  });

function assertBooks({ ended, queued, inFlight, delivered, unacknowledged, stored, dropped }) {
  const { notReady, ...reasons } = dropped;
  assert.equal(ended, queued + inFlight + delivered + unacknowledged + stored + Object.values(reasons).reduce((sum, count) => sum + count, 0));
}

test('5,000 spans that wait when the page is left are delivered, what fits by the page and the rest by the next, none twice', async (t) => {
  const { page, context, site, receiver, complaints } = await stage(t, { options: stored, bfcache: true });
  await isOpen(page);
  await endSpans(page, 5000, 200);
  await go(page, site.url('/elsewhere'));
  const next = await visit(context, site);
  await receiver.waitForSpans(5000, 30_000);
  await next.page.waitForFunction((count) => window.instance.stats().recovered > count, 4000);
  await delay(500);
  assert.equal(receiver.spans.length, 5000);
  assert.equal(distinct(receiver.spans), 5000, 'none twice');
  const { recovered, unrecovered, ended } = await stats(next.page);
  assert.deepEqual([unrecovered, ended], [0, 0]);
  assert.ok(recovered < 5000, 'some left with the page');
  assert.deepEqual(await contents(next.page), [], 'nothing stays behind');
  assert.deepEqual([...complaints(), ...next.complaints()], []);
});

test('what ended without network is delivered by a page that comes after it', async (t) => {
  const { page, context, site, receiver } = await stage(t, { options: { ...stored, batch: { scheduledDelayMillis: 50 }, retry: { initialMillis: 10, maxMillis: 20, maxElapsedMillis: 100 } } });
  await isOpen(page);
  await context.setOffline(true);
  await endSpans(page, 50);
  await page.waitForFunction(() => window.instance.stats().stored === 50);
  await delay(500);
  await closeTab(page);
  await context.setOffline(false);
  assert.equal(receiver.requests.length, 0);
  const next = await visit(context, site);
  await receiver.waitForSpans(50);
  await next.page.waitForFunction(() => window.instance.stats().recovered === 50);
  assert.equal(distinct(receiver.spans), 50);
});

test('what would be given up is stored, and sent when the collector is back', async (t) => {
  const batch = { scheduledDelayMillis: 50 };
  const retry = { initialMillis: 20, maxMillis: 40, maxElapsedMillis: 200 };
  const { page, receiver, consoleWarnings } = await stage(t, { receiver: { answers: () => ({ status: 503 }) }, options: { outbox: true, batch, retry } });
  await isOpen(page);
  await endSpans(page, 20);
  await page.waitForFunction(() => window.instance.stats().stored === 20);
  assertBooks(await stats(page));
  receiver.respondWith({});
  await endSpans(page, 1);
  await receiver.waitForSpans(21);
  await page.waitForFunction(() => window.instance.stats().recovered === 20);
  const after = await stats(page);
  assert.deepEqual([after.stored, after.delivered, after.dropped.expired], [20, 1, 0]);
  assertBooks(after);
  assert.deepEqual(consoleWarnings, []);
});

test('a page that is hidden while the collector is down stores what waits', async (t) => {
  const { page, context } = await stage(t, { receiver: { answers: () => ({ status: 503 }) }, options: stored, tabs: true });
  await page.bringToFront();
  await isOpen(page);
  await endSpans(page, 5);
  await page.evaluate(() => window.instance.flush());
  await endSpans(page, 5);
  await (await context.newPage()).bringToFront();
  await page.waitForFunction(() => window.instance.stats().stored === 10, { polling: 50 });
  assertBooks(await stats(page));
});

test('a full queue is stored, and nothing is lost', async (t) => {
  const { page, receiver, flush } = await stage(t, { options: { outbox: true, batch: { scheduledDelayMillis: 600_000, maxExportBatchSize: 100, maxQueueSize: 100 } }, receiver: { answers: [{ delayMs: 1500 }] } });
  await isOpen(page);
  for (let round = 0; round < 5; round++) {
    await endSpans(page, 90);
    await page.waitForFunction(() => window.instance.stats().queued < 100);
    await delay(50);
  }
  const now = await stats(page);
  assertBooks(now);
  assert.ok(now.stored > 0 && now.dropped.queueFull === 0, JSON.stringify(now));
  await flush();
  await receiver.waitForSpans(450, 15_000);
  assert.equal(distinct(receiver.spans), 450);
});

for (const [name, head] of [
  ['with locks', ''],
  ['without locks, as on pages that are not secure', "<script>Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })</script>"],
]) {
  test(`of two tabs one sends, ${name}`, async (t) => {
    const { page, context, site, receiver } = await stage(t, { options: stored, content: { head }, bfcache: true });
    await isOpen(page);
    await endSpans(page, 3000, 200);
    await go(page, site.url('/elsewhere'));
    const tabs = await Promise.all([visit(context, site), visit(context, site), visit(context, site)]);
    await receiver.waitForSpans(3000, 30_000);
    await delay(1500);
    assert.equal(receiver.spans.length, 3000);
    assert.equal(distinct(receiver.spans), 3000, 'none twice');
    const counts = await Promise.all(tabs.map(async ({ page }) => (await stats(page)).recovered));
    const recovered = counts.reduce((sum, count) => sum + count, 0);
    assert.ok(recovered > 2000 && recovered < 3000, `${counts}`);
    assert.deepEqual(tabs.flatMap((tab) => tab.complaints()), []);
  });
}

test('a page from the back-forward cache sends nothing again that another has sent, and loses nothing', async (t) => {
  const { page, site, receiver } = await stage(t, { options: stored, bfcache: true });
  await isOpen(page);
  await page.evaluate(() => void (window.first = true));
  await endSpans(page, 1000, 200);
  await go(page, site.url('/?next'));
  await receiver.waitForSpans(1000, 15_000);
  await page.waitForFunction(() => window.instance.stats().recovered > 500);
  page.evaluate(() => history.back()).catch(() => {});
  await page.waitForFunction(() => window.first);
  await endSpans(page, 1000, 200);
  const before = await stats(page);
  assertBooks(before);
  assert.ok(before.stored > 500, JSON.stringify(before));
  // And once more, in the other direction.
  await go(page, site.url('/?next'));
  await receiver.waitForSpans(2000, 15_000);
  await delay(500);
  assert.equal(receiver.spans.length, 2000);
  assert.equal(distinct(receiver.spans), 2000, 'none twice');
});

// ---- a page that goes before what it stores is committed

/** As on a busy machine: what the page has not committed when it goes is aborted with it. */
const abortCommits = (page) => page.evaluate(() => void (IDBTransaction.prototype.commit = IDBTransaction.prototype.abort));

/** A page with so many spans is left for good, and none of its records gets into the outbox. */
async function leaveUncommitted({ page, site }, count) {
  await isOpen(page);
  await endSpans(page, count, 200);
  await abortCommits(page);
  await go(page, site.url('/elsewhere'));
}

const copies = (page) => page.evaluate(() => Object.keys(localStorage).filter((name) => name.startsWith('webspan')));

test('what is aborted as the page goes is delivered by the next one all the same', async (t) => {
  const { page, context, site, receiver } = await stage(t, { options: stored });
  await leaveUncommitted({ page, site }, 3000);
  assert.ok((await copies(page)).length > 1);
  const next = await visit(context, site);
  await receiver.waitForSpans(3000, 30_000);
  await next.page.waitForFunction(() => window.instance.stats().recovered > 1000);
  await delay(500);
  assert.equal(distinct(receiver.spans), 3000);
  assert.equal(receiver.spans.length, 3000, 'none twice');
  assert.deepEqual([(await stats(next.page)).unrecovered, await copies(next.page), await contents(next.page)], [0, [], []]);
});

test('what has no room in any storage is counted by the next page', async (t) => {
  const { page, context, site, receiver } = await stage(t, { options: stored, content: { head: "<script>Storage.prototype.setItem = ((own) => function (name, text) { own.call(this, name, text && ''); })(Storage.prototype.setItem)</script>" } });
  await leaveUncommitted({ page, site }, 3000);
  const next = await visit(context, site);
  await next.page.waitForFunction(() => window.instance.stats().unrecovered > 0);
  assert.equal((await stats(next.page)).unrecovered + receiver.spans.length, 3000);
  assert.deepEqual(await copies(next.page), []);
});

test('a page that may not use localStorage, and copies that are none, keep nothing from being delivered', async (t) => {
  const { page, context, site, receiver, complaints } = await stage(t, { options: stored, content: { head: "<script>if (location.search) Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } })</script>" } });
  await isOpen(page);
  await page.evaluate(() => {
    for (const key of ['', 'x', '{', '[]', '[null,1,1,"x",2]', '[1,{},3,"x",[]]', '7']) localStorage['webspan.outbox' + key] = 'x';
  });
  await endSpans(page, 1000, 200);
  await go(page, site.url('/elsewhere'));
  const next = await visit(context, site, '/');
  await receiver.waitForSpans(1000, 30_000);
  assert.deepEqual(await copies(next.page), []);
  const other = await visit(context, site, '/?without');
  await isOpen(other.page);
  await endSpans(other.page, 1000, 200);
  await go(other.page, site.url('/elsewhere'));
  await visit(context, site);
  await receiver.waitForSpans(2000, 30_000);
  assert.equal(distinct(receiver.spans), 2000);
  assert.deepEqual(complaints(), []);
});

test('copies are gone when the user refuses', async (t) => {
  const { page, context, site } = await stage(t, { options: stored });
  await leaveUncommitted({ page, site }, 2000);
  const next = await visit(context, site, '/elsewhere');
  assert.ok((await copies(next.page)).length > 0);
  const refusing = await visit(context, site);
  await refusing.page.evaluate(() => window.instance.setConsent(false));
  await refusing.page.waitForFunction(() => !Object.keys(localStorage).length);
  assert.equal((await stats(refusing.page)).unrecovered, 0);
});

test('a page that cannot send what is there, as another page is at it, looks again', async (t) => {
  const { page, context, site, receiver } = await stage(t, { options: stored, content: { head: "<script>if (location.search) { const own = setTimeout; window.setTimeout = (run, ms) => own(run, ms >= 30_000 ? ms / 20 : ms); }</script>" } });
  await storeOffline(page, context, 50);
  const holder = await visit(context, site, '/elsewhere');
  await holder.page.evaluate(() => void navigator.locks.request('webspan.outbox', () => new Promise((done) => (window.done = done))));
  const next = await visit(context, site, '/?soon');
  await delay(2500);
  assert.equal(receiver.requests.length, 0);
  await holder.page.evaluate(() => window.done());
  await receiver.waitForSpans(50);
  await next.page.waitForFunction(() => window.instance.stats().recovered === 50);
});

// ---- what the outbox holds

test('the collector is asked again for what it could not take, and what it refuses is dropped and keeps nothing else from going', async (t) => {
  const { page, context, site, receiver } = await stage(t, { options: { ...stored, batch: { ...patient.batch, maxExportBatchSize: 10 } } });
  await storeOffline(page, context, 40);
  receiver.respondWith([{}, { status: 503 }]);
  const first = await visit(context, site);
  await receiver.waitUntil(() => receiver.requests.length === 2);
  await delay(500);
  assert.equal(receiver.requests.length, 2, 'it stops at the first failure');
  assert.equal((await stats(first.page)).recovered, 10);
  assert.equal((await contents(first.page)).length, 3, 'what was not taken is still there');
  receiver.respondWith([{ status: 400 }, { partialSuccess: { rejectedSpans: 4 } }]);
  const second = await visit(context, site);
  await second.page.waitForFunction(() => window.instance.stats().recovered === 16);
  const { unrecovered, ended } = await stats(second.page);
  assert.deepEqual([unrecovered, ended], [14, 0]);
  assert.deepEqual(await contents(second.page), []);
});

test('a collector that does not let this page in keeps its records waiting', async (t) => {
  const { page, context, site, receiver } = await stage(t, { options: stored, receiver: { answers: () => ({ status: 401 }) } });
  await storeOffline(page, context, 5);
  const next = await visit(context, site);
  await receiver.waitUntil(() => receiver.requests.length === 1);
  await delay(300);
  assert.equal((await contents(next.page)).length, 1);
  assert.deepEqual((({ recovered, unrecovered }) => [recovered, unrecovered])(await stats(next.page)), [0, 0]);
});

test('a record holds its request and no header', async (t) => {
  const { page, context, site } = await stage(t, { options: { ...stored, headers: { 'x-api-key': 'very-secret' } } });
  await storeOffline(page, context, 3);
  const { page: elsewhere } = await visit(context, site, '/elsewhere');
  const [record, ...others] = await contents(elsewhere);
  assert.deepEqual([others.length, record.format, record.encoding, Object.keys(record).sort()], [0, 1, '', ['body', 'encoding', 'format', 'key']]);
  assert.match(record.body, /s0[^]*s1[^]*s2/);
  const [createdMs, spans, bodyBytes, owner] = record.key;
  assert.ok(Math.abs(Date.now() - createdMs) < 60_000);
  assert.deepEqual([spans, bodyBytes], [3, record.body.length]);
  assert.match(owner, /^stage http:\/\/127\.0\.0\.1:\d+\/v1\/traces$/);
  assert.ok(!JSON.stringify(record).includes('very-secret'));
});

test('records as they are today are delivered by every later version; others, broken ones and old ones are dropped and counted', async (t) => {
  const { page, context, site, receiver, expected } = await stage(t, { options: { outbox: { maxAgeMillis: 3_600_000 }, ...patient } });
  expected.violations = true;
  receiver.respondWith(({ spans }) => (spans.length ? {} : { status: 400 }));
  await page.goto(site.url('/elsewhere'));
  const now = Date.now();
  const owner = `stage ${receiver.url}/v1/traces`;
  const good = [...sampleExport({ names: ['good'] }).body];
  await seed(page, [
    [[now - 4000, 1, good.length, 'another http://127.0.0.1:9/v1/traces', 0.8], { format: 1, encoding: '', bytes: good }],
    [[now - 3000, 1, good.length, owner, 0.1], { format: 1, encoding: '', bytes: good }],
    [[now - 2000, 20, good.length, owner, 0.2], { format: 2, encoding: '', bytes: good }],
    [[now - 2000, 300, good.length, owner, 0.3], { format: 1, encoding: 'zstd', bytes: good }],
    [[now - 2000, 4000, good.length, owner, 0.4], { format: 1, encoding: '' }],
    [[now - 2000, 50_000, 3, owner, 0.5], { format: 1, encoding: '', bytes: [255, 255, 255] }],
    [[now - 7_200_000, 600_000, good.length, owner, 0.6], { format: 1, encoding: '', bytes: good }],
    [[now + 7_200_000, 7_000_000, good.length, owner, 0.7], { format: 1, encoding: '', bytes: good }],
    ['nonsense', { format: 1 }],
  ]);
  const next = await visit(context, site);
  await next.page.waitForFunction(() => window.instance.stats().unrecovered >= 7_654_321);
  const { recovered, unrecovered } = await stats(next.page);
  assert.deepEqual([recovered, unrecovered], [1, 7_654_321]);
  assert.deepEqual(receiver.spans.map(({ name }) => name), ['good']);
  const left = await contents(next.page);
  assert.deepEqual(left.map(({ key }) => key[3]), ['another http://127.0.0.1:9/v1/traces'], 'that of another stays');
  // The refused request is a line of the browser's.
  assert.deepEqual(next.complaints().filter((line) => !/400/.test(line)), []);
});

test('what is too much gives way, the eldest first, and is counted', async (t) => {
  const { page, context, site, receiver } = await stage(t, { options: { outbox: { maxBytes: 2500, maxCount: 10 }, ...patient } });
  await page.goto(site.url('/elsewhere'));
  const now = Date.now();
  const owner = `stage ${receiver.url}/v1/traces`;
  const record = (index, bytes) => {
    const body = [...sampleExport({ names: [`number-${index}`] }).body];
    return [[now - 100_000 + index, 1, bytes ?? body.length, owner, 0], { format: 1, encoding: '', bytes: body }];
  };
  await seed(page, [...Array(20)].map((_, index) => record(index, 1)));
  const first = await visit(context, site);
  await first.page.waitForFunction(() => window.instance.stats().recovered === 10);
  assert.equal((await stats(first.page)).unrecovered, 10);
  await first.page.close();
  assert.deepEqual(receiver.spans.map(({ name }) => name), [...Array(10)].map((_, index) => `number-${index + 10}`));
  await page.bringToFront();
  await seed(page, [...Array(5)].map((_, index) => record(index, 1000)));
  const second = await visit(context, site);
  await second.page.waitForFunction(() => window.instance.stats().recovered === 2);
  assert.equal((await stats(second.page)).unrecovered, 3);
});

test('whatever else stands in the store, our records are delivered, and no count goes wrong', async (t) => {
  const { page, context, site, receiver, expected } = await stage(t, { options: { outbox: { maxBytes: 100_000 }, ...patient } });
  expected.violations = true;
  await page.goto(site.url('/elsewhere'));
  const owner = `stage ${receiver.url}/v1/traces`;
  const body = [...sampleExport({ names: ['good'] }).body];
  await seed(page, [[[Date.now(), 7, body.length, owner, 0.5], { format: 1, encoding: '', bytes: body }]]);
  const odd = await page.evaluate(async ([owner, bytes]) => {
    const answered = (request) => new Promise((done, fail) => Object.assign(request, { onsuccess: () => done(request.result), onerror: () => fail(request.error) }));
    const db = await answered(indexedDB.open('webspan.outbox', 1));
    const record = { format: 1, encoding: '', body: new Uint8Array(bytes) };
    const now = Date.now();
    const key = (change) => Object.assign([now - 10, 1, bytes.length, owner, Math.random()], change);
    const keys = [
      5, -Infinity, new Date(), new Date(1e15), new Uint8Array([1]), new ArrayBuffer(8), '', 'text', [], [[]], [now], [now, 1, 2, owner], [...key(), 1],
      key({ 0: Infinity }), key({ 0: '1' }), key({ 0: [now] }), key({ 0: new Date() }), key({ 1: 0 }), key({ 1: -5 }), key({ 1: 0.5 }), key({ 1: 1e99 }), key({ 1: Infinity }),
      key({ 1: 'many' }), key({ 2: 1e99 }), key({ 2: -1e99 }), key({ 2: 0 }), key({ 2: new Uint8Array(1) }), key({ 3: 5 }), key({ 3: [owner] }), key({ 4: 'x' }), key({ 4: new Date() }),
    ];
    const values = [null, undefined, 5, 'text', [], {}, { ...record, body: null }, { ...record, body: 'text' }, { ...record, body: [...bytes] }, { ...record, body: new ArrayBuffer(9) },
      { ...record, body: new Uint8Array() }, { ...record, body: new Uint8Array(200_000) }, { ...record, body: new Float64Array(9) }, { ...record, format: '1' }, { ...record, encoding: null }];
    const store = db.transaction('records', 'readwrite').objectStore('records');
    for (const odd of keys) await answered(store.put(record, odd));
    for (const value of values) await answered(store.put(value, key()));
    // A lease that is none keeps nobody from sending, where there are no locks.
    await answered(db.transaction('leases', 'readwrite').objectStore('leases').put({ holder: 'x', untilMs: Infinity }, 'webspan.outbox'));
    db.close();
    return keys.length + values.length;
  }, [owner, body]);
  const next = await visit(context, site);
  await next.page.waitForFunction((count) => window.instance.stats().unrecovered >= count, odd, { timeout: 20_000 });
  await next.page.waitForFunction(() => window.instance.stats().recovered === 7);
  assert.equal((await stats(next.page)).unrecovered, odd, 'each counts as one span, as nothing better is known');
  assert.deepEqual(receiver.spans.map(({ name }) => name), ['good']);
  assert.deepEqual(await contents(next.page), []);
  assert.deepEqual(next.complaints(), []);
});

test('a record that cannot be read keeps none from being delivered', async (t) => {
  const head = `<script>const get = IDBObjectStore.prototype.get;
    IDBObjectStore.prototype.get = function (key) {
      if (this.name !== 'records' || key[1] !== 3) return get.call(this, key);
      const request = {};
      setTimeout(() => request.onerror({ preventDefault() {} }));
      return request;
    };</script>`;
  const { page, context, site, receiver } = await stage(t, { options: stored, content: { head } });
  await page.goto(site.url('/elsewhere'));
  const owner = `stage ${receiver.url}/v1/traces`;
  const record = (spans) => {
    const body = [...sampleExport({ names: [`of ${spans}`] }).body];
    return [[Date.now() - 1000 + spans, spans, body.length, owner, 0.5], { format: 1, encoding: '', bytes: body }];
  };
  await seed(page, [record(2), record(3), record(4)]);
  const { page: next } = await visit(context, site);
  await next.waitForFunction(() => window.instance.stats().recovered === 6);
  assert.equal((await stats(next)).unrecovered, 3);
  assert.deepEqual(receiver.spans.map(({ name }) => name), ['of 2', 'of 4']);
});

test('whatever number of rejected spans a collector tells, counts stay within what was sent', async (t) => {
  const told = [-1, -1e99, 1e99, 0.5, 2 ** 32 + 1, '2', '-3', 'many', 'Infinity', 'NaN', '', true, null, [], [1], {}, '0x1'];
  const wanted = [0, 0, 3, 0, 3, 2, 0, 0, 3, 0, 0, 1, 0, 0, 1, 0, 1];
  const answer = (rejectedSpans) => ({ body: JSON.stringify({ partialSuccess: { rejectedSpans } }), headers: { 'Content-Type': 'application/json' } });
  // 1e999 is read as infinity.
  const answers = [...told.map(answer), { ...answer(0), body: '{"partialSuccess":{"rejectedSpans":1e999}}' }];
  wanted.push(3);
  const { page, context, site, receiver, flush } = await stage(t, { options: { outbox: true, ...patient }, receiver: { answers } });
  await isOpen(page);
  for (const rejected of wanted) {
    const before = await stats(page);
    await endSpans(page, 3);
    await flush();
    const after = await stats(page);
    assert.deepEqual([after.delivered - before.delivered, after.dropped.rejected - before.dropped.rejected], [3 - rejected, rejected]);
  }
  await page.goto(site.url('/elsewhere'));
  receiver.respondWith(answers);
  const owner = `stage ${receiver.url}/v1/traces`;
  await seed(page, answers.map((_, index) => {
    const body = [...sampleExport({ names: ['a', 'b', 'c'] }).body];
    return [[Date.now() - 1000 + index, 3, body.length, owner, 0.5], { format: 1, encoding: '', bytes: body }];
  }));
  const { page: next } = await visit(context, site);
  await next.waitForFunction((count) => window.instance.stats().recovered + window.instance.stats().unrecovered >= count, 3 * wanted.length, { timeout: 20_000 });
  const rejected = wanted.reduce((sum, count) => sum + count, 0);
  const { recovered, unrecovered } = await stats(next);
  assert.deepEqual([recovered, unrecovered], [3 * wanted.length - rejected, rejected]);
});

test('a collector that asks to wait for ever is asked again', async (t) => {
  for (const wait of ['9'.repeat(400), 'Fri, 31 Dec 9999 23:59:59 GMT']) {
    const { page, site, receiver } = await stage(t, {
      options: stored,
      receiver: { answers: [{ status: 503, headers: { 'Retry-After': wait } }], cors: { allowedOrigins: ['*'], allowedHeaders: ['*'], exposedHeaders: ['Retry-After'] } },
      content: { head: '<script>window.skew = 0; const now = Date.now; Date.now = () => now() + window.skew;</script>' },
    });
    await page.goto(site.url('/elsewhere'));
    const body = [...sampleExport({ names: ['stored'] }).body];
    await seed(page, [[[Date.now(), 1, body.length, `stage ${receiver.url}/v1/traces`, 0.5], { format: 1, encoding: '', bytes: body }]]);
    await page.goto(site.url('/'));
    await receiver.waitUntil(() => receiver.requests.length === 1);
    await delay(300);
    // Ten minutes later.
    await page.evaluate(() => (window.skew = 600_000));
    await endSpans(page, 1);
    await page.evaluate(() => window.instance.flush());
    await page.waitForFunction(() => window.instance.stats().recovered === 1);
  }
});

// ---- the user's word

for (const [name, forget] of [
  ['setConsent(false)', () => window.instance.setConsent(false)],
  ['shutdown({ discard: true })', () => window.instance.shutdown({ discard: true })],
]) {
  test(`${name} empties the outbox`, async (t) => {
    const { page, context, site, receiver, complaints } = await stage(t, { options: stored });
    await storeOffline(page, context, 20);
    // Too soon after its start for it to send anything.
    const { page: next } = await visit(context, site);
    await endSpans(next, 3);
    await next.evaluate(forget);
    await next.waitForFunction(async () => !(await indexedDB.databases()).length);
    assertBooks(await stats(next));
    const last = await visit(context, site);
    await isOpen(last.page);
    await delay(2500);
    assert.equal(receiver.spans.length, 0);
    assert.deepEqual(await contents(last.page), []);
    assert.deepEqual([...complaints(), ...last.complaints()], []);
  });
}

test('who takes the consent back and gives it again has an outbox again', async (t) => {
  const { page, context, site, receiver } = await stage(t, { options: stored });
  await isOpen(page);
  await page.evaluate(() => {
    window.before = window.instance.transport.outbox;
    window.instance.setConsent(false);
    window.instance.setConsent(true);
  });
  await page.waitForFunction(() => window.instance.transport.outbox !== window.before);
  await storeOffline(page, context, 5);
  await visit(context, site);
  await receiver.waitForSpans(5);
});

test('nothing is stored while consent is pending, not even an empty database, and what was stored before stays and is not sent', async (t) => {
  const { page, context, site, receiver } = await stage(t, { options: { ...stored, consent: 'pending' } });
  await endSpans(page, 20);
  await delay(500);
  await go(page, site.url('/elsewhere'));
  assert.deepEqual(await databases(page), []);
  const body = [...sampleExport({ names: ['before'] }).body];
  await seed(page, [[[Date.now(), 1, body.length, `stage ${receiver.url}/v1/traces`, 0], { format: 1, encoding: '', bytes: body }]]);
  const { page: next } = await visit(context, site);
  await delay(2500);
  assert.equal(receiver.requests.length, 0);
  await next.evaluate(() => window.instance.setConsent(true));
  await receiver.waitForSpans(1);
});

test('without the option nothing of it is loaded, and there is no database', async (t) => {
  const { page, site } = await stage(t, { options: patient });
  await endSpans(page, 1);
  await delay(500);
  assert.deepEqual(await databases(page), []);
  assert.equal(site.requestsTo('/dist/outbox.js').length, 0);
});

test('shutdown stores what it cannot deliver', async (t) => {
  const { page, context, site, receiver } = await stage(t, { options: stored, receiver: { answers: [{ status: 503 }] } });
  await isOpen(page);
  await endSpans(page, 5);
  const after = await page.evaluate(async () => {
    await window.instance.shutdown();
    return window.instance.stats();
  });
  assert.deepEqual([after.stored, after.dropped.shutdown], [5, 0]);
  assertBooks(after);
  await visit(context, site);
  await receiver.waitForSpans(5);
});

// ---- no page ever notices

const blocked = (get) => `<script>Object.defineProperty(window, 'indexedDB', { get() { ${get} } })</script>`;
const puts = (put) => `<script>const put = IDBObjectStore.prototype.put; IDBObjectStore.prototype.put = function (...args) { ${put} };</script>`;
const quota = "throw new DOMException('no room', 'QuotaExceededError');";
for (const [name, head] of [
  ['that may not be used', blocked("throw new DOMException('no', 'SecurityError');")],
  ['that is not there', blocked('return undefined;')],
  ['that never answers', blocked('return { open: () => ({}), deleteDatabase: () => ({}) };')],
  ['that refuses to open', blocked("return { open() { const request = {}; setTimeout(() => request.onerror({ preventDefault() {} })); return request; } };")],
  ['that is full', puts(quota)],
  ['that is full only when all is written', puts('const request = put.apply(this, args); this.transaction.abort(); return request;')],
  ['that throws whatever is asked', "<script>IDBDatabase.prototype.transaction = () => { throw new Error('broken'); };</script>"],
]) {
  test(`an IndexedDB ${name} costs no span and no word`, async (t) => {
    const { page, receiver, site, complaints, consoleWarnings } = await stage(t, { options: { outbox: true, batch: { scheduledDelayMillis: 300, maxQueueSize: 60, maxExportBatchSize: 60 } }, content: { head } });
    await page.waitForFunction(() => performance.getEntriesByType('resource').some(({ name }) => name.endsWith('/outbox.js')));
    await delay(200);
    // A full queue, which would be stored.
    await endSpans(page, 60);
    await receiver.waitForSpans(60);
    await page.waitForFunction(() => window.instance.stats().delivered === 60);
    assertBooks(await stats(page));
    await endSpans(page, 10);
    await go(page, site.url('/elsewhere'));
    await receiver.waitForSpans(70);
    assert.equal(distinct(receiver.spans), 70);
    assert.deepEqual([...complaints(), ...consoleWarnings], []);
  });
}

test('a database of another shape or version is nothing to complain about', async (t) => {
  for (const [version, stores] of [[1, ['something']], [7, ['records', 'leases']]]) {
    const { page, context, site, receiver } = await stage(t, { options: stored });
    await page.goto(site.url('/elsewhere'));
    await page.evaluate(() => new Promise((done) => (indexedDB.deleteDatabase('webspan.outbox').onsuccess = done)));
    await page.evaluate(([version, stores]) => new Promise((done) => {
      const request = indexedDB.open('webspan.outbox', version);
      request.onupgradeneeded = () => stores.forEach((name) => request.result.createObjectStore(name));
      request.onsuccess = () => done(request.result.close());
    }), [version, stores]);
    const next = await visit(context, site);
    await delay(500);
    await endSpans(next.page, 3);
    await go(next.page, site.url('/elsewhere'));
    await receiver.waitForSpans(3);
    assert.deepEqual(next.complaints(), []);
    if (version === 1) {
      // The one after that has a new one.
      const later = await visit(context, site);
      await isOpen(later.page);
    }
  }
});

test('a sandboxed frame has no IndexedDB, and works without', async (t) => {
  const receiver = await startReceiver({ cors: { allowedOrigins: ['*'], allowedHeaders: ['*'] } });
  const site = await startSite({
    cors: { allowedOrigins: ['*'] },
    routes: {
      '/': (request, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><iframe sandbox="allow-scripts" src="/framed"></iframe>'),
      '/framed': webspanPage({ endpoint: receiver.url, instrumentations: { documentLoad: false }, ...stored }),
    },
  });
  const browser = await launchBrowser();
  t.after(async () => {
    await browser.close();
    await site.close();
    await receiver.close();
  });
  const { page, complaints, consoleWarnings } = await openPage(browser, site.url('/'));
  const frame = page.frames()[1];
  await frame.waitForFunction(() => performance.getEntriesByType('resource').some(({ name }) => name.endsWith('/outbox.js')));
  await endSpans(frame, 3);
  await frame.evaluate(() => window.instance.flush());
  await receiver.waitForSpans(3);
  assert.deepEqual([...complaints(), ...consoleWarnings], []);
});
