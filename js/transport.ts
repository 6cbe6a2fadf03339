// Bytes to a request to an answer. What is sent when, and what an answer means, the core decides.

import { retryAfterMs, startTimer, stopTimer } from './clock.js';
import { type Core, LOSSES } from './core.js';
import { Deferred } from './fetch-later.js';
import type { Settings } from './options.js';
import type { Outbox } from './outbox.js';
import { type ExportResponse, type SpanMessage, readRequest, readResponse, readSpans } from './otlp.js';

/** Effects of `next_effect` in abi.rs. */
const SEND = 1;
const SHOW = 2;
const REPORT = 3;
const UNCOMPRESSED = 4;
const STORE = 5;
const DEFER = 6;

/** In the place of a status: none came, it took too long, or it was a redirect, whose status no page is told. */
const NO_ANSWER = 0;
const TIMED_OUT = -1;
const REDIRECTED = 1;

/** A flush that is asked for while headers are waited for may be asked for by what gives them: then each request would ask for the next one at once. */
const FLUSH_PAUSE_MS = 1000;

/** In the place of a status, to the core: none came, at once, as where the browser refuses a request for all that is in flight with `keepalive`. */
const FAILED_AT_ONCE = -2;

type HeadersRecord = Record<string, string>;
type Body = Uint8Array<ArrayBuffer>;

/** What came of a request. */
export interface Outcome {
  /** From 100 to 999, or {@link NO_ANSWER}, {@link TIMED_OUT} or {@link REDIRECTED}. */
  status: number;
  /** NaN where the answer does not say. */
  retryMs: number;
  /** Spans; a whole number, and zero where the answer does not say. */
  rejected: number;
}

export interface TransportHost {
  /** The page's fetch as it was before anybody wrapped it. */
  fetch: typeof fetch;
  /** Something went wrong that the page's developers should know. */
  report(message: string): void;
  show(spans: SpanMessage[]): void;
  /** Runs what the page gave us; what it throws is told, and what it fetches is not traced. */
  aside(run: () => void): void;
}

export class Transport {
  private timer: number | undefined;
  /** Undefined until a function has given some. */
  private lastHeaders: HeadersRecord | undefined;
  private readonly deferred: Deferred;
  /** Who waits for the flush that is under way, and for the one after it. */
  private waiting: (() => void)[] = [];
  private next: (() => void)[] = [];
  private busy = false;
  /** In a function of the page that a request is made with. */
  preparing = false;
  /** Requests that wait for their headers. */
  private asking = 0;
  private readonly sending = new Set<AbortController>();
  /** The page is hidden or going, in this task: nothing can be waited for. */
  leaving = 0;
  /** Once it is open. */
  outbox: Outbox | undefined;

  constructor(
    private readonly core: Core,
    private readonly settings: Settings,
    private readonly host: TransportHost,
  ) {
    core.pump = () => this.pump();
    this.deferred = new Deferred(core, settings.tracesUrl!);
    const { headers } = settings;
    if (typeof headers !== 'function') this.lastHeaders = headers;
  }

  /** Does what the core wants done, until it only wants to wait. */
  pump(): void {
    // The page's code runs in here (console, hooks) and may end spans; the loop below sees to these.
    if (this.busy) return;
    this.busy = true;
    const { core } = this;
    let isSettled = 0;
    try {
      let effect: number;
      while ((effect = core.x.next_effect(core.now())) > 0) {
        core.refresh();
        const [, , a, b, c] = core.words;
        if (effect === SEND) {
          const { body, type } = this.encoded(core.body());
          const keepalive = core.x.fit_body(a, body.length);
          if (keepalive >= 0) this.send(a, !!keepalive, body, type, !!b);
        } else if (effect === STORE) {
          this.outbox!.store(a, core.body().slice(), b);
        } else if (effect === DEFER) {
          this.defer(a, !!b);
        } else if (effect === SHOW) {
          const spans = readSpans(core.body());
          this.host.aside(() => this.host.show(spans));
        } else if (effect === REPORT) {
          this.host.report(`${c} spans lost: ${LOSSES[a]}${b > REDIRECTED ? ` (HTTP ${b})` : ''}; more of this are only counted in stats()`);
        } else if (effect === UNCOMPRESSED) {
          this.host.report("the collector refuses compressed requests: 'Content-Encoding' is not in its cors.allowed_headers; going on without");
        }
      }
      core.refresh();
      stopTimer(this.timer);
      const delayMs = core.words[2];
      if (effect === 0 && delayMs >= 0) this.timer = startTimer(core.pump, delayMs);
      isSettled = this.waiting.length && +core.x.is_settled();
    } catch (error) {
      core.caught(error);
    } finally {
      this.busy = false;
    }
    if (isSettled) this.release();
  }

