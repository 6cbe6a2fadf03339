// `npm run check`: the quick part of the tests.

import { checkSeams } from './seams.mjs';
import { ensureNpm, ensureWasmTarget } from './setup.mjs';
import { nodeTests, runSteps } from './steps.mjs';

/** What nothing can be checked without. */
export const needed = [
  ['set-up: npm packages and the wasm target', () => (ensureNpm(), ensureWasmTarget())],
  ['build', [process.execPath, 'js/build/build.mjs']],
];

export const quick = [
  ['format (cargo fmt)', ['cargo', 'fmt', '--all', '--check']],
  ['clippy on the host', ['cargo', 'clippy', '--quiet', '--workspace', '--all-targets', '--', '-D', 'warnings']],
  ['clippy on wasm', ['cargo', 'clippy', '--quiet', '--lib', '--test', 'abi', '--target', 'wasm32-unknown-unknown', '--', '-D', 'warnings']],
  ['types of the commands (tsc)', ['node_modules/.bin/tsc', '-p', 'js/viewer']],
  ['seams', checkSeams],
  ['unit tests of the core', ['cargo', 'test', '--quiet', '--lib']],
  ['unit tests of the JavaScript', nodeTests('tests/unit')],
  ['size', [process.execPath, 'js/build/size.mjs']],
];

if (import.meta.filename === process.argv[1]) await runSteps(quick, { needed });
