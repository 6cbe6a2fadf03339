// Where only half of a page is there: libraries put a document without a URL on servers, test environments lack this and that. Importing and `init` do
// no harm there, and what is started works as far as it can.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createContext, runInContext } from 'node:vm';
import { projectDir } from '../../js/build/setup.mjs';

const script = readFileSync(join(projectDir, 'dist/webspan.global.js'), 'utf8');

/** What an application does, with these on its global object; what is written to the console comes back. */
async function run(t, set) {
  const said = [];
  const console = Object.fromEntries(['log', 'info', 'warn', 'error', 'debug'].map((level) => [level, (...texts) => said.push(`${level}: ${texts.join(' ')}`)]));
  const timers = new Set();
  const setTimeout = (callback, ms) => {
    const timer = globalThis.setTimeout(callback, ms).unref();
    timers.add(timer);
    return timer;
  };
  t.after(() => timers.forEach(clearTimeout));
  const context = createContext({ console, setTimeout, clearTimeout, URL, Headers, AbortController, TextEncoder, TextDecoder, crypto });
  Object.assign(context, typeof set === 'function' ? set(context) : set);
  runInContext(script, context);
  const results = await runInContext(`(async () => {
    const instance = webspan.init({ serviceName: 'half', endpoint: 'https://otel.example.com' });
    const results = [webspan.init() !== undefined, webspan.traced('sync', () => 1), await webspan.traced('async', async () => 2), webspan.withSpan(undefined, () => 3)];
    instance.setAttributes({ a: 1 });
    instance.setUser('u1');
    instance.setConsent(false);
    await instance.shutdown();
    return results.join();
  })()`, context);
  assert.equal(results, 'true,1,2,3');
  return said;
}

const location = { href: 'https://shop.example.com/', hostname: 'shop.example.com', origin: 'https://shop.example.com' };
const listeners = { addEventListener() {}, removeEventListener() {} };
const document = { baseURI: location.href, readyState: 'complete', visibilityState: 'visible', ...listeners, querySelector: () => null };
const history = { pushState() {}, replaceState() {} };
const whole = { document, location, history, origin: location.origin, navigator: {}, ...listeners };

for (const [name, set] of [
  ['null in the place of a document', { document: null }],
  ['an empty document', { document: {} }],
  ['a document that only makes elements', { document: { createElement: () => ({}) }, location }],
  ['a document with a URL, and no location', { document }],
  ['a document, and an empty location', { document: {}, location: {} }],
  ['a document whose URL throws', { document: { get baseURI() { throw new Error('no'); } }, location }],
]) {
  test(`with ${name}, nothing is started and nothing is thrown`, async (t) => {
    const said = await run(t, set);
    assert.ok(said.length <= 2, said.join('\n'));
  });
}

for (const [name, { left = [], ...set }, wanted = /./] of [
  ['an empty location', { location: {} }],
  ['a document that nobody can listen to', { document: { baseURI: location.href } }, /addEventListener/],
  ['a window that nobody can listen to', { left: ['addEventListener'] }, /addEventListener/],
  ['no history', { left: ['history'] }, /cannot trace navigation: .*history/],
  ['no navigator', { left: ['navigator'] }],
  ['an empty performance', { performance: {} }],
  ['a frozen performance without entries', { performance: Object.freeze({ now: () => 5 }) }],
  ['a performance whose clock is a number', { performance: { now: 5, timeOrigin: 'no' } }],
  ['a PerformanceObserver that is a stub', { PerformanceObserver: function () {} }, /PerformanceObserver does not work/],
  ['a PerformanceObserver that throws', { PerformanceObserver: class { constructor() { throw new Error('no'); } } }, /PerformanceObserver does not work/],
  ['a PerformanceObserver without records', { PerformanceObserver: class { observe() {} } }],
  ['no crypto', { left: ['crypto'] }, /crypto\.getRandomValues does not work/],
  ['a crypto that is empty', { crypto: {} }, /crypto\.getRandomValues does not work/],
  ['a crypto that does nothing', { crypto: { getRandomValues: (array) => array } }, /crypto\.getRandomValues does not work/],
  ['no encoders', { left: ['TextEncoder', 'TextDecoder'] }],
  ['an XMLHttpRequest that is a stub', { XMLHttpRequest: function () {} }],
  ['no console', { left: ['console'] }],
]) {
  test(`with ${name}, init goes on without what is missing`, async (t) => {
    const said = await run(t, (context) => {
      for (const each of left) delete context[each];
      const own = { ...whole, ...set };
      for (const each of left) delete own[each];
      return own;
    });
    if (left.includes('console')) return;
    assert.match(said.join('\n'), wanted);
    assert.equal(new Set(said).size, said.length, `each thing once: ${said.join('\n')}`);
  });
}
