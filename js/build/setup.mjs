// What the project needs beyond a checkout: npm packages, the wasm target of Rust, a Chromium, Python environments and
// an OpenTelemetry Collector. Each function looks first, is quick when there is nothing to do, and otherwise says in
// one line what it does. They are synchronous, so that a script may call them before it imports what they install.
//
// Only Node's own modules are imported here: this file runs before there are npm packages.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const projectDir = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const cacheDir = join(projectDir, '.cache');

/** Version of the builder; the components in the manifest have the same, or it refuses them. */
const COLLECTOR_BUILDER = 'go.opentelemetry.io/collector/cmd/builder@v0.156.0';
const COLLECTOR_MANIFEST = join(projectDir, 'tests/collector/manifest.yaml');
const COLLECTOR_BINARY = 'webspan-test-collector'; // `dist.name` of the manifest

/** Installs the npm packages that `dir`'s package-lock.json names, unless exactly these are there. */
export function ensureNpm(dir = projectDir) {
  if (npmIsCurrent(dir)) return;
  if (!existsSync(join(dir, 'package-lock.json'))) {
    throw new Error(`${shown(dir)} has no package-lock.json; npm ci installs what it names`);
  }
  exclusively(`npm-${hashOf(resolve(dir))}`, () => {
    if (npmIsCurrent(dir)) return;
    say(`installing npm packages in ${shown(dir)}`);
    run('npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error'], { cwd: dir });
  });
}

/**
 * Compares what is wanted with the record that npm leaves in node_modules. Not by time: npm writes the two files in
 * an order that makes a fresh installation look old, and `git checkout` makes an old lock file look fresh.
 */
function npmIsCurrent(dir) {
  const installedFile = join(dir, 'node_modules/.package-lock.json');
  const wantedFile = join(dir, 'package-lock.json');
  if (!existsSync(installedFile) || !existsSync(wantedFile)) return false;
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages;
  const isInstalled = ([path]) => path.startsWith('node_modules/'); // not this package itself, nor one that is only linked
  const wanted = Object.fromEntries(Object.entries(JSON.parse(readFileSync(wantedFile, 'utf8')).packages).filter(isInstalled));
  const version = (entry) => entry.integrity ?? entry.version;
  const nothingMissing = Object.entries(wanted).every(([path, entry]) =>
    (installed[path] ? version(installed[path]) === version(entry) : entry.optional || entry.devOptional || entry.peer));
  const nothingStray = Object.entries(installed).filter(isInstalled).every(([path]) => path in wanted);
  return nothingMissing && nothingStray;
}

/** Adds wasm32-unknown-unknown to the Rust toolchain that this project uses. */
export function ensureWasmTarget() {
  const target = 'wasm32-unknown-unknown';
  if (!isInstalled('cargo') || !isInstalled('rustc')) {
    throw new Error('cargo and rustc were not found: install Rust with rustup (https://rustup.rs), then run this again');
  }
  const sysroot = run('rustc', ['--print', 'sysroot'], { cwd: projectDir }).trim();
  const isThere = () => existsSync(join(sysroot, 'lib/rustlib', target, 'lib'));
  if (isThere()) return;
  if (!isInstalled('rustup')) {
    throw new Error(`the Rust at ${sysroot} has no target ${target}, and there is no rustup to add it: ` +
      'install Rust with rustup (https://rustup.rs), or the package of your system that holds this target');
  }
  exclusively('wasm-target', () => {
    if (isThere()) return;
    say(`adding the Rust target ${target}`);
    run('rustup', ['target', 'add', target], { cwd: projectDir });
    if (!isThere()) throw new Error(`rustup added the target ${target}, but not to ${sysroot}, which is what rustc uses here`);
  });
}

/**
 * Finds or installs a Chromium.
 * @returns {string} path of its executable: `WEBSPAN_CHROMIUM`, else the system's, else Playwright's own.
 */
export function ensureBrowser() {
  const chosen = process.env.WEBSPAN_CHROMIUM;
  if (chosen) {
    if (!isBrowser(chosen)) throw new Error(`WEBSPAN_CHROMIUM is ${chosen}, which does not answer --version as a Chromium or Chrome does`);
    return chosen;
  }
  knownBrowser ??= findBrowser() ?? exclusively('browser', () => findBrowser() ?? installBrowser());
  return knownBrowser;
}

/** Remembered, since asking a browser for its version takes 0.2 s and tests launch many. */
let knownBrowser;

function findBrowser() {
  const ofTheSystem = [
    '/usr/bin/chromium',
    '/usr/bin/google-chrome',
    '/usr/bin/google-chrome-stable',
    '/usr/bin/chromium-browser',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
  ];
  return [...ofTheSystem, playwrightsBrowser()].find((path) => path && isBrowser(path));
}

/** Where Playwright keeps its Chromium, downloaded or not. */
function playwrightsBrowser() {
  try {
    return createRequire(join(projectDir, 'package.json'))('playwright-core').chromium.executablePath();
  } catch {
    return undefined; // no npm packages yet, or a system for which Playwright has no Chromium
  }
}

