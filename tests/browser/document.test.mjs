// The page load: `documentLoad`, `documentFetch`, and a `resourceFetch` for each resource.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { build } from 'esbuild';
import { projectDir } from '../../js/build/setup.mjs';
import { importInto, launchTabs, leave } from '../harness/browser.mjs';
import { plain, startReceiver } from '../harness/receiver.mjs';
import { after, files, hang, page as htmlPage, startSite, status, text, webspanPage } from '../harness/site.mjs';
import { stage as plainStage } from './stage.mjs';

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const TRACEPARENT = `00-${TRACE_ID}-00f067aa0ba902b7-01`;
const UNFINISHED = 'webspan.unfinished';

const image = text('<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>', { headers: { 'Content-Type': 'image/svg+xml' } });
const routes = {
  '/style.css': text('body { color: black }', { headers: { 'Content-Type': 'text/css' } }),
  '/image.svg': image,
  '/images/*': image,
};
/** What is painted soon, so that no test waits for a paint that never comes. */
const body = '<p>Text</p>';
const quick = (options) => ({ batch: { scheduledDelayMillis: 20 }, ...options, instrumentations: { documentLoad: true, ...options?.instrumentations } });
const stage = (t, { options, content, routes: more, ...rest } = {}) =>
  plainStage(t, { options: quick(options), routes: { ...routes, ...more }, content: { body, ...content }, ...rest });

const isLoad = ({ name }) => name === 'documentLoad';
const isResource = ({ name }) => name === 'resourceFetch';
const urlOf = (span) => plain(span.attributes)['url.full'];
const pathOf = (span) => urlOf(span).replace(/^https?:\/\/[^/]+/, '');
/** Without the icon, which the browser asks for when it likes. */
const paths = (spans) => spans.filter(isResource).map(pathOf).filter((path) => path !== '/favicon.ico').sort();
const eventNames = ({ events }) => events.map(({ name }) => name);
const loadOf = async (receiver) => (await receiver.waitForSpans(isLoad)).at(-1);
/** A resource that is asked for last: when its span has come, those of the others have too. */
const last = (page, path = '/images/last') => page.evaluate((path) => new Promise((done) => Object.assign(new Image(), { src: path, onload: done, onerror: done })), path);
const untilLast = (receiver, path = '/images/last') => receiver.waitForSpans((span) => isResource(span) && pathOf(span) === path);

/** OpenTelemetry's own instrumentation, whose finished spans are in `window.upstream`. */
async function upstream() {
  const { outputFiles } = await build({
    stdin: {
      contents: `
        import { InMemorySpanExporter, SimpleSpanProcessor, WebTracerProvider } from '@opentelemetry/sdk-trace-web';
        import { registerInstrumentations } from '@opentelemetry/instrumentation';
        import { DocumentLoadInstrumentation } from '@opentelemetry/instrumentation-document-load';
        const exporter = new InMemorySpanExporter();
        new WebTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();
        registerInstrumentations({ instrumentations: [new DocumentLoadInstrumentation()] });
        window.upstream = () => exporter.getFinishedSpans().map((span) => {
          const { name, attributes, events, startTime, endTime, parentSpanContext } = span;
          return { name, attributes, events, startTime, endTime, spanId: span.spanContext().spanId, parentSpanId: parentSpanContext?.spanId ?? '' };
        });`,
      resolveDir: projectDir,
    },
    bundle: true,
    format: 'iife',
    write: false,
  });
  return outputFiles[0].text;
}

