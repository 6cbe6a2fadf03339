// The same package in other engines: all that is captured once, and what a page sends as it goes. The rest is tested in Chromium.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { launchFirefox } from '../harness/browser.mjs';
import { plain, startReceiver } from '../harness/receiver.mjs';
import { echo, startSite, text, webspanPage } from '../harness/site.mjs';
import { launchWebKit } from '../harness/webkit.mjs';

/** Each is started once. */
const engines = { Firefox: launchFirefox, WebKit: launchWebKit };
const browsers = {};
before(async () => {
  for (const [name, launch] of Object.entries(engines)) browsers[name] = await launch();
});
after(() => Promise.all(Object.values(browsers).map((browser) => browser?.close())));

const withCaptures = `
  import * as webspan from '/dist/index.js';
  import { longTasks, userInteraction, webVitals } from '/dist/captures.js';
  export * from '/dist/index.js';
  export const init = (options) => webspan.init({ ...options, captures: [longTasks(), userInteraction(), webVitals()] });
`;

/** Not all drivers tell what a page complains about. */
const noteComplaints = `
  window.complaints = [];
  for (const name of ['error', 'warn']) console[name] = (...args) => complaints.push(args.join(' '));
  addEventListener('error', ({ message }) => complaints.push(message));
  addEventListener('unhandledrejection', ({ reason }) => complaints.push(String(reason)));
`;

/** A page with every capture, or a skipped test. */
async function open(t, engine, options, head = '') {
  const browser = browsers[engine];
  if (!browser) return void t.skip(`there is no ${engine}`);
  const receiver = await startReceiver();
  const site = await startSite({
    routes: {
      '/': webspanPage({ endpoint: receiver.url, ...options }, { module: '/with-captures.js', head: `<script>${noteComplaints}${head}</script>`, body: '<p>Text</p><img src="/image.svg"><button>Buy</button><script>document.querySelector("button").onclick = () => fetch("/echo?click")</script>' }),
      '/with-captures.js': text(withCaptures, { headers: { 'Content-Type': 'text/javascript' } }),
      '/image.svg': text('<svg xmlns="http://www.w3.org/2000/svg"/>', { headers: { 'Content-Type': 'image/svg+xml' } }),
      '/echo': echo(),
      '/beacon': echo(),
      '/elsewhere': text('<!doctype html>', { headers: { 'Content-Type': 'text/html' } }),
    },
  });
  const page = await browser.newPage();
  t.after(async () => {
    await page.close();
    await site.close();
    await receiver.close();
  });
  /** As a visitor comes. A driver may not wait for modules, and WebKit tells a page that is left before it has loaded nothing of it. */
  const visit = async () => {
    await page.goto(site.url('/'));
    await until(page, () => window.instance && document.readyState === 'complete');
  };
  await visit();
  return { page, site, receiver, visit };
}

/** Waits until `condition` holds in the page. Not all drivers can. */
async function until(page, condition) {
  for (const startMs = performance.now(); !(await page.evaluate(condition)); await delay(20)) {
    if (performance.now() - startMs > 15_000) throw new Error(`never came true: ${condition}`);
  }
}

/** The outbox is loaded and open. No page has to know when that is. */
const isOpen = () => !!window.instance.transport.outbox;

/** No capture: nothing but the spans of the test. */
const instrumentations = { fetch: false, xhr: false, documentLoad: false, navigation: false, errors: false };

const names = (receiver, name) => receiver.spans.filter((span) => span.name === name);

