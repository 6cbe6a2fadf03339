// What a page pays before its first span: the script is loaded, compiled and run, and `init` called. Loading a script that does
// nothing is taken off. What an SDK leaves for idle time is told beside it: it is as much work, but nothing waits for it.

import { ratioTo, shareOf } from '../limits.mjs';

const options = { captures: true };
const above = 'no SDK';

export default {
  rounds: 11,
  variants: {
    'no SDK': { sdk: 'nothing' },
    'OpenTelemetry JS': { sdk: 'opentelemetry-json', options },
    webspan: { sdk: 'webspan', options },
    'webspan again': { sdk: 'webspan', options },
  },
  async measure(page) {
    await page.evaluate('globalThis.idle = []; globalThis.requestIdleCallback = (run) => void idle.push(run)');
    const cpuMs = await page.cpuMs('loadAndStart', ...page.startArguments());
    return { cpuMs, wholeMs: cpuMs + (await page.cpuMs('eval', 'idle.forEach((run) => run())')) };
  },
  figures: {
    cpuMs: { row: 'init on a cold page: script evaluation + init, ratio', unit: 'ms of CPU', limit: ratioTo('OpenTelemetry JS', 0.45, { above }) },
    wholeMs: { row: 'the same, and what follows in idle time', unit: 'ms of CPU', limit: shareOf('OpenTelemetry JS', { above }) },
  },
};
