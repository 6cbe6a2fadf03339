// What an XMLHttpRequest becomes, and that it stays what it was for the page and the server.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectDir } from '../../js/build/setup.mjs';
import { plain } from '../harness/receiver.mjs';
import { hang, page as webspanless, reset, slow, status, text } from '../harness/site.mjs';
import { stage, trappingCore } from './stage.mjs';

const isClient = (span) => span.kind === 'CLIENT';
const traceparentOf = (span) => `00-${span.traceId}-${span.spanId}-03`;
const durationMs = (span) => Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6;
const inOrder = (spans) => [...spans].sort((a, b) => (a.startTimeUnixNano < b.startTimeUnixNano ? -1 : 1));
/** What a span says of how the request went. */
const outcome = (span) => {
  const { 'http.response.status_code': code, 'error.type': errorType } = plain(span.attributes);
  return [span.name, code, span.status.code, errorType];
};

/** In the page: sends a request and resolves with the object when it has ended. */
const head = `<script>
  window.request = (url, { method = 'GET', body, headers = {}, set = {} } = {}) => new Promise((resolve) => {
    const xhr = new XMLHttpRequest();
    xhr.open(method, url);
    Object.assign(xhr, set);
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    xhr.onloadend = () => resolve(xhr);
    xhr.send(body);
  });
  window.sent = async (...args) => JSON.parse((await request(...args)).responseText).headers;
  window.wait = (durationMs) => new Promise((resolve) => setTimeout(resolve, durationMs));
</script>`;
const content = { head };

test('an XHR is a client span after the stable conventions, and its backend continues it', async (t) => {
  const { page, receiver, site, flush } = await stage(t, { content });
  const answer = await page.evaluate(() => request('/echo?q=1#part', { method: 'post', body: 'hello' }).then((xhr) => xhr.responseText));
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
  assert.equal(span.scope.name, 'webspan/xhr');
  assert.equal(echoed.headers.traceparent, traceparentOf(span));
  assert.equal(echoed.body, 'hello');
});

test('the span lasts from send() to loadend, and hangs below what is active at send()', async (t) => {
  const { page, receiver, flush } = await stage(t, { content, routes: { '/slow': slow({ chunks: 4, pauseMs: 80 }) } });
  const lastedMs = await page.evaluate(async () => {
    const xhr = new XMLHttpRequest();
    xhr.open('GET', '/slow');
    await wait(150);
    const startMs = performance.now();
    window.webspan.traced('outer', () => xhr.send());
    await new Promise((resolve) => (xhr.onloadend = resolve));
    return performance.now() - startMs;
  });
  await flush();
  const [span] = await receiver.waitForSpans(isClient);
  const [outer] = await receiver.waitForSpans(({ name }) => name === 'outer');
  assert.equal(span.parentSpanId, outer.spanId);
  assert.ok(Math.abs(durationMs(span) - lastedMs) < 40, `${durationMs(span)} ms of ${lastedMs} ms`);
});

test('each way to end is told as what it was', async (t) => {
  const { page, receiver, api, flush, pageErrors } = await stage(t, {
    content,
    routes: { '/404': status(404), '/500': text('failed', { status: 500 }), '/204': status(204), '/never': hang(), '/reset': reset(), '/cut': reset({ afterBytes: 1000 }) },
    apiCors: 'none',
  });
  await page.evaluate(async (apiOrigin) => {
    const abortedIn = (readyState, url) =>
      new Promise((resolve) => {
        const xhr = new XMLHttpRequest();
        xhr.onreadystatechange = () => xhr.readyState === readyState && xhr.abort();
        xhr.onloadend = resolve;
        xhr.open('GET', url);
        xhr.send();
      });
    const synchronous = (url) => {
      const xhr = new XMLHttpRequest();
      xhr.open('GET', url, false);
      try {
        xhr.send();
      } catch {
        // As the page would.
      }
    };
    // Each in a millisecond of its own, as they are told apart by when they began.
    const steps = [
      () => request('/404'),
      () => request('/500'),
      () => request('/204'),
      () => request('/echo', { method: 'HEAD' }),
      () => request('/reset'),
      () => request('/cut'),
      () => request(`${apiOrigin}/refused`),
      () => request('/never', { set: { timeout: 40 } }),
      () => abortedIn(2, '/echo'),
      () => (setTimeout(() => window.running.abort(), 30), new Promise((resolve) => {
        const xhr = (window.running = new XMLHttpRequest());
        xhr.onloadend = resolve;
        xhr.open('GET', '/never');
        xhr.send();
      })),
      () => synchronous('/echo'),
      () => synchronous('/404'),
      () => synchronous('/reset'),
      () => request('data:text/plain,x'),
      () => request('/echo', { method: 'PROPFIND' }),
    ];
    for (const step of steps) {
      await step();
      await wait(3);
    }
  }, api.origin);
  await flush();
  assert.deepEqual(inOrder(await receiver.waitForSpans(15)).map(outcome), [
    ['GET', 404, 'ERROR', '404'],
    ['GET', 500, 'ERROR', '500'],
    ['GET', 204, 'UNSET', undefined],
    ['HEAD', 200, 'UNSET', undefined],
    ['GET', undefined, 'ERROR', 'NetworkError'],
    ['GET', undefined, 'ERROR', 'NetworkError'],
    ['GET', undefined, 'ERROR', 'NetworkError'],
    ['GET', undefined, 'ERROR', 'TimeoutError'],
    ['GET', undefined, 'UNSET', undefined],
    ['GET', undefined, 'UNSET', undefined],
    ['GET', 200, 'UNSET', undefined],
    ['GET', 404, 'ERROR', '404'],
    ['GET', undefined, 'ERROR', 'NetworkError'],
    ['GET', 200, 'UNSET', undefined],
    ['HTTP', 200, 'UNSET', undefined],
  ]);
  assert.ok(receiver.spans.every((span) => span.status.message === '' && !('webspan.unfinished' in span.attributes)));
  assert.deepEqual(pageErrors, []);
});

