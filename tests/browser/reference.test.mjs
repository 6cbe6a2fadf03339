// All that one ordinary page gives, field by field, as the README's table says it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { projectDir } from '../../js/build/setup.mjs';
import { plain } from '../harness/receiver.mjs';
import { json, text, webspanPage } from '../harness/site.mjs';
import { stage } from './stage.mjs';

const [, chapter] = readFileSync(join(projectDir, 'README.md'), 'utf8').match(/\n## What a page's spans look like\n(.*?)\n## /s);
const codes = (cell) => [...cell.matchAll(/`([^`]*)`/g)].map(([, code]) => code);
/** What `*network*` and its like stand for: the list up to its first comma or full stop. */
const stands = Object.fromEntries([...chapter.matchAll(/^- \*(\w+)\*: ((?:`[^`]*` ?)+)/gm)].map(([, name, list]) => [name, codes(list)]));
const listed = (cell) => [...cell.matchAll(/`([^`]*)`|\*(\w+)\*/g)].flatMap(([, code, name]) => (name ? stands[name] : [code]));
const rows = [...chapter.matchAll(/^\| `(.*)\|$/gm)].map(([line]) => {
  const [, span, of, kind, below, attributes, events] = line.split('|').map((cell) => cell.trim());
  return { span: codes(span)[0], of: codes(of)[0] ?? '', kind, below: codes(below)[0] ?? '', attributes: listed(attributes).sort(), events: listed(events) };
});

test('the table of the README is what an ordinary page gives', async (t) => {
  assert.equal(rows.length, 13);
  const { page, receiver, site, pageErrors } = await stage(t, {
    options: { serviceName: 'another', instrumentations: {} },
    routes: {
      '/shop.css': text('body { color: black }', { headers: { 'Content-Type': 'text/css' } }),
      '/shop.js': text('console.assert(document)', { headers: { 'Content-Type': 'text/javascript' } }),
      '/logo.svg': text('<svg xmlns="http://www.w3.org/2000/svg"/>', { headers: { 'Content-Type': 'image/svg+xml' } }),
      '/api/cart': json({ items: 3 }),
      '/api/stock': json({ left: 5 }),
      'POST /api/orders': json({ id: 1 }, { status: 201 }),
      '/api/orders/1': json({ id: 1 }),
      '/api/missing': json({}, { status: 404 }),
      '/shop': (...exchange) =>
        webspanPage({ endpoint: receiver.url, batch: { scheduledDelayMillis: 50 } }, {
          head: '<link rel="stylesheet" href="/shop.css"><script src="/shop.js"></script>',
          body: `<h1>Shop</h1><img src="/logo.svg"><button>Order</button><script type="module">
            fetch('/api/cart').then((response) => response.text());
            document.querySelector('button').onclick = () => webspan.traced('order', (span) => {
              span.setAttribute('cart.items', 3);
              return fetch('/api/orders', { method: 'POST', body: '{}' }).then((response) => response.text());
            });
          </script>`,
        })(...exchange),
    },
  });
  const fresh = await page.context().newPage();
  fresh.on('pageerror', (error) => pageErrors.push(error.message));
  const came = (wanted) => receiver.waitForSpans(wanted);
  const pathOf = ({ attributes }) => {
    const url = plain(attributes)['url.full'];
    return url ? url.replace(site.origin, '') : '';
  };
  await fresh.goto(site.url('/shop'));
  await came(({ name }) => name === 'documentLoad');
  await came((span) => pathOf(span) === '/api/cart');
  await fresh.click('button');
  await came(({ name }) => name === 'order');
  await fresh.evaluate(() => new Promise((done) => {
    const xhr = new XMLHttpRequest();
    xhr.open('GET', '/api/stock');
    xhr.onloadend = done;
    xhr.send();
  }));
  await came((span) => pathOf(span) === '/api/stock');
  await fresh.evaluate(async () => {
    history.pushState(null, '', '/orders/1');
    await Promise.all(['/api/orders/1', '/api/missing'].map((url) => fetch(url).then((response) => response.text())));
    setTimeout(() => { throw new RangeError('nothing there'); });
  });
  await came(({ name }) => name === 'navigation');
  await came(({ name }) => name === 'exception');
  await delay(300);

  const spans = receiver.spans.filter((span) => span.resource['service.name'].string === 'unknown_service' && pathOf(span) !== '/favicon.ico' && !pathOf(span).startsWith('/dist/'));
  const given = spans.map((span) => {
    const attributes = plain(span.attributes);
    return {
      span: span.name,
      of: pathOf(span),
      kind: span.kind,
      below: spans.find(({ spanId, traceId }) => spanId === span.parentSpanId && traceId === span.traceId)?.name ?? span.parentSpanId,
      attributes: Object.entries(attributes).map(([key, value]) => `${key}=${value}`),
      events: span.events.map(({ name }) => name),
    };
  });
  const key = ({ span, of }) => `${span} ${of}`;
  assert.deepEqual(given.map(key).sort(), rows.map(key).sort());
  for (const row of rows) {
    const one = given.find((span) => key(span) === key(row));
    // Where the table names no value, any will do.
    const named = one.attributes.map((text) => (row.attributes.includes(text) ? text : text.replace(/=.*/s, ''))).sort();
    assert.deepEqual({ ...one, attributes: named }, row, key(row));
  }
  const traces = new Map(spans.map((span) => [span.traceId, spans.filter(({ traceId }) => traceId === span.traceId).length]));
  assert.deepEqual([...traces.values()].sort(), [1, 2, 4, 6], 'the stock; the order; the route; the load');
  const [exception] = spans.find(({ name }) => name === 'exception').events;
  const { 'exception.stacktrace': stack, ...rest } = plain(exception.attributes);
  assert.deepEqual(rest, { 'exception.type': 'RangeError', 'exception.message': 'nothing there' });
  assert.match(stack, /^RangeError: nothing there\n/);
  const statuses = spans.filter(({ status }) => status.code !== 'UNSET').map((span) => [span.name, pathOf(span), span.status]);
  assert.deepEqual(statuses.sort(), [['GET', '/api/missing', { code: 'ERROR', message: '' }], ['exception', '', { code: 'ERROR', message: 'nothing there' }]]);
  assert.deepEqual(pageErrors, ['nothing there']);
});
