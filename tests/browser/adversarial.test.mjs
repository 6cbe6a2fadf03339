// What an adversary would try, and what odd pages do without meaning to: each test was a way to break the page, to leak, or to miscount.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import { projectDir } from '../../js/build/setup.mjs';
import { plain } from '../harness/receiver.mjs';
import { files, hang, slow, text } from '../harness/site.mjs';
import { stage as plainStage, trappingCore } from './stage.mjs';

const isClient = (span) => span.kind === 'CLIENT';
const stage = (t, set = {}) => plainStage(t, { ...set, routes: { '/nm/*': files(join(projectDir, 'node_modules'), '/nm/'), ...set.routes } });
const books = ({ ended, queued, inFlight, delivered, unacknowledged, dropped: { notReady, ...reasons } }) => assert.equal(ended, queued + inFlight + delivered + unacknowledged + Object.values(reasons).reduce((sum, count) => sum + count, 0));

test('thrown values without text never reach the page', async (t) => {
  const { page } = await stage(t, { options: { logLevel: 'none' } });
  const out = await page.evaluate(async () => {
    const bare = Object.create(null);
    const tries = {
      setAttributes: () => window.instance.tracer.startSpan('a').setAttributes({ get x() { throw bare; } }),
      symbol: () => window.instance.tracer.startSpan('a').setAttributes({ get x() { throw Symbol('s'); } }),
      fetch: () => fetch('/echo', { get method() { throw bare; } }).catch((e) => { if (e !== bare) throw e; }),
    };
    const res = {};
    for (const [n, f] of Object.entries(tries)) { try { await f(); res[n] = 'ok'; } catch (e) { res[n] = Object(e) === e && e.message ? e.message : typeof e; } }
    return res;
  });
  assert.deepEqual(out, { setAttributes: 'ok', symbol: 'ok', fetch: 'ok' });
});

test('traced throws on what was thrown, whatever it is', async (t) => {
  const { page, receiver, flush } = await stage(t);
  const out = await page.evaluate(() => {
    const bare = Object.create(null);
    const hostile = { get message() { throw new Error('getter'); } };
    return [bare, hostile].map((thrown) => { try { window.webspan.traced('x', () => { throw thrown; }); } catch (e) { return e === thrown ? 'same' : e.message; } });
  });
  await flush();
  assert.deepEqual(out, ['same', 'same']);
  assert.equal(receiver.spans.length, 2);
});

test('redact.url leaves the method alone', async (t) => {
  const { page, receiver, flush } = await stage(t, { options: { redact: { url: (u) => u } } });
  await page.evaluate(() => fetch('/echo', { method: 'POST', body: 'x' }).then((r) => r.text()));
  await flush();
  const [span] = await receiver.waitForSpans(isClient);
  assert.equal(span.name, 'POST');
  assert.equal(plain(span.attributes)['http.request.method'], 'POST');
});

test('redact: false still takes credentials out of URLs', async (t) => {
  const { page, receiver, flush } = await stage(t, { options: { redact: false } });
  await page.evaluate(() => fetch('http://user:SECRET@127.0.0.1:1/').catch(() => {}));
  await flush();
  const [span] = await receiver.waitForSpans(isClient);
  assert.ok(!JSON.stringify(span).includes('SECRET'), plain(span.attributes)['url.full']);
});

test('a sandboxed frame adds no header to requests to its own host, which is another origin', async (t) => {
  const { page, site } = await stage(t, { routes: {
    '/open': (q, s) => s.writeHead(200, { 'Access-Control-Allow-Origin': '*' }).end('open'),
    '/frame': (q, s) => s.writeHead(200, { 'Content-Type': 'text/html' }).end(`<script src="/dist/webspan.global.js"></script><script>
      webspan.init({ endpoint: 'http://127.0.0.1:1', logLevel: 'none' });
      fetch('/open').then((r) => r.text(), (e) => 'rejected: ' + e.message).then((m) => parent.postMessage(m, '*'));</script>`) } });
  const got = await page.evaluate(() => new Promise((res) => { addEventListener('message', (e) => res(e.data)); const f = document.createElement('iframe'); f.sandbox = 'allow-scripts'; f.src = '/frame'; document.body.append(f); }));
  assert.equal(got, 'open');
});

