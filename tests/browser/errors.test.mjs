// What the page did not catch, and what a page that runs away costs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { plain } from '../harness/receiver.mjs';
import { text } from '../harness/site.mjs';
import { stage as plainStage } from './stage.mjs';

const body = '<p>Text</p>';
const quick = (options) => ({ batch: { scheduledDelayMillis: 20 }, ...options, instrumentations: { errors: true, ...options?.instrumentations } });
const stage = (t, { options, content, ...rest } = {}) => plainStage(t, { options: quick(options), content: { body, ...content }, ...rest });

const isError = ({ name }) => name === 'exception';
const told = ({ events: [event], status }) => {
  const { 'exception.type': type, 'exception.message': message, 'exception.stacktrace': stack } = plain(event.attributes);
  return { event: event.name, type, message, stack, status };
};
const errorsOf = async (receiver, count) => {
  await receiver.waitUntil(() => receiver.spans.filter(isError).length >= count);
  return receiver.spans.filter(isError);
};
const books = ({ ended, queued, inFlight, delivered, unacknowledged, dropped: { notReady, ...reasons } }) =>
  assert.equal(ended, queued + inFlight + delivered + unacknowledged + Object.values(reasons).reduce((sum, count) => sum + count, 0));

for (const [name, run, type, message, stack] of [
  ['an uncaught error', () => setTimeout(() => { throw new TypeError('no such thing'); }), 'TypeError', 'no such thing', /^TypeError: no such thing\n {4}at /],
  ['an uncaught text', () => setTimeout(() => { throw 'only text'; }), 'string', 'only text', undefined],
  ['an uncaught null', () => document.body.append(Object.assign(document.createElement('script'), { src: '/null.js' })), 'Error', 'Uncaught null', /^http:.*\/null\.js:1:1$/],
  ['an error with a code', () => setTimeout(() => { throw Object.assign(new Error('full'), { code: 'E_FULL' }); }), 'E_FULL', 'full', /^Error: full/],
  ['a rejection with an error', () => void Promise.reject(new RangeError('too far')), 'RangeError', 'too far', /^RangeError: too far/],
  ['a rejection with a text', () => void Promise.reject('because'), 'string', 'because', undefined],
  ['a rejection with nothing', () => void Promise.reject(), 'undefined', 'undefined', undefined],
  ['a rejection with an object', () => void Promise.reject({ status: 5 }), 'object', '[object Object]', undefined],
  ['a rejection with an object that looks like an error', () => void Promise.reject({ name: 'ApiError', message: 'busy' }), 'ApiError', 'busy', undefined],
  ['a rejection with a DOMException', () => void Promise.reject(new DOMException('stopped', 'AbortError')), 'AbortError', 'stopped', undefined],
  ['an error whose message throws', () => void Promise.reject({ get message() { throw new Error('deeper'); } }), 'object', undefined, undefined],
]) {
  test(`${name} is a span with an exception`, async (t) => {
    const { page, receiver } = await stage(t, { routes: { '/null.js': text('throw null', { headers: { 'Content-Type': 'text/javascript' } }) } });
    await page.evaluate(run);
    const [span] = await errorsOf(receiver, 1);
    const { stack: seen, ...rest } = told(span);
    assert.deepEqual(rest, { event: 'exception', type, message, status: { code: 'ERROR', message: message ?? '' } });
    if (stack) assert.match(seen, stack);
    else assert.equal(seen, undefined);
    assert.equal(span.kind, 'INTERNAL');
    await delay(100);
    assert.equal(receiver.spans.length, 1);
  });
}

test('an error of a script of another origin says what little the browser tells', async (t) => {
  const { page, receiver, api } = await stage(t, { api: { '/script.js': text('throw new Error("S3CR3T")', { headers: { 'Content-Type': 'text/javascript' } }) } });
  await page.evaluate((src) => document.body.append(Object.assign(document.createElement('script'), { src })), api.url('/script.js'));
  const { type, message, stack } = told((await errorsOf(receiver, 1))[0]);
  assert.deepEqual([type, message, stack], ['Error', 'Script error.', undefined]);
});

