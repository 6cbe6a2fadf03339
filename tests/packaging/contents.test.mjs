// What is in the tarball: all that its package.json promises, nothing that was not meant, and no trace of the machine
// that made it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join, posix } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { cratesOf } from '../../js/build/notices.mjs';
import { projectDir } from '../../js/build/setup.mjs';
import { sampleExport } from '../harness/sample-export.mjs';
import { installApp, pack } from './package.mjs';

const { tarball, dir, files, remove } = pack();
after(remove);
const manifest = JSON.parse(read('package.json'));

function read(file) {
  return readFileSync(join(dir, file), 'utf8');
}

/** Strings anywhere in a value. */
const strings = (value) => (typeof value === 'string' ? [value] : Object.values(value ?? {}).flatMap(strings));

test('it holds what it is made of, and nothing else', () => {
  const expected = [
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'dist/THIRD-PARTY-NOTICES.txt',
    'dist/captures.global.js',
    'dist/captures.global.js.map',
    'dist/captures.js',
    'dist/captures.js.map',
    'dist/diagnosis.js',
    'dist/fallback.js',
    'dist/index.js',
    'dist/index.js.map',
    'dist/outbox.js',
    'dist/viewer/THIRD-PARTY-NOTICES.txt',
    'dist/viewer/cli.js',
    'dist/viewer/decode_bg.wasm',
    'dist/viewer/page/favicon.svg',
    'dist/viewer/page/index.html',
    'dist/viewer/page/page.css',
    'dist/viewer/page/page.js',
    'dist/viewer/server.js',
    'dist/web-vitals.js',
    'dist/webspan.global.js',
    'dist/webspan.global.js.map',
    'package.json',
  ];
  assert.deepEqual(files.filter((file) => !file.endsWith('.d.ts')), expected);
});

