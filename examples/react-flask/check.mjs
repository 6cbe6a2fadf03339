import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import { chromium } from 'playwright-core';
import { addToCart, browserArguments, openProduct, openShop, pay } from './customer.mjs';
import { differences, printTree, treeOf } from './trace.mjs';

const stepTimeoutMs = 20_000; // the first one waits until Vite has bundled React
const arrivalTimeoutMs = 20_000; // the page's batch goes out after five seconds
const pollMs = 200;

const askStock = {
  service: 'shop-api', kind: 'CLIENT', name: 'GET',
  children: [{ service: 'shop-stock', kind: 'SERVER', name: 'GET', attributes: { 'http.response.status_code': 200 } }],
};
const readPrices = { service: 'shop-api', kind: 'CLIENT', name: 'SELECT', attributes: { 'db.system.name': 'sqlite' } };
const writeOrder = { service: 'shop-api', kind: 'CLIENT', name: 'INSERT', attributes: { 'db.system.name': 'sqlite' } };

const readShelf = { service: 'shop-api', kind: 'CLIENT', name: 'SELECT', attributes: { 'db.system.name': 'sqlite' } };

/** The first page: its document, its scripts, and what it asks the API for while it loads. */
const pageLoad = {
  service: 'shop-web', kind: 'INTERNAL', name: 'documentLoad',
  attributes: { 'browser.navigation.type': 'navigate' },
  events: ['fetchStart', 'domComplete', 'loadEventEnd'],
  children: [
    { service: 'shop-web', kind: 'INTERNAL', name: 'documentFetch', attributes: { 'http.response.status_code': 200 } },
    { service: 'shop-web', kind: 'INTERNAL', name: 'resourceFetch', attributes: { 'browser.resource_timing.initiator_type': 'script' } },
    {
      service: 'shop-web', kind: 'CLIENT', name: 'GET',
      children: [{ service: 'shop-api', kind: 'SERVER', name: 'GET /products', children: [readShelf] }],
    },
  ],
};

/** From the list to a product: one request by fetch, and one by XMLHttpRequest. */
const routeChange = {
  service: 'shop-web', kind: 'INTERNAL', name: 'navigation',
  attributes: { 'browser.navigation.type': 'push', 'browser.navigation.same_document': true },
  children: [
    {
      service: 'shop-web', kind: 'CLIENT', name: 'GET', scope: 'webspan/fetch',
      children: [{ service: 'shop-api', kind: 'SERVER', name: 'GET /products/<sku>', children: [readShelf, askStock] }],
    },
    {
      service: 'shop-web', kind: 'CLIENT', name: 'GET', scope: 'webspan/xhr',
      children: [{ service: 'shop-api', kind: 'SERVER', name: 'GET /products/<sku>/related', children: [readShelf] }],
    },
  ],
};

/** A cart of two star maps at 18.50 €. */
const paidCheckout = {
  service: 'shop-web', kind: 'INTERNAL', name: 'checkout',
  attributes: { 'shop.cart.items': 2, 'shop.cart.total_cents': 3700 },
  events: ['order placed'],
  children: [{
    service: 'shop-web', kind: 'CLIENT', name: 'POST',
    attributes: { 'http.request.method': 'POST', 'http.response.status_code': 201 },
    children: [{
      service: 'shop-api', kind: 'SERVER', name: 'POST /checkout',
      attributes: { 'http.response.status_code': 201 },
      children: [
        readPrices,
        askStock,
        {
          service: 'shop-api', kind: 'INTERNAL', name: 'charge card',
          attributes: { 'shop.payment.amount_cents': 3700 },
          events: ['card authorised'],
        },
        writeOrder,
        writeOrder,
      ],
    }],
  }],
};

/** A cart of one climbing rope at 89.90 €, and a payment that is slow and fails. */
const failedCheckout = {
  service: 'shop-web', kind: 'INTERNAL', name: 'checkout', status: 'ERROR',
  attributes: { 'shop.cart.items': 1, 'shop.cart.total_cents': 8990 },
  events: ['exception'],
  children: [{
    service: 'shop-web', kind: 'CLIENT', name: 'POST', status: 'ERROR',
    attributes: { 'http.request.method': 'POST', 'http.response.status_code': 500, 'error.type': '500' },
    children: [{
      service: 'shop-api', kind: 'SERVER', name: 'POST /checkout', status: 'ERROR',
      attributes: { 'http.response.status_code': 500 },
      children: [
        readPrices,
        askStock,
        { service: 'shop-api', kind: 'INTERNAL', name: 'charge card', status: 'ERROR', events: ['exception'] },
      ],
    }],
  }],
};