/** Asks for the version: on Ubuntu, /usr/bin/chromium-browser may be a script that only advertises a snap. */
function isBrowser(path) {
  if (!existsSync(path)) return false;
  const asked = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: 30_000 });
  return asked.status === 0 && /Chrom(e|ium)/.test(asked.stdout);
}

function installBrowser() {
  const ways = [];
  if (canAptInstall()) ways.push(['with apt-get', () => aptInstall('chromium')]);
  ways.push(['with Playwright', () => {
    ensureNpm();
    // The system libraries that its Chromium needs come from apt-get too.
    const withDeps = canAptInstall() ? ['--with-deps'] : [];
    run('npx', ['--no-install', 'playwright-core', 'install', ...withDeps, 'chromium'], { cwd: projectDir });
  }]);

  const failures = [];
  for (const [name, install] of ways) {
    say(`installing Chromium ${name}`);
    try {
      install();
      const path = findBrowser();
      if (path) return path;
      failures.push(`${name}: it installed nothing that runs`);
    } catch (error) {
      failures.push(`${name}: ${error.message}`);
    }
  }
  throw new Error(`no Chromium was found, and none could be installed:\n- ${failures.join('\n- ')}\n` +
    'Install Chromium or Google Chrome, or set WEBSPAN_CHROMIUM to the path of its executable.');
}

/**
 * Finds a Firefox, or installs one where that is quickly done.
 * @returns {string | undefined} path of its executable: `WEBSPAN_FIREFOX`, else the system's
 */
export function ensureFirefox() {
  return ensureOther('Firefox', ['firefox-esr'], () => process.env.WEBSPAN_FIREFOX ?? firstOf(['/usr/bin/firefox-esr', '/Applications/Firefox.app/Contents/MacOS/firefox']));
}

/**
 * Finds the small browser that comes with WebKit for GTK, and its driver, or installs them where that is quickly done.
 * @returns {string | undefined} path of the browser's executable
 */
export function ensureWebKit() {
  const needed = ['WebKitWebDriver', 'xvfb-run', 'xauth'];
  return ensureOther('WebKit', ['webkit2gtk-driver', 'xvfb', 'xauth'], () => needed.every(isInstalled) && firstOf(miniBrowsers()));
}

/** Where Debian keeps it, by processor and version. */
function miniBrowsers() {
  const libraries = '/usr/lib';
  const children = (path) => (existsSync(path) ? readdirSync(path).map((name) => join(path, name)) : []);
  return children(libraries).filter((path) => /linux-gnu/.test(path)).flatMap(children).filter((path) => /webkit2gtk-4/.test(path)).map((path) => join(path, 'MiniBrowser'));
}

const firstOf = (paths) => paths.find((path) => existsSync(path));

/** Of the browsers that only some tests need: `undefined` where there is none. Remembered, as whether it can be installed. */
function ensureOther(name, packages, find) {
  if (!others.has(name)) others.set(name, find() || exclusively(name, () => find() || installOther(name, packages, find)));
  return others.get(name);
}

/** @type {Map<string, string | undefined>} */
const others = new Map();

function installOther(name, packages, find) {
  if (!canAptInstall()) return undefined;
  say(`installing ${name} with apt-get`);
  try {
    aptInstall(...packages);
  } catch (error) {
    say(`there will be no tests in ${name}: ${error.message}`);
  }
  return find() || undefined;
}

/**
 * Makes a virtual environment that holds exactly what `requirementsFile` names; made anew when that changes.
 * @returns {string} path of the environment's python
 */
export function ensurePython(venvDir, requirementsFile) {
  const python = join(venvDir, 'bin/python');
  const stampFile = join(venvDir, '.made-from');
  const wanted = hashOf(readFileSync(requirementsFile));
  const isCurrent = () => existsSync(python) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === wanted;
  if (isCurrent()) return python;
  if (!isInstalled('python3')) throw new Error('python3 was not found: install Python 3.9 or newer, then run this again');

  exclusively(`python-${hashOf(resolve(venvDir))}`, () => {
    if (isCurrent()) return;
    say(`installing Python packages of ${shown(requirementsFile)} in ${shown(venvDir)}`);
    makeVenv(venvDir);
    run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--requirement', requirementsFile]);
    writeFileSync(stampFile, wanted);
  });
  return python;
}

function makeVenv(venvDir) {
  // Debian splits Python: without the package python3-venv there is a module venv, but no pip to put into it.
  if (spawnSync('python3', ['-c', 'import venv, ensurepip']).status !== 0) {
    if (!canAptInstall()) {
      throw new Error("python3 cannot make virtual environments: install its modules venv and ensurepip (on Debian and Ubuntu: 'apt-get install python3-venv')");
    }
    say('installing python3-venv with apt-get');
    aptInstall('python3-venv');
  }
  rmSync(venvDir, { recursive: true, force: true });
  run('python3', ['-m', 'venv', venvDir]);
}

