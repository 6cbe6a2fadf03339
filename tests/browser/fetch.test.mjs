// What a fetch becomes, and that it stays what it was for the page and the server.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { plain } from '../harness/receiver.mjs';
import { after, echo, flood, hang, redirect, slow, status, text } from '../harness/site.mjs';
import { stage } from './stage.mjs';

const isClient = (span) => span.kind === 'CLIENT';
const traceparentOf = (span) => `00-${span.traceId}-${span.spanId}-03`;
const withApi = ({ apiOrigin }) => ({ propagateTraceHeaderCorsUrls: [apiOrigin + '/echo', new RegExp(`^${apiOrigin}/api/`)] });

test('a fetch is a client span after the stable conventions, and its backend continues it', async (t) => {
  const { page, receiver, site, flush } = await stage(t);
  const answer = await page.evaluate(() => fetch('/echo?q=1#part', { method: 'post', body: 'hello' }).then((response) => response.text()));
  const echoed = JSON.parse(answer);
  await flush();
  const [span] = await receiver.waitForSpans(isClient);
  assert.equal(span.name, 'POST');
  assert.deepEqual(plain(span.attributes), {
    'http.request.method': 'POST',
    'url.full': site.url('/echo?q=1#part'),
    'server.address': '127.0.0.1',
    'server.port': site.port,
    'http.response.status_code': 200,
    'http.response.body.size': Buffer.byteLength(answer),
    'network.protocol.version': '1.1',
  });
  assert.equal(span.status.code, 'UNSET');
  assert.equal(span.scope.name, 'webspan/fetch');
  assert.equal(span.parentSpanId, '');
  assert.equal(echoed.headers.traceparent, traceparentOf(span));
  assert.equal(echoed.body, 'hello');
});

test('the resource tells of the service, the SDK and the browser', async (t) => {
  const { page, receiver, flush } = await stage(t, { options: { serviceVersion: '1.2', resourceAttributes: { team: 'shop', 'service.name': 'renamed' } } });
  await page.evaluate(() => window.instance.tracer.startSpan('any').end());
  await flush();
  const [{ resource, schemaUrl, scope }] = await receiver.waitForSpans(1);
  const told = plain(resource);
  assert.equal(told['service.name'], 'renamed', 'what the page says comes last');
  assert.equal(told['service.version'], '1.2');
  assert.equal(told.team, 'shop');
  assert.equal(told['telemetry.sdk.name'], 'webspan');
  assert.equal(told['telemetry.sdk.language'], 'webjs');
  assert.equal(told['user_agent.original'], await page.evaluate(() => navigator.userAgent));
  assert.equal(told['browser.mobile'], false);
  assert.ok(told['browser.brands'].some((brand) => /^(Chromium|HeadlessChrome) \d+$/.test(brand)), told['browser.brands'].join());
  assert.equal(scope.name, 'webspan');
  assert.match(schemaUrl, /^https:\/\/opentelemetry\.io\/schemas\/\d/);
});

test('the span ends when the body does, not when the headers come', async (t) => {
  const { page, receiver, flush } = await stage(t, { routes: { '/slow': slow({ chunks: 4, pauseMs: 100 }) } });
  await page.evaluate(() => fetch('/slow').then((response) => response.text()));
  await page.waitForTimeout(100);
  await flush();
  const [span] = await receiver.waitForSpans(isClient);
  const durationMs = Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6;
  assert.ok(durationMs >= 280, `${durationMs} ms`);
  assert.ok(!('webspan.body_end_unknown' in span.attributes));
});

test('an unread body ends the span with the headers, after a while, and the span says so', async (t) => {
  const { page, receiver, flush } = await stage(t, { routes: { '/large': flood({ totalBytes: 300_000_000 }) } });
  await page.evaluate(async () => void (window.kept = await fetch('/large')));
  await page.waitForTimeout(1300);
  await flush();
  const [span] = await receiver.waitForSpans(isClient);
  assert.equal(plain(span.attributes)['webspan.body_end_unknown'], true);
  const durationMs = Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6;
  assert.ok(durationMs < 900, `${durationMs} ms: the cap itself is no part of it`);
});

