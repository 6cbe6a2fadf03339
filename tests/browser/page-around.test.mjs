// The page around us: names and methods that it has redefined, its own origin, other tracers, bodies that break, entries that never come, a document that is
// written anew.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { leave } from '../harness/browser.mjs';
import { plain } from '../harness/receiver.mjs';
import { echo, json, page as html, text } from '../harness/site.mjs';
import { stage } from './stage.mjs';

const isClient = (span) => span.kind === 'CLIENT';
const endingWith = (part) => (span) => urlOf(span)?.endsWith(part);
const durationMs = ({ startTimeUnixNano, endTimeUnixNano }) => Number(BigInt(endTimeUnixNano) - BigInt(startTimeUnixNano)) / 1e6;
const urlOf = ({ attributes }) => plain(attributes)['url.full'];
const CONTEXT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;
/** The browser makes the entry of a request when that has ended, and our wait for it is capped. */
const CAP_MS = 2500;

const requestByXhr = (url) =>
  new Promise((done) => {
    const xhr = new XMLHttpRequest();
    xhr.open('GET', url);
    xhr.onloadend = () => done(xhr.status);
    xhr.send();
  });

// ---- whose origin it is

for (const [name, head] of [
  ['a variable called origin', (third) => `<script>var origin = '${third}';</script>`],
  ['a getter called origin', (third) => `<script>Object.defineProperty(window, 'origin', { get: () => '${third}' });</script>`],
  ['an element called baseURI', (third) => `<img name="baseURI" alt="${third}">`],
  ['a base of another origin', (third) => `<base href="${third}/">`],
]) {
  test(`with ${name}, our header goes to the page's own origin and to no other`, async (t) => {
    const { page, site, api } = await stage(t, { content: { module: '/dist/index.js' } });
    site.route('/odd', html({ head: `${head(api.origin)}<script type="module">import * as webspan from '${site.url('/dist/index.js')}'; window.instance = webspan.init({ logLevel: 'none' });</script>` }));
    await page.goto(site.url('/odd'));
    await page.waitForFunction(() => window.instance);
    await page.evaluate(async ([own, third]) => {
      await fetch(`${own}/echo?own`);
      await fetch(`${third}/echo?third`);
      await fetch('/echo?relative');
    }, [site.origin, api.origin]);
    const [own] = site.requestsTo('/echo').filter(({ url }) => url.search === '?own');
    assert.match(own.headers.traceparent, CONTEXT);
    for (const { headers } of api.requestsTo('/echo')) assert.equal(headers.traceparent, undefined);
    assert.equal(api.preflights.length, 0);
  });
}

test('a request as that of a frame, which has another base, is none of ours', async (t) => {
  const { page, site } = await stage(t, { routes: { '/below/frame': html({}), '/below/echo': echo() } });
  await page.evaluate(async () => {
    const frame = document.body.appendChild(Object.assign(document.createElement('iframe'), { src: '/below/frame' }));
    await new Promise((done) => (frame.onload = done));
    await fetch.call(frame.contentWindow, 'echo').then((response) => response.text());
  });
  const [{ headers }] = site.requestsTo('/below/echo');
  assert.equal(headers.traceparent, undefined);
});

// ---- waiting for an entry

test('a fetch that a preload answers ends when its body has been read', async (t) => {
  const { page, receiver, flush, site } = await stage(t, { routes: { '/data': json({ a: 1 }) }, content: { head: '<link rel="preload" as="fetch" crossorigin href="/data">' } });
  await page.evaluate(async () => {
    await new Promise((done) => setTimeout(done, 200));
    await fetch('/data').then((response) => response.json());
  });
  await delay(CAP_MS);
  await flush();
  const [span] = await receiver.waitForSpans(endingWith('/data'));
  assert.equal(site.requestsTo('/data').length, 1);
  assert.ok(durationMs(span) < 1000, `${durationMs(span)} ms`);
  assert.equal(span.attributes['webspan.unfinished'], undefined);
});

