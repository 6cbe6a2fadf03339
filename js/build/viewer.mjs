// Builds the viewer into dist/viewer: the decoder (Rust -> wasm -> glue -> wasm-opt), the server, the command, the page, and
// the notices of what is in them.
// Alone: node js/build/viewer.mjs
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeNotices } from './notices.mjs';
import { ensureNpm, ensureWasmTarget, projectDir } from './setup.mjs';

const sourceDir = join(projectDir, 'js/viewer');
const outDir = join(projectDir, 'dist/viewer');
const cacheDir = join(projectDir, '.cache/viewer-decode');

/** The crate. */
const DECODER = 'webspan-viewer-decode';

export async function buildViewer() {
  ensureNpm();
  ensureWasmTarget();
  const decoderDir = buildDecoder();
  rmSync(outDir, { recursive: true, force: true });
  mkdirSync(join(outDir, 'page'), { recursive: true });
  copyFileSync(join(decoderDir, 'decode_bg.wasm'), join(outDir, 'decode_bg.wasm'));
  await Promise.all([bundleServer(decoderDir), bundlePage()]);
  writeNotices(outDir, { crate: DECODER, withStd: true, packages: ['esbuild'] });
  chmodSync(join(outDir, 'cli.js'), 0o755);
}

/** @returns {string} the folder that holds decode.js and decode_bg.wasm */
function buildDecoder() {
  // Panic messages name source files: not where they lie on the machine that builds.
  const registry = join(process.env.CARGO_HOME ?? join(homedir(), '.cargo'), 'registry/src');
  const remap = `target.wasm32-unknown-unknown.rustflags=["--remap-path-prefix=${registry}=crates"]`;
  const profile = ['--lib', '--profile', 'page', '--target', 'wasm32-unknown-unknown', '--config', remap];
  const wasmFile = cargo(DECODER, profile, (file) => file.endsWith('.wasm'), {
    // With its sections stripped, bindgen could not see which WebAssembly features the module was compiled for.
    CARGO_PROFILE_PAGE_STRIP: 'false',
  });
  const bindgen = cargo('webspan-bindgen', ['--release', '--bin', 'webspan-bindgen'], () => true);
  // cargo knows by itself when there is nothing to do. The steps after it do not; what they give depends on this:
  const key = createHash('sha256').update(readFileSync(wasmFile)).update(readFileSync(bindgen)).digest('hex').slice(0, 16);
  const decoderDir = join(cacheDir, key);
  if (existsSync(decoderDir)) return decoderDir;

  const makingDir = `${decoderDir}.${process.pid}`;
  run(bindgen, [wasmFile, makingDir, '--name', 'decode', '--target', 'experimental-nodejs-module', '--no-typescript']);
  const bound = join(makingDir, 'decode_bg.wasm');
  run(process.execPath, [join(projectDir, 'node_modules/binaryen/bin/wasm-opt'), bound, '-Oz', '-o', bound]);
  // Renamed when complete: a build that is interrupted leaves nothing that looks like a result.
  rmSync(decoderDir, { recursive: true, force: true });
  renameSync(makingDir, decoderDir);
  return decoderDir;
}

/**
 * Builds a crate of the workspace.
 * @returns {string} path of what was made, as cargo tells it
 */
function cargo(crate, options, isWanted, env = {}) {
  const args = ['build', '--quiet', '--package', crate, ...options, '--message-format', 'json-render-diagnostics'];
  const messages = run('cargo', args, { env: { ...process.env, ...env } }).trim().split('\n').map((line) => JSON.parse(line));
  const made = messages
    .filter(({ reason, package_id: id = '' }) => reason === 'compiler-artifact' && id.includes(crate))
    .flatMap(({ executable, filenames }) => (executable ? [executable] : filenames))
    .find(isWanted);
  if (made === undefined) throw new Error(`cargo built ${crate}, but named no file of it`);
  return made;
}

async function bundleServer(decoderDir) {
  const { build } = await import('esbuild');
  const { version } = JSON.parse(readFileSync(join(projectDir, 'package.json'), 'utf8'));
  const shared = {
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    outdir: outDir,
    legalComments: 'none',
    logLevel: 'warning',
  };
  await build({ ...shared, entryPoints: [join(sourceDir, 'server.ts')], alias: { 'webspan-viewer-decode': join(decoderDir, 'decode.js') } });
  await build({
    ...shared,
    entryPoints: [join(sourceDir, 'cli.ts')],
    // Next to it in dist, too.
    external: ['./server.js'],
    banner: { js: '#!/usr/bin/env node' },
    define: { WEBSPAN_VERSION: JSON.stringify(version) },
  });
}

async function bundlePage() {
  const { build } = await import('esbuild');
  await build({
    entryPoints: [{ in: join(sourceDir, 'page/main.ts'), out: 'page' }, { in: join(sourceDir, 'page/page.css'), out: 'page' }],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
    outdir: join(outDir, 'page'),
    legalComments: 'none',
    logLevel: 'warning',
  });
  for (const file of ['index.html', 'favicon.svg']) copyFileSync(join(sourceDir, 'page', file), join(outDir, 'page', file));
}

function run(program, args, options = {}) {
  const { status, signal, error, stdout } = spawnSync(program, args, {
    cwd: projectDir,
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'inherit'],
    ...options,
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${program} ${args[0]} ended with ${signal ?? status}`);
  return stdout;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const startedMs = performance.now();
  await buildViewer();
  console.log(`viewer: built in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
}