test('spans, attributes, events and times are those of OpenTelemetry\'s instrumentation in the same page', async (t) => {
  const { page, receiver, complaints } = await stage(t, {
    // Theirs has some names of old, for which ours has a new one too.
    options: { semconv: 'dup' },
    routes: { '/upstream.js': text(await upstream(), { headers: { 'Content-Type': 'text/javascript' } }) },
    content: { head: '<script src="/upstream.js"></script><link rel="stylesheet" href="/style.css">', body: '<p>Text</p><img src="/image.svg">' },
  });
  await page.waitForFunction(() => window.upstream().some(({ name }) => name === 'documentLoad'));
  const [theirs, originMs, entry] = await page.evaluate(() => [window.upstream(), performance.timeOrigin, performance.getEntriesByType('navigation')[0].toJSON()]);
  await receiver.waitForSpans(isLoad);
  const ours = receiver.spans;
  const nameOf = ({ name, attributes }) => (name === 'resourceFetch' ? `${name} ${new URL(attributes['url.full']).pathname}` : name);
  const seen = (span, spans) => ({
    name: nameOf(span),
    parent: spans.filter(({ spanId }) => spanId === span.parentSpanId).map(({ name }) => name).join(),
    attributes: span.attributes,
    events: span.events,
    // Microseconds are enough: their times went through floating point.
    startUs: span.startUs,
    endUs: span.endUs,
  });
  const us = ([seconds, nanos]) => Math.round(seconds * 1e6 + nanos / 1e3);
  // Theirs has an event at time zero for the TLS that there is not.
  const isTold = ([name]) => name !== 'secureConnectionStart';
  const wanted = theirs.map((span) => ({ ...span, startUs: us(span.startTime), endUs: us(span.endTime), events: span.events.map(({ name, time }) => [name, us(time)]).filter(isTold) }));
  const usOfNano = (nano) => Math.round(Number(BigInt(nano) / 100n) / 10);
  const given = ours.map((span) => ({
    ...span,
    attributes: plain(span.attributes),
    startUs: usOfNano(span.startTimeUnixNano),
    endUs: usOfNano(span.endTimeUnixNano),
    events: span.events.map(({ name, timeUnixNano }) => [name, usOfNano(timeUnixNano)]),
  }));
  const all = (spans) => spans.map(nameOf).filter((name) => !name.endsWith('/favicon.ico')).sort();
  assert.deepEqual(all(given), ['documentFetch', 'documentLoad', 'resourceFetch /dist/index.js', 'resourceFetch /image.svg', 'resourceFetch /style.css', 'resourceFetch /upstream.js']);
  assert.deepEqual(all(wanted), all(given));
  for (const one of wanted.map((span) => seen(span, wanted))) {
    const [other] = given.map((span) => seen(span, given)).filter(({ name }) => name === one.name);
    assert.equal(other.parent, one.parent, one.name);
    assert.deepEqual(Object.fromEntries(Object.keys(one.attributes).map((key) => [key, other.attributes[key]])), { ...one.attributes }, one.name);
    // Theirs waits for no paint that comes after the load.
    const events = other.events.filter(([name]) => !/Paint$/.test(name) || one.events.some(([known]) => known === name));
    assert.deepEqual(events.map(([name]) => name), one.events.map(([name]) => name), one.name);
    // Theirs goes through the wall clock, which knows whole milliseconds.
    const near = (a, b) => assert.ok(Math.abs(a - b) < 2000, `${one.name}: ${a} and ${b} µs`);
    near(other.startUs, one.startUs);
    near(other.endUs, one.endUs);
    one.events.forEach(([, us], index) => near(events[index][1], us));
  }
  // Ours are those of the browser's entry.
  for (const { events } of given.filter(({ name }) => /^document/.test(name))) {
    for (const [name, eventUs] of events.filter(([name]) => name in entry)) assert.ok(Math.abs(eventUs - (originMs + entry[name]) * 1e3) <= 2, name);
  }
  assert.deepEqual(complaints(), []);
});

test('the status of the document and its navigation type are told: navigate, reload, back_forward', async (t) => {
  const { page, receiver, site } = await stage(t);
  const nth = async (count) => {
    await receiver.waitUntil(() => receiver.spans.filter(isLoad).length === count);
    return plain(receiver.spans.filter(isLoad)[count - 1].attributes)['browser.navigation.type'];
  };
  assert.equal(await nth(1), 'navigate');
  await page.reload();
  assert.equal(await nth(2), 'reload');
  await page.goto(site.url('/elsewhere'));
  await page.goBack();
  assert.equal(await nth(3), 'back_forward');
  const fetched = receiver.spans.find(({ name }) => name === 'documentFetch');
  assert.equal(plain(fetched.attributes)['http.response.status_code'], 200);
  assert.equal(fetched.status.code, 'UNSET');
});

test('a page that is itself an error says so', async (t) => {
  const { page, receiver, site } = await stage(t);
  site.route('/missing', (request, response) => {
    response.statusCode = 404;
    response.writeHead = ((write) => (_, headers) => write.call(response, 404, headers))(response.writeHead);
    webspanPage(quick({ endpoint: receiver.url, serviceName: 'missing' }), { body })(request, response);
  });
  await page.goto(site.url('/missing'));
  const [fetched] = await receiver.waitForSpans((span) => span.name === 'documentFetch' && plain(span.attributes)['http.response.status_code'] === 404);
  assert.deepEqual([fetched.status.code, plain(fetched.attributes)['error.type']], ['ERROR', '404']);
});

