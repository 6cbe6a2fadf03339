// A page that reads 50 MB chunk by chunk and keeps nothing: does tracing read along?

import { notAboveNoise } from '../limits.mjs';

const options = { captures: true };

export default {
  rounds: 7,
  variants: {
    'no SDK': { sdk: 'nothing' },
    'no SDK again': { sdk: 'nothing' },
    'OpenTelemetry JS': { sdk: 'opentelemetry-json', options },
    webspan: { sdk: 'webspan', options },
  },
  async measure(page) {
    await page.start();
    await page.call('readBody', '/body/50MB');
    const cpuMs = await page.cpuMs('readBody', '/body/50MB');
    // Other systems do not tell the peak of a process.
    if (process.platform !== 'linux') return { cpuMs };
    return { cpuMs, peakMB: (await page.peakBytes('readBody', '/body/50MB')) / 1e6 };
  },
  figures: {
    cpuMs: { row: '50 MB body read chunk by chunk: added CPU', unit: 'ms of CPU', limit: notAboveNoise('no SDK', 'no SDK again', 'OpenTelemetry JS') },
    peakMB: { row: '50 MB body read chunk by chunk: added peak memory', unit: 'MB', limit: notAboveNoise('no SDK', 'no SDK again', 'OpenTelemetry JS') },
  },
};
