// What tracing adds to each request of the page: one benchmark for both ways to make them.

import assert from 'node:assert/strict';
import { ratioTo } from './limits.mjs';

const WARM_UP_REQUESTS = 60;
// With those of the warm-up fewer than the 250 entries of resource timing that a browser keeps.
const REQUESTS = 180;
const IN_FLIGHT = 6;
const options = { captures: true };

/**
 * On the page's main thread, and until the spans are delivered; network details included.
 * @param {object} way
 * @param {string} way.name of the requests
 * @param {string} way.makeThem the function of page/workload.mjs
 * @param {number} way.atMost the limit, as a ratio to OpenTelemetry JS
 * @returns {import('./run.mjs').Benchmark}
 */
export const requestCpu = ({ name, makeThem, atMost }) => ({
  rounds: 11,
  variants: {
    'no SDK': { sdk: 'nothing' },
    'the least': { sdk: 'least' },
    'OpenTelemetry JS': { sdk: 'opentelemetry-json', options },
    webspan: { sdk: 'webspan', options },
    'webspan again': { sdk: 'webspan', options },
  },
  async measure(page) {
    await page.start();
    await page.call(makeThem, 0, WARM_UP_REQUESTS, IN_FLIGHT);
    const cpuMs = await page.cpuMs(makeThem, WARM_UP_REQUESTS, REQUESTS, IN_FLIGHT);
    if (page.variant.options) {
      const delivered = page.spansDelivered();
      assert(delivered >= WARM_UP_REQUESTS + REQUESTS, `${page.variant.name} delivered only ${delivered} spans`);
    }
    return { cpuUs: (cpuMs * 1000) / REQUESTS };
  },
  figures: {
    cpuUs: {
      row: `added main-thread CPU per ${name}, small answers, 6 in flight, ratio`,
      unit: 'µs of CPU per request',
      limit: ratioTo('OpenTelemetry JS', atMost, { above: 'no SDK' }),
    },
  },
});
