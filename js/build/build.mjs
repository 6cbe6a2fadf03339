// From a clean clone to dist/: cargo -> glue -> wasm-opt -> wasm2js -> bundles -> types -> viewer, as named steps.
// `node js/build/build.mjs [--only page|viewer]`

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { writeNotices } from './notices.mjs';
import { ensureWasmTarget, projectDir as root } from './setup.mjs';
import { shortenNames } from './short-names.mjs';

export const dist = join(root, 'dist');
/** What lies between the steps. */
const work = join(root, '.cache/build');
const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target');
const bin = (name) => join(root, 'node_modules/.bin', name);

/** What rustc uses for wasm32 since 2025, and every browser with synchronous modules has. */
const wasmFeatures = ['bulk-memory', 'bulk-memory-opt', 'sign-ext', 'mutable-globals', 'nontrapping-float-to-int'].map((name) => `--enable-${name}`);

function run(command, args, options = {}) {
  execFileSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], ...options });
}

function say(text) {
  console.log(`build: ${text}`);
}

/** Everything that a step reads, as one hash: the step is skipped when it has not changed since. */
function hashOf(paths) {
  const hash = createHash('sha256');
  const add = (path) => {
    if (!existsSync(path)) return;
    if (statSync(path).isDirectory()) {
      for (const name of readdirSync(path).sort()) if (name !== 'target' && name !== 'node_modules') add(join(path, name));
    } else {
      hash.update(relative(root, path)).update('\0').update(readFileSync(path)).update('\0');
    }
  };
  paths.forEach((path) => add(join(root, path)));
  return hash.digest('hex');
}

/** The core for a page: cargo, glue, wasm-opt, wasm2js. Leaves core.wasm, core.js (glue) and core-in-js.js in the work folder. */
export function buildCore() {
  const stamp = join(work, 'core.stamp');
  const inputs = hashOf(['src', 'Cargo.toml', 'Cargo.lock', 'js/build/bindgen', 'js/build/build.mjs', 'js/build/short-names.mjs', 'package-lock.json']);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === inputs) return;
  mkdirSync(work, { recursive: true });
  ensureWasmTarget();

  say('the core (cargo)');
  const flags = [
    // wasm2js takes no module with reference types, which rustc would otherwise use.
    '-Ctarget-feature=-reference-types,-multivalue',
    // A tenth smaller, as fast: at the size that rustc reckons with, it makes too many copies of what is called often.
    '-Cllvm-args=-inline-threshold=20',
    // What two branches have in common stands once, before or behind them, and no load is made twice to be made seldom: another hundredth.
    '-Cllvm-args=-hoist-common-insts=true -sink-common-insts=true -enable-load-pre=false',
    // Random bytes come from src/bare.rs.
    '--cfg=getrandom_backend="custom"',
  ];
  const { RUSTFLAGS: _, CARGO_ENCODED_RUSTFLAGS: __, ...env } = process.env;
  run(
    'cargo',
    [
      ...['rustc', '--quiet', '--lib', '--crate-type', 'cdylib', '--no-default-features', '--features', 'page', '--profile', 'page'],
      ...['--target', 'wasm32-unknown-unknown', '--config', `target.wasm32-unknown-unknown.rustflags=${JSON.stringify(flags)}`],
      ...['--', '-Clink-arg=-zstack-size=65536'],
    ],
    { env },
  );

  say('its glue (wasm-bindgen)');
  run('cargo', ['build', '--quiet', '--release', '-p', 'webspan-bindgen', '--bin', 'webspan-bindgen']);
  run(join(target, 'release/webspan-bindgen'), [join(target, 'wasm32-unknown-unknown/page/webspan.wasm'), work, '--name', 'core', '--target', 'web']);

  say('short names');
  const glue = join(work, 'core.js');
  const { module, glue: shortGlue, short } = shortenNames(readFileSync(join(work, 'core_bg.wasm')), ours(readFileSync(glue, 'utf8')));
  writeFileSync(glue, shortGlue);
  writeFileSync(join(work, 'named.wasm'), module);
  writeFileSync(join(work, 'names.json'), JSON.stringify(short));

  say('smaller (wasm-opt)');
  const wasm = join(work, 'core.wasm');
  // Rust never addresses the first kilobyte, which is the far end of the stack: so more of an address fits into the instruction that uses it.
  // The structure of the code taken down and built up again by wasm-opt is smaller than what rustc makes of it, and a second time smaller still.
  const smaller = ['-Oz', '--flatten', '--rereloop', '-Oz', '--flatten', '--rereloop', '-Oz', '-Oz', '--low-memory-unused', '--reorder-functions', '--reorder-locals'];
  // Zeros compress better than the places of what is between them.
  const withZeros = '--skip-pass=memory-packing';
  run(bin('wasm-opt'), [...smaller, withZeros, ...wasmFeatures, '--strip-debug', '--strip-producers', '--strip-target-features', join(work, 'named.wasm'), '-o', wasm]);

  say('the same in JavaScript (wasm2js)');
  // Without bulk memory and without the conversions that JavaScript has no instruction for.
  const lowered = join(work, 'lowered.wasm');
  run(bin('wasm-opt'), [...wasmFeatures, '--llvm-memory-copy-fill-lowering', '--llvm-nontrapping-fptoint-lowering', '--signext-lowering', '-Oz', wasm, '-o', lowered]);
  run(bin('wasm2js'), ['-Oz', lowered, '-o', join(work, 'core-in-js.raw.js')]);
  writeFileSync(join(work, 'core-in-js.js'), instantiable(readFileSync(join(work, 'core-in-js.raw.js'), 'utf8')));
  writeFileSync(join(work, 'core-in-js-glue.js'), gluedToJs(readFileSync(join(work, 'core.js'), 'utf8')));
  writeFileSync(stamp, inputs);
}

