// What a collector asks to wait.
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { build } from 'esbuild';

const NOW_MS = Date.UTC(2026, 10, 6, 8, 49, 37);

const source = fileURLToPath(new URL('../../js/clock.ts', import.meta.url));
const { outputFiles } = await build({ entryPoints: [source], bundle: true, format: 'esm', target: 'es2022', write: false });
const { now } = Date;
// It keeps the clock that it finds when it is loaded.
Date.now = () => NOW_MS;
const { retryAfterMs } = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
Date.now = now;

test('Retry-After is a number of seconds or a date of any of the three forms', () => {
  for (const [value, waitMs] of [
    ['0', 0],
    ['120', 120_000],
    ['86400', 86_400_000],
    ['Fri, 06 Nov 2026 08:49:37 GMT', 0],
    ['Fri, 06 Nov 2026 08:49:40 GMT', 3000],
    ['Sat, 07 Nov 2026 08:49:37 GMT', 86_400_000],
    ['Fri, 06 Nov 2026 08:49:36 GMT', 0],
    ['Wed, 01 Jan 1975 00:00:00 GMT', 0],
    ['Friday, 06-Nov-26 08:50:37 GMT', 60_000],
    ['Fri Nov  6 08:49:47 2026', 10_000],
    ['Mon Nov 16 08:49:37 2026', 864_000_000],
    ['Sunday, 06-Nov-94 08:49:37 GMT', 0],
    ['9'.repeat(400), Infinity],
  ]) {
    assert.equal(retryAfterMs(value), waitMs, value);
  }
});

test('what is neither asks for no wait', () => {
  for (const value of ['', ' ', '-1', '1.5', '10s', 'soon', 'Nov', 'Fri, 06 Foo 2026 08:49:37 GMT', 'Sat, 06 Nov 1869 08:49:37 GMT', '1e9', '0x10']) {
    assert.ok(!(retryAfterMs(value) > 0), `${value}: ${retryAfterMs(value)}`);
  }
});
