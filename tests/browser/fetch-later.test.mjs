// What the browser sends by itself once the page is gone: after a crash, at the page's end, and when the page comes back after all.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { endRequestSpan } from '../harness/request-span.mjs';
import { stage } from './stage.mjs';

/** Nothing leaves by itself as long as a test runs. */
const late = { batch: { scheduledDelayMillis: 600_000, maxExportBatchSize: 2000 } };

/** Runs before webspan is loaded: `window.deferrals` says what it defers, and what it takes back. */
const watched = {
  head: `<script>
    const own = window.fetchLater;
    window.deferrals = [];
    window.fetchLater = (url, init) => {
      const result = own(url, init);
      const deferral = { atMs: performance.now(), bytes: init.body.length, takenBack: false };
      window.deferrals.push(deferral);
      init.signal.addEventListener('abort', () => (deferral.takenBack = true));
      return result;
    };
  </script>`,
};

const deferrals = (page) => page.evaluate(() => window.deferrals);
const untilDeferred = (page, count = 1) => page.waitForFunction((count) => window.deferrals.length >= count, count);
const stats = (page) => page.evaluate(() => window.instance.stats());
const end = (page, ...names) => page.evaluate((names) => names.forEach((name) => window.instance.tracer.startSpan(name).end()), names);
const namesOf = (spans) => spans.map(({ name }) => name).sort();

const endRequests = (page, count) => page.evaluate(`for (let index = 0; index < ${count}; index++) (${endRequestSpan})(window.instance.tracer, index)`);

/** Not awaited: nobody answers for a page that is gone. */
async function crash(page) {
  const cdp = await page.context().newCDPSession(page);
  const crashed = new Promise((resolve) => page.once('crash', resolve));
  cdp.send('Page.crash').catch(() => {});
  await crashed;
}

test('spans that ended more than a second before a crash arrive, once', async (t) => {
  const { page, receiver } = await stage(t, { options: late, content: watched });
  await end(page, 'a', 'b');
  await untilDeferred(page);
  await end(page, 'c');
  await untilDeferred(page, 2);
  await crash(page);
  await receiver.waitForSpans(3);
  await delay(500);
  assert.deepEqual(namesOf(receiver.spans), ['a', 'b', 'c']);
  assert.equal(receiver.requests.length, 1);
});

test('what was sent and not answered arrives after a crash too', async (t) => {
  const { page, receiver } = await stage(t, { options: late, content: watched, receiver: { answers: [{ hang: true }] } });
  await end(page, 'a');
  page.evaluate(() => window.instance.flush()).catch(() => {});
  await receiver.waitUntil(() => receiver.requests.length === 1);
  await untilDeferred(page);
  await crash(page);
  await receiver.waitForSpans(1);
  assert.deepEqual(namesOf(receiver.spans), ['a']);
});

