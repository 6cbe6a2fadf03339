// Whatever the public functions are given, nothing is thrown at the page, and the span is right: a table of what is known to be odd. Random values are
// given in random-calls.test.mjs.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { plain } from '../harness/receiver.mjs';
import { stage } from './stage.mjs';

/** Runs this in the page, with what it needs in scope; what it gives is JSON. */
const inPage = (page, source) =>
  page.evaluate((source) => {
    const thrower = (name) => Object.defineProperty({}, name, { enumerable: true, get() { throw new Error(`getter of ${name}`); } });
    const revoked = (target = {}) => { const { proxy, revoke } = Proxy.revocable(target, {}); revoke(); return proxy; };
    const textless = { toString() { throw new Error('toString'); }, valueOf() { throw new Error('valueOf'); } };
    const cyclic = {}; cyclic.self = cyclic;
    const names = { webspan: window.webspan, instance: window.instance, tracer: window.instance.tracer, thrower, revoked, textless, cyclic };
    return new (async () => {}).constructor(...Object.keys(names), source)(...Object.values(names));
  }, source);

/** What is called, and what it gives, as JSON; and what there has to be of its span, if there is to be one. */
const CALLS = [
  ['traced with a Symbol as name', `webspan.traced(Symbol('x'), () => 1)`, 1, { name: 'Symbol(x)' }],
  ['traced with a name without text', `webspan.traced(textless, () => 1)`, 1, { name: 'object' }],
  ['traced without a function', `webspan.traced('x')`, undefined, null],
  ['traced with text in the place of a function', `webspan.traced('x', 'y', { kind: 2 })`, undefined, null],
  ['traced with null as options', `webspan.traced('x', () => 1, null)`, 1, { name: 'x' }],
  ['traced with a function as options', `webspan.traced('x', () => 1, () => 2)`, 1, { name: 'x' }],
  ['traced with options that throw', `webspan.traced('x', () => 1, thrower('kind'))`, 1, { name: 'x' }],
  ['a result whose then throws', `webspan.traced('x', () => thrower('then')) !== undefined`, true, { name: 'x' }],
  ['a result that is a revoked proxy', `typeof webspan.traced('x', () => revoked())`, 'object', { name: 'x' }],
  ['a result whose then() throws', `const odd = { then() { throw new Error('then'); } }; return webspan.traced('x', () => odd) === odd`, true, { name: 'x' }],
  ['a result whose then() gives nothing', `const thenable = { then(done) { done(5); } }; return await webspan.traced('x', () => thenable)`, 5, { name: 'x' }],
  ['startActiveSpan without a function', `tracer.startActiveSpan('x')`, undefined, null],
  ['startActiveSpan with a function first', `return tracer.startActiveSpan('x', (span) => (span.end(), 1), { kind: 2 })`, 1, { name: 'x' }],
  ['startActiveSpan with null', `return tracer.startActiveSpan('x', null, null, (span) => (span.end(), 1))`, 1, { name: 'x' }],
  ['startActiveSpan with more than it takes', `return tracer.startActiveSpan('x', { kind: 2 }, undefined, (span) => (span.end(), 1), 'more', {})`, 1, { name: 'x', kind: 'CLIENT' }],
  ['withSpan without a function', `webspan.withSpan(undefined, 'x')`, undefined, null],
  ['withSpan with what is no span', `webspan.withSpan('no span', () => webspan.traced('x', () => 1))`, 1, { name: 'x', parentSpanId: '' }],
  ['withSpan with a span that throws', `return webspan.withSpan({ spanContext() { throw new Error('no'); } }, () => webspan.traced('x', () => 1))`, 1, { name: 'x', parentSpanId: '' }],
  ['attributes that are null', `tracer.startSpan('x', { attributes: null }).end()`, undefined, { name: 'x' }],
  ['attributes that are a list', `tracer.startSpan('x', { attributes: ['a'] }).end()`, undefined, { name: 'x', attributes: {} }],
  ['attributes that are text', `tracer.startSpan('x').setAttributes('abc').addEvent('e', 'abc').end()`, undefined, { name: 'x', attributes: {} }],
  ['attributes of which one throws', `tracer.startSpan('x', { attributes: { a: 1, get b() { throw new Error('b'); }, c: 3 } }).end()`, undefined, { name: 'x', attributes: { a: 1, c: 3 } }],
  ['attributes of an event of which one throws', `tracer.startSpan('x').addEvent('e', { a: 1, get b() { throw new Error('b'); }, c: 3 }).end()`, undefined, { name: 'x', events: [['e', { a: 1, c: 3 }]] }],
  ['a proxy as attributes', `tracer.startSpan('x', { kind: 2, attributes: new Proxy({}, { ownKeys() { throw new Error('keys'); } }) }).end()`, undefined, { name: 'x', kind: 'CLIENT', attributes: {} }],
  ['attributes that know themselves', `tracer.startSpan('x', { attributes: { cyclic, a: [cyclic, 1] } }).end()`, undefined, { name: 'x' }],
  ['links that are none', `tracer.startSpan('x', { links: 'abc', attributes: { a: 1 } }).end()`, undefined, { name: 'x', attributes: { a: 1 } }],
  ['a link that is none, and one that is', `tracer.startSpan('x').addLinks([null, { context: { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 } }, 5]).end()`, undefined, { name: 'x', links: ['b'.repeat(16)] }],
  ['a kind that is none', `tracer.startSpan('x', { kind: 99, attributes: { a: 1 } }).end()`, undefined, { name: 'x', kind: 'INTERNAL', attributes: { a: 1 } }],
  ['a kind that is a Symbol', `tracer.startSpan('x', { kind: Symbol('k') }).end()`, undefined, { name: 'x', kind: 'INTERNAL' }],
  ...['NaN', '-5', 'new Date(NaN)', `'soon'`, '[1n, 2n]', '[NaN, 5]', '[]', 'revoked([])', `thrower('getTime')`].map((time) => [
    `${time} as a time`, `const span = tracer.startSpan('x', { startTime: ${time}, kind: 2 }); span.addEvent('e', {}, ${time}).end(${time})`, undefined, { name: 'x', kind: 'CLIENT', isNow: true },
  ]),
  ['a time to come', `tracer.startSpan('x', { startTime: Date.now() + 1e9 }).end()`, undefined, { name: 'x' }],
  ['a Date of another frame', `const frame = document.createElement('iframe'); document.body.append(frame); const date = new frame.contentWindow.Date(1e12); tracer.startSpan('x', { startTime: date }).end(date)`, undefined, { name: 'x', startTimeUnixNano: '1000000000000000000', endTimeUnixNano: '1000000000000000000' }],
  ['a context that is none', `tracer.startSpan('x', { kind: 2 }, 'no context').end()`, undefined, { name: 'x', kind: 'CLIENT' }],
  ['a context that throws', `tracer.startSpan('x', { kind: 2 }, { getValue() { throw new Error('no'); } }).end()`, undefined, { name: 'x', kind: 'CLIENT', parentSpanId: '' }],
  ['a status that is null', `tracer.startSpan('x').setStatus(null).end()`, undefined, { name: 'x', status: { code: 'UNSET', message: '' } }],
  ['a name that is a Symbol', `tracer.startSpan('x').updateName(Symbol('y')).end()`, undefined, { name: 'Symbol(y)' }],
  ['a name without text', `tracer.startSpan('x').updateName(textless).end()`, undefined, { name: 'x' }],
  ['an exception that is a revoked proxy', `const span = tracer.startSpan('x'); span.recordException(revoked()); span.end()`, undefined, { name: 'x' }],
  ['a tracer without a name', `instance.getTracer(undefined, null).startSpan('x').end(); instance.getTracer(Symbol('s'), {}).startSpan('y').end()`, undefined, { name: 'x', scope: { name: '', version: '' } }],
  ['a trace state that is set to a Symbol', `const span = webspan.extract({ traceparent: '00-${'a'.repeat(32)}-${'b'.repeat(16)}-01', tracestate: 'a=1' }); return typeof span.spanContext().traceState.set(Symbol('k'), Symbol('v')).serialize()`, 'string', null],
  ['a carrier that is null', `webspan.inject(null); webspan.withSpan(tracer.startSpan('x'), () => webspan.inject(null)); return webspan.extract(null)`, undefined, null],
  ['carriers that throw', `webspan.withSpan(tracer.startSpan('x'), () => webspan.inject(Object.freeze({}))); return webspan.extract(thrower('traceparent'))`, undefined, null],
  ['users that are none', `for (const id of [Symbol('u'), {}, textless, () => {}, []]) instance.setUser(id); tracer.startSpan('x').end(); instance.setUser(null)`, undefined, { name: 'x', attributes: {} }],
  ['attributes of all spans that are none', `for (const each of [null, 'abc', ['a'], revoked(), 5]) instance.setAttributes(each); instance.setAttributes({ a: 1, get b() { throw new Error('b'); } }); tracer.startSpan('x').end(); instance.setAttributes({ a: null })`, undefined, { name: 'x', attributes: { a: 1 } }],
  ['a flush that is given something', `return await instance.flush('x', revoked())`, undefined, null],
];

