// Whatever the page, the user or the browser does to us, the page's own work goes on, and losses are counted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { plain } from '../harness/receiver.mjs';
import { webspanPage } from '../harness/site.mjs';
import { stage, trappingCore } from './stage.mjs';

const fetchText = (page, url = '/echo') => page.evaluate((url) => fetch(url).then((response) => response.status), url);

/** Options of which one cannot be read, and what is to be said of it. */
const UNREADABLE = [
  ['an unset variable in the endpoint', `{ endpoint: \`\${undefined}/v1/traces\` }`, /endpoint is "undefined\/v1\/traces"; wanted .*is a variable not set\?/, { sent: false }],
  ['an unset variable as host', `{ endpoint: 'https://undefined' }`, /endpoint is "https:\/\/undefined"/, { sent: false }],
  ['an empty endpoint', `{ endpoint: '' }`, /endpoint is ""/, { sent: false }],
  ['a header that fetch would refuse', `{ endpoint, headers: { 'x y': 'SECRET' } }`, /headers\.x is String|headers\.x is not readable/, { sent: false }],
  ['headers that are text', `{ endpoint, headers: 'x-api-key: SECRET' }`, /headers is String; wanted/, { sent: false }],
  ['text as a number', `{ endpoint, batch: { maxQueueSize: '2k' } }`, /batch\.maxQueueSize is "2k"; wanted number/],
  ['a ratio above one', `{ endpoint, sampler: { ratio: 2 } }`, /sampler\.ratio is 2; wanted/],
  ['a sampler that is none', `{ endpoint, sampler: 'on' }`, /sampler is "on"/],
  ['a name that is none', `{ endpoint, serviceName: 5 }`, /serviceName is 5/],
  ['a redaction that is none', `{ endpoint, redact: 'yes' }`, /redact is "yes"/],
  ['a getter that throws', `{ endpoint, get serviceName() { throw new Error('from a getter'); } }`, /serviceName is not readable/],
  ['an attribute that is none', `{ endpoint, resourceAttributes: { good: 1, bad: {} } }`, /resourceAttributes\.bad is Object/],
  ['a consent that is none', `{ endpoint, consent: true }`, /consent is true/, { sent: false, header: false }],
  ['a pattern for other origins that is none', `{ endpoint, propagateTraceHeaderCorsUrls: [/./, 7] }`, /propagateTraceHeaderCorsUrls\[1\] is 7/, { crossOrigin: false }],
  ['an ignored URL that is none', `{ endpoint, ignoreUrls: [undefined], propagateTraceHeaderCorsUrls: /./ }`, /ignoreUrls\[0\] is undefined/, { header: false }],
  ['a URL without header that is none', `{ endpoint, noTraceHeaderUrls: ['https://['], propagateTraceHeaderCorsUrls: /./ }`, /noTraceHeaderUrls\[0\]/, { header: false }],
  ['an ignored URL of fetch that is not set', `{ endpoint, instrumentations: { fetch: { ignoreUrls: 'https://undefined/' } }, propagateTraceHeaderCorsUrls: /./ }`, /fetch\.ignoreUrls\[0\]/, { header: false }],
  ['no object', `null`, /options is Null; wanted Object/, { sent: false, header: false }],
  ['text', `'{"headers":"SECRET"}'`, /options is String; wanted Object/, { sent: false, header: false }],
  ['a proxy that throws', `new Proxy({ endpoint }, new Proxy({}, { get() { throw new Error('of the page'); } }))`, /options is not readable/, { sent: false, header: false }],
  ['an onError that throws', `{ endpoint, debug: 'yes', onError(error) { messages.push(error.message); throw error; } }`, /debug is "yes"/],
  ['no console', `(delete window.console, { endpoint, debug: 5, onError(error) { messages.push(error.message); } })`, /debug is 5/, { silent: true }],
];

