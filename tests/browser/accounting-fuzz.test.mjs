// Random lives of a page, and a collector of every temper: at any time each span that ended is in exactly one count, no count is impossible, what is
// counted as delivered has arrived, and nobody waits for ever.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inTime, launchBrowser, openPage } from '../harness/browser.mjs';
import { firstSeed, fuzzSeconds, randomFrom } from '../harness/fuzz.mjs';
import { page, startSite } from '../harness/site.mjs';
import { trappingCore } from './stage.mjs';

const STEPS = 50;
const PAGES_AT_ONCE = 3;

test('whatever happens to a page, its accounting is right', async (t) => {
  const site = await startSite({ routes: { '/': page({ head: `${trappingCore()}<script>window.randomFrom = ${randomFrom}; (${prepare})();</script>` }) } });
  const browser = await launchBrowser();
  t.after(async () => {
    await browser.close();
    await site.close();
  });
  const endMs = performance.now() + fuzzSeconds(15) * 1000;
  let seed = firstSeed;
  let ended = 0;
  const live = async () => {
    do {
      const mine = seed++;
      const context = await browser.newContext();
      const { page, pageErrors } = await openPage(context, site.url('/'));
      const life = page.evaluate(([seed, steps]) => window.live(seed, steps), [mine, STEPS]);
      const { problems, stats } = await life.catch(async (error) => {
        const log = await inTime(page.evaluate(() => window.lived), 'the log', 3000).catch(() => 'the page does not answer');
        throw new Error(`WEBSPAN_FUZZ_SEED=${mine}: ${error.message}; ${log}`);
      });
      assert.deepEqual([...problems, ...pageErrors], [], `WEBSPAN_FUZZ_SEED=${mine}`);
      ended += stats.ended;
      await context.close();
    } while (performance.now() < endMs);
  };
  await Promise.all(Array.from({ length: PAGES_AT_ONCE }, live));
  assert.ok(ended > 100, `${ended} spans ended`);
});

