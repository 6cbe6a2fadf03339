// What fetch and XHR have in common: which requests get a span and which headers, and how resource timing is matched with them.

import { startTimer, stopTimer } from '../clock.js';
import type { RequestSettings } from '../options.js';
import type { CoreSpan } from '../span.js';
import { textOf } from '../thrown.js';
import type { CoreTracer } from '../tracer.js';
import { isIgnored, matches, propagation } from '../urls.js';
import type { CaptureHost } from './capture.js';
import { REQUEST_BODY_SIZE, USER_AGENT } from './facts.js';
import { describeTiming } from './timing.js';

/**
 * How often those are looked for of whose end the browser does not tell, as of a body that is not read; half of it is the least that it is given.
 */
const CAP_MS = 1000;

/** Clocks are coarse: a tenth of a millisecond in Chromium, a whole one in WebKit and Firefox. */
const CLOCK_STEP_MS = 1;

/** `End` in capture/fetch.rs. */
const [KNOWN, BODY_UNKNOWN, UNFINISHED] = [0, 1, 2];

/** A request that has not ended for us. */
export interface Pending {
  readonly span: CoreSpan;
  readonly href: string;
  /** What we add to its headers. */
  readonly headers: Begun['headers'];
  /** Just before the browser was called, and just after. */
  readonly startMs: number;
  calledMs: number;
  /** Of the page, in which it began. */
  readonly turn: number | undefined;
  /** When the headers came, or it failed. */
  headersMs?: number;
  /** Whose body the end is waited for. */
  response?: Response | undefined;
  /** When it ended. */
  endMs?: number;
  /** What the browser tells of it. */
  entry?: PerformanceResourceTiming;
  /** The browser's entry fits others too. */
  ambiguous?: boolean;
  /** All is said. */
  closed?: boolean;
}

/** A request that may go on: its span, and what is to be added to its headers. */
export interface Begun {
  /** Undefined when it is not recorded. */
  pending: Pending | undefined;
  headers: [name: string, value: string][];
}

type Hook = 'requestHook' | 'applyCustomAttributesOnSpan';

export class Requests {
  private readonly tracer: CoreTracer;
  /** Those that have ended too, for a while, if their entry has not come: it is nobody else's. */
  private readonly pending = new Set<Pending>();
  private readonly unwatch: () => void;
  private timer: number | undefined;
  // Not `location.origin`: that of a sandboxed frame is not the one it has.
  private readonly origin = globalThis.origin;

  /** @param initiator What resource timing calls these requests. */
  constructor(
    private readonly host: CaptureHost,
    private readonly options: RequestSettings & Partial<Record<Hook, (...given: never[]) => void>>,
    name: string,
    initiator: string,
  ) {
    this.tracer = host.tracer(name);
    this.unwatch = host.timings.watch((entry, gone) => {
      // An image or a script of the same URL has an entry of its own.
      if (entry.initiatorType === initiator) this.match(entry, gone);
    });
  }

  /** Nothing is to be traced now. Requests before the core has loaded are counted. */
  skips(): boolean {
    const { host } = this;
    if (host.silent()) return true;
    if (!host.core.on) host.core.notReady++;
    return !host.core.on;
  }

  /** Undefined for a URL that is ignored. */
  begin(url: URL, method: string, body: unknown): Begun | undefined {
    const { host, options } = this;
    const { core, settings, active } = host;
    const { href } = url;
    const parent = active.parent(undefined);
    if (isIgnored(url, settings) || matches(options.ignoreUrls, href) || (options.requireParentSpan && !parent)) return undefined;
    // Before there is a span: what asks the page may throw.
    const size = options.measureRequestSize ? bodyBytes(body) : undefined;
    const shown = host.shown(href);
    const server = shown === href ? url.host : (parseUrl(shown)?.host ?? '');
    const startMs = core.now();
    const span = this.tracer.begin(parent, method, undefined, false, (scope) => {
      const methodBytes = core.text(method, 0);
      const urlBytes = core.text(shown, methodBytes);
      return core.x.start_request(methodBytes, urlBytes, core.text(server, methodBytes + urlBytes), scope, startMs);
    });
    const headers = span.isValid() && host.propagates() ? this.headers(span, url) : [];
    let pending: Pending | undefined;
    if (span.handle >= 0) {
      pending = { span, href, headers, startMs, calledMs: Infinity, turn: host.requestBegan?.() };
      this.pending.add(pending);
      core.fact(span.handle, REQUEST_BODY_SIZE, size);
      if (settings.semconv !== 'stable') core.fact(span.handle, USER_AGENT, navigator.userAgent);
      core.processors?.start(span, parent);
    }
    return { pending, headers };
  }

