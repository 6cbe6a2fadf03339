// The wasm tests: compiled once, run in Node and in the Chromium that the other tests use.
// `node js/build/wasm-test.mjs [filter]`
//
// The runner is wasm-bindgen's own, as a binary of the crate js/build/bindgen, so that its version is the one of the lock file. Its own
// way into a browser needs a chromedriver of the very version of the browser; it can also just serve its page, which is what is used here.
import { spawn, spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ensureNpm, ensureWasmTarget, projectDir } from './setup.mjs';

/** Files of tests/ that are for wasm; all others are for the host. */
const TESTS = ['abi'];

/** All tests take a second; a page that cannot load the module says so in its console and then waits for ever. */
const TIMEOUT_MS = 60_000;

/**
 * Builds and runs them all. Throws when one fails.
 * @param {string} [filter] only tests whose names contain this
 */
export async function runWasmTests(filter) {
  ensureNpm();
  ensureWasmTarget();
  const [runner] = built(['build', '--package', 'webspan-bindgen', '--features', 'test-runner', '--bin', 'webspan-wasm-test']);
  const modules = built(['test', '--no-run', '--target', 'wasm32-unknown-unknown', ...TESTS.flatMap((name) => ['--test', name])]);
  for (const wasm of modules) {
    const args = filter ? [wasm, filter] : [wasm];
    console.log('in Node:');
    runInNode(runner, args);
    console.log('in Chromium:');
    await runInBrowser(runner, args);
  }
}

/** Runs cargo; the paths of the executables that it names. */
function built(args) {
  const { status, error, stdout } = spawnSync('cargo', [...args, '--quiet', '--message-format=json-render-diagnostics'], {
    cwd: projectDir,
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`'cargo ${args.join(' ')}' ended with ${status}`);
  const messages = stdout.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  const executables = messages.flatMap(({ reason, executable }) => (reason === 'compiler-artifact' && executable ? [executable] : []));
  if (executables.length === 0) throw new Error(`'cargo ${args.join(' ')}' named no executable`);
  return executables;
}

function runInNode(runner, args) {
  const { status, error } = spawnSync(runner, args, { cwd: projectDir, stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) throw new Error('wasm tests failed in Node');
}

async function runInBrowser(runner, args) {
  // Not at the top: there may have been no npm packages when this file was loaded.
  const { withBrowser } = await import('../../tests/harness/browser.mjs');
  const server = spawn(runner, args, {
    cwd: projectDir,
    // It serves the page with the tests, and leaves the opening to us.
    env: { ...process.env, WASM_BINDGEN_USE_BROWSER: '1', NO_HEADLESS: '1', WASM_BINDGEN_TEST_ADDRESS: '127.0.0.1:0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const url = await addressOf(server);
    const output = await withBrowser(async (browser) => {
      const page = await browser.newPage();
      page.on('pageerror', (error) => console.error(error));
      await page.goto(url);
      const done = page.waitForFunction(() => /^test result: /m.test(document.body.innerText), undefined, { timeout: TIMEOUT_MS });
      // What stands there when the time is over tells how far it came.
      await done.catch((error) => console.error(error.message));
      return page.innerText('body');
    });
    console.log(output);
    if (!/^test result: ok/m.test(output)) throw new Error('wasm tests failed in Chromium');
  } finally {
    server.kill();
  }
}

/** Where the runner serves its page. */
async function addressOf(server) {
  for await (const line of createInterface({ input: server.stdout })) {
    const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(line) ?? [];
    if (url) return url;
  }
  throw new Error('the runner of the wasm tests ended before it served them');
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    await runWasmTests(process.argv[2]);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
