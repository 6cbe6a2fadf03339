// When a session goes on, and when another follows it.
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { build } from 'esbuild';

const source = fileURLToPath(new URL('../../js/session.ts', import.meta.url));
const { outputFiles } = await build({ entryPoints: [source], bundle: true, format: 'esm', target: 'es2022', write: false });
const { renewed } = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);

const settings = { storage: 'memory', idleMillis: 1000, maxAgeMillis: 5000 };
const [START, NOW] = [1_700_000_000_000, 1_700_000_003_000];
const known = (startedMs, usedMs) => ({ id: 'known', previousId: 'before', startedMs, usedMs });
const fresh = (previousId) => ({ id: 'new', previousId, startedMs: NOW, usedMs: NOW });
const after = (state, rules = settings) => renewed(state, NOW, rules, () => 'new');

test('the first session follows none', () => assert.deepEqual(after(undefined), fresh(undefined)));

for (const [name, state, wanted] of [
  ['one in use goes on, and is used now', known(START, NOW - 999), { ...known(START, NOW - 999), usedMs: NOW }],
  ['one that has rested for idleMillis is followed', known(START, NOW - 1000), fresh('known')],
  ['one that is younger than maxAgeMillis goes on', known(NOW - 4999, NOW), { ...known(NOW - 4999, NOW) }],
  ['one of maxAgeMillis is followed, however much it is used', known(NOW - 5000, NOW), fresh('known')],
  ['one whose clock was set back a little goes on', known(NOW + 500, NOW + 500), { ...known(NOW + 500, NOW) }],
  ['one that was last used in a time to come is followed', known(START, NOW + 1000), fresh('known')],
  ['one whose times are none is followed', { id: 'known', startedMs: 'x' }, fresh('known')],
  ['one that began in a time to come is followed', known(9e15, NOW), fresh('known')],
]) {
  test(name, () => assert.deepEqual(after(state), wanted));
}

test('Infinity is no limit', () => {
  const state = known(1, 1);
  assert.equal(after(state, { ...settings, idleMillis: Infinity, maxAgeMillis: Infinity }).id, 'known');
});

test('what is known is never written to', () => {
  const state = Object.freeze(known(START, NOW - 1));
  assert.notEqual(after(state), state);
});
