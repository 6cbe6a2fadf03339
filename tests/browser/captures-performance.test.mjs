// Long frames and web vitals: what the browser measures by itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plain } from '../harness/receiver.mjs';
import { text } from '../harness/site.mjs';
import { stage } from './stage.mjs';

const isLong = (span) => span.scope.name === 'webspan/longTasks';
const isVital = (span) => span.name === 'browser.web_vital';
const durationMs = (span) => Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6;
const soon = { batch: { scheduledDelayMillis: 50 } };
const loaded = { ...soon, instrumentations: { documentLoad: true } };

const busy = 'function busyLoop(ms) { const end = performance.now() + ms; while (performance.now() < end); }';

test('a long animation frame is a span in the trace of the page, with its scripts and without their secrets', async (t) => {
  const { receiver, site } = await stage(t, {
    captures: '[longTasks()]',
    options: loaded,
    content: { body: '<script src="/busy.js?token=SECRET"></script>' },
    routes: { '/busy.js': text(`${busy}\nsetTimeout(function late() { busyLoop(120); }, 300);`, { headers: { 'Content-Type': 'text/javascript' } }) },
  });
  const isLate = ({ events }) => events.some(({ attributes }) => plain(attributes)['webspan.script.invoker'] === 'TimerHandler:setTimeout');
  await receiver.waitUntil(() => receiver.spans.some(({ name }) => name === 'documentLoad') && receiver.spans.some((span) => isLong(span) && isLate(span)));
  const [load] = receiver.spans.filter(({ name }) => name === 'documentLoad');
  const span = receiver.spans.find((each) => isLong(each) && isLate(each));
  assert.equal(span.name, 'long-animation-frame');
  assert.equal(span.traceId, load.traceId);
  assert.equal(span.parentSpanId, load.spanId);
  assert.ok(durationMs(span) >= 119 && durationMs(span) < 1000, `${durationMs(span)} ms`);
  const attributes = plain(span.attributes);
  assert.equal(attributes['longtask.entry_type'], 'long-animation-frame');
  assert.ok(Math.abs(attributes['longtask.duration'] - durationMs(span)) < 1);
  assert.ok(attributes['webspan.long_animation_frame.blocking_duration'] >= 60);
  const script = span.events.find(({ name }) => name === 'script');
  const told = plain(script.attributes);
  assert.equal(told['url.full'], site.url('/busy.js?token=REDACTED'));
  assert.equal(told['code.function.name'], 'late');
  assert.equal(told['webspan.script.invoker_type'], 'user-callback');
  assert.ok(told['webspan.script.duration'] >= 119);
  assert.ok(!JSON.stringify(receiver.spans).includes('SECRET'));
});

test('frames from before the start are told too, and each once, also when webspan is started again', async (t) => {
  const { page, receiver, flush } = await stage(t, { captures: '[longTasks()]', content: { body: `<script>${busy}</script>` } });
  /** Starts anew after a long frame of which the browser has told others. */
  const startAfterBusy = (endpoint) => page.evaluate(async (url) => {
    await window.instance.shutdown();
    const told = new Promise((resolve) => new PerformanceObserver(resolve).observe({ type: 'long-animation-frame' }));
    setTimeout(() => busyLoop(100));
    await told;
    window.instance = window.webspan.init({ endpoint: url, instrumentations: { documentLoad: false }, batch: { scheduledDelayMillis: 50 } });
  }, endpoint);
  await startAfterBusy(receiver.url);
  const before = (await receiver.waitForSpans(isLong)).length;
  await startAfterBusy(receiver.url);
  await receiver.waitUntil(() => receiver.spans.filter(isLong).length > before);
  await flush();
  const starts = receiver.spans.filter(isLong).map(({ startTimeUnixNano }) => startTimeUnixNano);
  assert.equal(new Set(starts).size, starts.length);
});

