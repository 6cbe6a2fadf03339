// `npm run test:full`: what takes too long for `npm test`, which it does not repeat. The other engines in full, long fuzzing, and the fault matrix.

import { needed } from '../js/build/check.mjs';
import { ensureBrowser, ensureFirefox, ensureWebKit } from '../js/build/setup.mjs';
import { nodeTest, runSteps } from '../js/build/steps.mjs';

/** How long each of the seeded trials goes on. */
const FUZZ_SECONDS = process.env.WEBSPAN_FUZZ_SECONDS ?? '180';

process.env.WEBSPAN_ENGINES = 'all';
process.env.WEBSPAN_FUZZ_SECONDS = FUZZ_SECONDS;
// Others each time, which `npm test` does not try.
process.env.WEBSPAN_FUZZ_SEED ??= String(Date.now() % 1e9);
console.log(`seed of the random trials: ${process.env.WEBSPAN_FUZZ_SEED}`);

await runSteps(
  [
    ['calls with and without webspan, in all engines', nodeTest('tests/browser/as-without-us.test.mjs')],
    ['functions that a page has replaced, for long', nodeTest('tests/browser/poison.test.mjs')],
    ['random calls of the public functions, for long', nodeTest('tests/browser/random-calls.test.mjs')],
    ['random faults and the accounting, for long', nodeTest('tests/browser/accounting-fuzz.test.mjs')],
    ["random calls of the core's boundary, for long", nodeTest('tests/unit/core-fuzz.test.mjs')],
    ['the fault matrix', [process.execPath, 'tests/faults/run.mjs']],
  ],
  { needed: [...needed, ['set-up: browsers', () => (ensureBrowser(), ensureFirefox(), ensureWebKit())]] },
);
