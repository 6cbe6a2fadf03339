// The packed package in small applications, as its users install it, each loaded in a browser: as it comes, and under a
// Content Security Policy that refuses WebAssembly.
import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { launchBrowser, watchPage } from '../harness/browser.mjs';
import { plain, startReceiver } from '../harness/receiver.mjs';
import { files, json, startSite, text } from '../harness/site.mjs';
import { filesBelow, installApp, pack } from './package.mjs';

/** Without 'wasm-unsafe-eval', as on most pages that have a policy at all. */
const NO_WASM = "script-src 'self'";

const { tarball, remove } = pack();
const browser = await launchBrowser();
after(async () => {
  await browser.close();
  remove();
});

/**
 * Opens a page of an app, which has started webspan and made one request in the same task.
 * @param {import('node:test').TestContext} t everything is closed when this test ends
 * @param {{ dir: string, html: string, csp?: string }} app
 */
async function open(t, { dir, html, csp }) {
  const receiver = await startReceiver();
  const content = readFileSync(join(dir, html), 'utf8');
  const headers = { 'Content-Type': 'text/html; charset=utf-8', ...(csp && { 'Content-Security-Policy': csp }) };
  const site = await startSite({
    distDir: join(dir, 'dist'),
    routes: { '/*': files(dir, '/'), [`/${html}`]: text(content, { headers }), '/api': json({}) },
  });
  const context = await browser.newContext();
  const page = await context.newPage();
  const watched = watchPage(page);
  t.after(async () => {
    await context.close();
    await site.close();
    await receiver.close();
  });
  await page.goto(site.url(`/${html}?endpoint=${encodeURIComponent(receiver.url)}`));
  assert.equal(await page.evaluate(() => window.first), '{}', "the page's first request is answered");
  return { receiver, site, page, ...watched };
}

/** Makes a request in a span. */
const work = (page) => page.evaluate(() => window.traced('work', () => fetch('/api?second').then((response) => response.text())));

const notReady = (page) => page.evaluate(() => window.webspan.stats().dropped.notReady);

/** The one request that began with `query`, and its span. */
function requestAndSpan({ site, receiver }, query) {
  const [request, ...moreRequests] = site.requestsTo('/api').filter(({ url }) => url.search === query);
  const [span, ...moreSpans] = receiver.spans.filter(({ name, attributes }) => name === 'GET' && plain(attributes)['url.full']?.endsWith(query));
  assert.deepEqual([moreRequests, moreSpans], [[], []]);
  return { request, span };
}

/** A span that the backend can join, below its parent. */
function assertTraced({ request, span }, { service, parent }) {
  assert.equal(request.headers.traceparent, `00-${span.traceId}-${span.spanId}-03`);
  assert.equal(span.name, 'GET');
  assert.equal(span.parentSpanId, parent?.spanId ?? '');
  assert.equal(span.status.code, 'UNSET');
  assert.equal(plain(span.attributes)['http.response.status_code'], 200);
  assert.equal(plain(span.resource)['service.name'], service);
}

/** What every page must do that is free to use WebAssembly. */
async function tracesAtOnce(t, app, service, isFallback) {
  const opened = await open(t, app);
  const { receiver, site, page, complaints, consoleWarnings } = opened;
  await work(page);
  const [load] = await receiver.waitForSpans(({ name }) => name === 'documentLoad');
  const [parent] = await receiver.waitForSpans(({ name }) => name === 'work');
  await receiver.waitUntil(() => receiver.spans.filter(({ name }) => name === 'GET').length === 2);
  assertTraced(requestAndSpan(opened, '?first'), { service, parent: load });
  assertTraced(requestAndSpan(opened, '?second'), { service, parent });
  assert.equal(await notReady(page), 0);
  assert.deepEqual(site.requests.filter(({ path }) => isFallback(path)), [], 'the core in JavaScript is not loaded');
  assert.deepEqual([...complaints(), ...consoleWarnings], []);
}

/** What every page must do whose policy refuses WebAssembly. */
async function tracesWithFallback(t, app, service, isFallback) {
  const opened = await open(t, { ...app, csp: NO_WASM });
  const { receiver, site, page, complaints, consoleWarnings } = opened;
  await page.waitForFunction(() => window.webspan.tracer.startSpan('never ended').isRecording(), undefined, { timeout: 10_000 });
  await work(page);
  const [parent] = await receiver.waitForSpans(({ name }) => name === 'work');
  await receiver.waitForSpans(({ name }) => name === 'GET');
  const { request, span } = requestAndSpan(opened, '?first');
  assert.deepEqual([request.headers.traceparent, span], [undefined, undefined], 'a request before the core was there is left alone');
  assert.equal(await notReady(page), 1, 'and counted');
  assertTraced(requestAndSpan(opened, '?second'), { service, parent });
  assert.equal(site.requests.filter(({ path }) => isFallback(path)).length, 1, 'the core in JavaScript is loaded once');
  assert.deepEqual([...complaints(), ...consoleWarnings], []);
}

