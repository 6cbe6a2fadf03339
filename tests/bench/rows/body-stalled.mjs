// A page that reads one chunk of 200 MB and then stalls: how much can the server push?

import { setTimeout as delay } from 'node:timers/promises';
import { ratioTo } from '../limits.mjs';

/** Nothing was pushed for so long: the client has stopped reading. */
const STILL_MS = 600;
const options = { captures: true };

export default {
  rounds: 3,
  variants: {
    'no SDK': { sdk: 'nothing' },
    'no SDK again': { sdk: 'nothing' },
    'OpenTelemetry JS': { sdk: 'opentelemetry-json', options },
    webspan: { sdk: 'webspan', options },
  },
  async measure(page) {
    const { site } = page.lab;
    await page.start();
    await page.call('stallInBody', '/body/200MB');
    const request = site.requestsTo('/body/200MB').at(-1);
    for (let before = -1; before !== request.pushedBytes; ) {
      before = request.pushedBytes;
      await delay(STILL_MS);
    }
    return { pushedMB: request.pushedBytes / 1e6 };
  },
  figures: {
    pushedMB: { row: 'bytes pulled while the page stalls on a 200 MB body', unit: 'MB', limit: ratioTo('no SDK', 1.1) },
  },
};