/** wasm2js writes a module that starts itself; ours is to be started by the glue, once for each page. */
function instantiable(source) {
  const body = source.replace(/^import .*$/gm, '').replace(/^var retasmFunc = [\s\S]*$/m, '');
  if (body === source || !/function asmFunc\(/.test(body)) throw new Error('wasm2js writes its modules in a new way: build.mjs has to learn it');
  return `${body}\nexport const instantiate = asmFunc;\n`;
}

/**
 * The glue, changed: each start makes a new instance, so that the memory of the one before can go as a whole; and it is given the bytes of the module,
 * as it is by us, and nothing else.
 */
function ours(glue) {
  const renewing = changed(glue, 'if (wasm !== undefined) return wasm;', '');
  const plain = changed(renewing, /if \(module !== undefined\) \{\s*if \(Object.getPrototypeOf\(module\)[^]*?\}\s*\}(?=\s*const imports)/, '');
  return changed(plain, /if \(!\(module instanceof WebAssembly.Module\)\) \{\s*(module = new WebAssembly.Module\(module\);)\s*\}/, '$1');
}

/** The glue, for the core in JavaScript: the one line that makes an instance makes it from there. */
function gluedToJs(glue) {
  const linked = changed(glue, /module = new WebAssembly.Module\(module\);\s*const instance = new WebAssembly.Instance\(module, imports\)/, 'const instance = { exports: instantiate(imports) }');
  return `import { instantiate } from './core-in-js.js';\n${linked}`;
}

function changed(glue, code, instead) {
  const done = glue.replace(code, instead);
  if (done === glue) throw new Error(`wasm-bindgen writes its glue in a new way, without "${code}": build.mjs has to learn it`);
  return done;
}

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** The modules that exist only in a build: the glue, and `loads`, by their names, which fetch what stands beside in dist. */
const madeHere = (loads) => ({
  name: 'made-here',
  setup(build) {
    build.onResolve({ filter: /^#core$/ }, () => ({ path: join(work, 'core.js') }));
    build.onResolve({ filter: /^#/ }, ({ path }) => (loads[path] ? { path, namespace: 'made-here' } : undefined));
    build.onResolve({ filter: /^\.\//, namespace: 'made-here' }, ({ path }) => ({ path, external: true }));
    build.onLoad({ filter: /./, namespace: 'made-here' }, ({ path }) => ({ contents: loads[path] }));
  },
});

/** Fetches a file from where the module is: bundlers follow this. */
const fromModule = (file) => `export const load = () => import('./${file}');`;
/** The same for a script tag. The script's own address is known only while it is first run. */
const fromScript = (file) =>
  `const { src } = globalThis.document?.currentScript ?? {}; export const load = () => import(new URL('${file}', src).href);`;

/** What the page fetches only where it is needed. */
const beside = (from) => ({ '#fallback': from('fallback.js'), '#diagnosis': from('diagnosis.js'), '#outbox': from('outbox.js') });

/** The core as hex text. A constant and no module, since source maps repeat every module. */
const defined = () => ({
  __VERSION__: JSON.stringify(version),
  __WASM_HEX__: JSON.stringify(readFileSync(join(work, 'core.wasm')).toString('hex')),
});

/** Global names as what they were when the bundle was loaded, whatever the page makes of them later. */
const inject = [join(root, 'js/natives.ts')];

const shared = { bundle: true, minify: true, sourcemap: true, sourcesContent: true, target: 'es2022', legalComments: 'none', logLevel: 'warning', absWorkingDir: root };

/** Puts a bundle and its source map into dist, after a second minifier, which leaves 4 % less of the JavaScript. */
async function writeSmaller(bundle, format) {
  const { minify } = await import('terser');
  const [map, { path, text }] = bundle.outputFiles;
  const isModule = format === 'esm';
  const smaller = await minify(text, {
    ecma: 2020,
    // In a script, what stands outside of functions is global: its name is what the page calls.
    module: isModule,
    toplevel: isModule,
    // A function that is used once stays where it is: moved into another, it would be made, and thrown away, at each call of that.
    compress: { passes: 3, reduce_funcs: false },
    sourceMap: { content: map.text, filename: basename(path), url: basename(map.path), includeSources: true },
  });
  writeFileSync(path, smaller.code);
  writeFileSync(map.path, smaller.map);
}

/** index.js, the captures, the script-tag builds of both, and what is loaded only where it is needed: the core in JavaScript, the words for failures, the outbox. */
export async function buildPage() {
  const esbuild = await import('esbuild');
  say('the page (esbuild, terser)');
  mkdirSync(dist, { recursive: true });
  const short = JSON.parse(readFileSync(join(work, 'names.json'), 'utf8'));
  const mangleProps = new RegExp(`^(?:${Object.keys(short).join('|')})$`);
  const build = async (options) => writeSmaller(await esbuild.build({ ...shared, inject, ...options, mangleProps, mangleCache: short, write: false }), options.format);
  await build({
    define: defined(),
    entryPoints: [join(root, 'js/index.ts')],
    format: 'esm',
    outfile: join(dist, 'index.js'),
    plugins: [madeHere(beside(fromModule))],
  });
  await build({
    define: defined(),
    entryPoints: [join(root, 'js/index.ts')],
    format: 'iife',
    globalName: 'webspan',
    outfile: join(dist, 'webspan.global.js'),
    plugins: [madeHere(beside(fromScript))],
  });
  await build({
    entryPoints: [join(root, 'js/captures.ts')],
    format: 'esm',
    outfile: join(dist, 'captures.js'),
    plugins: [madeHere({ '#web-vitals': fromModule('web-vitals.js') })],
  });
  await build({
    entryPoints: [join(root, 'js/captures.ts')],
    format: 'iife',
    // Beside what the script-tag build of the page has put there.
    globalName: 'webspan.captures',
    outfile: join(dist, 'captures.global.js'),
    plugins: [madeHere({ '#web-vitals': fromScript('web-vitals.js') })],
  });
  const vitals = JSON.parse(readFileSync(join(root, 'node_modules/web-vitals/package.json'), 'utf8'));
  await esbuild.build({
    ...shared,
    sourcemap: false,
    stdin: { contents: "export { onCLS, onFCP, onINP, onLCP, onTTFB } from 'web-vitals';", resolveDir: root },
    banner: { js: `/*! web-vitals ${vitals.version}, Copyright Google LLC, ${vitals.license}, https://github.com/GoogleChrome/web-vitals */` },
    format: 'esm',
    outfile: join(dist, 'web-vitals.js'),
  });
  await esbuild.build({
    ...shared,
    mangleProps,
    mangleCache: short,
    sourcemap: false,
    stdin: { contents: "import { initSync } from './core-in-js-glue.js'; export const start = () => initSync();", resolveDir: work },
    format: 'esm',
    outfile: join(dist, 'fallback.js'),
  });
  for (const name of ['diagnosis', 'outbox']) {
    await esbuild.build({ ...shared, mangleProps, mangleCache: short, sourcemap: false, entryPoints: [join(root, `js/${name}.ts`)], format: 'esm', outfile: join(dist, `${name}.js`) });
  }
}

/** Whose work is in the files that pages load. */
export function buildNotices() {
  say('notices');
  const options = ['--no-default-features', '--features', 'page'];
  // fallback.js holds functions that wasm2js writes into what it makes.
  writeNotices(dist, { crate: 'webspan', options, withStd: false, packages: ['web-vitals', 'binaryen', 'esbuild'] });
}

/** Declarations, and with them the check of all types. */
export function buildTypes() {
  say('types (tsc)');
  rmSync(join(root, '.cache/types'), { recursive: true, force: true });
  run(bin('tsc'), ['-p', 'js']);
  // What the public types are made of, and no more: the others speak of the core.
  for (const name of ['index', 'api', 'options', 'urls', 'captures']) cpSync(join(root, `.cache/types/${name}.d.ts`), join(dist, `${name}.d.ts`));
}

async function main() {
  const only = process.argv[2] === '--only' ? process.argv[3] : undefined;
  if (only !== 'viewer') {
    buildCore();
    await buildPage();
    buildTypes();
    buildNotices();
  }
  if (only !== 'page') {
    const { buildViewer } = await import('./viewer.mjs');
    await buildViewer();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await main();