/** Looks around, buys twice, once in vain, and compares the traces with what they must be. Prints what it finds; gives whether all is well. */
export async function checkShop(shop, { executablePath, screenshotDir }) {
  const browser = await chromium.launch({ executablePath, args: browserArguments });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    page.setDefaultTimeout(stepTimeoutMs);
    const shoot = async (name) => {
      if (screenshotDir !== undefined) await page.screenshot({ path: join(screenshotDir, `${name}.png`) });
    };
    const complaints = collectComplaints(page);
    const problems = [];
    try {
      const { paidTraceId, failedTraceId } = await shopTwice(page, shop.pageUrl, shoot);
      const loadTraceId = await findTrace(shop.viewerUrl, 'documentLoad', `${shop.pageUrl}/`);
      const routeTraceId = await findTrace(shop.viewerUrl, 'navigation', `${shop.pageUrl}/products/map`);
      problems.push(...(await checkTrace(shop.viewerUrl, 'The page load', loadTraceId, pageLoad)));
      problems.push(...(await checkTrace(shop.viewerUrl, 'A route change', routeTraceId, routeChange)));
      problems.push(...(await checkTrace(shop.viewerUrl, 'A paid checkout', paidTraceId, paidCheckout)));
      problems.push(...(await checkTrace(shop.viewerUrl, 'A failed checkout', failedTraceId, failedCheckout)));
      if (screenshotDir !== undefined) {
        // The page load is long: its end, with what the page asks the API for.
        await page.setViewportSize({ width: 1280, height: 560 });
        await shootTrace(page, shop.viewerUrl, loadTraceId, () => page.mouse.wheel(0, 10_000).then(() => sleep(pollMs)).then(() => shoot('trace-load')));
        await page.setViewportSize({ width: 1280, height: 480 });
        await shootTrace(page, shop.viewerUrl, routeTraceId, () => shoot('trace-route'));
        await shootTrace(page, shop.viewerUrl, paidTraceId, () => shoot('trace'));
        await shootTrace(page, shop.viewerUrl, failedTraceId, () => shoot('trace-failed'));
        console.log(`Pictures are in ${screenshotDir}.`);
      }
    } catch (error) {
      problems.push(`The browser got stuck: ${stripVTControlCharacters(error.message).trim()}`);
    }
    problems.push(...unexpected(complaints));

    if (problems.length === 0) {
      console.log('The demo is in order: every trace runs from the page to the database.');
    } else {
      console.error(`What is missing or wrong:\n${problems.map((problem) => `- ${problem}`).join('\n')}\n\n${shop.lastLines()}`);
    }
    return problems.length === 0;
  } finally {
    await browser.close();
  }
}

async function shopTwice(page, pageUrl, shoot) {
  await openShop(page, pageUrl);
  await shoot('shop');
  await openProduct(page, 'Star map');
  await addToCart(page, 2);
  await shoot('product');
  await pay(page, { delayMs: 0, fail: false });
  const paidTraceId = await shownTraceId(page);
  await shoot('paid');

  await openProduct(page, 'Climbing rope');
  await addToCart(page, 1);
  await pay(page, { delayMs: 500, fail: true });
  const failedTraceId = await shownTraceId(page);
  await shoot('failed');
  return { paidTraceId, failedTraceId };
}

/** The trace that the page links to under the receipt. */
async function shownTraceId(page) {
  const href = await page.getByRole('link', { name: /what happened/ }).getAttribute('href');
  return /#\/trace\/([0-9a-f]{32})$/.exec(href)[1];
}

async function shootTrace(page, viewerUrl, traceId, shoot) {
  await page.goto(`${viewerUrl}/#/trace/${traceId}`);
  await page.getByText('shop-api').first().waitFor();
  await shoot();
}

/** The trace of a span of the page's own, by its name and URL; it goes out with the page's next batch. */
async function findTrace(viewerUrl, name, url) {
  const query = new URLSearchParams({ service: 'shop-web', name, attribute: `url.full=${url}` });
  const deadlineMs = Date.now() + arrivalTimeoutMs;
  while (Date.now() < deadlineMs) {
    const response = await fetch(`${viewerUrl}/api/traces?${query}`);
    const [found] = await response.json();
    if (found !== undefined) return found.traceId;
    await sleep(pollMs);
  }
  throw new Error(`No trace with a span '${name}' of ${url} has arrived.`);
}

/** Waits until the trace is what it must be, or no longer; prints it as it then is. */
async function checkTrace(viewerUrl, title, traceId, expected) {
  const deadlineMs = Date.now() + arrivalTimeoutMs;
  let roots;
  let problems;
  do {
    await sleep(pollMs);
    roots = await readTree(viewerUrl, traceId);
    problems = differences(roots, expected);
  } while (problems.length > 0 && Date.now() < deadlineMs);

  console.log(`${title}, trace ${traceId}`);
  if (roots.length > 0) printTree(roots);
  console.log();
  return problems.map((problem) => `${title}: ${problem}`);
}

async function readTree(viewerUrl, traceId) {
  const response = await fetch(`${viewerUrl}/api/traces/${traceId}`);
  if (response.status === 404) return []; // nothing of it has arrived
  if (!response.ok) throw new Error(`The viewer answered ${response.status} to GET /api/traces/${traceId}.`);
  return treeOf(await response.json());
}

/** What the page's console says in red, and exceptions that nobody caught. */
function collectComplaints(page) {
  const complaints = [];
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push({ text: message.text(), url: message.location().url });
  });
  page.on('pageerror', (error) => complaints.push({ text: String(error), url: '' }));
  return complaints;
}

/** The browser itself reports the one request that fails on purpose; it may say nothing else. */
function unexpected(complaints) {
  const onPurpose = complaints.filter(({ url, text }) => url.endsWith('/checkout?delay=500&fail=1') && text.includes('status of 500'));
  const problems = complaints
    .filter((complaint) => !onPurpose.includes(complaint))
    .map(({ text, url }) => `The page's console: ${text}${url && ` (${url})`}`);
  if (onPurpose.length !== 1) problems.push(`The page's console: the failed checkout was reported ${onPurpose.length} times, not once`);
  return problems;
}