test('frames without a URL of their own have the origin of their parent', async (t) => {
  const { page, site, receiver } = await stage(t);
  const got = await page.evaluate(async (endpoint) => {
    const f = document.createElement('iframe'); f.srcdoc = '<p>'; document.body.append(f);
    await new Promise((r) => (f.onload = r));
    const s = f.contentDocument.createElement('script'); s.src = '/dist/webspan.global.js'; f.contentDocument.body.append(s);
    await new Promise((r, j) => { s.onload = r; s.onerror = j; });
    try { f.contentWindow.webspan.init({ endpoint, propagateTraceHeaderCorsUrls: [] }); } catch (e) { return 'init threw ' + e.message; }
    return (await (await f.contentWindow.fetch('/echo')).json()).headers.traceparent ?? 'none';
  }, receiver.url);
  assert.match(got, /^00-/);
});

test('what a page has put into Object.prototype gets into no request and no option', async (t) => {
  const { page, site, receiver } = await stage(t);
  const out = {};
  for (const [name, pollute] of [['get', 'Object.prototype.get = function () {}'], ['method', "Object.prototype.method = 'POST'"], ['headers', "Object.prototype.headers = { 'x-p': '1' }"], ['url', "Object.prototype.url = '/polluted'"], ['Array', 'Array.prototype.extra = () => 1'], ['signal', 'Object.prototype.signal = 5'], ['value', 'Object.prototype.value = 5'], ['mode', "Object.prototype.mode='no-cors'"], ['then', "0"]]) {
    const p = await page.context().newPage();
    await p.goto(site.url('/elsewhere'));
    const run = (withUs) => p.evaluate(async ([pollute, endpoint, withUs]) => {
      const o = {};
      if (withUs) { const w = await import('/dist/index.js'); eval(pollute); try { window.instance = w.init({ endpoint }); } catch (e) { return 'init threw: ' + e.message; } } else eval(pollute);
      for (const [n, f] of [['plain', () => fetch('/echo')], ['init', () => fetch('/echo', {})], ['url', () => fetch(new URL('/echo', location.href))], ['req', () => fetch(new Request('/echo'))]]) {
        try { const r = await f(); const j = await r.json(); o[n] = [j.method, j.headers['x-p'] ?? '', new URL(r.url).pathname].join(); } catch (e) { o[n] = e.message; }
      }
      return JSON.stringify(o);
    }, [pollute, receiver.url, withUs]);
    const bare = await run(false);
    await p.goto(site.url('/elsewhere'));
    const us = await run(true);
    if (bare !== us) out[name] = { bare, us };
    await p.close();
  }
  assert.deepEqual(out, {});
});

test('under zone.js, headers that are promised are waited for', async (t) => {
  const { page, site, receiver } = await stage(t);
  for (const order of ['before', 'after']) {
    const p = await page.context().newPage();
    await p.goto(site.url('/elsewhere'));
    await p.evaluate(async ([endpoint, order]) => {
      const zone = () => new Promise((r) => { const s = document.createElement('script'); s.src = '/nm/zone.js/bundles/zone.umd.js'; s.onload = r; document.head.append(s); });
      if (order === 'before') await zone();
      const w = await import('/dist/index.js');
      window.instance = w.init({ endpoint, headers: async () => ({ authorization: 'Bearer x' }) });
      if (order === 'after') await zone();
      window.instance.tracer.startSpan(order).end();
      await window.instance.flush();
      await fetch('/echo').then((r) => r.json());
    }, [receiver.url, order]);
    await p.close();
  }
  assert.deepEqual(receiver.requests.map((r) => r.headers.authorization), ['Bearer x', 'Bearer x', 'Bearer x', 'Bearer x'].slice(0, receiver.requests.length));
});

test('under zone.js, our timers are not the page\'s work', async (t) => {
  const { page, site, receiver } = await stage(t);
  const p = await page.context().newPage();
  await p.goto(site.url('/elsewhere'));
  const tasks = await p.evaluate(async (endpoint) => {
    await new Promise((r) => { const s = document.createElement('script'); s.src = '/nm/zone.js/bundles/zone.umd.js'; s.onload = r; document.head.append(s); });
    const w = await import('/dist/index.js');
    window.instance = w.init({ endpoint });
    const seen = [];
    const app = Zone.current.fork({ name: 'app', onScheduleTask(d, c, tgt, task) { seen.push(task.type + ':' + task.source); return d.scheduleTask(tgt, task); } });
    app.run(() => window.instance.tracer.startSpan('x').end());
    return seen;
  }, receiver.url);
  assert.deepEqual(tasks, []);
});

