// What webspan does within the event that says the page is hidden, which is the last that many pages hear: with the page's own collector, so
// compressed, and with idle time before, in which the spans that waited were compressed ahead. In a page that has exported before, as one has that is
// looked at for longer than a batch waits; and in one where all of this runs for the first time, and is compiled first.

import { atMost } from '../limits.mjs';

const SPANS = 500;
const EXPORTS_BEFORE = 3;
const options = { waits: true, collector: '/' };

export default {
  rounds: 15,
  variants: {
    webspan: { sdk: 'webspan', options: { ...options, exports: EXPORTS_BEFORE } },
    'webspan, first export': { sdk: 'webspan', options: { ...options, exports: 0 } },
  },
  async measure(page) {
    // Listeners of a document run in their order: one before ours and one after.
    await page.evaluate(`{
      // What comes with the answer is not for this event.
      let answers = ${page.variant.options.exports};
      globalThis.fetch = () => (answers-- > 0 ? Promise.resolve(new Response()) : new Promise(() => {}));
      document.addEventListener('visibilitychange', () => (globalThis.hiddenMs = performance.now()), true);
    }`);
    await page.start();
    await page.evaluate(`document.addEventListener('visibilitychange', () => (globalThis.tookMs ??= performance.now() - hiddenMs), true)`);
    await page.call('makeAndSend', page.variant.options.exports, 20);
    await page.call('makeSpans', SPANS);
    await page.evaluate('new Promise((resolve) => setTimeout(resolve, 300))');
    const other = await page.page.browserContext().newPage();
    await other.bringToFront();
    await page.evaluate(`new Promise((resolve) => { const look = () => (globalThis.tookMs === undefined ? setTimeout(look, 20) : resolve()); look(); })`);
    return { took: await page.evaluate('tookMs') };
  },
  figures: {
    took: { row: `work when the page is hidden, ${SPANS} spans waiting, after idle time`, unit: 'ms', limit: atMost(0.3) },
  },
};