  /** Resolves when all that has ended until now is answered, or an attempt has failed. */
  flush(): Promise<void> {
    return new Promise((settled) => {
      const start = () => {
        this.next.push(settled);
        if (!this.waiting.length) this.flushNext();
      };
      if (this.asking) startTimer(start, FLUSH_PAUSE_MS);
      else start();
    });
  }

  /** Not before the flush under way is over: what has ended since then would keep those waiting who asked for that one. */
  private flushNext(): void {
    this.waiting = this.next;
    this.next = [];
    if (this.waiting.length) this.tell(() => this.core.x.flush_spans());
  }

  /** The page is there again, if it was away. */
  shown(): void {
    this.deferred.settle();
  }

  stop(): void {
    stopTimer(this.timer);
    this.deferred.replace(0);
    this.release();
    // Those of the next flush.
    this.release();
  }

  /** A flush is over, or nothing will come of it. */
  private release(): void {
    this.waiting.splice(0).forEach((settled) => settled());
    this.flushNext();
  }

  /** Calls back what is under way. */
  abort(): void {
    this.deferred.replace(0);
    for (const request of this.sending) request.abort();
  }

  /** A request of the core's in the encoding that was asked for. */
  encoded(body: Body): { body: Body; type: string } {
    if (this.settings.protocol === 'http/json') {
      try {
        return { body: new TextEncoder().encode(JSON.stringify(readRequest(body), asItIs)), type: 'json' };
      } catch {
        // The page has broken what this takes. Every OTLP receiver has to understand the other encoding.
      }
    }
    return { body, type: 'x-protobuf' };
  }

  private async send(batch: number, keepalive: boolean, body: Body, type: string, gzip: boolean): Promise<void> {
    const { core } = this;
    try {
      const { status, retryMs, rejected } = await this.request(body, type, keepalive, gzip);
      this.tell(() => core.x.take_answer(batch, status || (this.leaving ? FAILED_AT_ONCE : NO_ANSWER), retryMs, rejected, Math.random(), core.now()));
      if (isTaken(status)) this.outbox?.drain();
    } catch (error) {
      // The page has broken what this takes.
      core.caught(error);
    }
  }

  /** Puts into the outbox what cannot be sent. */
  async stow(): Promise<void> {
    if (!this.outbox) return;
    this.tell(() => this.core.x.stow_spans());
    await this.outbox.settled();
  }

  /** Tells the core what came of something, and does what it wants done about it. */
  tell(run: () => void): void {
    try {
      run();
      this.pump();
    } catch (error) {
      this.core.caught(error);
    }
  }

  private init(body: Body, type: string, given: HeadersRecord, gzip: boolean, keepalive: boolean, signal: AbortSignal) {
    const headers = new Headers(given);
    headers.set('content-type', `application/${type}`);
    if (gzip) headers.set('content-encoding', 'gzip');
    return {
      // Nothing that a page has put into Object.prototype may get in.
      __proto__: null,
      method: 'POST',
      // A record, as a wrapper that was there before us may copy it as one.
      headers: Object.fromEntries(headers),
      body,
      keepalive,
      credentials: this.settings.credentials,
      signal,
      // The page's URL may hold secrets. Not by `referrerPolicy`: any fixed policy tells more than some page's own, and `no-referrer` may change `Origin`,
      // which collectors check. Without a referrer none of this is touched.
      referrer: '',
      // Else whoever the collector, or a proxy in front of it, names would get the spans and the headers, of which browsers leave out `Authorization` alone.
      redirect: 'manual' as const,
      // The page's own requests come first.
      priority: 'low' as const,
    };
  }

