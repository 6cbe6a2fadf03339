// Where there is no page: on a server, in a worker, in bare JavaScript. There webspan does nothing, and what an application
// does with it works all the same; also in jsdom, which is a page without half of what a page has.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { createContext, runInContext } from 'node:vm';
import { launchBrowser, watchPage } from '../harness/browser.mjs';
import { files, startSite } from '../harness/site.mjs';
import { installApp, pack } from './package.mjs';

const { tarball, remove } = pack();
const app = installApp('plain', tarball);
after(() => {
  app.remove();
  remove();
});

/** What the server part of an application does with webspan, and must get. Runs as text in other places than this. */
function asAnApplicationDoes(webspan) {
  const expect = (holds, what) => {
    if (!holds) throw new Error(`not so: ${what}`);
  };
  const { init, activeSpan, withSpan, traced, inject, extract } = webspan;
  const instance = init({ serviceName: 'server', endpoint: 'http://127.0.0.1:9', propagateTraceHeaderCorsUrls: [/./] });
  // Options are for the page: a server that renders with bad ones goes on, and the page tells.
  for (const bad of [{ batch: { maxQueueSize: '2k' } }, { endpoint: '' }, 'text', null, 5]) expect(init(bad), 'an instance in spite of bad options');
  expect(init() === instance, 'the same instance each time');

  expect(traced('sync', (span) => (span.setAttribute('a', 1), 5)) === 5, 'traced gives the result');
  expect(withSpan(undefined, () => 6) === 6, 'withSpan gives the result');
  const error = new Error('of the application');
  try {
    traced('throws', () => {
      throw error;
    });
    expect(false, 'traced throws on');
  } catch (thrown) {
    expect(thrown === error, `traced throws what it was thrown, not ${thrown}`);
  }

  for (const tracer of [instance.tracer, instance.getTracer('library', '1')]) {
    const span = tracer.startSpan('span', { attributes: { a: 1 }, kind: 2 });
    expect(span.isRecording() === false, 'spans are not recorded');
    expect(/^0{32}$/.test(span.spanContext().traceId), 'a span has no trace');
    span.setAttribute('a', 1).setAttributes({ b: 'x' }).addEvent('event').setStatus({ code: 2 }).updateName('name');
    span.addLink({ context: { traceId: '1'.repeat(32), spanId: '1'.repeat(16), traceFlags: 1 } }).recordException(error);
    expect(tracer.startActiveSpan('active', () => 7) === 7, 'startActiveSpan gives the result');
    expect(withSpan(span, activeSpan) === undefined, 'no span is active: requests of many users run side by side');
    span.end();
  }

  const carrier = {};
  inject(carrier);
  expect(Object.keys(carrier).length === 0, 'nothing is injected');
  expect(extract({ traceparent: `00-${'1'.repeat(32)}-${'1'.repeat(16)}-01` }) === undefined, 'nothing is extracted');
  instance.setConsent(true);
  instance.setConsent(false);
  const { dropped, ...counts } = instance.stats();
  expect([...Object.values(counts), ...Object.values(dropped)].every((count) => count === 0), 'nothing is counted');
  return Promise.all([instance.flush(), instance.shutdown(), traced('async', async () => 8)]).then(([flushed, stopped, result]) =>
    expect(flushed === undefined && stopped === undefined && result === 8, 'flush, shutdown and traced resolve'));
}

/** What stands on the global object, on its members and on their prototypes, to be compared by identity. */
function globals() {
  const found = new Map();
  const note = (holder, path) => {
    for (const key of Reflect.ownKeys(holder)) {
      const { value, get, set } = Object.getOwnPropertyDescriptor(holder, key) ?? {};
      found.set(path + String(key), get ?? set ?? value);
    }
  };
  note(globalThis, '');
  for (const [name, value] of [...found]) {
    for (const [holder, path] of [[value, `${name}.`], [value?.prototype, `${name}.prototype.`]]) {
      if (holder === Object(holder) && holder !== globalThis) note(holder, path);
    }
  }
  return found;
}

