// The session, the user, and attributes of every span.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectDir } from '../../js/build/setup.mjs';
import { plain } from '../harness/receiver.mjs';
import { after, files } from '../harness/site.mjs';
import { stage } from './stage.mjs';

const KEY = 'webspan.session';
const ID = /^[\da-f]{32}$/;

/** Ends spans of these names, and gives the attributes of each as the receiver has them. */
async function spansOf({ page, receiver }, ...names) {
  await page.evaluate(async (names) => {
    for (const name of names) window.instance.tracer.startSpan(name).end();
    await window.instance.flush();
  }, names);
  const last = await receiver.waitForSpans(({ name }) => name === names.at(-1));
  assert.equal(last.length, 1);
  return names.map((wanted) => plain(receiver.spans.find(({ name }) => name === wanted).attributes));
}
const sessionsOf = async (given, ...names) => (await spansOf(given, ...names)).map((attributes) => attributes['session.id']);
const stored = (page, storage) => page.evaluate(([storage, key]) => JSON.parse(window[storage].getItem(key)), [storage, KEY]);

test('without the option there is no session, and nothing is stored', async (t) => {
  const given = await stage(t);
  const [attributes] = await spansOf(given, 'a');
  assert.deepEqual(attributes, {});
  assert.equal(await given.page.evaluate(() => localStorage.length + sessionStorage.length + document.cookie.length), 0);
});

test('in memory, every span of a page has the same id, another page another one, and nothing is stored', async (t) => {
  const given = await stage(t, { options: { session: true } });
  const [first, second] = await spansOf(given, 'a', 'b');
  assert.match(first['session.id'], ID);
  assert.deepEqual(second, first);
  assert.equal(first['session.previous_id'], undefined);
  await given.page.reload();
  const [third] = await sessionsOf(given, 'c');
  assert.match(third, ID);
  assert.notEqual(third, first['session.id']);
  assert.equal(await given.page.evaluate(() => localStorage.length + sessionStorage.length), 0);
});

for (const storage of ['sessionStorage', 'localStorage']) {
  test(`in ${storage}, the session outlives the page; another tab ${storage === 'localStorage' ? 'has the same' : 'has its own'}`, async (t) => {
    const given = await stage(t, { options: { session: { storage } } });
    const [first] = await sessionsOf(given, 'a');
    await given.page.reload();
    const [second] = await sessionsOf(given, 'b');
    assert.equal(second, first);
    const tab = await given.context.newPage();
    await tab.goto(given.site.url('/'));
    const [third] = await sessionsOf({ ...given, page: tab }, 'c');
    assert.equal(third === first, storage === 'localStorage');
    assert.equal((await stored(given.page, storage)).id, first);
  });

  test(`garbage in ${storage} is no session`, async (t) => {
    const given = await stage(t, { options: { session: { storage } } });
    const now = Date.now();
    const id = 'a'.repeat(32);
    let number = 0;
    for (const [text, wanted] of [
      ['', false],
      ['null', false],
      ['5', false],
      ['{', false],
      ['{}', false],
      [JSON.stringify({ id: 'me@example.com', startedMs: now, usedMs: now }), false],
      [JSON.stringify({ id, startedMs: 'x', usedMs: now }), false],
      [JSON.stringify({ id, usedMs: now }), false],
      [`{"id":"${id}","startedMs":1e999,"usedMs":1e999}`, false],
      [JSON.stringify({ id, startedMs: now + 1e11, usedMs: now + 1e11 }), false],
      [JSON.stringify({ id, previousId: { secret: 'me@example.com' }, startedMs: now, usedMs: now }), false],
      [JSON.stringify({ id, previousId: 'b'.repeat(32), startedMs: now, usedMs: now }), true],
      [JSON.stringify({ id, startedMs: now, usedMs: now }), true],
    ]) {
      await given.page.evaluate(([storage, key, text]) => window[storage].setItem(key, text), [storage, KEY, text]);
      await given.page.reload();
      const [attributes] = await spansOf(given, `span ${number++}`);
      assert.match(attributes['session.id'], ID, text);
      assert.equal(attributes['session.id'] === id, wanted, text);
      assert.doesNotMatch(JSON.stringify([attributes, await stored(given.page, storage)]), /example/);
    }
  });
}

