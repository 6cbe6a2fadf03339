// The package as npm makes it, and applications that install it from its tarball.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureNpm, projectDir } from '../../js/build/setup.mjs';

const fixturesDir = dirname(fileURLToPath(import.meta.url));
const cacheDir = join(projectDir, '.cache/packaging');

/**
 * Packs the project.
 * @returns {{ tarball: string, dir: string, files: string[], remove(): void }} `dir`: the content of the tarball, unpacked
 */
export function pack() {
  if (!existsSync(join(projectDir, 'dist/index.js'))) throw new Error('there is no dist/index.js to pack: run `npm run build`');
  const packDir = mkdtempSync(join(tmpdir(), 'webspan-pack-'));
  // What a script would do before (build, say) is the business of whoever publishes.
  npm(['pack', '--ignore-scripts', '--pack-destination', packDir], projectDir);
  const tarball = join(packDir, readdirSync(packDir).find((name) => name.endsWith('.tgz')));
  execFileSync('tar', ['-xzf', tarball, '-C', packDir]);
  const dir = join(packDir, 'package');
  return { tarball, dir, files: filesBelow(dir), remove: () => rmSync(packDir, { recursive: true, force: true }) };
}

/**
 * A copy of a fixture with the tarball installed in it. What the fixture's package-lock.json names is installed once, in
 * the folder above, where Node and bundlers look next.
 * @param {string} fixture folder name
 * @param {string} tarball
 * @returns {{ dir: string, tool(path: string, ...args: string[]): string, modulesDir: string, remove(): void }}
 */
export function installApp(fixture, tarball) {
  const toolsDir = installTools(fixture);
  const dir = mkdtempSync(join(toolsDir, 'app-'));
  const isManifest = (source) => dirname(source) === join(fixturesDir, fixture) && /^package(-lock)?\.json$/.test(basename(source));
  cpSync(join(fixturesDir, fixture), dir, { recursive: true, filter: (source) => !isManifest(source) });
  writeFileSync(join(dir, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  // Offline, since a package without dependencies needs nothing but itself.
  npm(['install', '--offline', '--no-package-lock', tarball], dir);
  const modulesDir = join(toolsDir, 'node_modules');
  return {
    dir,
    modulesDir,
    /** Runs a script of the fixture's tools in the app; gives what it says, on either output. */
    tool: (path, ...args) => run(process.execPath, [join(modulesDir, path), ...args], dir),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}

/** The npm packages of a fixture, in a folder that its manifests choose. */
function installTools(fixture) {
  const manifests = ['package.json', 'package-lock.json'].map((name) => join(fixturesDir, fixture, name)).filter(existsSync);
  const hash = createHash('sha256').update(fixture);
  for (const manifest of manifests) hash.update(readFileSync(manifest));
  const dir = join(cacheDir, hash.digest('hex').slice(0, 16));
  mkdirSync(dir, { recursive: true });
  for (const manifest of manifests) copyFileSync(manifest, join(dir, basename(manifest)));
  if (manifests.length > 0) ensureNpm(dir);
  return dir;
}

/** Paths below a folder, relative to it, sorted. */
export function filesBelow(dir) {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(dir.length + 1))
    .sort();
}

function npm(args, cwd) {
  run('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], cwd);
}

function run(program, args, cwd) {
  // Tools are to speak as they do to anybody: no colours, and no behaviour of their own under test runners or CI.
  const { FORCE_COLOR: _, NODE_TEST_CONTEXT: __, NODE_ENV: ___, ...env } = process.env;
  const { status, signal, error, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8', env: { ...env, NO_COLOR: '1' } });
  if (error) throw error;
  if (status !== 0) throw new Error(`'${[program, ...args].join(' ')}' ended with ${signal ?? status}:\n${stdout}${stderr}`);
  return stdout + stderr;
}