test('resources that do not load, and errors that are caught, are none', async (t) => {
  const { page, receiver, flush } = await stage(t);
  await page.evaluate(async () => {
    await new Promise((done) => Object.assign(document.body.appendChild(new Image()), { src: '/missing.png', onerror: done }));
    document.body.append(Object.assign(document.createElement('script'), { src: '/missing.js' }));
    await fetch('http://127.0.0.1:1/').catch(() => {});
    try { throw new Error('caught'); } catch {}
    Promise.reject(new Error('handled')).catch(() => {});
    const later = Promise.reject(new Error('handled in time'));
    await Promise.resolve();
    later.catch(() => {});
    await new Promise((done) => setTimeout(done, 100));
  });
  await flush();
  assert.deepEqual(receiver.spans.filter(isError), []);
});

test('the page\'s own listeners, preventDefault and window.onerror behave as without webspan', async (t) => {
  const run = () => new Promise((done) => {
    const seen = [];
    window.onerror = (message, source, line, column, error) => { seen.push(`onerror ${message} ${error?.message}`); return error?.message === 'quiet'; };
    window.onunhandledrejection = (event) => seen.push(`onunhandledrejection ${event.reason}`);
    addEventListener('error', (event) => seen.push(`error ${event.message} ${event.defaultPrevented}`));
    addEventListener('unhandledrejection', (event) => { seen.push(`unhandledrejection ${event.reason}`); event.preventDefault(); });
    addEventListener('rejectionhandled', () => seen.push('rejectionhandled'));
    setTimeout(() => { throw new Error('loud'); });
    setTimeout(() => { throw new Error('quiet'); });
    const rejected = Promise.reject('reason');
    setTimeout(() => rejected.catch(() => {}), 50);
    setTimeout(() => done(seen), 150);
  });
  const { page, receiver, site, pageErrors, consoleErrors } = await stage(t);
  const ours = await page.evaluate(run);
  const complaints = [...pageErrors.splice(0), ...consoleErrors.splice(0)];
  await page.goto(site.url('/elsewhere'));
  const bare = await page.evaluate(run);
  assert.deepEqual(ours, bare);
  assert.deepEqual(complaints, [...pageErrors, ...consoleErrors]);
  // The page was left: what was not answered yet may have been sent twice.
  const ids = (await errorsOf(receiver, 3)).map(({ spanId }) => spanId);
  assert.equal(new Set(ids).size, 3);
});

test('an error belongs to the active span, else to the trace of the page', async (t) => {
  const { page, receiver } = await stage(t, { options: { instrumentations: { documentLoad: true, navigation: true } } });
  const [load] = await receiver.waitForSpans(({ name }) => name === 'documentLoad');
  await page.evaluate(() => {
    setTimeout(() => { throw new Error('after the load'); });
    window.webspan.traced('click', () => dispatchEvent(new ErrorEvent('error', { error: new Error('in a click'), message: 'in a click' })));
  });
  await errorsOf(receiver, 2);
  await page.evaluate(() => {
    history.pushState(null, '', '/route');
    setTimeout(() => { throw new Error('in a route'); });
  });
  const errors = await errorsOf(receiver, 3);
  const [click] = await receiver.waitForSpans(({ name }) => name === 'click');
  const [route] = await receiver.waitForSpans(({ name }) => name === 'navigation');
  for (const [message, parent] of [['after the load', load], ['in a click', click], ['in a route', route]]) {
    const span = errors.find((one) => told(one).message === message);
    assert.deepEqual([span.traceId, span.parentSpanId], [parent.traceId, parent.spanId], message);
  }
});

test('secrets in messages, stacks and statuses are replaced', async (t) => {
  const { page, receiver } = await stage(t);
  await page.evaluate(() => void Promise.reject(new Error('GET https://me:S3CR3T@host/?access_token=S3CR3T failed')));
  const [span] = await errorsOf(receiver, 1);
  assert.equal(told(span).message, 'GET https://REDACTED:REDACTED@host/?access_token=REDACTED failed');
  assert.doesNotMatch(JSON.stringify(span), /S3CR3T/);
});

test('what is thrown is read once, and a value that changes its mind is told as it was', async (t) => {
  const { page, receiver } = await stage(t);
  await page.evaluate(() => {
    window.reads = 0;
    void Promise.reject({ name: 'Counted', get message() { return `read ${++window.reads}`; } });
  });
  const [span] = await errorsOf(receiver, 1);
  assert.deepEqual([told(span).message, span.status.message, await page.evaluate(() => window.reads)], ['read 1', 'read 1', 1]);
});

