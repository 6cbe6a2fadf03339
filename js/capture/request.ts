// What fetch and XHR have in common: which requests get a span and which headers, and how resource timing is matched with them.

import { startTimer, stopTimer } from '../clock.js';
import type { RequestSettings } from '../options.js';
import type { Core } from '../core.js';
import type { CoreSpan } from '../span.js';
import { nameOf } from '../thrown.js';
import type { CoreTracer } from '../tracer.js';
import { isIgnored, matches, propagation } from '../urls.js';
import { baseUrl, pageOrigin } from '../page.js';
import type { Read } from './body.js';
import type { CaptureHost } from './capture.js';
import { REQUEST_BODY_SIZE, USER_AGENT } from './facts.js';
import { describeTiming } from './timing.js';
import { getterOf } from '../wrap.js';

/**
 * How often those are looked for of whose end the browser does not tell, as of a body that is not read; half of it is the least that it is given.
 */
const CAP_MS = 1000;

/**
 * How often a body that is being read is waited for again, each time for {@link CAP_MS}: a stream may last. After that it is given up, as one of which the
 * browser does not tell.
 */
const MAX_WAITS = 900;

/** Clocks are coarse: a tenth of a millisecond in Chromium, a whole one in WebKit and Firefox. */
export const CLOCK_STEP_MS = 1;

/** `End` in capture/fetch.rs. */
const KNOWN = 0;
const BODY_UNKNOWN = 1;
const UNFINISHED = 2;

/** A request that has not ended for us. */
export interface Pending {
  readonly span: CoreSpan;
  readonly href: string;
  /** What we add to its headers, if anything. */
  readonly headers: Record<string, string> | undefined;
  /** Just before the browser was called, and just after. */
  readonly startMs: number;
  calledMs: number;
  /** Of the page, in which it began. */
  readonly turn: number | undefined;
  /** When the headers came, or it failed. */
  headersMs: number | undefined;
  /** Whose body the end is waited for. */
  response: Response | undefined;
  /** What may abort it. */
  signal: AbortSignal | null | undefined;
  /** When it ended. */
  endMs: number | undefined;
  /** When all of its body had been read, or could not be: where no entry comes, it ended then. */
  readMs: number | undefined;
  /** The page is reading all of its body, and will be told when that is done. */
  reading: boolean;
  /** How often the cap has found it open since the headers came. */
  waits: number;
  /** There was an entry for it by another clock than ours: none will fit. */
  isStray: boolean;
  /** What the browser tells of it. */
  entry: PerformanceResourceTiming | undefined;
  /** The browser's entry fits others too. */
  ambiguous: boolean;
  /** All is said. From the start, when it is not recorded. */
  closed: boolean;
}

const charset = getterOf(globalThis.Document, 'characterSet');

/** A path of the page's own origin that the browser would not change: most of what pages ask for, and to read a URL takes the browser long. */
const PLAIN_PATH = /^(\/[\w-][\w.-]*)+\/?(\?[\w.=&%-]*)?$/;

const startRequest = (how: number, scope: number, core: Core, method: string, startMs: number, shown: string): number => {
  const methodBytes = core.name(method);
  return core.x.start_request(methodBytes, core.text(shown, Math.max(methodBytes, 0)), scope, startMs, how);
};

type Hook = 'requestHook' | 'applyCustomAttributesOnSpan';

export class Requests {
  private readonly tracer: CoreTracer;
  /** Those that have ended too, for a while, if their entry has not come: it is nobody else's. */
  private readonly pending: Pending[] = [];
  private readonly unwatch: () => void;
  private timer: number | undefined;
  private readonly home = `${pageOrigin()}/`;

  /** @param initiator What resource timing calls these requests. */
  constructor(
    private readonly host: CaptureHost,
    private readonly options: RequestSettings & Partial<Record<Hook, (...given: never[]) => void>>,
    name: string,
    initiator: string,
  ) {
    this.tracer = host.tracer(name);
    host.requests.push(this);
    this.unwatch = host.timings.watch((entry, by, gone) => {
      // An image or a script of the same URL has an entry of its own.
      if (by === initiator) this.match(entry, gone);
    });
  }

  /** Nothing is to be traced now. Requests before the core has loaded are counted. */
  skips(): boolean {
    const { host } = this;
    // First, as the page's code that runs at the start may end it all.
    const isOn = host.core.ready();
    if (host.silent()) return true;
    if (!isOn) host.core.notReady++;
    return !isOn;
  }

  /**
   * `URL.href` of what the page asks for; undefined for what is no URL.
   *
   * @param encoded As the document's own encoding writes it, where that is none of Unicode's: so XHR asks for it, but not fetch.
   */
  href(text: string, encoded = false): string | undefined {
    const base = baseUrl();
    const { home } = this;
    try {
      if (PLAIN_PATH.test(text) && base.startsWith(home)) return home + text.slice(1);
      if (encoded && charset?.call(document) !== 'UTF-8') {
        const link = document.createElement('a');
        link.href = text;
        text = link.href;
      }
      return new URL(text, base).href;
    } catch {
      return undefined;
    }
  }