test('started long after the load, the page load and all before it are told just the same', async (t) => {
  const { page, receiver, site } = await stage(t, { content: { head: '<link rel="stylesheet" href="/style.css">' }, routes: { '/late': htmlPage({ body: '<p>Text</p><img src="/image.svg"><script>fetch("/echo")</script>' }) } });
  await receiver.waitForSpans(isLoad);
  receiver.spans.length = 0;
  await page.goto(`${site.url('/late')}?token=S3CR3T#part`);
  await delay(100);
  await page.evaluate(() => history.pushState(null, '', '/another/route'));
  await importInto(page);
  const loadEventEnd = await page.evaluate((endpoint) => {
    window.instance = window.webspan.init({ endpoint, batch: { scheduledDelayMillis: 20 } });
    return performance.timeOrigin + performance.getEntriesByType('navigation')[0].loadEventEnd;
  }, receiver.url);
  const load = await loadOf(receiver);
  await last(page);
  await untilLast(receiver);
  assert.ok(Math.abs(Number(load.endTimeUnixNano) / 1e6 - loadEventEnd) < 0.01, 'it ends when the load event did');
  assert.equal(pathOf(load), '/late?token=REDACTED#part', 'of the document that was loaded, not of the route that is shown now');
  assert.deepEqual(paths(receiver.spans.filter(({ traceId }) => traceId === load.traceId)), ['/dist/index.js', '/echo', '/image.svg', '/images/last']);
  assert.ok(eventNames(load).includes('firstContentfulPaint'));
});

test('flushed right behind a late start, the page load is told, and does not stay the parent of what comes later', async (t) => {
  const { page, receiver, site } = await stage(t, { routes: { '/late': htmlPage({ body }) } });
  await receiver.waitForSpans(isLoad);
  receiver.spans.length = 0;
  await page.goto(site.url('/late'));
  await importInto(page);
  await page.evaluate(async (endpoint) => {
    window.instance = window.webspan.init({ endpoint, instrumentations: { navigation: { quietMillis: 1 } } });
    await window.instance.flush();
  }, receiver.url);
  const load = await loadOf(receiver);
  await page.waitForFunction((traceId) => window.instance.tracer.startSpan('later').spanContext().traceId !== traceId, load.traceId);
});

test('resources of before, during and long after the load are told once, and nothing else is', async (t) => {
  const { page, receiver, flush, complaints } = await stage(t, {
    options: { ignoreUrls: /\/images\/ignored/ },
    content: {
      head: '<link rel="stylesheet" href="/style.css?access_token=S3CR3T">',
      body: `<p>Text</p><img src="/image.svg"><img src="/images/ignored"><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">
        <script>fetch('/echo'); navigator.sendBeacon('/echo');
        const made = new Image(); made.src = URL.createObjectURL(new Blob(['<svg xmlns="http://www.w3.org/2000/svg"/>'], { type: 'image/svg+xml' }));</script>`,
    },
  });
  const load = await loadOf(receiver);
  await delay(300);
  await last(page, '/images/late');
  await flush();
  await last(page);
  await untilLast(receiver);
  assert.deepEqual(paths(receiver.spans), ['/dist/index.js', '/echo', '/image.svg', '/images/last', '/images/late', '/style.css?access_token=REDACTED']);
  for (const span of receiver.spans.filter(isResource)) assert.deepEqual([span.parentSpanId, span.traceId], [load.spanId, load.traceId], pathOf(span));
  const style = plain(receiver.spans.find((span) => pathOf(span).startsWith('/style.css')).attributes);
  assert.equal(style['browser.resource_timing.initiator_type'], 'link');
  assert.equal(style['http.response.status_code'], 200);
  assert.equal(style['http.response.body.size'], 21);
  assert.deepEqual(complaints(), []);
});

test('more resources than the browser\'s buffer of 250 holds are all told', async (t) => {
  const { receiver } = await stage(t, {
    content: { body: `<p>Text</p><script type="module">for (let number = 0; number < 300; number++) document.body.append(Object.assign(new Image(), { src: '/images/' + number }));</script>` },
  });
  await receiver.waitUntil(() => new Set(paths(receiver.spans)).size === 301, 15_000);
  assert.equal(paths(receiver.spans).length, 301, 'each once');
});

