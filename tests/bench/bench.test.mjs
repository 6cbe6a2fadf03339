// The parts of the benchmarks that decide: a limit that cannot be missed is none.

import assert from 'node:assert/strict';
import test from 'node:test';
import { countSpans } from './collector.mjs';
import { all, atMost, notAboveNoise, ratioTo } from './limits.mjs';
import { quantile } from './statistics.mjs';

const holds = (limit, samples) => limit.judge(samples, 'webspan').holds;

test('quantiles are interpolated and do not need order', () => {
  assert.deepEqual([0, 0.25, 0.5, 1].map((share) => quantile([40, 10, 30, 20], share)), [10, 17.5, 25, 40]);
});

test('a ratio compares medians, above a base where there is one', () => {
  const samples = { 'no SDK': [10, 10, 10], other: [20, 20, 100], webspan: [12, 12, 50] };
  assert.equal(ratioTo('other', 1).ratio(samples, 'webspan'), 12 / 20);
  assert.equal(ratioTo('other', 1, { above: 'no SDK' }).ratio(samples, 'webspan'), 2 / 10);
  assert.deepEqual(ratioTo('other', 1, { above: 'no SDK' }).ratios(samples, 'webspan'), [2 / 10, 2 / 10, 40 / 90]);
  assert(holds(ratioTo('other', 0.6), samples));
  assert(!holds(ratioTo('other', 0.59), samples));
});

test('"at most" looks at the median, "all" at the worst', () => {
  assert(holds(atMost(150), { webspan: [149, 150, 900] }));
  assert(!holds(atMost(150), { webspan: [1, 151, 151] }));
  assert(holds(atMost(5, { above: 'no SDK' }), { 'no SDK': [100], webspan: [105] }));
  assert(!holds(atMost(5, { above: 'no SDK' }), { 'no SDK': [100], webspan: [106] }));
  assert(holds(all(500), { webspan: [500, 500] }));
  assert(!holds(all(500), { webspan: [500, 499] }));
  assert(!holds(all(500), { webspan: [500, 501] }), 'duplicates are not delivered spans');
});

test('noise is what a page differs from itself, and has to be less than what is known to be there', () => {
  const limit = notAboveNoise('without', 'again', 'other');
  const quiet = { without: [100, 100, 100], again: [101, 99, 180], other: [140, 140, 140] };
  assert(holds(limit, { ...quiet, webspan: [100, 102, 90] }));
  assert(!holds(limit, { ...quiet, webspan: [103, 104, 90] }));
  const loud = { without: [100, 100, 100], again: [150, 40, 160], other: [140, 140, 140] };
  assert(!holds(limit, { ...loud, webspan: [100, 100, 100] }));
});

test('spans are counted in both encodings, over all resources and scopes', () => {
  const message = (field, ...contents) => {
    const content = Buffer.concat(contents);
    const length = content.length < 128 ? [content.length] : [(content.length & 0x7f) | 0x80, content.length >> 7];
    return Buffer.concat([Buffer.from([(field << 3) | 2, ...length]), content]);
  };
  const span = message(2, Buffer.alloc(90, 0));
  const resource = message(1, Buffer.from('not looked at'));
  const scoped = (...spans) => message(2, message(1, Buffer.from('scope')), ...spans);
  const body = Buffer.concat([message(1, resource, scoped(span, span), scoped(span)), message(1, scoped(span))]);
  assert.equal(countSpans('application/x-protobuf', body), 4);
  assert.throws(() => countSpans('application/x-protobuf', Buffer.from('{"resourceSpans":[]}')), /wire type/);

  const json = { resourceSpans: [{ scopeSpans: [{ spans: [{}, {}] }, { spans: [{}] }] }, { scopeSpans: [{ spans: [{}] }] }] };
  assert.equal(countSpans('application/json', Buffer.from(JSON.stringify(json))), 4);
  assert.equal(countSpans('application/json', Buffer.alloc(0)), 0);
});