for (const [name, head] of [
  ['without PerformanceObserver', 'delete window.PerformanceObserver'],
  ['with an observer that never calls back', 'window.PerformanceObserver = class { observe() {} disconnect() {} takeRecords() { return []; } }; PerformanceObserver.supportedEntryTypes = ["resource"];'],
  ['with an observer that throws', 'window.PerformanceObserver = class { observe() { throw new TypeError("blocked"); } disconnect() {} takeRecords() { return []; } };'],
  ['with a clock that stands still', 'performance.now = () => 1000;'],
  ['with a clock of another time', 'const now = performance.now.bind(performance); performance.now = () => now() + 1e6;'],
]) {
  for (const [way, read] of [['by a method', (response) => response.text()], ['by its stream', async (response) => { const reader = response.body.getReader(); while (!(await reader.read()).done); }]]) {
    test(`${name}, a fetch has a span also where its body is read ${way}`, async (t) => {
      const { page, receiver, flush, pageErrors } = await stage(t, { options: { logLevel: 'none' }, content: { head: `<script>{ ${head} }</script>` } });
      await page.evaluate(`fetch('/echo').then(${read})`);
      await delay(CAP_MS);
      await flush();
      assert.equal((await receiver.waitForSpans(isClient)).length, 1);
      assert.deepEqual(pageErrors, []);
    });
  }
}

test('a stream that lasts is waited for, and its span ends with it', async (t) => {
  const { page, receiver, flush } = await stage(t, { routes: { '/long': (request, response) => { response.writeHead(200); const timer = setInterval(() => response.write('x'.repeat(100)), 100); setTimeout(() => (clearInterval(timer), response.end()), 3500); } } });
  await page.evaluate(() => fetch('/long').then(async (response) => { const reader = response.body.getReader(); while (!(await reader.read()).done); }));
  await delay(300);
  await flush();
  const [span] = await receiver.waitForSpans(endingWith('/long'));
  assert.ok(durationMs(span) > 3000, `${durationMs(span)} ms`);
});

// ---- bodies

const cut = (headers) => (request, response) => {
  response.writeHead(200, headers);
  response.write('x'.repeat(100));
  setTimeout(() => response.destroy(), 100);
};

test('a body that breaks is an error, however it is read, and the page gets the error that it would get without us', async (t) => {
  const routes = {
    '/length': cut({ 'Content-Length': '1000' }),
    '/chunked': cut({}),
    '/gzip': (request, response) => response.writeHead(200, { 'Content-Encoding': 'gzip' }).end('this is none'),
  };
  const { page, receiver, flush, pageErrors } = await stage(t, { routes });
  const calls = ['text', 'json', 'blob', 'arrayBuffer'].flatMap((method) => Object.keys(routes).map((path) => [path, method]));
  const errors = await page.evaluate((calls) => Promise.all(calls.map(([path, method]) => fetch(`${path}?${method}`).then((response) => response[method]()).then(() => 'read', (error) => error.name))), calls);
  assert.deepEqual([...new Set(errors)], ['TypeError']);
  await delay(CAP_MS);
  await flush();
  const spans = await receiver.waitForSpans(isClient, { count: calls.length }).catch(() => receiver.spans.filter(isClient));
  assert.equal(spans.length, calls.length);
  for (const span of spans) {
    const attributes = plain(span.attributes);
    assert.deepEqual([span.status.code, attributes['error.type'], attributes['http.response.status_code']], ['ERROR', 'TypeError', 200], attributes['url.full']);
  }
  assert.deepEqual(pageErrors, []);
});

test('what is no fault of the transfer is no error: no JSON, no form, read twice, called off', async (t) => {
  const { page, receiver, flush } = await stage(t, { routes: { '/plain': text('plain'), '/slow': cut({ 'Content-Length': '1000' }) } });
  await page.evaluate(async () => {
    const { signal, ...controller } = ((c) => ({ signal: c.signal, abort: () => c.abort() }))(new AbortController());
    const quiet = () => {};
    await fetch('/plain?json').then((response) => response.json()).catch(quiet);
    await fetch('/plain?form').then((response) => response.formData()).catch(quiet);
    await fetch('/plain?twice').then((response) => response.text().then(() => response.text())).catch(quiet);
    const reading = fetch('/slow?off', { signal }).then((response) => response.text());
    setTimeout(controller.abort, 50);
    await reading.catch(quiet);
  });
  await delay(CAP_MS);
  await flush();
  const spans = receiver.spans.filter(isClient);
  assert.equal(spans.length, 4);
  for (const span of spans) assert.equal(span.attributes['error.type'], undefined, `${urlOf(span)} ${span.status.code}`);
});

