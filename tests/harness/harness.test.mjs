// The harness itself: a receiver that lets something pass, or a page that hides a complaint, would make every other
// test worth nothing.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { importInto, launchBrowser, launchTabs, openPage } from './browser.mjs';
import { plain, startReceiver } from './receiver.mjs';
import { sampleExport } from './sample-export.mjs';
import * as site from './site.mjs';

/** Starts a receiver for one test and stops it after. */
async function withReceiver(options, use) {
  const { allowViolations, ...rest } = options;
  const receiver = await startReceiver(rest);
  try {
    await use(receiver);
  } catch (error) {
    await receiver.close({ allowViolations: true }); // the first error is the one to see
    throw error;
  }
  await receiver.close({ allowViolations });
}

async function withSites(count, use) {
  const sites = await Promise.all(Array.from({ length: count }, () => site.startSite()));
  try {
    await use(...sites);
  } finally {
    await Promise.all(sites.map((each) => each.close()));
  }
}

const post = (receiver, { headers, body }, path = '/v1/traces') =>
  fetch(receiver.url + path, { method: 'POST', headers, body });

describe('receiver: what it takes', () => {
  for (const protocol of ['http/protobuf', 'http/json']) {
    for (const encoding of ['plain', 'gzip']) {
      it(`takes ${protocol}, ${encoding}`, () => withReceiver({}, async (receiver) => {
        const sample = sampleExport({ names: ['one', 'two'], protocol, attributes: { ratio: 1.5, cached: true } });
        const isGzip = encoding === 'gzip';
        const response = await post(receiver, {
          headers: { ...sample.headers, ...(isGzip && { 'Content-Encoding': 'gzip' }) },
          body: isGzip ? gzipSync(sample.body) : sample.body,
        });
        assert.equal(response.status, 200);
        assert.equal(response.headers.get('content-type'), sample.headers['Content-Type']);
        assert.equal(await response.text(), protocol === 'http/json' ? '{}' : '');

        const spans = await receiver.waitForSpans(2);
        assert.deepEqual(spans.map(({ name }) => name), ['one', 'two']);
        assert.equal(spans[0].kind, 'CLIENT');
        assert.deepEqual(spans[0].attributes, { ratio: { double: 1.5 }, cached: { bool: true } });
        assert.equal(plain(spans[0].resource)['service.name'], 'sample');
        assert.deepEqual(receiver.requests[0].body, sample.body);
      }));
    }
  }

  it('finds spans by a predicate, also those that are still to come', () => withReceiver({}, async (receiver) => {
    const waiting = receiver.waitForSpans((span) => span.name === 'late');
    await post(receiver, sampleExport({ names: ['early'] }));
    await post(receiver, sampleExport({ names: ['late', 'other'] }));
    assert.deepEqual((await waiting).map(({ name }) => name), ['late']);
  }));

  it('tells what came instead when it waits in vain', () => withReceiver({ answers: [{ status: 503 }] }, async (receiver) => {
    await post(receiver, sampleExport());
    await assert.rejects(receiver.waitForSpans(1, 50), /after 50 ms still waiting for 1 spans; requests: 1 spans in \d+ bytes -> 503/);
  }));

  it('turns typed attributes into plain values', () => {
    const typed = {
      text: { string: 'x' }, small: { int: '-5' }, large: { int: '9223372036854775807' }, none: { double: 'NaN' },
      list: { array: [{ int: '1' }, { empty: true }] }, map: { kvlist: { inner: { bool: false } } },
    };
    assert.deepEqual(plain(typed), { text: 'x', small: -5, large: 9223372036854775807n, none: NaN, list: [1, null], map: { inner: false } });
  });
});

