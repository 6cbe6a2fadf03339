// The core starts when the page first needs it, or has nothing else to do: until then nothing is lost, and nothing of it runs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plain } from '../harness/receiver.mjs';
import { stage } from './stage.mjs';

const ON = { documentLoad: true, navigation: true, errors: true };

/** A page that is never idle unless it says so, by `idle()`, in which no second passes, and that counts what it starts of WebAssembly. */
const busy = `<script>
  const waiting = [];
  const { setTimeout } = globalThis;
  globalThis.setTimeout = (run, delayMs, ...rest) => (delayMs === 1000 ? 0 : setTimeout(run, delayMs, ...rest));
  globalThis.requestIdleCallback = (run) => void waiting.push(run);
  globalThis.idle = () => waiting.splice(0).forEach((run) => run());
  globalThis.cores = 0;
  WebAssembly.Instance = new Proxy(WebAssembly.Instance, { construct: (...args) => (cores++, Reflect.construct(...args)) });
</script>`;

const open = (t, { head = busy, instrumentations = ON, ...options } = {}) => stage(t, { content: { head }, options: { ...options, instrumentations } });
const cores = (page) => page.evaluate('cores');
const named = (receiver, name) => receiver.spans.find((span) => span.name === name);

test('init starts no core, and idle time does, once', async (t) => {
  const { page, receiver, flush } = await open(t);
  assert.equal(await cores(page), 0);
  await page.evaluate('idle()');
  assert.equal(await cores(page), 1);
  await page.evaluate(() => window.instance.tracer.startSpan('own').end());
  await flush();
  assert.equal(await cores(page), 1);
  await receiver.waitUntil(() => named(receiver, 'own'));
});

test('the first request starts it, carries its header and belongs to the page load', async (t) => {
  const { page, receiver, flush } = await open(t);
  const { headers } = await page.evaluate(() => fetch('/echo').then((response) => response.json()));
  assert.equal(await cores(page), 1);
  await page.evaluate('idle()');
  await flush();
  await receiver.waitUntil(() => named(receiver, 'GET') && named(receiver, 'documentLoad'));
  const request = named(receiver, 'GET');
  assert.equal(headers.traceparent, `00-${request.traceId}-${request.spanId}-03`);
  assert.equal(request.parentSpanId, named(receiver, 'documentLoad').spanId);
});

test('so do the first XHR and the first span of the page', async (t) => {
  for (const first of [
    () => new Promise((done) => { const xhr = new XMLHttpRequest(); xhr.open('GET', '/echo'); xhr.onloadend = done; xhr.send(); }),
    () => window.instance.tracer.startSpan('own').end(),
  ]) {
    const { page, receiver, flush } = await open(t);
    await page.evaluate(first);
    await flush();
    await receiver.waitUntil(() => receiver.spans.some(({ name }) => /^(GET|own)$/.test(name)));
    await receiver.waitUntil(() => named(receiver, 'documentLoad'));
    const { traceId } = named(receiver, 'documentLoad');
    assert.ok(receiver.spans.every((span) => span.traceId === traceId), 'one trace');
  }
});

test('what happens before is told afterwards: resources, and attributes of all spans', async (t) => {
  const { page, receiver, flush } = await open(t);
  await page.evaluate(async () => {
    window.instance.setAttributes({ tenant: 'acme' });
    window.instance.setUser('u-17');
    await new Promise((loaded) => {
      const image = new Image();
      image.onload = image.onerror = loaded;
      image.src = '/echo?image';
    });
  });
  assert.equal(await cores(page), 0);
  await page.evaluate('idle()');
  await flush();
  const isImage = (span) => /image/.test(plain(span.attributes)['url.full']);
  await receiver.waitUntil(() => receiver.spans.some(isImage) && named(receiver, 'documentLoad'));
  const image = receiver.spans.find(isImage);
  const { tenant, 'user.id': user } = plain(image.attributes);
  assert.deepEqual([tenant, user], ['acme', 'u-17']);
  assert.equal(image.traceId, named(receiver, 'documentLoad').traceId);
});