test('one object makes one span for each send(), wherever the page opens the next one', async (t) => {
  const { page, receiver, flush } = await stage(t, { content, routes: { '/first': text('first'), '/second': status(404), '/never': hang() } });
  const { wanted, ended } = await page.evaluate(async () => {
    const wanted = [];
    const ends = { load: ['/first'], error: ['http://127.0.0.1:1/'], timeout: ['/never'], abort: ['/never'] };
    for (const [end, [url]] of Object.entries(ends)) {
      // In the readystatechange before them nobody knows yet whether it is an error, a timeout or the page's wish.
      for (const where of end === 'load' || end === 'error' ? ['readystatechange', end, 'loadend'] : [end, 'loadend']) {
        const xhr = new XMLHttpRequest();
        let again = true;
        const over = new Promise((resolve) => xhr.addEventListener('loadend', () => xhr.readyState === 4 && xhr.status === 404 && resolve()));
        xhr.addEventListener(where, () => {
          if (!again || xhr.readyState !== 4) return;
          again = false;
          xhr.timeout = 0;
          xhr.open('GET', '/second');
          xhr.send();
        });
        xhr.open('GET', url);
        if (end === 'timeout') xhr.timeout = 30;
        xhr.send();
        if (end === 'abort') setTimeout(() => xhr.abort(), 30);
        await over;
        wanted.push(end, 'second');
      }
    }
    await wait(200);
    return { wanted, ended: window.instance.stats().ended };
  });
  await flush();
  const told = { load: ['GET', 200, 'UNSET', undefined], error: ['GET', undefined, 'ERROR', 'NetworkError'], timeout: ['GET', undefined, 'ERROR', 'TimeoutError'], abort: ['GET', undefined, 'UNSET', undefined], second: ['GET', 404, 'ERROR', '404'] };
  const spans = inOrder(await receiver.waitForSpans(wanted.length));
  assert.deepEqual(spans.map(outcome), wanted.map((end) => told[end]));
  assert.equal(ended, wanted.length, 'none was left open until the flush');
});

test('open() on a running request ends it; one that the browser refuses does not; without send() there is nothing', async (t) => {
  const { page, site, receiver, flush } = await stage(t, { content, routes: { '/never': hang(), '/slow': slow({ chunks: 2, pauseMs: 150 }) } });
  const refusals = await page.evaluate(async () => {
    new XMLHttpRequest().open('GET', '/echo?never-sent');
    const unsent = new XMLHttpRequest();
    unsent.open('GET', '/echo?aborted-before');
    unsent.abort();

    const replaced = new XMLHttpRequest();
    replaced.open('GET', '/never');
    replaced.send();
    await wait(30);
    replaced.open('GET', '/echo?replaced');
    await wait(30);

    const kept = new XMLHttpRequest();
    kept.open('GET', '/slow');
    kept.send();
    const refused = [['TRACE', '/echo'], ['GET', 'http://'], ['x y', '/echo'], [Symbol('method'), '/echo'], ['GET']].map((args) => {
      try {
        return kept.open(...args);
      } catch (error) {
        return error.name;
      }
    });
    await new Promise((resolve) => (kept.onloadend = resolve));
    return refused;
  });
  assert.deepEqual(refusals, ['SecurityError', 'SyntaxError', 'SyntaxError', 'TypeError', 'TypeError']);
  await flush();
  const spans = inOrder(await receiver.waitForSpans(2));
  assert.deepEqual(spans.map((span) => plain(span.attributes)['url.full']), [site.url('/never'), site.url('/slow')]);
  assert.deepEqual(spans.map(outcome), [['GET', undefined, 'UNSET', undefined], ['GET', 200, 'UNSET', undefined]]);
  assert.ok(durationMs(spans[0]) < 100 && durationMs(spans[1]) > 140, spans.map(durationMs).join());
  const { ended, queued, delivered } = await page.evaluate(() => window.instance.stats());
  assert.deepEqual([ended, queued, delivered], [2, 0, 2]);
});

