// A page is as it would be without webspan: for some hundred ways to call fetch and XHR, with wrappers below and above, the servers, the wrappers and the
// page itself see the same, but for the headers that were asked for. In Chromium; with WEBSPAN_ENGINES=all in Firefox and WebKit too.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { launchBrowser, launchFirefox } from '../harness/browser.mjs';
import { echo, page as html, redirect, reset, startSite, text, webspanPage } from '../harness/site.mjs';
import { startReceiver } from '../harness/receiver.mjs';
import { launchWebKit } from '../harness/webkit.mjs';
import { above, below, fetches, play, prelude, xhrs } from './calls.mjs';

const engines = { Chromium: launchBrowser, ...(process.env.WEBSPAN_ENGINES === 'all' && { Firefox: launchFirefox, WebKit: launchWebKit }) };
const launched = [];
after(() => Promise.all(launched.map((browser) => browser?.close())));

const source = (calls) => `{${Object.entries(calls).map(([name, call]) => `${JSON.stringify(name)}: ${call}`).join(',\n')}}`;

/** The scenarios, in a classic script that the page has from its own origin. */
const script = (api) => `
  window.calls = { fetches: ${source(fetches)}, xhrs: ${source(xhrs)}, api: ${JSON.stringify(api)} };
  window.play = () => (${play})(window.calls).then((outcomes) => (window.outcomes = JSON.stringify(outcomes)), (error) => (window.outcomes = JSON.stringify({ failed: String(error) })));
`;

const cut = (request, response) => {
  response.writeHead(200, { 'Content-Length': '1000' });
  response.write('x'.repeat(100));
  setTimeout(() => response.destroy(), 20);
};

/** The origins of a page that is left alone (`options` undefined), or has webspan. */
async function startPage(before, options) {
  const api = await startSite({ cors: { allowedOrigins: ['http://127.0.0.1:*'], allowedHeaders: ['content-type', 'traceparent'], allowedMethods: ['GET', 'POST'] }, routes: { '/echo': echo() } });
  const head = `<script>${prelude}${before}</script>`;
  const bare = html({ head });
  const site = await startSite({
    routes: {
      '/': options ? webspanPage(options, { head }) : bare,
      '/calls.js': text(script(api.origin), { headers: { 'Content-Type': 'text/javascript' } }),
      '/echo': echo(),
      '/other': echo(),
      '/length': (request, response) => text(String(request.body.length > 0))(request, response),
      '/plain': text('plain text'),
      '/redirect': redirect('/echo?redirected'),
      '/reset': reset(),
      '/cut': cut,
      '/never': () => {},
    },
  });
  return { site, api, close: () => Promise.all([site.close(), api.close()]) };
}

/** What came of all calls in a page, without what is bound to differ. */
async function outcomes(browser, before, after, options) {
  const { site, api, close } = await startPage(before, options);
  const page = await browser.newPage();
  try {
    await page.goto(site.url('/'));
    if (options) await until(page, () => !!window.instance);
    await page.evaluate(async (after) => {
      await new Promise((done) => document.body.append(Object.assign(document.createElement('script'), { src: '/calls.js', onload: done })));
      (0, eval)(after);
      window.play();
    }, after);
    await until(page, () => !!window.outcomes, 60_000);
    const seen = (await page.evaluate(() => window.outcomes))
      .replaceAll(site.origin, 'http://page')
      .replaceAll(api.origin, 'http://api')
      .replaceAll(new URL(site.origin).host, 'page')
      .replaceAll(new URL(api.origin).host, 'api');
    const requests = [...site.requests, ...api.requests, ...api.preflights].filter(({ path }) => !/^\/(dist\/.*|calls\.js|favicon\.ico)?$/.test(path));
    return { outcomes: JSON.parse(seen), requests, carried: requests.filter(({ headers }) => /^00-(?!1{32})/.test(headers.traceparent)) };
  } finally {
    await page.close();
    await close();
  }
}

