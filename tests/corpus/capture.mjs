// The spans that the core's deflate is trained on and judged by: request bodies as real pages send them, captured with Chromium.
// `node tests/corpus/capture.mjs [TEXT]` writes them anew, or those with TEXT in their name, from dist/. Then train again: see tests/corpus/train.rs.
//
// Two sites that have little in common but webspan: the code lengths are trained on the shop, and the news show what they are worth to others.

import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { launchBrowser, openPage } from '../harness/browser.mjs';
import { startReceiver } from '../harness/receiver.mjs';
import { json, startSite, text, webspanPage } from '../harness/site.mjs';

/** One request, when it is asked for. */
const options = (endpoint) => ({
  endpoint,
  compression: 'none',
  batch: { maxExportBatchSize: 2048, scheduledDelayMillis: 1_000_000 },
  limits: { spansPerMinute: 1_000_000 },
});

/** As bundlers name files. */
const hashed = (index) => createHash('sha1').update(String(index)).digest('base64url').slice(0, 8);

const SITES = {
  shop: {
    host: 'shop.example.com',
    cdn: 'cdn.shop-static.example.com',
    api: 'api.shop.example.com',
    init: { serviceName: 'shop-web', serviceVersion: '2024.11.3', resourceAttributes: { 'deployment.environment.name': 'production' } },
    resources: (index) =>
      [`/assets/chunk-${hashed(index)}.js`, `/assets/${['cart', 'search', 'header', 'footer'][index % 4]}-${hashed(index)}.css`, `/images/products/${4711 + index * 37}/400x300.webp?v=${index}`][index % 3],
    request: (random, hex) => [
      `/api/v2/customers/${hex(8)}-${hex(4)}-${hex(4)}-${hex(4)}-${hex(12)}/orders/${hex(16)}?include=items,shipping&page=2`,
      `/api/v2/products/${random(10)}/recommendations?limit=24&locale=de-DE&experiment=${random(16)}&ref=checkout`,
      `/api/v2/carts/${hex(32)}/items/${hex(8)}/availability?warehouse=north&postcode=10115`,
    ],
    apiRequest: (hex) => [
      `/v2/customers/${hex(32)}/orders/${hex(14)}?page=2`,
      `/v2/baskets/${hex(8)}-${hex(4)}-${hex(4)}-${hex(4)}-${hex(12)}/items/${hex(24)}`,
    ],
    spans: [
      ['checkout', { 'app.page': '/cart/checkout', 'app.component': 'PaymentForm', 'enduser.role': 'customer', 'app.payment.method': 'credit_card', 'app.cart.items': 3, 'app.cart.total': 129.95 }],
      ['render product list', { 'app.page': '/category/möbel', 'app.component': 'ProductGrid', 'app.list.title': 'Möbel für Küche und Garten – Größe XL', 'app.list.rows': 48, 'app.cached': true }],
      ['search', { 'app.query': 'écran 27″ 4K', 'app.results': 112, 'app.filters': ['brand', 'price', 'delivery'], 'app.locale': 'fr-FR' }],
    ],
  },
  news: {
    host: 'www.news.example.com',
    cdn: 'media.example.com',
    api: 'gateway.example.com',
    init: { serviceName: 'frontpage', serviceVersion: 'v118-4e1f', resourceAttributes: { 'deployment.environment.name': 'staging', 'team.name': 'audience' } },
    resources: (index) =>
      [`/_next/static/chunks/${index * 13}-${hashed(index)}.js`, `/photos/2024/11/${10 + (index % 20)}/${hashed(index)}/headline_${index}.jpg?w=640&q=75`, `/_next/static/css/${hashed(index)}.css`, `/fonts/serif-${index}.woff2`][index % 4],
    request: (random, hex) => [
      `/graphql?operationName=ArticleTeasers&variables=%7B%22section%22%3A%22${random(6)}%22%2C%22first%22%3A20%7D&hash=${hex(32)}`,
      `/content/stories/${hex(8)}-${hex(4)}-${hex(4)}-${hex(12)}/comments?sort=newest&cursor=${random(28)}&reader=${random(10)}`,
      `/telemetry/reader/${random(36)}/scroll-depth?story=${random(9)}&edition=international`,
    ],
    apiRequest: (hex) => [
      `/v1/readers/${hex(8)}-${hex(4)}-${hex(4)}-${hex(4)}-${hex(12)}/history/${hex(16)}?limit=20`,
      `/v1/articles/${hex(24)}/related?session=${hex(32)}`,
    ],
    spans: [
      ['hydrate', { 'ui.island': 'LiveTicker', 'ui.nodes': 1840, 'ui.ms': 12.25 }],
      ['記事を読む', { 'story.title': '世界の天気:明日は晴れのち曇り', 'story.section': '国際', 'story.words': 812, 'reader.subscribed': false }],
      ['ad auction', { 'ad.slot': 'billboard-top', 'ad.bidders': ['a9', 'rubicon', 'index'], 'ad.price_cpm': 1.85, 'ad.winner': 'rubicon', 'ad.timed_out': false }],
    ],
  },
};