test('a rejection of a body that nobody handles is told once, with its own error', async (t) => {
  const { page } = await stage(t, { routes: { '/length': cut({ 'Content-Length': '1000' }) } });
  const seen = await page.evaluate(async () => {
    const reasons = [];
    addEventListener('unhandledrejection', (event) => (event.preventDefault(), reasons.push(event.reason.name)));
    fetch('/length').then((response) => void response.text());
    await new Promise((done) => setTimeout(done, 600));
    return reasons;
  });
  assert.deepEqual(seen, ['TypeError']);
});

test('a URL is told as it is sent, in the encoding of its document', async (t) => {
  const { page, receiver, site } = await stage(t);
  site.route('/latin', (request, response) => response.writeHead(200, { 'Content-Type': 'text/html; charset=windows-1252' }).end(`<!doctype html><title>t</title><script type="module">import * as webspan from '/dist/index.js'; window.instance = webspan.init({ endpoint: '${receiver.url}', logLevel: 'none' });</script>`));
  await page.goto(site.url('/latin'));
  await page.waitForFunction(() => window.instance);
  await page.evaluate(requestByXhr, '/echo?x=\u00e4');
  await page.evaluate(() => fetch('/echo?f=\u00e4').then((response) => response.text()));
  await delay(500);
  await page.evaluate(() => window.instance.flush());
  const spans = await receiver.waitForSpans(isClient, { count: 2 });
  assert.deepEqual(spans.map((span) => urlOf(span).replace(/.*\?/, '')).sort(), ['f=%C3%A4', 'x=%E4']);
  for (const span of spans) assert.ok(span.events.some(({ name }) => name === 'responseEnd'), `${urlOf(span)} has found its entry`);
});

// ---- two tracers

const THEIRS = '00-11111111111111111111111111111111-2222222222222222-01';

test('a tracer below us that sets its header as we have set ours leaves one header, whichever it writes', async (t) => {
  const head = `<script>
    const send = XMLHttpRequest.prototype.send;
    XMLHttpRequest.prototype.send = function (body) { this.setRequestHeader('TraceParent', '${THEIRS}'); this.setRequestHeader('x-theirs', '1'); return send.call(this, body); };
    const native = fetch;
    window.fetch = (input, init = {}) => native(input, { ...init, headers: { ...init.headers, traceparent: '${THEIRS}' } });
  </script>`;
  const { page, site } = await stage(t, { content: { head } });
  await page.evaluate(requestByXhr, '/echo?xhr');
  await page.evaluate(() => fetch('/echo?fetch').then((response) => response.text()));
  for (const { headers } of site.requestsTo('/echo')) assert.match(headers.traceparent, CONTEXT);
  assert.equal(site.requestsTo('/echo')[0].headers['x-theirs'], '1');
});

test('a tracer above us has its word, and a header after send() is refused as without us', async (t) => {
  const { page, site } = await stage(t);
  const refused = await page.evaluate((theirs) => {
    const xhr = new XMLHttpRequest();
    xhr.open('GET', '/echo');
    xhr.setRequestHeader('traceparent', theirs);
    xhr.send();
    const done = new Promise((resolve) => (xhr.onloadend = resolve));
    try {
      xhr.setRequestHeader('traceparent', theirs);
    } catch (error) {
      return done.then(() => error.name);
    }
    return done;
  }, THEIRS);
  assert.equal(refused, 'InvalidStateError');
  assert.equal(site.requestsTo('/echo')[0].headers.traceparent, THEIRS);
});

for (const [name, polyfill] of [
  ['at once', 'xhr.send(init.body);'],
  ['later', 'setTimeout(() => xhr.send(init.body), 20);'],
]) {
  test(`a fetch that is made of an XHR ${name} is one span with one header`, async (t) => {
    const head = `<script>
      window.fetch = (url, init = {}) => new Promise((resolve, reject) => {
        const xhr = new XMLHttpRequest();
        xhr.open(init.method ?? 'GET', url);
        for (const [name, value] of Object.entries(init.headers ?? {})) xhr.setRequestHeader(name, value);
        xhr.onload = () => resolve(new Response(xhr.responseText, { status: xhr.status }));
        xhr.onerror = reject;
        ${polyfill}
      });
    </script>`;
    const { page, site, receiver, flush } = await stage(t, { content: { head } });
    await page.evaluate(() => fetch('/echo').then((response) => response.text()));
    await delay(CAP_MS);
    await flush();
    const spans = receiver.spans.filter(isClient);
    assert.equal(spans.length, 1);
    assert.equal(spans[0].scope.name, 'webspan/fetch');
    assert.match(site.requestsTo('/echo')[0].headers.traceparent, new RegExp(spans[0].spanId));
  });
}