for (const engine of Object.keys(engines)) {
  test(`in ${engine}: a page load, requests, a route change, a click and an error are spans, and the page notices nothing`, async (t) => {
    const opened = await open(t, engine, { batch: { scheduledDelayMillis: 100 } });
    if (!opened) return;
    const { page, site, receiver } = opened;
    const statuses = await page.evaluate(async () => {
      const fetched = await fetch('/echo?fetch', { method: 'POST', body: 'x' });
      await fetched.text();
      await fetch(new Request('/echo?request')).then((response) => response.text());
      const xhr = new XMLHttpRequest();
      xhr.open('GET', '/echo?xhr');
      await new Promise((done) => {
        xhr.onloadend = done;
        xhr.send();
      });
      history.pushState(null, '', '/route?token=S3CR3T');
      await fetch('/echo?route').then((response) => response.text());
      setTimeout(() => {
        throw new RangeError('on purpose');
      });
      return [fetched.status, xhr.status];
    });
    assert.deepEqual(statuses, [200, 200]);
    await page.click('button');
    const pathOf = (span) => (plain(span.attributes)['url.full'] ?? '').replace(site.origin, '');
    const told = () => receiver.spans.map((span) => `${span.name} ${pathOf(span)}`.trim());
    const wanted = ['documentLoad /', 'documentFetch /', 'resourceFetch /image.svg', 'POST /echo?fetch', 'GET /echo?request', 'GET /echo?xhr', 'GET /echo?route', 'GET /echo?click', 'navigation /route?token=REDACTED', 'exception', 'click /route?token=REDACTED'];
    await receiver.waitUntil(() => wanted.every((each) => told().includes(each)), 15_000);

    const spanOf = (name) => receiver.spans.find((span) => `${span.name} ${pathOf(span)}`.trim() === name);
    const load = spanOf('documentLoad /');
    assert.equal(spanOf('documentFetch /').parentSpanId, load.spanId);
    assert.equal(spanOf('GET /echo?route').parentSpanId, spanOf('navigation /route?token=REDACTED').spanId);
    assert.equal(spanOf('GET /echo?click').traceId, spanOf('click /route?token=REDACTED').traceId);
    for (const name of ['POST /echo?fetch', 'GET /echo?xhr']) {
      const span = spanOf(name);
      assert.deepEqual(span.events.map((event) => event.name), ['fetchStart', 'domainLookupStart', 'domainLookupEnd', 'connectStart', 'connectEnd', 'requestStart', 'responseStart', 'responseEnd'], name);
      const sent = site.requests.find(({ url }) => `${url.pathname}${url.search}` === pathOf(span));
      assert.equal(sent.headers.traceparent, `00-${span.traceId}-${span.spanId}-03`, name);
    }
    const complaints = await page.evaluate(() => window.complaints);
    assert.deepEqual(complaints.filter((line) => !/on purpose/.test(line)), [], 'but for the one that the page threw');
  });

  test(`in ${engine}: what has ended is delivered when the page is left, across origins`, async (t) => {
    const opened = await open(t, engine, { batch: { scheduledDelayMillis: 60_000, maxExportBatchSize: 2000 } });
    if (!opened) return;
    const { page, site, receiver } = opened;
    await page.evaluate(() => {
      for (let index = 0; index < 400; index++) window.instance.tracer.startSpan('ended').end();
    });
    await page.goto(site.url('/elsewhere'));
    await receiver.waitUntil(() => receiver.spans.filter(({ name }) => name === 'ended').length === 400, 15_000);
    assert.equal(new Set(receiver.spans.map(({ spanId }) => spanId)).size, receiver.spans.length, 'none twice');
  });

  for (const isOlder of [true, false]) {
    test(`in ${engine}: what a page sends when it is left has room beside ours, ${isOlder ? 'before' : 'after'} us, and its requests are delivered`, async (t) => {
      const listen = `addEventListener('pagehide', () => {
        localStorage.sent = navigator.sendBeacon('/beacon', 'y'.repeat(20000));
        void fetch('/echo?going', { method: 'POST', keepalive: true, body: 'x' }).catch(() => {});
      }, true)`;
      const opened = await open(t, engine, { batch: { scheduledDelayMillis: 60_000, maxExportBatchSize: 2000 } }, isOlder ? listen : `addEventListener('load', () => setTimeout(() => ${listen}))`);
      if (!opened) return;
      const { page, site, receiver } = opened;
      await delay(300);
      await page.evaluate(() => {
        for (let index = 0; index < 1000; index++) window.instance.tracer.startSpan('ended', { attributes: { filling: 'x'.repeat(100) } }).end();
      });
      await page.goto(site.url('/elsewhere'));
      const bytes = () => receiver.requests.reduce((sum, request) => sum + request.bytes.length, 0);
      await receiver.waitUntil(() => bytes() >= 32_768, 15_000);
      await site.waitForRequests('/beacon', 1);
      assert.equal(await page.evaluate(() => localStorage.sent), 'true');
      const going = (await site.waitForRequests('/echo', 1)).find(({ url }) => url.search === '?going');
      const [, , spanId, flags] = going.headers.traceparent.split('-');
      assert.equal(flags, '03');
      await receiver.waitUntil(() => receiver.spans.some((span) => span.spanId === spanId), 15_000);
      assert.ok(bytes() <= 40_960, `${bytes()} bytes`);
    });
  }

  test(`in ${engine}: what a collector that is down has not taken is stored, and delivered by the next page`, async (t) => {
    const opened = await open(t, engine, { outbox: true, instrumentations, batch: { scheduledDelayMillis: 20 }, retry: { initialMillis: 20, maxMillis: 40, maxElapsedMillis: 100 } });
    if (!opened) return;
    const { page, site, receiver, visit } = opened;
    await until(page, isOpen);
    receiver.respondWith({ status: 503 });
    await page.evaluate(() => {
      for (let index = 0; index < 50; index++) window.instance.tracer.startSpan('ended').end();
    });
    await until(page, () => window.instance.stats().stored >= 50);
    await page.goto(site.url('/elsewhere'));
    receiver.respondWith({});
    await visit();
    await receiver.waitUntil(() => names(receiver, 'ended').length === 50, 15_000);
    await until(page, () => window.instance.stats().recovered >= 50);
    assert.equal(new Set(receiver.spans.map(({ spanId }) => spanId)).size, receiver.spans.length, 'none twice');
  });
}

// WebKit may not store what is told to it in the event that says that the page goes.
test('in Firefox: of 5,000 spans that wait when the page is left, it delivers what fits, and the next page the rest', async (t) => {
  const opened = await open(t, 'Firefox', { outbox: true, instrumentations, batch: { scheduledDelayMillis: 600_000, maxExportBatchSize: 10_000, maxQueueSize: 10_000 } });
  if (!opened) return;
  const { page, site, receiver, visit } = opened;
  await until(page, isOpen);
  await page.evaluate(() => {
    for (let index = 0; index < 5000; index++) window.instance.tracer.startSpan('ended', { attributes: { filling: 'x'.repeat(200) } }).end();
  });
  await page.goto(site.url('/elsewhere'));
  await receiver.waitUntil(() => names(receiver, 'ended').length > 0);
  assert.ok(names(receiver, 'ended').length < 5000, 'not all fits');
  await visit();
  await receiver.waitUntil(() => names(receiver, 'ended').length === 5000, 30_000);
  assert.equal(new Set(names(receiver, 'ended').map(({ spanId }) => spanId)).size, 5000, 'none twice');
});