describe('receiver: what it refuses', () => {
  const sample = sampleExport({ names: ['sample'] });
  const json = sampleExport({ protocol: 'http/json' });
  const packed = { ...sample.headers, 'Content-Encoding': 'gzip' };
  const withWrongChecksum = (gzip) => Buffer.concat([gzip.subarray(0, -8), Buffer.alloc(4), gzip.subarray(-4)]);
  const mutatedJson = (mutate) => {
    const message = JSON.parse(json.body);
    mutate(message.resourceSpans[0].scopeSpans[0].spans[0]);
    return { headers: json.headers, body: JSON.stringify(message) };
  };
  const cases = {
    'an unknown protobuf field': [{ ...sample, body: Buffer.concat([sample.body, Buffer.from([0x10, 1])]) }, /UnknownField/],
    'a truncated body': [{ ...sample, body: sample.body.subarray(0, -1) }, /Malformed/],
    'an unknown JSON key': [mutatedJson((span) => { span.duration = 5; }), /UnknownField/],
    'ids in base64': [mutatedJson((span) => { span.spanId = 'AAAAAAAAAAE='; }), /JsonId/],
    'integers as numbers': [sampleExport({ protocol: 'http/json', attributes: { count: 5 } }), /JsonInt64/],
    'an end before the start': [mutatedJson((span) => { span.endTimeUnixNano = '1'; }), /EndTime/],
    'no service.name': [sampleExport({ resource: { 'service.name': '' } }), /Resource/],
    'another content type': [{ ...sample, headers: { 'Content-Type': 'text/plain' } }, /ContentType/],
    'JSON said to be protobuf': [{ headers: sample.headers, body: json.body }, /Malformed|UnknownField|WireType/],
    'gzip that is none': [{ headers: packed, body: sample.body }, /not gzip/],
    'gzip cut off': [{ headers: packed, body: gzipSync(sample.body).subarray(0, -4) }, /not gzip/],
    'gzip with a wrong checksum': [{ headers: packed, body: withWrongChecksum(gzipSync(sample.body)) }, /not gzip/],
    'bytes behind the gzip data': [{ headers: packed, body: Buffer.concat([gzipSync(sample.body), Buffer.alloc(3)]) }, /3 bytes behind/],
    'another content encoding': [{ headers: { ...sample.headers, 'Content-Encoding': 'br' }, body: sample.body }, /br is not gzip/],
  };
  for (const [what, [request, violation]] of Object.entries(cases)) {
    it(what, async () => {
      const receiver = await startReceiver();
      await post(receiver, request);
      assert.match(receiver.violations.join('\n'), violation);
      await assert.rejects(receiver.close(), /no receiver should get/);
    });
  }

  it('another path', () => withReceiver({ allowViolations: true }, async (receiver) => {
    assert.equal((await post(receiver, sample, '/v1/traces/v1/traces')).status, 404);
    assert.match(receiver.violations[0], /is not POST \/v1\/traces/);
    assert.deepEqual(receiver.spans, []);
  }));
});

describe('receiver: how it answers', () => {
  const sample = sampleExport();

  it('follows a list, then succeeds', () => withReceiver({
    answers: [{ status: 503, headers: { 'Retry-After': '7' } }, { status: 400, body: 'no' }],
  }, async (receiver) => {
    const first = await post(receiver, sample);
    assert.deepEqual([first.status, first.headers.get('retry-after')], [503, '7']);
    const second = await post(receiver, sample);
    assert.deepEqual([second.status, await second.text()], [400, 'no']);
    assert.deepEqual(receiver.spans, [], 'what was refused is not at the backend');
    assert.equal((await post(receiver, sample)).status, 200);
    assert.equal(receiver.spans.length, 1);
    assert.equal(receiver.requests.length, 3);
    assert.ok(receiver.requests[0].atMs < receiver.requests[2].atMs);
  }));

  it('asks a function, which can be replaced', () => withReceiver({
    answers: (request, index) => ({ status: request.spans[0].name === 'sample' && index === 0 ? 429 : 500 }),
  }, async (receiver) => {
    assert.equal((await post(receiver, sample)).status, 429);
    assert.equal((await post(receiver, sample)).status, 500);
    receiver.respondWith({ status: 200 });
    assert.equal((await post(receiver, sample)).status, 200);
  }));

  it('says partial success in the encoding of the request', () => withReceiver({
    answers: () => ({ partialSuccess: { rejectedSpans: 300, errorMessage: 'ä' } }),
  }, async (receiver) => {
    const binary = Buffer.from(await (await post(receiver, sample)).arrayBuffer());
    assert.equal(binary.toString('hex'), '0a07' + '08ac02' + '1202c3a4');
    const text = await (await post(receiver, sampleExport({ protocol: 'http/json' }))).json();
    assert.deepEqual(text, { partialSuccess: { rejectedSpans: '300', errorMessage: 'ä' } });
  }));

  it('waits', () => withReceiver({ answers: [{ delayMs: 100 }] }, async (receiver) => {
    const startMs = performance.now();
    await post(receiver, sample);
    assert.ok(performance.now() - startMs >= 99);
  }));

  it('hangs', () => withReceiver({ answers: [{ hang: true }] }, async (receiver) => {
    const signal = AbortSignal.timeout(100);
    await assert.rejects(fetch(`${receiver.url}/v1/traces`, { method: 'POST', ...sample, signal }), { name: 'TimeoutError' });
    assert.equal(receiver.requests.length, 1);
    assert.deepEqual(receiver.spans, []);
  }));

  it('resets the connection', () => withReceiver({ answers: [{ reset: true }] }, async (receiver) => {
    await assert.rejects(post(receiver, sample), ({ cause }) => cause.code === 'ECONNRESET');
  }));

  it('answers with garbage', () => withReceiver({ answers: [{ garbage: true }] }, async (receiver) => {
    await assert.rejects(post(receiver, sample), ({ cause }) => cause.code.startsWith('HPE_'));
  }));

  it('is out of reach while it is unplugged, and then where it was', () => withReceiver({}, async (receiver) => {
    await post(receiver, sample);
    await receiver.unplug();
    await assert.rejects(post(receiver, sample), ({ cause }) => cause.code === 'ECONNREFUSED');
    await receiver.plugIn();
    assert.equal((await post(receiver, sample)).status, 200);
    assert.equal(receiver.requests.length, 2);
    await receiver.unplug(); // and it can be closed as it is
  }));

  it('counts what was cut off', () => withReceiver({}, async (receiver) => {
    const controller = new AbortController();
    const body = (async function* () {
      yield sample.body.subarray(0, 5);
      await delay(50);
      controller.abort();
    })();
    await assert.rejects(fetch(`${receiver.url}/v1/traces`, {
      method: 'POST', headers: sample.headers, body, duplex: 'half', signal: controller.signal,
    }));
    await receiver.waitUntil(() => receiver.cutOffCount === 1);
    assert.deepEqual(receiver.requests, []);
  }));
});

