// The core starts when the page first needs it, or has nothing else to do: until then nothing is lost, and nothing of it runs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plain } from '../harness/receiver.mjs';
import { stage } from './stage.mjs';

const ON = { documentLoad: true, navigation: true, errors: true };

/** A page that is never idle unless it says so, by `idle()`, and that counts what it starts of WebAssembly. */
const busy = `<script>
  const waiting = [];
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
  const { page, receiver } = await open(t);
  const { headers } = await page.evaluate(() => fetch('/echo').then((response) => response.json()));
  assert.equal(await cores(page), 1);
  await page.evaluate('idle()');
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

test('what happens before is told afterwards: resources, an error, attributes of all spans', async (t) => {
  const { page, receiver, flush } = await open(t);
  await page.evaluate(async () => {
    window.instance.setAttributes({ tenant: 'acme' });
    window.instance.setUser('u-17');
    dispatchEvent(new ErrorEvent('error', { error: new Error('early'), message: 'early' }));
    await new Promise((loaded) => {
      const image = new Image();
      image.onload = image.onerror = loaded;
      image.src = '/echo?image';
    });
  });
  assert.equal(await cores(page), 0);
  await page.evaluate('idle()');
  await flush();
  await receiver.waitUntil(() => named(receiver, 'exception') && receiver.spans.some((span) => /image/.test(plain(span.attributes)['url.full'])));
  const early = named(receiver, 'exception');
  const { tenant, 'user.id': user } = plain(early.attributes);
  assert.deepEqual([tenant, user], ['acme', 'u-17']);
  assert.equal(early.traceId, named(receiver, 'documentLoad').traceId);
});

test('a page that is left before it was idle leaves its page load and its errors behind', async (t) => {
  const { page, receiver } = await open(t);
  await page.evaluate(() => void dispatchEvent(new ErrorEvent('error', { error: new Error('early'), message: 'early' })));
  assert.equal(await cores(page), 0);
  await page.goto('about:blank');
  await receiver.waitUntil(() => named(receiver, 'documentLoad') && named(receiver, 'exception'));
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

test('a page whose requestIdleCallback throws has no error, and its requests are traced', async (t) => {
  const head = `<script>globalThis.requestIdleCallback = () => { throw new Error('no') };</script>`;
  const { page, receiver, pageErrors, flush } = await open(t, { head });
  await page.evaluate(() => fetch('/echo').then((response) => response.text()));
  await flush();
  await receiver.waitUntil(() => named(receiver, 'GET'));
  assert.deepEqual(pageErrors, []);
});