/** What every page must do that has all captures of `webspan/captures`. */
async function tracesWithCaptures(t, app) {
  const { receiver, page, complaints, consoleWarnings } = await open(t, app);
  await page.click('button');
  const [click] = await receiver.waitForSpans(({ name }) => name === 'click');
  const [request] = await receiver.waitForSpans(({ attributes }) => plain(attributes)['url.full']?.endsWith('?click'));
  assert.equal(request.parentSpanId, click.spanId);
  // By the library, which is fetched when it is needed.
  await receiver.waitForSpans(({ name }) => name === 'browser.web_vital');
  assert.deepEqual([...complaints(), ...consoleWarnings], []);
}

/** Of the scripts of a bundle besides its entry the largest one; gives whether a path is that. The others have the words for failures, and the outbox. */
function largestChunk(dir, entry) {
  const scripts = filesBelow(dir).filter((file) => file.endsWith('.js'));
  const bytes = (file) => statSync(join(dir, file)).size;
  const chunks = scripts.filter((file) => !entry.test(file)).sort((one, other) => bytes(other) - bytes(one));
  assert.ok(scripts.length === 4 && chunks.length === 3, `an entry and three chunks, not ${scripts}`);
  return (path) => basename(path) === basename(chunks[0]);
}

describe('Vite, no configuration', () => {
  const app = installApp('vite', tarball);
  after(app.remove);

  describe('built', () => {
    const said = app.tool('vite/bin/vite.js', 'build');
    const built = { dir: join(app.dir, 'dist'), html: 'index.html' };
    const isFallback = largestChunk(built.dir, /^assets\/index-/);

    test('builds without a warning', () => assert.doesNotMatch(said, /warn|\(!\)/i));
    test('names the core in JavaScript nowhere in the page', () => assert.doesNotMatch(readFileSync(join(built.dir, 'index.html'), 'utf8'), /fallback|preload/));
    test('traces at once', (t) => tracesAtOnce(t, built, 'vite', isFallback));
    test('traces where WebAssembly is refused', (t) => tracesWithFallback(t, built, 'vite', isFallback));
  });

  test('traces with the development server', async (t) => {
    const { createServer } = await import(pathToFileURL(join(app.modulesDir, 'vite/dist/node/index.js')));
    const server = await createServer({ root: app.dir, logLevel: 'silent', server: { host: '127.0.0.1', port: 0 } });
    t.after(() => server.close());
    await server.listen();
    const receiver = await startReceiver();
    t.after(() => receiver.close());
    const page = await browser.newPage();
    t.after(() => page.close());
    const { complaints, consoleWarnings } = watchPage(page);
    await page.goto(`http://127.0.0.1:${server.httpServer.address().port}/?endpoint=${encodeURIComponent(receiver.url)}`);
    await work(page);
    await receiver.waitUntil(() => receiver.spans.filter(({ name }) => name === 'GET').length === 2);
    assert.ok(receiver.spans.some(({ name }) => name === 'work'));
    assert.deepEqual([...complaints(), ...consoleWarnings], []);
  });
});

describe('Vite, with captures', () => {
  const app = installApp('vite', tarball);
  after(app.remove);
  copyFileSync(join(app.dir, 'captures.js'), join(app.dir, 'main.js'));
  const said = app.tool('vite/bin/vite.js', 'build');

  test('builds without a warning', () => assert.doesNotMatch(said, /warn|\(!\)/i));
  test('traces', (t) => tracesWithCaptures(t, { dir: join(app.dir, 'dist'), html: 'index.html' }));
});

describe('webpack, with captures', () => {
  const app = installApp('webpack', tarball);
  after(app.remove);
  copyFileSync(join(app.dir, 'src/captures.js'), join(app.dir, 'src/index.js'));
  const said = app.tool('webpack/bin/webpack.js', '--mode', 'production', '--stats', 'errors-warnings');

  test('builds without a warning', () => assert.doesNotMatch(said, /warning/i));
  test('traces', (t) => tracesWithCaptures(t, { dir: app.dir, html: 'index.html' }));
});

describe('webpack, no configuration', () => {
  const app = installApp('webpack', tarball);
  after(app.remove);
  const said = app.tool('webpack/bin/webpack.js', '--mode', 'production', '--stats', 'errors-warnings');
  const built = { dir: app.dir, html: 'index.html' };
  const isFallback = largestChunk(join(app.dir, 'dist'), /^main\.js$/);

  test('builds without a warning', () => assert.doesNotMatch(said, /warning/i));
  test('traces at once', (t) => tracesAtOnce(t, built, 'webpack', isFallback));
  test('traces where WebAssembly is refused', (t) => tracesWithFallback(t, built, 'webpack', isFallback));
});

describe('a page without a bundler', () => {
  const app = installApp('plain', tarball);
  after(app.remove);
  const isFallback = (path) => path === '/node_modules/webspan/dist/fallback.js';

  for (const name of ['script-tag', 'module']) {
    const page = { dir: app.dir, html: `${name}.html` };
    test(`${name}: traces at once`, (t) => tracesAtOnce(t, page, name, isFallback));
    test(`${name}: traces where WebAssembly is refused`, (t) => tracesWithFallback(t, page, name, isFallback));
    test(`${name}: traces with captures`, (t) => tracesWithCaptures(t, { dir: app.dir, html: `captures-${name}.html` }));
  }
});