test('events, exceptions and looks are those of a page without us, in number and order', async (t) => {
  const scenarios = {
    get: (log) => log.run(({ xhr }) => (xhr.open('GET', '/text'), xhr.send())),
    'not found': (log) => log.run(({ xhr }) => (xhr.open('GET', '/404'), xhr.send())),
    refused: (log) => log.run(({ xhr }) => (xhr.open('GET', 'http://127.0.0.1:1/'), xhr.send())),
    'upload with listeners': (log) => log.run(({ xhr, listen }) => (listen(xhr.upload, 'upload '), xhr.open('POST', '/text'), xhr.send('body'))),
    'timed out': (log) => log.run(({ xhr }) => (xhr.open('GET', '/never'), (xhr.timeout = 40), xhr.send())),
    'aborted at once': (log) => log.run(({ xhr }) => (xhr.open('GET', '/never'), xhr.send(), xhr.abort())),
    'aborted before send': (log) => log.run(({ xhr }) => (xhr.open('GET', '/never'), xhr.abort(), xhr.send())),
    'aborted in loadstart': (log) => log.run(({ xhr }) => ((xhr.onloadstart = () => xhr.abort()), xhr.open('GET', '/text'), xhr.send())),
    'aborted in load': (log) => log.run(({ xhr }) => ((xhr.onload = () => xhr.abort()), xhr.open('GET', '/text'), xhr.send())),
    synchronous: (log) => log.run(({ xhr }) => (xhr.open('GET', '/text', false), xhr.send())),
    'synchronous and refused': (log) => log.run(({ xhr }) => (xhr.open('GET', 'http://127.0.0.1:1/', false), xhr.send())),
    'opened while it runs': (log) => log.run(({ xhr }) => (xhr.open('GET', '/never'), xhr.send(), xhr.open('GET', '/text'), xhr.send())),
    'opened in readystatechange': (log) => log.run(({ xhr, again }) => ((xhr.onreadystatechange = () => again(4)), xhr.open('GET', '/text'), xhr.send())),
    'sent in readystatechange': (log) => log.run(({ xhr }) => ((xhr.onreadystatechange = () => xhr.readyState === 1 && xhr.send()), xhr.open('GET', '/text'))),
    'opened in load': (log) => log.run(({ xhr, again }) => ((xhr.onload = () => again(4)), xhr.open('GET', '/text'), xhr.send())),
    'opened in loadend': (log) => log.run(({ xhr, again }) => ((xhr.onloadend = () => again(4)), xhr.open('GET', '/text'), xhr.send())),
    'opened in error': (log) => log.run(({ xhr, again }) => ((xhr.onerror = () => again(4)), xhr.open('GET', 'http://127.0.0.1:1/'), xhr.send())),
    'stopped in the capture phase': (log) => log.run(({ xhr }) => (xhr.addEventListener('loadend', (event) => event.stopImmediatePropagation(), true), xhr.open('GET', '/text'), xhr.send())),
    'sent twice': (log) => log.run(({ xhr }) => (xhr.open('GET', '/text'), xhr.send(), xhr.send())),
    'sent before open': (log) => log.run(({ xhr }) => xhr.send()),
    'header before open': (log) => log.run(({ xhr }) => xhr.setRequestHeader('x-a', '1')),
    'header after send': (log) => log.run(({ xhr }) => (xhr.open('GET', '/text'), xhr.send(), xhr.setRequestHeader('traceparent', '1'))),
    'bad header': (log) => log.run(({ xhr }) => (xhr.open('GET', '/text'), xhr.setRequestHeader('x y', '1'))),
    'header without value': (log) => log.run(({ xhr }) => (xhr.open('GET', '/text'), xhr.setRequestHeader('x-a'))),
    'symbols as header': (log) => log.run(({ xhr }) => (xhr.open('GET', '/text'), xhr.setRequestHeader(Symbol('name'), '1'))),
    'no argument': (log) => log.run(({ xhr }) => xhr.open()),
    'one argument': (log) => log.run(({ xhr }) => xhr.open('GET')),
    'bad method': (log) => log.run(({ xhr }) => xhr.open('x y', '/text')),
    'forbidden method': (log) => log.run(({ xhr }) => xhr.open('CONNECT', '/text')),
    'bad URL': (log) => log.run(({ xhr }) => xhr.open('GET', 'http://')),
    'symbol as method': (log) => log.run(({ xhr }) => xhr.open(Symbol('method'), '/text')),
    'symbol as URL': (log) => log.run(({ xhr }) => xhr.open('GET', Symbol('URL'))),
    'null as URL': (log) => log.run(({ xhr }) => (xhr.open('GET', null), xhr.send())),
    'text that throws': (log) => log.run(({ xhr, counted }) => xhr.open('GET', counted(() => { throw new RangeError('from toString'); }))),
    'text that changes': (log) => log.run(({ xhr, counted }) => (xhr.open(counted((times) => (times ? 'DELETE' : 'GET')), counted((times) => (times ? '/404' : '/text'))), xhr.send())),
    'header name that changes': (log) => log.run(({ xhr, counted }) => (xhr.open('GET', '/headers'), xhr.setRequestHeader(counted((times) => (times ? 'traceparent' : 'x-name')), '1'), xhr.send())),
    'body that throws': (log) => log.run(({ xhr, counted }) => (xhr.open('POST', '/text'), xhr.send({ toString: counted(() => { throw new RangeError('from the body'); }).toString }))),
    'body that throws, then another': (log) => log.run(({ xhr }) => { xhr.open('POST', '/headers'); try { xhr.send({ toString() { throw new RangeError('body'); } }); } catch {} xhr.send('x'); }),
    'no XHR': () => { try { return XMLHttpRequest.prototype.open.call({}, 'GET', '/text'); } catch (error) { return `${error}`; } },
    'no this': () => { try { return (0, XMLHttpRequest.prototype.send)(); } catch (error) { return `${error}`; } },
    credentials: (log) => log.run(({ xhr }) => (xhr.open('GET', '/text', true, 'user', 'word'), xhr.send())),
    subclass: (log) => log.run(({ xhr }) => (xhr.open('GET', '/text'), xhr.send()), class Own extends XMLHttpRequest { open(...args) { return super.open(...args); } }),
    responses: async () => Promise.all(['arraybuffer', 'blob', 'document', 'json'].map(async (responseType) => String((await window.request('/json', { set: { responseType } })).response))),
    looks: () => ['open', 'send', 'setRequestHeader'].map((name) => {
      const { value, ...flags } = Object.getOwnPropertyDescriptor(XMLHttpRequest.prototype, name);
      return [value.name, value.length, /native code/.test(String(value)), flags];
    }),
    'own members': async () => Object.getOwnPropertyNames(await window.request('/text')),
  };
  /** Makes the `log` of a scenario: runs it and tells all that happened. */
  const play = async (scenarios) => {
    const outcomes = {};
    for (const [name, scenario] of Object.entries(scenarios)) {
      const lines = [];
      const counts = [];
      const run = async (start, Type = XMLHttpRequest) => {
        const xhr = new Type();
        const seen = () => `${xhr.readyState} ${xhr.status} ${xhr.responseType === '' ? xhr.responseText.replaceAll(/00-\w{32}-\w{16}-\w\w/g, 'ours') : ''}`;
        const listen = (target, prefix = '') => {
          for (const type of ['readystatechange', 'loadstart', 'load', 'loadend', 'error', 'abort', 'timeout']) target.addEventListener(type, () => lines.push(`${prefix}${type} ${seen()}`));
        };
        listen(xhr);
        let left = 1;
        const again = (readyState) => {
          if (xhr.readyState !== readyState || !left--) return;
          lines.push('again');
          xhr.open('GET', '/text');
          xhr.send();
        };
        const counted = (give) => {
          const index = counts.push(0) - 1;
          return { toString: () => give(counts[index]++) };
        };
        try {
          lines.push(`gave ${start({ xhr, listen, again, counted })}`);
        } catch (error) {
          lines.push(`threw ${error}`);
        }
        for (let before = -1; before !== lines.length; ) {
          before = lines.length;
          await window.wait(600);
        }
        return [...lines, `${counts}`];
      };
      outcomes[name] = scenario({ run });
    }
    return Object.fromEntries(await Promise.all(Object.entries(outcomes).map(async ([name, outcome]) => [name, await outcome])));
  };
  const routes = {
    '/text': text('text'),
    '/json': text('{}', { headers: { 'Content-Type': 'application/json' } }),
    '/404': text('none', { status: 404 }),
    '/never': hang(),
    '/headers': (request, response) => text(`${request.headers['x-name']} ${/,/.test(request.headers.traceparent) ? 'twice' : 'once'}`)(request, response),
    '/null': text('null'),
    '/bare': webspanless({ head }),
  };
  const { page, site, receiver, flush, context, pageErrors } = await stage(t, { content, routes });
  const source = `(${play})({${Object.entries(scenarios).map(([name, scenario]) => `${JSON.stringify(name)}: ${scenario}`)}})`;
  const bare = await context.newPage();
  await bare.goto(site.url('/bare'));
  const withUs = await page.evaluate(source);
  const without = await bare.evaluate(source);
  for (const name of Object.keys(scenarios)) assert.deepEqual(withUs[name], without[name], name);
  assert.ok(without['opened in load'].some((line) => /again/.test(line)) && without.get.length > 6, 'the scenarios are what they are called');
  await flush();
  assert.ok(receiver.spans.length > 30, `${receiver.spans.length} were traced`);
  assert.ok(site.requestsTo('/text').some(({ headers }) => headers.traceparent));
  assert.deepEqual(pageErrors, []);
});