/** The names that are not what they were. */
function differences(before, after) {
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names].filter((name) => before.has(name) !== after.has(name) || !Object.is(before.get(name), after.get(name)));
}

describe('in Node', () => {
  const run = (file, source) => {
    writeFileSync(join(app.dir, file), source);
    // With a time limit: a timer or a socket that stays open keeps the process from ending.
    return execFileSync(process.execPath, ['--unhandled-rejections=strict', file], { cwd: app.dir, encoding: 'utf8', timeout: 10_000, stdio: ['ignore', 'pipe', 'pipe'] });
  };
  const body = `
    ${globals}
    ${differences}
    ${asAnApplicationDoes}
    let output = '';
    for (const level of ['log', 'info', 'warn', 'error', 'debug']) console[level] = (...texts) => { output += texts.join(' ') + '\\n'; };
    globalThis.fetch = () => { throw new Error('nothing is to be fetched'); };
    globalThis.addEventListener = () => { throw new Error('nothing is to be listened to'); };
    // Node makes some of its globals when they are first asked for.
    for (const name of Reflect.ownKeys(globalThis)) void globalThis[name];
    const before = globals();
    const webspan = LOAD;
    const loaded = differences(before, globals());
    asAnApplicationDoes(webspan).then(() => process.stdout.write(JSON.stringify({ loaded, used: differences(before, globals()), output })));`;

  test('an import changes nothing, and what an application does works', () => {
    const said = run('import.mjs', body.replace('LOAD', () => "await import('webspan')"));
    assert.deepEqual(JSON.parse(said), { loaded: [], used: [], output: '' });
  });

  test('captures can be given there, and do nothing', () => {
    const load = `await (async () => {
      const webspan = await import('webspan');
      const { eventSource, longTasks, userInteraction, webSocket, webVitals } = await import('webspan/captures');
      return { ...webspan, init: (options) => webspan.init({ ...options, captures: [userInteraction(), longTasks(), webVitals(), eventSource(), webSocket()] }) };
    })()`;
    assert.deepEqual(JSON.parse(run('captures.mjs', body.replace('LOAD', () => load))), { loaded: [], used: [], output: '' });
  });

  test('so does require, where Node has it for ES modules', { skip: !process.features.require_module && 'this Node has not' }, () => {
    const said = run('require.cjs', body.replace('LOAD', () => "require('webspan')"));
    assert.deepEqual(JSON.parse(said), { loaded: [], used: [], output: '' });
  });
});

test('in bare JavaScript, without timers, encoders, performance or WebAssembly, an application works', async () => {
  const context = createContext({}, { codeGeneration: { strings: false, wasm: false } });
  runInContext('delete globalThis.WebAssembly; delete globalThis.console;', context);
  const namesBefore = runInContext('Reflect.ownKeys(globalThis)', context);
  runInContext(readFileSync(join(app.dir, 'node_modules/webspan/dist/webspan.global.js'), 'utf8'), context, { displayErrors: false });
  assert.deepEqual([...runInContext('Reflect.ownKeys(globalThis)', context)].filter((name) => !namesBefore.includes(name)), ['webspan']);
  await runInContext(`(${asAnApplicationDoes})(webspan)`, context);
});

test('in jsdom, where the tests of applications run, without fetch and encoders, an application works', async (t) => {
  const tests = installApp('jsdom', tarball);
  t.after(tests.remove);
  const { JSDOM, VirtualConsole } = createRequire(join(tests.dir, 'package.json'))('jsdom');
  const errors = [];
  const virtualConsole = new VirtualConsole();
  for (const level of ['jsdomError', 'error']) virtualConsole.on(level, (...texts) => errors.push(texts.join(' ')));
  const dom = new JSDOM('', { url: 'http://localhost/', runScripts: 'outside-only', virtualConsole });
  t.after(() => dom.window.close());
  const context = dom.getInternalVMContext();
  runInContext(readFileSync(join(tests.dir, 'node_modules/webspan/dist/webspan.global.js'), 'utf8'), context, { displayErrors: false });
  const outcome = await runInContext(`(async () => {
    const instance = webspan.init({ serviceName: 'tests' });
    const results = [webspan.traced('sync', () => 1), await webspan.traced('async', async () => 2)];
    await instance.flush();
    await instance.shutdown();
    return [...results, instance.stats().ended].join();
  })()`, context);
  assert.equal(outcome, '1,2,2');
  assert.deepEqual(errors, []);
});