test('headers that never come do not hold up exports for ever', async (t) => {
  const { page } = await stage(t, { options: { timeoutMillis: 300, retry: false, headers: () => new Promise(() => {}) } });
  const r = await page.evaluate(async () => {
    window.instance.tracer.startSpan('x').end();
    return Promise.race([window.instance.shutdown().then(() => 'resolved'), new Promise((r) => setTimeout(() => r('hangs'), 2500))]);
  });
  assert.equal(r, 'resolved');
});

test('a core that traps after the request was sent does not fail the request', async (t) => {
  // Long enough for the clocks to be compared after the call.
  const slowFetch = `<script>
    const native = window.fetch;
    window.fetch = function (...args) {
      if (window.arm) {
        for (const startMs = performance.now(); performance.now() - startMs < 300; );
        window.trapIn = 'check_clocks';
      }
      return native.apply(this, args);
    };
  </script>`;
  const { page } = await stage(t, { content: { head: trappingCore() + slowFetch }, options: { logLevel: 'none' } });
  const seen = await page.evaluate(async () => {
    window.arm = true;
    const status = await fetch('/echo').then((response) => response.status, String);
    return [status, window.trapped];
  });
  assert.deepEqual(seen, [200, true]);
});

for (const where of ['next_effect', 'flush_spans', 'is_settled']) {
  test(`flush and shutdown resolve when the core traps in ${where}, and init starts anew`, async (t) => {
    const { page } = await stage(t, { content: { head: trappingCore() }, options: { logLevel: 'none' } });
    const seen = await page.evaluate(async (where) => {
      const within = (promise) => Promise.race([promise.then(() => 'resolved', String), new Promise((resolve) => setTimeout(() => resolve('hangs'), 1000))]);
      window.instance.tracer.startSpan('x').end();
      window.trapIn = where;
      const flushed = await within(window.instance.flush());
      const stopped = await within(window.instance.shutdown());
      const again = window.webspan.init({ endpoint: 'http://127.0.0.1:1', logLevel: 'none' });
      return [flushed, window.trapped, stopped, again !== window.instance && again.tracer.startSpan('y').isRecording()];
    }, where);
    assert.deepEqual(seen, ['resolved', true, 'resolved', true]);
  });
}

test('a core that traps while it is set up leaves the page alone', async (t) => {
  const { page, pageErrors } = await stage(t, { content: { head: trappingCore() }, options: { logLevel: 'none' } });
  const seen = await page.evaluate(async () => {
    await window.instance.shutdown();
    window.trapIn = 'set_limits';
    const instance = window.webspan.init({ endpoint: 'http://127.0.0.1:1', logLevel: 'none' });
    return [instance.tracer.startSpan('x').isRecording(), window.trapped, (await fetch('/echo')).status];
  });
  assert.deepEqual(seen, [false, true, 200]);
  assert.deepEqual(pageErrors, []);
});

test('one span that is too large does not hold back those behind it when the page is left', async (t) => {
  const { page, receiver } = await stage(t, { options: { batch: { scheduledDelayMillis: 60000 } } });
  await page.evaluate(() => { const s = window.instance.tracer.startSpan('big'); s.setAttribute('a', 'x'.repeat(60000)); s.end(); for (let i = 0; i < 10; i++) window.instance.tracer.startSpan('small').end(); });
  await page.goto('about:blank');
  await delay(800);
  assert.equal(receiver.spans.filter((s) => s.name === 'small').length, 10);
});

test('a traceparent that the page has set gets no tracestate of ours beside it', async (t) => {
  const { page } = await stage(t);
  const h = await page.evaluate(() => {
    const remote = window.webspan.extract({ traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'vendor=ours' });
    return window.webspan.withSpan(remote, () => fetch('/echo', { headers: { traceparent: '00-11111111111111111111111111111111-1111111111111111-01' } })).then((r) => r.json()).then((j) => j.headers);
  });
  assert.equal(h.tracestate, undefined);
});

