// webspan in a page of a benchmark. Each file in here that is named after an SDK has these exports.

import { init } from 'webspan';

/** Starts spans. There once `start` has run. */
export let tracer;
let webspan;

/**
 * @param {object} options
 * @param {string} options.collector OTLP/HTTP base URL
 * @param {boolean} [options.captures] requests and the page load become spans
 * @param {boolean} [options.sampled]
 * @param {boolean} [options.waits] spans wait until `send`, up to the usual size of the queue
 */
export function start({ collector, captures = false, sampled = true, waits = false }) {
  webspan = init({
    serviceName: 'bench',
    endpoint: collector,
    sampler: sampled ? 'always_on' : 'always_off',
    ...(waits && { batch: { scheduledDelayMillis: 600_000, maxExportBatchSize: 2048 } }),
    ...(!captures && { instrumentations: { fetch: false, xhr: false, documentLoad: false, navigation: false, errors: false } }),
  });
  ({ tracer } = webspan);
}

/** Resolves when all that has ended was sent and answered. */
export const send = () => webspan.flush();