test('an error starts it, and belongs to the page load', async (t) => {
  const { page, receiver, flush } = await open(t);
  await page.evaluate(() => void dispatchEvent(new ErrorEvent('error', { error: new Error('early'), message: 'early' })));
  assert.equal(await cores(page), 1);
  await flush();
  await receiver.waitUntil(() => named(receiver, 'exception') && named(receiver, 'documentLoad'));
  assert.equal(named(receiver, 'exception').traceId, named(receiver, 'documentLoad').traceId);
});

test('a page that is left before it was idle leaves its page load behind', async (t) => {
  const { page, receiver } = await open(t);
  assert.equal(await cores(page), 0);
  await page.goto('about:blank');
  await receiver.waitUntil(() => named(receiver, 'documentLoad') && named(receiver, 'resourceFetch'));
});

test('consent that is refused before is obeyed when it starts', async (t) => {
  const { page, receiver, flush } = await open(t);
  await page.evaluate(() => window.instance.setConsent(false));
  const { headers } = await page.evaluate(() => fetch('/echo').then((response) => response.json()));
  await page.evaluate('idle()');
  await flush();
  assert.equal(headers.traceparent, undefined);
  assert.deepEqual(receiver.spans, []);
});

test('a page that needs it first within its load event has a page load that ends', async (t) => {
  const head = `${busy}<script>addEventListener('load', () => fetch('/echo'));</script>`;
  const { page, receiver, flush } = await open(t, { head, batch: { scheduledDelayMillis: 50 } });
  await receiver.waitUntil(() => named(receiver, 'documentLoad'));
  await page.evaluate(() => window.instance.tracer.startSpan('later').end());
  await flush();
  await receiver.waitUntil(() => named(receiver, 'later'));
  assert.equal(named(receiver, 'later').parentSpanId, '');
});

test('flush and shutdown as the first need tell of the page load and what was before', async (t) => {
  for (const verb of ['flush', 'shutdown']) {
    const { page, receiver } = await open(t);
    await page.waitForFunction(() => performance.getEntriesByType('navigation')[0].loadEventEnd > 0);
    await page.evaluate((verb) => {
      dispatchEvent(new ErrorEvent('error', { error: new Error('early'), message: 'early' }));
      return window.instance[verb]();
    }, verb);
    await receiver.waitUntil(() => ['documentLoad', 'documentFetch', 'resourceFetch', 'exception'].every((name) => named(receiver, name)));
  }
});

test('shutdown that discards sends nothing of what was before, and counts it', async (t) => {
  const { page, receiver } = await open(t);
  await page.evaluate(() => {
    dispatchEvent(new ErrorEvent('error', { error: new Error('early'), message: 'early' }));
    return window.instance.shutdown({ discard: true });
  });
  assert.deepEqual(receiver.spans, []);
  const { ended, dropped } = await page.evaluate(() => window.instance.stats());
  assert.ok(ended > 0);
  assert.equal(dropped.shutdown, ended);
});

