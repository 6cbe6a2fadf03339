/** `GET /api/stream`: server-sent events, one `trace` for each trace that changed. */
import type { ServerResponse } from 'node:http';

/** Batches of one trace arrive from several processes at about the same time; the page is told once. */
const GATHER_MS = 100;

/** Comments keep proxies from closing a connection on which nothing happens. */
const HEARTBEAT_MS = 15_000;

/** Streams that may be open at the same time. A browser opens six connections to one host. */
export const MAX_STREAMS = 32;

/** Traces that one stream may be behind. A page that falls back further connects again, and asks for everything. */
export const MAX_BEHIND = 10_000;

/** What has still to be sent. Ids only: a page that does not read, as in a tab that the browser has frozen, must not fill the memory. */
interface Listener {
  cleared: boolean;
  readonly changed: Set<string>;
}

export class TraceStream {
  readonly #listeners = new Map<ServerResponse, Listener>();
  readonly #changed = new Set<string>();
  readonly #describe: (traceId: string) => unknown;
  readonly #heartbeat: NodeJS.Timeout;
  #gathering: NodeJS.Timeout | undefined;

  /** `describe` gives the event's data, or undefined when the trace is gone by then. */
  constructor(describe: (traceId: string) => unknown) {
    this.#describe = describe;
    this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MS).unref();
  }

  /** Whether one more may be opened. */
  get hasRoom(): boolean {
    return this.#listeners.size < MAX_STREAMS;
  }

  open(response: ServerResponse): void {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    response.write('retry: 1000\n\n');
    const listener: Listener = { cleared: false, changed: new Set() };
    this.#listeners.set(response, listener);
    response.on('drain', () => this.#send(response, listener));
    response.on('close', () => this.#listeners.delete(response));
  }

  changed(traceIds: readonly string[]): void {
    for (const traceId of traceIds) this.#changed.add(traceId);
    if (traceIds.length > 0) this.#gathering ??= setTimeout(() => this.#flush(), GATHER_MS);
  }

  cleared(): void {
    this.#changed.clear();
    for (const [response, listener] of this.#listeners) {
      listener.changed.clear();
      listener.cleared = true;
      this.#send(response, listener);
    }
  }

  close(): void {
    clearInterval(this.#heartbeat);
    clearTimeout(this.#gathering);
    for (const response of this.#listeners.keys()) response.end();
  }

  #flush(): void {
    this.#gathering = undefined;
    for (const [response, listener] of this.#listeners) {
      for (const traceId of this.#changed) listener.changed.add(traceId);
      if (listener.changed.size > MAX_BEHIND) response.destroy();
      else this.#send(response, listener);
    }
    this.#changed.clear();
  }

  /** Goes on until the connection takes no more for now. */
  #send(response: ServerResponse, listener: Listener): void {
    if (listener.cleared && !response.writableNeedDrain) {
      listener.cleared = false;
      response.write('event: clear\ndata: {}\n\n');
    }
    for (const traceId of listener.changed) {
      if (response.writableNeedDrain) return;
      listener.changed.delete(traceId);
      const data = this.#describe(traceId);
      if (data !== undefined) response.write(`event: trace\ndata: ${JSON.stringify(data)}\n\n`);
    }
  }

  #beat(): void {
    for (const response of this.#listeners.keys()) if (!response.writableNeedDrain) response.write(': still here\n\n');
  }
}
