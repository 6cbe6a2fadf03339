// From `startSpan` to the bytes of a request, in code that has run often. No network: bytes are what is made here.

import assert from 'node:assert/strict';
import { ratioTo } from '../limits.mjs';

const SPANS_PER_BATCH = 500;
const WARM_UP_BATCHES = 20;
const BATCHES = 40;

export default {
  rounds: 9,
  variants: {
    'OpenTelemetry JS': { sdk: 'opentelemetry-bytes' },
    webspan: { sdk: 'webspan-bytes' },
    'webspan again': { sdk: 'webspan-bytes' },
  },
  async measure(page) {
    await page.start();
    await page.call('makeAndSend', WARM_UP_BATCHES, SPANS_PER_BATCH);
    const cpuMs = await page.cpuMs('makeAndSend', BATCHES, SPANS_PER_BATCH);
    const bytesPerSpan = (await page.evaluate('sdk.bytes')) / ((WARM_UP_BATCHES + BATCHES) * SPANS_PER_BATCH);
    assert(bytesPerSpan > 300, `${bytesPerSpan} bytes are not the whole span`);
    return { cpuUs: (cpuMs * 1000) / (BATCHES * SPANS_PER_BATCH) };
  },
  figures: {
    cpuUs: {
      row: 'manual span: 8 attributes (5 strings, 3 ints), 1 event, status, end, OTLP bytes; warm, ratio to its protobuf path',
      unit: 'µs of CPU per span',
      limit: ratioTo('OpenTelemetry JS', 0.17),
    },
  },
};