test('what was before consent was refused is gone, and what is during that is not recorded', async (t) => {
  const { page, receiver, flush } = await open(t);
  await page.evaluate(async () => {
    dispatchEvent(new ErrorEvent('error', { error: new Error('before'), message: 'before' }));
    window.instance.setConsent(false);
    await new Promise((loaded) => {
      const image = new Image();
      image.onload = image.onerror = loaded;
      image.src = '/echo?during';
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    window.instance.setConsent(true);
    window.instance.tracer.startSpan('after').end();
  });
  await flush();
  await receiver.waitUntil(() => named(receiver, 'after'));
  assert.equal(named(receiver, 'exception'), undefined);
  assert.ok(!receiver.spans.some((span) => /during/.test(plain(span.attributes)['url.full'])));
});

test('the outbox is there for what is shut down offline, whenever consent came', async (t) => {
  const { page, context } = await open(t, { outbox: true, consent: 'pending' });
  await page.evaluate(() => window.instance.setConsent(true));
  await page.waitForFunction(() => window.instance.transport.outbox);
  await context.setOffline(true);
  const stats = await page.evaluate(async () => {
    window.instance.tracer.startSpan('own').end();
    await window.instance.shutdown();
    return window.instance.stats();
  });
  assert.equal(stats.dropped.shutdown, 0);
  assert.ok(stats.stored > 0);
});

test('a clock that was set since the page began is noticed by the first span', async (t) => {
  const head = `${busy}<script>const { now } = Date; Date.now = () => now() + 3600000;</script>`;
  const { page, receiver, flush } = await open(t, { head });
  await page.evaluate(() => window.instance.tracer.startSpan('first').end());
  await flush();
  await receiver.waitUntil(() => named(receiver, 'first'));
  assert.ok(Number(named(receiver, 'first').startTimeUnixNano) / 1e6 - Date.now() > 3500000);
});

test('what a span processor sets while what was before is told comes behind it', async (t) => {
  const { page, receiver, flush } = await open(t, {
    spanProcessors: [{ onStart: () => window.instance.setAttributes({ tenant: 'new' }) }],
  });
  await page.evaluate(() => {
    window.instance.setAttributes({ tenant: 'old' });
    window.instance.tracer.startSpan('own').end();
  });
  await page.evaluate(() => window.instance.tracer.startSpan('next').end());
  await flush();
  await receiver.waitUntil(() => named(receiver, 'next'));
  assert.equal(plain(named(receiver, 'next').attributes).tenant, 'new');
});

test('with documentUrl, what is there from the start has the URL of the start', async (t) => {
  const { page, receiver, flush } = await open(t, { documentUrl: true });
  assert.equal(await cores(page), 1);
  await page.evaluate(() => history.pushState(null, '', '/another'));
  await flush();
  await receiver.waitUntil(() => named(receiver, 'documentLoad'));
  assert.doesNotMatch(plain(named(receiver, 'documentLoad').attributes)['browser.document.url.full'], /another/);
});

test('shutdown does not throw where the page has broken removeEventListener, and nothing is traced after it', async (t) => {
  const { page } = await open(t);
  const after = await page.evaluate(async () => {
    window.removeEventListener = () => {
      throw new Error('no');
    };
    await window.instance.shutdown();
    return fetch('/echo').then((response) => response.json());
  });
  assert.equal(after.headers.traceparent, undefined);
});

test('resources are told where the page has emptied their buffer before, also if nothing else watches them', async (t) => {
  const { page, receiver, flush } = await open(t, { instrumentations: { ...ON, fetch: false, xhr: false } });
  await page.waitForFunction(() => performance.getEntriesByType('resource').length > 0);
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 100)));
  await page.evaluate(() => performance.clearResourceTimings());
  assert.equal(await cores(page), 0);
  await page.evaluate('idle()');
  await flush();
  await receiver.waitUntil(() => named(receiver, 'resourceFetch'));
});

test('a request that starts it, while a span processor shuts everything down, gets no header', async (t) => {
  const { page, pageErrors } = await open(t, { spanProcessors: [{ onStart: () => void window.instance.shutdown() }] });
  const { headers } = await page.evaluate(() => fetch('/echo').then((response) => response.json()));
  assert.equal(headers.traceparent, undefined);
  assert.deepEqual(pageErrors, []);
});

test('a page whose requestIdleCallback throws has no error, and its requests are traced', async (t) => {
  const head = `<script>globalThis.requestIdleCallback = () => { throw new Error('no') };</script>`;
  const { page, receiver, pageErrors, flush } = await open(t, { head });
  await page.evaluate(() => fetch('/echo').then((response) => response.text()));
  await flush();
  await receiver.waitUntil(() => named(receiver, 'GET'));
  assert.deepEqual(pageErrors, []);
});
