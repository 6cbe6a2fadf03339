// What the browser's resource timing tells of a request, by fetch and by XHR alike: network events, sizes, protocol, the end of a body.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { plain } from '../harness/receiver.mjs';
import { after, flood, hang, redirect, slow, status, text } from '../harness/site.mjs';
import { stage } from './stage.mjs';

const isClient = (span) => span.kind === 'CLIENT';
const durationMs = (span) => Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6;
const inOrder = (spans) => [...spans].sort((a, b) => (a.startTimeUnixNano < b.startTimeUnixNano ? -1 : 1));
const eventNames = (span) => span.events.map(({ name }) => name);
const urlOf = (span) => new URL(plain(span.attributes)['url.full']);

const UNTIMED = ['fetchStart', 'responseEnd'];
/** Of plain HTTP, on a connection that is there already or made for it. */
const TIMED = ['fetchStart', 'domainLookupStart', 'domainLookupEnd', 'connectStart', 'connectEnd', 'requestStart', 'responseStart', 'responseEnd'];

/** In the page: asks both ways, one after the other, and reads the answer. */
const head = `<script>
  window.ask = {
    fetch: async (url, init) => { const response = await fetch(url, init); await response.text(); return response; },
    xhr: (url, { method = 'GET' } = {}) => new Promise((resolve) => {
      const xhr = new XMLHttpRequest();
      xhr.onloadend = () => resolve(xhr);
      xhr.open(method, url);
      xhr.send();
    }),
  };
  window.both = async (...args) => { await ask.fetch(...args); await wait(20); await ask.xhr(...args); await wait(20); };
  window.wait = (durationMs) => new Promise((resolve) => setTimeout(resolve, durationMs));
</script>`;
const content = { head };
const allowTiming = { headers: { 'Timing-Allow-Origin': '*' } };

test('network events are those of OpenTelemetry JS, with the times of the browser', async (t) => {
  const { page, receiver, flush } = await stage(t, { content, routes: { '/slow': slow({ chunks: 3, pauseMs: 60 }) } });
  const entries = await page.evaluate(async () => {
    await both('/slow');
    return performance.getEntriesByName(`${location.origin}/slow`).map((entry) => ({ ...entry.toJSON(), origin: performance.timeOrigin }));
  });
  await flush();
  const spans = inOrder(await receiver.waitForSpans(2));
  assert.deepEqual(spans.map(({ scope }) => scope.name), ['webspan/fetch', 'webspan/xhr']);
  spans.forEach((span, index) => {
    assert.deepEqual(eventNames(span), TIMED);
    for (const { name, timeUnixNano } of span.events) {
      const wantedMs = entries[index].origin + entries[index][name];
      assert.ok(Math.abs(Number(BigInt(timeUnixNano) / 1000n) / 1000 - wantedMs) < 1, `${name}: ${timeUnixNano}, not ${wantedMs} ms`);
    }
  });
});

test('across origins without Timing-Allow-Origin nothing is told of connection, protocol and sizes; with it, all is', async (t) => {
  const { page, api, receiver, flush } = await stage(t, { content, api: { '/silent': text('x'), '/telling': text('x', allowTiming) }, apiCors: { allowedOrigins: ['*'] } });
  await page.evaluate(async (origin) => {
    await both(`${origin}/silent`);
    await both(`${origin}/telling`);
  }, api.origin);
  await flush();
  const spans = inOrder(await receiver.waitForSpans(4));
  assert.deepEqual(spans.map(eventNames), [UNTIMED, UNTIMED, TIMED, TIMED]);
  const told = spans.map(({ attributes }) => ['network.protocol.version', 'http.response.body.size'].map((name) => plain(attributes)[name]));
  assert.deepEqual(told.slice(2), [['1.1', 1], ['1.1', 1]]);
  // Whether sizes of CORS answers are told is changing in browsers; zero is no size in any case.
  for (const [version, size] of told.slice(0, 2)) assert.ok(version === undefined && size !== 0, `${version} ${size}`);
});

test('ignoreNetworkEvents leaves out the events, and nothing else', async (t) => {
  const { page, receiver, flush } = await stage(t, { content, options: { instrumentations: { fetch: { ignoreNetworkEvents: true }, xhr: { ignoreNetworkEvents: true } } }, routes: { '/text': text('text') } });
  await page.evaluate(() => both('/text'));
  await flush();
  for (const span of await receiver.waitForSpans(2)) {
    assert.deepEqual(span.events, []);
    assert.equal(plain(span.attributes)['http.response.body.size'], 4);
  }
});