test('a resource that fails has a span that says how', async (t) => {
  const { page, receiver } = await stage(t, { routes: { '/images/gone': status(404), '/images/broken': (request, response) => void response.destroy() } });
  await last(page, '/images/gone');
  await last(page, '/images/broken');
  await last(page);
  await untilLast(receiver);
  const of = (path) => receiver.spans.find((span) => isResource(span) && pathOf(span) === path);
  assert.deepEqual([of('/images/gone').status.code, plain(of('/images/gone').attributes)['http.response.status_code']], ['ERROR', 404]);
  assert.equal(plain(of('/images/broken').attributes)['http.response.status_code'], undefined);
});

test('redact.url has its word in the URLs of documents and resources too', async (t) => {
  const { page, receiver } = await stage(t, {
    options: { redact: { url: (url) => url.replace(/customer-\d+/, 'customer-N') }, documentUrl: true, instrumentations: { navigation: true } },
    content: { body: '<p>Text</p><img src="/images/customer-5">' },
    routes: { '/customer-7': (request, response) => void response.writeHead(302, { Location: '/?customer-8' }).end() },
  });
  await page.evaluate(() => history.pushState(null, '', '/customer-6'));
  await receiver.waitForSpans(({ name }) => name === 'navigation');
  await receiver.waitForSpans((span) => isResource(span) && urlOf(span).includes('customer'));
  await page.goto(new URL('/customer-7', page.url()).href);
  await receiver.waitForSpans((span) => isLoad(span) && urlOf(span).includes('?customer'));
  const all = JSON.stringify(receiver.spans);
  assert.doesNotMatch(all, /customer-\d/);
  assert.match(all, /customer-N/);
});

for (const [name, content, wanted] of [
  ['a meta element', { head: `<meta name="traceparent" content="${TRACEPARENT}">` }, true],
  ['a Server-Timing header', { headers: { 'Server-Timing': `db;dur=5, traceparent;desc="${TRACEPARENT}"` } }, true],
  ['the header rather than the meta element', { head: `<meta name="traceparent" content="00-${'1'.repeat(32)}-${'2'.repeat(16)}-01">`, headers: { 'Server-Timing': `traceparent;desc="${TRACEPARENT}"` } }, true],
  ['no meta element that is not valid', { head: `<meta name="traceparent" content="00-${'0'.repeat(32)}-00f067aa0ba902b7-01">` }, false],
  ['no meta element full of something else', { head: `<meta name="traceparent" content="${'x'.repeat(100_000)}">` }, false],
  ['no meta element without content', { head: '<meta name="traceparent">' }, false],
  ['no header that is not valid', { headers: { 'Server-Timing': 'traceparent;desc="00-ä", traceparent' } }, false],
]) {
  test(`the parent of a page load comes from ${name}`, async (t) => {
    const { receiver, complaints } = await stage(t, { content });
    const load = await loadOf(receiver);
    assert.deepEqual([load.traceId === TRACE_ID, load.parentSpanId], wanted ? [true, '00f067aa0ba902b7'] : [false, '']);
    if (wanted) assert.equal(load.flags & 0x300, 0x300, 'its parent is known to be remote');
    assert.deepEqual(complaints(), []);
  });
}

test('a parent that is not sampled keeps the page load and all below it from being recorded', async (t) => {
  const { page, receiver, flush } = await stage(t, { content: { head: `<meta name="traceparent" content="${TRACEPARENT.replace(/1$/, '0')}">`, body: '<p>Text</p><img src="/image.svg">' } });
  await delay(200);
  await page.evaluate(() => window.instance.tracer.startSpan('later').end());
  await flush();
  assert.deepEqual(receiver.spans.map(({ name }) => name), ['later']);
});

test('what a cache gives is no parent: neither of a visit by the back button, nor of one that the HTTP cache answers', async (t) => {
  for (const [kind, content] of [
    ['meta', { head: `<meta name="traceparent" content="${TRACEPARENT}">` }],
    ['header', { headers: { 'Server-Timing': `traceparent;desc="${TRACEPARENT}"` } }],
  ]) {
    const { page, receiver, site } = await stage(t, { content: { ...content, headers: { ...content.headers, 'Cache-Control': 'max-age=600' } } });
    const nth = async (count) => {
      await receiver.waitUntil(() => receiver.spans.filter(isLoad).length === count);
      return receiver.spans.filter(isLoad)[count - 1];
    };
    assert.equal((await nth(1)).traceId, TRACE_ID);
    await page.goto(site.url('/elsewhere'));
    await page.goBack();
    const back = await nth(2);
    await page.goto(site.url('/elsewhere'));
    leave(page, site.url('/'));
    const cached = await nth(3);
    assert.equal(site.requestsTo('/').length, 1, 'both came from the cache');
    assert.deepEqual([back.parentSpanId, cached.parentSpanId], ['', ''], kind);
    assert.equal(new Set([back.traceId, cached.traceId, TRACE_ID]).size, 3);
  }
});

