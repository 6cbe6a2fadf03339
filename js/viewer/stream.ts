/** `GET /api/stream`: server-sent events, one `trace` for each trace that changed. */
import type { ServerResponse } from 'node:http';

/** Batches of one trace arrive from several processes at about the same time; the page is told once. */
const GATHER_MS = 100;

/** Comments keep proxies from closing a connection on which nothing happens. */
const HEARTBEAT_MS = 15_000;

export class TraceStream {
  readonly #listeners = new Set<ServerResponse>();
  readonly #changed = new Set<string>();
  readonly #describe: (traceId: string) => unknown;
  readonly #heartbeat: NodeJS.Timeout;
  #gathering: NodeJS.Timeout | undefined;

  /** `describe` gives the event's data, or undefined when the trace is gone by then. */
  constructor(describe: (traceId: string) => unknown) {
    this.#describe = describe;
    this.#heartbeat = setInterval(() => this.#send(': still here\n\n'), HEARTBEAT_MS).unref();
  }

  open(response: ServerResponse): void {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    response.write('retry: 1000\n\n');
    this.#listeners.add(response);
    response.on('close', () => this.#listeners.delete(response));
  }

  changed(traceIds: readonly string[]): void {
    for (const traceId of traceIds) this.#changed.add(traceId);
    if (traceIds.length > 0) this.#gathering ??= setTimeout(() => this.#flush(), GATHER_MS);
  }

  cleared(): void {
    this.#changed.clear();
    this.#send('event: clear\ndata: {}\n\n');
  }

  close(): void {
    clearInterval(this.#heartbeat);
    clearTimeout(this.#gathering);
    for (const listener of this.#listeners) listener.end();
  }

  #flush(): void {
    this.#gathering = undefined;
    for (const traceId of this.#changed) {
      const data = this.#describe(traceId);
      if (data !== undefined) this.#send(`event: trace\ndata: ${JSON.stringify(data)}\n\n`);
    }
    this.#changed.clear();
  }

  #send(text: string): void {
    for (const listener of this.#listeners) listener.write(text);
  }
}
