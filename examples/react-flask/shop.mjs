// The shop as processes: page, API, stock service, the viewer, and between them, if wanted, a Collector.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Service } from './service.mjs';

const demoDir = import.meta.dirname;
const graceMs = 2_000;

/** Where people expect them; another port is taken when one of these is not free. */
const friendlyPorts = { viewer: 4318, page: 5173, api: 5000, stock: 5001 };

/** OpenTelemetry's own names, so that page, Flask and Node are configured alike. The environment and .env can set them otherwise. */
const openTelemetryDefaults = {
  OTEL_TRACES_EXPORTER: 'otlp',
  OTEL_METRICS_EXPORTER: 'none',
  OTEL_LOGS_EXPORTER: 'none',
  OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
  OTEL_BSP_SCHEDULE_DELAY: '200',
  OTEL_SEMCONV_STABILITY_OPT_IN: 'http,database',
  OTEL_PYTHON_FLASK_EXCLUDED_URLS: 'health',
};

export class Shop {
  pageUrl;
  apiUrl;
  stockUrl;
  /** OTLP/HTTP base that page and backends send to. */
  endpoint;
  /** Undefined when the environment sends the traces elsewhere. */
  viewerUrl;
  /** Rejects when a service ends that nobody stopped. */
  died;

  #tellDeath;
  #settings;
  #starting;
  #stopping = false;
  /** What was started, and how to stop it; stopped in the opposite order. */
  #stops = [];
  #services = [];

  /**
   * @param {object} settings
   * @param {'friendly' | 'free'} settings.ports
   * @param {Record<string, string | undefined>} settings.environment of the services
   * @param {Function} settings.startViewer
   * @param {Function} [settings.startCollector] when there is to be a Collector
   * @param {string} settings.python that has api/requirements.txt
   */
  constructor(settings) {
    this.#settings = settings;
    this.died = new Promise((_resolve, reject) => (this.#tellDeath = reject));
    this.died.catch(() => {}); // it may happen while nobody waits for it
  }

  start() {
    this.#starting = this.#start();
    return this.#starting;
  }

  /** Stops everything that was started; may be called at any time, also while starting. */
  async stop() {
    this.#stopping = true;
    await this.#stopStarted();
    // It gives up at its next step, and may have started one more thing until then. A step that takes long (the Collector's tools are
    // being compiled) is not waited for.
    await Promise.race([this.#starting?.catch(() => {}), sleep(graceMs)]);
    await this.#stopStarted();
  }

  /** What the services printed last, for whoever has to find out what went wrong. */
  lastLines() {
    return this.#services.map((service) => service.lastLines()).filter((lines) => lines !== '').join('\n');
  }

  async #start() {
    const { ports: portChoice, environment, startViewer, startCollector, python } = this.#settings;
    const wanted = Object.values(friendlyPorts).map((port) => (portChoice === 'friendly' ? port : 0));
    const [viewerPort, pagePort, apiPort, stockPort] = await choosePorts(wanted);
    this.pageUrl = `http://127.0.0.1:${pagePort}`;
    this.apiUrl = `http://127.0.0.1:${apiPort}`;
    this.stockUrl = `http://127.0.0.1:${stockPort}`;

    this.endpoint = environment.OTEL_EXPORTER_OTLP_ENDPOINT;
    if (!this.endpoint) {
      const viewer = await startViewer({ port: viewerPort });
      this.#started(() => viewer.close());
      this.viewerUrl = viewer.url;
      this.endpoint = viewer.url;
    }
    if (startCollector !== undefined) {
      const collector = await startCollector({ cors: { allowedOrigins: [this.pageUrl] }, forwardTo: this.endpoint });
      this.#started(() => collector.stop());
      this.endpoint = collector.endpoint;
    }

    const scratchDir = mkdtempSync(join(tmpdir(), 'webspan-demo-'));
    this.#started(() => rmSync(scratchDir, { recursive: true, force: true }));
    const shared = { ...openTelemetryDefaults, ...environment, OTEL_EXPORTER_OTLP_ENDPOINT: this.endpoint };

    await Promise.all([
      this.#run({
        name: 'stock service',
        command: [process.execPath, '--import', './telemetry.mjs', 'server.mjs'],
        cwd: join(demoDir, 'stock'),
        env: { ...shared, OTEL_SERVICE_NAME: 'shop-stock', SHOP_STOCK_PORT: String(stockPort) },
        healthUrl: `${this.stockUrl}/health`,
      }),
      this.#run({
        name: 'API',
        command: [join(dirname(python), 'opentelemetry-instrument'), python, 'app.py'],
        cwd: join(demoDir, 'api'),
        env: {
          ...shared,
          OTEL_SERVICE_NAME: 'shop-api',
          SHOP_API_PORT: String(apiPort),
          SHOP_STOCK_URL: this.stockUrl,
          SHOP_PAGE_ORIGIN: this.pageUrl,
          SHOP_DATABASE: join(scratchDir, 'shop.sqlite3'),
        },
        healthUrl: `${this.apiUrl}/health`,
      }),
      this.#run({
        name: 'page',
        command: [process.execPath, 'node_modules/vite/bin/vite.js', '--host', '127.0.0.1', '--port', String(pagePort), '--strictPort'],
        cwd: join(demoDir, 'web'),
        env: { ...shared, OTEL_SERVICE_NAME: 'shop-web', SHOP_API_URL: this.apiUrl, SHOP_VIEWER_URL: this.viewerUrl ?? '' },
        healthUrl: this.pageUrl,
      }),
    ]);
  }

  async #stopStarted() {
    while (this.#stops.length > 0) await this.#stops.pop()();
  }

  #started(stop) {
    this.#stops.push(stop);
    if (this.#stopping) throw new Error('The shop was stopped while it was starting.');
  }

  async #run(description) {
    const service = new Service(description);
    this.#services.push(service);
    this.#started(() => service.stop());
    service.died.catch(this.#tellDeath);
    await service.healthy();
  }
}

/** For each port wanted that port if it is free, else any. All are held until all are found, so that no two are the same. */
async function choosePorts(wanted) {
  const holders = [];
  for (const port of wanted) holders.push(await listen(port).catch(() => listen(0)));
  const ports = holders.map((holder) => holder.address().port);
  await Promise.all(holders.map((holder) => new Promise((resolve) => holder.close(resolve))));
  return ports;
}

function listen(port) {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}