for (const [name, options, wanted, { sent = true, header = true, crossOrigin = header, silent = false } = {}] of UNREADABLE) {
  test(`${name} in the options: init says so and goes on with what is safe`, async (t) => {
    const { page, site, api, receiver, pageErrors } = await stage(t);
    const next = await page.context().newPage();
    next.on('pageerror', (error) => pageErrors.push(error.message));
    const said = [];
    next.on('console', (message) => message.type() === 'error' && said.push(message.text()));
    await next.goto(site.url('/elsewhere'));
    const outcome = await next.evaluate(async ([source, endpoint, api]) => {
      const { init } = await import('/dist/index.js');
      const messages = [];
      const options = new Function('endpoint', 'messages', `return (${source})`)(endpoint, messages);
      if (source.startsWith('{') || source.startsWith('(')) {
        for (const [key, value] of [['propagateTraceHeaderCorsUrls', /./], ['onError', (error) => messages.push(error.message)]]) if (!(key in options)) options[key] = value;
      }
      const instance = init(options);
      const own = await fetch('/echo').then((response) => response.json());
      const other = await fetch(`${api}/echo`).then((response) => response.json());
      instance.tracer.startSpan('own').end();
      await instance.flush();
      const { delivered, ended } = instance.stats();
      return { messages, own: !!own.headers.traceparent, other: !!other.headers.traceparent, delivered, ended };
    }, [options, receiver.url, api.origin]);
    assert.deepEqual(pageErrors, []);
    assert.deepEqual([outcome.own, outcome.other], [header, crossOrigin], 'who gets a header');
    assert.equal(outcome.delivered > 0, sent, 'what is sent');
    assert.equal(receiver.spans.some((span) => span.name === 'own'), sent);
    const messages = said.filter((text) => text.startsWith('webspan: '));
    if (!silent) assert.equal(messages.filter((text) => wanted.test(text)).length, 1, said.join(' | '));
    if (/^\{/.test(options) || silent) assert.equal(outcome.messages.filter((text) => wanted.test(text)).length, 1, outcome.messages.join(' | '));
    assert.ok(!messages.join().includes('SECRET') && !outcome.messages.join().includes('SECRET'));
    await next.close();
  });
}

test('in spite of options that cannot be read, secrets in URLs are replaced', async (t) => {
  for (const redact of ["'yes'", '{ url: /customer/ }', '{ keys: [5, "pin"] }', '[]']) {
    const { page, receiver } = await stage(t, { options: { logLevel: 'none' } });
    await page.evaluate(async ([redact, endpoint]) => {
      await window.instance.shutdown();
      const instance = window.webspan.init({ endpoint, redact: (0, eval)(`(${redact})`), logLevel: 'none' });
      await fetch('/echo?token=SECRET&pin=1234').then((response) => response.text());
      await instance.flush();
    }, [redact, receiver.url]);
    const [span] = await receiver.waitForSpans((each) => each.scope.name === 'webspan/fetch');
    assert.ok(!JSON.stringify(span).includes('SECRET'), redact);
    if (/pin/.test(redact)) assert.ok(!JSON.stringify(span).includes('1234'), redact);
  }
});

test('an unknown option warns with the nearest name, and init goes on', async (t) => {
  const { page, consoleWarnings } = await stage(t, { options: { serviceNam: 'x', propagateTraceHeadersCorsUrls: [] } });
  assert.ok(consoleWarnings.some((text) => /serviceNam\b.*serviceName/.test(text)), consoleWarnings.join());
  assert.ok(consoleWarnings.some((text) => /propagateTraceHeaderCorsUrls/.test(text)));
  assert.equal(await fetchText(page), 200);
});

test('a second init, also from a second copy of the package, returns the first instance and warns', async (t) => {
  const { page, site, consoleWarnings } = await stage(t);
  const same = await page.evaluate(async () => {
    const wrapped = window.fetch;
    const again = window.webspan.init({ serviceName: 'other' });
    const copy = await import('/dist/index.js?copy');
    return { again: again === window.instance, copy: copy.init({}) === window.instance, wrapped: wrapped === window.fetch };
  });
  assert.deepEqual(same, { again: true, copy: true, wrapped: true });
  assert.equal(consoleWarnings.filter((text) => /before/.test(text)).length, 1, 'the same thing once');
  await fetchText(page);
  assert.match(site.requestsTo('/echo')[0].headers.traceparent, /^00-[^,]+$/, 'one header, once');
});

test('without an endpoint on a page that is not loopback, it warns once, propagates, and sends nothing', async (t) => {
  const { page } = await stage(t, { options: { endpoint: undefined } });
  // A loopback page has a default; what another page does is a question of its host name only, which unit tests of the options ask.
  assert.equal(await fetchText(page), 200);
});

test('a page that has patched fetch, before and after, keeps its patches and its requests', async (t) => {
  const head = `<script>
    const native = window.fetch;
    window.log = [];
    window.fetch = function patched(...args) { if (args[0] === '/echo') window.log.push('before'); return native.apply(this, args); };
  </script>`;
  const { page, site, receiver, flush } = await stage(t, { content: { head } });
  // The head above stands behind the module in the page, and runs before it.
  const log = await page.evaluate(async () => {
    const ours = window.fetch;
    window.fetch = (...args) => (window.log.push('after'), ours(...args));
    await fetch('/echo');
    await window.instance.shutdown();
    const status = (await fetch('/echo')).status;
    return [window.log, status];
  });
  assert.deepEqual(log, [['after', 'before', 'after', 'before'], 200]);
  assert.deepEqual(site.requestsTo('/echo').map((request) => !!request.headers.traceparent), [true, false], 'silent after shutdown');
  await flush();
  assert.equal(receiver.spans.length, 1);
});

for (const [name, lock] of [
  ['locked fetch', `Object.defineProperty(window, 'fetch', { value: window.fetch, writable: false, configurable: false });`],
  ['frozen fetch', 'Object.freeze(window.fetch);'],
  ['replaced fetch by something that returns no promise', `const native = window.fetch; window.fetch = (...args) => args[0] === '/odd' ? 'odd' : native(...args);`],
  ['no PerformanceObserver', 'delete window.PerformanceObserver;'],
  ['no crypto that works', `Object.defineProperty(crypto, 'getRandomValues', { value() { throw new Error('no'); } });`],
  ['a console that throws', `for (const level of ['log', 'warn', 'error', 'info']) console[level] = () => { throw new Error('console'); };`],
  ['JSON.parse deleted', 'delete JSON.parse;'],
]) {
  test(`a page with ${name} goes on`, async (t) => {
    const { page, pageErrors } = await stage(t, { content: { head: `<script>${lock}</script>` } });
    assert.equal(await fetchText(page), 200);
    if (/no promise/.test(name)) assert.equal(await page.evaluate(() => window.fetch('/odd')), 'odd');
    await page.evaluate(() => window.webspan.traced('x', () => 1));
    await page.evaluate(() => Promise.race([window.instance.flush(), new Promise((resolve) => setTimeout(resolve, 1000))]));
    assert.deepEqual(pageErrors, []);
  });
}

test('crypto.getRandomValues that calls fetch comes back while the core is at work, and harms nothing', async (t) => {
  const head = `<script>
    const draw = crypto.getRandomValues.bind(crypto);
    crypto.getRandomValues = (array) => { window.drawn = (window.drawn ?? 0) + 1; if (window.drawn < 5) fetch('/echo?from-crypto'); return draw(array); };
  </script>`;
  const { page, receiver, flush, pageErrors } = await stage(t, { content: { head } });
  assert.equal(await fetchText(page), 200);
  await page.evaluate(() => {
    for (let index = 0; index < 500; index++) window.instance.tracer.startSpan(`span ${index}`).end();
  });
  await delay(100);
  await flush();
  await receiver.waitForSpans(501);
  const names = receiver.spans.map((span) => span.name).filter((name) => name.startsWith('span'));
  assert.equal(new Set(names).size, 500, 'no name was overwritten by the other call');
  assert.deepEqual(pageErrors, []);
});

test('attributes, events and exceptions of any kind are taken or ignored, never thrown back', async (t) => {
  const { page, receiver, flush, pageErrors } = await stage(t);
  await page.evaluate(() => {
    const cyclic = {};
    cyclic.self = cyclic;
    const span = window.instance.tracer.startSpan(undefined);
    const values = [undefined, null, Symbol('s'), 10n, () => {}, {}, cyclic, new Date(), [null, undefined, 'x'], [[1]], NaN, -0, 'x'.repeat(100_000), '\ud800 lone', Object.create(null)];
    values.forEach((value, index) => span.setAttribute(`k${index}`, value));
    span.setAttribute(Symbol('key'), 1);
    span.setAttribute('', 1);
    span.setAttributes({ get bad() { throw new Error('getter'); }, good: 1 });
    span.setAttributes(null);
    span.addEvent(null, 5);
    span.addEvent('e', { a: 1 }, new Date());
    span.addEvent('h', undefined, [Math.floor(Date.now() / 1000), 5]);
    for (const thrown of [undefined, null, 'text', 5, {}, new Error('message'), { get message() { throw new Error('getter'); } }, Object.create(null)]) span.recordException(thrown);
    span.setStatus({ code: 99 });
    span.setStatus(undefined);
    span.addLink({ context: { traceId: 'no', spanId: 'no', traceFlags: 0 } });
    span.addLink(undefined);
    span.updateName({});
    span.end('no time');
    span.end();
    span.setAttribute('late', 1);
    for (const nonsense of [NaN, Infinity, -1, {}, 'x']) window.instance.tracer.startSpan('t', { startTime: nonsense }).end(nonsense);
    window.instance.tracer.startSpan('k', { kind: 77, attributes: 'no', links: 'no' })?.end();
    window.webspan.inject(undefined);
    window.webspan.extract(undefined);
    window.webspan.extract({ traceparent: 'x', tracestate: '=' });
  });
  await flush();
  assert.ok(receiver.spans.length >= 1);
  assert.deepEqual(pageErrors, []);
  assert.equal(await fetchText(page), 200);
  assert.equal(await page.evaluate(() => window.instance.stats().dropped.coreFailed), 0);
}, { timeout: 20_000 });

test('traced gives back what its function gives, sync and async, and throws on what it throws', async (t) => {
  const { page, receiver, flush } = await stage(t);
  const given = await page.evaluate(async () => {
    const { traced } = window.webspan;
    const error = new RangeError('too far');
    const thrown = (run) => {
      try {
        return run();
      } catch (caught) {
        return caught === error;
      }
    };
    return [
      traced('sync', () => 1),
      await traced('async', async () => 2),
      thrown(() => traced('sync throws', () => { throw error; })),
      await traced('async throws', async () => { throw error; }).catch((caught) => caught === error),
      traced('nested', (outer) => traced('inner', () => window.webspan.activeSpan() !== outer)),
      window.webspan.activeSpan() === undefined,
    ];
  });
  assert.deepEqual(given, [1, 2, true, true, true, true]);
  await flush();
  const spans = Object.fromEntries((await receiver.waitForSpans(6)).map((span) => [span.name, span]));
  assert.deepEqual(spans['async throws'].status, { code: 'ERROR', message: 'too far' });
  const [event] = spans['sync throws'].events;
  assert.equal(event.name, 'exception');
  assert.equal(plain(event.attributes)['exception.type'], 'RangeError');
  assert.equal(plain(event.attributes)['exception.message'], 'too far');
  assert.match(plain(event.attributes)['exception.stacktrace'], /RangeError: too far/);
  assert.equal(spans.inner.parentSpanId, spans.nested.spanId);
});

test('a trap in the core switches webspan off: requests go through, losses are counted, fetch is restored', async (t) => {
  const { page, pageErrors } = await stage(t, { content: { head: trappingCore() }, options: { batch: { scheduledDelayMillis: 60_000 }, onError: (error) => (window.errors ??= []).push(error.message) } });
  const seen = await page.evaluate(async () => {
    const wrapped = window.fetch;
    for (let index = 0; index < 3; index++) window.instance.tracer.startSpan('s').end();
    window.trapIn = '*';
    const during = (await fetch('/echo')).status;
    const after = (await fetch('/echo')).status;
    const span = window.instance.tracer.startSpan('off');
    span.setAttribute('a', 1).addEvent('e').end();
    await window.instance.flush();
    await window.instance.shutdown();
    return { during, after, restored: window.fetch !== wrapped, stats: window.instance.stats(), errors: window.errors, traced: window.webspan.traced('t', () => 7) };
  });
  assert.equal(seen.during, 200);
  assert.equal(seen.after, 200);
  assert.equal(seen.restored, true);
  assert.equal(seen.traced, 7);
  assert.equal(seen.stats.ended, 3);
  assert.equal(seen.stats.dropped.coreFailed, 3);
  assert.equal(seen.errors.filter((message) => /switched off/.test(message)).length, 1);
  assert.deepEqual(pageErrors, []);
});

for (const [name, processor, trapIn] of [
  ['changes attributes', { onEnd: (span) => span.setAttributes({ a: 1 }) }, 'set_attribute'],
  ['renames the span', { onEnd: (span) => span.updateName('renamed') }, 'rename_span'],
  ['reads the span', { onEnd: (span) => void span.attributes }, 'peek_span'],
  ['drops the span', { onEnd: (span) => span.drop() }, 'filter_span'],
  ['sees the span start', { onStart: (span) => span.setAttribute('a', 1) }, 'set_attribute'],
]) {
  test(`a trap in a processor that ${name} is not thrown at it, and switches webspan off once`, async (t) => {
    const watching = Object.fromEntries(Object.entries(processor).map(([when, run]) => [when, `(span) => { try { (${run})(span); } catch (error) { (window.thrown ??= []).push(String(error)); throw error; } }`]));
    const options = { batch: { scheduledDelayMillis: 60_000 }, logLevel: 'none', onError: (error) => (window.errors ??= []).push(error.message) };
    const { page, pageErrors } = await stage(t, {
      content: { head: `${trappingCore()}<script>window.processor = { ${Object.entries(watching).map(([when, run]) => `${when}: ${run}`).join()} };</script>` },
      options: { ...options, spanProcessors: [{ onStart: (span) => window.processor.onStart?.(span), onEnd: (span) => window.processor.onEnd?.(span) }, { onEnd: (span) => void span.name }] },
    });
    const seen = await page.evaluate((trapIn) => {
      const { tracer } = window.instance;
      const open = [tracer.startSpan('open'), tracer.startSpan('open too')];
      window.trapIn = trapIn;
      tracer.startSpan('trapped').end();
      const after = window.instance.stats();
      open.forEach((span) => (span.setAttribute('late', 1), span.end(), span.end()));
      return { after, later: window.instance.stats(), recording: tracer.startSpan('off').isRecording(), thrown: window.thrown, errors: window.errors, trapped: window.trapped };
    }, trapIn);
    assert.equal(seen.trapped, true);
    assert.equal(seen.recording, false);
    assert.equal(seen.thrown, undefined);
    assert.equal(seen.errors.filter((message) => /switched off/.test(message)).length, 1);
    assert.deepEqual(seen.errors.filter((message) => /function that it was given/.test(message)), []);
    assert.deepEqual([seen.after.ended, seen.after.dropped.coreFailed], [3, 3], 'the spans that were open are lost with it');
    assert.deepEqual(seen.later, seen.after, 'and are counted once');
    assert.deepEqual(pageErrors, []);
  });
}

test('an error of a page that its own hook throws, whatever it is, does not switch webspan off', async (t) => {
  const { page, flush, receiver } = await stage(t, {
    options: {
      logLevel: 'none',
      spanProcessors: {
        onEnd: () => {
          const forEver = () => forEver();
          if (window.calls++ === 0) forEver();
          throw new WebAssembly.RuntimeError('of a module of the page');
        },
      },
    },
    content: { head: '<script>window.calls = 0;</script>' },
  });
  await page.evaluate(() => ['a', 'b', 'c'].forEach((name) => window.instance.tracer.startSpan(name).end()));
  await flush();
  await receiver.waitForSpans(3);
  assert.equal(await page.evaluate(() => window.instance.stats().dropped.coreFailed), 0);
});

test('huge texts are cut before they are copied, and the memory that they take stays small', async (t) => {
  const head = `<script>const Instance = WebAssembly.Instance;
    WebAssembly.Instance = function (...args) { const made = new Instance(...args); window.memory = made.exports.memory; return made; };</script>`;
  for (const [name, limits, wanted] of [['without a limit', {}, 524_288], ['with a limit', { attributeValueLengthLimit: 100 }, 100]]) {
    const { page, receiver, flush, pageErrors } = await stage(t, { content: { head }, options: { limits } });
    const grownBytes = await page.evaluate(async () => {
      const { tracer } = window.instance;
      tracer.startSpan('small').end();
      await window.instance.flush();
      const before = window.memory.buffer.byteLength;
      const huge = 'ü'.repeat(25_000_000);
      const span = tracer.startSpan('huge', { attributes: { first: huge } });
      span.setAttribute('second', [...Array(3)].fill(huge));
      span.addEvent('event', { third: huge });
      span.end();
      await window.instance.flush();
      tracer.startSpan('after', { attributes: { text: 'ä' } }).end();
      await window.instance.flush();
      return window.memory.buffer.byteLength - before;
    });
    await flush();
    const huge = (await receiver.waitForSpans((span) => span.name === 'huge'))[0];
    assert.equal(plain(huge.attributes).first, 'ü'.repeat(wanted));
    assert.ok(grownBytes < (wanted > 1000 ? 40_000_000 : 1_000_000), `${name}: ${grownBytes} bytes`);
    const [after] = await receiver.waitForSpans((span) => span.name === 'after');
    assert.deepEqual(plain(after.attributes), { text: 'ä' });
    assert.deepEqual(pageErrors, []);
  }
});

test('a huge URL, name, message and key are cut too', async (t) => {
  const { page, receiver, flush, pageErrors } = await stage(t);
  await page.evaluate(async () => {
    const huge = 'x'.repeat(5_000_000);
    const span = window.instance.tracer.startSpan(huge);
    span.setAttribute(huge, 1).setStatus({ code: 2, message: huge }).recordException({ name: huge, message: huge, stack: huge });
    span.end();
    await fetch(`data:text/plain,${huge}`).then((response) => response.text());
  });
  await flush();
  const [span] = await receiver.waitForSpans((span) => span.kind === 'INTERNAL');
  assert.equal(span.name.length, 524_288);
  assert.equal(span.status.message.length, 524_288);
  assert.deepEqual(pageErrors, []);
});

for (const [name, content] of [
  ['a Content Security Policy without wasm-unsafe-eval', { csp: "script-src 'self' 'unsafe-inline'" }],
  ['WebAssembly switched off', { head: '<script>delete window.WebAssembly</script>' }],
  ['a Chromium that refuses large synchronous modules', { head: '<script>WebAssembly.Module = function () { throw new RangeError("too large") }</script>' }],
]) {
  test(`under ${name} the core in JavaScript takes over`, async (t) => {
    const { page, site, receiver, flush, pageErrors } = await stage(t, { content, routes: {} });
    const early = await page.evaluate(() => window.instance.stats().dropped.notReady);
    assert.equal(early, 0);
    await page.waitForFunction(() => window.instance.tracer.startSpan('probe').isRecording());
    assert.equal(site.requestsTo('/dist/fallback.js').length, 1);
    await page.evaluate(() => window.webspan.traced('later', (span) => (span.setAttribute('a', 'ü'.repeat(50_000)), fetch('/echo').then((response) => response.text()))));
    await flush();
    await receiver.waitForSpans(2);
    assert.match(site.requestsTo('/echo')[0].headers.traceparent, /^00-/);
    assert.deepEqual(pageErrors, []);
  });
}

test('before the core in JavaScript is there, requests pass without a header and are counted', async (t) => {
  const { page, site, pageErrors } = await stage(t, {
    content: { csp: "script-src 'self' 'unsafe-inline'" },
    routes: {
      '/dist/fallback.js': (request, response) => response.writeHead(404).end(),
      '/early': (request, response) => response.writeHead(200).end('early'),
    },
    options: { onError: (error) => (window.errors ??= []).push(error.message) },
  });
  assert.equal(await fetchText(page, '/early'), 200);
  assert.equal(site.requestsTo('/early')[0].headers.traceparent, undefined);
  await delay(200);
  const after = await page.evaluate(() => ({ stats: window.instance.stats(), errors: window.errors, value: window.webspan.traced('t', () => 1) }));
  assert.equal(after.stats.dropped.notReady, 1);
  assert.equal(after.value, 1);
  assert.ok(after.errors.some((message) => /cannot start/.test(message)));
  assert.deepEqual(pageErrors, []);
});

test('starting and stopping a hundred times leaves nothing behind', async (t) => {
  const { page, receiver } = await stage(t);
  const left = await page.evaluate(async (endpoint) => {
    await window.instance.shutdown();
    const native = window.fetch;
    let added = 0;
    for (const target of [window, document]) {
      const { addEventListener, removeEventListener } = target;
      target.addEventListener = function (type, listener, options) {
        added++;
        options?.signal?.addEventListener('abort', () => added--);
        return addEventListener.call(this, type, listener, options);
      };
      target.removeEventListener = function (...args) {
        added--;
        return removeEventListener.apply(this, args);
      };
    }
    for (let round = 0; round < 100; round++) {
      const instance = window.webspan.init({ endpoint });
      instance.tracer.startSpan(`round ${round}`).end();
      await instance.shutdown();
    }
    return { restored: window.fetch === native, added };
  }, receiver.url);
  assert.deepEqual(left, { restored: true, added: 0 });
  const names = receiver.spans.map((span) => span.name);
  assert.equal(names.filter((name) => name.startsWith('round')).length, 100);
  assert.equal(names.filter((name) => name === 'documentLoad').length, 1, 'a page is loaded once');
}, { timeout: 60_000 });

test('debug shows each finished span in a collapsed group', async (t) => {
  const { page } = await stage(t, { options: { debug: true } });
  const shown = [];
  page.on('console', (message) => shown.push(message));
  await page.evaluate(() => window.instance.tracer.startSpan('looked at', { startTime: 1_700_000_000_000 }).end(1_700_000_000_250));
  await delay(100);
  const group = shown.findIndex((message) => message.type() === 'startGroupCollapsed');
  assert.equal(shown[group]?.text(), 'webspan: looked at 250 ms');
  const span = await shown[group + 1].args()[0].jsonValue();
  assert.equal(span.startTimeUnixNano, '1700000000000000000');
  assert.match(span.traceId, /^[0-9a-f]{32}$/);
});

test('a wrapper of fetch that was there before webspan may copy our headers as a record', async (t) => {
  const wrapper = 'const native = fetch; window.fetch = (input, init) => native(input, { ...init, headers: { ...init.headers, "X-Wrapped": "1" } });';
  const { page, receiver, flush } = await stage(t, { options: { headers: { 'X-Team': 'shop' }, compression: 'gzip' }, content: { head: `<script>${wrapper}</script>` } });
  await page.evaluate('window.instance.tracer.startSpan("wrapped", { attributes: { filling: "x".repeat(3000) } }).end()');
  await flush();
  await receiver.waitForSpans(1);
  const { headers } = receiver.requests[0];
  assert.deepEqual(['content-type', 'content-encoding', 'x-team', 'x-wrapped'].map((name) => headers[name]), ['application/x-protobuf', 'gzip', 'shop', '1']);
});

for (const [name, script, type] of [
  ['has given arrays and objects a toJSON', 'Array.prototype.toJSON = Object.prototype.toJSON = String.prototype.toJSON = () => { new Image().src = "/echo?called"; return "not what it is"; };', 'application/json'],
  ['has put fields of OTLP into Object.prototype', 'for (const name of ["spans", "attributes", "partialSuccess"]) Object.defineProperty(Object.prototype, name, { get: () => [1], set() {}, configurable: true });', 'application/json'],
  ['has a JSON.stringify that throws', 'JSON.stringify = () => { throw new Error("of the page"); };', 'application/x-protobuf'],
]) {
  test(`a page that ${name} sends what it would have sent as JSON, or as protobuf`, async (t) => {
    const { page, receiver, pageErrors } = await stage(t, { options: { protocol: 'http/json' } });
    await page.evaluate(script);
    await page.evaluate('window.instance.tracer.startSpan("whole", { attributes: { list: ["a", "b"] } }).end(), window.instance.flush()');
    const [span] = await receiver.waitForSpans(1);
    assert.deepEqual([span.name, plain(span.attributes).list], ['whole', ['a', 'b']]);
    assert.equal(receiver.requests[0].headers['content-type'], type);
    assert.equal(await page.evaluate('window.instance.stats().delivered'), 1);
    assert.deepEqual(pageErrors, []);
  });
}
