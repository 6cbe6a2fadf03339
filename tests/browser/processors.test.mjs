// Span processors of the page: what they see, what they may change, and what they cost when there are none.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plain } from '../harness/receiver.mjs';
import { stage } from './stage.mjs';

/** Runs in the page: options with a processor that notes what it sees in `window.seen`. */
const noting = {
  spanProcessors: [
    {
      onStart: (span, parent) => (window.seen ??= []).push(['start', span.spanContext().spanId, parent?.spanId]),
      onEnd: (span) => {
        const { name, kind, attributes, events, status, parentSpanId } = span;
        window.seen.push(['end', span.spanContext().spanId, { name, kind, attributes, events: events.map((event) => event.name), status, parentSpanId }]);
        window.last = span;
      },
    },
  ],
};

test('a processor sees each span as it starts, and as it will be sent', async (t) => {
  const { page, receiver, flush, site } = await stage(t, { options: noting });
  const seen = await page.evaluate(async () => {
    const { tracer } = window.instance;
    const attributes = { text: 'ä', int: 7, half: 0.5, yes: true, list: ['a', 'b'], none: NaN };
    tracer.startActiveSpan('outer', { kind: 1, attributes }, (outer) => {
      outer.addEvent('happened', { n: 1 }).setStatus({ code: 2, message: 'no' });
      tracer.startSpan('inner').end();
      outer.end();
    });
    await fetch('/echo').then((response) => response.text());
    await window.instance.flush();
    return window.seen;
  });
  await flush();
  await receiver.waitForSpans(3);
  const of = (name) => receiver.spans.find((span) => span.name === name);
  const [outer, inner] = ['outer', 'inner'].map(of);
  assert.deepEqual(seen.slice(0, 2), [['start', outer.spanId, undefined], ['start', inner.spanId, outer.spanId]]);
  assert.deepEqual(seen[2], ['end', inner.spanId, { name: 'inner', kind: 0, attributes: {}, events: [], status: { code: 0, message: undefined }, parentSpanId: outer.spanId }]);
  const { attributes, ...rest } = seen[3][2];
  assert.deepEqual(rest, { name: 'outer', kind: 1, events: ['happened'], status: { code: 2, message: 'no' }, parentSpanId: undefined });
  assert.deepEqual({ ...attributes, none: String(attributes.none) }, { text: 'ä', int: 7, half: 0.5, yes: true, list: ['a', 'b'], none: 'NaN' });
  const fetched = seen.find(([what, id]) => what === 'end' && id === of('GET').spanId)[2];
  assert.equal(fetched.kind, 2);
  assert.equal(fetched.attributes['url.full'], site.url('/echo'));
  assert.equal(fetched.attributes['http.response.status_code'], 200);
});

test('a processor may change a span before it ends, or leave it out, which is counted', async (t) => {
  const { page, receiver, flush } = await stage(t, {
    options: {
      spanProcessors: [
        {
          onStart: (span) => span.setAttribute('tab', 1),
          onEnd: (span) => {
            if (span.attributes.noise) return span.drop();
            span.setAttributes({ secret: '***' });
            span.updateName(`${span.name}, seen`);
          },
        },
        { onEnd: (span) => span.setAttributes({ second: span.attributes.secret + span.name }) },
      ],
    },
  });
  await page.evaluate(() => {
    const { tracer } = window.instance;
    tracer.startSpan('noise', { attributes: { noise: true } }).end();
    tracer.startSpan('kept', { attributes: { secret: 'hunter2' } }).end();
  });
  await flush();
  const spans = await receiver.waitForSpans(1);
  assert.deepEqual(spans.map((span) => [span.name, plain(span.attributes)]), [['kept, seen', { secret: '***', tab: 1, second: '***kept, seen' }]]);
  const { ended, delivered, dropped } = await page.evaluate(() => window.instance.stats());
  assert.deepEqual([ended, delivered, dropped.filtered], [2, 1, 1]);
});

test('a processor that throws, keeps the span, ends it again or starts others breaks nothing', async (t) => {
  const { page, receiver, flush } = await stage(t, {
    options: {
      logLevel: 'none',
      spanProcessors: {
        onEnd: (span) => {
          window.kept = span;
          if (span.name === 'outer') window.instance.tracer.startSpan('from a processor').end();
          throw new Error('from a processor');
        },
      },
    },
  });
  const later = await page.evaluate(() => {
    window.instance.tracer.startSpan('outer').end();
    const kept = window.kept;
    kept.setAttributes({ late: 1 });
    kept.drop();
    window.instance.tracer.startSpan('next').end();
    return [kept.name, kept.attributes];
  });
  await flush();
  assert.deepEqual(later, [undefined, {}], 'what was not read while it ended is not known any more');
  const spans = await receiver.waitForSpans(3);
  assert.deepEqual(spans.map(({ name }) => name).sort(), ['from a processor', 'next', 'outer']);
  assert.ok(spans.every((span) => !('late' in plain(span.attributes))));
});

test('a span that is open when the page goes is seen too', async (t) => {
  const { page, receiver, site } = await stage(t, { options: { spanProcessors: { onEnd: (span) => span.setAttributes({ secret: '***' }) } } });
  await page.evaluate(() => void window.instance.tracer.startSpan('open', { attributes: { secret: 'hunter2' } }));
  await page.goto(site.url('/elsewhere'));
  const [span] = await receiver.waitForSpans(1);
  assert.deepEqual(plain(span.attributes), { secret: '***', 'webspan.unfinished': true });
});