/** Runs in the page, before webspan is loaded. */
function prepare() {
  const { now } = Date;
  let skewMs = 0;
  Date.now = () => now() + skewMs;
  let isOnline = true;
  let visibility = 'visible';
  Object.defineProperty(navigator, 'onLine', { get: () => isOnline });
  Object.defineProperty(document, 'visibilityState', { get: () => visibility });
  const setOnline = (online) => dispatchEvent(new Event((isOnline = online) ? 'online' : 'offline'));
  const setVisible = (visible) => {
    visibility = visible ? 'visible' : 'hidden';
    document.dispatchEvent(new Event('visibilitychange'));
  };
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));

  window.live = async (seed, steps) => {
    const random = window.randomFrom(seed);
    const pick = (list) => list[random(list.length)];
    const problems = [];
    const log = (window.lived = []);

    // ---- the collector
    /** Numbers of the spans that it has taken. */
    const taken = new Set();
    let isWell = false;
    const numbersIn = async ({ headers, body }) => {
      const bytes = headers['content-encoding'] === 'gzip' ? await new Response(new Blob([body]).stream().pipeThrough(new DecompressionStream('gzip'))).arrayBuffer() : body;
      return [...new TextDecoder('latin1').decode(bytes).matchAll(/#(\d+)#/g)].map((match) => Number(match[1]));
    };
    const rejecting = (rejectedSpans) => new Response(JSON.stringify({ partialSuccess: { rejectedSpans } }), { headers: { 'content-type': 'application/json' } });
    const never = () => new Promise(() => {});
    const bad = [
      () => Promise.reject(new TypeError('Failed to fetch')),
      () => new Response('', { status: pick([429, 502, 503, 504]), headers: { 'retry-after': pick(['0', '1', '-1', 'soon', '9'.repeat(400), 'Fri, 31 Dec 9999 23:59:59 GMT']) } }),
      () => new Response('', { status: 413 }),
      () => new Response('', { status: pick([400, 401, 403, 404, 500]) }),
      () => pick([undefined, null, 7, {}, { status: NaN, headers: new Headers() }, { status: -1, headers: new Headers() }, { status: 65736, headers: new Headers() }, Response.error()]),
      never,
      () => ({ type: 'opaqueredirect', status: 0, headers: new Headers() }),
    ];
    const good = [
      () => new Response(new Uint8Array(), { headers: { 'content-type': 'application/x-protobuf' } }),
      () => new Response(null, { status: 204 }),
      () => rejecting(pick([-1, 1, 3, 1e99, -1e99, 'x', '2', null, 0.5, 2 ** 32, [], {}])),
      () => new Response(Uint8Array.from({ length: random(40) }, () => random(256))),
      () => ({ status: 200, headers: new Headers(), arrayBuffer: never }),
      () => ({ status: 200, headers: new Headers({ 'content-type': 'application/json' }), json: () => Promise.reject(new Error('cut off')) }),
    ];
    const native = window.fetch;
    window.fetch = async function (url, init) {
      if (!String(url).includes('/v1/traces')) return native.apply(this, arguments);
      const numbers = numbersIn(init);
      const temper = isWell ? 9 : random(12);
      if (random(3)) await wait(random(40));
      if (temper < 4) return pick(bad)();
      for (const number of await numbers) taken.add(number);
      // It has taken them, and its answer is lost.
      if (temper === 4) throw new TypeError('Failed to fetch');
      return isWell ? good[0]() : pick(good)();
    };
    window.fetchLater = () => {
      if (!random(4)) throw new DOMException('too much', 'QuotaExceededError');
      return { activated: false };
    };

    // ---- the page
    const webspan = await import('/dist/index.js');
    const queue = 1 + random(150);
    let number = 0;
    let instance;
    const headers = pick([{}, () => ({ a: 'b' }), async () => ({}), () => Promise.reject(new Error('no')), never, () => { throw new Error('no'); }, () => (instance.tracer.startSpan(`#${++number}#`).end(), void instance.flush(), {}), async () => (await instance.flush(), {})]);
    const onEnd = (span) => {
      if (!random(15)) span.drop();
      else if (!random(15)) span.setAttributes({ more: 'x'.repeat(random(5000)) });
      else if (!random(15)) instance.flush();
    };
    const start = () => webspan.init({
      serviceName: 'fuzz',
      endpoint: '/otlp',
      logLevel: 'none',
      headers,
      timeoutMillis: 50 + random(100),
      compression: pick(['none', 'gzip', 'auto']),
      protocol: pick(['http/protobuf', 'http/protobuf', 'http/json']),
      retry: random(6) ? { initialMillis: 1 + random(10), maxMillis: 1 + random(50), maxElapsedMillis: 1 + random(400) } : false,
      batch: { maxQueueSize: queue, maxExportBatchSize: 1 + random(queue), scheduledDelayMillis: random(100) },
      outbox: random(2) ? { maxCount: pick([1, 1000]) } : false,
      consent: pick(['granted', 'granted', 'pending']),
      instrumentations: { fetch: false, xhr: false, documentLoad: false, navigation: false, errors: false },
      spanProcessors: random(3) ? [] : [{ onEnd }],
      onError: () => random(5) || instance?.flush(),
    });
    instance = start();
    const open = [];
    let mayTrap = random(8) === 0;

    const look = (when) => {
      const { stored, recovered, unrecovered, resent, ended, queued, inFlight, delivered, unacknowledged, dropped } = instance.stats();
      const { notReady, ...reasons } = dropped;
      const places = queued + inFlight + delivered + unacknowledged + stored + Object.values(reasons).reduce((sum, count) => sum + count, 0);
      const all = [stored, recovered, unrecovered, resent, ended, queued, inFlight, delivered, unacknowledged, notReady, ...Object.values(reasons)];
      if (places !== ended || !all.every((count) => Number.isInteger(count) && count >= 0 && count < 1e6)) problems.push(`${when}: ${places} of ${ended}, ${JSON.stringify(instance.stats())} after ${log.slice(-8)}`);
    };
    const happenings = {
      end: () => {
        for (let count = random(60); count; count--) {
          const span = instance.tracer.startSpan(`#${++number}#`, { attributes: { filling: 'x'.repeat(random(10) ? random(100) : random(30_000)) } });
          if (random(20)) span.end();
          else open.push(span);
        }
      },
      endMore: () => happenings.end(),
      endOpen: () => open.splice(0, random(5)).forEach((span) => (span.end(), span.end())),
      flush: () => void instance.flush(),
      flushAndWait: () => Promise.race([instance.flush(), wait(200)]),
      consent: () => instance.setConsent(random(5) > 0),
      network: () => setOnline(random(2) > 0),
      networkBlinks: () => (setOnline(false), setOnline(true)),
      visibility: () => setVisible(random(2) > 0),
      visibilityBlinks: () => (setVisible(false), setVisible(true)),
      clock: () => (skewMs += pick([1e3, -1e3, 1e7, -1e7])),
      wait: () => wait(random(80)),
      waitLittle: () => wait(random(10)),
      stopAndGoOn: () => {
        if (random(8)) return;
        void instance.shutdown({ discard: !random(3) });
        const again = webspan.init({});
        if (again !== instance) problems.push('one that is being shut down did not go on');
      },
      trap: () => {
        if (!mayTrap || random(6)) return;
        mayTrap = false;
        window.trapIn = '*';
      },
    };
    for (let step = 0; step < steps && !problems.length; step++) {
      const happening = pick(Object.keys(happenings));
      log.push(happening);
      await happenings[happening]();
      look(`step ${step}`);
    }
    setOnline(true);
    setVisible(true);
    skewMs = 0;
    isWell = true;
    await wait(100);
    look('at the end');
    const isOver = await Promise.race([instance.shutdown().then(() => true), wait(10_000)]);
    if (!isOver) problems.push(`shutdown does not resolve, ${JSON.stringify(instance.stats())} after ${log.slice(-8)}`);
    look('after shutdown');
    const stats = instance.stats();
    if (stats.delivered > taken.size) problems.push(`${stats.delivered} are counted as delivered, and the collector has ${taken.size}`);
    return { problems, stats };
  };
}
