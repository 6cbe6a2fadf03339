// `npm run soak -- --minutes N`: 200 spans a second in a real page, to a collector that fails in every way, for as long as is wanted.
//
// Each ten seconds the memory is looked at, after a collection: it must not grow. At the end the collector is well again, and the books of the page
// are compared with what it took. Ends with 1 when either is not as it should be.

import { parseArgs } from 'node:util';
import { setTimeout as delay } from 'node:timers/promises';
import { launchTabs, watchPage } from '../harness/browser.mjs';
import { startReceiver } from '../harness/receiver.mjs';
import { echo, startSite, webspanPage } from '../harness/site.mjs';
import { median } from '../bench/statistics.mjs';

const LOOK_MS = 10_000;
/** By so much the heap may differ from its first third to its last: what V8 keeps of optimised code and of its own accounts. */
const HEAP_TOLERANCE_BYTES = 150_000;

/** What a collector does for some seconds. An answer that is a function is asked for each request. */
const MOODS = {
  well: () => ({}),
  busy: () => ({ status: 429, headers: { 'Retry-After': '1' } }),
  down: () => ({ status: 503 }),
  'behind a broken proxy': () => ({ status: 502, withoutCors: true }),
  hanging: () => ({ hang: true }),
  resetting: () => ({ reset: true }),
  slow: () => ({ delayMs: 1_500 }),
  'taking, and silent': () => ({ lost: true }),
  picky: () => ({ partialSuccess: { rejectedSpans: 3, errorMessage: 'too old' } }),
  refusing: () => ({ status: 400 }),
  offline: () => ({}),
};

const { values: flags } = parseArgs({ options: { minutes: { type: 'string', default: '30' }, seed: { type: 'string', default: '1' } } });
const minutes = Number(flags.minutes);
if (!(minutes > 0)) throw new TypeError(`--minutes: wanted a number above 0, got ${flags.minutes}`);
const random = randomNumbers(Number(flags.seed));

const taken = new Set();
let takenTwice = 0;
let moodName = 'well';
const receiver = await startReceiver({
  cors: { allowedOrigins: ['*'], allowedHeaders: ['*'], exposedHeaders: ['Retry-After'], maxAgeSeconds: 7200 },
  answers: (request) => {
    const answer = MOODS[moodName]();
    if ((answer.status ?? 200) < 400 && !answer.hang && !answer.reset) {
      for (const { spanId } of request.spans.slice(Number(answer.partialSuccess?.rejectedSpans ?? 0))) {
        if (taken.has(spanId)) takenTwice += 1;
        taken.add(spanId);
      }
    }
    // Nobody looks at them again, and there will be hundreds of thousands.
    request.spans = [];
    request.bytes = request.body = Buffer.alloc(0);
    return answer;
  },
});
const site = await startSite({ routes: { '/': webspanPage({ endpoint: receiver.url, timeoutMillis: 2_000, batch: { scheduledDelayMillis: 1_000 }, retry: { maxElapsedMillis: 20_000 } }), '/echo': echo() } });
const browser = await launchTabs();

