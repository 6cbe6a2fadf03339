// What the console says with `debug: true` when a request gets no answer: all that there may be, and more only where the browser tells it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { page as htmlPage, reset, status, webspanPage, withCors } from '../harness/site.mjs';
import { stage } from './stage.mjs';

/** Longer than it waits for what else the browser may tell. */
const SETTLED_MS = 400;

/** What was said about failures, once it had time to be. */
async function said({ consoleWarnings }, expected) {
  for (const deadlineMs = performance.now() + 5_000; performance.now() < deadlineMs; await delay(20)) {
    if (messages(consoleWarnings).length >= expected) break;
  }
  await delay(SETTLED_MS);
  return messages(consoleWarnings);
}

const messages = (warnings) => warnings.filter((text) => /^webspan: (a request|an export) to /.test(text));

/** An API that allows no header of ours, and where everything is cross-origin. */
const refusing = { apiCors: { allowedOrigins: ['http://127.0.0.1:*'], allowedHeaders: ['content-type'] } };
const traced = (more = {}) => ({ debug: true, propagateTraceHeaderCorsUrls: /./, ...more });
const failing = (page, ...urls) => page.evaluate((urls) => Promise.all(urls.map((url) => fetch(url).catch((error) => error.name))), urls);

/** Until it has loaded: what is blocked or offline before that, it cannot know as such. */
const loaded = (page) => page.evaluate(async () => void (await import('/dist/diagnosis.js')));

test('a request whose traceparent is refused: the header, the line that allows it, the way without it, the trace to look for', async (t) => {
  const staged = await stage(t, { options: traced(), ...refusing });
  const { page, api, site, receiver, flush } = staged;
  assert.deepEqual(await failing(page, api.url('/echo?token=SECRET')), ['TypeError']);
  const [message, ...more] = await said(staged, 1);
  assert.deepEqual(more, []);
  assert.ok(message.startsWith(`webspan: a request to ${api.url('/echo')} got no answer`), message);
  assert.ok(message.includes(`CORS(app, origins=['${site.origin}'], allow_headers=['Content-Type', 'traceparent'])`), message);
  assert.match(message, /propagateTraceHeaderCorsUrls/);
  assert.match(message, /error that has no CORS headers/);
  assert.match(message, /ad blocker/);
  assert.doesNotMatch(message, /SECRET/);
  await flush();
  const [span] = await receiver.waitForSpans(1);
  assert.ok(message.includes(`the trace ${span.traceId}.`), message);
  assert.equal(api.preflights.length, 1, 'nothing is repeated to find out');
});

test('each cause once for each origin', async (t) => {
  const staged = await stage(t, { options: traced(), ...refusing });
  const { page, api, site } = staged;
  site.route('/gone', reset());
  await failing(page, api.url('/echo'), api.url('/other'), '/gone');
  await failing(page, api.url('/echo'), '/gone');
  const told = await said(staged, 2);
  assert.deepEqual(told.map((text) => new URL(/ to (\S+)/.exec(text)[1]).origin).sort(), [api.origin, site.origin].sort());
});

test('a request by XMLHttpRequest', async (t) => {
  const staged = await stage(t, { options: traced(), ...refusing });
  await staged.page.evaluate((url) => new Promise((resolve) => {
    const xhr = new XMLHttpRequest();
    xhr.onloadend = resolve;
    xhr.open('GET', url);
    xhr.send();
  }), staged.api.url('/echo'));
  assert.match((await said(staged, 1))[0], /does not allow traceparent/);
});

test("a request to the page's own origin: its redirect to another one", async (t) => {
  const staged = await stage(t, { options: traced(), ...refusing });
  staged.site.route('/away', status(302, { Location: staged.api.url('/echo') }));
  await failing(staged.page, '/away');
  const [message] = await said(staged, 1);
  assert.match(message, /redirected to another origin, which does not allow traceparent: put its URL into noTraceHeaderUrls/);
  assert.doesNotMatch(message, /Flask/);
});

test('nothing is said of what failed by no fault of ours, was cancelled, or was answered', async (t) => {
  const staged = await stage(t, { options: ({ apiOrigin }) => traced({ propagateTraceHeaderCorsUrls: `${apiOrigin}/traced` }), ...refusing, api: { '/slow': () => {} } });
  const { page, api } = staged;
  await page.evaluate(async (origin) => {
    const quiet = (promise) => promise.catch(() => {});
    // Without our header, not allowed by an API without CORS for this one.
    await quiet(fetch(`${origin}/echo`, { headers: { 'x-own': '1' } }));
    await quiet(fetch('/echo', { method: 'GET', body: 'a GET has none' }));
    await quiet(fetch('/slow-404'));
    const abort = new AbortController();
    const slow = quiet(fetch(`${origin}/traced`, { signal: abort.signal }));
    abort.abort();
    await slow;
  }, api.origin);
  assert.deepEqual(await said(staged, 0), []);
});

test("an export that the Collector's CORS refuses: the lines, with the names of the page's own headers but not their values, and the doctor", async (t) => {
  const staged = await stage(t, {
    options: { debug: true, headers: { 'X-Api-Key': 'SECRET' }, retry: false },
    receiver: { cors: { allowedOrigins: ['http://127.0.0.1:*'] } },
  });
  const { page, site, receiver, flush } = staged;
  await page.evaluate(() => window.instance.tracer.startSpan('lost').end());
  await flush();
  const [message, ...more] = await said(staged, 1);
  assert.deepEqual(more, []);
  assert.ok(message.includes(`allowed_origins: ['${site.origin}']`), message);
  assert.ok(message.includes("allowed_headers: ['Content-Type', 'Content-Encoding', 'x-api-key']"), message);
  assert.ok(message.endsWith(`npx webspan doctor ${receiver.url}/v1/traces ${site.origin}`), message);
  assert.doesNotMatch(message, /SECRET/);
  assert.equal(receiver.requests.length, 0);
});

