// What most browser tests need: a page's origin, an API on another origin, a collector on a third, and a Chromium that is started once.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after } from 'node:test';
import { projectDir } from '../../js/build/setup.mjs';
import { inTime, launchBrowser, launchTabs, openPage } from '../harness/browser.mjs';
import { startReceiver } from '../harness/receiver.mjs';
import { echo, startSite, text, webspanPage } from '../harness/site.mjs';

/** By what they are launched with. */
const browsers = {};
after(() => Promise.all(Object.keys(browsers).map(closeBrowser)));

/** The next test gets a new one. */
async function closeBrowser(kind) {
  const closing = browsers[kind];
  delete browsers[kind];
  if (closing) await inTime(closing.close(), 'closing the browser', 10_000);
}

/** Only what is asked for: what a page does beside the requests of a test would be in the way of most. */
const quiet = { documentLoad: false, navigation: false, errors: false };

/**
 * Opens a page that has started webspan with these options, whose endpoint is the receiver.
 *
 * @param {import('node:test').TestContext} t everything is closed when this test ends
 * @param {object} [set]
 * @param {object} [set.options] for `init`, on top of the endpoint; of the captures, fetch and XHR alone are on unless it says so
 * @param {string} [set.captures] JavaScript of what `init` gets as `captures`; the functions of `webspan/captures` are in scope
 * @param {Record<string, import('../harness/site.mjs').Handler>} [set.routes] of the page's origin
 * @param {Record<string, import('../harness/site.mjs').Handler>} [set.api] of the API's origin; without, it echoes
 * @param {import('../harness/cors.mjs').Cors} [set.apiCors] default: exactly the headers that a hand-made set-up allows
 * @param {Parameters<typeof startReceiver>[0]} [set.receiver]
 * @param {Parameters<typeof webspanPage>[1]} [set.content] of the page
 * @param {boolean} [set.bfcache] with the back-forward cache, as visitors have it: a page that is left is not destroyed at once
 * @param {boolean} [set.tabs] a page of Puppeteer's, which is hidden while another is in front
 */
export async function stage(t, { options = {}, captures, routes = {}, api = {}, apiCors, receiver: receiverOptions, content, bfcache = false, tabs = false } = {}) {
  const receiver = await startReceiver(receiverOptions);
  const apiSite = await startSite({
    cors: apiCors ?? { allowedOrigins: ['http://127.0.0.1:*'], allowedHeaders: ['traceparent', 'content-type'], allowedMethods: ['GET', 'POST', 'PUT'] },
    routes: { '/echo': echo(), ...api },
  });
  const given = typeof options === 'function' ? options({ apiOrigin: apiSite.origin }) : options;
  const shown = { serviceName: 'stage', endpoint: receiver.url, ...given, instrumentations: { ...quiet, ...given.instrumentations } };
  const site = await startSite({
    routes: {
      '/echo': echo(),
      '/': webspanPage(shown, captures ? { module: '/with-captures.js', ...content } : content),
      '/with-captures.js': text(withCaptures(captures), { headers: { 'Content-Type': 'text/javascript' } }),
      '/elsewhere': webspanlessPage,
      ...routes,
    },
  });
  const kind = JSON.stringify({ bfcache, tabs });
  const browser = (browsers[kind] ??= await (tabs ? launchTabs : launchBrowser)({ bfcache }));
  const context = await (tabs ? browser.createBrowserContext() : browser.newContext());
  const { page, ...watched } = await openPage(context, site.url('/'));
  const expected = { violations: false };
  t.after(async () => {
    // Playwright may wait for ever for a page that has just been left.
    await inTime(context.close(), 'closing a page', 10_000).catch(() => closeBrowser(kind));
    await site.close();
    await apiSite.close();
    await receiver.close({ allowViolations: expected.violations });
  });
  return { receiver, site, api: apiSite, page, context, expected, ...watched, flush: () => page.evaluate(() => window.instance.flush()) };
}

/** A module like webspan, whose `init` is given these captures. */
const withCaptures = (captures) => `
  import * as webspan from '/dist/index.js';
  import { eventSource, longTasks, userInteraction, webSocket, webVitals } from '/dist/captures.js';
  export * from '/dist/index.js';
  export const init = (options) => webspan.init({ ...options, captures: ${captures} });
`;

/** A page without webspan, to leave to. */
function webspanlessPage(request, response) {
  response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><title>Elsewhere</title>');
}

/**
 * The head of a page whose core, otherwise the real one, traps when it is told to: set `window.trapIn` to the name of an export in src/abi.rs, or
 * to `'*'` for whichever is called next. `window.trapped` says that it did.
 */
export function trappingCore() {
  const short = readFileSync(join(projectDir, '.cache/build/names.json'), 'utf8');
  return `<script>
    const Instance = WebAssembly.Instance;
    const short = ${short};
    // A module whose start function is the instruction unreachable.
    const trap = () => new Instance(new WebAssembly.Module(new Uint8Array([0,97,115,109,1,0,0,0,1,4,1,96,0,0,3,2,1,0,8,1,0,10,5,1,3,0,0,11])));
    WebAssembly.Instance = function (module, imports) {
      const exports = { ...new Instance(module, imports).exports };
      for (const [name, own] of Object.entries(exports)) {
        if (typeof own !== 'function') continue;
        exports[name] = (...args) => {
          if (window.trapIn === '*' || (window.trapIn && short[window.trapIn] === name)) {
            window.trapIn = undefined;
            window.trapped = true;
            trap();
          }
          return own(...args);
        };
      }
      return { exports };
    };
  </script>`;
}