test('a cancelled request stays cancelled when init gets another signal later', async (t) => {
  const { page, receiver, flush } = await stage(t, { routes: { '/never': hang() } });
  await page.evaluate(async () => {
    const c = new AbortController(); const init = { signal: c.signal };
    const p = fetch('/never', init).catch(() => {});
    init.signal = new AbortController().signal;
    c.abort(); await p;
  });
  await flush();
  const [s] = await receiver.waitForSpans(isClient);
  assert.equal(s.status.code, 'UNSET', JSON.stringify(plain(s.attributes)));
});

test('a headers function that fetches does not trace itself', async (t) => {
  const { page, receiver, site } = await stage(t, { options: { batch: { scheduledDelayMillis: 50 }, headers: async () => { await fetch('/echo').then((r) => r.text()); return {}; } } });
  await page.evaluate(() => window.instance.tracer.startSpan('x').end());
  await delay(2500);
  assert.ok(site.requestsTo('/echo').length <= 2, site.requestsTo('/echo').length + ' token requests for one span');
});

test('names of spans and events, messages, lists and links are recorded without secrets', async (t) => {
  const { page, receiver, flush } = await stage(t, { options: { debug: false } });
  await page.evaluate(() => {
    const u = 'https://h/?token=SECRET';
    const s = window.instance.tracer.startSpan('GET ' + u); s.addEvent('went to ' + u); s.updateName('GET ' + u);
    s.recordException({ name: u, message: u, stack: u }); s.setStatus({ code: 2, message: u }); s.setAttribute('l', [u]);
    s.addLink({ context: { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 }, attributes: { u } });
    s.end();
  });
  await flush();
  const [s] = await receiver.waitForSpans(1);
  const found = []; JSON.stringify(s, (k, v) => { if (String(k).includes('SECRET')) found.push('key ' + k); if (typeof v === 'string' && v.includes('SECRET')) found.push(k + '=' + v); return v; });
  assert.deepEqual(found, []);
});

test('keys of attributes, names and versions of tracers, and values in resources are recorded without secrets', async (t) => {
  const { page, receiver, flush } = await stage(t, { options: { resourceAttributes: { 'app.start': '/?token=SECRET', 'k?token=SECRET': 1 } } });
  const long = `https://h/${'x'.repeat(300)}?token=SECRET`;
  await page.evaluate((longKey) => {
    const u = 'https://h/?token=SECRET';
    const { instance } = window;
    instance.setAttributes({ [u + '&g=1']: 1 });
    const s = instance.getTracer('lib?token=SECRET', '1?sig=SECRET').startSpan('a', { attributes: { [u + '&a=1']: 1 } });
    // Twice, since names that come again take another way.
    for (const key of [u, u, longKey, longKey]) s.setAttribute(key, 'b').addEvent('e', { [key]: [1] });
    s.addLink({ context: { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 }, attributes: { [u]: 1 } });
    s.end();
  }, long);
  await flush();
  const [s] = await receiver.waitForSpans(1);
  const sent = Buffer.concat(receiver.requests.map(({ bytes }) => bytes)).toString('latin1');
  assert.ok(!sent.includes('SECRET') && !JSON.stringify(s).includes('SECRET'), JSON.stringify(s));
  assert.deepEqual([s.scope.name, plain(s.attributes)['https://h/?token=REDACTED']], ['lib?token=REDACTED', 'b']);
});

test('attributes of our own and of the page that only sound like secrets are recorded', async (t) => {
  const { page, receiver, flush } = await stage(t, { options: { session: true } });
  const given = { 'http.response.status_code': 200, 'code.function.name': 'signIn', 'error.code': 'ECONNREFUSED', 'token.count': 5, country_code: 'DE', password_policy: 'strict' };
  await page.evaluate((attributes) => window.instance.tracer.startSpan('auth:login', { attributes }).end(), given);
  await flush();
  const [s] = await receiver.waitForSpans(1);
  const { 'session.id': id, ...rest } = plain(s.attributes);
  assert.match(id, /^[\da-f]{32}$/);
  assert.deepEqual([s.name, rest], ['auth:login', given]);
});

