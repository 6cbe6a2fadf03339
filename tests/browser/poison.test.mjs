// A page may put anything in the place of the browser's own functions, before webspan or after: its requests go through as they would without us, and
// nothing is thrown at it. Seeded trials, each in a frame with webspan and in one without; WEBSPAN_FUZZ_SECONDS for more of them, WEBSPAN_FUZZ_SEED for others.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inTime } from '../harness/browser.mjs';
import { firstSeed, fuzzSeconds, randomFrom } from '../harness/fuzz.mjs';
import { echo, page as html } from '../harness/site.mjs';
import { stage } from './stage.mjs';

const SECONDS = fuzzSeconds(20);

/** What the frames have from the start: takes what it needs itself, puts something in the place of a function, and notes what came of the page's requests. */
const prelude = `
  const trial = JSON.parse(decodeURIComponent(location.hash.slice(1)));
  const note = parent.note, apply = Reflect.apply, XHR = XMLHttpRequest, later = setTimeout.bind(window);
  const errors = [];
  addEventListener('error', (event) => { errors[errors.length] = 'error ' + event.message; });
  addEventListener('unhandledrejection', (event) => { errors[errors.length] = 'rejected ' + event.reason; });
  const replacements = {
    'throws': () => { throw new RangeError('poison'); },
    'gives nothing': () => undefined,
    'gives text': () => 'poison',
    'gives itself': function () { return this; },
    'calls fetch': (() => { let calls = 0; return () => { if (calls++ < 20) fetch('/echo?poison'); }; })(),
    'is no function': 5,
    'is missing': undefined,
  };
  const at = (path) => path.split('.').reduce((holder, name) => holder?.[name], window);
  function poison() {
    for (const { holder, name, how } of trial.poisons) {
      const object = at(holder);
      const found = object && Object.getOwnPropertyDescriptor(object, name);
      if (!found?.configurable) continue;
      const value = replacements[how];
      Object.defineProperty(object, name, found.get ? { get: typeof value === 'function' ? value : () => value, configurable: true } : { value, writable: true, configurable: true });
    }
  }
  async function attempt(run) { try { return await run(); } catch (error) { return 'threw ' + error?.name; } }
  async function run() {
    const done = [];
    const wait = (ms) => ({ then: (go) => { later(go, ms); } });
    if (trial.when === 'before') poison();
    if (trial.traced) {
      try {
        const { init } = await import('/dist/index.js');
        const instance = init({ endpoint: '/nowhere', logLevel: 'none', batch: { scheduledDelayMillis: 20 } });
        if (trial.started) { instance.tracer.startSpan('own').end(); await wait(5); }
      } catch (error) { done[done.length] = 'webspan threw ' + error?.stack; }
    }
    if (trial.when === 'after') poison();
    done[done.length] = await attempt(async () => (await fetch('/echo')).status);
    done[done.length] = await attempt(async () => (await fetch('/echo', { method: 'POST', headers: { A: '1' }, body: 'b' })).status);
    done[done.length] = await attempt(() => new window.Promise_((resolve) => { const xhr = new XHR(); xhr.onloadend = () => resolve(xhr.status); xhr.open('GET', '/echo'); xhr.send(); }));
    await wait(40);
    note(JSON_(done), JSON_(errors));
  }
  window.Promise_ = Promise;
  const JSON_ = (list) => { let text = ''; for (let index = 0; index < list.length; index++) text += list[index] + '; '; return text; };
  later(run, 0);
`;

