// Compressed requests of a page and a real Collector, in the three ways in which its CORS is found.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { ensureCollector } from '../../js/build/setup.mjs';
import { launchBrowser, openPage } from '../harness/browser.mjs';
import { startSite, webspanPage } from '../harness/site.mjs';
import { startCollector } from './collector.mjs';

const skip = ensureCollector() === null && 'there is no Go to build a Collector with';
const allowedOrigins = ['http://127.0.0.1:*'];
const quiet = { fetch: false, xhr: false, documentLoad: false, navigation: false, errors: false };

describe('compressed, to a Collector', { skip }, () => {
  let browser;
  after(() => browser?.close());

  async function delivered(t, cors, compression) {
    const collector = await startCollector({ cors });
    const site = await startSite({
      routes: {
        '/': webspanPage({
          endpoint: collector.endpoint,
          compression,
          instrumentations: quiet,
          retry: { initialMillis: 50, maxElapsedMillis: 500 },
          onError: (error) => (window.told ??= []).push(error.message),
        }),
      },
    });
    browser ??= await launchBrowser();
    const context = await browser.newContext();
    t.after(async () => {
      await context.close();
      await site.close();
      await collector.stop();
    });
    const { page, complaints } = await openPage(context, site.url('/'));
    await page.evaluate(async () => {
      for (let index = 0; index < 300; index++) window.instance.tracer.startSpan(`span ${index}`, { attributes: { index } }).end();
      await window.instance.flush();
    });
    const { stats, told } = await page.evaluate(() => ({ stats: window.instance.stats(), told: window.told ?? [] }));
    return { collector, stats, told, complaints: complaints() };
  }

  test('whose CORS has both headers: compressed it is, and nothing is complained about', async (t) => {
    const cors = { allowedOrigins, allowedHeaders: ['Content-Type', 'Content-Encoding'] };
    const { collector, stats, told, complaints } = await delivered(t, cors, 'gzip');
    const spans = await collector.waitForSpans(300);
    assert.equal(new Set(spans.map(({ name }) => name)).size, 300);
    assert.deepEqual([stats.delivered, told, complaints], [300, [], []]);
  });

  test('whose CORS has the origin alone: all arrives, and what it lacks is told', async (t) => {
    const { collector, stats, told } = await delivered(t, { allowedOrigins }, 'gzip');
    await collector.waitForSpans(300);
    assert.equal(stats.delivered, 300);
    assert.match(told.join('\n'), /^webspan: [^\n]*'Content-Encoding'[^\n]*$/);
  });

  test('whose CORS has lost Content-Type: no way in, and nobody blames the compression', async (t) => {
    const { stats, told } = await delivered(t, { allowedOrigins, allowedHeaders: ['Content-Encoding'] }, 'gzip');
    assert.equal(stats.delivered, 0);
    assert.equal(stats.queued + stats.inFlight + stats.dropped.expired, 300);
    assert.ok(!told.some((message) => message.includes('Content-Encoding')), told.join('\n'));
  });

  test('whose CORS has the origin alone, by default: raw, and no preflight is refused', async (t) => {
    const { collector, stats, told, complaints } = await delivered(t, { allowedOrigins }, 'auto');
    await collector.waitForSpans(300);
    assert.deepEqual([stats.delivered, told, complaints], [300, [], []]);
  });
});