  private defer(batch: number, gzip: boolean): void {
    const { core, deferred, lastHeaders } = this;
    if (!core.words[1] || !lastHeaders) return deferred.replace(batch);
    const { body, type } = this.encoded(core.body());
    if (batch && core.x.fit_body(batch, body.length) < 0) return;
    deferred.replace(batch, (signal) => this.init(body, type, lastHeaders, gzip, false, signal));
  }

  async request(body: Body, type: string, keepalive: boolean, gzip: boolean, limit = new AbortController()): Promise<Outcome> {
    const { core, settings, host } = this;
    let status = NO_ANSWER;
    let retryMs = NaN;
    let rejected = 0;
    let message = '';
    let headers: HeadersRecord = {};
    this.sending.add(limit);
    const timer = startTimer(() => {
      status ||= TIMED_OUT;
      limit.abort();
    }, settings.timeoutMillis);
    // Not by a listener: a page may have replaced what adds one.
    const stopped = new Promise<never>((_, reject) => (limit.signal.onabort = reject));
    const ask = async () => {
      this.preparing = true;
      let given = this.headers();
      this.preparing = false;
      if (isPromise(given)) {
        // The core goes on meanwhile, and writes over it.
        body = body.slice();
        this.asking++;
        given = await Promise.race([given, stopped]).finally(() => this.asking--);
      }
      // Without a pause where there is none to make: the page may be gone after it. fetch copies the body before it returns.
      const init = this.init(body, type, given, gzip, keepalive, limit.signal);
      headers = init.headers;
      this.preparing = true;
      const answer = host.fetch.call(globalThis, settings.tracesUrl!, init);
      this.preparing = false;
      const response = await answer;
      if (response.type === 'opaqueredirect') {
        status = REDIRECTED;
        host.report('the endpoint redirects, which exports do not follow: set it to the final URL');
        return;
      }
      // It may be anything, where the page has wrapped fetch.
      const code = Math.trunc(response.status);
      status = code > 99 && code < 1000 ? code : NO_ANSWER;
      retryMs = retryAfterMs(response.headers.get('retry-after') ?? '');
      if (!isTaken(status)) response.body?.cancel().catch(() => {});
      else {
        const json = /json/.test(response.headers.get('content-type') ?? '');
        const { partialSuccess }: ExportResponse = json ? await response.json() : readResponse(new Uint8Array(await response.arrayBuffer()));
        rejected = Math.max(0, Math.trunc(Number(partialSuccess?.rejectedSpans))) || 0;
        message = String(partialSuccess?.errorMessage ?? '');
      }
    };
    try {
      // A wrapper that was there before us may drop the signal.
      await Promise.race([stopped, ask()]);
    } catch (error) {
      this.preparing = false;
      if (status === NO_ANSWER) core.failed?.(settings.tracesUrl!, error, Object.entries(headers));
      // The status says how far it came. The body of a good answer may be missing, or be none: a proxy's page, or nothing at all.
    }
    stopTimer(timer);
    this.sending.delete(limit);
    if (message) host.report(`the collector says: ${message}`);
    return { status, retryMs, rejected };
  }

  /** What the option gives; at the page's end the last that was known, where it would have to be waited for. */
  private headers(): HeadersRecord | PromiseLike<HeadersRecord> {
    const { headers } = this.settings;
    const last = this.lastHeaders ?? {};
    let given: HeadersRecord | PromiseLike<HeadersRecord> = last;
    if (typeof headers === 'function') this.host.aside(() => (given = headers() as typeof given));
    else given = headers as HeadersRecord;
    if (!isPromise(given)) return (this.lastHeaders = given);
    const resolved = given.then((value) => (this.lastHeaders = value));
    if (!this.leaving) return resolved;
    resolved.then(undefined, () => {});
    return last;
  }
}

const isTaken = (status: number): boolean => status >= 200 && status < 300;

/** Not by `instanceof`: zone.js and others have promises of their own. */
const isPromise = <T>(value: T | PromiseLike<T>): value is PromiseLike<T> => typeof (value as PromiseLike<T> | undefined)?.then === 'function';

/** For `JSON.stringify`, which else writes what a `toJSON` of the page's makes of an array. */
function asItIs(this: Record<string, unknown>, key: string): unknown {
  return this[key];
}