for (const [name, source, result, wanted] of CALLS) {
  test(`${name}: nothing is thrown, and the span is right`, async () => {
    const { page, receiver, flush, pageErrors } = await shared();
    const before = receiver.spans.length;
    const startedMs = Date.now();
    assert.deepEqual(await inPage(page, /return |;/.test(source) ? source : `return ${source.includes('.end()') ? `void ${source}` : source}`), result);
    await flush();
    const spans = receiver.spans.slice(before);
    if (wanted === null) assert.ok(spans.every((span) => span.name !== 'y'));
    else {
      const { isNow, attributes, events, links, scope, ...members } = wanted;
      const span = spans.find((each) => each.name === wanted.name);
      assert.ok(span, `a span ${wanted.name}`);
      for (const [member, value] of Object.entries(members)) assert.deepEqual(span[member], value, member);
      if (attributes) assert.deepEqual(plain(span.attributes), attributes);
      if (events) assert.deepEqual(span.events.map((event) => [event.name, plain(event.attributes)]), events);
      if (links) assert.deepEqual(span.links.map((link) => link.spanId), links);
      if (scope) assert.deepEqual([span.scope.name, span.scope.version], [scope.name, scope.version]);
      if (isNow) {
        const startMs = Number(BigInt(span.startTimeUnixNano) / 1_000_000n);
        const endMs = Number(BigInt(span.endTimeUnixNano) / 1_000_000n);
        assert.ok(startMs >= startedMs - 5000 && endMs <= Date.now() + 5000 && endMs >= startMs, 'it is now');
      }
    }
    assert.deepEqual(pageErrors, []);
  });
}

