// A real OpenTelemetry Collector for tests, on a free port of 127.0.0.1. What it took in is read from its file exporter
// and goes through the same strict decoder as everything else, so spans look as they do from tests/harness/receiver.mjs.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { ensureCollector } from '../../js/build/setup.mjs';
import { startDecoder } from '../harness/decoder.mjs';

/** @typedef {import('../harness/receiver.mjs').ReceivedSpan} ReceivedSpan */

/**
 * @param {object} [options]
 * @param {import('../harness/cors.mjs').CorsConfig | 'none'} [options.cors] pages on any port of 127.0.0.1, and no other setting:
 *   what people have who copied the shortest example
 * @param {string} [options.forwardTo] OTLP/HTTP base URL that gets everything as well, as a backend would
 */
export async function startCollector({ cors = { allowedOrigins: ['http://127.0.0.1:*'] }, forwardTo } = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'webspan-collector-'));
  const spansFile = join(dir, 'spans.jsonl');
  const configFile = join(dir, 'config.json'); // JSON is YAML
  await writeFile(configFile, JSON.stringify(configuration({ cors, spansFile, forwardTo })));
  const collector = await runCollector({ configs: [configFile] });
  // Built and started when it is first asked: the demo only forwards, and needs none.
  /** @type {ReturnType<typeof startDecoder> | undefined} */ let decoder;

  const allSpans = async () => {
    const lines = (await readFile(spansFile, 'utf8').catch(() => '')).split('\n').slice(0, -1); // what follows the last line end is being written
    const { judge } = await (decoder ??= startDecoder());
    const verdicts = await Promise.all(lines.map((line) => judge('application/json', Buffer.from(line))));
    return verdicts.flatMap(({ spans }) => spans);
  };

  return {
    /** Base URL: give it to `init` as `endpoint`. */
    endpoint: collector.endpoint,

    /**
     * Waits for a number of spans and returns all, or for a span that fits and returns all that fit.
     * @param {number | ((span: ReceivedSpan) => boolean)} wanted
     * @returns {Promise<ReceivedSpan[]>}
     */
    async waitForSpans(wanted, timeoutMs = 5_000) {
      const enough = typeof wanted === 'number' ? wanted : 1;
      for (const deadlineMs = performance.now() + timeoutMs; ; await delay(25)) {
        const spans = await allSpans();
        const fitting = typeof wanted === 'number' ? spans : spans.filter(wanted);
        if (fitting.length >= enough) return fitting;
        if (performance.now() > deadlineMs) {
          const names = spans.map(({ name }) => name).join(', ') || 'none';
          throw new Error(`after ${timeoutMs} ms the Collector still lacks ${typeof wanted === 'number' ? `${wanted} spans` : `a span with ${wanted}`}; it has: ${names}`);
        }
      }
    },

    async stop() {
      await collector.stop();
      await (await decoder)?.close();
      await rm(dir, { recursive: true });
    },
  };
}

/**
 * Runs the Collector with configurations of one's own, later ones over earlier ones.
 * @param {object} options
 * @param {string[]} options.configs as after `--config`: files, or `yaml:exporters::debug::verbosity: normal`; the
 *   endpoint of the receiver must end with port 0
 * @param {Record<string, string>} [options.env]
 */
export async function runCollector({ configs, env = {} }) {
  const binary = ensureCollector();
  if (binary === null) throw new Error('there is no Collector without Go: skip the test when ensureCollector() returns null');
  // Its own metrics would open a fixed port, and where it listens is only told in the log.
  const ours = ['yaml:service::telemetry::metrics::level: none', 'yaml:service::telemetry::logs::encoding: json'];
  const args = [...configs, ...ours].flatMap((config) => ['--config', config]);
  const child = spawn(binary, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } });
  const ended = new Promise((resolve) => child.once('close', resolve));
  const killWithUs = () => child.kill('SIGKILL');
  process.once('exit', killWithUs);

  return {
    endpoint: await endpointOf(child),

    async stop() {
      process.off('exit', killWithUs);
      child.kill('SIGTERM');
      const patience = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await ended;
      clearTimeout(patience);
    },
  };
}

function configuration({ cors, spansFile, forwardTo }) {
  const http = {
    endpoint: '127.0.0.1:0',
    ...(cors !== 'none' && {
      cors: {
        allowed_origins: cors.allowedOrigins,
        ...(cors.allowedHeaders && { allowed_headers: cors.allowedHeaders }),
        ...(cors.exposedHeaders && { exposed_headers: cors.exposedHeaders }),
        ...(cors.maxAgeSeconds && { max_age: cors.maxAgeSeconds }),
      },
    }),
  };
  const exporters = {
    file: { path: spansFile, flush_interval: '20ms' },
    ...(forwardTo && { otlp_http: { endpoint: forwardTo, sending_queue: { enabled: false } } }),
  };
  return {
    receivers: { otlp: { protocols: { http } } },
    exporters,
    service: { pipelines: { traces: { receivers: ['otlp'], exporters: Object.keys(exporters) } } },
  };
}

/** Reads the log until the Collector is ready. */
function endpointOf(child) {
  return new Promise((resolve, reject) => {
    const lines = [];
    let address;
    createInterface({ input: child.stderr }).on('line', (line) => {
      lines.push(line);
      if (!line.startsWith('{')) return;
      const entry = JSON.parse(line);
      if (entry.msg === 'Starting HTTP server') address = entry.endpoint;
      if (entry.msg.startsWith('Everything is ready')) resolve(`http://${address}`);
    });
    child.once('close', (status) => reject(new Error(`the Collector ended with ${status}:\n${lines.join('\n')}`)));
  });
}