/** Where the functions stand that are replaced. */
const HOLDERS = [
  'Array', 'Array.prototype', 'String.prototype', 'String', 'Object', 'Object.prototype', 'Function.prototype', 'Number', 'Number.prototype', 'Math', 'JSON', 'Reflect', 'Symbol', 'RegExp.prototype', 'Map.prototype',
  'Set.prototype', 'WeakMap.prototype', 'Promise', 'Promise.prototype', 'Date', 'Date.prototype', 'Error', 'ArrayBuffer.prototype', 'Uint8Array.prototype', 'Headers.prototype', 'Request.prototype', 'Response.prototype',
  'URL', 'URL.prototype', 'AbortController.prototype', 'AbortSignal.prototype', 'EventTarget.prototype', 'Event.prototype', 'Node.prototype', 'Document.prototype', 'Performance.prototype', 'PerformanceObserver.prototype',
  'PerformanceResourceTiming.prototype', 'PerformanceEntry.prototype', 'Crypto.prototype', 'Navigator.prototype', 'TextEncoder.prototype', 'TextDecoder.prototype', 'XMLHttpRequest.prototype', 'WebAssembly', 'WebAssembly.Instance',
  'MutationObserver.prototype', 'console', 'window',
];

test(`functions that a page has replaced: trials from seed ${firstSeed}`, { timeout: (SECONDS + 60) * 1000 }, async (t) => {
  let { page, context, site } = await stage(t, { routes: { '/frame': html({ head: `<script>${prelude}</script>` }), '/nowhere/v1/traces': echo(), '/echo': echo() } });
  const names = await page.evaluate((holders) => Object.fromEntries(holders.map((holder) => {
    const object = holder.split('.').reduce((from, name) => from[name], window);
    // Not what makes each `replace` of the language endless, the page's own too.
    const isEndless = (name) => holder === 'RegExp.prototype' && /^(exec|flags|global|sticky|unicode)/.test(name);
    const usable = (name) => !isEndless(name) && isReplaceable(name);
    const isReplaceable = (name) => { const { value, get } = Object.getOwnPropertyDescriptor(object, name); return (typeof value === 'function' || !!get) && !/^(constructor|location|document|window|top|parent|fetch|close|stop)$/.test(name) && !(holder === 'window' && /^[A-Z]/.test(name)); };
    return [holder, Object.getOwnPropertyNames(object).filter(usable)];
  })), HOLDERS);
  const pick = randomFrom(firstSeed);
  const one = (list) => list[pick(list.length)];
  const ways = ['throws', 'gives nothing', 'gives text', 'gives itself', 'calls fetch', 'is no function', 'is missing'];
  const play = (trial) => page.evaluate((trial) => new Promise((resolve) => {
    const frame = document.createElement('iframe');
    const limit = setTimeout(() => (frame.remove(), resolve(['never ended'])), 4000);
    window.note = (...seen) => (clearTimeout(limit), frame.remove(), resolve(seen));
    frame.src = `/frame#${encodeURIComponent(JSON.stringify(trial))}`;
    document.body.append(frame);
  }), trial);
  /** A replacement may end a page for good: the next trial has another. */
  const outcome = async (trial) => {
    try {
      return await inTime(play(trial), 'a trial', 15_000);
    } catch (error) {
      await inTime(page.close(), 'closing a page', 5000).catch(() => {});
      page = await context.newPage();
      await page.goto(site.url('/'));
      return [`the page ended: ${error.message}`];
    }
  };
  const wrong = [];
  let trials = 0;
  for (const startMs = performance.now(); performance.now() - startMs < SECONDS * 1000; trials++) {
    const poisons = Array.from({ length: 1 + pick(2) }, () => {
      const holder = one(HOLDERS);
      return { holder, name: one(names[holder]), how: one(ways) };
    });
    const trial = { poisons, when: one(['before', 'after']), started: !!pick(2) };
    const without = await outcome(trial);
    if (/^(never|the page) ended/.test(without[0])) continue;
    const traced = await outcome({ ...trial, traced: true });
    if (JSON.stringify(traced) !== JSON.stringify(without)) wrong.push(`${JSON.stringify(trial)}\n  without: ${without.join(' | ')}\n  with:    ${traced.join(' | ')}`);
  }
  t.diagnostic(`${trials} trials`);
  assert.ok(trials > SECONDS, `${trials} trials`);
  assert.deepEqual(wrong, [], wrong.join('\n'));
});