test('of parallel requests to one URL, none is given the end of another', async (t) => {
  let asked = 0;
  const { page, receiver, flush } = await stage(t, {
    routes: { '/same': (request, response) => after([400, 0, 200][asked++ % 3], text('x'))(request, response) },
  });
  const took = await page.evaluate(() => {
    const startMs = performance.now();
    return Promise.all([1, 2, 3].map(() => fetch('/same', { cache: 'no-store' }).then((response) => response.text()).then(() => performance.now() - startMs)));
  });
  await page.waitForTimeout(100);
  await flush();
  const spans = await receiver.waitForSpans(3);
  const ends = spans.map((span) => Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6);
  for (const tookMs of took) assert.ok(ends.some((endMs) => Math.abs(endMs - tookMs) < 60), `${tookMs} ms is none of ${ends}`);
});

test('status, error and error.type follow what came', async (t) => {
  const { page, receiver, api, flush } = await stage(t, {
    routes: { '/404': status(404), '/500': status(500), '/204': status(204), '/never': hang() },
    api: { '/opaque': text('x') },
    apiCors: 'none',
  });
  const outcomes = await page.evaluate(async (apiOrigin) => {
    const settle = (promise) => promise.then((response) => response.status, (error) => error.name ?? String(error));
    const cancelled = new AbortController();
    const named = new AbortController();
    setTimeout(() => (cancelled.abort(), named.abort('a word')), 30);
    return [
      await settle(fetch('/404')),
      await settle(fetch('/500')),
      await settle(fetch('/204')),
      await settle(fetch(apiOrigin + '/opaque', { mode: 'no-cors' })),
      await settle(fetch('/echo', { redirect: 'manual' })),
      await settle(fetch(apiOrigin + '/refused')),
      await settle(fetch('/never', { signal: cancelled.signal })),
      await settle(fetch('/never', { signal: named.signal })),
      await settle(fetch('/never', { signal: AbortSignal.timeout(30) })),
      await settle(fetch('/echo', { method: 'PROPFIND' })),
    ];
  }, api.origin).catch((error) => assert.fail(error));
  assert.deepEqual(outcomes.slice(0, 6), [404, 500, 204, 0, 200, 'TypeError']);
  await page.waitForTimeout(1200);
  await flush();
  const spans = (await receiver.waitForSpans(10)).sort((a, b) => (a.startTimeUnixNano < b.startTimeUnixNano ? -1 : 1));
  const seen = spans.map((span) => {
    const attributes = plain(span.attributes);
    return [span.name, attributes['http.response.status_code'], span.status.code, attributes['error.type']];
  });
  assert.deepEqual(seen, [
    ['GET', 404, 'ERROR', '404'],
    ['GET', 500, 'ERROR', '500'],
    ['GET', 204, 'UNSET', undefined],
    ['GET', undefined, 'UNSET', undefined],
    ['GET', 200, 'UNSET', undefined],
    ['GET', undefined, 'ERROR', 'TypeError'],
    ['GET', undefined, 'UNSET', undefined],
    ['GET', undefined, 'UNSET', undefined],
    ['GET', undefined, 'ERROR', 'TimeoutError'],
    ['HTTP', 200, 'UNSET', undefined],
  ]);
  assert.ok(spans.every((span) => span.status.message === ''));
  assert.equal(plain(spans[9].attributes)['http.request.method_original'], 'PROPFIND');
  await t.test('credentials and secrets in URLs stay in the page', async () => {
    await page.evaluate(() => fetch('http://user:word@127.0.0.1:1/?token=SECRET&q=1#access_token=SECRET').catch(() => {}));
    await flush();
    const [span] = await receiver.waitForSpans((each) => JSON.stringify(each).includes('REDACTED'));
    assert.equal(plain(span.attributes)['url.full'], 'http://REDACTED:REDACTED@127.0.0.1:1/?token=REDACTED&q=1#access_token=REDACTED');
  });
}, { timeout: 30_000 });

