// A collector that is down costs little, and a browser without network loses nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { stage } from './stage.mjs';

const stats = (page) => page.evaluate(() => window.instance.stats());
const endSpans = (page, count) =>
  page.evaluate((count) => {
    for (let index = 0; index < count; index++) window.instance.tracer.startSpan(`s${index}`).end();
  }, count);

test('without network no attempt is made, no span gets too old, and afterwards all are delivered', async (t) => {
  const retry = { initialMillis: 50, maxMillis: 100, maxElapsedMillis: 400 };
  const { page, context, receiver, complaints } = await stage(t, { options: { batch: { scheduledDelayMillis: 50, maxExportBatchSize: 10 }, retry } });
  const attempts = [];
  page.on('request', (request) => request.url().startsWith(receiver.url) && attempts.push(request.url()));
  await context.setOffline(true);
  await endSpans(page, 25);
  await page.evaluate(() => window.instance.flush());
  // Three times as long as a batch is tried.
  await delay(1200);
  assert.deepEqual(attempts, []);
  assert.equal((await stats(page)).queued, 25);
  await context.setOffline(false);
  await receiver.waitForSpans(25);
  await page.waitForFunction(() => window.instance.stats().delivered === 25);
  assert.equal(new Set(receiver.spans.map((span) => span.spanId)).size, 25, 'none twice');
  assert.deepEqual(complaints(), []);
});

test('what was under way when the network went is delivered when it is back', async (t) => {
  const retry = { initialMillis: 50, maxMillis: 100, maxElapsedMillis: 400 };
  const { page, context, receiver } = await stage(t, { receiver: { answers: [{ hang: true }] }, options: { batch: { scheduledDelayMillis: 50 }, retry, timeoutMillis: 300 } });
  await endSpans(page, 5);
  await receiver.waitUntil(() => receiver.requests.length === 1);
  await context.setOffline(true);
  await delay(1200);
  assert.equal((await stats(page)).queued, 5);
  await context.setOffline(false);
  await receiver.waitForSpans(5);
  await page.waitForFunction(() => window.instance.stats().delivered === 5);
});

test('events of the page\'s own that say the network is gone are not believed', async (t) => {
  const { page, receiver } = await stage(t, { options: { batch: { scheduledDelayMillis: 50 } } });
  await page.evaluate(() => dispatchEvent(new Event('offline')));
  await endSpans(page, 1);
  await receiver.waitForSpans(1);
});

test('a collector on this machine is there without network, from the start of the page', async (t) => {
  const content = { head: "<script>Object.defineProperty(Navigator.prototype, 'onLine', { get: () => false })</script>" };
  const { page, receiver } = await stage(t, { content, options: { batch: { scheduledDelayMillis: 50 } } });
  await endSpans(page, 1);
  await receiver.waitForSpans(1);
});

test('a page that starts without network sends nothing until there is one', async (t) => {
  const content = { head: "<script>window.onLine = false; Object.defineProperty(Navigator.prototype, 'onLine', { get: () => window.onLine })</script>" };
  const { page } = await stage(t, { content, options: { endpoint: 'http://collector.invalid', batch: { scheduledDelayMillis: 50 } } });
  const attempts = [];
  await page.route('http://collector.invalid/**', (route) => {
    attempts.push(route.request().url());
    return route.abort();
  });
  await endSpans(page, 1);
  await delay(500);
  assert.deepEqual(attempts, []);
  await page.evaluate(() => {
    window.onLine = true;
    dispatchEvent(new Event('online'));
  });
  await page.waitForRequest('http://collector.invalid/v1/traces');
});

test('a collector that is down is asked again and again by one request at a time, whatever waits and whoever flushes', async (t) => {
  const retry = { initialMillis: 100, maxMillis: 400, maxElapsedMillis: 10_000 };
  const { page, receiver } = await stage(t, { receiver: { answers: () => ({ status: 503, delayMs: 30 }) }, options: { batch: { scheduledDelayMillis: 20, maxExportBatchSize: 5 }, retry } });
  await endSpans(page, 40);
  await receiver.waitUntil(() => receiver.requests.length >= 6, 10_000);
  const names = new Set(receiver.requests.flatMap((request) => request.spans.map((span) => span.spanId)));
  assert.equal(names.size, 5, 'the first batch alone');
  const waits = receiver.requests.slice(3, 6).map((request, index) => request.atMs - receiver.requests[index + 2].atMs);
  assert.ok(waits.every((waitMs) => waitMs >= 200), `${waits}`);
  const before = receiver.requests.length;
  await page.evaluate(() => Promise.all([window.instance.flush(), window.instance.flush(), window.instance.flush()]));
  assert.ok(receiver.requests.length <= before + 2, 'one for all of them, and perhaps one whose time had come');
  receiver.respondWith({});
  await receiver.waitForSpans(40);
});