describe('in Chromium', async () => {
  const browser = await launchBrowser();
  after(() => browser.close());

  /** A page of the app's folder. */
  const open = async (t, scripts = {}) => {
    for (const [name, source] of Object.entries(scripts)) writeFileSync(join(app.dir, name), source);
    const site = await startSite({ routes: { '/*': files(app.dir, '/') } });
    const page = await browser.newPage();
    t.after(async () => {
      await page.close();
      await site.close();
    });
    const watched = watchPage(page);
    writeFileSync(join(app.dir, 'empty.html'), '<!doctype html><title>Empty</title><link rel="icon" href="data:,">');
    await page.goto(site.url('/empty.html'));
    return { site, page, ...watched };
  };

  test('in a module worker nothing changes, and what an application does works', async (t) => {
    const { site, page, complaints, consoleWarnings } = await open(t, {
      'worker.js': `
        ${globals}
        ${differences}
        ${asAnApplicationDoes}
        const before = globals();
        const tell = (outcome) => postMessage(outcome);
        import('/node_modules/webspan/dist/index.js').then(async (webspan) => {
          await asAnApplicationDoes(webspan);
          tell({ changed: differences(before, globals()), status: (await fetch('/empty.html')).status });
        }).catch((error) => tell(String(error)));`,
    });
    const outcome = await page.evaluate(() => new Promise((resolve, reject) => {
      const worker = new Worker('/worker.js', { type: 'module' });
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
    }));
    assert.deepEqual(outcome, { changed: [], status: 200 });
    assert.equal(site.requestsTo('/empty.html').at(-1).headers.traceparent, undefined);
    assert.deepEqual([...complaints(), ...consoleWarnings], []);
  });

  test('in a page an import alone changes nothing, listens to nothing and asks for nothing; what init changes, shutdown gives back', async (t) => {
    const { site, page, complaints, consoleWarnings } = await open(t);
    const changed = await page.evaluate(async ([globalsSource, differencesSource]) => {
      const [globals, differences] = [globalsSource, differencesSource].map((source) => (0, eval)(`(${source})`));
      const listenedTo = [];
      const listen = EventTarget.prototype.addEventListener;
      EventTarget.prototype.addEventListener = function (type, ...rest) {
        listenedTo.push(type);
        return listen.call(this, type, ...rest);
      };
      const before = globals();
      const { init } = await import('/node_modules/webspan/dist/index.js');
      const byImport = [...listenedTo, ...differences(before, globals())];
      const instance = init({ endpoint: '/otlp', instrumentations: { documentLoad: false } });
      const byInit = differences(before, globals()).filter((name) => !name.startsWith('Symbol(webspan.instance).'));
      await instance.shutdown();
      return { byImport, byInit, inTheEnd: differences(before, globals()) };
    }, [String(globals), String(differences)]);
    const wrapped = {
      'XMLHttpRequest.prototype': ['open', 'send', 'setRequestHeader'],
      'Response.prototype': ['arrayBuffer', 'blob', 'formData', 'json', 'text', 'bytes'],
    };
    const methods = Object.entries(wrapped).flatMap(([holder, names]) => names.map((name) => `${holder}.${name}`));
    assert.deepEqual(changed, { byImport: [], byInit: ['fetch', ...methods, 'Symbol(webspan.instance)'], inTheEnd: [] });
    assert.deepEqual(site.requests.map(({ path }) => path), ['/empty.html', '/node_modules/webspan/dist/index.js']);
    assert.deepEqual([...complaints(), ...consoleWarnings], []);
  });
});