test('inject writes nothing while consent is pending or refused', async (t) => {
  const { page } = await stage(t, { options: { consent: 'pending' } });
  const seen = await page.evaluate(() => {
    const { webspan, instance } = window;
    const parent = webspan.extract({ traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=b' });
    const foreign = { spanContext: () => ({ traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 }) };
    const written = (span) => webspan.withSpan(span, () => {
      const record = {}, headers = new Headers();
      webspan.inject(record);
      webspan.inject(headers);
      return Object.keys(record).length + [...headers].length;
    });
    const all = () => [instance.tracer.startSpan('a'), parent, foreign].map(written);
    const pending = all();
    instance.setConsent(false);
    const refused = all();
    instance.setConsent(undefined);
    const undecided = all();
    instance.setConsent(true);
    return { pending, refused, undecided, granted: all() };
  });
  assert.deepEqual(seen, { pending: [0, 0, 0], refused: [0, 0, 0], undecided: [0, 0, 0], granted: [2, 4, 2] });
});

test('the type of an error is recorded without secrets', async (t) => {
  const { page, receiver, flush } = await stage(t, { content: { head: `<script>const nf = fetch; window.fetch = (...a) => a[0] === '/bad' ? Promise.reject(Object.assign(new Error('x'), { name: 'https://h/?token=SECRET' })) : nf(...a)</script>` } });
  await page.evaluate(() => fetch('/bad').catch(() => {}));
  await flush();
  const [s] = await receiver.waitForSpans(1);
  assert.ok(!JSON.stringify(s).includes('SECRET'), JSON.stringify(s.attributes));
});

test('consent pending is kept when something in the browser is odd', async (t) => {
  const { page, receiver } = await stage(t, { content: { head: `<script>Object.defineProperty(navigator, 'userAgentData', { value: { mobile: false, platform: 'x' } })</script>` }, options: { consent: 'pending', batch: { scheduledDelayMillis: 50 }, logLevel: 'none' } });
  await delay(300);
  await page.evaluate(() => { window.instance.tracer.startSpan('x').end(); });
  await delay(600);
  assert.equal(receiver.requests.length, 0, 'sent without consent');
});

test('a browser with an odd field is traced all the same', async (t) => {
  const { page, site } = await stage(t, { content: { head: `<script>Object.defineProperty(navigator, 'userAgentData', { value: { mobile: false, platform: 'x' } })</script>` }, options: { logLevel: 'none' } });
  await page.evaluate(() => fetch('/echo'));
  await delay(200);
  assert.equal(site.requestsTo('/dist/fallback.js').length, 0);
});

test('a RangeError of the page does not switch webspan off', async (t) => {
  const { page } = await stage(t, { options: { logLevel: 'none' } });
  const on = await page.evaluate(() => {
    window.instance.tracer.startSpan('x').setAttributes({ get a() { throw new RangeError('mine'); } });
    return window.instance.tracer.startSpan('y').isRecording();
  });
  assert.equal(on, true);
});

test('getters of attributes and options that start spans mix nothing up', async (t) => {
  const { page, receiver, flush } = await stage(t);
  await page.evaluate(() => {
    const T = window.instance.tracer;
    const other = T.startSpan('other');
    const s = T.startSpan('outer');
    s.addEvent('e', { a: 1, get b() { other.addEvent('x', { secret: 1 }); return 2; }, c: 3 });
    s.setAttribute('list', ['p', 'q']);
    s.end();
    const parent = T.startSpan('parent');
    window.webspan.withSpan(parent, () => { T.startSpan('kid', { get kind() { T.startSpan('inner-root', { root: true }).end(); return 2; } }).end(); });
    try { window.webspan.withSpan(parent, () => T.startSpan('bad', { kind: Symbol() })); } catch {}
    T.startSpan('after-bad', { root: true }).end();
    parent.end(); other.end();
  });
  await flush();
  const spans = await receiver.waitForSpans(5);
  const by = Object.fromEntries(spans.map((s) => [s.name, s]));
  const got = { names: spans.map((s) => s.name).sort().join(), outer: plain(by.outer.events[0].attributes), kid: by.kid?.parentSpanId === by.parent.spanId, innerRoot: by['inner-root']?.parentSpanId, afterBad: by['after-bad']?.parentSpanId };
  assert.deepEqual(got, { names: 'after-bad,inner-root,kid,other,outer,parent', outer: { a: 1, b: 2, c: 3 }, kid: true, innerRoot: '', afterBad: '' });
});

test('a pagehide that a library has sent ends no request', async (t) => {
  const { page, receiver, flush } = await stage(t, { routes: { '/slow': slow({ chunks: 3, pauseMs: 200 }) } });
  await page.evaluate(async () => { const p = fetch('/slow').then((r) => r.text()); await new Promise((r) => setTimeout(r, 50)); window.dispatchEvent(new Event('pagehide')); await p; });
  await delay(200); await flush();
  const [s] = await receiver.waitForSpans(isClient);
  assert.deepEqual([plain(s.attributes)['webspan.unfinished'], plain(s.attributes)['http.response.status_code']], [undefined, 200]);
});

test('what is in flight when consent is refused counts as unacknowledged', async (t) => {
  const { page, receiver } = await stage(t, { receiver: { answers: [{ delayMs: 400 }] }, options: { batch: { scheduledDelayMillis: 10 } } });
  await page.evaluate(() => window.instance.tracer.startSpan('x').end());
  await delay(200);
  await page.evaluate(() => window.instance.setConsent(false));
  await delay(700);
  const s = await page.evaluate(() => window.instance.stats());
  books(s);
  assert.equal(s.unacknowledged, 1, JSON.stringify(s));
  assert.equal(s.dropped.consent, 0, 'it has left, and may have arrived');
});

test('redaction takes time in proportion to the text', { timeout: 60_000 }, async (t) => {
  const { page } = await stage(t, { options: { logLevel: 'none', retry: false } });
  const [shortMs, longMs] = await page.evaluate(() =>
    [10_000, 100_000].map((repeats) => {
      const text = '/cb?' + 'code=&'.repeat(repeats);
      const span = window.instance.tracer.startSpan('code');
      const times = [1, 2, 3, 4, 5].map(() => {
        const startMs = performance.now();
        span.setAttribute('u', text);
        return performance.now() - startMs;
      });
      return Math.min(...times);
    }),
  );
  // Ten times the text: ten times the time in proportion, a hundred times if each place looked at all others.
  assert.ok(longMs < 40 * Math.max(shortMs, 0.1), `${shortMs} ms, then ${longMs} ms`);
});

test('a requestHook that fetches does not call itself', { timeout: 40000 }, async (t) => {
  const { page } = await stage(t, { options: { logLevel: 'none', instrumentations: { fetch: { requestHook: () => { window.hooks = (window.hooks ?? 0) + 1; if (window.hooks < 20000) fetch('/echo?hook').catch(() => {}); } } } } });
  const r = await Promise.race([page.evaluate(async () => { const s = await fetch('/echo').then((r) => r.status, (e) => String(e)); return [s, window.hooks, window.instance.tracer.startSpan('x').isRecording()]; }), delay(15000).then(() => 'hangs')]);
  assert.ok(r[1] <= 2, 'hooks ' + r[1]);
});

test('a bad header from a generator is refused by the browser as it would be', async (t) => {
  const { page } = await stage(t);
  const out = await page.evaluate(() => fetch('/echo', { headers: (function* () { yield ['x-a', '1']; yield ['bad name', '2']; })() }).then((r) => r.status, (e) => e.name));
  assert.equal(out, 'TypeError');
});

test('objects that change their URL when they are asked twice get no header to a third party', async (t) => {
  const { page, api } = await stage(t, { apiCors: { allowedOrigins: ['*'], allowedHeaders: ['*'] } });
  const out = await page.evaluate(async (third) => {
    const res = {};
    const seen = (p) => p.then((r) => r.json()).then((j) => (j.headers.traceparent && third.endsWith(j.headers.host) ? 'LEAK' : 'none'), (e) => e.message);
    let n = 0;
    res.toString = await seen(fetch({ toString: () => (n++ ? third : '') + '/echo' }));
    n = 0; await fetch({ toString: () => (n++, '/echo') }); res.calls = n;
    const r = new Request(third + '/echo'); Object.defineProperty(r, 'url', { value: location.origin + '/echo' });
    res.shadowed = await seen(fetch(r));
    res.like = await seen(fetch({ url: '/echo', toString: () => third + '/echo' }));
    res.urlWithUrl = await seen(fetch(Object.assign(new URL(third + '/echo'), { url: '/echo' })));
    let m = 0; await fetch('/echo', { get method() { m++; return 'GET'; } }); res.methodReads = m;
    m = 0; await fetch('/echo', { get headers() { m++; return {}; } }); res.headerReads = m;
    return res;
  }, api.origin);
  assert.deepEqual(out, { toString: 'none', calls: 1, shadowed: 'none', like: 'none', urlWithUrl: 'none', methodReads: 1, headerReads: 1 });
});

test('a fetch below ours that gives no response leaves no span open', async (t) => {
  const { page } = await stage(t, { content: { head: `<script>const nf = fetch; window.fetch = (...a) => a[0] === '/nothing' ? Promise.resolve(undefined) : nf(...a)</script>` } });
  const r = await page.evaluate(async () => { const v = await fetch('/nothing'); await window.instance.flush(); return [v === undefined, window.instance.stats().ended]; });
  assert.deepEqual(r, [true, 1]);
});

test('debug: a console that throws does not stop delivery', async (t) => {
  const { page, receiver } = await stage(t, { options: { debug: true, logLevel: 'none', batch: { scheduledDelayMillis: 50 } }, content: { head: `<script>console.groupCollapsed = () => { throw new Error('console'); }</script>` } });
  await page.evaluate(() => window.instance.tracer.startSpan('x').end());
  await delay(600);
  assert.equal(receiver.spans.length, 1);
});

test('timers and clocks that the page fakes later are not ours', async (t) => {
  const { page, receiver } = await stage(t, { options: { batch: { scheduledDelayMillis: 100 }, logLevel: 'none' } });
  const r = await page.evaluate(async () => {
    const pending = []; const rst = window.setTimeout; let id = 1e6;
    window.setTimeout = (f, ms) => { pending.push(ms); return id++; }; window.clearTimeout = () => {};
    performance.now = () => 5; const RD = Date; window.Date = class extends RD { static now() { return 0; } };
    window.instance.tracer.startSpan('x').end();
    await fetch('/echo').then((r) => r.text());
    await new Promise((r) => rst(r, 500));
    return pending;
  });
  assert.deepEqual(r, []);
});

test('shutdown and init without waiting, as a framework does, goes on tracing', async (t) => {
  const { page, receiver } = await stage(t, { receiver: { answers: [{ delayMs: 300 }] } });
  const r = await page.evaluate(async (endpoint) => {
    window.instance.tracer.startSpan('old').end();
    const old = window.instance; const down = old.shutdown();
    const next = window.webspan.init({ endpoint });
    next.tracer.startSpan('new').end();
    const rec = next.tracer.startSpan('new2').isRecording();
    await down; await next.flush();
    const rec2 = window.webspan.init({ endpoint }) === next;
    return { rec, rec2, stats: next.stats() };
  }, receiver.url);
  await delay(300);
  assert.ok(r.rec, JSON.stringify(r));
});

test('a Content-Type among the export headers does not stand twice', async (t) => {
  const { page, receiver, flush, expected } = await stage(t, { options: { headers: { 'Content-Type': 'application/x-protobuf' } } });
  expected.violations = true;
  await page.evaluate(() => window.instance.tracer.startSpan('x').end()); await flush();
  assert.equal(receiver.requests[0].headers['content-type'], 'application/x-protobuf');
});

test('a partial success with a negative count rejects nothing', async (t) => {
  const { page, receiver, expected, flush } = await stage(t, { receiver: { answers: [{ body: '{"partialSuccess":{"rejectedSpans":-1}}', headers: { 'content-type': 'application/json' } }] }, options: { protocol: 'http/json', logLevel: 'none' } });
  expected.violations = true;
  await page.evaluate(() => { for (let i = 0; i < 3; i++) window.instance.tracer.startSpan('x').end(); }); await flush();
  const s = await page.evaluate(() => window.instance.stats()); books(s); assert.equal(s.delivered, 3, JSON.stringify(s.dropped));
});

test('the content of a data: URL stays in the page', async (t) => {
  const { page, receiver, flush } = await stage(t);
  await page.evaluate(() => fetch('data:image/png;base64,UFJJVkFURS1QSUNUVVJF' + 'A'.repeat(200000)).then((r) => r.blob()));
  await delay(100); await flush();
  assert.ok(!JSON.stringify(receiver.spans).includes('UFJJVkFURS1QSUNUVVJF'), receiver.requests.map((r) => r.bytes.length).join());
});

test('keys with brackets are secret, and values go up to the next parameter', async (t) => {
  const { page, receiver, flush } = await stage(t);
  await page.evaluate(async () => { for (const q of ['token[]=SECRET', 'token%5B0%5D=SECRET', 'auth[token][value]=SECRET', 'password=a;SECRET', 'token=a?SECRET']) await fetch('/echo?' + q).then((r) => r.text()); });
  await delay(100); await flush();
  assert.deepEqual(receiver.spans.map((s) => plain(s.attributes)['url.full']).filter((u) => u.includes('SECRET')), []);
});

test('a hook that throws at each request is told once', async (t) => {
  const { page, consoleWarnings } = await stage(t, { options: { instrumentations: { fetch: { requestHook: () => { throw new Error('x'); } } } } });
  await page.evaluate(async () => { for (let i = 0; i < 50; i++) await fetch('/echo'); });
  assert.ok(consoleWarnings.length < 10, consoleWarnings.length + ' warnings');
});

test('the timing entry of an XHR or image to the same URL is not that of the fetch', async (t) => {
  let n = 0;
  const { page, receiver, flush } = await stage(t, { routes: { '/same': (q, s) => { s.setHeader('cache-control', 'no-store'); return n++ ? text('quick')(q, s) : slow({ chunks: 4, pauseMs: 250 })(q, s); } } });
  const tookMs = await page.evaluate(async () => { const s0 = performance.now(); const p = fetch('/same', { cache: 'no-store' }).then((r) => r.text()); await new Promise((r) => setTimeout(r, 0)); const x = new XMLHttpRequest(); x.open('GET', '/same'); x.send(); await p; return performance.now() - s0; });
  await delay(100); await flush();
  const [s] = await receiver.waitForSpans(isClient);
  const ms = Number(BigInt(s.endTimeUnixNano) - BigInt(s.startTimeUnixNano)) / 1e6;
  assert.ok(Math.abs(ms - tookMs) < 60, `${ms} of ${tookMs}` + JSON.stringify(plain(s.attributes)));
});

test('a hidden page that lives on asks for fresh export headers', async (t) => {
  const { page, receiver } = await stage(t, { receiver: { answers: (r) => (r.headers.authorization === 'old' && r.atMs > globalThis.expiredAt ? { status: 401 } : {}) }, options: { logLevel: 'none', batch: { scheduledDelayMillis: 50 }, headers: async () => ({ authorization: window.token ?? 'old' }) } });
  await page.evaluate(async () => { window.instance.tracer.startSpan('a').end(); await window.instance.flush(); Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => 'hidden' }); document.dispatchEvent(new Event('visibilitychange')); });
  globalThis.expiredAt = performance.now();
  await page.evaluate(async () => { window.token = 'new'; await new Promise((r) => setTimeout(r, 200)); window.instance.tracer.startSpan('b').end(); await new Promise((r) => setTimeout(r, 400)); });
  assert.deepEqual(receiver.requests.map((r) => r.headers.authorization), ['old', 'new']);
});