test('of an answer 304 the header counts, which is of this visit, and the meta element does not', async (t) => {
  const { page, receiver, site } = await stage(t);
  await loadOf(receiver);
  // As small as can be: a short document is not to be taken for the bytes of headers.
  const html = `<script src="/dist/webspan.global.js"></script><meta name="traceparent" content="${TRACEPARENT}">Text
    <script>webspan.init({ endpoint: '${receiver.url}', batch: { scheduledDelayMillis: 20 } })</script>`;
  const next = TRACEPARENT.replace(/^00-4/, '00-5');
  site.route('/revalidated', (request, response) => {
    const known = request.headers['if-none-match'];
    const withHeader = request.url.search && known;
    response.writeHead(known ? 304 : 200, { 'Content-Type': 'text/html', ETag: '"1"', 'Cache-Control': 'no-cache', ...(withHeader && { 'Server-Timing': `traceparent;desc="${next}"` }) });
    response.end(known ? undefined : html);
  });
  const visit = async (path) => {
    receiver.spans.length = 0;
    await page.goto(site.url(path));
    return (await loadOf(receiver)).traceId;
  };
  assert.ok(html.length < 300);
  for (const [path, wanted] of [['/revalidated', undefined], ['/revalidated?header', `5${TRACE_ID.slice(1)}`]]) {
    assert.equal(await visit(path), TRACE_ID, 'from the network');
    const again = await visit(path);
    assert.equal(site.requests.at(-1).headers['if-none-match'] ?? site.requestsTo('/revalidated').at(-1).headers['if-none-match'], '"1"');
    if (wanted) assert.equal(again, wanted);
    else assert.notEqual(again, TRACE_ID);
  }
});

test('a page that is left before it has loaded delivers what it has, marked as unfinished', async (t) => {
  const { page, receiver, site } = await stage(t, {
    options: { batch: { scheduledDelayMillis: 60_000 } },
    routes: {
      '/slow': (request, response) => {
        webspanPage(quick({ endpoint: receiver.url, serviceName: 'slow', batch: { scheduledDelayMillis: 60_000 } }), { body: '<p>Text</p><img src="/image.svg"><img src="/never">' })(request, response);
      },
      '/never': hang(),
    },
  });
  await page.goto(site.url('/slow'), { waitUntil: 'domcontentloaded' });
  await page.waitForFunction(() => window.instance && performance.getEntriesByName(`${location.origin}/image.svg`).length);
  await page.goto(site.url('/elsewhere'));
  const load = await receiver.waitForSpans((span) => isLoad(span) && pathOf(span) === '/slow').then(([span]) => span);
  assert.equal(plain(load.attributes)[UNFINISHED], true);
  assert.ok(!eventNames(load).includes('loadEventEnd') && eventNames(load).includes('domInteractive'));
  const below = receiver.spans.filter(({ parentSpanId }) => parentSpanId === load.spanId);
  // Of one that was cut off, the browser may tell or not.
  assert.deepEqual(paths(below).filter((path) => path !== '/never'), ['/dist/index.js', '/image.svg']);
  const fetched = below.find(({ name }) => name === 'documentFetch');
  assert.equal(plain(fetched.attributes)[UNFINISHED], undefined, 'the document itself had come');
});

