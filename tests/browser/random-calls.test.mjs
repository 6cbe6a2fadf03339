// Random calls of the public functions with random values of every kind, which may throw, or call webspan themselves, when they are looked at.
// WEBSPAN_FUZZ_SECONDS says how long this goes on, WEBSPAN_FUZZ_SEED repeats a run that has failed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { firstSeed, fuzzSeconds } from '../harness/fuzz.mjs';
import { stage } from './stage.mjs';

test('random calls with random values throw nothing at the page, and what arrives is well-formed', { timeout: 600_000 + 1000 * fuzzSeconds(0) }, async (t) => {
  const seconds = fuzzSeconds(15);
  const seed = firstSeed;
  try {
    const { page, receiver, pageErrors, expected } = await stage(t, { options: { logLevel: 'none' } });
    expected.violations = true;
    await page.evaluate(`window.run = (${fuzz})(${JSON.stringify({ seed, seconds, endpoint: receiver.url })}).then((found) => (window.found = found)); undefined`);
    // One question would have to be answered within half a minute.
    let found;
    while (!found) {
      await delay(500);
      found = await page.evaluate(() => window.found);
    }
    assert.deepEqual(found.faults, []);
    assert.deepEqual(pageErrors, []);
    // Empty names and times of another age are what the page has given.
    assert.deepEqual(receiver.violations.filter((violation) => !/^request \d+: (Name|StartTime|EventTime) at /.test(violation)), []);
    assert.ok(receiver.spans.length > seconds, `${receiver.spans.length} spans have arrived`);
    t.diagnostic(`${found.calls} calls in ${found.rounds} rounds; ${receiver.spans.length} spans arrived`);
  } catch (error) {
    error.message = `WEBSPAN_FUZZ_SEED=${seed}: ${error.message}`;
    throw error;
  }
});

