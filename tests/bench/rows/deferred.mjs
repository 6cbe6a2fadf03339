// What it costs the page to keep the browser's copy of what waits up to date, once a second: taking back the one before included.

import { endRequestSpan } from '../../harness/request-span.mjs';
import { atMost } from '../limits.mjs';
import { median } from '../statistics.mjs';

const REFRESHES = 6;

/** Runs in the page. */
function prepare() {
  const { Instance } = WebAssembly;
  /** The longest call since the last time: that is the one which makes the request. */
  let coreMs = 0;
  WebAssembly.Instance = function (...given) {
    const { exports } = new Instance(...given);
    const timed = Object.entries(exports).map(([name, own]) => {
      if (typeof own !== 'function') return [name, own];
      const call = (...args) => {
        const startedMs = performance.now();
        const result = own(...args);
        coreMs = Math.max(coreMs, performance.now() - startedMs);
        return result;
      };
      return [name, call];
    });
    return { exports: Object.fromEntries(timed) };
  };
  // To the page's own origin, where requests are compressed; nobody is there who would answer.
  const answer = { ok: true, status: 200, headers: new Headers(), arrayBuffer: async () => new ArrayBuffer(0) };
  globalThis.fetch = async () => answer;
  let abortMs = 0;
  const { abort } = AbortController.prototype;
  AbortController.prototype.abort = function () {
    const startedMs = performance.now();
    abort.call(this);
    abortMs = performance.now() - startedMs;
  };
  const { fetchLater } = globalThis;
  globalThis.refreshes = [];
  globalThis.fetchLater = (url, init) => {
    const refresh = { coreMs, abortMs, bytes: init.body.length };
    coreMs = 0;
    const startedMs = performance.now();
    const result = fetchLater(url, init);
    refreshes.push({ ...refresh, browserMs: abortMs + performance.now() - startedMs });
    return result;
  };
  globalThis.makeRequests = (count) => {
    for (let index = 0; index < count; index++) endRequestSpan(sdk.tracer, index);
  };
  /** So many spans wait, and one more each second. */
  globalThis.refresh = async (count, times) => {
    await sdk.send();
    refreshes.length = 0;
    makeRequests(count);
    while (refreshes.length < times) {
      const before = refreshes.length;
      while (refreshes.length === before) await new Promise((resolve) => setTimeout(resolve, 20));
      makeRequests(1);
    }
    return refreshes;
  };
}

export default {
  rounds: 3,
  variants: { webspan: { sdk: 'webspan', options: { waits: true, collector: '/' } } },
  async measure(page) {
    await page.evaluate(`globalThis.endRequestSpan = ${endRequestSpan}; (${prepare})()`);
    await page.start();
    const few = await page.evaluate(`refresh(20, ${REFRESHES})`);
    const many = await page.evaluate(`refresh(512, ${REFRESHES})`);
    const of = (refreshes, figure) => median(refreshes.map((refresh) => refresh[figure]));
    return { few: of(few, 'coreMs'), many: of(many, 'coreMs'), browser: of([...few, ...many], 'browserMs') };
  },
  figures: {
    few: { row: 'the deferred request made anew: the core, 20 spans', unit: 'ms', limit: atMost(0.3) },
    many: { row: 'the same, 512 spans', unit: 'ms', limit: atMost(0.3) },
    browser: { row: 'the browser, for either', unit: 'ms' },
  },
};