test('a redirected request is known by the URL that was asked for, on this origin and to another', async (t) => {
  const { page, site, api, receiver, flush } = await stage(t, {
    content,
    api: { '/end': text('end', allowTiming), '/silent': text('end') },
    apiCors: { allowedOrigins: ['*', 'null'] },
    options: { noTraceHeaderUrls: /./ },
    routes: { '/end': text('here') },
  });
  site.route('/here', redirect('/end'));
  site.route('/there', redirect(api.url('/end'), 307));
  site.route('/silently', redirect(api.url('/silent')));
  await page.evaluate(async () => {
    for (const path of ['/here', '/there', '/silently']) await both(path);
  });
  await flush();
  const spans = inOrder(await receiver.waitForSpans(6));
  assert.deepEqual(spans.map((span) => urlOf(span).pathname), ['/here', '/here', '/there', '/there', '/silently', '/silently']);
  assert.ok(spans.every((span) => plain(span.attributes)['http.response.status_code'] === 200 && !('webspan.body_end_unknown' in span.attributes)));
  assert.deepEqual(spans.slice(0, 2).map(eventNames), [TIMED, TIMED]);
  for (const span of spans.slice(4)) assert.deepEqual(eventNames(span), UNTIMED, 'one origin of the chain that does not tell is enough');
  assert.equal(plain(spans[0].attributes)['http.response.body.size'], 4);
});

test('answers from the HTTP cache and from a service worker have their details', async (t) => {
  const worker = `
    addEventListener('install', () => skipWaiting());
    addEventListener('activate', (event) => event.waitUntil(clients.claim()));
    addEventListener('fetch', (event) => {
      if (event.request.url.endsWith('/made')) event.respondWith(new Response('made by the worker'));
      if (event.request.url.endsWith('/passed')) event.respondWith(fetch(event.request));
    });`;
  const { page, site, receiver, flush } = await stage(t, {
    content,
    routes: {
      '/cached': text('cached', { headers: { 'Cache-Control': 'max-age=600' } }),
      '/passed': text('passed'),
      '/worker.js': text(worker, { headers: { 'Content-Type': 'text/javascript' } }),
    },
  });
  await page.evaluate(async () => {
    await both('/cached');
    await both('/cached');
    await navigator.serviceWorker.register('/worker.js');
    if (!navigator.serviceWorker.controller) await new Promise((resolve) => (navigator.serviceWorker.oncontrollerchange = resolve));
    await both('/made');
    await both('/passed');
  });
  await flush();
  assert.equal(site.requestsTo('/cached').length, 1, 'the others came from the cache');
  assert.equal(site.requestsTo('/made').length, 0);
  const spans = inOrder(await receiver.waitForSpans(8));
  assert.deepEqual(spans.map((span) => urlOf(span).pathname), ['/cached', '/cached', '/cached', '/cached', '/made', '/made', '/passed', '/passed']);
  for (const span of spans) {
    assert.ok(eventNames(span).includes('responseEnd') && eventNames(span).includes('fetchStart'), `${urlOf(span)}: ${eventNames(span)}`);
    assert.ok(!('webspan.body_end_unknown' in span.attributes) && !('webspan.unfinished' in span.attributes));
  }
  assert.deepEqual(spans.slice(0, 4).map((span) => plain(span.attributes)['http.response.body.size']), [6, 6, 6, 6]);
});

test('encoded and decoded sizes of a compressed answer', async (t) => {
  const zipped = gzipSync('x'.repeat(10_000));
  const { page, receiver, flush } = await stage(t, {
    content,
    routes: { '/zipped': (request, response) => response.writeHead(200, { 'Content-Encoding': 'gzip', 'Content-Type': 'text/plain', 'Content-Length': zipped.length }).end(zipped) },
  });
  await page.evaluate(() => both('/zipped'));
  await flush();
  for (const { attributes } of await receiver.waitForSpans(2)) {
    const { 'http.response.body.size': encodedBytes, 'webspan.response.body.decoded_size': decodedBytes } = plain(attributes);
    assert.deepEqual([encodedBytes, decodedBytes], [zipped.length, 10_000]);
  }
});

