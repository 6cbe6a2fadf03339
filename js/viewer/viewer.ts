/** `webspan viewer`. */
import { parseArgs } from 'node:util';
import { getHeapStatistics } from 'node:v8';
import { MAX_BODY_BYTES } from './bodies.js';
import { UsageError, type Command } from './command.js';
import { DEFAULT_HOST, DEFAULT_MAX_BYTES, DEFAULT_MAX_SPANS, DEFAULT_PORT, startViewer, type Viewer } from './server.js';
import { writeLine } from './terminal.js';

export const viewer: Command = {
  summary: 'receives traces from your page and your backends, and shows them',
  help: `Receives OTLP/HTTP traces and shows them as they arrive. They are kept in memory only.

Usage: webspan viewer [options]

Options:
  --port <number>       port to listen on, 0 for any that is free (default ${DEFAULT_PORT}, the port of OTLP/HTTP)
  --host <address>      address to listen on (default ${DEFAULT_HOST}, which other machines cannot reach)
  --max-spans <number>  spans to keep; beyond them the stalest traces are dropped (default ${DEFAULT_MAX_SPANS})
  --max-bytes <number>  bytes of memory for these spans, by estimate; beyond them the stalest traces are dropped, too
                        (default ${DEFAULT_MAX_BYTES}, 128 MiB)
  -h, --help            this text

The page says how many traces were dropped. A request may have ${MAX_BODY_BYTES} bytes after decompression, 50000 spans and
1000000 values; more is refused (413). Of one span 1000 attributes, events and links are kept, of a name 1 KiB, of
any other text 64 KiB; what was cut ends with "…", what was left out is counted.
`,
  async run(argv) {
    const { values } = parseArgs({
      args: argv,
      options: { port: { type: 'string' }, host: { type: 'string' }, 'max-spans': { type: 'string' }, 'max-bytes': { type: 'string' } },
    });
    const host = values.host ?? DEFAULT_HOST;
    const port = integer('--port', values.port ?? String(DEFAULT_PORT), 0, 65535);
    const maxSpans = integer('--max-spans', values['max-spans'] ?? String(DEFAULT_MAX_SPANS), 1, Number.MAX_SAFE_INTEGER);
    const maxBytes = integer('--max-bytes', values['max-bytes'] ?? String(DEFAULT_MAX_BYTES), 1, mostBytes());
    let started: Viewer;
    try {
      started = await startViewer({
        host,
        port,
        maxSpans,
        maxBytes,
        onComplaint: complaintsTo(process.stderr),
      });
    } catch (error) {
      const [why = '', ...advice] = whyNotStarted(error as NodeJS.ErrnoException, host, port);
      for (const line of [`webspan viewer: ${why}`, ...advice]) writeLine(process.stderr, line);
      return 1;
    }
    process.stdout.write(`webspan viewer
  page      ${started.url}
  endpoint  ${started.url}   (OTLP/HTTP, protobuf or JSON; traces go to /v1/traces)
Ctrl-C stops it.
`);
    await new Promise<void>((resolve) => {
      process.once('SIGINT', resolve);
      process.once('SIGTERM', resolve);
    });
    await started.close();
    return 0;
  },
};

/** Lines for what could not be taken. Anybody who reaches the port can cause any number of them. */
const MAX_COMPLAINTS = 100;
const COMPLAINTS_PERIOD_MS = 10_000;

function complaintsTo(stream: NodeJS.WritableStream): (message: string) => void {
  let count = 0;
  return (message) => {
    count += 1;
    if (count <= MAX_COMPLAINTS) writeLine(stream, message);
    if (count !== 1) return;
    const endPeriod = (): void => {
      if (count > MAX_COMPLAINTS) writeLine(stream, `${count - MAX_COMPLAINTS} more were refused in these ${COMPLAINTS_PERIOD_MS / 1000} s`);
      count = 0;
    };
    setTimeout(endPeriod, COMPLAINTS_PERIOD_MS).unref();
  };
}

function integer(option: string, given: string, least: number, most: number): number {
  const number = /^\d+$/.test(given) ? Number(given) : NaN;
  if (number >= least && number <= most) return number;
  throw new UsageError(`${option} is "${given}", wanted a whole number from ${least} to ${most}`);
}

/** Half of what Node itself may use: the rest is for what arrives and what is asked for. NODE_OPTIONS=--max-old-space-size raises it. */
function mostBytes(): number {
  return Math.max(DEFAULT_MAX_BYTES, Math.floor(getHeapStatistics().heap_size_limit / 2));
}

/** Lines. */
function whyNotStarted(error: NodeJS.ErrnoException, host: string, port: number): string[] {
  switch (error.code) {
    case 'EADDRINUSE':
      return [
        `port ${port} on ${host} is taken, perhaps by another viewer or an OpenTelemetry Collector.`,
        `Stop that one, or take another port and give SDKs the endpoint it prints: webspan viewer --port ${port < 65535 ? port + 1 : 0}`,
      ];
    case 'EACCES':
      return [`port ${port} on ${host} needs more rights; ports from 1024 on do not`];
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return [`${host} is no address of this machine; 0.0.0.0 listens on all it has`];
    default:
      return [error.message];
  }
}
