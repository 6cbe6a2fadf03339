import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launchBrowser } from '../harness/browser.mjs';
import { BROWSER, checkout, FLASK, from, NODE, request, span, spanId } from './shop-trace.mjs';
import { viewerFor } from './viewer.mjs';

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const START_MS = 1_700_000_000_000;
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };

const scope = { name: 'test', version: '1' };
const inTrace = (traceId) => (fields) => span({ traceId, startMs: START_MS }, { from: 0, to: 10, ...fields });

let browser;
before(async () => (browser = await launchBrowser()));
after(() => browser.close());

/** A viewer and its page; what the page complains about in its console fails the test, unless it was expected. */
async function open(t, { viewport = DESKTOP, hash = '', sent = [], expected = /^$/, limits = {} } = {}) {
  const viewer = await viewerFor(t, limits);
  for (const body of sent) assert.equal((await viewer.post(body)).status, 200);
  const context = await browser.newContext({ viewport, permissions: ['clipboard-read', 'clipboard-write'] });
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && !expected.test(message.text())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('dialog', (dialog) => complaints.push(`dialog: ${dialog.message()}`));
  t.after(async () => {
    await context.close();
    assert.deepEqual(complaints, []);
  });
  await page.goto(`${viewer.url}/${hash}`);
  await page.locator('.connection.live').waitFor();
  return { viewer, page };
}

const texts = (locator) => locator.allTextContents();
const traceNames = (page) => texts(page.locator('.trace-name'));
const rowNames = (page) => texts(page.locator('.row .name'));