test('HEAD, 204, 304 and failures end at once, and have their details', async (t) => {
  const { page, receiver, flush } = await stage(t, {
    content,
    routes: { '/204': status(204), '/304': status(304), '/text': text('text'), '/reset': (request, response) => response.socket.destroy() },
  });
  await page.evaluate(async () => {
    await both('/204');
    await both('/304', { headers: { 'If-None-Match': 'x' } });
    await both('/text', { method: 'HEAD' });
    await ask.fetch('/reset').catch(() => {});
    await ask.xhr('/reset');
    await wait(20);
    await window.instance.flush();
  });
  const spans = inOrder(await receiver.waitForSpans(8));
  for (const span of spans) {
    assert.ok(eventNames(span).includes('fetchStart'), `${urlOf(span)}: ${eventNames(span)}`);
    assert.ok(!('webspan.body_end_unknown' in span.attributes) && !('webspan.unfinished' in span.attributes));
    assert.ok(!('http.response.body.size' in span.attributes) && !('webspan.response.body.decoded_size' in span.attributes));
  }
  for (const span of spans.slice(0, 6)) assert.deepEqual(eventNames(span), TIMED);
  // What never was is told as zero.
  for (const span of spans.slice(6)) assert.ok(!eventNames(span).includes('responseStart'), eventNames(span).join());
});

test('an entry that fits two parallel requests is attached to none, and each keeps its own end', async (t) => {
  let asked = 0;
  const { page, receiver, flush } = await stage(t, {
    content,
    routes: {
      '/text': text('text'),
      // The status is the page's own word for which of the answers it got; size and times are the browser's.
      '/same': (request, response) => {
        const code = 200 + (asked++ % 4);
        return after(code % 2 ? 250 : 20, text('x'.repeat(code), { status: code }))(request, response);
      },
    },
  });
  const lasted = await page.evaluate(async () => {
    const four = async (way) => {
      const startMs = performance.now();
      const lasted = {};
      await Promise.all([1, 2, 3, 4].map(async () => (lasted[(await ask[way]('/same', { cache: 'no-store' })).status] = performance.now() - startMs)));
      return lasted;
    };
    for (let times = 0; times < 10; times++) await both('/text');
    const lasted = { fetch: await four('fetch'), xhr: await four('xhr') };
    await wait(50);
    return lasted;
  });
  await flush();
  const spans = (await receiver.waitForSpans(28)).filter((span) => urlOf(span).pathname === '/same');
  assert.equal(spans.length, 8);
  for (const way of ['fetch', 'xhr']) {
    const own = spans.filter(({ scope }) => scope.name === `webspan/${way}`);
    assert.ok(own.some(({ events }) => events.length === 0), 'at least two of four calls begin in the same millisecond');
    for (const span of own) {
      const { 'http.response.status_code': code, 'http.response.body.size': bytes = code } = plain(span.attributes);
      assert.equal(bytes, code, 'the entry of another');
      // No longer than the page saw it last, which may be late to look; and those that are slow are no shorter than the server made them.
      const heldMs = code % 2 ? 245 : 15;
      assert.ok(durationMs(span) >= heldMs && durationMs(span) < lasted[way][code] + 40, `${way}: ${durationMs(span)} ms of ${lasted[way][code]} ms`);
    }
  }
});

test('a fetch and an XHR of one URL at the same time are told apart', async (t) => {
  const { page, receiver, flush } = await stage(t, { content, routes: { '/same': text('x', { headers: { 'Cache-Control': 'no-store' } }) } });
  await page.evaluate(() => Promise.all([ask.fetch('/same'), ask.xhr('/same')]).then(() => wait(50)));
  await flush();
  assert.deepEqual((await receiver.waitForSpans(2)).map(eventNames), [TIMED, TIMED]);
});

test('the entry of a request that was given up is not that of the next one to the same URL', async (t) => {
  const { page, receiver, flush } = await stage(t, { content, routes: { '/again': slow({ chunks: 2, pauseMs: 150 }) } });
  const lastedMs = await page.evaluate(async () => {
    const lastedMs = [];
    // Several times, as they begin in the same millisecond only when the machine is quick.
    for (const way of Array.from({ length: 10 }, (_, index) => (index % 2 ? 'xhr' : 'fetch'))) {
      if (way === 'fetch') {
        const controller = new AbortController();
        const first = fetch('/again', { signal: controller.signal, cache: 'no-store' }).catch(() => {});
        controller.abort();
        await first;
      } else {
        const xhr = new XMLHttpRequest();
        xhr.open('GET', '/again');
        xhr.send();
        xhr.abort();
      }
      const startMs = performance.now();
      await ask[way]('/again', { cache: 'no-store' });
      lastedMs.push(performance.now() - startMs);
      await wait(50);
    }
    return lastedMs;
  });
  await flush();
  const spans = inOrder(await receiver.waitForSpans(20));
  for (const [index, ms] of lastedMs.entries()) {
    const whole = spans.slice(index * 2, index * 2 + 2).find(({ attributes }) => 'http.response.status_code' in attributes);
    // Where the browser leaves both possible, the fetch ends with its headers and says so.
    // The page itself may hear of the end late.
    const isWhole = (durationMs(whole) > 140 && durationMs(whole) < ms + 5) || plain(whole.attributes)['webspan.body_end_unknown'];
    assert.ok(isWhole, `${durationMs(whole)} ms of ${ms} ms`);
    assert.ok(!whole.events.some(({ name, timeUnixNano }) => name === 'responseEnd' && BigInt(timeUnixNano) < BigInt(whole.startTimeUnixNano) + 100_000_000n), 'the times of the other');
  }
});

