// What a manual span allocates on the JavaScript heap in its life, export included, in code that has run often.

import { atMost } from '../limits.mjs';

const SPANS_PER_BATCH = 500;
const WARM_UP_BATCHES = 20;
const BATCHES = 4;

export default {
  rounds: 5,
  lab: { uncollected: true },
  variants: {
    'OpenTelemetry JS': { sdk: 'opentelemetry-json' },
    webspan: { sdk: 'webspan' },
    'webspan again': { sdk: 'webspan' },
  },
  async measure(page) {
    await page.start();
    await page.call('makeAndSend', WARM_UP_BATCHES, SPANS_PER_BATCH);
    return { bytes: (await page.allocatedBytes('makeAndSend', BATCHES, SPANS_PER_BATCH)) / (BATCHES * SPANS_PER_BATCH) };
  },
  figures: {
    bytes: { row: 'JS garbage per manual span', unit: 'B per span', limit: atMost(150) },
  },
};
