// js/build/steps.mjs: a step that hangs fails, and leaves nothing behind.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { runCommand } from '../../js/build/steps.mjs';

test('a command has passed when it has ended well', async () => {
  assert.equal(await runCommand(process.execPath, ['-e', '']), true);
  assert.equal(await runCommand(process.execPath, ['-e', 'process.exitCode = 3']), false);
  assert.equal(await runCommand('/nowhere/to/be/found', []), false);
});

test('a command that hangs has failed, and its children are ended with it', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'webspan-steps-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const file = join(dir, 'pid');
  const hangs = 'setInterval(() => {}, 1000)';
  const script = `require('fs').writeFileSync(${JSON.stringify(file)}, String(require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(hangs)}], { stdio: 'inherit' }).pid)); ${hangs}`;
  const running = runCommand(process.execPath, ['-e', script], 3_000);
  while (!existsSync(file) || !readFileSync(file, 'utf8')) await delay(20);
  const child = Number(readFileSync(file, 'utf8'));
  assert.equal(await running, false);
  // A process that nobody has waited for yet is still listed, as a zombie.
  const isRunning = () => existsSync(`/proc/${child}/stat`) && !/\) Z /.test(readFileSync(`/proc/${child}/stat`, 'utf8'));
  for (let look = 0; look < 50 && isRunning(); look++) await delay(20);
  assert.equal(isRunning(), false);
});