try {
  const page = await browser.newPage();
  const watched = watchPage(page);
  await page.evaluateOnNewDocument(() => {
    const { Instance } = WebAssembly;
    WebAssembly.Instance = function (...given) {
      const instance = new Instance(...given);
      globalThis.coreMemory = instance.exports.memory;
      return instance;
    };
  });
  await page.goto(site.url('/'));
  const cdp = await page.createCDPSession();
  await page.evaluate(work);

  const looks = [];
  const startMs = performance.now();
  let moodEndsMs = 0;
  console.log('   seconds   JS heap kB   wasm kB   collector');
  while (performance.now() - startMs < minutes * 60_000) {
    if (performance.now() > moodEndsMs) {
      // Well for about half of the time.
      moodName = moodName === 'well' ? Object.keys(MOODS)[1 + Math.floor(random() * (Object.keys(MOODS).length - 1))] : 'well';
      moodEndsMs = performance.now() + 3_000 + random() * 9_000;
      await page.setOfflineMode(moodName === 'offline');
    }
    await delay(500);
    if (performance.now() - startMs < (looks.length + 1) * LOOK_MS) continue;
    await cdp.send('HeapProfiler.collectGarbage');
    await cdp.send('HeapProfiler.collectGarbage');
    const { usedSize } = await cdp.send('Runtime.getHeapUsage');
    const wasmBytes = await page.evaluate('coreMemory.buffer.byteLength');
    looks.push({ heapBytes: usedSize, wasmBytes });
    receiver.requests.length = 0;
    console.log(`${String((looks.length * LOOK_MS) / 1000).padStart(10)}${kilo(usedSize)}${kilo(wasmBytes)}   ${moodName}`);
  }

  moodName = 'well';
  await page.setOfflineMode(false);
  await page.evaluate('stopWork()');
  const stats = await page.evaluate(async () => {
    const endMs = performance.now() + 60_000;
    let now;
    do {
      await window.instance.flush();
      now = window.instance.stats();
    } while (now.queued + now.inFlight > 0 && performance.now() < endMs && (await new Promise((resolve) => setTimeout(resolve, 200)), true));
    return now;
  });
  const dropped = Object.entries(stats.dropped).filter(([reason, count]) => count > 0 && reason !== 'notReady');
  const lost = dropped.reduce((sum, [, count]) => sum + count, 0);
  const third = Math.ceil(looks.length / 3);
  const heapGrowthBytes = median(looks.slice(-third).map(({ heapBytes }) => heapBytes)) - median(looks.slice(0, third).map(({ heapBytes }) => heapBytes));
  const wasmBytes = looks.at(-1).wasmBytes;

  console.log(`\nended ${stats.ended}; delivered ${stats.delivered}, unacknowledged ${stats.unacknowledged}, dropped ${lost} (${dropped.map(([reason, count]) => `${reason} ${count}`).join(', ') || 'none'})`);
  console.log(`the collector took ${taken.size}, ${takenTwice} of them once more after an answer that was lost`);
  console.log(`JS heap, median of the last third against the first: ${kilo(heapGrowthBytes).trim()} kB; wasm memory ${kilo(wasmBytes).trim()} kB`);
  const wrong = [
    [stats.queued + stats.inFlight === 0, 'something still waits for a collector that is well'],
    [stats.ended === stats.delivered + stats.unacknowledged + lost, 'the books of the page do not balance'],
    [stats.delivered <= taken.size, 'the page counts as delivered what the collector never took'],
    [stats.ended - taken.size <= lost, 'spans are missing that nobody has counted as lost'],
    [heapGrowthBytes < HEAP_TOLERANCE_BYTES, 'the JavaScript heap grows'],
    [third < 3 || wasmBytes === looks[looks.length - third].wasmBytes, 'the memory of the core still grows in the last third'],
    [watched.pageErrors.length === 0, `the page was disturbed: ${watched.pageErrors[0]}`],
    [receiver.violations.length === 0, `what no receiver should get: ${receiver.violations[0]}`],
  ].flatMap(([holds, what]) => (holds ? [] : [what]));
  console.log(wrong.length > 0 ? `FAILED: ${wrong.join('; ')}` : 'in order');
  process.exitCode = wrong.length > 0 ? 1 : 0;
} finally {
  await browser.close();
  await site.close();
  await receiver.close({ allowViolations: true });
}

/** In the page: twenty spans each tenth of a second, one of them of a request. */
function work() {
  let count = 0;
  const timer = setInterval(() => {
    for (let index = 0; index < 19; index++) {
      const span = window.instance.tracer.startSpan('soak', { attributes: { 'app.count': count++, 'app.text': 'some text of an ordinary length', 'app.flag': true } });
      if (index % 5 === 0) span.addEvent('step', { index });
      if (index % 7 === 0) span.recordException(new Error(`number ${index}`));
      span.end();
    }
    fetch(`/echo?count=${count}`).then((response) => response.text()).catch(() => {});
    performance.clearResourceTimings();
  }, 100);
  globalThis.stopWork = () => clearInterval(timer);
}

function kilo(bytes) {
  return String(Math.round(bytes / 1000)).padStart(12);
}

/** The same numbers for the same seed, from 0 to 1: a run that failed can be run again. */
function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
}
