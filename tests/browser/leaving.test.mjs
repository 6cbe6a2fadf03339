// What the page itself sends while it goes: its beacons have room beside ours, whoever is first, and its requests are in the traces that they name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { stage } from './stage.mjs';

/** Nothing leaves by itself as long as a test runs. */
const late = { batch: { scheduledDelayMillis: 600_000, maxExportBatchSize: 2000 } };

const withoutFetchLater = '<script>delete window.fetchLater</script>';

const endSpans = (page, count) => page.evaluate((count) => {
  for (let index = 0; index < count; index++) window.instance.tracer.startSpan(`s${index}`, { attributes: { text: 'x'.repeat(100) } }).end();
}, count);

/** Answers as a collector does, and as a place to send beacons to. */
const taken = (request, response) => void response.writeHead(200).end();

/** A listener that is called before ours, or after it. */
const listener = (isOlder, name, run) => {
  const target = name === 'visibilitychange' ? 'document' : 'window';
  // At the target itself, who captures comes first, and else who came first.
  const add = `${target}.addEventListener('${name}', () => { ${run} }, true)`;
  return isOlder ? { head: `<script>${add}</script>` } : { body: `<script>addEventListener('load', () => ${add})</script>` };
};

for (const hasFetchLater of [true, false]) {
  for (const isOlder of [true, false]) {
    for (const name of ['pagehide', 'visibilitychange']) {
      for (const sameOrigin of [true, false]) {
        const bytes = hasFetchLater ? 40_000 : 20_000;
        const where = `${isOlder ? 'an older' : 'a younger'} listener of ${name}, ${hasFetchLater ? 'with' : 'without'} fetchLater, collector of ${sameOrigin ? 'this' : 'another'} origin`;
        test(`the page's own beacon of ${bytes} bytes is sent beside ours: ${where}`, async (t) => {
          const { head = '', body = '' } = listener(isOlder, name, `localStorage.sent = navigator.sendBeacon('/beacon', 'y'.repeat(${bytes}))`);
          const { page, site, receiver } = await stage(t, {
            options: { ...late, ...(sameOrigin && { endpoint: '/otlp', compression: 'none' }) },
            routes: { '/beacon': taken, '/otlp/v1/traces': taken },
            content: { head: (hasFetchLater ? '' : withoutFetchLater) + head, body },
          });
          await endSpans(page, 1000);
          await page.goto(site.url('/elsewhere'));
          await delay(700);
          assert.equal(await page.evaluate(() => localStorage.sent), 'true');
          assert.deepEqual(site.requestsTo('/beacon').map((request) => request.body.length), [bytes]);
          const ours = sameOrigin ? site.requestsTo('/otlp/v1/traces').map(({ headers }) => Number(headers['content-length'])) : receiver.requests.map((request) => request.bytes.length);
          const sum = ours.reduce((sum, bytes) => sum + bytes, 0);
          assert.ok(sum >= (hasFetchLater ? 70_000 : 32_768), `${ours} bytes of ours`);
          assert.ok(ours.filter((bytes) => bytes > 16_384).length <= Number(hasFetchLater), `${ours} bytes of ours`);
        });
      }
    }
  }
}

test('where the page has used up what it may send, fetchLater still takes what is most valuable', async (t) => {
  const { head } = listener(true, 'pagehide', "navigator.sendBeacon('/beacon', 'y'.repeat(65_000))");
  const { page, site, receiver } = await stage(t, { options: late, routes: { '/beacon': taken }, content: { head } });
  await endSpans(page, 300);
  await page.goto(site.url('/elsewhere'));
  await receiver.waitForSpans(200);
  assert.equal(site.requestsTo('/beacon').length, 1);
});

for (const bfcache of [true, false]) {
  test(`what the browser refuses while the page is hidden, or kept, is not told as sent${bfcache ? '' : ', without fetchLater'}`, async (t) => {
    // The page's own requests have used up nearly all, and are not answered so soon.
    const { page, context, receiver } = await stage(t, {
      options: late,
      routes: { '/slow': async (request, response) => (await delay(2500), taken(request, response)) },
      content: { head: bfcache ? '' : withoutFetchLater, body: `<script>addEventListener('load', () => document.addEventListener('visibilitychange', () => {}, true))</script>` },
      tabs: true,
    });
    await page.bringToFront();
    await page.evaluate(() => void fetch('/slow', { method: 'POST', keepalive: true, body: 'y'.repeat(58_000) }).catch(() => {}));
    await endSpans(page, 60);
    await (await context.newPage()).bringToFront();
    await receiver.waitForSpans(20);
    await delay(300);
    const { delivered, unacknowledged, queued, inFlight } = await page.evaluate(() => window.instance.stats());
    assert.equal(unacknowledged, 0);
    assert.equal(delivered, receiver.spans.length);
    assert.equal(delivered + queued + inFlight, 60);
    await page.bringToFront();
    await page.evaluate(() => window.instance.flush());
    await receiver.waitForSpans(60);
    assert.equal(new Set(receiver.spans.map(({ spanId }) => spanId)).size, receiver.spans.length, 'none twice');
  });
}