// ---- what the call gives

test('what fetch gives beside a promise is there, and does what it did', async (t) => {
  const head = `<script>
    const native = fetch;
    class Cancellable extends Promise { #controller; static get [Symbol.species]() { return Promise; } static of(controller, promise) { const own = new Cancellable((...both) => promise.then(...both)); own.#controller = controller; return own; } cancel() { this.#controller.abort(); } }
    window.fetch = (url, init) => {
      const controller = new AbortController();
      const promise = native(url, { ...init, signal: controller.signal });
      if (url === '/never?own') return Cancellable.of(controller, promise);
      return Object.assign(promise, { abort: () => controller.abort() });
    };
  </script>`;
  const { page } = await stage(t, { routes: { '/never': () => {} }, content: { head } });
  const seen = await page.evaluate(async () => {
    const one = fetch('/never');
    one.abort();
    const two = fetch('/never?own');
    two.cancel();
    return Promise.all([one, two].map((promise) => promise.catch((error) => error.name)));
  });
  assert.deepEqual(seen, ['AbortError', 'AbortError']);
});

// ---- names and methods that a page has redefined

for (const name of ['URL', 'Proxy', 'Map', 'Set', 'WeakMap', 'Headers', 'Request', 'AbortController', 'TextEncoder', 'Uint8Array', 'PerformanceObserver', 'MutationObserver', 'Reflect', 'Promise', 'Symbol', 'performance', 'Response', 'Error', 'JSON']) {
  for (const [when, wrap] of [['before', (code) => ({ head: `<script>${code}</script>` })], ['after', (code) => ({ body: `<script>addEventListener('load', () => (0, eval)(${JSON.stringify(code)}))</script>` })]]) {
    for (const code of [`function ${name}() {}`, `var ${name} = 5;`]) {
      test(`a page with "${code}" ${when} webspan goes on, and import and init do not throw`, async (t) => {
        const { page, site, receiver } = await stage(t);
        const module = `
          const note = (text) => document.body.append(' ' + text);
          import('/dist/index.js').then(({ init }) => { init({ endpoint: ${JSON.stringify(receiver.url)}, logLevel: 'none' }); note('started'); }).catch((error) => note('threw ' + error));`;
        const { head = '', body = '' } = wrap(code);
        site.route('/odd', html({ head: `<script>window.odd = []; addEventListener('error', (event) => odd.push(event.message));</script>${head}<script type="module">${module}</script>`, body }));
        const tab = await page.context().newPage();
        await tab.goto(site.url('/odd'));
        const seen = await odd(tab, 'started|threw', 'document.body.lastChild.textContent + odd');
        assert.match(seen, /started/);
        assert.doesNotMatch(seen, /threw|rror/);
        const session = await tab.context().newCDPSession(tab);
        await session.send('Runtime.evaluate', { expression: `{ const done = (way, status) => document.body.append(' ' + way + status); fetch('/echo?plain').then((r) => done('fetch', r.status)); fetch('/echo?headers', { method: 'POST', headers: { A: '1' }, body: 'b' }).then((r) => done('post', r.status)); const xhr = new XMLHttpRequest(); xhr.onloadend = () => done('xhr', xhr.status); xhr.open('GET', '/echo?xhr'); xhr.send(); }` });
        await session.detach();
        const done = await odd(tab, 'xhr', 'document.body.textContent.split("started")[1] + odd', (text) => ['fetch200', 'post200', 'xhr200'].every((way) => text.includes(way)));
        for (const way of ['fetch200', 'post200', 'xhr200']) assert.ok(done.includes(way), done);
        assert.doesNotMatch(done, /rror/);
        await tab.close();
      });
    }
  }
}

