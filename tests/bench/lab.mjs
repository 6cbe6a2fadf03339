// A place to measure pages in: a browser, a site, a collector on another origin, and the instruments.

import { readFileSync, writeFileSync } from 'node:fs';
import puppeteer from 'puppeteer-core';
import { ensureBrowser } from '../../js/build/setup.mjs';
import { FLAGS, watchPage } from '../harness/browser.mjs';
import { flood, json, page as html, startSite, text } from '../harness/site.mjs';
import { median } from './statistics.mjs';
import { startCollector } from './collector.mjs';

const MB = 1_000_000;

/** What a page of the row `page-load` loads beside its document. */
export const SUBRESOURCES = 60;
export const FETCHES_WHILE_LOADING = 20;

/** A page that starts an SDK, makes requests, and has as many style sheets, scripts and images as it says. */
function loadingPage(query) {
  const kinds = [(n) => `<link rel="stylesheet" href="/asset/${n}.css">`, (n) => `<script src="/asset/${n}.js"></script>`, (n) => `<img src="/asset/${n}.svg">`];
  const assets = Array.from({ length: SUBRESOURCES }, (_, index) => kinds[index % kinds.length](index));
  const start = `<script type="module">
    import * as loaded from ${JSON.stringify(query.get('sdk'))};
    import * as workload from '/page/workload?for=${query.get('id')}';
    Object.assign(globalThis, workload, { sdk: loaded.default ?? loaded });
    sdk.start(${query.get('options')});
    const fetched = fetchAll(0, ${FETCHES_WHILE_LOADING}, 6);
    const complete = new Promise((resolve) => addEventListener('load', resolve));
    globalThis.loaded = () => Promise.all([fetched, complete]).then(settle);
  </script>`;
  return html({ head: start + assets.slice(0, SUBRESOURCES / 2).join(''), body: assets.slice(SUBRESOURCES / 2).join('') });
}

function asset(path) {
  if (path.endsWith('.css')) return text('.a { color: green; }', { headers: { 'Content-Type': 'text/css' } });
  if (path.endsWith('.js')) return text('globalThis.count = (globalThis.count ?? 0) + 1;', { headers: { 'Content-Type': 'text/javascript' } });
  return text('<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>', { headers: { 'Content-Type': 'image/svg+xml' } });
}

/** Large enough for any sample between two collections. In megabytes, for both halves of the young generation. */
const YOUNG_MB = 64;

/**
 * @typedef {object} LabOptions
 * @property {boolean} [uncollected] the young generation is so large that V8 does not collect while a benchmark counts what was allocated
 * @property {boolean} [bfcache] true; else a page that is left is gone, and nothing of it goes on in the back-forward cache
 */

/**
 * Runs `use` in a lab of its own and closes it, whatever happens.
 * @param {Map<string, string>} bundles
 * @param {LabOptions} options
 * @param {(lab: Lab) => Promise<void>} use
 */
export async function withLab(bundles, { uncollected = false, bfcache = true }, use) {
  const young = `--min-semi-space-size=${YOUNG_MB} --max-semi-space-size=${YOUNG_MB}`;
  const browser = await puppeteer.launch({
    executablePath: ensureBrowser(),
    args: [...FLAGS, ...(uncollected ? [`--js-flags=${young}`] : []), ...(bfcache ? [] : ['--disable-features=BackForwardCache'])],
    // Who watches the network makes the page report its requests, bodies included, on the thread that is measured: some milliseconds for
    // each export.
    networkEnabled: false,
  });
  const site = await startSite({
    routes: {
      '/': html(),
      '/api/items/*': (request, response) => json({ id: request.path.slice('/api/items/'.length), name: 'A thing', price: 1299 })(request, response),
      '/loading': (request, response) => loadingPage(request.url.searchParams)(request, response),
      '/asset/*': (request, response) => asset(request.path)(request, response),
      '/body/50MB': flood({ totalBytes: 50 * MB }),
      '/body/200MB': flood({ totalBytes: 200 * MB }),
      // The name in the query makes each variant a source of its own: no compiled code is shared.
      '/page/*': (request, response) => {
        const source = bundles.get(request.path.slice('/page/'.length));
        response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(`${source}\n// ${request.url.search}`);
      },
    },
  });
  const collector = await startCollector();
  try {
    await use(new Lab(browser, site, collector));
  } finally {
    await browser.close();
    await site.close();
    await collector.close();
  }
}

export class Lab {
  #pages = 0;

  constructor(browser, site, collector) {
    this.browser = browser;
    this.site = site;
    this.collector = collector;
  }

  /**
   * Opens a page in a profile and a process of its own, without an SDK so far.
   * @param {{ sdk: import('./bundles.mjs').Sdk, options?: object, name: string }} variant
   */
  async openPage(variant) {
    const id = `page${++this.#pages}`;
    const context = await this.browser.createBrowserContext();
    const page = await context.newPage();
    const watched = watchPage(page);
    await page.goto(this.site.url('/'));
    const cdp = await page.createCDPSession();
    await cdp.send('Performance.enable');
    const opened = new BenchPage({ lab: this, id, variant, page, cdp, watched });
    await opened.evaluate(`import('/page/workload?for=${id}').then((workload) => void Object.assign(globalThis, workload))`);
    return opened;
  }
}