/** Runs in the page. */
async function fuzz({ seed, seconds, endpoint }) {
  const { webspan } = window;
  const untilMs = performance.now() + seconds * 1000;
  const faults = [];
  let calls = 0;
  let rounds = 0;
  let depth = 0;
  let state = seed;
  // mulberry32
  const random = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (count) => Math.floor(random() * count);
  const pick = (list) => list[below(list.length)];
  const chance = (share) => random() < share;

  const frame = document.createElement('iframe');
  document.body.append(frame);
  const other = frame.contentWindow;

  /** What the page's own functions have thrown, which has to come through. */
  const own = new Set();
  window.addEventListener('unhandledrejection', (event) => {
    if (!own.has(event.reason)) faults.push(`unhandled rejection: ${describe(event.reason)}`);
    event.preventDefault();
  });
  const describe = (value) => {
    try {
      return value instanceof Error ? `${value.message} ${value.stack}` : String(value).slice(0, 200);
    } catch {
      return typeof value;
    }
  };

  const spans = [];
  let instance = window.instance;
  /** What is read for `init` may call it. */
  let isStarting = false;

  const fail = () => {
    throw pick([new Error('odd'), new TypeError('odd'), 'odd', undefined, null, Symbol('odd'), Object.create(null)]);
  };
  /** Something of the page's that runs while webspan reads what it is given. */
  const reenter = () => {
    if (chance(0.3)) fail();
    if (depth < 3) act();
    return pick([1, 'text', undefined, null, NaN, 5n, {}]);
  };
  const revoked = (target) => {
    const { proxy, revoke } = Proxy.revocable(target, {});
    revoke();
    return proxy;
  };
  const TRAPS = ['get', 'has', 'ownKeys', 'getOwnPropertyDescriptor', 'getPrototypeOf', 'apply'];
  const trapped = (target) => new Proxy(target, Object.fromEntries(TRAPS.filter(() => chance(0.4)).map((trap) => [trap, chance(0.5) ? fail : (...args) => (reenter(), Reflect[trap](...args))])));

  const text = () =>
    pick([
      () => '', () => 'name', () => 'a'.repeat(below(300)), () => 'ü€😀'.repeat(below(50)), () => '\ud800', () => 'x\udc00y', () => '\0\n\r',
      () => (chance(0.05) ? 'h'.repeat(200_000) : 'short'), () => '__proto__', () => 'constructor', () => 'https://a.example/?token=SECRET', () => `k${below(2000)}`,
    ])();
  const number = () => pick([0, -0, 1, 2, 3, 99, -1, 0.5, NaN, Infinity, -Infinity, 2 ** 31, 2 ** 53, 2 ** 64, 1e300, 5e-324, Date.now(), performance.now(), Date.now() + 1e9]);
  const traceId = () => pick(['a'.repeat(32), 'A'.repeat(32), '0'.repeat(32), 'x', '', 5, undefined, value()]);
  const context = () => ({ traceId: traceId(), spanId: pick(['b'.repeat(16), '0'.repeat(16), 'B'.repeat(16), value()]), traceFlags: pick([0, 1, 255, value()]), isRemote: value(), traceState: pick([undefined, { serialize: reenter }, { serialize: () => pick(['a=1', 'a=1,b=2', '=', 'x\ny=1', text()]) }, value()]) });

  /** Any kind of value. */
  function value(nesting = 0) {
    const nested = () => (nesting < 3 ? value(nesting + 1) : 1);
    return pick([
      () => undefined, () => null, () => true, () => false, number, number, text, text, () => 10n, () => Symbol('s'), () => Symbol.iterator,
      () => ({}), () => Object.create(null), () => Object.freeze({ a: 1 }), () => ({ [text()]: nested(), [text()]: nested() }),
      () => { const cyclic = { a: nested() }; cyclic.self = cyclic; return cyclic; },
      () => Object.defineProperty({ a: 1 }, pick(['b', 'then', 'kind', 'code', 'message', 'context', 'links', 'attributes', 'startTime', 'discard', 'getValue', 'length', '0']), { enumerable: true, get: reenter }),
      () => ({ toString: reenter, valueOf: reenter }), () => ({ toString: fail, valueOf: fail, toJSON: fail }), () => ({ [Symbol.toPrimitive]: reenter }), () => ({ get [Symbol.toStringTag]() { return fail(); } }),
      () => [], () => [nested(), nested()], () => [1, 2], () => ['a', null, undefined], () => Object.freeze(['a']), () => { const holes = []; holes[5] = 1; return holes; },
      () => { const list = [nested()]; list[Symbol.iterator] = reenter; return list; }, () => new Uint8Array(3), () => new Map([['a', 1]]), () => new Set([1]),
      () => new Date(), () => new Date(NaN), () => new Date(-1), () => new Error('error'), () => Object.assign(new Error('e'), { code: nested(), name: nested() }), () => new DOMException('m', 'AbortError'),
      () => /x/g, () => new Proxy({}, {}), () => revoked({}), () => revoked([]), () => revoked(() => {}), () => trapped({ a: 1 }), () => trapped([1]), () => trapped(() => 1),
      () => () => {}, () => function named() {}, () => class {}, () => fail, () => Promise.resolve(1), () => quiet(Promise.reject(new Error('odd'))), () => ({ then: reenter }),
      () => new other.Object(), () => new other.Array('a', 'b'), () => new other.Date(), () => new other.Error('other'), () => new other.Map(), () => other.eval('() => 1'), () => new other.Headers(), () => other,
      () => window, () => document, () => document.body, () => new Headers({ a: 'b' }), () => new Headers({ traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` }), () => pick(spans), context, () => ({ context: context(), attributes: nested() }),
      () => ({ spanContext: context }), () => ({ spanContext: reenter }), () => [number(), number()], () => [nested(), nested()], () => ({ getValue: reenter, setValue: reenter }), () => document.all,
    ])();
  }
  const quiet = (promise) => (promise.catch(() => {}), promise);
  const or = (sane) => (chance(0.5) ? sane() : value());
  const attributes = () => or(() => ({ a: 1, b: 'x', [text()]: value(), [text()]: value() }));
  const options = () => or(() => ({ kind: or(() => below(5)), attributes: attributes(), links: or(() => [{ context: context(), attributes: attributes() }]), startTime: or(number), root: value() }));
  /** A function of the page's, whose errors are its own; or nothing that can be called. */
  const callback = () => {
    if (chance(0.5)) return callable(value());
    return (...given) => {
      if (given[0] && chance(0.5)) spans.push(given[0]);
      for (let count = below(3); count--; ) if (depth < 3) act();
      if (chance(0.2)) throw ownError();
      if (chance(0.2)) return Promise.reject(ownError());
      // What is a promise in the page's own eyes has to be settled by it.
      return chance(0.3) ? Promise.resolve(1) : value();
    };
  };
  /** What this throws is the page's own affair, if it can be called. */
  const callable = (odd) => {
    if (typeof odd !== 'function') return odd;
    return () => {
      try {
        return odd();
      } catch {
        throw ownError();
      }
    };
  };
  const ownError = () => {
    const thrown = pick([new Error('own'), Symbol('own'), { own: true }, Object.create(null), revoked({})]);
    own.add(thrown);
    return thrown;
  };
  const span = () => (spans.length ? pick(spans.slice(-20)) : instance.tracer.startSpan('first'));
  const keep = (made) => {
    spans.push(made);
    if (spans.length > 200) spans.splice(0, 100);
  };
  /** What the page does with a result that is a promise. */
  const settle = (result) => {
    try {
      if (result instanceof Promise || result instanceof other.Promise) quiet(result);
    } catch {}
  };

  const VERBS = {
    startSpan: () => keep(instance.tracer.startSpan(or(text), options(), value())),
    startSpanPlain: () => keep(instance.tracer.startSpan(text(), { kind: below(5), attributes: { a: value(), b: value() } })),
    startActiveSpan: () => settle(pick([() => instance.tracer.startActiveSpan(or(text), callback()), () => instance.tracer.startActiveSpan(or(text), callable(options()), callback()), () => instance.tracer.startActiveSpan(or(text), callable(options()), callable(value()), callback()), () => instance.tracer.startActiveSpan(...[0, 1, 2, 3, 4].map(() => callable(value())))])()),
    traced: () => settle(webspan.traced(or(text), callback(), callable(options()))),
    tracedPlain: () => settle(webspan.traced(text(), callback())),
    withSpan: () => settle(webspan.withSpan(or(span), callback())),
    activeSpan: () => webspan.activeSpan(value()),
    inject: () => webspan.inject(or(() => pick([{}, new Headers(), Object.freeze({}), []]))),
    extract: () => webspan.extract(or(() => ({ traceparent: or(() => `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`), tracestate: or(text) }))),
    setAttribute: () => real(span()).setAttribute(or(text), value()),
    spanAttributes: () => real(span()).setAttributes(attributes()),
    addEvent: () => real(span()).addEvent(or(text), attributes(), or(number)),
    addLink: () => real(span()).addLink(or(() => ({ context: context(), attributes: attributes() }))),
    addLinks: () => real(span()).addLinks(or(() => [value(), { context: context() }])),
    setStatus: () => real(span()).setStatus(or(() => ({ code: or(() => below(3)), message: or(text) }))),
    updateName: () => real(span()).updateName(or(text)),
    recordException: () => real(span()).recordException(value(), or(number)),
    end: () => real(span()).end(chance(0.5) ? undefined : value()),
    spanContext: () => { const { traceState } = real(span()).spanContext(); traceState?.set(or(text), or(text)).unset(value()).serialize(); traceState?.get(value()); },
    isRecording: () => real(span()).isRecording(value()),
    setAttributes: () => instance.setAttributes(chance(0.5) ? attributes() : { a: undefined, b: null }),
    setUser: () => instance.setUser(value()),
    setConsent: () => instance.setConsent(chance(0.95) || value()),
    getTracer: () => keep(instance.getTracer(value(), value()).startSpan('of a library')),
    flush: () => void (chance(0.05) && instance.flush(value())),
    stats: () => instance.stats(value()),
    again: () => { if (webspan.init(value()) !== instance && !isStarting) faults.push('init() gave another instance'); },
    fetch: () => void (chance(0.05) && fetch('/echo').then((response) => response.text()).catch(() => {})),
  };
  /** Of a span that a callback was given, which may be anything where it was called by somebody else. */
  const real = (candidate) => {
    try {
      if (candidate && typeof candidate.addLinks === 'function' && typeof candidate.recordException === 'function') return candidate;
    } catch {}
    return instance.tracer.startSpan('real');
  };
  const names = Object.keys(VERBS);

  function act() {
    const name = pick(names);
    depth++;
    calls++;
    try {
      VERBS[name]();
    } catch (error) {
      if (!own.has(error) && faults.length < 20) faults.push(`${name} has thrown: ${describe(error)}`);
    } finally {
      depth--;
    }
  }

  const OPTIONS = ['serviceName', 'serviceVersion', 'resourceAttributes', 'credentials', 'protocol', 'compression', 'retry', 'batch', 'sampler', 'propagateTraceHeaderCorsUrls', 'ignoreUrls', 'noTraceHeaderUrls', 'corsTraceHeaders', 'instrumentations', 'captures', 'pageTrace', 'semconv', 'session', 'documentUrl', 'redact', 'limits', 'onError', 'tracesEndpoint', 'headers', 'consent', 'outbox', 'unknown'];
  const oddOptions = () => {
    const given = { endpoint, logLevel: 'none' };
    for (let count = below(6); count--; ) given[pick(OPTIONS)] = value();
    if (chance(0.3)) given.spanProcessors = [{ onStart: (started) => (keep(started), reenter()), onEnd: (ended) => (ended.setAttributes(value()), ended.updateName(value()), chance(0.1) && ended.drop(value()), reenter()) }];
    if (chance(0.3)) given.sampler = () => reenter();
    if (chance(0.3)) given.redact = { url: () => reenter() };
    if (chance(0.3)) given.onError = () => reenter();
    return given;
  };
  const waitedFor = (what, promise) => Promise.race([promise, new Promise((resolve) => setTimeout(() => resolve(what), 20_000))]).then((late) => late === what && faults.push(`${what} does not come to an end`));

  while (performance.now() < untilMs && faults.length < 5) {
    rounds++;
    for (let turn = 0; turn < 20 && performance.now() < untilMs; turn++) {
      for (let count = 0; count < 100; count++) act();
      await new Promise((resolve) => setTimeout(resolve));
    }
    const status = await fetch('/echo').then((response) => response.status);
    if (status !== 200) faults.push(`fetch answers ${status}`);
    spans.splice(0).forEach((each) => real(each).end());
    await waitedFor('flush', instance.flush());
    const stats = instance.stats();
    const { ended, queued, inFlight, delivered, unacknowledged, stored, dropped: { notReady, ...dropped } } = stats;
    const sum = [queued, inFlight, delivered, unacknowledged, stored, ...Object.values(dropped)].reduce((all, count) => all + count, 0);
    if (ended !== sum || dropped.coreFailed || [ended, ...Object.values(dropped)].some((count) => !(count >= 0))) faults.push(`counts: ${JSON.stringify(stats)}`);
    await waitedFor('shutdown', instance.shutdown(value()));
    isStarting = true;
    try {
      // Whatever it is given.
      const odd = webspan.init(value());
      await waitedFor('shutdown after odd options', odd.shutdown());
      instance = webspan.init(oddOptions());
      isStarting = false;
    } catch (error) {
      faults.push(`init has thrown: ${describe(error)}`);
    }
  }
  await instance.shutdown();
  return { faults, calls, rounds };
}
