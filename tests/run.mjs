// `npm test`: everything. Sets up what is missing, and says what it does.

import { needed, quick } from '../js/build/check.mjs';
import { ensureBrowser, ensureCollector, ensureFirefox, ensureWebKit } from '../js/build/setup.mjs';
import { nodeTests, runSteps } from '../js/build/steps.mjs';
import { runWasmTests } from '../js/build/wasm-test.mjs';

await runSteps(
  [
    ...quick,
    ['host tests', ['cargo', 'test', '--quiet', '--workspace', '--tests']],
    ['wasm tests', runWasmTests],
    ['the harness itself', nodeTests('tests/harness')],
    ['the benchmarks\' own rules', nodeTests('tests/bench')],
    ['in the browser', nodeTests('tests/browser')],
    ['the viewer', nodeTests('tests/viewer')],
    ['the doctor', nodeTests('tests/doctor')],
    ['with a real Collector', nodeTests('tests/collector')],
    ['packed and installed', nodeTests('tests/packaging')],
    ['the demo', [process.execPath, 'examples/react-flask/run.mjs', '--check']],
  ],
  {
    needed: [
      ...needed,
      ['set-up: browsers and Collector', () => (ensureBrowser(), ensureFirefox(), ensureWebKit(), ensureCollector())],
    ],
  },
);