test('where the browser does not tell of frames, long tasks are told', async (t) => {
  const { receiver } = await stage(t, {
    captures: '[longTasks()]',
    options: soon,
    content: {
      body: `<script>
        Object.defineProperty(PerformanceObserver, 'supportedEntryTypes', { value: PerformanceObserver.supportedEntryTypes.filter((type) => type !== 'long-animation-frame') });
        ${busy} setTimeout(() => busyLoop(100), 100);
      </script>`,
    },
  });
  // A busy machine may have others.
  const [span] = await receiver.waitForSpans((each) => isLong(each) && durationMs(each) >= 95);
  assert.equal(span.name, 'longtask');
  assert.equal(plain(span.attributes)['longtask.name'], 'self');
  assert.ok(!('webspan.long_animation_frame.blocking_duration' in span.attributes));
});

const vitalsPage = { content: { body: '<h1 style="font-size:80px">Largest</h1><button onclick="const end = performance.now() + 60; while (performance.now() < end);">Press</button>' } };

async function vitalsOf({ receiver }, wanted) {
  await receiver.waitUntil(() => new Set(receiver.spans.filter(isVital).map((span) => plain(span.attributes)['browser.web_vital.name'])).size >= wanted, 5000, `${wanted} vitals`);
  return Object.fromEntries(receiver.spans.filter(isVital).map((span) => [plain(span.attributes)['browser.web_vital.name'], span]));
}

test('the web vitals of a visit are spans in the trace of the page, also those that are known only when it is left', async (t) => {
  const staged = await stage(t, { captures: '[webVitals()]', options: loaded, ...vitalsPage });
  const { page, site, receiver } = staged;
  await page.waitForTimeout(300);
  await page.click('button');
  // The library looks at it when the browser is idle, or after a second.
  await page.waitForTimeout(1200);
  await page.goto(site.url('/elsewhere'));
  const vitals = await vitalsOf(staged, 5);
  assert.deepEqual(Object.keys(vitals).sort(), ['cls', 'fcp', 'inp', 'lcp', 'ttfb']);
  const load = receiver.spans.find(({ name }) => name === 'documentLoad');
  for (const [name, span] of Object.entries(vitals)) {
    const attributes = plain(span.attributes);
    assert.equal(span.traceId, load.traceId, name);
    assert.equal(span.startTimeUnixNano, span.endTimeUnixNano, name);
    assert.equal(span.scope.name, 'webspan/webVitals');
    assert.equal(attributes['browser.web_vital.navigation_type'], 'navigate', name);
    assert.ok(attributes['browser.web_vital.value'] >= 0 && attributes['browser.web_vital.delta'] >= 0, name);
    assert.match(attributes['browser.web_vital.id'], /^v\d+-/, name);
    assert.match(attributes['browser.web_vital.rating'], /^(good|needs-improvement|poor)$/, name);
  }
  const sinceMs = (span) => Number(BigInt(span.startTimeUnixNano) - BigInt(load.startTimeUnixNano)) / 1e6;
  assert.ok(plain(vitals.inp.attributes)['browser.web_vital.value'] >= 56, 'as long as the click took');
  assert.ok(Math.abs(sinceMs(vitals.lcp) - plain(vitals.lcp.attributes)['browser.web_vital.value']) < 30, 'where it happened, not where it was reported');
});

test('the library of the page is used where it is given, and only what it has is measured', async (t) => {
  const library = `{ onTTFB: (report) => report({ name: 'TTFB', value: 12.5, delta: 12.5, id: 'own-1', rating: 'good', navigationType: 'reload', entries: [] }) }`;
  for (const given of [library, `async () => (${library})`]) {
    await t.test(given.slice(0, 8), async (t) => {
      const staged = await stage(t, { captures: `[webVitals({ library: ${given} })]` });
      await staged.page.waitForTimeout(20);
      await staged.flush();
      const { ttfb } = await vitalsOf(staged, 1);
      assert.deepEqual(plain(ttfb.attributes), {
        'browser.web_vital.name': 'ttfb',
        'browser.web_vital.value': 12.5,
        'browser.web_vital.delta': 12.5,
        'browser.web_vital.id': 'own-1',
        'browser.web_vital.rating': 'good',
        'browser.web_vital.navigation_type': 'reload',
      });
      assert.deepEqual(staged.site.requestsTo('/dist/web-vitals.js'), [], 'ours is not fetched');
    });
  }
});

