// What a page pays before its first span: the script is loaded, compiled and run, and `init` called. Loading a script that does
// nothing is taken off.

import { ratioTo } from '../limits.mjs';

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
    return { cpuMs: await page.cpuMs('loadAndStart', ...page.startArguments()) };
  },
  figures: {
    cpuMs: {
      row: 'init on a cold page: script evaluation + init, ratio',
      unit: 'ms of CPU',
      limit: ratioTo('OpenTelemetry JS', 0.45, { above: 'no SDK' }),
    },
  },
};
