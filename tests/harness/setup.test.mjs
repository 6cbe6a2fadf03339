// js/build/setup.mjs: looks before it acts, acts once, and says what is missing. Without the network: what it installs
// here is either local or nothing.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { projectDir } from '../../js/build/setup.mjs';

const SETUP = join(projectDir, 'js/build/setup.mjs');

let dir;
beforeEach(() => { dir = mkdtempSync(join(tmpdir(), 'webspan-setup-')); });
afterEach(() => rmSync(dir, { recursive: true }));

/** Calls one of the functions in a process of its own; what it says is on stderr. */
async function call(expression, env = {}) {
  const script = `import * as setup from ${JSON.stringify(SETUP)}; console.log(JSON.stringify(setup.${expression} ?? null));`;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
    env: { ...process.env, ...env },
  });
  return { result: JSON.parse(stdout), said: stderr.split('\n').filter((line) => line.startsWith('setup: ')) };
}

/** A PATH on which there is nothing. */
const emptyPath = () => dir;

describe('ensureNpm', () => {
  const lock = (dependencies) => JSON.stringify({
    name: 'app', version: '1.0.0', lockfileVersion: 3,
    packages: {
      '': { name: 'app', version: '1.0.0', dependencies: Object.fromEntries(dependencies.map((name) => [name, `file:${name}`])) },
      ...Object.fromEntries(dependencies.flatMap((name) => [[name, { version: '1.0.0' }], [`node_modules/${name}`, { resolved: name, link: true }]])),
    },
  });
  const write = (dependencies) => {
    const manifest = { name: 'app', version: '1.0.0', dependencies: Object.fromEntries(dependencies.map((name) => [name, `file:${name}`])) };
    writeFileSync(join(dir, 'package.json'), JSON.stringify(manifest));
    writeFileSync(join(dir, 'package-lock.json'), lock(dependencies));
    for (const name of dependencies) {
      mkdirSync(join(dir, name), { recursive: true });
      writeFileSync(join(dir, name, 'package.json'), JSON.stringify({ name, version: '1.0.0' }));
    }
  };
  const ensure = () => call(`ensureNpm(${JSON.stringify(dir)})`);

  it('installs once, and again when the lock file names something else', async () => {
    write(['one']);
    assert.equal((await ensure()).said.length, 1);
    assert.ok(existsSync(join(dir, 'node_modules/one/package.json')));
    assert.deepEqual((await ensure()).said, []);
    write(['one', 'two']);
    assert.equal((await ensure()).said.length, 1);
    assert.ok(existsSync(join(dir, 'node_modules/two/package.json')));
    write(['two']);
    assert.equal((await ensure()).said.length, 1);
    assert.ok(!existsSync(join(dir, 'node_modules/one')));
  });

  it('wants a lock file', async () => {
    await assert.rejects(ensure(), /has no package-lock.json/);
  });
});

describe('ensurePython', () => {
  it('makes an environment once, however many ask at the same time, and anew for other requirements', async () => {
    const requirements = join(dir, 'requirements.txt');
    writeFileSync(requirements, '# none\n');
    const ensure = () => call(`ensurePython(${JSON.stringify(join(dir, 'venv'))}, ${JSON.stringify(requirements)})`);
    const [first, second] = await Promise.all([ensure(), ensure()]);
    assert.equal(first.said.length + second.said.length, 1);
    assert.match(execFileSync(first.result, ['-c', 'import sys; print(sys.prefix)'], { encoding: 'utf8' }), /venv\n$/);

    const leftover = join(dir, 'venv/leftover');
    writeFileSync(leftover, '');
    assert.deepEqual((await ensure()).said, []);
    assert.ok(existsSync(leftover));
    writeFileSync(requirements, '# still none\n');
    assert.equal((await ensure()).said.length, 1);
    assert.ok(!existsSync(leftover));
  });
});

describe('ensureWasmTarget', () => {
  it('says how to get Rust', async () => {
    await assert.rejects(call('ensureWasmTarget()', { PATH: emptyPath() }), /rustup\.rs/);
  });
});

describe('ensureBrowser', () => {
  it('takes the browser it is told to take, or none', async () => {
    const { result } = await call('ensureBrowser()');
    assert.equal((await call('ensureBrowser()', { WEBSPAN_CHROMIUM: result })).result, result);
    for (const wrong of ['/nowhere/chromium', process.execPath]) {
      await assert.rejects(call('ensureBrowser()', { WEBSPAN_CHROMIUM: wrong }), new RegExp(`WEBSPAN_CHROMIUM is ${wrong}`));
    }
  });
});

describe('ensureCollector', () => {
  // A copy of the project has no Collector yet.
  const copy = () => {
    for (const file of ['js/build/setup.mjs', 'tests/collector/manifest.yaml']) {
      mkdirSync(dirname(join(dir, file)), { recursive: true });
      copyFileSync(join(projectDir, file), join(dir, file));
    }
    return join(dir, 'js/build/setup.mjs');
  };
  const ensure = async (env) => {
    const script = `console.log((await import(${JSON.stringify(copy())})).ensureCollector())`;
    return promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], { env: { ...process.env, CI: '', ...env } });
  };

  it('does without where there is no Go', async () => {
    const { stdout, stderr } = await ensure({ PATH: emptyPath() });
    assert.equal(stdout, 'null\n');
    assert.match(stderr, /^setup: no Collector: go was not found.*https:\/\/go\.dev\/dl\n$/);
  });

  it('does not do without under CI', async () => {
    await assert.rejects(ensure({ PATH: emptyPath(), CI: 'true' }), /go was not found/);
  });
});