test("where no entry comes, the span ends with the headers after a while; a body that was made in the page is not waited for", async (t) => {
  const made = `<script>
    const native = fetch;
    window.fetch = (...args) => String(args[0]).endsWith('/made') ? Promise.resolve(new Response(new ReadableStream({}))) : native(...args);
  </script>`;
  const { page, receiver, flush } = await stage(t, { content: { head: made + head }, routes: { '/large': flood({ totalBytes: 300_000_000 }), '/endless': slow({ chunks: 1000, pauseMs: 50 }) } });
  await page.evaluate(async () => {
    window.kept = await fetch('/large');
    await wait(10);
    window.read = (await fetch('/made')).text();
    await wait(10);
    // The page is reading this one: it has not ended.
    window.endless = (await fetch('/endless')).text();
    await wait(1300);
  });
  const { ended } = await page.evaluate(() => window.instance.stats());
  assert.equal(ended, 2);
  await flush();
  for (const span of await receiver.waitForSpans(2)) {
    assert.equal(plain(span.attributes)['webspan.body_end_unknown'], true);
    assert.ok(durationMs(span) < 900, `${durationMs(span)} ms: the wait itself is no part of it`);
  }
});

for (const way of ['fetch', 'xhr']) {
  test(`no wait holds a span of ${way} back: flush() and leaving the page deliver what has just ended`, async (t) => {
    const { page, site, receiver } = await stage(t, { content, routes: { '/text': text('text'), '/never': hang(), '/endless': slow({ chunks: 1000, pauseMs: 20 }) } });
    const stats = await page.evaluate(async (way) => {
      await ask[way]('/text?flushed');
      await window.instance.flush();
      return window.instance.stats();
    }, way);
    assert.deepEqual([stats.ended, stats.delivered], [1, 1]);
    await page.evaluate((way) => {
      ask[way]('/never');
      ask[way]('/endless');
      wait(100).then(() => ask[way]('/text?left')).then(() => (location.href = '/elsewhere'));
    }, way);
    const spans = await receiver.waitForSpans(4);
    await page.waitForURL(site.url('/elsewhere'));
    const [flushed, left, ...cut] = ['/text?flushed', '/text?left', '/never', '/endless'].map((path) => spans.find((span) => plain(span.attributes)['url.full'] === site.url(path)));
    for (const span of [flushed, left]) {
      assert.equal(plain(span.attributes)['webspan.unfinished'], undefined);
      assert.equal(plain(span.attributes)['http.response.status_code'], 200);
      assert.deepEqual(eventNames(span), TIMED, 'what the browser has told by then');
    }
    // For these the browser makes entries that look as if they had ended.
    for (const span of cut) assert.deepEqual([plain(span.attributes)['webspan.unfinished'], eventNames(span)], [true, []], urlOf(span).pathname);
  });
}

test('entries of images and scripts of the same URL are not that of the fetch', async (t) => {
  const { page, receiver, flush } = await stage(t, { content, routes: { '/same': (request, response) => after(200, text('x', { headers: { 'Cache-Control': 'no-store' } }))(request, response) } });
  const lastedMs = await page.evaluate(async () => {
    const image = new Image();
    image.src = '/same';
    const asked = ask.fetch('/same');
    await wait(50);
    document.body.append(Object.assign(document.createElement('script'), { src: '/same' }));
    await asked;
    await wait(150);
    return performance.getEntriesByName(`${location.origin}/same`).find(({ initiatorType }) => initiatorType === 'fetch').duration;
  });
  await flush();
  const [span] = await receiver.waitForSpans(isClient);
  // From the call, which is a little before what the browser takes for the start.
  assert.ok(Math.abs(durationMs(span) - lastedMs) < 40, `${durationMs(span)} ms of ${lastedMs} ms`);
  assert.deepEqual(eventNames(span), TIMED);
});