  private headers(span: CoreSpan, url: URL): [string, string][] {
    const { settings } = this.host;
    const to = propagation(url, this.origin, settings);
    if (to === 'none') return [];
    const all: [string, string][] = [['traceparent', span.traceparent()]];
    if (span.traceState) all.push(['tracestate', span.traceState]);
    return to === 'cors' ? all.filter(([name]) => settings.corsTraceHeaders.includes(name)) : all;
  }

  /** Runs a function that the page has given for this moment. */
  hook(name: Hook, { span, closed }: Pending, ...given: unknown[]): void {
    const run = this.options[name] as ((...given: unknown[]) => void) | undefined;
    if (run && !closed) this.host.aside(() => run(span, ...given));
  }

  /** The headers came. */
  respond(pending: Pending, status: number): void {
    if (status) this.host.core.x.set_response(pending.span.handle, status);
    this.wait(pending);
  }

  /** `aborted`: it was the page's wish, unless the reason is a timeout. `error`: what fetch threw. */
  fail(pending: Pending, aborted: boolean, errorName: string, reasonName: string, error?: unknown): void {
    const { core } = this.host;
    if (!aborted) core.failed?.(pending.href, error, pending.headers);
    const errorBytes = core.text(errorName, 0);
    core.x.fail_request(pending.span.handle, +aborted, errorBytes, core.text(reasonName, errorBytes));
    this.wait(pending);
  }

  /** Of the rest, resource timing will tell; also of one that failed, whose entry would else be taken for that of the page's next try. */
  private wait(pending: Pending): void {
    pending.headersMs = this.host.core.now();
    if (pending.ambiguous || pending.entry || !/^http/.test(pending.href)) this.close(pending);
    this.arm();
  }

  /** Ends it with what is known by now. */
  close(pending: Pending, gone = false): void {
    const { host } = this;
    const { core } = host;
    const { span, entry, startMs, headersMs, closed, turn } = pending;
    if (closed) return;
    pending.closed = true;
    if (entry) this.pending.delete(pending);
    const now = core.now();
    const knownMs = pending.endMs ?? (entry && Math.max(entry.responseEnd, startMs));
    const [how, endMs] =
      knownMs !== undefined
        ? [KNOWN, knownMs]
        : headersMs === undefined || (gone && pending.response?.bodyUsed)
          ? [UNFINISHED, now]
          : [BODY_UNKNOWN, headersMs];
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
    const open = [...this.pending].filter(
      ({ href, entry: known, startMs, endMs }) =>
        href === entry.name &&
        !known &&
        startMs - CLOCK_STEP_MS <= entry.startTime &&
        // What was cut off has no size, and its end is not that of the body.
        !(gone && endMs === undefined && !entry.encodedBodySize),
    );
    // Where somebody else's wrapper below ours waits before it calls the browser, the request starts later.
    const during = open.filter(({ calledMs }) => entry.startTime <= calledMs + CLOCK_STEP_MS);
    const fitting = during.length ? during : open;
    for (const pending of fitting) {
      // One that had fitted several before: the others may have ended meanwhile, and this entry may be theirs.
      if (fitting.length > 1 || pending.ambiguous) pending.ambiguous = true;
      else pending.entry = entry;
      if (pending.headersMs !== undefined) this.close(pending);
    }
  }

  private readonly cap = (): void => {
    this.timer = undefined;
    this.host.guard(() => {
      const dueMs = this.host.core.now() - CAP_MS / 2;
      for (const pending of this.pending) {
        const { headersMs, endMs, response, closed } = pending;
        if (headersMs === undefined || (!closed && endMs === undefined && response?.bodyUsed)) continue;
        if (headersMs > dueMs) this.arm();
        else {
          this.close(pending);
          this.pending.delete(pending);
        }
      }
    });
  };

  private arm(): void {
    this.timer ??= startTimer(this.cap, CAP_MS);
  }

  settle(gone: boolean): void {
    for (const pending of this.pending) if (gone || pending.endMs !== undefined) this.close(pending, gone);
  }

  uninstall(): void {
    this.unwatch();
    stopTimer(this.timer);
  }
}

/** Undefined for what is no URL. */
export function parseUrl(text: string, base?: string): URL | undefined {
  try {
    return new URL(text, base);
  } catch {
    return undefined;
  }
}

/** The name of what was thrown; empty where it has none. */
export const nameOf = (thrown: unknown): string => textOf((thrown as { name?: unknown } | undefined)?.name ?? '');

/** Bytes of a body, where they are known without reading it. */
function bodyBytes(body: unknown): number | undefined {
  if (typeof body === 'string' || body instanceof URLSearchParams) body = new Blob([`${body}`]);
  if (body instanceof Blob) return body.size;
  return ArrayBuffer.isView(body) || body instanceof ArrayBuffer ? body.byteLength : undefined;
}