test('the same error again and again is told once in five seconds', async (t) => {
  const { page, receiver, flush } = await stage(t);
  await page.evaluate(() => new Promise((done) => {
    const fail = () => { throw new Error('same'); };
    const timer = setInterval(fail, 20);
    setTimeout(() => { clearInterval(timer); done(); }, 400);
  }));
  await flush();
  assert.equal(receiver.spans.filter(isError).length, 1);
  await page.evaluate(() => void Promise.reject('another'));
  assert.equal((await errorsOf(receiver, 2)).length, 2);
});

test('an error that goes on is told again after five seconds', async (t) => {
  const { page, receiver } = await stage(t);
  await page.evaluate(() => setInterval(() => { throw new Error('same'); }, 100));
  await receiver.waitUntil(() => receiver.spans.filter(isError).length === 2, 10_000);
  const [first, second] = receiver.spans.filter(isError).map(({ startTimeUnixNano }) => Number(startTimeUnixNano) / 1e6);
  assert.ok(second - first >= 5000);
});

test('a page that throws another error in every frame costs a bounded number of spans, counted and told once', async (t) => {
  const { page, receiver, flush } = await stage(t, { options: { limits: { spansPerMinute: 20 }, logLevel: 'none', onError: (error) => (window.told ??= []).push(error.message) } });
  await page.evaluate(() => new Promise((done) => {
    let frames = 0;
    requestAnimationFrame(function frame() {
      frames++ < 60 ? requestAnimationFrame(frame) : done();
      throw new Error(`frame ${performance.now()}`);
    });
  }));
  await page.evaluate(() => window.instance.tracer.startSpan('own').end());
  await flush();
  await receiver.waitForSpans(({ name }) => name === 'own');
  assert.equal(receiver.spans.filter(isError).length, 20);
  const stats = await page.evaluate(() => window.instance.stats());
  assert.equal(stats.dropped.rateLimited, 41);
  books(stats);
  assert.deepEqual((await page.evaluate(() => window.told)).length, 1);
  assert.match((await page.evaluate(() => window.told))[0], /rateLimited/);
});

test('a page that fetches in an endless loop costs a bounded number of spans, and its requests go on', async (t) => {
  const { page, receiver, flush, site } = await stage(t, { options: { limits: { spansPerMinute: 10 }, logLevel: 'none' } });
  await page.evaluate(async () => {
    for (let number = 0; number < 50; number++) await fetch('/echo').then((response) => response.text());
  });
  await flush();
  assert.equal(receiver.spans.filter(({ kind }) => kind === 'CLIENT').length, 10);
  assert.equal(site.requestsTo('/echo').length, 50);
  const stats = await page.evaluate(() => window.instance.stats());
  assert.equal(stats.dropped.rateLimited, 40);
  books(stats);
  const flags = site.requestsTo('/echo').map(({ headers }) => parseInt(headers.traceparent.slice(-2), 16) & 1);
  assert.equal(flags.filter(Boolean).length, 10, 'a backend is not told to record what has no span here');
});

test('a storm of errors leaves the requests their spans', async (t) => {
  const { page, receiver, flush } = await stage(t, { options: { limits: { spansPerMinute: 20 }, logLevel: 'none' } });
  await page.evaluate(async () => {
    for (let number = 0; number < 100; number++) void Promise.reject(new Error(`storm ${number}`));
    await new Promise((done) => setTimeout(done, 100));
    await fetch('/echo').then((response) => response.text());
  });
  await flush();
  assert.equal(receiver.spans.filter(({ kind }) => kind === 'CLIENT').length, 1);
});

test('nothing is told while there is no consent, and after shutdown; hooks that throw are no errors of the page', async (t) => {
  const { page, receiver, flush, pageErrors } = await stage(t, { options: { logLevel: 'none', instrumentations: { fetch: { requestHook: () => { throw new Error('hook'); } } } } });
  const fail = (message) => page.evaluate((text) => new Promise((done) => setTimeout(() => { setTimeout(done, 50); throw new Error(text); })), message);
  await page.evaluate(() => window.instance.setConsent(false));
  await fail('without consent');
  await page.evaluate(() => window.instance.setConsent(true));
  await fail('with consent');
  await page.evaluate(() => fetch('/echo').then((response) => response.text()));
  await flush();
  await page.evaluate(() => window.instance.shutdown());
  await fail('after shutdown');
  assert.deepEqual(receiver.spans.filter(isError).map((span) => told(span).message), ['with consent']);
  assert.deepEqual(pageErrors, ['without consent', 'with consent', 'after shutdown']);
});