/** Text by chance, as ids are made of. */
const drawn = (characters) => (length) => Array.from({ length }, () => characters[Math.floor(Math.random() * characters.length)]).join('');
const random = drawn('abcdefghijklmnopqrstuvwxyz0123456789');
const hex = drawn('0123456789abcdef');

/** A page with so many subresources, some of them from another host. */
const pageLoad = (count) => ({ site, cdn }) => {
  const tags = Array.from({ length: count }, (_, index) => {
    const path = site.resources(index);
    const url = index % 3 ? path : cdn + path;
    if (/\.js/.test(path)) return `<script src="${url}" async></script>`;
    if (/\.css/.test(path)) return `<link rel="stylesheet" href="${url}">`;
    if (/\.woff2/.test(path)) return `<link rel="preload" as="font" crossorigin href="${url}">`;
    return `<img src="${url}" alt="">`;
  });
  return { body: tags.join('\n'), visit: () => new Promise((resolve) => setTimeout(resolve, 300)) };
};

/** Requests to the page's own origin. */
const requests = (count) => ({ site }) => requestsTo(Array.from({ length: count }, (_, index) => site.request(random, hex)[index % 3]));

/** Requests to another origin, by ids: of such a request browsers tell no times, so that its span is little more than its URL. */
const apiRequests = (count) => ({ site }) => requestsTo(Array.from({ length: count }, (_, index) => `http://${site.api}${site.apiRequest(hex)[index % 2]}`));

const requestsTo = (urls) => ({
  body: '',
  args: urls,
  visit: async (urls) => {
    const byXhr = (url) =>
      new Promise((resolve) => {
        const xhr = new XMLHttpRequest();
        xhr.open('GET', url);
        xhr.onloadend = resolve;
        xhr.send();
      });
    const byFetch = async (url) => (await fetch(url, { method: url.length % 4 ? 'GET' : 'POST' })).text();
    let next = 0;
    const oneByOne = async () => {
      while (next < urls.length) await (next % 5 ? byFetch : byXhr)(urls[next++]);
    };
    await Promise.all([oneByOne(), oneByOne(), oneByOne(), oneByOne()]);
    await new Promise((resolve) => setTimeout(resolve, 500));
  },
});

const manual = (count) => ({ site }) => ({
  body: '',
  args: { count, spans: site.spans },
  visit: async ({ count, spans }) => {
    const { tracer } = window.instance;
    for (let index = 0; index < count; index++) {
      const [name, attributes] = spans[index % spans.length];
      tracer.startActiveSpan(name, { attributes }, (span) => {
        span.setAttribute('app.sequence', index * 7);
        if (index % 4 === 0) span.addEvent('accepted', { attempt: index % 3 });
        if (index % 9 === 0) {
          span.recordException(new RangeError(`Zahl ${index} außerhalb des Bereichs`));
          span.setStatus({ code: 2, message: 'außerhalb' });
        }
        window.instance.tracer.startSpan(`${name}: step ${index % 5}`).end();
        span.end();
      });
      if (index % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 3));
    }
  },
});

const VISITS = { 'page-load-20': pageLoad(20), 'page-load-60': pageLoad(60), requests: requests(120), 'api-requests': apiRequests(240), manual: manual(60) };

async function capture(name, site, prepare) {
  const receiver = await startReceiver();
  const { body, visit, args } = prepare({ site, cdn: `http://${site.cdn}` });
  const any = (request, response) => (/\.(js|css)$/.test(request.path) ? text('/* */')(request, response) : json({ ok: true, items: [] })(request, response));
  const server = await startSite({
    headers: { 'Timing-Allow-Origin': '*', 'Access-Control-Allow-Origin': '*' },
    routes: { '/*': any, '/start': webspanPage({ ...site.init, ...options(receiver.url) }, { body }) },
  });
  const api = await startSite({ headers: { 'Access-Control-Allow-Origin': '*' }, routes: { '/*': any } });
  const browser = await launchBrowser({ args: [`--host-resolver-rules=MAP ${site.api} 127.0.0.1:${api.port}, MAP *.example.com 127.0.0.1:${server.port}`] });
  try {
    const { page } = await openPage(await browser.newContext(), `http://${site.host}/start`);
    await page.evaluate(visit, args);
    await page.evaluate(() => window.instance.flush());
    await receiver.waitForSpans(1);
    const [{ body: captured, spans }] = receiver.requests;
    writeFileSync(join(import.meta.dirname, `${name}.bin`), captured);
    console.log(`${name}: ${spans.length} spans, ${captured.length} bytes, ${(captured.length / spans.length).toFixed(0)} each`);
  } finally {
    await browser.close();
    await server.close();
    await api.close();
    await receiver.close();
  }
}

const [wanted = ''] = process.argv.slice(2);
for (const [siteName, site] of Object.entries(SITES)) {
  for (const [visit, prepare] of Object.entries(VISITS)) {
    const name = `${siteName}-${visit}`;
    if (name.includes(wanted)) await capture(name, site, prepare);
  }
}