test('a document that is left while it still comes is unfinished itself', async (t) => {
  const { page, receiver, site } = await stage(t, {
    routes: {
      '/streamed': (request, response) => {
        response.writeHead(200, { 'Content-Type': 'text/html' });
        response.write(`<script src="/dist/webspan.global.js"></script><script>window.instance = webspan.init({ endpoint: '${receiver.url}' })</script><p>Text`);
      },
    },
  });
  await page.goto(site.url('/streamed'), { waitUntil: 'commit' });
  await page.waitForFunction(() => window.instance);
  await delay(50);
  // Not awaited: the page that would answer is gone.
  leave(page, site.url('/elsewhere'));
  const [load] = await receiver.waitForSpans((span) => isLoad(span) && pathOf(span) === '/streamed');
  const fetched = receiver.spans.find(({ parentSpanId, name }) => parentSpanId === load.spanId && name === 'documentFetch');
  assert.equal(plain(fetched.attributes)[UNFINISHED], true);
  assert.ok(Number(fetched.endTimeUnixNano) - Number(fetched.startTimeUnixNano) >= 50e6);
});

test('a page is loaded once, however often webspan is started in it, and by whichever copy', async (t) => {
  const { page, receiver } = await stage(t, { content: { body: '<p>Text</p><img src="/image.svg">' } });
  await loadOf(receiver);
  await page.evaluate(async (endpoint) => {
    await window.instance.shutdown();
    const options = { endpoint, batch: { scheduledDelayMillis: 20 } };
    const second = window.webspan.init(options);
    await second.shutdown();
    const copy = await import('/dist/index.js?copy');
    window.third = copy.init(options);
    await fetch('/echo').then((response) => response.text());
  }, receiver.url);
  await last(page);
  await untilLast(receiver);
  assert.equal(receiver.spans.filter(isLoad).length, 1);
  assert.deepEqual(paths(receiver.spans), ['/dist/index.js', '/image.svg', '/images/last']);
  assert.equal(receiver.spans.filter(({ kind }) => kind === 'CLIENT').length, 1, 'the request has its own span and no second one');
});

test('under a Content Security Policy that forbids WebAssembly, the page load is told when the core in JavaScript has come', async (t) => {
  const { page, receiver, site } = await stage(t, {
    options: { instrumentations: { errors: true } },
    content: {
      csp: "script-src 'self' 'unsafe-inline'",
      head: '<link rel="stylesheet" href="/style.css">',
      body: '<p>Text</p><img src="/image.svg"><script type="module">fetch("/echo"); setTimeout(() => { throw new Error("early") })</script>',
    },
    routes: { '/dist/fallback.js': after(400, files(join(projectDir, 'dist'), '/dist/')) },
  });
  const load = await loadOf(receiver);
  assert.equal(site.requestsTo('/dist/fallback.js').length, 1);
  await last(page);
  await untilLast(receiver);
  assert.ok(eventNames(load).includes('loadEventEnd') && eventNames(load).includes('firstContentfulPaint'));
  assert.deepEqual(paths(receiver.spans).filter((path) => !path.includes('fallback')), ['/dist/index.js', '/image.svg', '/images/last', '/style.css']);
  for (const span of receiver.spans.filter((span) => !isLoad(span))) assert.equal(span.parentSpanId, load.spanId, span.name);
  const error = receiver.spans.find(({ name }) => name === 'exception');
  assert.equal(plain(error.events[0].attributes)['exception.message'], 'early');
  assert.equal((await page.evaluate(() => window.instance.stats())).dropped.notReady, 1, 'the request is counted, and has no span');
});

test('while consent is pending a page load waits, and is sent with the word', async (t) => {
  const { page, receiver } = await stage(t, { options: { consent: 'pending' }, content: { body: '<p>Text</p><img src="/image.svg">' } });
  await last(page);
  await delay(200);
  assert.equal(receiver.requests.length, 0);
  await page.evaluate(() => window.instance.setConsent(true));
  await loadOf(receiver);
  assert.deepEqual(paths(receiver.spans), ['/dist/index.js', '/image.svg', '/images/last']);
});

test('what the options leave out is left out, and hooks have their word on each kind of span', async (t) => {
  const { page, receiver } = await stage(t, {
    options: {
      logLevel: 'none',
      instrumentations: {
        documentLoad: {
          ignoreNetworkEvents: true,
          ignorePerformancePaintEvents: true,
          applyCustomAttributesOnSpan: {
            documentLoad: (span) => span.setAttribute('own', 'load'),
            documentFetch: (span) => { span.setAttribute('own', 'fetch'); fetch('/echo?hook'); throw new Error('hook'); },
            resourceFetch: (span, resource) => span.setAttribute('own', resource.initiatorType),
          },
        },
      },
    },
    content: { body: '<p>Text</p><img src="/image.svg">' },
  });
  await loadOf(receiver);
  await last(page);
  await untilLast(receiver);
  const own = (wanted) => receiver.spans.filter(wanted).map(({ attributes }) => plain(attributes).own);
  assert.deepEqual(own(isLoad), ['load']);
  assert.deepEqual(own(({ name }) => name === 'documentFetch'), ['fetch']);
  assert.deepEqual(own((span) => isResource(span) && pathOf(span) === '/image.svg'), ['img']);
  for (const span of receiver.spans) assert.deepEqual(span.events, [], span.name);
  assert.equal(receiver.spans.filter(({ kind }) => kind === 'CLIENT').length, 0, 'what a hook fetches has no span');
});