  /** Whether it is a request of ours, under way, that carries this `traceparent`. */
  carries(traceparent: string): boolean {
    return this.pending.some(({ headers }) => headers?.traceparent === traceparent);
  }

  /** Who is told that this response has been read, while that is waited for. */
  reading(response: unknown): Read | undefined {
    const pending = this.pending.find((each) => each.response === response && !each.closed);
    if (!pending) return undefined;
    pending.reading = true;
    return (failed, error) => this.host.guard(this.read, pending, failed, error);
  }

  private readonly read = (pending: Pending, failed: boolean, error: unknown): void => {
    pending.reading = false;
    pending.readMs = this.host.core.now();
    pending.waits = 0;
    if (pending.closed) return;
    // For its user, a request whose body cannot be read has failed. A signal's reason may be anything, also what says nothing of an abort.
    if (failed) this.describeFailure(pending, !!pending.signal?.aborted, nameOf(error), nameOf(pending.signal?.reason));
    if (pending.entry || pending.ambiguous) this.close(pending);
    else this.arm();
  };

  /** Undefined for a URL that is ignored. */
  begin(href: string, method: string, body: unknown): Pending | undefined {
    const { host, options } = this;
    const { core, settings, active } = host;
    const parent = active.parent(undefined);
    if (href === host.calling || isIgnored(href, settings) || matches(options.ignoreUrls, href) || (options.requireParentSpan && !parent)) return undefined;
    // Before there is a span: what asks the page may throw.
    const size = options.measureRequestSize ? bodyBytes(body) : undefined;
    const shown = host.shown(href);
    const startMs = core.now();
    const span = this.tracer.begin(parent, method, undefined, false, startMs, startRequest, shown);
    const isRecorded = span.handle >= 0;
    // All members at once: V8 makes room for each that comes later.
    const pending: Pending = {
      span,
      href,
      headers: span.isValid() && host.propagates() ? this.headers(span, href) : undefined,
      startMs,
      calledMs: Infinity,
      turn: isRecorded ? host.requestBegan?.() : undefined,
      headersMs: undefined,
      response: undefined,
      signal: undefined,
      endMs: undefined,
      readMs: undefined,
      reading: false,
      waits: 0,
      isStray: false,
      entry: undefined,
      ambiguous: false,
      closed: !isRecorded,
    };
    if (isRecorded) {
      this.pending.push(pending);
      core.fact(span.handle, REQUEST_BODY_SIZE, size);
      if (settings.semconv !== 'stable') core.fact(span.handle, USER_AGENT, globalThis.navigator?.userAgent);
      core.processors?.start(span, parent);
    }
    return pending;
  }

  private headers(span: CoreSpan, href: string): Pending['headers'] {
    const { settings } = this.host;
    const to = propagation(href, this.home, settings);
    if (to === 'none') return undefined;
    const all = to === 'same-origin';
    const named = settings.corsTraceHeaders;
    const headers: Record<string, string> = {};
    if (all || named.includes('traceparent')) headers.traceparent = span.traceparent();
    if (span.traceState && (all || named.includes('tracestate'))) headers.tracestate = span.traceState;
    return headers;
  }

  /** Runs a function that the page has given for this moment. */
  hook(name: Hook, { span, closed }: Pending, asked: unknown, answer?: unknown): void {
    const run = this.options[name] as ((...given: unknown[]) => void) | undefined;
    if (run && !closed) this.host.aside(run, span, asked, answer);
  }

  /** The browser has been called. */
  readonly called = (pending: Pending): void => {
    pending.calledMs = this.host.core.now();
  };

  /** The headers came. */
  respond(pending: Pending, status: number): void {
    if (status) this.host.core.x.set_response(pending.span.handle, status);
    this.wait(pending);
  }

  /** `aborted`: it was the page's wish, unless the reason is a timeout. `error`: what fetch threw. */
  fail(pending: Pending, aborted: boolean, errorName: string, reasonName: string, error?: unknown): void {
    const { core } = this.host;
    if (!aborted) core.failed?.(pending.href, error, Object.entries(pending.headers ?? {}));
    this.describeFailure(pending, aborted, errorName, reasonName);
    this.wait(pending);
  }

  private describeFailure({ span }: Pending, aborted: boolean, errorName: string, reasonName: string): void {
    const { core } = this.host;
    const errorBytes = core.text(errorName, 0);
    core.x.fail_request(span.handle, +aborted, errorBytes, core.text(reasonName, errorBytes));
  }

  /** Of the rest, resource timing will tell; also of one that failed, whose entry would else be taken for that of the page's next try. */
  private wait(pending: Pending): void {
    pending.headersMs = this.host.core.now();
    if (pending.ambiguous || pending.entry || !pending.href.startsWith('http')) this.close(pending);
    this.arm();
  }