async function until(page, condition, limitMs = 15_000) {
  for (const startMs = performance.now(); !(await page.evaluate(condition)); await new Promise((done) => setTimeout(done, 30))) {
    if (performance.now() - startMs > limitMs) throw new Error(`never came true: ${condition}`);
  }
}

/** The headers of an echo in the body, without ours, and all texts without what each run has anew. */
function comparable({ counted, ...outcome }, isBare) {
  // How often a wrapper reads what the page gave, is its own affair.
  if (isBare) outcome.counted = counted;
  const clean = (value) => JSON.parse(JSON.stringify(value).replace(/WebKitFormBoundary\w+|-{4,}(geckoformboundary)?\w+|blob:[^"]+/g, 'made anew'));
  let body;
  try {
    body = JSON.parse(outcome.outcome.body);
  } catch {
    return clean(outcome);
  }
  // A wrapper that spreads pairs makes headers of their indexes.
  const isOurs = ([name, value]) => /^trace(parent|state)\b/i.test(/^\d+$/.test(name) ? value : name) && !/\b00-1{32}/.test(value);
  // Their order differs from run to run. The echo has them twice; these keep their spelling.
  if (body?.rawHeaders) body.rawHeaders = body.rawHeaders.filter((header) => !isOurs(header) && !/^connection$/i.test(header[0])).map((header) => header.join(': ')).sort();
  if (body?.headers) delete body.headers;
  // Those that the browser has added to a Request come in lower case beside another body.
  if (body?.rawHeaders && body.body === 'second') body.rawHeaders = body.rawHeaders.map((header) => header.toLowerCase()).sort();
  return clean({ ...outcome, outcome: { ...outcome.outcome, body } });
}

/**
 * What a wrapper below has to see otherwise: pairs that can be read only once, an object that it writes to, a Request that has to be made anew.
 */
const NOT_BELOW = ['headers from a generator', 'reused init', 'Request of a subclass', 'Request and init'].map((name) => `fetch: ${name}`);

/** Without those that browsers may repeat, or call back in time. */
const paths = (requests) => requests.map(({ method, url }) => `${method} ${url.pathname}${url.search}`).filter((path) => !/reset|cut|never/.test(path)).sort();

for (const [engine, launch] of Object.entries(engines)) {
  for (const [name, before] of Object.entries(below)) {
    for (const [nameAbove, after] of Object.entries(name === 'nothing' ? above : { nothing: '' })) {
      test(`in ${engine}, with ${name} below and ${nameAbove} above, a page is as it would be without us`, { timeout: 120_000 }, async (t) => {
        const browser = (launched.find((each) => each?.engine === engine) ?? (launched.push(Object.assign(await launch(), { engine })), launched.at(-1)));
        if (!browser) return t.skip(`there is no ${engine}`);
        const receiver = await startReceiver();
        t.after(() => receiver.close());
        const expected = await outcomes(browser, before, after);
        const actual = await outcomes(browser, before, after, { endpoint: receiver.url, logLevel: 'none', serviceName: 'compared' });
        const different = [];
        const isBare = name === 'nothing';
        for (const key of Object.keys(expected.outcomes)) {
          try {
            if (isBare || !NOT_BELOW.includes(key)) assert.deepEqual(comparable(actual.outcomes[key], isBare), comparable(expected.outcomes[key], isBare));
          } catch (error) {
            different.push(`${key}: ${error.message.split('\n').filter((line) => /^[+-] /.test(line)).join(' | ')}`);
          }
        }
        assert.deepEqual(different, [], different.join('\n'));
        // How often WebKit sends the same GET again varies by itself.
        const list = (requests) => (engine === 'WebKit' ? [...new Set(paths(requests))] : paths(requests));
        assert.deepEqual(list(actual.requests), list(expected.requests), 'the same requests');
        assert.equal(expected.carried.length, 0);
        assert.ok(actual.carried.length > 40, `${actual.carried.length} requests carried our header`);
      });
    }
  }
}