test('a page whose fetch is locked is left alone', async (t) => {
  const { page } = await stage(t, { content: { head: `<script>Object.defineProperty(window, 'fetch', { value: fetch, writable: false, configurable: false }); window.on = 0; const o = PerformanceObserver.prototype.observe, d = PerformanceObserver.prototype.disconnect; PerformanceObserver.prototype.observe = function (...a) { window.on++; return o.apply(this, a); }; PerformanceObserver.prototype.disconnect = function () { window.on--; return d.call(this); };</script>` }, options: { logLevel: 'none' } });
  assert.equal(await page.evaluate(async () => { await window.instance.shutdown(); return window.on; }), 0);
});

for (const word of ['null', '0', "''", "'denied'"]) test(`setConsent(${word}) is no consent`, async (t) => {
  const { page, receiver } = await stage(t, { options: { consent: 'pending', batch: { scheduledDelayMillis: 20 } } });
  await page.evaluate((word) => { window.instance.setConsent(eval(word)); window.instance.tracer.startSpan('x').end(); }, word);
  await delay(300);
  assert.equal(receiver.requests.length, 0);
});

test('init within an option getter starts one instance', async (t) => {
  const { page, receiver } = await stage(t);
  assert.ok(await page.evaluate(async (endpoint) => {
    await window.instance.shutdown();
    let inner;
    const outer = window.webspan.init({ endpoint, get serviceName() { inner ??= window.webspan.init({ endpoint }); return 'x'; } });
    return outer === inner;
  }, receiver.url));
});
