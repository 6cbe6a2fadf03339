// What a span that has ended holds on the JavaScript heap while it waits for its export.

import { atMost } from '../limits.mjs';

const SPANS = 2000;
const options = { waits: true };

export default {
  rounds: 3,
  variants: {
    'OpenTelemetry JS': { sdk: 'opentelemetry-json', options },
    webspan: { sdk: 'webspan', options },
    'webspan again': { sdk: 'webspan', options },
  },
  async measure(page) {
    await page.start();
    await page.call('makeAndSend', 1, SPANS);
    await page.collectGarbage();
    const before = await page.heapBytes();
    await page.call('makeSpans', SPANS);
    await page.collectGarbage();
    return { bytes: ((await page.heapBytes()) - before) / SPANS };
  },
  figures: {
    bytes: { row: 'JS heap held per span that waits for export', unit: 'B per span', limit: atMost(16) },
  },
};