export class BenchPage {
  #cdp;
  #watched;

  constructor({ lab, id, variant, page, cdp, watched }) {
    this.lab = lab;
    this.id = id;
    this.variant = variant;
    /** The tab. */
    this.page = page;
    this.#cdp = cdp;
    this.#watched = watched;
  }

  /** Loads the variant's SDK and starts it. */
  start() {
    return this.call('loadAndStart', ...this.startArguments());
  }

  startArguments() {
    const { sdk, options, name } = this.variant;
    return [`/page/${sdk}?for=${encodeURIComponent(name)}`, { collector: this.lab.collector.endpoint(this.id), ...options }];
  }

  /** Calls a function of page/workload.mjs, and waits for what it promises. */
  call(name, ...args) {
    return this.evaluate(callOf(name, args));
  }

  async evaluate(expression) {
    const { result, exceptionDetails } = await this.#cdp.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(`${this.variant.name}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
    return result.value;
  }

  /**
   * Milliseconds that the CPU spent on the page's main thread for a call: unlike the clock it does not run while others have the CPU, nor
   * while the network is waited for. What asking costs is taken off.
   */
  async cpuMs(name, ...args) {
    const asking = [];
    for (let time = 0; time < 5; time++) asking.push(await this.#threadMs('0'));
    return (await this.#threadMs(callOf(name, args))) - median(asking);
  }

  /** The same for a page load of the same origin, up to the time when all about it has been sent. */
  async loadCpuMs(throttle) {
    const [sdk, options] = this.startArguments();
    await this.#cdp.send('Emulation.setCPUThrottlingRate', { rate: throttle });
    const before = await this.#metric('ThreadTime');
    await this.page.goto(this.lab.site.url(`/loading?${new URLSearchParams({ id: this.id, sdk, options: JSON.stringify(options) })}`));
    await this.evaluate('loaded()');
    const after = await this.#metric('ThreadTime');
    await this.#cdp.send('Emulation.setCPUThrottlingRate', { rate: 1 });
    return (after - before) * 1000;
  }

  async #threadMs(expression) {
    const before = await this.#metric('ThreadTime');
    await this.evaluate(expression);
    return ((await this.#metric('ThreadTime')) - before) * 1000;
  }

  async #metric(wanted) {
    const { metrics } = await this.#cdp.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === wanted).value;
  }

  /** Collects what can be collected, also what only a second round finds. */
  async collectGarbage() {
    await this.#cdp.send('HeapProfiler.collectGarbage');
    await this.#cdp.send('HeapProfiler.collectGarbage');
  }

  /** Bytes on the JavaScript heap. */
  async heapBytes() {
    return (await this.#cdp.send('Runtime.getHeapUsage')).usedSize;
  }

  /** Bytes that a call puts on the JavaScript heap, kept or not; right only in a lab that is `uncollected`. What asking costs is taken off. */
  async allocatedBytes(name, ...args) {
    await this.collectGarbage();
    const asking = await this.#grownBytes('0');
    return (await this.#grownBytes(callOf(name, args))) - asking;
  }

  async #grownBytes(expression) {
    const before = await this.heapBytes();
    await this.evaluate(expression);
    return (await this.heapBytes()) - before;
  }

  /** How far the memory of the browser's pages rises above what it was, at its peak; there is one page at a time. Linux only. */
  async peakBytes(name, ...args) {
    await this.collectGarbage();
    const browser = await this.lab.browser.target().createCDPSession();
    const { processInfo } = await browser.send('SystemInfo.getProcessInfo');
    await browser.detach();
    const pids = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
    const memory = (pid, field) => Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm'))[1]) * 1024;
    // "5" makes the peak what is in use now. https://docs.kernel.org/filesystems/proc.html
    for (const pid of pids) writeFileSync(`/proc/${pid}/clear_refs`, '5');
    const before = pids.map((pid) => memory(pid, 'VmRSS'));
    await this.call(name, ...args);
    return pids.reduce((sum, pid, index) => sum + memory(pid, 'VmHWM') - before[index], 0);
  }

  spansDelivered() {
    return this.lab.collector.spansFrom(this.id);
  }

  /** Closes it, and fails when it had anything to complain about: what was measured then was something else. */
  async close() {
    await this.page.browserContext().close();
    this.lab.collector.forget();
    const complaints = [...this.#watched.complaints(), ...this.#watched.consoleWarnings];
    if (complaints.length > 0) throw new Error(`${this.variant.name} complained: ${complaints.join('; ')}`);
  }
}

const callOf = (name, args) => `${name}(${args.map((arg) => JSON.stringify(arg)).join(', ')})`;