/**
 * Builds an OpenTelemetry Collector from its Go modules; kept until tests/collector/manifest.yaml changes.
 * @returns {string | null} path of the binary; null where there is no Go, except under CI, where that is an error
 */
export function ensureCollector() {
  const dir = join(cacheDir, 'collector', hashOf(COLLECTOR_BUILDER, readFileSync(COLLECTOR_MANIFEST)));
  const binary = join(dir, COLLECTOR_BINARY);
  if (existsSync(binary)) return binary;
  if (!isInstalled('go')) {
    const missing = 'go was not found, and the OpenTelemetry Collector is built from its Go modules: install Go from https://go.dev/dl';
    if (process.env.CI) throw new Error(missing);
    say(`no Collector: ${missing}`);
    return null;
  }
  return exclusively('collector', () => {
    if (existsSync(binary)) return binary;
    say('building the OpenTelemetry Collector (two minutes, once)');
    const unfinishedDir = `${dir}.unfinished`;
    rmSync(unfinishedDir, { recursive: true, force: true });
    mkdirSync(unfinishedDir, { recursive: true });
    run('go', ['run', COLLECTOR_BUILDER, '--config', COLLECTOR_MANIFEST, '--skip-strict-versioning=false', '--ldflags=-s -w'],
      // Without cgo no C compiler is needed; a go.work or vendor folder further up must not take part.
      { cwd: unfinishedDir, env: { ...process.env, CGO_ENABLED: '0', GOWORK: 'off' } });
    mkdirSync(dir, { recursive: true });
    renameSync(join(unfinishedDir, 'build', COLLECTOR_BINARY), binary);
    rmSync(unfinishedDir, { recursive: true, force: true });
    return binary;
  });
}

function say(line) {
  // To stderr: the standard output of the scripts that call us may be for somebody to read.
  process.stderr.write(`setup: ${line}\n`);
}

/** A path as the reader of a message knows it. */
function shown(path) {
  const fromProject = relative(projectDir, resolve(path));
  if (fromProject === '') return 'the project';
  return fromProject.startsWith('..') ? resolve(path) : fromProject;
}

function hashOf(...parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex').slice(0, 16);
}

/** Runs a program; its output is shown only when it fails. */
function run(program, args, options = {}) {
  const { status, signal, error, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 256 * 1024 * 1024, ...options });
  if (error?.code === 'ENOENT') throw new Error(`${program} was not found`);
  if (error) throw error;
  if (status !== 0) {
    throw new Error(`'${[program, ...args].join(' ')}' ended with ${signal ?? status}:\n${(stdout + stderr).trim().split('\n').slice(-30).join('\n')}`);
  }
  return stdout;
}

/** Looks along PATH instead of running the program: the proxies of rustup and pyenv take their time to start. */
function isInstalled(program) {
  return (process.env.PATH ?? '').split(':').some((dir) => dir !== '' && existsSync(join(dir, program)));
}

/** On Debian and its descendants, as root: in containers and on CI. Nobody else's system is changed without asking. */
function canAptInstall() {
  return existsSync('/etc/debian_version') && isInstalled('apt-get') && process.getuid?.() === 0;
}

function aptInstall(...packages) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get', ['update', '-q'], { env });
  run('apt-get', ['install', '-q', '-y', '--no-install-recommends', ...packages], { env });
}

/** Lets one process of this checkout at a time do `work`: `node --test` runs test files side by side. */
function exclusively(name, work) {
  const lockDir = join(cacheDir, 'locks', name);
  const holderFile = join(lockDir, 'pid');
  mkdirSync(dirname(lockDir), { recursive: true });
  while (!tryMkdir(lockDir)) {
    if (isAbandoned(lockDir, holderFile)) rmSync(lockDir, { recursive: true, force: true });
    else sleep(200);
  }
  try {
    writeFileSync(holderFile, String(process.pid));
    return work();
  } finally {
    rmSync(lockDir, { recursive: true, force: true });
  }
}

function tryMkdir(dir) {
  try {
    mkdirSync(dir);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

function isAbandoned(lockDir, holderFile) {
  try {
    process.kill(Number(readFileSync(holderFile, 'utf8')), 0); // signal 0 only asks whether the process is there
    return false;
  } catch (error) {
    if (error.code === 'ESRCH') return true;
    if (error.code !== 'ENOENT') return false;
  }
  // No pid: it was released just now, is about to be written, or its holder died in between.
  const madeMs = statSync(lockDir, { throwIfNoEntry: false })?.mtimeMs;
  return madeMs !== undefined && Date.now() - madeMs > 5_000;
}

function sleep(durationMs) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, durationMs);
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    ensureNpm();
    ensureWasmTarget();
    ensureBrowser();
    ensureFirefox();
    ensureWebKit();
    ensureCollector();
  } catch (error) {
    process.stderr.write(`setup: ${error.message}\n`);
    process.exitCode = 1;
  }
}