/** One page for the whole table. */
let known;
const closing = [];
const shared = async () => (known ??= await stage({ after: (close) => closing.push(close) }, { options: { logLevel: 'none' } }));
after(async () => {
  for (const close of closing) await close();
});

test('a span of another SDK with a broken trace state does not break the page\'s request', async (t) => {
  const { page, site } = await stage(t);
  const status = await page.evaluate(() => {
    const traceState = { serialize: () => 'a=1\nx: y' };
    const foreign = { spanContext: () => ({ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1, traceState }) };
    return window.webspan.withSpan(foreign, () => fetch('/echo').then((response) => response.status));
  });
  assert.equal(status, 200);
  const [{ headers }] = site.requestsTo('/echo');
  assert.match(headers.traceparent, /^00-a{32}-/);
  assert.equal(headers.tracestate, undefined);
});

test('a trace state that starts spans while it is read does not change the parent', async (t) => {
  const { page, receiver, flush } = await stage(t);
  await page.evaluate(() => {
    const { tracer } = window.instance;
    let count = 0;
    const traceState = { serialize: () => (count++ || tracer.startSpan('between').end(), 'a=1') };
    const foreign = { spanContext: () => ({ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1, traceState }) };
    window.webspan.withSpan(foreign, () => tracer.startSpan('child', { root: false }).end());
  });
  await flush();
  const [child] = await receiver.waitForSpans((span) => span.name === 'child');
  assert.deepEqual([child.traceId, child.parentSpanId, child.traceState], ['a'.repeat(32), 'b'.repeat(16), 'a=1']);
});

test('a span whose start fails has no context, and none hangs below another for that', async (t) => {
  const { page, site } = await stage(t, { content: { head: "<script>Object.defineProperty(crypto, 'getRandomValues', { value() { throw new Error('no'); } });</script>" } });
  const { traceId, isRecording } = await page.evaluate(async () => {
    const span = window.instance.tracer.startSpan('x');
    await window.webspan.withSpan(span, () => fetch('/echo'));
    return { ...span.spanContext(), isRecording: span.isRecording() };
  });
  assert.equal(traceId, '0'.repeat(32));
  assert.equal(isRecording, false);
  assert.equal(site.requestsTo('/echo')[0].headers.traceparent, undefined);
});

for (const options of ['null', `'x'`, '5', `{ get discard() { throw new Error('no'); } }`]) {
  test(`shutdown(${options}) sends what has ended, and neither throws nor rejects`, async (t) => {
    const { page, receiver, pageErrors } = await stage(t);
    await page.evaluate((options) => {
      window.instance.tracer.startSpan('x').end();
      return window.instance.shutdown((0, eval)(`(${options})`));
    }, options);
    assert.deepEqual(receiver.spans.map((span) => span.name), ['x']);
    assert.deepEqual(pageErrors, []);
  });
}