describe('site', () => {
  it('routes by method, path and prefix, the exact one first', async () => {
    const origin = await site.startSite({
      routes: { '/a': site.text('any'), 'POST /a': site.text('post'), '/b/*': site.text('below'), '/b/exact': site.text('exact') },
    });
    const get = async (path, init) => (await fetch(origin.url(path), init)).text();
    assert.equal(await get('/a'), 'any');
    assert.equal(await get('/a?query=1', { method: 'POST', body: 'x' }), 'post');
    assert.equal(await get('/b/other'), 'below');
    assert.equal(await get('/b/exact'), 'exact');
    assert.equal((await fetch(origin.url('/c'))).status, 404);
    assert.equal(origin.requestsTo('/a')[1].body.toString(), 'x');
    await origin.close();
  });

  it('keeps headers as they came', () => withSites(1, async (origin) => {
    origin.route('/echo', site.echo());
    const told = await (await fetch(origin.url('/echo'), { headers: { traceparent: 'x' } })).json();
    assert.equal(told.headers.traceparent, 'x');
    assert.ok(origin.requests[0].rawHeaders.some(([name, value]) => name === 'traceparent' && value === 'x'));
  }));

  it('redirects to another origin', () => withSites(2, async (first, second) => {
    second.route('/target', site.json({ from: 'second' }));
    first.route('/go', site.redirect(second.url('/target'), 307));
    const response = await fetch(first.url('/go'));
    assert.deepEqual([response.redirected, await response.json()], [true, { from: 'second' }]);
  }));

  it('sends bodies in pieces, and tells when the client left', () => withSites(1, async (origin) => {
    origin.route('/slow', site.slow({ chunks: 3, chunkBytes: 10, pauseMs: 20 }));
    origin.route('/events', site.events({ intervalMs: 5 }));
    origin.route('/half', site.reset({ afterBytes: 1000 }));
    assert.equal((await (await fetch(origin.url('/slow'))).text()).length, 30);
    assert.equal(await origin.requestsTo('/slow')[0].ended, 'finished');

    const reader = (await fetch(origin.url('/events'))).body.getReader();
    assert.match(Buffer.from((await reader.read()).value).toString(), /^id: 0\ndata: 0\n\n/);
    await reader.cancel();
    assert.equal(await origin.requestsTo('/events')[0].ended, 'cut off');

    const half = await fetch(origin.url('/half'));
    assert.equal(half.status, 200);
    await assert.rejects(half.text());
  }));
});

