// What compression costs and gains: against the browser's own, on the same bytes, in the same page.

import { endRequestSpan } from '../../harness/request-span.mjs';
import { atMost } from '../limits.mjs';

const SPANS = 512;

/** Runs in the page. */
function prepare() {
  const { Instance } = WebAssembly;
  const calls = (globalThis.calls = []);
  const memory = (globalThis.coreMemory = {});
  WebAssembly.Instance = function (...given) {
    const { exports } = new Instance(...given);
    memory.of = exports.memory;
    const timed = Object.entries(exports).map(([name, own]) => {
      if (typeof own !== 'function') return [name, own];
      const call = (...args) => {
        const startedMs = performance.now();
        const result = own(...args);
        calls.push(performance.now() - startedMs);
        return result;
      };
      return [name, call];
    });
    return { exports: Object.fromEntries(timed) };
  };
  globalThis.bodies = [];
  const answer = { ok: true, status: 200, headers: new Headers(), arrayBuffer: async () => new ArrayBuffer(0) };
  globalThis.fetch = async (url, { body, headers }) => {
    bodies.push({ bytes: body.slice(), gzip: new Headers(headers).has('content-encoding') });
    return answer;
  };
  globalThis.makeRequests = async (count, pausesAfter = Infinity) => {
    for (let index = 1; index <= count; index++) {
      endRequestSpan(sdk.tracer, index);
      if (index % pausesAfter === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const through = async (bytes, stream) => new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());
  const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

  /** All at once, as when nobody had time before. */
  globalThis.compareAtOnce = async (count, times) => {
    const [ours, theirs] = [[], []];
    let bytes = 0;
    let theirBytes = 0;
    for (let time = 0; time < times; time++) {
      await makeRequests(count);
      let startedMs = performance.now();
      const sent = sdk.send();
      ours.push(performance.now() - startedMs);
      await sent;
      const { bytes: body, gzip } = bodies.pop();
      if (!gzip) throw new Error('the body is not compressed');
      const raw = await through(body, new DecompressionStream('gzip'));
      startedMs = performance.now();
      const compressed = await through(raw, new CompressionStream('gzip'));
      theirs.push(performance.now() - startedMs);
      (bytes += body.length), (theirBytes += compressed.length);
    }
    return { speed: median(ours) / median(theirs), bytesRatio: bytes / theirBytes, spanBytes: bytes / count / times, atOnce: median(ours) };
  };

  /** As in a page that has idle moments: calls into the core that take any time, slices and exports alike; their 99th percentile. */
  globalThis.longestInIdle = async (count, times) => {
    calls.length = 0;
    for (let time = 0; time < times; time++) {
      await makeRequests(count - 1, 40);
      await new Promise((resolve) => setTimeout(resolve, 50));
      await sdk.send();
    }
    // The clock goes in steps of 0.1 ms, but for what subtracting leaves.
    const long = calls.map((ms) => Math.round(ms * 10) / 10).filter((ms) => ms > 0).sort((a, b) => a - b);
    return { slice: median(long), export512: long[Math.floor(long.length * 0.99)] };
  };
}

export default {
  rounds: 5,
  variants: { webspan: { sdk: 'webspan', options: { waits: true, collector: '/' } } },
  async measure(page) {
    await page.evaluate(`globalThis.endRequestSpan = ${endRequestSpan}; (${prepare})()`);
    await page.start();
    await page.evaluate('makeRequests(512).then(() => sdk.send())');
    const atOnce = await page.evaluate(`compareAtOnce(${SPANS}, 15)`);
    const idle = await page.evaluate(`longestInIdle(${SPANS}, 15)`);
    return { ...atOnce, ...idle, memory: (await page.evaluate('coreMemory.of.buffer.byteLength')) / 1e6 };
  },
  figures: {
    speed: { row: 'compression of 512 client spans, encoding included, ratio to the time of CompressionStream', unit: 'ratio', limit: atMost(1 / 1.4) },
    bytesRatio: { row: 'bytes of these, ratio to CompressionStream', unit: 'ratio', limit: atMost(1.05) },
    spanBytes: { row: 'bytes of each', unit: 'B' },
    atOnce: { row: 'longest task when all are compressed at once', unit: 'ms' },
    slice: { row: 'one slice', unit: 'ms' },
    export512: { row: 'the same where there is idle time: slices and exports of 512 spans, 99th percentile', unit: 'ms', limit: atMost(0.3) },
    memory: { row: 'wasm memory after these', unit: 'MB', limit: atMost(1.7) },
  },
};