test('storage that throws leaves a session in memory', async (t) => {
  const given = await stage(t, {
    options: { session: { storage: 'localStorage' } },
    content: { head: '<script>Object.defineProperty(window, "localStorage", { get() { throw new DOMException("no", "SecurityError") } })</script>' },
  });
  const [first, second] = await sessionsOf(given, 'a', 'b');
  assert.match(first, ID);
  assert.equal(second, first);
  assert.deepEqual([...given.complaints(), ...given.consoleWarnings], []);
});

test('storage that is full leaves a session in memory', async (t) => {
  const given = await stage(t, {
    options: { session: { storage: 'localStorage' } },
    content: { head: '<script>Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError") }</script>' },
  });
  const [first, second] = await sessionsOf(given, 'a', 'b');
  assert.equal(second, first);
  assert.deepEqual([...given.complaints(), ...given.consoleWarnings], []);
});

test('after idleMillis of rest another session begins, whose first spans tell which was before', async (t) => {
  const given = await stage(t, { options: { session: { storage: 'localStorage', idleMillis: 1000 } } });
  const [first] = await sessionsOf(given, 'a');
  await given.page.waitForTimeout(1100);
  const [next, again] = await spansOf(given, 'b', 'c');
  assert.notEqual(next['session.id'], first);
  assert.deepEqual([next['session.previous_id'], again['session.previous_id'], again['session.id']], [first, first, next['session.id']]);
  assert.equal((await stored(given.page, 'localStorage')).previousId, first);
});

test('after maxAgeMillis another session begins, however much the page is used', async (t) => {
  const given = await stage(t, { options: { session: { maxAgeMillis: 1000 } } });
  const [first] = await sessionsOf(given, 'a');
  await given.page.waitForTimeout(600);
  assert.deepEqual(await sessionsOf(given, 'b'), [first]);
  await given.page.waitForTimeout(600);
  const [next] = await spansOf(given, 'c');
  assert.notEqual(next['session.id'], first);
  assert.equal(next['session.previous_id'], first);
});

test('a session that another tab keeps in use goes on here', async (t) => {
  const given = await stage(t, { options: { session: { storage: 'localStorage', idleMillis: 4000 } } });
  const [first] = await sessionsOf(given, 'a');
  const tab = await given.context.newPage();
  await tab.goto(given.site.url('/'));
  for (let number = 0; number < 4; number++) {
    await given.page.waitForTimeout(1200);
    assert.deepEqual(await sessionsOf({ ...given, page: tab }, `tab ${number}`), [first]);
  }
  assert.deepEqual(await sessionsOf(given, 'b'), [first]);
});

test('while consent is pending nothing is stored; with it, the session is; without it, what was stored is removed and forgotten', async (t) => {
  const given = await stage(t, { options: { consent: 'pending', session: { storage: 'localStorage' } } });
  const { page } = given;
  const count = () => page.evaluate(() => localStorage.length);
  await page.evaluate(() => window.instance.tracer.startSpan('waiting').end());
  assert.equal(await count(), 0);
  await page.evaluate(() => window.instance.setConsent(true));
  const [first] = await sessionsOf(given, 'a');
  assert.equal((await stored(page, 'localStorage')).id, first);
  assert.equal(plain(given.receiver.spans.find(({ name }) => name === 'waiting').attributes)['session.id'], first, 'the visit was one');
  await page.evaluate(() => {
    window.instance.setConsent(false);
    window.instance.tracer.startSpan('silent').end();
  });
  assert.equal(await count(), 0);
  await page.evaluate(() => window.instance.setConsent(true));
  const [next] = await spansOf(given, 'b');
  assert.match(next['session.id'], ID);
  assert.notEqual(next['session.id'], first);
  assert.equal(next['session.previous_id'], undefined, 'nobody\'s continuation');
});

test('a page that is told no consent removes what an earlier visit has stored', async (t) => {
  const given = await stage(t, { options: { session: { storage: 'localStorage' } } });
  await sessionsOf(given, 'a');
  await given.page.reload();
  await given.page.evaluate(() => window.instance.setConsent(false));
  assert.equal(await stored(given.page, 'localStorage'), null);
});