test('a library that cannot be loaded is told, and nothing else happens', async (t) => {
  const staged = await stage(t, { captures: `[webVitals({ library: () => Promise.reject(new Error('not there')) })]` });
  await staged.page.waitForTimeout(50);
  assert.match(staged.consoleWarnings.join(), /not there/);
  assert.deepEqual(staged.pageErrors, []);
});

test('after shutdown nothing is reported, and started again each vital comes once', async (t) => {
  const staged = await stage(t, { captures: '[webVitals(), longTasks(), userInteraction()]', ...vitalsPage });
  const { page, receiver, site } = staged;
  await page.evaluate(() => window.instance.shutdown());
  await page.click('button');
  await page.waitForTimeout(200);
  await page.goto(site.url('/elsewhere'));
  await page.waitForTimeout(200);
  assert.deepEqual(receiver.spans.filter((span) => /inp|cls|lcp/.test(plain(span.attributes)['browser.web_vital.name'])), []);
});

test('captures that are wrong or fail are told, and the rest goes on', async (t) => {
  const staged = await stage(t, {
    captures: `[() => { throw new Error('at the start'); }, userInteraction, () => ({ settle() { throw new Error('at the end'); }, uninstall() { throw new Error('afterwards'); } }), () => ({ settle(gone) { window.settled = gone; }, uninstall() {} })]`,
  });
  const { page, receiver, flush, consoleWarnings, pageErrors } = staged;
  await page.evaluate(() => fetch('/echo').then((response) => response.text()));
  await page.waitForTimeout(20);
  await flush();
  await receiver.waitForSpans(1);
  const { settled, restored } = await page.evaluate(async () => {
    const traced = window.fetch;
    await window.instance.shutdown();
    return { settled: window.settled, restored: window.fetch !== traced };
  });
  assert.deepEqual({ settled, restored }, { settled: true, restored: true }, 'those that stand behind');
  const told = consoleWarnings.join('\n');
  for (const each of [/captures\[0\].*at the start/, /captures\[1\].*call userInteraction\(\)/, /at the end/, /afterwards/]) assert.match(told, each);
  assert.deepEqual(pageErrors, []);
});

test('a capture with options that cannot be read is off, and init says why; the others are on', async (t) => {
  const wrong = [
    `userInteraction({ eventNames: 'click' })`,
    `userInteraction({ eventNames: [1] })`,
    `userInteraction({ eventName: ['click'] })`,
    `userInteraction({ shouldPreventSpanCreation: true })`,
    `webVitals({ library: 5 })`,
    `eventSource({ ignoreUrls: [] })`,
    `webSocket('text')`,
    `longTasks(new Proxy({}, { ownKeys() { throw new Error('of the page'); } }))`,
    `longTasks(null)`,
  ];
  const { page, consoleWarnings, pageErrors, flush, receiver } = await stage(t, { captures: `[${wrong.join(', ')}, userInteraction()]`, content: { body: '<button>Go</button>' } });
  await page.evaluate(() => document.querySelector('button').addEventListener('click', () => fetch('/echo').then((response) => response.text())));
  await page.click('button');
  await page.waitForTimeout(250);
  await flush();
  const [click] = await receiver.waitForSpans((span) => span.scope.name === 'webspan/userInteraction');
  assert.equal(click.name, 'click');
  assert.deepEqual(consoleWarnings.filter((text) => /cannot trace/.test(text)), [
    'webspan: cannot trace captures[0]: TypeError: option eventNames of userInteraction is string; wanted an array of strings',
    'webspan: cannot trace captures[1]: TypeError: option eventNames of userInteraction is object; wanted an array of strings',
    'webspan: cannot trace captures[2]: TypeError: userInteraction has no option eventName; call userInteraction() and give init what it returns',
    'webspan: cannot trace captures[3]: TypeError: option shouldPreventSpanCreation of userInteraction is boolean; wanted a function',
    'webspan: cannot trace captures[4]: TypeError: option library of webVitals is number; wanted an object or a function',
    'webspan: cannot trace captures[5]: TypeError: eventSource has no option ignoreUrls; call eventSource() and give init what it returns',
    'webspan: cannot trace captures[6]: TypeError: webSocket has no option 0; call webSocket() and give init what it returns',
    'webspan: cannot trace captures[7]: Error: of the page',
  ]);
  assert.deepEqual(pageErrors, []);
});
