// Spans that wait when the page is left, in every way that a page is left: how many arrive? The collector is on another origin and the
// browser remembers no preflight.

import { setTimeout as delay } from 'node:timers/promises';
import { all } from '../limits.mjs';

/** No browser lets a request that outlives its page run longer without a sign of life. */
const LONGEST_WAIT_MS = 4000;

/** How to leave `page` for `elsewhere`; returns when it is left. */
const WAYS = {
  'location.href': (page, elsewhere) => navigated(page, (url) => void (location.href = url), elsewhere),
  'location.replace': (page, elsewhere) => navigated(page, (url) => void location.replace(url), elsewhere),
  link: (page, elsewhere) => navigated(page, (url) => Object.assign(document.createElement('a'), { href: url }).click(), elsewhere),
  'same origin': (page) => navigated(page, () => void (location.href = '/?next')),
  reload: (page) => navigated(page, () => void location.reload()),
  'about:blank': (page) => page.goto('about:blank'),
  'closed tab': (page) => page.close(),
  'tab hidden, then closed': async (page) => {
    await (await page.browserContext().newPage()).bringToFront();
    await page.close();
  },
};

/** The next page of the benchmark hides this one, which would be another way of leaving it: until then this one has to be gone. */
const navigated = (page, leave, ...args) => Promise.all([page.waitForNavigation({ waitUntil: 'domcontentloaded' }), page.evaluate(leave, ...args)]);

const options = { waits: true };

async function deliveredOf(page, spans) {
  const { lab } = page;
  const left = [];
  for (const [way, leave] of Object.entries(WAYS)) {
    const opened = await lab.openPage(page.variant);
    const context = opened.page.browserContext();
    await opened.start();
    await opened.call('makeSmallSpans', spans);
    // Another site, and with it another process: the collector's origin would not do.
    await leave(opened.page, lab.site.url('/').replace('127.0.0.1', 'localhost'));
    left.push({ way, opened, context });
  }
  const deadlineMs = performance.now() + LONGEST_WAIT_MS;
  while (performance.now() < deadlineMs && left.some(({ opened }) => opened.spansDelivered() < spans)) await delay(100);

  const counts = left.map(({ way, opened }) => ({ way, delivered: opened.spansDelivered() }));
  const wrong = counts.filter(({ delivered }) => delivered !== spans);
  for (const { context } of left) await context.close();
  const notes = wrong.map(({ way, delivered }) => `${way}: ${delivered} of ${spans}`);
  return { delivered: wrong.length > 0 ? Math.min(...wrong.map(({ delivered }) => delivered)) : spans, notes };
}

export default {
  rounds: 1,
  lab: { bfcache: false },
  variants: {
    'OpenTelemetry JS': { sdk: 'opentelemetry-json', options },
    'OpenTelemetry JS, protobuf': { sdk: 'opentelemetry-protobuf', options },
    webspan: { sdk: 'webspan', options },
  },
  async measure(page) {
    const of100 = await deliveredOf(page, 100);
    const of500 = await deliveredOf(page, 500);
    return { of100: of100.delivered, of500: of500.delivered, notes: [...of100.notes, ...of500.notes] };
  },
  figures: {
    of100: { row: 'page left, cross-origin collector, no cached preflight: delivered of 100 small spans, any way', unit: 'spans', limit: all(100) },
    of500: { row: 'page left, cross-origin collector, no cached preflight: delivered of 500 small spans, any way', unit: 'spans', limit: all(500) },
  },
};