test('another origin gets traceparent only where the page said so', async (t) => {
  const { page, api, flush } = await stage(t, { options: withApi });
  const seen = await page.evaluate(async (origin) => {
    const headers = async (...args) => (await (await fetch(...args)).json()).headers.traceparent ?? 'none';
    return [await headers(origin + '/echo'), await headers(origin + '/echo?other')];
  }, api.origin);
  assert.match(seen[0], /^00-/);
  assert.equal(seen[1], 'none');
  await flush();
});

test('tracestate goes to another origin only by the user\'s word, to the same origin always', async (t) => {
  const { page, api } = await stage(t, { options: withApi });
  const [same, cross] = await page.evaluate(async (origin) => {
    const parent = window.webspan.extract({ traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=1, b=2' });
    return Promise.all(['/echo', origin + '/echo'].map((url) => window.webspan.withSpan(parent, () => fetch(url)).then((response) => response.json())));
  }, api.origin);
  assert.match(same.headers.traceparent, /^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
  assert.equal(same.headers.tracestate, 'a=1,b=2');
  assert.match(cross.headers.traceparent, /^00-0af7651916cd43dd8448eb211c80319c-/);
  assert.equal(cross.headers.tracestate, undefined);
});

test('noTraceHeaderUrls are traced without a header, so that a redirect to another origin needs no preflight', async (t) => {
  const { page, site, api, receiver, flush } = await stage(t, {
    options: { noTraceHeaderUrls: /\/leave$/ },
    apiCors: { allowedOrigins: ['*'] },
    api: { '/open': text('open') },
  });
  site.route('/leave', redirect(api.url('/open')));
  site.route('/leave-with-header', redirect(api.url('/open')));
  assert.equal(await page.evaluate(() => fetch('/leave').then((response) => response.text())), 'open');
  assert.equal(await page.evaluate(() => fetch('/leave-with-header').then(() => 'open', () => 'refused')), 'refused', 'why the option is there');
  await flush();
  assert.equal(site.requestsTo('/leave')[0].headers.traceparent, undefined);
  await receiver.waitForSpans((span) => plain(span.attributes)['url.full'].endsWith('/leave'));
});

test('patterns with the flags g and y match every time, and ignored URLs leave no span and no header', async (t) => {
  const { page, site, receiver, flush } = await stage(t, { options: { ignoreUrls: [/\/echo\?ignored/g, /^http.*\?sticky/y] } });
  await page.evaluate(async () => {
    for (const path of ['/echo?ignored', '/echo?sticky', '/echo?ignored', '/echo?sticky', '/echo?ignored', '/echo?seen']) await fetch(path).then((response) => response.text());
  });
  await page.waitForTimeout(50);
  await flush();
  await receiver.waitForSpans(1);
  assert.deepEqual(receiver.spans.map((span) => plain(span.attributes)['url.full']), [site.url('/echo?seen')]);
  assert.deepEqual(site.requestsTo('/echo').map((request) => !!request.headers.traceparent), [false, false, false, false, false, true]);
});

test('a reused init object, Headers or Request carries nothing to a third party and is never written to', async (t) => {
  const { page, api } = await stage(t, { apiCors: { allowedOrigins: ['*'], allowedHeaders: ['*'] } });
  const result = await page.evaluate(async (thirdParty) => {
    const init = { headers: { 'x-own': '1' }, method: 'POST', body: 'b' };
    const headers = new Headers({ 'x-own': '1' });
    const before = JSON.stringify(init);
    Object.freeze(init);
    const request = new Request('/echo', { headers });
    await fetch('/echo', init);
    await fetch('/echo', { headers });
    await fetch(request);
    const third = [await fetch(thirdParty + '/echo', init), await fetch(thirdParty + '/echo', { headers }), await fetch(new Request(thirdParty + '/echo', request))];
    return {
      unchanged: JSON.stringify(init) === before && [...headers.keys()].join() === 'x-own' && [...request.headers.keys()].join() === 'x-own',
      third: (await Promise.all(third.map((response) => response.json()))).map((seen) => [seen.headers['x-own'], seen.headers.traceparent ?? 'none']),
    };
  }, api.origin);
  assert.equal(result.unchanged, true);
  assert.deepEqual(result.third, [['1', 'none'], ['1', 'none'], ['1', 'none']]);
});

test('what wraps fetch below us can add headers of its own to ours', async (t) => {
  const below = `<script>
    const native = fetch;
    const add = (init) => ({ ...init, headers: { ...init?.headers, 'x-of-the-page': '1' } });
    window.fetch = (input, init) => native(input, input === '/echo' ? add(init) : init);
  </script>`;
  const { page, receiver, site, flush } = await stage(t, { content: { head: below } });
  await page.evaluate(() => fetch('/echo').then((response) => response.text()));
  await flush();
  const [span] = await receiver.waitForSpans(isClient);
  const [{ headers }] = site.requestsTo('/echo');
  assert.deepEqual([headers.traceparent, headers['x-of-the-page']], [traceparentOf(span), '1']);
});

test('every way to call fetch reaches the server as it would without us', async (t) => {
  const { page, site, pageErrors } = await stage(t);
  const calls = {
    string: () => fetch('/echo'),
    URL: () => fetch(new URL('/echo', location.href)),
    'text object': () => fetch({ toString: () => '/echo' }),
    Request: () => fetch(new Request('/echo', { method: 'PUT', body: 'b', headers: { 'x-a': '1' }, referrer: '/from', referrerPolicy: 'unsafe-url' })),
    'Request and init': () => fetch(new Request('/echo', { method: 'POST', body: 'first' }), { body: 'second', headers: { 'x-b': '2' } }),
    'init that is a Request': () => fetch('/echo', new Request('/other', { method: 'POST', body: 'b', headers: { 'x-c': '3' } })),
    'init that inherits': () => fetch('/echo', Object.create({ method: 'POST', body: 'b', headers: { 'x-d': '4' } })),
    'init of a class': () => fetch('/echo', new (class { method = 'POST'; get body() { return 'b'; } get headers() { return { 'x-e': '5' }; } })()),
    'header pairs': () => fetch('/echo', { headers: [['x-f', '6'], ['x-f', '7']] }),
    'headers from a generator': () => fetch('/echo', { headers: (function* () { yield ['x-g', '8']; })() }),
    'form data': () => { const form = new FormData(); form.set('a', 'b'); return fetch('/echo', { method: 'POST', body: form }).then(async (r) => { const seen = await r.json(); return new Response(JSON.stringify({ ...seen, body: seen.body.length, headers: { ...seen.headers, 'content-type': 'form' }, rawHeaders: [] })); }); },
    'search params': () => fetch('/echo', { method: 'POST', body: new URLSearchParams({ a: 'b' }) }),
    bytes: () => fetch('/echo', { method: 'POST', body: new Uint8Array([65, 66]) }),
    keepalive: () => fetch('/echo', { method: 'POST', body: 'b', keepalive: true }),
    'no credentials': () => fetch('/echo', { credentials: 'omit', cache: 'no-store', referrerPolicy: 'no-referrer', integrity: '' }),
    'own traceparent': () => fetch('/echo', { headers: { traceparent: '00-11111111111111111111111111111111-1111111111111111-01' } }),
    'undefined init': () => fetch('/echo', undefined),
    'null init': () => fetch('/echo', null),
    'bad method': () => fetch('/echo', { method: 'TRACE' }),
    'bad URL': () => fetch('http://'),
    'bad header': () => fetch('/echo', { headers: { 'x y': '1' } }),
    'body on GET': () => fetch('/echo', { body: 'b' }),
    'no argument': () => fetch(),
    'used Request': async () => { const request = new Request('/echo', { method: 'POST', body: 'b' }); await request.text(); return fetch(request); },
    'aborted before': () => fetch('/echo', { signal: AbortSignal.abort() }),
    'aborted with a reason': () => fetch('/echo', { signal: AbortSignal.abort('a word') }),
    'data URL': () => fetch('data:application/json,{"headers":{}}'),
  };
  const source = `{${Object.entries(calls).map(([name, call]) => `${JSON.stringify(name)}: ${call}`).join(',')}}`;
  const run = (source) => `(async () => {
    const outcome = {};
    for (const [name, call] of Object.entries(${source})) {
      outcome[name] = await Promise.resolve().then(call).then(async (response) => {
        const { method, headers = {}, rawHeaders, body } = await response.json().catch(() => ({}));
        const own = headers.traceparent === '00-11111111111111111111111111111111-1111111111111111-01';
        if (!own) delete headers.traceparent;
        delete headers.connection;
        const order = (rawHeaders ?? []).map(([key]) => key.toLowerCase()).filter((key) => key !== 'traceparent').sort().join();
        return { method, headers, body, order, type: response.type, url: response.url, redirected: response.redirected, isResponse: response instanceof Response };
      }, (error) => 'rejected: ' + (error?.name ?? '') + ' ' + (error?.message ?? error));
    }
    return outcome;
  })()`;
  site.route('/bare', (request, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><title>Test</title>'));
  const withUs = await page.evaluate(run(source));
  // The same origin and document shape without webspan.
  const bare = await page.context().newPage();
  await bare.goto(site.url('/bare'));
  const without = await bare.evaluate(run(source));
  const referrerless = (outcomes) => JSON.parse(JSON.stringify(outcomes).replaceAll(site.url('/bare'), site.url('/')));
  const expected = referrerless(without);
  for (const name of Object.keys(calls)) assert.deepEqual(referrerless(withUs)[name], expected[name], name);
  assert.deepEqual(pageErrors, []);
  assert.ok(site.requestsTo('/echo').filter((request) => request.headers.traceparent).length >= 15, 'the calls were traced');
});

test('fetch(Request with a body, init) to an ignored or cross-origin URL goes through', async (t) => {
  const { page, api } = await stage(t, { options: ({ apiOrigin }) => ({ ignoreUrls: [apiOrigin + '/echo?ignored'] }) });
  const bodies = await page.evaluate(
    (origin) =>
      Promise.all(
        ['/echo?ignored', '/echo?not-propagated'].map((path) =>
          fetch(new Request(origin + path, { method: 'POST', body: 'the body' }), { headers: { 'content-type': 'text/plain' } }).then((response) => response.json()).then((seen) => seen.body),
        ),
      ),
    api.origin,
  );
  assert.deepEqual(bodies, ['the body', 'the body']);
});

test('the page gets the browser\'s own Response, and fetch keeps its looks', async (t) => {
  const { page } = await stage(t);
  const looks = await page.evaluate(async () => {
    const frame = document.body.appendChild(document.createElement('iframe'));
    const native = frame.contentWindow.fetch;
    const response = await fetch('/echo');
    return {
      name: fetch.name,
      length: fetch.length,
      text: String(fetch) === String(native) || /native code/.test(String(fetch)),
      keys: Object.keys(response).length,
      isResponse: Object.getPrototypeOf(response) === Response.prototype,
      bodyUsed: response.bodyUsed,
      isPromise: fetch('/echo') instanceof Promise,
      json: typeof (await response.json()),
    };
  });
  assert.deepEqual(looks, { name: 'fetch', length: 1, text: true, keys: 0, isResponse: true, bodyUsed: false, isPromise: true, json: 'object' });
});

test('a rejection stays the page\'s to handle: once, with its own error', async (t) => {
  const { page } = await stage(t);
  const seen = await page.evaluate(async () => {
    const rejections = [];
    addEventListener('unhandledrejection', (event) => (rejections.push(event.reason.name), event.preventDefault()));
    fetch('http://127.0.0.1:1/unhandled');
    await fetch('http://127.0.0.1:1/handled').catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 300));
    return rejections;
  });
  assert.deepEqual(seen, ['TypeError']);
});

test('while the page stalls on a stream of 200 MiB, the server can push no more than without us', async (t) => {
  const routes = { '/flood': flood({ totalBytes: 200 * 1024 * 1024 }) };
  const { page, site } = await stage(t, { routes });
  const pulled = async (path) => {
    await page.goto(site.url(path));
    const asked = site.requestsTo('/flood').length;
    await page.evaluate(async () => {
      const response = await fetch('/flood');
      window.reader = response.body.getReader();
      await window.reader.read();
    });
    await delay(1500);
    return site.requestsTo('/flood')[asked].pushedBytes;
  };
  const without = await pulled('/elsewhere');
  const withUs = await pulled('/');
  assert.ok(withUs < without * 1.25 + 4 * 1024 * 1024, `${withUs} bytes with, ${without} without`);
  assert.ok(withUs < 150 * 1024 * 1024);
});

test('streams up and down pass through untouched', async (t) => {
  const { page } = await stage(t, { routes: { '/chunks': slow({ chunks: 3, chunkBytes: 10, pauseMs: 30 }) } });
  const chunks = await page.evaluate(async () => {
    const reader = (await fetch('/chunks')).body.getReader();
    let count = 0;
    for (let part; !(part = await reader.read()).done; ) count += part.value.length;
    return count;
  });
  assert.equal(chunks, 30);
  // Chromium sends streams over HTTP/2 only, and says so; what matters is that it is the browser that says it.
  const refused = await page.evaluate(() =>
    fetch('/echo', { method: 'POST', duplex: 'half', body: new Blob(['x']).stream() }).then(() => 'sent', (error) => error.name),
  );
  assert.equal(refused, 'TypeError');
});

test('url.full is what the browser makes of the text, however plain it looks', async (t) => {
  const { page, receiver, site, flush } = await stage(t, { options: { batch: { scheduledDelayMillis: 20 } } });
  const asked = ['/echo/a.b/c-d_e?x=%41&y=.', '/echo//x', '/echo/./x', '/echo/../echo/x', '/echo/x/', '/echo/ü', "/echo?q='", '/echo/x#part', 'echo/x', '//127.0.0.1:1/', '/echo\\x'];
  const elsewhere = 'http://elsewhere.invalid/';
  const wanted = asked.map((text) => new URL(text, site.url('/')).href);
  await page.evaluate((asked) => Promise.all(asked.map((text) => fetch(text).catch(() => {}))), asked);
  await page.evaluate((elsewhere) => {
    document.head.append(Object.assign(document.createElement('base'), { href: elsewhere }));
    return fetch('/echo/x').catch(() => {});
  }, elsewhere);
  await flush();
  const spans = (await receiver.waitForSpans(asked.length + 1)).filter(isClient);
  assert.deepEqual(spans.map((span) => plain(span.attributes)['url.full']).sort(), [...wanted, `${elsewhere}echo/x`].sort());
});

test('a fetch hangs below the span that is active when it is called', async (t) => {
  const { page, receiver, flush } = await stage(t);
  await page.evaluate(() =>
    window.webspan.traced('outer', async () => {
      await fetch('/echo').then((response) => response.text());
    }),
  );
  await flush();
  const [outer] = await receiver.waitForSpans((span) => span.name === 'outer');
  const [inner] = await receiver.waitForSpans(isClient);
  assert.equal(inner.parentSpanId, outer.spanId);
  assert.equal(inner.traceId, outer.traceId);
});

test('requestHook and applyCustomAttributesOnSpan may add, and may throw', async (t) => {
  const { page, receiver, flush } = await stage(t, {
    options: {
      instrumentations: {
        fetch: {
          requestHook: (span, request) => {
            span.setAttribute('hook.method', request.method ?? 'GET');
            throw new Error('from a hook');
          },
          applyCustomAttributesOnSpan: (span, request, result) => span.setAttribute('hook.result', result.status ?? result.message),
        },
      },
      onError: (error) => (window.errors ??= []).push(error.message),
    },
  });
  await page.evaluate(async () => {
    await fetch('/echo', { method: 'PUT' });
    await fetch('http://127.0.0.1:1/').catch(() => {});
  });
  await page.waitForTimeout(100);
  await flush();
  const spans = (await receiver.waitForSpans(2)).map((span) => plain(span.attributes));
  assert.deepEqual(spans.map((attributes) => [attributes['hook.method'], attributes['hook.result']]).sort(), [['GET', 'Failed to fetch'], ['PUT', 200]]);
  assert.ok((await page.evaluate(() => window.errors)).some((message) => /from a hook/.test(message)));
});

test('what is no init at all is refused by the browser, as without us', async (t) => {
  const { page } = await stage(t);
  const answers = await page.evaluate(() => Promise.all([false, 0, ''].map((init) => fetch('/echo', init).then((response) => response.status, (error) => error.name))));
  assert.deepEqual(answers, ['TypeError', 'TypeError', 'TypeError']);
});
