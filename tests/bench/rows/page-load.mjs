// What tracing adds to a page load on a slow machine: the document, its subresources, and requests meanwhile, until all of it is delivered.

import assert from 'node:assert/strict';
import { FETCHES_WHILE_LOADING, SUBRESOURCES } from '../lab.mjs';
import { ratioTo } from '../limits.mjs';

const THROTTLE = 4;
const options = { captures: true };

export default {
  rounds: 11,
  variants: {
    'no SDK': { sdk: 'nothing' },
    'OpenTelemetry JS': { sdk: 'opentelemetry-json', options },
    webspan: { sdk: 'webspan', options },
    'webspan again': { sdk: 'webspan', options },
  },
  async measure(page) {
    const cpuMs = await page.loadCpuMs(THROTTLE);
    if (page.variant.sdk !== 'nothing') {
      const delivered = page.spansDelivered();
      // Also the page load and its document.
      assert(delivered >= SUBRESOURCES + FETCHES_WHILE_LOADING + 2, `${page.variant.name} delivered only ${delivered} spans`);
    }
    return { cpuMs };
  },
  figures: {
    cpuMs: {
      row: 'page with 60 subresources and 20 fetches, 4x throttle: added main-thread time, ratio',
      unit: 'ms of CPU',
      limit: ratioTo('OpenTelemetry JS', 0.4, { above: 'no SDK' }),
    },
  },
};