test('whoever wrote a part of it is named, with the license', () => {
  const page = read('dist/THIRD-PARTY-NOTICES.txt');
  const viewer = read('dist/viewer/THIRD-PARTY-NOTICES.txt');
  const named = (notices) => new Set([...notices.matchAll(/^- (\S+) (\S+), /gm)].map(([, name, version]) => `${name} ${version}`));
  const [inPage, inViewer] = [named(page), named(viewer)];
  const linked = (...args) => cratesOf(...args).map(({ name, version }) => `${name} ${version}`);
  const crates = linked('webspan-viewer-decode');
  for (const name of ['serde', 'serde-wasm-bindgen', 'serde_json', 'wasm-bindgen', 'js-sys', 'prost', 'bytes', 'base64']) assert.ok(crates.some((crate) => crate.startsWith(`${name} `)), name);
  assert.deepEqual(crates.filter((crate) => !inViewer.has(crate)), []);
  assert.deepEqual(linked('webspan', ['--no-default-features', '--features', 'page']).filter((crate) => !inPage.has(crate)), []);
  // What panics say tells which crates are really in there.
  const compiled = readFileSync(join(dir, 'dist/viewer/decode_bg.wasm'), 'latin1');
  for (const [, crate] of compiled.matchAll(/crates\/[\w.-]+\/([\w-]+-\d[\w.]*)\//g)) assert.ok(inViewer.has(crate.replace(/-(?=\d)/, ' ')), crate);
  for (const [notices, holders] of [
    [page, ['web-vitals', 'wasm-bindgen', "Rust's standard library", 'Copyright (c) 2014 Alex Crichton']],
    [viewer, ["Rust's standard library", 'dlmalloc', 'Copyright (c) 2014 Alex Crichton', 'Copyright (c) 2018 Carl Lerche', 'UNICODE LICENSE V3']],
  ]) {
    for (const text of [...holders, 'Permission is hereby granted', 'Apache License']) assert.ok(notices.includes(text), text);
    // Each work that is listed stands above a text, too.
    for (const work of named(notices)) assert.ok(notices.split(work).length > 2, work);
  }
});

test('all that package.json names is there, and the command can be run', () => {
  const { main, types, unpkg, exports, bin } = manifest;
  const named = [main, types, unpkg, ...strings(exports), ...strings(bin)].map((path) => posix.normalize(path));
  assert.deepEqual(named.filter((path) => !files.includes(path)), []);
  for (const path of strings(bin)) {
    assert.match(read(path), /^#!\/usr\/bin\/env node\n/, path);
    assert.ok(statSync(join(dir, path)).mode & 0o100, `${path} is executable`);
  }
});

test('every declaration is one that a public declaration needs', () => {
  const entries = strings(manifest.exports).filter((path) => path.endsWith('.d.ts')).map((path) => posix.normalize(path));
  const needed = new Set(entries);
  // A set is walked on while it grows.
  for (const file of needed) {
    for (const [, specifier] of read(file).matchAll(/(?:\bfrom|\bimport\()\s*['"](\.[^'"]+)['"]/g)) {
      needed.add(posix.join(dirname(file), specifier.replace(/\.js$/, '.d.ts')));
    }
  }
  assert.deepEqual(files.filter((file) => file.endsWith('.d.ts')), [...needed].sort());
});

test('declarations import only what is in the package', () => {
  for (const file of files.filter((name) => name.endsWith('.d.ts'))) {
    const specifiers = [...read(file).matchAll(/(?:\bfrom|\bimport\()\s*['"]([^'"]+)['"]/g)].map(([, specifier]) => specifier);
    assert.deepEqual(specifiers.filter((specifier) => !specifier.startsWith('.')), [], file);
  }
});

test('it depends on nothing, and runs nothing when it is installed', () => {
  const { dependencies = {}, optionalDependencies = {}, bundleDependencies = [], scripts = {} } = manifest;
  assert.deepEqual({ dependencies, optionalDependencies, bundleDependencies }, { dependencies: {}, optionalDependencies: {}, bundleDependencies: [] });
  assert.deepEqual(Object.keys(scripts).filter((name) => /^(pre|post)?(install|prepare)$/.test(name)), []);
});

test('no file tells where it was made', () => {
  const places = [projectDir, homedir(), process.env.CARGO_HOME, process.env.CARGO_TARGET_DIR].filter((place) => place && place !== '/');
  const ofThisMachine = places.map((place) => RegExp(`(?<![\\w.-])${place.replace(/[^\w/]/g, '\\$&')}(?![\\w.-])`));
  const ofAnyMachine = [/\/(home|Users)\/[\w.-]+\//, /file:\/\/\//, /[\\/]\.cargo[\\/]registry/, /[\\/]target[\\/](release|debug|wasm32)/];
  const found = [];
  for (const file of files) {
    const content = readFileSync(join(dir, file), 'latin1');
    // The core stands in JavaScript files as hex text, in which nobody would see a path.
    const hidden = [...content.matchAll(/(?<![0-9a-f])0061736d(?:[0-9a-f]{2})+/g)].map(([hex]) => Buffer.from(hex, 'hex').toString('latin1'));
    if (/^dist\/(index|webspan\.global)\.js$/.test(file)) assert.equal(hidden.length, 1, `${file} holds the core`);
    for (const place of [...ofThisMachine, ...ofAnyMachine]) {
      for (const text of [content, ...hidden]) {
        const at = text.search(place);
        if (at >= 0) found.push(`${file}: ${text.slice(at, at + 60).replace(/[^ -~]/g, '.')}`);
      }
    }
  }
  assert.deepEqual(found, []);
});

test('source maps carry their sources, under names inside the project', () => {
  const maps = files.filter((file) => file.endsWith('.map'));
  for (const file of maps) {
    const { sources, sourcesContent, sourceRoot = '' } = JSON.parse(read(file));
    assert.equal(sourceRoot, '');
    assert.equal(sourcesContent.length, sources.length);
    sources.forEach((source, index) => {
      assert.ok(sourcesContent[index], `${file} holds ${source}`);
      const inProject = posix.join(dirname(file), source);
      assert.ok(!source.startsWith('/') && !inProject.startsWith('..'), `${file}: ${source} is inside the project`);
    });
    assert.match(read(file.replace(/\.map$/, '')), RegExp(`\\n//# sourceMappingURL=${posix.basename(file)}\\s*$`));
  }
});

test('source maps lead from what is minified to the line that it was made of', () => {
  for (const bundle of ['dist/index.js', 'dist/webspan.global.js']) {
    const map = JSON.parse(read(`${bundle}.map`));
    const found = new SourceMap(map);
    const lines = read(bundle).split('\n');
    for (const [source, text] of [
      ['../js/instance.ts', 'init() was called before'],
      ['../js/options.ts', 'propagateTraceHeaderCorsUrls:'],
      ['../js/transport.ts', 'retry-after'],
      ['../js/capture/fetch.ts', 'new Request('],
    ]) {
      const line = lines.findIndex((candidate) => candidate.includes(text));
      const { originalSource, originalLine } = found.findEntry(line, lines[line].indexOf(text));
      assert.equal(originalSource, source, `${bundle}: ${text}`);
      assert.ok(map.sourcesContent[map.sources.indexOf(source)].split('\n')[originalLine].includes(text), `${bundle}: ${text} is in line ${originalLine + 1}`);
    }
  }
});

test('other files name only source maps that are there', () => {
  for (const file of files.filter((name) => /\.(js|css|d\.ts)$/.test(name))) {
    const map = /\/[/*]# sourceMappingURL=(\S+)/.exec(read(file).slice(-300))?.[1];
    if (map) assert.ok(files.includes(posix.join(dirname(file), map)), `${file} names ${map}`);
  }
});

test('installed, its command starts the viewer, which decodes what it is sent', async (t) => {
  const app = installApp('plain', tarball);
  t.after(app.remove);
  const viewer = spawn(join(app.dir, 'node_modules/.bin/webspan'), ['viewer', '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => viewer.kill('SIGKILL'));
  const lines = createInterface({ input: viewer.stdout });
  let url;
  for await (const line of lines) {
    url = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0];
    if (url) break;
  }
  assert.ok(url, 'it says where it is');
  const { headers, body } = sampleExport({ names: ['installed'] });
  assert.equal((await fetch(`${url}/v1/traces`, { method: 'POST', headers, body })).status, 200);
  const traces = await (await fetch(`${url}/api/traces`)).json();
  assert.equal(traces.length, 1);
  assert.match(await (await fetch(url)).text(), /<!doctype html>/i);
  viewer.kill('SIGTERM');
  assert.deepEqual(await once(viewer, 'exit'), [0, null]);
});
