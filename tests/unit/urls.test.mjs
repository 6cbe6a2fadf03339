// Which requests get a span, and which of them may carry our headers.
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { build } from 'esbuild';

const source = fileURLToPath(new URL('../../js/urls.ts', import.meta.url));
const { outputFiles } = await build({ entryPoints: [source], bundle: true, format: 'esm', target: 'es2022', write: false });
const { compilePattern, isIgnored, matches, propagation } = await import(
  `data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`
);

const PAGE = 'https://shop.example.com/cart/';
const compiled = (...patterns) => patterns.map((pattern) => compilePattern(pattern, PAGE));
const settingsWith = (patterns) => ({
  tracesUrl: 'https://otel.example.com/v1/traces',
  ignoreUrls: compiled(...(patterns.ignoreUrls ?? [])),
  noTraceHeaderUrls: compiled(...(patterns.noTraceHeaderUrls ?? [])),
  propagateTraceHeaderCorsUrls: compiled(...(patterns.propagateTraceHeaderCorsUrls ?? [])),
});

test('compares a string with the whole URL, both as fetch normalises them', () => {
  for (const [pattern, href, wanted] of [
    ['https://api.example.com/v1', 'https://api.example.com/v1', true],
    ['https://api.example.com/v1', 'https://api.example.com/v1/', false],
    ['https://api.example.com/v1', 'https://api.example.com/v12', false],
    ['https://api.example.com/v1', 'https://api.example.com/v1?q=1', false],
    ['https://api.example.com/v1', 'https://other.example/?u=https://api.example.com/v1', false],
    ['https://api.example.com', 'https://api.example.com/', true],
    ['https://api.example.com', 'https://api.example.com/v1', false],
    ['https://api.example.com', 'https://api.example.com.evil.example/', false],
    ['HTTPS://API.example.com:443/', 'https://api.example.com/', true],
    ['https://api.example.com/a b', 'https://api.example.com/a%20b', true],
    ['/health', 'https://shop.example.com/health', true],
    ['health', 'https://shop.example.com/cart/health', true],
    ['//api.example.com', 'https://api.example.com/', true],
  ]) {
    assert.equal(matches(compiled(pattern), href), wanted, `${pattern} ${href}`);
  }
});

test('matches a RegExp anywhere in the URL, and one of many patterns is enough', () => {
  assert.equal(matches(compiled(/api/), 'https://shop.example.com/api/1'), true);
  assert.equal(matches(compiled(/^api/), 'https://shop.example.com/api/1'), false);
  assert.equal(matches(compiled('/a', /nothing/, /cart/), PAGE), true);
  assert.equal(matches([], PAGE), false);
});

test('gives the same answer every time for a RegExp with state, and leaves the state of the page alone', () => {
  for (const flags of ['', 'g', 'y', 'gy', 'giu']) {
    const own = new RegExp('https://api', flags);
    own.lastIndex = 3;
    const patterns = compiled(own);
    const answers = [1, 2, 3].map(() => matches(patterns, 'https://api.example.com/'));
    assert.deepEqual(answers, [true, true, true], flags);
    assert.equal(own.lastIndex, 3, flags);
    // The page's next search must not move ours either.
    own.lastIndex = 7;
    assert.equal(matches(patterns, 'https://api.example.com/'), true, flags);
  }
  assert.equal(matches(compiled(/api/y), 'https://api.example.com/'), false, 'a sticky expression starts at the beginning');
});

test('keeps matching a RegExp that the page changes afterwards', () => {
  const own = /api/;
  const patterns = compiled(own);
  own.compile('other');
  assert.equal(matches(patterns, 'https://api.example.com/'), true);
});

test('answers no instead of throwing when an expression exhausts the stack', () => {
  const backtracking = /^data:(?:a|b|\d)*$/;
  const href = `data:${'a'.repeat(2e7)}`;
  assert.throws(() => backtracking.test(href), RangeError);
  assert.equal(matches(compiled(backtracking), href), false);
});

test('refuses to compile what would match everything, or was made of an unset variable', () => {
  for (const pattern of ['', 'undefined', 'null', 'https://undefined', 'https://api.undefined/', 'https://a.example/null/1', 'http://localhost:NaN']) {
    assert.equal(compilePattern(pattern, PAGE), null, pattern);
  }
  for (const pattern of [new RegExp(undefined), new RegExp(''), /.*/, /a?/g, /|b/y, /^/]) {
    assert.equal(compilePattern(pattern, PAGE), null, String(pattern));
  }
  for (const pattern of ['https://undefined-behaviour.example/', '/nullable', '/is-undefined', '/NaNny', /.+/, /undefined/, /./g]) {
    assert.notEqual(compilePattern(pattern, PAGE), null, String(pattern));
  }
  assert.throws(() => compilePattern('https://[', PAGE), TypeError);
});

test('ignores what the page names, and always the URL that spans are sent to', () => {
  const settings = settingsWith({ ignoreUrls: ['/health', /\.png$/] });
  for (const [href, wanted] of [
    ['https://shop.example.com/health', true],
    ['https://cdn.example.com/logo.png', true],
    ['https://shop.example.com/healthy', false],
    ['https://otel.example.com/v1/traces', true],
    ['https://otel.example.com/v1/metrics', false],
  ]) {
    assert.equal(isIgnored(new URL(href).href, settings), wanted, href);
  }
  assert.equal(isIgnored('https://otel.example.com/v1/traces', { ...settings, tracesUrl: null }), false);
});

test('decides which requests may carry trace headers', () => {
  const settings = settingsWith({
    propagateTraceHeaderCorsUrls: ['https://exact.example/api', /^https:\/\/api\.example\.com\//g, /^(blob|data|file|chrome-extension|ws):/],
    noTraceHeaderUrls: ['/login', 'https://api.example.com/redirect'],
  });
  for (const [href, wanted] of [
    ['https://shop.example.com/', 'same-origin'],
    ['https://shop.example.com/any?x=1#y', 'same-origin'],
    ['https://shop.example.com/login', 'none'],
    ['https://shop.example.com/login?next=1', 'same-origin'],
    ['http://shop.example.com/', 'none'],
    ['https://shop.example.com:8443/', 'none'],
    ['https://sub.shop.example.com/', 'none'],
    ['https://exact.example/api', 'cors'],
    ['https://exact.example/api/1', 'none'],
    ['https://api.example.com/users', 'cors'],
    ['https://api.example.com/redirect', 'none'],
    ['https://api.example.com.evil.example/', 'none'],
    ['https://third.example/?u=https://api.example.com/', 'none'],
    ['blob:https://shop.example.com/0f7c', 'none'],
    ['data:text/plain,hello', 'none'],
    ['file:///etc/hosts', 'none'],
    ['chrome-extension://abc/x.js', 'none'],
    ['ws://shop.example.com/', 'none'],
  ]) {
    const answers = [1, 2].map(() => propagation(new URL(href).href, 'https://shop.example.com/', settings));
    assert.deepEqual(answers, [wanted, wanted], href);
  }
});

test('takes no URL for same-origin on a page with an opaque origin', () => {
  for (const href of ['https://shop.example.com/', 'data:text/plain,hello', 'file:///a']) {
    assert.equal(propagation(new URL(href).href, 'null/', settingsWith({})), 'none', href);
  }
});
