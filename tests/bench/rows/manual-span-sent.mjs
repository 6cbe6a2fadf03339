// The same span through the public API until the collector has answered.

import assert from 'node:assert/strict';
import { ratioTo } from '../limits.mjs';

const SPANS_PER_BATCH = 500;
const WARM_UP_BATCHES = 10;
const BATCHES = 16;

export default {
  rounds: 9,
  variants: {
    'OpenTelemetry JS': { sdk: 'opentelemetry-json' },
    webspan: { sdk: 'webspan' },
    'webspan again': { sdk: 'webspan' },
  },
  async measure(page) {
    await page.start();
    await page.call('makeAndSend', WARM_UP_BATCHES, SPANS_PER_BATCH);
    const cpuMs = await page.cpuMs('makeAndSend', BATCHES, SPANS_PER_BATCH);
    assert.equal(page.spansDelivered(), (WARM_UP_BATCHES + BATCHES) * SPANS_PER_BATCH);
    return { cpuUs: (cpuMs * 1000) / (BATCHES * SPANS_PER_BATCH) };
  },
  figures: {
    cpuUs: {
      row: 'the same through the public API, flush included, ratio to its JSON path',
      unit: 'µs of CPU per span',
      limit: ratioTo('OpenTelemetry JS', 0.25),
    },
  },
};