test('it changes once a second at most, and not without a reason', async (t) => {
  const { page } = await stage(t, { options: late, content: watched });
  await page.evaluate(async () => {
    const startMs = performance.now();
    while (performance.now() - startMs < 3000) {
      window.instance.tracer.startSpan('again').end();
      window.lastMs = performance.now();
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
  });
  await page.waitForFunction(() => window.deferrals.at(-1)?.atMs > window.lastMs);
  const before = await deferrals(page);
  assert.ok(before.length >= 2);
  for (const [index, { atMs }] of before.slice(1).entries()) assert.ok(atMs - before[index].atMs >= 999, `${atMs - before[index].atMs} ms`);
  assert.ok(before.slice(0, -1).every(({ takenBack }) => takenBack));
  await delay(2500);
  assert.deepEqual(await deferrals(page), before);
});

test('what is acknowledged is taken back, and nothing of it leaves with the page', async (t) => {
  const { page, receiver, flush } = await stage(t, { options: late, content: watched });
  await end(page, 'a');
  await untilDeferred(page);
  await flush();
  assert.deepEqual((await deferrals(page)).map(({ takenBack }) => takenBack), [true]);
  await crash(page);
  await delay(500);
  assert.equal(receiver.requests.length, 1);
});

for (const [browser, has, least] of [['a browser that has fetchLater', true, 185], ['one that has not', false, 88]]) {
  test(`of 290 requests that wait ${least} leave with the page in ${browser}`, async (t) => {
    const { page, receiver } = await stage(t, { options: late, content: has ? watched : { head: '<script>delete window.fetchLater</script>' } });
    await endRequests(page, 290);
    page.evaluate(() => (location.href = '/elsewhere')).catch(() => {});
    await receiver.waitForSpans(least);
    await delay(300);
    assert.ok(has || receiver.spans.length < 110, `${receiver.spans.length} spans, in 40 KiB`);
    assert.equal(new Set(receiver.spans.map(({ spanId }) => spanId)).size, receiver.spans.length, 'none twice');
    assert.ok(receiver.requests.every(({ headers }) => !headers['content-encoding']));
  });
}

test('what left with a page that comes back is not sent again, and not called delivered', async (t) => {
  const { page, site, receiver } = await stage(t, { options: late, content: watched, bfcache: true });
  await endRequests(page, 185);
  await untilDeferred(page);
  await page.evaluate(() => addEventListener('pageshow', ({ persisted }) => (window.back = persisted)));
  await page.goto(site.url('/elsewhere'));
  await receiver.waitForSpans(185);
  page.evaluate(() => history.back()).catch(() => {});
  await page.waitForFunction(() => window.back);
  await page.evaluate(() => window.instance.flush());
  const { ended, delivered, unacknowledged, queued, inFlight, dropped } = await stats(page);
  assert.ok(unacknowledged >= 120, `${unacknowledged} are not known to be delivered`);
  assert.deepEqual({ ended, sum: delivered + unacknowledged, queued, inFlight, refused: dropped.refused }, { ended: 185, sum: 185, queued: 0, inFlight: 0, refused: 0 });
  assert.equal(receiver.spans.length, 185);
  const before = (await deferrals(page)).length;
  await end(page, 'after');
  await untilDeferred(page, before + 1);
  await crash(page);
  await receiver.waitForSpans(186);
  assert.equal(new Set(receiver.spans.map(({ spanId }) => spanId)).size, 186);
});

const denials = [
  ['a permission policy', { headers: { 'Permissions-Policy': 'deferred-fetch=()' } }],
  ['a fetchLater that throws', { head: "<script>window.fetchLater = () => { window.asked = true; throw new TypeError('no'); }</script>" }],
];
for (const [name, content] of denials) {
  test(`${name} takes nothing but that away, and nobody is told`, async (t) => {
    const { page, receiver, complaints, consoleWarnings, flush } = await stage(t, { options: late, content });
    await endRequests(page, 200);
    if (content.head) await page.waitForFunction(() => window.asked);
    else await delay(1500);
    assert.equal((await stats(page)).queued, 200);
    await flush();
    assert.equal(receiver.spans.length, 200);
    await end(page, 'last');
    page.evaluate(() => (location.href = '/elsewhere')).catch(() => {});
    await receiver.waitForSpans((span) => span.name === 'last');
    assert.deepEqual([...complaints(), ...consoleWarnings], []);
  });
}

test('where the page has used most of the quota, the rest is used', async (t) => {
  const { page, receiver } = await stage(t, { options: late, content: watched });
  await page.evaluate((url) => {
    window.mine = new AbortController();
    window.fetchLater(url, { method: 'POST', body: new Uint8Array(40_000), signal: window.mine.signal });
    window.deferrals = [];
  }, `${receiver.url}/mine`);
  await endRequests(page, 100);
  await untilDeferred(page);
  const [{ bytes }] = await deferrals(page);
  assert.ok(bytes <= 15_360 && bytes > 14_000, `${bytes} bytes`);
  await page.evaluate(() => window.mine.abort());
});

test('nothing is deferred while the user has not consented, and nothing stays so when the answer is no', async (t) => {
  const { page, receiver } = await stage(t, { options: { ...late, consent: 'pending' }, content: watched });
  await end(page, 'a');
  await delay(1500);
  assert.deepEqual(await deferrals(page), []);
  await page.evaluate(() => window.instance.setConsent(true));
  await untilDeferred(page);
  await page.evaluate(() => window.instance.setConsent(false));
  assert.ok((await deferrals(page)).every(({ takenBack }) => takenBack));
  await crash(page);
  await delay(500);
  assert.equal(receiver.requests.length, 0);
});

test('it has the headers that were given last, and waits for the first', async (t) => {
  const { page, receiver, flush } = await stage(t, { options: { ...late, headers: async () => ({ authorization: 'Bearer 1' }) }, content: watched });
  await end(page, 'a');
  await delay(1500);
  assert.deepEqual(await deferrals(page), [], 'no header is known so far');
  await flush();
  await end(page, 'b');
  await untilDeferred(page);
  await crash(page);
  await receiver.waitForSpans(2);
  assert.deepEqual(receiver.requests.map(({ headers }) => headers.authorization), ['Bearer 1', 'Bearer 1']);
});

test('OTLP/JSON stays OTLP/JSON', async (t) => {
  const { page, receiver } = await stage(t, { options: { ...late, protocol: 'http/json' }, content: watched });
  await endRequests(page, 150);
  await untilDeferred(page);
  await crash(page);
  await receiver.waitForSpans(20);
  assert.equal(receiver.requests[0].headers['content-type'], 'application/json');
});

test('after shutdown there is nothing that the browser would send', async (t) => {
  const { page, receiver } = await stage(t, { options: { ...late, retry: false }, content: watched, receiver: { answers: () => ({ status: 503 }) } });
  await end(page, 'a');
  await untilDeferred(page);
  await page.evaluate(() => window.instance.shutdown());
  assert.ok((await deferrals(page)).every(({ takenBack }) => takenBack));
  await crash(page);
  await delay(500);
  assert.equal(receiver.requests.length, 1);
});
