// The same span where nothing is recorded.

import { ratioTo } from '../limits.mjs';

const SPANS_PER_BATCH = 500;
const WARM_UP_BATCHES = 20;
const BATCHES = 80;
const options = { sampled: false };

export default {
  rounds: 9,
  variants: {
    'OpenTelemetry JS': { sdk: 'opentelemetry-json', options },
    webspan: { sdk: 'webspan', options },
    'webspan again': { sdk: 'webspan', options },
  },
  async measure(page) {
    await page.start();
    await page.call('makeAndSend', WARM_UP_BATCHES, SPANS_PER_BATCH);
    const cpuMs = await page.cpuMs('makeAndSend', BATCHES, SPANS_PER_BATCH);
    return { cpuUs: (cpuMs * 1000) / (BATCHES * SPANS_PER_BATCH) };
  },
  figures: {
    cpuUs: {
      row: 'unsampled span, ratio to its AlwaysOff',
      unit: 'µs of CPU per span',
      limit: ratioTo('OpenTelemetry JS', 0.7),
    },
  },
};
