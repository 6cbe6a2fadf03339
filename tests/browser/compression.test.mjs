// Compressed requests: what a strict receiver makes of them, and what becomes of them where a browser asks the collector first.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stage } from './stage.mjs';

const endSpans = (page, count, prefix = 's') =>
  page.evaluate(
    ({ count, prefix }) => {
      const { tracer } = window.instance;
      for (let index = 0; index < count; index++) {
        const attributes = { 'app.component': 'Grüße, 世界', 'app.index': index, 'app.id': crypto.randomUUID() };
        tracer.startSpan(`${prefix}${index}`, { attributes }).end();
      }
    },
    { count, prefix },
  );
const encodings = (receiver) => receiver.requests.map((request) => request.headers['content-encoding']);
const names = (receiver) => new Set(receiver.spans.map(({ name }) => name));
const ALLOWED = { allowedOrigins: ['http://127.0.0.1:*'], allowedHeaders: ['Content-Type', 'Content-Encoding'] };
const REFUSED = { allowedOrigins: ['http://127.0.0.1:*'], allowedHeaders: ['Content-Type'] };

/** What is told to `onError`, from then on. */
const collectErrors = { onError: (error) => (window.told ??= []).push(error.message) };
const told = (page) => page.evaluate(() => window.told ?? []);

/** A page whose endpoint is a path of its own origin, behind which the receiver stands. */
async function proxied(t, options) {
  const staged = await stage(t, { options: { ...options, endpoint: '/otlp' } });
  staged.site.route('POST /otlp/v1/traces', async (request, response) => {
    const { 'content-type': type, 'content-encoding': encoding } = request.headers;
    const headers = { 'content-type': type, ...(encoding && { 'content-encoding': encoding }) };
    const answer = await fetch(`${staged.receiver.url}/v1/traces`, { method: 'POST', headers, body: request.body });
    response.writeHead(answer.status, { 'Content-Type': answer.headers.get('content-type') }).end(Buffer.from(await answer.arrayBuffer()));
  });
  return staged;
}

test('on its own origin a page compresses what is worth it, and the receiver has every span', async (t) => {
  const { page, receiver, flush, complaints } = await proxied(t, {});
  await endSpans(page, 3, 'few ');
  await flush();
  await endSpans(page, 700, 'many ');
  await flush();
  await receiver.waitForSpans(703);
  assert.deepEqual(encodings(receiver), [undefined, 'gzip', 'gzip']);
  assert.equal(names(receiver).size, 703);
  const { bytes, body } = receiver.requests[1];
  assert.ok(bytes.length < body.length / 2, `${bytes.length} of ${body.length} bytes`);
  assert.deepEqual(complaints(), []);
});

test('a full batch leaves compressed by itself, without a long task', async (t) => {
  const { page, receiver } = await proxied(t, { batch: { scheduledDelayMillis: 60_000 } });
  await endSpans(page, 512);
  await receiver.waitForSpans(512);
  assert.deepEqual(encodings(receiver), ['gzip']);
  assert.equal(names(receiver).size, 512);
});

test('what leaves with the page is compressed on its own origin', async (t) => {
  const { page, receiver } = await proxied(t, {});
  await endSpans(page, 500);
  await page.goto('about:blank');
  await receiver.waitForSpans(500);
  assert.deepEqual(encodings(receiver), ['gzip']);
  assert.equal(names(receiver).size, 500);
});

test('across origins nothing is compressed unless asked for, and JSON never is', async (t) => {
  for (const options of [{}, { compression: 'none' }, { compression: 'gzip', protocol: 'http/json' }]) {
    const { page, receiver, flush, complaints } = await stage(t, { options });
    await endSpans(page, 100);
    await flush();
    assert.deepEqual([encodings(receiver), receiver.spans.length], [[undefined], 100]);
    assert.deepEqual(complaints(), []);
  }
});

test('a collector on another origin that allows it gets it compressed, at the end of the page too', async (t) => {
  const { page, receiver, flush, complaints } = await stage(t, { options: { compression: 'gzip' }, receiver: { cors: ALLOWED } });
  await endSpans(page, 100, 'a');
  await flush();
  await endSpans(page, 100, 'b');
  assert.deepEqual(complaints(), []);
  await page.goto('about:blank');
  await receiver.waitForSpans(200);
  assert.deepEqual(encodings(receiver), ['gzip', 'gzip']);
});

test('one that does not allow it gets every span all the same, and its lack is told once', async (t) => {
  const { page, receiver, flush } = await stage(t, { options: { compression: 'gzip', ...collectErrors }, receiver: { cors: REFUSED } });
  for (let time = 1; time <= 3; time++) {
    await endSpans(page, 100, `${time} `);
    await flush();
    assert.equal(receiver.spans.length, time * 100);
  }
  assert.deepEqual(encodings(receiver), [undefined, undefined, undefined]);
  const messages = await told(page);
  assert.equal(messages.length, 1);
  assert.match(messages[0], /'Content-Encoding'.*cors\.allowed_headers/);
  const { ended, delivered } = await page.evaluate(() => window.instance.stats());
  assert.deepEqual([ended, delivered], [300, 300]);
});

test('what leaves with the page to another origin is not compressed before that was accepted', async (t) => {
  const { page, receiver } = await stage(t, { options: { compression: 'gzip' }, receiver: { cors: REFUSED } });
  await endSpans(page, 100);
  await page.goto('about:blank');
  await receiver.waitForSpans(100);
  assert.deepEqual(encodings(receiver), [undefined]);
});
