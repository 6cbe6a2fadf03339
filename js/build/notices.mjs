// THIRD-PARTY-NOTICES.txt: whose work is in the files beside it, and under which license. Made of what Cargo and npm have unpacked.

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { projectDir } from './setup.mjs';

export const NOTICES = 'THIRD-PARTY-NOTICES.txt';

/** @typedef {{ name: string, version: string, license: string, source: string, texts: string[] }} Work */

/**
 * @param {string} dir where the file belongs
 * @param {{ crate: string, options?: string[], withStd: boolean, packages: string[] }} content `crate`: compiled to WebAssembly, with its
 * dependencies; `options`: of cargo, as it was built; `withStd`: it is linked with `std`, and not with `core` and `alloc` alone; `packages`:
 * npm packages of which something is in the files
 */
export function writeNotices(dir, { crate, options = [], withStd, packages }) {
  const works = [...cratesOf(crate, options), rust(withStd), ...packages.map(npmPackage)];
  /** Works with one text share it. */
  const shared = new Map();
  for (const work of works) {
    for (const text of work.texts) {
      const key = text.replace(/\s+/g, ' ').trim();
      const entry = shared.get(key) ?? { text: text.trim(), works: [] };
      entry.works.push(`${work.name} ${work.version}`);
      shared.set(key, entry);
    }
  }
  const rule = '-'.repeat(80);
  const list = works.map(({ name, version, license, source }) => `- ${name} ${version}, ${license}, ${source}`);
  const texts = [...shared.values()].map((entry) => `${rule}\n${entry.works.join(', ')}\n${rule}\n\n${entry.text}\n`);
  const head = 'The files in this folder contain parts of the works below. webspan itself is under the Apache License 2.0.';
  writeFileSync(join(dir, NOTICES), `${head}\n\n${list.join('\n')}\n\n${texts.join('\n')}`);
}

/** @returns {Work[]} what is linked into a crate for wasm: no build scripts and no procedural macros, which only write code of the crates that use them */
export function cratesOf(crate, options = []) {
  const select = ['--package', crate, ...options, '--edges', 'normal,no-proc-macro', '--target', 'wasm32-unknown-unknown'];
  const output = execFileSync('cargo', ['tree', '--quiet', '--locked', ...select, '--prefix', 'none', '--no-dedupe', '--format', '{p}|{l}|{r}'], { cwd: projectDir, encoding: 'utf8' });
  // A path behind the version: one of our own.
  const lines = [...new Set(output.trim().split('\n'))].filter((line) => !/^[^|]*\(/.test(line)).sort();
  return lines.map((line) => {
    const [nameAndVersion, license, source] = line.split('|');
    const [name, version] = nameAndVersion.split(' v');
    return { name, version, license, source, texts: textsIn(crateDir(name, version), name, license) };
  });
}

function crateDir(name, version) {
  const registries = join(process.env.CARGO_HOME ?? join(homedir(), '.cargo'), 'registry/src');
  const found = readdirSync(registries).map((registry) => join(registries, registry, `${name}-${version}`)).find(existsSync);
  if (!found) throw new Error(`the source of ${name} ${version} is not below ${registries}: its license belongs into ${NOTICES}`);
  return found;
}

/** The texts of one license where there is a choice, of all where there is none, and notices in any case. */
function textsIn(dir, name, license) {
  const files = readdirSync(dir).filter((file) => /^(licen[cs]e|notice|copyright)/i.test(file)).sort();
  const licenses = files.filter((file) => /^licen[cs]e/i.test(file));
  const isChoice = !/ AND /.test(license) && / OR |\//.test(license);
  const mit = licenses.find((file) => /mit/i.test(file));
  const chosen = isChoice && mit ? [mit] : licenses.filter((file) => !(mit && /apache/i.test(file)));
  const texts = [...chosen, ...files.filter((file) => !licenses.includes(file))].map((file) => readFileSync(join(dir, file), 'utf8'));
  if (chosen.length > 0) return texts;
  if (!/Apache-2\.0/.test(license)) throw new Error(`${name} is under ${license}, and has no file with that text: ${dir}`);
  return [...texts, apache()];
}

/** Our own license is the same. */
const apache = () => readFileSync(join(projectDir, 'LICENSE'), 'utf8');

/** @returns {Work} */
function rust(withStd) {
  const [, version] = execFileSync('rustc', ['--version'], { encoding: 'utf8' }).split(' ');
  const parts = withStd ? 'core, alloc and std with compiler_builtins, dlmalloc, hashbrown and cfg-if' : 'core and alloc with compiler_builtins';
  return {
    name: "Rust's standard library",
    version,
    license: `Apache-2.0 (${parts}), Copyright The Rust Project Developers; with tables of Unicode, Inc. (Unicode-3.0), and parts of LLVM (Apache-2.0 WITH LLVM-exception) and musl (MIT)`,
    source: 'https://github.com/rust-lang/rust',
    texts: [apache(), readFileSync(join(crateDir(...unicode()), 'LICENSE-UNICODE'), 'utf8'), MUSL],
  };
}

/** The crate that brings the license of Unicode's tables: it is a dependency of wasm-bindgen. */
function unicode() {
  const lock = readFileSync(join(projectDir, 'Cargo.lock'), 'utf8');
  return ['unicode-ident', /name = "unicode-ident"\nversion = "([^"]+)"/.exec(lock)[1]];
}

/** @returns {Work} */
function npmPackage(name) {
  const dir = join(projectDir, 'node_modules', name);
  const { version, license, repository } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'));
  const source = String(repository?.url ?? repository).replace(/^git\+/, '').replace(/\.git$/, '');
  return { name, version, license, source, texts: textsIn(dir, name, license) };
}

/** musl's mathematical functions are in compiler_builtins, whose license file Rust's installation does not have. https://git.musl-libc.org/cgit/musl/tree/COPYRIGHT */
const MUSL = `musl: Copyright © 2005-2020 Rich Felker, et al.

Permission is hereby granted, free of charge, to any person obtaining
a copy of this software and associated documentation files (the
"Software"), to deal in the Software without restriction, including
without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to
permit persons to whom the Software is furnished to do so, subject to
the following conditions:

The above copyright notice and this permission notice shall be
included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND,
EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT.
IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY
CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT,
TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE
SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;