/** Such a page breaks what drives it: its text is asked for by CDP, which needs nothing of the page's. */
async function odd(page, pattern, expression, is = (text) => new RegExp(pattern).test(text)) {
  const session = await page.context().newCDPSession(page);
  let value = '';
  for (let tries = 0; tries < 100 && !is(value); tries++) {
    await delay(30);
    ({ result: { value } } = await session.send('Runtime.evaluate', { expression }));
  }
  await session.detach();
  return value;
}

for (const trap of ['get', 'set', 'has', 'apply', 'value', 'writable', 'then', 'construct', 'headers', 'signal', 'once', 'entryTypes']) {
  test(`a page that has put "${trap}" into Object.prototype goes on, and is traced`, async (t) => {
    const { page, receiver, pageErrors } = await stage(t, { content: { head: `<script>Object.prototype.${trap} = ${trap === 'then' ? 'undefined' : 'function (key) { return this[key]; }'};</script>` }, options: { logLevel: 'none', batch: { scheduledDelayMillis: 100 } } });
    // That is no signal, for whoever gives fetch an init.
    const isRead = trap === 'signal';
    const seen = await page.evaluate(async () => {
      const attempt = async (run) => { try { return await run(); } catch (error) { return error.name; } };
      return [
        await attempt(async () => (await fetch.apply(window, ['/echo'])).status),
        await attempt(async () => (await fetch.bind(window)('/echo', { method: 'POST' })).status),
        await attempt(() => new Promise((done) => { const xhr = new XMLHttpRequest(); XMLHttpRequest.prototype.open.apply(xhr, ['GET', '/echo']); xhr.onloadend = () => done(xhr.status); xhr.send(); })),
      ].join();
    });
    assert.equal(seen, isRead ? '200,TypeError,200' : '200,200,200');
    await receiver.waitForSpans(isClient);
    assert.deepEqual(pageErrors, []);
  });
}

for (const [name, head] of [
  ['a function without its prototype', 'const Native = XMLHttpRequest; window.XMLHttpRequest = function () { return new Native(); };'],
  ['a function with a copy of its prototype', 'const Native = XMLHttpRequest; window.XMLHttpRequest = function () { return new Native(); }; for (const name of ["open", "send", "setRequestHeader"]) XMLHttpRequest.prototype[name] = Native.prototype[name];'],
  ['a subclass', 'window.XMLHttpRequest = class extends XMLHttpRequest {};'],
  ['a subclass with an open() of its own', 'window.XMLHttpRequest = class extends XMLHttpRequest { open(method, url) { super.open(method, url, true); } };'],
  ['a proxy', 'window.XMLHttpRequest = new Proxy(XMLHttpRequest, {});'],
]) {
  test(`with ${name} in the place of XMLHttpRequest, requests are traced once`, async (t) => {
    const { page, site, receiver, flush } = await stage(t, { content: { head: `<script>{ ${head} }</script>` } });
    assert.equal(await page.evaluate(requestByXhr, '/echo'), 200);
    await delay(300);
    await flush();
    await receiver.waitForSpans(isClient);
    assert.equal(receiver.spans.filter(isClient).length, 1);
    assert.match(site.requestsTo('/echo')[0].headers.traceparent, CONTEXT);
  });
}

// ---- a document that is written anew

for (const [name, write] of [['document.open()', () => (document.open(), document.write('<p>anew'), document.close())], ['document.write()', () => (document.write('<p>anew'), document.close())]]) {
  test(`after ${name} errors are told, and what waits leaves with the page, once`, async (t) => {
    const { page, site, receiver } = await stage(t, { options: { batch: { scheduledDelayMillis: 60_000 }, instrumentations: { errors: true } }, content: { head: '<script>delete window.fetchLater</script>' } });
    await page.evaluate(write);
    await page.evaluate(async () => {
      window.instance.tracer.startSpan('own').end();
      setTimeout(() => { throw new Error('after it'); });
      await new Promise((done) => setTimeout(done, 100));
    });
    await leave(page, site.url('/elsewhere'));
    await receiver.waitForSpans((span) => span.name === 'own');
    assert.equal(receiver.spans.filter(({ name }) => name === 'own').length, 1);
    assert.equal(receiver.spans.filter(({ name }) => name === 'exception').length, 1);
  });
}
