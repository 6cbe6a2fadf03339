// Runs named steps one after the other, says which, and sums up at the end: what `npm test` and `npm run check` are made of.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { projectDir } from './setup.mjs';

/** @typedef {[name: string, run: string[] | (() => unknown)]} Step a command with its arguments, or a function that throws when it fails */

/** Several times what the longest step takes on a slow machine: a step that hangs is to fail, and the others to run. */
const STEP_LIMIT_MS = 1_800_000;

/**
 * The command that runs the node:test files of a folder. By name: Node 20 knows no patterns.
 *
 * Two at a time: two cores are the least that is expected, and browsers in more files than that only wait for one another.
 *
 * @param {string} folder
 */
export function nodeTests(folder) {
  const files = readdirSync(join(projectDir, folder)).filter((name) => name.endsWith('.test.mjs'));
  return nodeTest(...files.map((name) => `${folder}/${name}`));
}

/**
 * The command that runs these node:test files.
 *
 * @param {string[]} files
 */
export const nodeTest = (...files) => [process.execPath, '--test', '--test-concurrency=2', '--test-timeout=300000', ...files];

/**
 * Runs all steps, also after one has failed, so that one run tells all. Ends the process with 1 when one has.
 *
 * @param {Step[]} steps
 * @param {{ needed?: Step[] }} [options] `needed`: without these the others make no sense; the first that fails ends the run
 */
export async function runSteps(steps, { needed = [] } = {}) {
  const results = [];
  for (const step of needed) {
    const result = await runStep(step);
    results.push(result);
    if (!result.passed) return conclude(results);
  }
  for (const step of steps) results.push(await runStep(step));
  conclude(results);
}

/** @param {Step} step */
async function runStep([name, run]) {
  console.log(`\n=== ${name}`);
  const startMs = performance.now();
  let passed = true;
  if (typeof run === 'function') {
    try {
      await run();
    } catch (error) {
      console.error(error instanceof Error ? error.message : error);
      passed = false;
    }
  } else {
    const [command, ...args] = run;
    passed = await runCommand(command, args);
  }
  return { name, passed, seconds: (performance.now() - startMs) / 1000 };
}

/**
 * Whether it has ended well. With its children, in a process group of their own: a test runner that waits for a browser that waits would otherwise
 * outlive its time.
 *
 * @param {string} command
 * @param {string[]} args
 */
export async function runCommand(command, args, limitMs = STEP_LIMIT_MS) {
  const child = spawn(command, args, { cwd: projectDir, stdio: 'inherit', detached: true });
  const stop = () => process.kill(-child.pid, 'SIGKILL');
  const interrupted = () => (stop(), process.exit(130));
  const limit = setTimeout(() => {
    console.error(`${command} has not ended within ${limitMs / 1000} s`);
    stop();
  }, limitMs);
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    const [code] = await once(child, 'exit');
    return code === 0;
  } catch (error) {
    console.error(error.message);
    return false;
  } finally {
    clearTimeout(limit);
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
  }
}

function conclude(results) {
  console.log('\n=== all steps');
  for (const { name, passed, seconds } of results) console.log(`${passed ? 'passed' : 'FAILED'}  ${seconds.toFixed(1).padStart(6)} s  ${name}`);
  const failed = results.filter(({ passed }) => !passed).length;
  console.log(`${results.length - failed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}
