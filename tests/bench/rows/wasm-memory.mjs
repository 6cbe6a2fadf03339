// The memory of the core, which no figure about the JavaScript heap holds. It never shrinks, so it is looked at after the export, too.

import { atMost } from '../limits.mjs';

const SPANS = 2000;

export default {
  rounds: 1,
  variants: { webspan: { sdk: 'webspan', options: { waits: true } } },
  async measure(page) {
    await page.evaluate(`{
      const { Instance } = WebAssembly;
      WebAssembly.Instance = function (...given) {
        const instance = new Instance(...given);
        globalThis.coreMemory = instance.exports.memory;
        return instance;
      };
    }`);
    const megabytes = async () => (await page.evaluate('coreMemory.buffer.byteLength')) / 1e6;
    await page.start();
    await page.call('makeSpans', SPANS);
    const waiting = await megabytes();
    await page.call('makeAndSend', 1, 0);
    return { waiting, sent: await megabytes() };
  },
  figures: {
    waiting: { row: 'wasm memory, 2,000 spans waiting', unit: 'MB', limit: atMost(1.5) },
    sent: { row: 'wasm memory, after these were sent in one request', unit: 'MB' },
  },
};
