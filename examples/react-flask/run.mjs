// `npm run demo`: a shop whose traces run from the click to the database. README.md tells what there is to see.
//
// Only Node's own modules and setup.mjs are imported at the top: on a fresh machine nothing else is there yet.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { parseArgs, parseEnv } from 'node:util';
import { ensureBrowser, ensureCollector, ensureNpm, ensurePython, ensureWasmTarget, projectDir } from '../../js/build/setup.mjs';
import { Shop } from './shop.mjs';

const demoDir = import.meta.dirname;
const parentPollMs = 500;
const distDir = join(projectDir, 'dist');

const usage = `npm run demo -- [options]

Starts a shop (React page, Flask API, Node stock service) and the viewer that shows its traces. Ctrl-C ends it.

  --check            drive the shop with a headless browser, compare the traces with what they must be, and end
  --screenshot DIR   with --check: save pictures of the shop and of a trace
  --load N           let a browser visit the shop N times, with random delays and failures, then go on
  --collector        put an OpenTelemetry Collector between the shop and the viewer
  --help             print this

Settings: .env.example`;

async function main() {
  const options = readOptions(process.argv.slice(2));
  if (options.help) {
    console.log(usage);
    return;
  }
  if (options.check) process.exitCode = 1; // until it has passed

  const interrupted = interruption();
  const stops = [];
  try {
    await Promise.race([interrupted, run(options, (stop) => stops.push(stop))]);
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

/** Resolves when somebody wants us to end. */
function interruption() {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => resolve());
    if (process.env.npm_lifecycle_event === undefined) return;
    // A signal sent to `npm run` ends npm and its shell, and never reaches us: we only find ourselves with another parent.
    const parentPid = process.ppid;
    setInterval(() => process.ppid === parentPid || resolve(), parentPollMs).unref();
  });
}

/** @param {(stop: () => unknown) => void} atEnd is told how to stop what was started */
async function run(options, atEnd) {
  ensureNpm();
  if (isStale()) await build(atEnd);
  ensureNpm(join(demoDir, 'web'));
  ensureNpm(join(demoDir, 'stock'));
  const python = ensurePython(join(demoDir, 'api/.venv'), join(demoDir, 'api/requirements.txt'));
  if (options.collector && ensureCollector() === null) throw new Error('--collector needs Go, to build the OpenTelemetry Collector.');

  const { startViewer } = await import(join(distDir, 'viewer/server.js'));
  const { startCollector } = options.collector ? await import(join(projectDir, 'tests/collector/collector.mjs')) : {};
  const shop = new Shop({
    ports: options.check ? 'free' : 'friendly',
    // A check must not depend on who runs it.
    environment: options.check ? withoutOpenTelemetry(process.env) : { ...readDotEnv(), ...process.env },
    startViewer,
    startCollector,
    python,
  });
  atEnd(() => shop.stop());
  await Promise.race([shop.died, useShop(shop, options)]);
}

async function useShop(shop, { check, screenshot, load }) {
  await shop.start();
  if (check) {
    const { checkShop } = await import('./check.mjs');
    if (await checkShop(shop, { executablePath: ensureBrowser(), screenshotDir: screenshot })) process.exitCode = 0;
    return;
  }
  printAddresses(shop);
  if (load > 0) {
    const { visitShop } = await import('./visits.mjs');
    await visitShop(shop, { executablePath: ensureBrowser(), visits: load });
  }
  await new Promise(() => {}); // serves until it is interrupted
}

function readOptions(args) {
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        check: { type: 'boolean', default: false },
        screenshot: { type: 'string' },
        load: { type: 'string' },
        collector: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    throw new UsageError(error.message);
  }
  if (values.screenshot !== undefined && !values.check) throw new UsageError('--screenshot needs --check.');
  if (values.load !== undefined && values.check) throw new UsageError('--load and --check exclude each other: a check ends, a load goes on.');
  if (values.load !== undefined && !/^[1-9]\d*$/.test(values.load)) {
    throw new UsageError(`--load wants a number of visits from 1, not '${values.load}'.`);
  }
  if (values.screenshot !== undefined) mkdirSync(values.screenshot, { recursive: true });
  return { ...values, load: Number(values.load ?? 0) };
}

class UsageError extends Error {}

async function build(atEnd) {
  ensureWasmTarget();
  // In a process group of its own, so that an interrupt ends the compilers too.
  const builder = spawn(process.execPath, [join(projectDir, 'js/build/build.mjs')], { stdio: 'inherit', detached: true });
  const ended = once(builder, 'exit');
  atEnd(() => builder.exitCode ?? process.kill(-builder.pid, 'SIGTERM'));
  const [status] = await ended;
  if (status !== 0) throw new Error('webspan could not be built; see above.');
}

/** Whether a source of webspan is newer than what was built from it. */
function isStale() {
  const built = [join(distDir, 'index.js'), join(distDir, 'viewer/server.js')];
  if (!built.every((file) => existsSync(file))) return true;
  const builtMs = statSync(built[0]).mtimeMs;
  const sources = ['Cargo.toml', 'Cargo.lock', 'package.json', ...filesIn('src'), ...filesIn('js')];
  return sources.some((source) => statSync(join(projectDir, source)).mtimeMs > builtMs);
}

function filesIn(dir) {
  return readdirSync(join(projectDir, dir), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(projectDir, join(entry.parentPath, entry.name)))
    .filter((path) => !path.split(sep).includes('target'));
}

function readDotEnv() {
  const file = join(demoDir, '.env');
  return existsSync(file) ? parseEnv(readFileSync(file, 'utf8')) : {};
}

function withoutOpenTelemetry(environment) {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('OTEL_')));
}

function printAddresses({ pageUrl, apiUrl, stockUrl, viewerUrl, endpoint }) {
  console.log(`
  The shop      ${pageUrl}
  Its traces    ${viewerUrl ?? `are sent to ${endpoint}`}

  Flask API     ${apiUrl}
  Stock         ${stockUrl}
  OTLP/HTTP     ${endpoint}

  Ctrl-C ends it.
`);
}

try {
  await main();
} catch (error) {
  if (error instanceof UsageError) {
    console.error(`${error.message}\n\n${usage}`);
    process.exitCode = 2;
  } else {
    console.error(error.message);
    process.exitCode = 1;
  }
}
process.exit(); // what is under way when an interrupt comes (a browser, a poll) is nobody's to wait for