describe('browser', () => {
  let browser;
  before(async () => { browser = await launchBrowser(); });
  after(() => browser.close());

  it('collects what a page complains about', () => withSites(1, async (origin) => {
    origin.route('/bad', site.page({ body: `<script>
      console.error('said');
      console.warn('warned');
      Promise.reject(new Error('not handled'));
      setTimeout(() => { throw new Error('not caught'); });
    </script>` }));
    const { page, consoleErrors, consoleWarnings, pageErrors, complaints } = await openPage(browser, origin.url('/bad'));
    await page.waitForTimeout(50);
    assert.deepEqual(consoleErrors, ['said']);
    assert.deepEqual(consoleWarnings, ['warned']);
    assert.deepEqual(pageErrors.sort(), ['not caught', 'not handled']);
    assert.equal(complaints().length, 3);
    const quiet = await openPage(browser, origin.url('/'));
    assert.deepEqual(quiet.complaints(), []);
  }));

  it('enforces CORS between sites, preflights included', () => withSites(2, async (pages, api) => {
    const allows = (cors) => site.withCors(cors, site.json({ ok: true }));
    api.route('/open', allows('allow-all'));
    api.route('/closed', site.json({ ok: true }));
    api.route('/traceparent-only', allows({ allowedOrigins: [pages.origin], allowedHeaders: ['traceparent'] }));
    const { page, consoleErrors } = await openPage(browser, pages.url('/'));
    const outcome = (path, headers) => page.evaluate(
      ([url, init]) => fetch(url, init).then((response) => response.status, (error) => error.name),
      [api.url(path), { headers }],
    );
    assert.equal(await outcome('/open', { traceparent: '1', baggage: '2' }), 200);
    assert.equal(await outcome('/closed', {}), 'TypeError');
    assert.equal(await outcome('/traceparent-only', { traceparent: '1' }), 200);
    assert.equal(await outcome('/traceparent-only', { traceparent: '1', baggage: '2' }), 'TypeError');
    assert.equal(consoleErrors.filter((line) => line.includes('CORS policy')).length, 2);
  }));

  it('exports from a page to a receiver as its CORS allows', () => withSites(1, async (origin) => {
    const sample = sampleExport({ protocol: 'http/json' });
    const send = (page, receiver, headers) => page.evaluate(
      ([url, init]) => fetch(url, init).then((response) => response.headers.get('retry-after') ?? response.status, (error) => error.name),
      [`${receiver.url}/v1/traces`, { method: 'POST', headers: { ...sample.headers, ...headers }, body: sample.body.toString() }],
    );
    const allowedOrigins = [origin.origin];
    await withReceiver({ cors: { allowedOrigins, maxAgeSeconds: 60, exposedHeaders: ['Retry-After'] } }, async (receiver) => {
      const { page } = await openPage(browser, origin.url('/'));
      receiver.respondWith([{ headers: { 'Retry-After': '3' } }, { headers: { 'Retry-After': '3' } }, { withoutCors: true }]);
      assert.equal(await send(page, receiver), '3');
      receiver.allowCors({ allowedOrigins });
      assert.equal(await send(page, receiver), 200, 'Retry-After is not exposed');
      assert.equal(await send(page, receiver), 'TypeError', 'a proxy without CORS');
      assert.equal(receiver.preflights.length, 1, 'the preflight is remembered');
      assert.equal(await send(page, receiver, { 'X-Key': '1' }), 'TypeError', 'a header that is not allowed');
      assert.equal(receiver.requests.length, 3);
    });
    await withReceiver({ cors: 'none' }, async (receiver) => {
      const { page } = await openPage(browser, origin.url('/'));
      assert.equal(await send(page, receiver), 'TypeError');
      assert.deepEqual([receiver.preflights.length, receiver.requests.length], [1, 0]);
    });
  }));

  it('counts only what a stalled page lets through', () => withSites(1, async (origin) => {
    const totalBytes = 200 * 1024 * 1024;
    origin.route('/flood', site.flood({ totalBytes }));
    const { page } = await openPage(browser, origin.url('/'));
    const stalledBytes = async () => {
      const request = origin.requestsTo('/flood').at(-1);
      for (let before = -1; before !== request.pushedBytes;) {
        before = request.pushedBytes;
        await delay(500);
      }
      return request.pushedBytes;
    };
    await page.evaluate(async () => {
      window.reader = (await fetch('/flood')).body.getReader();
      await window.reader.read();
    });
    const unread = await stalledBytes();
    assert.ok(unread > 0 && unread < totalBytes / 2, `${unread} of ${totalBytes} bytes were pushed to a page that reads one chunk`);
    await page.evaluate(() => window.reader.cancel());

    await page.evaluate(async () => {
      const [drained] = (await fetch('/flood')).body.tee();
      for (const reader = drained.getReader(); !(await reader.read()).done;);
    });
    assert.equal(await stalledBytes(), totalBytes, 'a body that somebody drains is pushed whole');
    await page.close();
  }));

  it('serves what starts webspan, with options that hold RegExps and functions', () => withSites(1, async (origin) => {
    origin.route('/module.js', site.text('export const init = (options) => options;', { headers: { 'Content-Type': 'text/javascript' } }));
    origin.route('/app', site.webspanPage(
      { serviceName: '</script>', ignoreUrls: [/a\/b"/g], nested: { hook: (value) => value + 1, nothing: undefined } },
      { module: '/module.js' },
    ));
    const { page, complaints } = await openPage(browser, origin.url('/app'));
    assert.deepEqual(await page.evaluate(() => {
      const { serviceName, ignoreUrls, nested } = window.instance;
      return [serviceName, ignoreUrls[0].source, ignoreUrls[0].flags, nested.hook(1), 'nothing' in nested];
    }), ['</script>', 'a\\/b"', 'g', 2, true]);
    await importInto(page, '/module.js', 'again');
    assert.equal(await page.evaluate(() => typeof window.again.init), 'function');
    assert.deepEqual(complaints(), []);
  }));

  it('enforces a Content Security Policy', () => withSites(1, async (origin) => {
    origin.route('/strict', site.page({ csp: "script-src 'self'" }));
    const { page } = await openPage(browser, origin.url('/strict'));
    const outcome = await page.evaluate(() => {
      try {
        return typeof new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));
      } catch (error) {
        return error.name;
      }
    });
    assert.equal(outcome, 'CompileError');
  }));
});