  /** Ends it with what is known by now. */
  close(pending: Pending, gone = false): void {
    const { host } = this;
    const { core } = host;
    const { span, entry, startMs, headersMs, closed, turn } = pending;
    if (closed) return;
    pending.closed = true;
    if (entry) this.forget(pending);
    const now = core.now();
    let how = KNOWN;
    let endMs = pending.endMs ?? (entry ? Math.max(entry.responseEnd, startMs) : pending.readMs);
    if (endMs === undefined) {
      how = headersMs === undefined || (gone && isRead(pending)) ? UNFINISHED : BODY_UNKNOWN;
      endMs = how === UNFINISHED ? now : headersMs!;
    }
    if (entry) describeTiming(core, span, entry, !this.options.ignoreNetworkEvents);
    const { handle } = span;
    span.handle = -1;
    core.processors?.end(span, handle, endMs);
    const due = handle >= 0 && core.x.end_request(handle, how, endMs, now) > 0;
    host.requestEnded?.(turn);
    if (due) core.pump();
  }

  /** An entry that fits two requests belongs to none. */
  private match(entry: PerformanceResourceTiming, gone: boolean): void {
    const { pending } = this;
    const { name, startTime } = entry;
    let best = 1;
    let count = 0;
    for (let index = pending.length; index--; ) {
      const found = fit(pending[index], entry, name, startTime, gone);
      if (found > best) count = 0;
      best = Math.max(best, found);
      count += +(found === best);
    }
    for (let index = pending.length; index--; ) {
      const each = pending[index];
      // Those that end may take others with them.
      if (!each) continue;
      if (!count && each.href === name) each.isStray = true;
      if (fit(each, entry, name, startTime, gone) !== best) continue;
      // One that had fitted several before: the others may have ended meanwhile, and this entry may be theirs.
      if (count > 1 || each.ambiguous) each.ambiguous = true;
      else each.entry = entry;
      if (each.headersMs !== undefined && !each.reading) this.close(each);
    }
  }

  /** Out of the list, whose order says nothing: the last takes the place. */
  private forget(pending: Pending): void {
    const all = this.pending;
    const index = all.indexOf(pending);
    if (index < 0) return;
    all[index] = all[all.length - 1];
    all.pop();
  }

  private readonly cap = (): void => {
    this.timer = undefined;
    this.host.guard(() => {
      const dueMs = this.host.core.now() - CAP_MS / 2;
      for (const pending of [...this.pending]) {
        const { headersMs, readMs = headersMs } = pending;
        if (readMs === undefined) continue;
        // Counted, too: the page's clock may stand still.
        const waits = ++pending.waits;
        const isOpen = this.mayStillCome(pending);
        if (isOpen ? waits < MAX_WAITS : waits < 2 && readMs > dueMs) this.arm();
        else {
          this.close(pending, isOpen);
          this.forget(pending);
        }
      }
    });
  };

  /** The page reads its body, and resource timing will tell of the end. */
  private mayStillCome(pending: Pending): boolean {
    const { closed, endMs, readMs, entry, isStray } = pending;
    return !closed && endMs === undefined && readMs === undefined && !entry && !isStray && this.host.timings.works && isRead(pending);
  }

  private arm(): void {
    this.timer ??= startTimer(this.cap, CAP_MS);
  }

  settle(gone: boolean): void {
    // Of those that the page makes while it goes it may never hear, also where it is kept and may come back.
    const leftMs = this.host.leftMs();
    for (const pending of [...this.pending]) if (gone || pending.endMs !== undefined || pending.startMs >= leftMs) this.close(pending, gone);
  }

  uninstall(): void {
    this.unwatch();
    stopTimer(this.timer);
  }
}

/**
 * Whether an entry may be that of a request. 2: it fits; 1: it would, if it started after its call, as where somebody else's wrapper below
 * ours waits before it calls the browser; 0: it does not.
 */
function fit({ href, entry: known, startMs, calledMs, endMs }: Pending, entry: PerformanceResourceTiming, name: string, startTime: number, gone: boolean): number {
  // What was cut off has no size, and its end is not that of the body.
  if (href !== name || known || startTime < startMs - CLOCK_STEP_MS || (gone && endMs === undefined && !entry.encodedBodySize)) return 0;
  return startTime <= calledMs + CLOCK_STEP_MS ? 2 : 1;
}

/**
 * The page reads the body. A response without a URL was made in the page, by somebody's wrapper below ours: of its end the browser may not tell,
 * however long it is read.
 */
const isRead = ({ response }: Pending): boolean => !!response?.url && response.bodyUsed;

/** Bytes of a body, where they are known without reading it. */
function bodyBytes(body: unknown): number | undefined {
  if (typeof body === 'string' || body instanceof URLSearchParams) body = new Blob([`${body}`]);
  if (body instanceof Blob) return body.size;
  return ArrayBuffer.isView(body) || body instanceof ArrayBuffer ? body.byteLength : undefined;
}
