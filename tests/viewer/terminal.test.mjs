// What a web page, or anybody, sends to the viewer is shown in the terminal of a developer.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { projectDir } from '../../js/build/setup.mjs';
import { part } from '../doctor/doctor.mjs';
import { field, TYPE } from './protobuf.mjs';

const STEERS = /[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])/;

/** The viewer as a process, and what it has written to its terminal. */
async function started(t) {
  const child = spawn(process.execPath, [join(projectDir, 'dist/viewer/cli.js'), 'viewer', '--port', '0'], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  let printed = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (printed += text));
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /page +(http:\S+)$/.exec(line)?.[1];
    if (url) return { url, printed: () => printed };
  }
}

test('whatever is sent, each complaint is one short line of characters that can be seen', async (t) => {
  const viewer = await started(t);
  const post = (body, headers) => fetch(`${viewer.url}/v1/traces`, { method: 'POST', body, headers }).then((response) => response.arrayBuffer());
  const hostile = ['\x1b]0;title\x07', '\x1b]52;c;Y29weQ==\x1b\\', '\u009b2J', '\u009d0;title\u009c', '\x7f\b\r', 'a\nwebspan viewer: fake', 'a\u2028b\u2029c', '\u202egnp.exe\u2066', '\u200b\u200d\ufeff', '\u{e0041}', '\ufffe\u0085'];
  const badSpan = (name) => field(1, field(2, field(2, field(1, [1, 2, 3]), field(5, name))));
  for (const text of hostile) {
    await post(badSpan(text), TYPE);
    await post(JSON.stringify({ resourceSpans: text }), { 'Content-Type': 'application/json' });
    await post(JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [{ kind: text }] }] }] }), { 'Content-Type': 'application/json' });
    await post(JSON.stringify({ resourceSpans: [{ resource: [text] }] }), { 'Content-Type': 'application/json' });
  }
  const lines = 4 * hostile.length - hostile.length;
  await post('x', { 'Content-Type': 'a/\u009b2J' });
  await post('{}', { 'Content-Type': 'application/json', 'Content-Encoding': '\u009b2J' });
  await post('x', { 'Content-Type': `a/${'b'.repeat(10_000)}` });
  await post(badSpan('A'.repeat(2_000_000)), TYPE);
  await fetch(`${viewer.url}/v1/%1b%5d0;title%07`).then((response) => response.arrayBuffer());
  await sleep(300);
  const printed = viewer.printed();
  assert.doesNotMatch(printed, STEERS);
  assert.doesNotMatch(printed, /^webspan viewer: fake/m);
  const all = printed.trimEnd().split('\n');
  assert.ok(all.length >= lines + 5, `${all.length} complaints`);
  for (const line of all) {
    assert.match(line, /^(1 rejected: |POST |GET )/);
    assert.ok(line.length < 600, `${line.length} characters`);
  }
});

test('a sender of nonsense does not fill the terminal', async (t) => {
  const viewer = await started(t);
  for (let number = 0; number < 150; number++) await fetch(`${viewer.url}/v1/logs?${number}`, { method: 'POST', body: '{}' }).then((response) => response.arrayBuffer());
  await sleep(200);
  assert.equal(viewer.printed().trimEnd().split('\n').length, 100);
  for (let waited = 0; waited < 15_000 && !viewer.printed().includes('50 more'); waited += 100) await sleep(100);
  assert.match(viewer.printed(), /\n50 more were refused in these 10 s\n$/);
  await fetch(`${viewer.url}/v1/logs`).then((response) => response.arrayBuffer());
  await sleep(200);
  assert.match(viewer.printed(), /GET \/v1\/logs: [^\n]*\n$/, 'and later ones are shown again');
});

test('text for a terminal: what can be seen stays, what steers or hides does not', async () => {
  const { printable } = await part('../viewer/terminal');
  for (const [given, shown] of [
    ['GET /cart', 'GET /cart'],
    ['Grüße, 世界, 🚀', 'Grüße, 世界, 🚀'],
    ['a\tb\nc\rd', 'a?b?c?d'],
    ['\x1b[31mred\x1b[0m', '?[31mred?[0m'],
    ['\u009b31m', '?31m'],
    ['\u202eabc\u202c', '?abc?'],
    ['\u2028\u2029\u0085', '???'],
    ['a\ud83d', 'a?'],
    ['\u{e0001}\u{e0041}', '??'],
  ]) assert.equal(printable(given), shown, JSON.stringify(given));
  assert.equal(printable('abcdef', 3), 'abc…');
  assert.equal(printable('ab🚀', 3), 'ab?…', 'half a character cannot be seen');
});