for (const bfcache of [false, true]) {
  for (const hasFetchLater of [true, false]) {
    for (const waiting of [0, 1000]) {
      const how = `${bfcache ? 'kept' : 'gone'}, ${hasFetchLater ? 'with' : 'without'} fetchLater, ${waiting} spans wait`;
      test(`requests that the page makes while it goes are delivered, or their headers say that they are not: ${how}`, async (t) => {
        const ask = (path) => `fetch('/asked/${path}', { method: 'POST', keepalive: true, body: 'draft' }).catch(() => {}); { const xhr = new XMLHttpRequest(); xhr.open('POST', '/asked/${path}/xhr'); xhr.send('draft'); }`;
        const places = [[true, 'pagehide'], [false, 'pagehide'], [true, 'visibilitychange'], [false, 'visibilitychange'], ...(bfcache ? [] : [[false, 'unload']]), ...(bfcache || waiting ? [] : [[true, 'beforeunload']])];
        const parts = places.map(([isOlder, name]) => listener(isOlder, name, ask(`${isOlder ? 'older' : 'younger'}-${name}`)));
        const head = (hasFetchLater ? '' : withoutFetchLater) + parts.map(({ head = '' }) => head).join('');
        const routes = Object.fromEntries(places.flatMap(([isOlder, name]) => ['', '/xhr'].map((kind) => [`/asked/${isOlder ? 'older' : 'younger'}-${name}${kind}`, taken])));
        const { page, site, receiver } = await stage(t, { options: late, bfcache, routes, content: { head, body: parts.map(({ body = '' }) => body).join('') } });
        await endSpans(page, waiting);
        await page.goto(site.url('/elsewhere'));
        await delay(1200);
        const asked = Object.keys(routes).flatMap((path) => site.requestsTo(path));
        // An XHR is cut off with the page, perhaps before it has left.
        assert.ok(asked.length >= places.length, `${asked.length} arrived`);
        const sampled = asked.filter(({ headers }) => /-0[13]$/.test(headers.traceparent));
        const ids = receiver.spans.map(({ spanId }) => spanId);
        const missing = sampled.filter(({ headers }) => !ids.includes(headers.traceparent.split('-')[2]));
        assert.deepEqual(missing.map(({ url }) => url), [], 'in the trace that the server was told of');
        assert.ok(sampled.length >= (waiting ? 5 : asked.length), `${sampled.length} of ${asked.length}`);
        assert.equal(new Set(ids).size, ids.length, 'none twice');
      });
    }
  }
}

test('a request that is made in the page that comes back is traced as ever', async (t) => {
  const { page, site, receiver } = await stage(t, { options: late, bfcache: true });
  await page.evaluate(() => {
    addEventListener('pagehide', () => void fetch('/echo?going', { keepalive: true }).catch(() => {}));
    addEventListener('pageshow', ({ persisted }) => (window.back = persisted));
    window.open = window.instance.tracer.startSpan('open');
  });
  await page.goto(site.url('/elsewhere'));
  await receiver.waitForSpans((span) => span.attributes['url.full']?.string?.endsWith('going'));
  page.evaluate(() => history.back()).catch(() => {});
  await page.waitForFunction(() => window.back);
  await page.evaluate(async () => {
    await fetch('/echo?back').then((response) => response.text());
    window.open.end();
    await window.instance.flush();
  });
  await receiver.waitForSpans(3);
  const { ended, delivered, unacknowledged, dropped } = await page.evaluate(() => window.instance.stats());
  assert.equal(ended, 3);
  assert.equal(delivered + unacknowledged, 3);
  assert.equal(Object.values(dropped).reduce((sum, count) => sum + count, 0), 0);
});

test('an async function that is asked for headers, and fetches them, keeps no page from going', async (t) => {
  const { page, site } = await stage(t, {
    options: { ...late, headers: async () => (await null, await fetch('/echo?token').then((response) => response.text()), { authorization: 'x' }) },
  });
  await endSpans(page, 10);
  // Not awaited: the page may be gone before it answers.
  page.evaluate(() => (location.href = '/elsewhere')).catch(() => {});
  await page.waitForURL(site.url('/elsewhere'));
});