test('an event that the page calls "load" ends nothing', async (t) => {
  const { receiver } = await stage(t, {
    content: { body: '<p>Text</p><script type="module">dispatchEvent(new Event("load"))</script><img src="/slow.svg">' },
    routes: { '/slow.svg': after(300, image) },
  });
  const load = await loadOf(receiver);
  assert.ok(Number(load.endTimeUnixNano) - Number(load.startTimeUnixNano) >= 300e6);
  assert.ok(eventNames(load).includes('loadEventEnd'));
});

test('always_off records nothing of a page load, and the page\'s own requests say so', async (t) => {
  const { page, receiver, flush, site } = await stage(t, { options: { sampler: 'always_off' }, content: { body: '<p>Text</p><script type="module">fetch("/echo")</script>' } });
  const [request] = await site.waitForRequests('/echo');
  assert.match(request.headers.traceparent, /^00-.*-0[02]$/);
  await last(page);
  await flush();
  assert.equal(receiver.requests.length, 0);
});

/** A site with webspan at `/`, in tabs that can be hidden and prerendered. */
async function tabs(t, { options, content, routes: more }) {
  const receiver = await startReceiver();
  const start = { endpoint: receiver.url, serviceName: 'tabs', ...quick(options) };
  const site = await startSite({ routes: { ...routes, '/': webspanPage(start, { body, ...content }), ...more } });
  const browser = await launchTabs();
  t.after(async () => {
    await browser.close();
    await site.close();
    await receiver.close();
  });
  return { receiver, site, browser };
}

test('a page that is loaded in the background waits for no paint', async (t) => {
  const { receiver, site, browser } = await tabs(t, {});
  const page = await browser.newPage();
  await (await browser.newPage()).bringToFront();
  await page.goto(site.url('/'));
  const loadedMs = performance.now();
  const load = await loadOf(receiver);
  assert.ok(performance.now() - loadedMs < 2000);
  assert.ok(!eventNames(load).includes('firstContentfulPaint'));
});

test('a page that is prerendered is no visit until it is shown: nothing is sent, there is no session, and then it tells of its load', async (t) => {
  const { receiver, site, browser } = await tabs(t, {
    options: { session: { storage: 'localStorage' } },
    content: { body: '<p>Text</p><img src="/image.svg"><script>addEventListener("load", () => setTimeout(() => fetch("/loaded?" + document.prerendering + localStorage.length), 100))</script>' },
    routes: {
      '/start': htmlPage({ head: '<script type="speculationrules">{"prerender":[{"source":"list","urls":["/"],"eagerness":"immediate"}]}</script>', body: '<a href="/">Go</a>' }),
      '/loaded': status(204),
    },
  });
  const page = await browser.newPage();
  await page.goto(site.url('/start'));
  const [{ url }] = await site.waitForRequests('/loaded');
  assert.equal(url.search, '?true0', 'it is prerendered, and nothing is stored');
  await delay(300);
  assert.equal(receiver.requests.length, 0);
  page.evaluate(() => document.querySelector('a').click()).catch(() => {});
  const load = await loadOf(receiver);
  const attributes = plain(load.attributes);
  assert.equal(site.requestsTo('/').length, 1, 'the very page that was prerendered');
  assert.equal(attributes['browser.navigation.type'], 'prerender');
  assert.match(attributes['session.id'], /^[\da-f]{32}$/);
  const at = (name) => Number(load.events.find((event) => event.name === name)?.timeUnixNano);
  assert.ok(at('activationStart') > at('loadEventEnd'), 'activated after it had loaded');
  assert.ok(at('firstContentfulPaint') >= at('activationStart'), 'and painted after that');
  assert.equal(load.endTimeUnixNano, load.events.find(({ name }) => name === 'loadEventEnd').timeUnixNano);
  assert.equal(receiver.spans.filter(isLoad).length, 1);
});