test('headers go where those of fetch go', async (t) => {
  const { page, site, api, receiver, flush } = await stage(t, {
    content,
    apiCors: { allowedOrigins: ['*'], allowedHeaders: ['*'] },
    options: ({ apiOrigin }) => ({
      propagateTraceHeaderCorsUrls: new RegExp(`^${apiOrigin}/echo\\?cors`, 'g'),
      noTraceHeaderUrls: /\?none/,
      ignoreUrls: /\?ignored/,
      instrumentations: { xhr: { ignoreUrls: /\?not-by-xhr/ } },
    }),
  });
  const seen = await page.evaluate(async (apiOrigin) => {
    const parent = window.webspan.extract({ traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=1' });
    const seen = {};
    for (const origin of ['', apiOrigin]) {
      for (const query of ['same', 'cors', 'cors', 'none', 'ignored', 'not-by-xhr']) {
        const { traceparent, tracestate } = await window.webspan.withSpan(parent, () => sent(`${origin}/echo?${query}`));
        seen[(origin && 'api ') + query] = [/^00-0af7651916cd43dd8448eb211c80319c-\w{16}-01$/.test(traceparent) ? 'ours' : traceparent, tracestate];
      }
    }
    return seen;
  }, api.origin);
  const [all, none, id] = [['ours', 'a=1'], [undefined, undefined], ['ours', undefined]];
  assert.deepEqual(seen, {
    same: all, cors: all, none, ignored: none, 'not-by-xhr': none,
    'api same': none, 'api cors': id, 'api none': none, 'api ignored': none, 'api not-by-xhr': none,
  });
  await flush();
  const queries = (await receiver.waitForSpans(8)).map((span) => new URL(plain(span.attributes)['url.full']).search);
  assert.deepEqual(queries.sort(), ['?cors', '?cors', '?cors', '?cors', '?none', '?none', '?same', '?same']);
  await t.test('corsTraceHeaders names what else may go to another origin', async (t) => {
    const { page, api } = await stage(t, { content, apiCors: { allowedOrigins: ['*'], allowedHeaders: ['*'] }, options: { propagateTraceHeaderCorsUrls: /./, corsTraceHeaders: ['tracestate'] } });
    const { traceparent, tracestate } = await page.evaluate((apiOrigin) => {
      const parent = window.webspan.extract({ traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=1' });
      return window.webspan.withSpan(parent, () => sent(`${apiOrigin}/echo`));
    }, api.origin);
    assert.deepEqual([traceparent, tracestate], [undefined, 'a=1']);
  });
  assert.equal(site.requestsTo('/echo').length, 6);
});

test('a URL is judged as it is sent: against the base of its document, once read, by the object that sends it', async (t) => {
  const { page, api } = await stage(t, { content, apiCors: { allowedOrigins: ['*'], allowedHeaders: ['*'] } });
  const seen = await page.evaluate(async (third) => {
    const seen = {};
    let times = 0;
    seen['text that changes'] = (await sent({ toString: () => (times++ ? '' : third) + '/echo' })).traceparent;
    const base = document.head.appendChild(Object.assign(document.createElement('base'), { href: third }));
    seen['base of another origin'] = (await sent('/echo')).traceparent;
    base.remove();
    // Opened for another origin while we were away, opened again in vain when we were back.
    await window.instance.shutdown();
    const early = new XMLHttpRequest();
    early.open('GET', third + '/echo');
    window.instance = window.webspan.init({ endpoint: third });
    try {
      early.open('TRACE', '/echo');
    } catch {
      // As wanted.
    }
    early.send();
    await new Promise((resolve) => (early.onloadend = resolve));
    seen['refused URL'] = JSON.parse(early.responseText).headers.traceparent;
    const frame = document.body.appendChild(document.createElement('iframe'));
    frame.contentDocument.head.appendChild(Object.assign(frame.contentDocument.createElement('base'), { href: third }));
    const theirs = new frame.contentWindow.XMLHttpRequest();
    for (const [name, args] of [['open', ['GET', '/echo']], ['send', []]]) XMLHttpRequest.prototype[name].apply(theirs, args);
    await new Promise((resolve) => (theirs.onloadend = resolve));
    seen['object of a frame'] = [theirs.responseURL, JSON.parse(theirs.responseText).headers.traceparent];
    return seen;
  }, api.origin);
  assert.deepEqual(seen, { 'text that changes': undefined, 'base of another origin': undefined, 'refused URL': undefined, 'object of a frame': [`${api.origin}/echo`, undefined] });
});

test("the page's own traceparent stands alone, also when a hook has set it", async (t) => {
  const { page } = await stage(t, {
    content,
    options: { instrumentations: { xhr: { requestHook: (span, xhr) => xhr.fromHook && xhr.setRequestHeader('TraceParent', xhr.fromHook) } } },
  });
  const own = '00-11111111111111111111111111111111-1111111111111111-01';
  const seen = await page.evaluate(
    async (own) => [
      (await sent('/echo', { headers: { Traceparent: own } })).traceparent,
      (await sent('/echo', { set: { fromHook: own } })).traceparent,
      // The next request of the same object is ours again.
      await new Promise((resolve) => {
        const xhr = new XMLHttpRequest();
        xhr.open('GET', '/echo');
        xhr.setRequestHeader('traceparent', own);
        xhr.open('GET', '/echo');
        xhr.onloadend = () => resolve(JSON.parse(xhr.responseText).headers.traceparent);
        xhr.send();
      }),
    ],
    own,
  );
  assert.deepEqual(seen.slice(0, 2), [own, own]);
  assert.match(seen[2], /^00-(?!1{32})\w{32}-\w{16}-03$/);
});

test('a simple upload to another origin needs no preflight because of us', async (t) => {
  const { page, api, receiver, flush } = await stage(t, { content, apiCors: { allowedOrigins: ['*'] }, options: { instrumentations: { xhr: { measureRequestSize: true } } } });
  const body = await page.evaluate((url) => request(url, { method: 'POST', body: 'x'.repeat(100_000) }).then((xhr) => JSON.parse(xhr.responseText).body.length), api.url('/echo'));
  assert.equal(body, 100_000);
  await flush();
  await receiver.waitForSpans(1);
  assert.deepEqual(api.preflights, []);
});

test('hooks may add, may throw, may open and send; what they send is not traced', async (t) => {
  const { page, site, receiver, flush, pageErrors } = await stage(t, {
    content,
    options: {
      onError: (error) => (window.errors ??= []).push(error.message),
      instrumentations: {
        xhr: {
          requestHook: (span, xhr) => {
            span.setAttribute('hook.state', xhr.readyState);
            if (xhr.reopen) xhr.open('GET', xhr.reopen);
            request('/echo?from-hook');
            throw new Error('from a hook');
          },
          applyCustomAttributesOnSpan: (span, xhr) => {
            span.setAttribute('hook.status', xhr.status);
            throw new Error('from another hook');
          },
        },
      },
    },
  });
  await page.evaluate(async () => {
    await request('/echo?first');
    await request('http://127.0.0.1:1/');
    await request('/echo?second', { set: { reopen: '/echo?reopened' } });
  });
  await flush();
  const spans = inOrder(await receiver.waitForSpans(3)).map((span) => plain(span.attributes));
  assert.deepEqual(spans.map((attributes) => [attributes['hook.state'], attributes['hook.status']]), [[1, 200], [1, 0], [1, 0]]);
  assert.equal(receiver.spans.length, 3);
  assert.deepEqual((await page.evaluate(() => window.errors)).length, 2, 'each told once');
  assert.deepEqual(site.requestsTo('/echo').filter(({ headers }) => headers.traceparent).map(({ url }) => url.search), ['?first']);
  assert.deepEqual(pageErrors, []);
});

test('measureRequestSize counts bytes where they are known without reading', async (t) => {
  const { page, receiver, flush } = await stage(t, { content, options: { instrumentations: { xhr: { measureRequestSize: true }, fetch: { measureRequestSize: true } } } });
  await page.evaluate(async () => {
    const hostile = { get size() { throw new Error('size'); }, get byteLength() { throw new Error('byteLength'); }, toString: () => 'hostile' };
    const bodies = ['grün', new URLSearchParams({ a: 'ü' }), new Blob(['12345']), new Uint8Array(6), new Uint8Array(7).buffer, new FormData(), undefined, null, hostile];
    for (const body of bodies) {
      await request('/echo', { method: 'POST', body });
      await (await fetch('/echo', { method: 'POST', body })).text();
    }
  });
  await flush();
  const spans = inOrder(await receiver.waitForSpans(18));
  const sizes = (name) => spans.filter(({ scope }) => scope.name === `webspan/${name}`).map((span) => plain(span.attributes)['http.request.body.size']);
  const wanted = [5, 8, 5, 6, 7, undefined, undefined, undefined, undefined];
  assert.deepEqual(sizes('xhr'), wanted);
  assert.deepEqual(sizes('fetch'), wanted);
});

test('requireParentSpan leaves out what has no parent, header included', async (t) => {
  const { page, receiver, flush } = await stage(t, { content, options: { instrumentations: { xhr: { requireParentSpan: true } } } });
  const [orphan, child] = await page.evaluate(async () => [(await sent('/echo')).traceparent, (await window.webspan.traced('outer', () => sent('/echo'))).traceparent]);
  assert.equal(orphan, undefined);
  assert.match(child, /^00-/);
  await flush();
  await receiver.waitForSpans(2);
  assert.equal(receiver.spans.filter(isClient).length, 1);
});

test('while consent is pending there is no header; shut down, there is no span, no hook and nothing of ours', async (t) => {
  const { page, site, receiver } = await stage(t, {
    content: { head: `<script>window.before = { ...Object.getOwnPropertyDescriptors(XMLHttpRequest.prototype) };</script>${head}` },
    routes: { '/never': hang() },
    options: { consent: 'pending', instrumentations: { xhr: { applyCustomAttributesOnSpan: () => (window.hooks = (window.hooks ?? 0) + 1) } } },
  });
  const seen = await page.evaluate(async () => {
    await request('/echo?pending');
    window.instance.setConsent(true);
    await request('/echo?granted');
    const running = new XMLHttpRequest();
    running.open('GET', '/never');
    running.send();
    await window.instance.shutdown();
    const { hooks } = window;
    running.abort();
    await request('/echo?down');
    const after = Object.getOwnPropertyDescriptors(XMLHttpRequest.prototype);
    return { hooks: [hooks, window.hooks], restored: ['open', 'send', 'setRequestHeader'].filter((name) => after[name].value === window.before[name].value) };
  });
  assert.deepEqual(seen, { hooks: [2, 2], restored: ['open', 'send', 'setRequestHeader'] });
  assert.deepEqual(site.requestsTo('/echo').map(({ headers }) => !!headers.traceparent), [false, true, false]);
  const spans = inOrder(await receiver.waitForSpans(3));
  assert.deepEqual(spans.map((span) => plain(span.attributes)['webspan.unfinished']), [undefined, undefined, true]);
});

test('patches of others, before and after us, stay, and are called once', async (t) => {
  const before = `<script>
    window.log = [];
    const patch = (name, who) => {
      const original = XMLHttpRequest.prototype[name];
      XMLHttpRequest.prototype[name] = function (...args) { window.log.push(who + ' ' + name); return original.apply(this, args); };
      return XMLHttpRequest.prototype[name];
    };
    for (const name of ['open', 'send', 'setRequestHeader']) patch(name, 'before');
  </script>`;
  const { page, site } = await stage(t, { content: { head: before + head } });
  const seen = await page.evaluate(async () => {
    const theirs = patch('send', 'after');
    await request('/echo');
    const first = window.log.splice(0);
    await window.instance.shutdown();
    await request('/echo');
    return { first, kept: XMLHttpRequest.prototype.send === theirs, second: window.log.splice(0) };
  });
  assert.deepEqual(seen, {
    first: ['before open', 'after send', 'before setRequestHeader', 'before send'],
    kept: true,
    second: ['before open', 'after send', 'before send'],
  });
  assert.deepEqual(site.requestsTo('/echo').map(({ headers }) => !!headers.traceparent), [true, false]);
});

for (const [name, script, wanted] of [
  ['a frozen prototype', 'Object.freeze(XMLHttpRequest.prototype)', { spans: 0 }],
  ['a locked send', `Object.defineProperty(XMLHttpRequest.prototype, 'send', { writable: false, configurable: false })`, { spans: 0, untouched: true }],
  ['no XMLHttpRequest', 'window.Xhr = XMLHttpRequest; delete window.XMLHttpRequest', { spans: 0 }],
  ['an XMLHttpRequest without a prototype', 'window.Xhr = XMLHttpRequest; window.XMLHttpRequest = () => new Xhr()', { spans: 0 }],
  ['an XMLHttpRequest that is subclassed', 'window.XMLHttpRequest = class extends XMLHttpRequest {}', { spans: 1 }],
  ['an XMLHttpRequest behind a proxy', 'window.XMLHttpRequest = new Proxy(XMLHttpRequest, {})', { spans: 1 }],
  ['an XMLHttpRequest that is replaced later', `addEventListener('load', () => { const Native = XMLHttpRequest; window.XMLHttpRequest = function () { return new Native(); }; })`, { spans: 1 }],
  ['an addEventListener that throws', `EventTarget.prototype.addEventListener = function () { if (this instanceof XMLHttpRequest) throw new Error('no'); }`, { spans: 0 }],
  ['an addEventListener that throws later', `addEventListener('load', () => { EventTarget.prototype.addEventListener = () => { throw new Error('no'); }; })`, { spans: 1 }],
  ['a WeakMap that throws', `WeakMap.prototype.get = WeakMap.prototype.set = () => { throw new Error('no'); }`, { spans: 0 }],
  ['a URL that throws', `addEventListener('load', () => { window.URL = class { constructor() { throw new Error('no'); } }; })`, { spans: 1 }],
  ['a status that throws', `Object.defineProperty(XMLHttpRequest.prototype, 'status', { get() { throw new Error('no'); } })`, { spans: 1 }],
]) {
  test(`a page with ${name} goes on`, async (t) => {
    const { page, site, flush, pageErrors } = await stage(t, { content: { head: `${head}<script>${script}</script>` }, options: { logLevel: 'none' } });
    const native = script.includes('window.Xhr');
    const answer = await page.evaluate(async (native) => {
      if (native) window.XMLHttpRequest = window.Xhr;
      const { responseText } = await request('/echo', { method: 'POST', body: 'body' });
      return JSON.parse(responseText).body;
    }, native);
    assert.equal(answer, 'body');
    await flush();
    const { ended, queued } = await page.evaluate(() => window.instance.stats());
    assert.deepEqual([ended, queued], [wanted.spans, 0]);
    assert.equal(!!site.requestsTo('/echo')[0].headers.traceparent, wanted.spans > 0, 'a header only with a span');
    if (wanted.untouched) assert.match(await page.evaluate(() => `${Object.getOwnPropertyDescriptor(XMLHttpRequest.prototype, 'open').value}`), /function open\(/);
    assert.deepEqual(pageErrors, []);
  });
}

for (const trapIn of ['start_request', 'set_response', 'fail_request', 'end_request', 'check_clocks', 'add_event', '*']) {
  test(`should the core trap in ${trapIn}, the page's request goes through, and the next ones are the browser's own`, async (t) => {
    const { page, site, pageErrors } = await stage(t, { content: { head: trappingCore() + head }, options: { logLevel: 'none' } });
    const seen = await page.evaluate(async (trapIn) => {
      const wrapped = XMLHttpRequest.prototype.send;
      await wait(300);
      window.trapIn = trapIn;
      const events = [];
      const answers = await Promise.all(
        ['/echo', 'http://127.0.0.1:1/'].map(
          (url) =>
            new Promise((resolve) => {
              const xhr = new XMLHttpRequest();
              xhr.open('GET', url);
              for (const type of ['load', 'error', 'loadend']) xhr.addEventListener(type, () => events.push(`${type} ${url}`));
              xhr.addEventListener('loadend', () => resolve(xhr.status));
              xhr.send();
            }),
        ),
      );
      await window.instance.flush();
      return { answers, events: events.sort(), trapped: window.trapped, restored: XMLHttpRequest.prototype.send !== wrapped, after: (await request('/echo')).status };
    }, trapIn);
    assert.deepEqual(seen, {
      answers: [200, 0],
      events: ['error http://127.0.0.1:1/', 'load /echo', 'loadend /echo', 'loadend http://127.0.0.1:1/'],
      trapped: true,
      restored: true,
      after: 200,
    });
    assert.equal(site.requestsTo('/echo')[1].headers.traceparent, undefined);
    assert.deepEqual(pageErrors, []);
  });
}

test("under zone.js our listeners are not the page's work", async (t) => {
  const zone = readFileSync(join(projectDir, 'node_modules/zone.js/bundles/zone.umd.js'), 'utf8');
  // Modules wait until the page is read; the zone is there before us.
  const { page, receiver, flush } = await stage(t, { content: { head: `<script>${zone.replaceAll('</script', '<\\/script')}</script>${head}` } });
  const tasks = await page.evaluate(async () => {
    const tasks = [];
    const zone = window.Zone.current.fork({ name: 'page', onScheduleTask: (delegate, current, target, task) => (tasks.push(task.source), delegate.scheduleTask(target, task)) });
    await zone.run(() => new Promise((resolve) => {
      const xhr = new XMLHttpRequest();
      xhr.open('GET', '/echo');
      xhr.onload = resolve;
      xhr.send();
    }));
    return tasks.filter((source) => /XMLHttpRequest/.test(source));
  });
  await flush();
  await receiver.waitForSpans(isClient);
  assert.deepEqual(tasks.sort(), ['XMLHttpRequest.addEventListener:load', 'XMLHttpRequest.send']);
});