describe('browser, with tabs that hide and close', () => {
  /** Tells the site of each lifecycle event as it happens. */
  const reporting = site.page({ body: `<script>
    const tell = ({ type, persisted }) => fetch('/told/' + [type, document.visibilityState, persisted ?? ''].join('/'), { method: 'POST', keepalive: true });
    addEventListener('visibilitychange', tell);
    addEventListener('pagehide', tell);
    addEventListener('pageshow', tell);
  </script>` });
  const told = (origin) => origin.requests.filter(({ path }) => path.startsWith('/told/')).map(({ path }) => path.slice('/told/'.length));
  const toldWhen = async (origin, event) => {
    await origin.waitForRequests(`/told/${event}`);
    return told(origin);
  };

  it('hides a page behind another tab, and closes it as a user does', () => withSites(1, async (origin) => {
    const browser = await launchTabs();
    try {
      origin.route('/', reporting);
      const page = await browser.newPage();
      await page.goto(origin.url('/'));
      await (await browser.newPage()).bringToFront();
      await toldWhen(origin, 'visibilitychange/hidden/');
      await page.bringToFront();
      await toldWhen(origin, 'visibilitychange/visible/');
      await page.close();
      await origin.waitForRequests('/told/visibilitychange/hidden/', 2);
      assert.ok(told(origin).includes('pagehide/visible/false'));
    } finally {
      await browser.close();
    }
  }));

  it('goes back to a page in the back-forward cache when asked to, and not otherwise', async () => {
    for (const bfcache of [true, false]) {
      await withSites(1, async (origin) => {
        const browser = await launchBrowser({ bfcache });
        try {
          origin.route('/', reporting);
          origin.route('/next', site.page());
          const { page } = await openPage(browser, origin.url('/'));
          await page.goto(origin.url('/next'));
          // Not awaited: the page may be gone before it answers.
          page.evaluate(() => history.back()).catch(() => {});
          const events = await toldWhen(origin, `pageshow/visible/${bfcache}`);
          assert.ok(events.includes(`pagehide/visible/${bfcache}`));
        } finally {
          await browser.close();
        }
      });
    }
  });
});