/** Waits until `read` gives `wanted`. */
async function becomes(read, wanted) {
  const deadline = Date.now() + 5000;
  for (;;) {
    const given = await read();
    try {
      return assert.deepEqual(given, wanted);
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

test('traces appear while the page is open', async (t) => {
  const { viewer, page } = await open(t);
  await page.getByText('Waiting for traces').waitFor();
  await viewer.post(checkout(TRACE_ID, START_MS));
  await becomes(() => traceNames(page), ['documentLoad']);
  const row = page.locator('.trace-row');
  assert.deepEqual(await texts(row.locator('.chip-name')), ['shop-web', 'shop-api', 'payments']);
  assert.equal(await row.locator('.trace-duration').textContent(), '612 ms');
  assert.equal(await row.locator('.trace-spans').textContent(), '22 spans');
  assert.equal(await row.locator('.trace-errors').textContent(), '5 errors');

  await viewer.post(request(from(FLASK, scope, inTrace('1'.repeat(32))({ id: 1, name: 'later', from: 5000, to: 5306 }))));
  await becomes(() => traceNames(page), ['later', 'documentLoad']);
  const widths = await page.locator('.meter span').evaluateAll((bars) => bars.map((bar) => bar.style.width));
  assert.deepEqual(widths, ['50%', '100%'], 'bars are relative to the longest trace');

  await page.getByRole('button', { name: 'Clear' }).click();
  await page.getByText('Waiting for traces').waitFor();
});

test('what was dropped to keep to the limits is said where the traces are counted', async (t) => {
  const s = inTrace(TRACE_ID);
  const many = from(FLASK, scope, ...[1, 2, 3, 4, 5].map((id) => s({ id, name: `span ${id}`, from: id, to: id + 1 })));
  const { viewer, page } = await open(t, { limits: { maxSpans: 3 }, sent: [request(from(FLASK, scope, inTrace('1'.repeat(32))({ id: 1, name: 'old' }))), request(many)] });
  await becomes(() => texts(page.locator('.list-heading')), ['1 trace, newest first · 1 older trace, 3 spans in all, dropped to keep to 3 spans and 134 MB']);
  assert.equal(await page.locator('.trace-spans').textContent(), '3 spans of 5');
  await page.locator('.trace-row').click();
  await becomes(async () => (await texts(page.locator('.fact'))).slice(2, 4), ['3 spans', '2 older spans dropped']);
  await page.goto(`${viewer.url}/#/`);
  await page.getByRole('button', { name: 'Clear' }).click();
  await becomes(() => texts(page.locator('.list-heading')), ['']);
});

test('filters narrow the list and stand in the address', async (t) => {
  const sent = [
    request(from(FLASK, scope, inTrace('1'.repeat(32))({ id: 1, name: 'GET /cart', to: 300, attributes: { 'user.id': '42' } }))),
    request(from(NODE, scope, inTrace('2'.repeat(32))({ id: 1, name: 'POST /charge', from: 1, to: 20, error: 'no' }))),
  ];
  const { page } = await open(t, { sent });
  await becomes(() => traceNames(page), ['POST /charge', 'GET /cart']);
  const clearAll = () => page.evaluate(() => (location.hash = '#/'));

  await page.getByLabel('Span name').fill('cart');
  await becomes(() => traceNames(page), ['GET /cart']);
  assert.equal(new URL(page.url()).hash, '#/?name=cart');
  await clearAll();
  await becomes(() => traceNames(page), ['POST /charge', 'GET /cart']);

  await page.getByLabel('Errors only').check();
  await becomes(() => traceNames(page), ['POST /charge']);
  await page.getByLabel('Service').selectOption('shop-api');
  await page.getByText('No trace matches').waitFor();
  await page.getByText('Remove the filters').click();
  await becomes(() => traceNames(page), ['POST /charge', 'GET /cart']);
  assert.equal(await page.getByLabel('Errors only').isChecked(), false);

  await page.getByLabel('Min. duration, ms').fill('100');
  await becomes(() => traceNames(page), ['GET /cart']);
  await clearAll();
  await page.getByLabel('attribute=value').fill('user.id=42');
  await becomes(() => traceNames(page), ['GET /cart']);

  await page.reload();
  await becomes(() => traceNames(page), ['GET /cart']);
  assert.equal(await page.getByLabel('attribute=value').inputValue(), 'user.id=42');
});

test('the waterfall shows each span below its parent, in order of time', async (t) => {
  const { page } = await open(t, { hash: `#/trace/${TRACE_ID}`, sent: [checkout(TRACE_ID, START_MS)] });
  await page.locator('.row').first().waitFor();
  const rows = await page.locator('.row').evaluateAll((all) => all.map((row) => `${'  '.repeat(row.getAttribute('aria-level') - 1)}${row.querySelector('.name').textContent}`));
  assert.deepEqual(rows, [
    'documentLoad',
    '  documentFetch',
    '  resourceFetch',
    '  resourceFetch',
    '  GET',
    '    GET /cart',
    '      load cart',
    '        SELECT cart',
    '        SELECT products',
    '      render json',
    '  GET',
    '    GET /recommendations',
    '      SELECT products',
    '  POST',
    '    POST /orders',
    '      validate order',
    '      INSERT orders',
    '      POST',
    '        POST /charge',
    '          risk score',
    '          authorize card',
    '      UPDATE orders',
  ]);
  const bar = await page.locator(`[data-span-id="${spanId(43)}"] .bar`).evaluate((element) => [element.style.left, element.style.width].map(parseFloat));
  assert.ok(Math.abs(bar[0] - (412 / 612) * 100) < 0.01 && Math.abs(bar[1] - (160 / 612) * 100) < 0.01, `bar at ${bar}`);
  assert.equal(await page.locator(`[data-span-id="${spanId(1)}"] .event`).count(), 5);
  assert.equal(await page.locator('.row.is-error').count(), 5);
  const colours = await page.locator('.swatch').evaluateAll((all) => new Set(all.map((swatch) => getComputedStyle(swatch).backgroundColor)).size);
  assert.equal(colours, 3, 'one colour for each service');

  await page.locator(`[data-span-id="${spanId(40)}"] .fold`).click();
  assert.equal(await page.locator('.row').count(), 15);
  await page.locator(`[data-span-id="${spanId(40)}"] .fold`).click();
  assert.equal(await page.locator('.row').count(), 22);
});

test('the details of a span hold all that is known about it', async (t) => {
  const { page } = await open(t, { hash: `#/trace/${TRACE_ID}`, sent: [checkout(TRACE_ID, START_MS)] });
  await page.locator('.row', { hasText: 'authorize card' }).click();
  const details = page.locator('.details');
  await details.getByRole('heading', { name: 'authorize card' }).waitFor();
  assert.equal(new URL(page.url()).hash, `#/trace/${TRACE_ID}/span/${spanId(52)}`);
  const text = await details.innerText();
  for (const wanted of ['payments', 'client', 'insufficient_funds', '+464 ms', '97 ms', 'acquirer.example', 'CardDeclinedError', 'retry of', 'telemetry.sdk.language', TRACE_ID, spanId(52), spanId(50), '@opentelemetry/instrumentation-http 0.223.0']) {
    assert.ok(text.includes(wanted), `${wanted} in\n${text}`);
  }
  assert.match(await details.locator('pre').innerText(), /\n {4}at async charge/);
  assert.equal(await details.locator('.event-block a').getAttribute('href'), `#/trace/c0ffee00c0ffee00c0ffee00c0ffee00/span/${spanId(7)}`);

  await details.getByRole('button', { name: 'Copy span id', exact: true }).click();
  await becomes(() => page.evaluate(() => navigator.clipboard.readText()), spanId(52));

  await details.getByRole('link', { name: 'Traces with this payment.attempt' }).click();
  await becomes(() => traceNames(page), ['documentLoad']);
  assert.equal(await page.getByLabel('attribute=value').inputValue(), 'payment.attempt=1');
});

test('self time is what no child covers', async (t) => {
  const { page } = await open(t, { hash: `#/trace/${TRACE_ID}/span/${spanId(21)}`, sent: [checkout(TRACE_ID, START_MS)] });
  // 74 ms, less the 23 and 39 ms of two queries.
  await becomes(() => texts(page.locator('.times dd')), ['+232 ms', '74 ms', '12 ms']);
});

test('what a span is called stays text', async (t) => {
  const hostile = '<img src=x onerror=alert(1)>';
  const s = inTrace(TRACE_ID);
  const spans = [
    s({
      id: 1, name: hostile, error: hostile,
      attributes: { [hostile]: hostile, 'url.full': `javascript:alert(1)//${hostile}` },
      events: [{ at: 1, name: hostile, attributes: { [hostile]: hostile } }, { at: 2, name: 'exception', attributes: { 'exception.type': hostile, 'exception.message': hostile, 'exception.stacktrace': hostile } }],
    }),
    s({ id: 2, parent: 1, name: hostile }),
  ];
  const { page } = await open(t, { sent: [request(from({ 'service.name': hostile }, { name: hostile, version: hostile }, ...spans))] });
  await becomes(() => traceNames(page), [hostile]);
  await page.locator('.trace-row').click();
  await becomes(() => rowNames(page), [hostile, hostile]);
  await page.locator('.row').first().click();
  await page.locator('.details h2').waitFor();
  assert.equal(await page.locator('.details h2').textContent(), hostile);
  assert.equal(await page.locator('img, script:not([src="/page.js"])').count(), 0);
  assert.equal(await page.locator('a[href^="javascript:"]').count(), 0);
});

test('the keyboard does what the mouse does', async (t) => {
  const sent = [checkout(TRACE_ID, START_MS), request(from(FLASK, scope, inTrace('1'.repeat(32))({ id: 1, name: 'newer', from: 5000, to: 5010 })))];
  const { page } = await open(t, { sent });
  await becomes(() => traceNames(page), ['newer', 'documentLoad']);
  const selected = () => texts(page.locator('.row[aria-selected=true] .name'));
  for (const key of ['j', 'j', 'j', 'k', 'ArrowDown', 'Enter']) await page.keyboard.press(key);
  await becomes(async () => (await rowNames(page)).length, 22);
  await page.keyboard.press('j');
  await becomes(selected, ['documentLoad']);
  await page.keyboard.press('ArrowDown');
  await becomes(selected, ['documentFetch']);
  await page.keyboard.press('k');
  await page.keyboard.press('ArrowLeft');
  assert.equal((await rowNames(page)).length, 1);
  await page.keyboard.press('ArrowRight');
  assert.equal((await rowNames(page)).length, 22);
  await page.keyboard.press('Escape');
  await becomes(selected, []);
  await page.keyboard.press('Enter');
  await becomes(selected, ['documentLoad']);
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  await becomes(() => traceNames(page), ['newer', 'documentLoad']);
  await page.keyboard.press('/');
  await page.keyboard.type('newer');
  await becomes(() => traceNames(page), ['newer']);
});

test('an open trace grows as its spans arrive, also when it was opened too early', async (t) => {
  const { viewer, page } = await open(t, { hash: `#/trace/${TRACE_ID}`, expected: /status of 404/ });
  await page.getByText('This trace is not here').waitFor();
  const s = inTrace(TRACE_ID);
  await viewer.post(request(from(FLASK, scope, s({ id: 2, parent: 1, name: 'child', kind: 2 }))));
  await becomes(() => rowNames(page), ['child']);
  assert.equal(await page.locator('.row .tag').textContent(), 'parent missing');
  await viewer.post(request(from(BROWSER, scope, s({ id: 1, name: 'root', to: 50 }))));
  await becomes(() => rowNames(page), ['root', 'child']);
  assert.equal(await page.locator('.row .tag').count(), 0);
});

test('unfinished spans, missing parents and moved clocks are marked', async (t) => {
  const s = inTrace(TRACE_ID);
  const sent = [
    request(
      from(BROWSER, scope, s({ id: 1, name: 'page', to: 300 }), s({ id: 2, parent: 1, name: 'stream', from: 120, to: 300, attributes: { 'webspan.unfinished': true } })),
      from(FLASK, scope, s({ id: 3, parent: 1, name: 'skewed', kind: 2, from: -5000, to: -4900 }), s({ id: 4, parent: 99, name: 'orphan', kind: 2, from: 10, to: 20 })),
    ),
  ];
  const { page } = await open(t, { hash: `#/trace/${TRACE_ID}`, sent });
  await becomes(() => rowNames(page), ['page', 'skewed', 'stream', 'orphan']);
  const row = (name) => page.locator('.row', { has: page.locator('.name', { hasText: name }) });
  assert.equal(await row('stream').locator('.tag').textContent(), 'unfinished');
  assert.ok(await row('stream').locator('.bar.is-unfinished').isVisible());
  assert.equal(await row('orphan').locator('.tag').textContent(), 'parent missing');
  await row('skewed').click();
  await page.getByText('Shown 5.1 s later than it says').waitFor();
});

for (const [name, viewport] of Object.entries({ DESKTOP, PHONE })) {
  test(`nothing runs over the edge of the window (${name.toLowerCase()})`, async (t) => {
    const long = 'a-very-long-name-without-any-place-to-break-'.repeat(8);
    const wide = request(from({ 'service.name': long }, scope, inTrace('1'.repeat(32))({ id: 1, name: long, attributes: { [long]: long } })));
    const { page } = await open(t, { viewport, sent: [checkout(TRACE_ID, START_MS), wide] });
    for (const hash of ['#/', `#/trace/${TRACE_ID}`, `#/trace/${TRACE_ID}/span/${spanId(52)}`, `#/trace/${'1'.repeat(32)}/span/${spanId(1)}`]) {
      await page.evaluate((to) => (location.hash = to), hash);
      await page.locator(hash === '#/' ? '.trace-row' : '.row').first().waitFor();
      if (hash.includes('/span/')) await page.locator('.details h2').waitFor();
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.equal(overflow, 0, hash);
      if (hash.endsWith(spanId(52))) assert.ok(await page.locator('.row[aria-selected=true]').evaluate((row) => document.elementFromPoint(100, row.getBoundingClientRect().top + 12) !== null && row.contains(document.elementFromPoint(100, row.getBoundingClientRect().top + 12))), 'the selected row is not hidden');
    }
  });
}

test('a page that lost the viewer says so, and goes on when it is back', async (t) => {
  const { startViewer } = await import('../../dist/viewer/server.js');
  const first = await startViewer({ port: 0 });
  const page = await browser.newPage();
  t.after(() => page.close());
  await page.goto(first.url);
  await page.locator('.connection.live').waitFor();
  await first.close();
  await page.locator('.connection.lost').waitFor();
  const second = await startViewer({ port: Number(new URL(first.url).port) });
  t.after(() => second.close());
  await page.locator('.connection.live').waitFor();
});