test('setUser and setAttributes are on every span that starts from then on, until they are taken away', async (t) => {
  const given = await stage(t);
  const { page, receiver, complaints } = given;
  const [before] = await spansOf(given, 'before');
  await page.evaluate(async () => {
    const { tracer } = window.instance;
    const open = tracer.startSpan('open');
    window.instance.setUser('u1');
    window.instance.setAttributes({ tenant: 'acme', beta: true, tags: ['a', 'b'], none: undefined, also: null, link: 'https://host/?token=S3CR3T' });
    tracer.startSpan('own', { attributes: { tenant: 'other' } }).end();
    await fetch('/echo').then((response) => response.text());
    open.end();
    window.instance.setAttributes({ beta: undefined, tags: null, never: undefined });
    tracer.startSpan('fewer').end();
    window.instance.setUser(null);
    tracer.startSpan('nobody').end();
    window.instance.setUser('u2');
    window.instance.setUser(undefined);
    tracer.startSpan('undefined').end();
  });
  await page.evaluate(() => window.instance.flush());
  await receiver.waitForSpans(({ name }) => name === 'undefined');
  await receiver.waitForSpans(({ kind }) => kind === 'CLIENT');
  const of = (wanted) => plain(receiver.spans.find(({ name }) => name === wanted).attributes);
  const all = { 'user.id': 'u1', tenant: 'acme', beta: true, tags: ['a', 'b'], link: 'https://host/?token=REDACTED' };
  assert.deepEqual(before, {});
  assert.deepEqual(of('open'), {});
  assert.deepEqual(of('own'), { ...all, tenant: 'other' });
  const request = of('GET');
  for (const [key, value] of Object.entries(all)) assert.deepEqual(request[key], value);
  const { beta, tags, ...fewer } = all;
  assert.deepEqual(of('fewer'), fewer);
  const { 'user.id': id, ...nobody } = fewer;
  assert.deepEqual(of('nobody'), nobody);
  assert.deepEqual(of('undefined'), nobody);
  assert.deepEqual(complaints(), []);
});

test('what setUser and setAttributes are given may be anything', async (t) => {
  const given = await stage(t, { options: { logLevel: 'none' } });
  const thrown = await given.page.evaluate(() => {
    const hostile = { get key() { throw new Error('getter'); } };
    const bare = Object.create(null);
    return [null, undefined, 5, 'text', hostile, new Proxy({}, { ownKeys() { throw new Error('keys'); } })].flatMap((value) => {
      try { window.instance.setAttributes(value); } catch (error) { return [`setAttributes ${error}`]; }
      return [];
    }).concat([{ toString() { throw new Error('text'); } }, bare, Symbol('s'), 7].flatMap((value) => {
      try { window.instance.setUser(value); } catch (error) { return [`setUser ${error}`]; }
      return [];
    }));
  });
  assert.deepEqual(thrown, []);
  const [attributes] = await spansOf(given, 'a');
  assert.equal(attributes['user.id'], '7');
});

test('before the core in JavaScript has come, both are kept as they were given', async (t) => {
  const given = await stage(t, {
    options: { session: true },
    content: { csp: "script-src 'self' 'unsafe-inline'" },
    routes: { '/dist/fallback.js': after(300, files(join(projectDir, 'dist'), '/dist/')) },
  });
  const ended = await given.page.evaluate(() => {
    const attributes = { tenant: 'acme' };
    window.instance.setUser('u1');
    window.instance.setAttributes(attributes);
    attributes.tenant = 'later';
    return window.instance.stats().ended;
  });
  assert.equal(ended, 0);
  await given.page.waitForFunction(() => window.instance.tracer.startSpan('probe').isRecording());
  const [attributes] = await spansOf(given, 'a');
  assert.deepEqual([attributes['user.id'], attributes.tenant], ['u1', 'acme']);
  assert.match(attributes['session.id'], ID);
});

test('documentUrl follows the page, without its secrets, and has redact.url\'s word', async (t) => {
  const given = await stage(t, { options: { documentUrl: true, redact: { url: (url) => url.replace(/customer-\d+/, 'customer-N') } } });
  const urlOf = async (name) => (await spansOf(given, name))[0]['browser.document.url.full'];
  const { site, page } = given;
  assert.equal(await urlOf('a'), site.url('/'));
  await page.evaluate(() => history.pushState(null, '', '/customer-5?token=S3CR3T#part'));
  assert.equal(await urlOf('b'), site.url('/customer-N?token=REDACTED#part'));
  await page.evaluate(() => history.back());
  await page.waitForURL(site.url('/'));
  assert.equal(await urlOf('c'), site.url('/'));
});
