// `npm test`: everything. Sets up what is missing, and says what it does.

import { needed, quick } from '../js/build/check.mjs';
import { ensureBrowser, ensureCollector } from '../js/build/setup.mjs';
import { runSteps } from '../js/build/steps.mjs';
import { runWasmTests } from '../js/build/wasm-test.mjs';

/** Two cores are the least that is expected; browsers in more files than that only wait for one another. */
const nodeTest = (...files) => [process.execPath, '--test', '--test-concurrency=2', ...files];

await runSteps(
  [
    ...quick,
    ['host tests', ['cargo', 'test', '--quiet', '--workspace', '--tests']],
    ['wasm tests', runWasmTests],
    ['the harness itself', nodeTest('tests/harness/*.test.mjs')],
    ['in the browser', nodeTest('tests/browser/*.test.mjs')],
    ['the viewer', nodeTest('tests/viewer/*.test.mjs')],
    ['with a real Collector', nodeTest('tests/collector/*.test.mjs')],
    ['packed and installed', nodeTest('tests/packaging/*.test.mjs')],
    ['the demo', [process.execPath, 'examples/react-flask/run.mjs', '--check']],
  ],
  {
    needed: [
      ...needed,
      ['set-up: browser and Collector', () => (ensureBrowser(), ensureCollector())],
    ],
  },
);