test('an export that was refused with an error the page can see is another matter', async (t) => {
  const staged = await stage(t, { options: { debug: true, retry: false }, receiver: { answers: [{ status: 400 }] } });
  await staged.page.evaluate(() => window.instance.tracer.startSpan('lost').end());
  await staged.flush();
  assert.deepEqual(await said(staged, 0), []);
});

test('what the Content Security Policy blocks is told as that, and one that only reports is not', async (t) => {
  const options = (origin) => ({ serviceName: 'stage', debug: true, retry: false, endpoint: origin, propagateTraceHeaderCorsUrls: /./, instrumentations: { documentLoad: false, errors: false, navigation: false } });
  const staged = await stage(t, { ...refusing });
  const { page, site, api, receiver } = staged;
  const script = "script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'";
  site.route('/blocked', webspanPage(options(receiver.url), { csp: `${script}; connect-src 'self'` }));
  site.route('/reported', webspanPage(options(receiver.url), { headers: { 'Content-Security-Policy-Report-Only': `${script}; connect-src 'self'` } }));
  await page.goto(site.url('/blocked'));
  await loaded(page);
  await failing(page, api.url('/echo'));
  await page.evaluate(() => window.instance.flush());
  const told = await said(staged, 2);
  assert.deepEqual(told.sort(), [
    `webspan: a request to ${api.url('/echo')} was blocked by the page's Content Security Policy: its connect-src has to allow ${api.origin}`,
    `webspan: an export to ${receiver.url}/v1/traces was blocked by the page's Content Security Policy: its connect-src has to allow ${receiver.url}`,
  ]);
  staged.consoleWarnings.length = 0;
  await page.goto(site.url('/reported'));
  await loaded(page);
  await failing(page, api.url('/echo'));
  assert.match((await said(staged, 1))[0], /does not allow traceparent/);
});

test('offline is told as that, and only then', async (t) => {
  const staged = await stage(t, { options: traced({ retry: false }), apiCors: 'none', api: { '/echo': withCors({ allowedOrigins: ['http://127.0.0.1:*'], allowedHeaders: ['traceparent'] }, status(200)) } });
  const { page, api, context } = staged;
  assert.deepEqual(await failing(page, api.url('/echo')).then(([response]) => typeof response), 'object');
  await loaded(page);
  await context.setOffline(true);
  await failing(page, api.url('/echo'));
  const [message, ...more] = await said(staged, 1);
  assert.equal(message, `webspan: a request to ${api.url('/echo')} failed while the browser was offline (navigator.onLine is false)`);
  await context.setOffline(false);
  assert.deepEqual(more, []);
});

test('only debug loads it; where it cannot be loaded, all else goes on', async (t) => {
  const plain = await stage(t, { options: { propagateTraceHeaderCorsUrls: /./ }, ...refusing });
  await failing(plain.page, plain.api.url('/echo'));
  assert.deepEqual(await said(plain, 0), []);
  assert.equal(plain.site.requestsTo('/dist/diagnosis.js').length, 0);

  const without = await stage(t, { options: traced(), ...refusing, routes: { '/dist/diagnosis.js': status(404) } });
  assert.deepEqual(await failing(without.page, without.api.url('/echo')), ['TypeError']);
  await without.flush();
  assert.equal((await without.receiver.waitForSpans(1)).length, 1);
  await without.page.evaluate(() => window.instance.shutdown());
  assert.deepEqual(await said(without, 0), []);
  assert.deepEqual(without.pageErrors, []);
});

test('the script-tag build finds it beside itself', async (t) => {
  const staged = await stage(t, { ...refusing });
  const { page, site, api, receiver } = staged;
  const options = JSON.stringify({ endpoint: receiver.url, debug: true });
  site.route('/global', htmlPage({
    head: `<script src="/dist/webspan.global.js"></script><script>webspan.init({ ...${options}, propagateTraceHeaderCorsUrls: /./ });</script>`,
  }));
  await page.goto(site.url('/global'));
  await failing(page, api.url('/echo'));
  assert.match((await said(staged, 1))[0], /does not allow traceparent/);
});

test('shutdown takes its listener away, and starting again brings it back', async (t) => {
  const head = `<script>
    window.listening = 0;
    for (const [name, by] of [['addEventListener', 1], ['removeEventListener', -1]]) {
      const native = document[name];
      document[name] = function (type, ...rest) { if (type === 'securitypolicyviolation') window.listening += by; return native.call(this, type, ...rest); };
    }
  </script>`;
  const { page } = await stage(t, { options: { debug: true }, content: { head } });
  const counts = () => page.evaluate(() => window.listening);
  await page.waitForFunction(() => window.listening === 1);
  await page.evaluate(() => window.instance.shutdown());
  await page.waitForFunction(() => window.listening === 0);
  await page.evaluate(() => void (window.instance = window.webspan.init({ debug: true })));
  await page.waitForFunction(() => window.listening === 1);
  assert.equal(await counts(), 1);
});
