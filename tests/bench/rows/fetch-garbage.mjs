// What tracing allocates for a request of the page until the span is delivered.

import { atMost } from '../limits.mjs';

const WARM_UP_REQUESTS = 60;
const REQUESTS = 180;
const IN_FLIGHT = 6;
const options = { captures: true };

export default {
  rounds: 5,
  lab: { uncollected: true },
  variants: {
    'no SDK': { sdk: 'nothing' },
    'the least': { sdk: 'least' },
    'OpenTelemetry JS': { sdk: 'opentelemetry-json', options },
    webspan: { sdk: 'webspan', options },
    'webspan again': { sdk: 'webspan', options },
  },
  async measure(page) {
    await page.start();
    await page.call('fetchAndSettle', 0, WARM_UP_REQUESTS, IN_FLIGHT);
    return { bytes: (await page.allocatedBytes('fetchAndSettle', WARM_UP_REQUESTS, REQUESTS, IN_FLIGHT)) / REQUESTS };
  },
  figures: {
    bytes: {
      row: 'V8 garbage per traced fetch',
      unit: 'B per request',
      limit: atMost(1500, { above: 'no SDK' }),
    },
  },
};
