// fetch: wraps it, tells the core what happens to each request, and hands out headers. The page's own call is made with the page's own
// arguments, but for the headers that were asked for, and gets the browser's own answer.

import type { ActiveSpan } from '../context.js';
import type { Core } from '../core.js';
import type { FetchSettings, Settings } from '../options.js';
import type { CoreSpan } from '../span.js';
import type { CoreTracer } from '../tracer.js';
import { isIgnored, matches, propagation } from '../urls.js';
import { watchResources } from './timing.js';

/** How long the end of a body is waited for after the headers, unless the page is reading it: of an unread one the browser never tells. */
const BODY_CAP_MS = 1000;

/** Clocks are coarse: a tenth of a millisecond in Chromium, a whole one in WebKit and Firefox. */
const CLOCK_STEP_MS = 1;

/** `End` in capture/fetch.rs. */
const [KNOWN, BODY_UNKNOWN, UNFINISHED] = [0, 1, 2];

/** Statuses whose responses have no body. {@link https://fetch.spec.whatwg.org/#null-body-status} */
const NULL_BODY = [101, 103, 204, 205, 304];

/** A request that has not ended for us. */
interface Pending {
  readonly span: CoreSpan;
  readonly href: string;
  /** Just before the browser's fetch was called, and just after. */
  readonly startMs: number;
  calledMs: number;
  readonly input: Request | undefined;
  readonly init: RequestInit | undefined;
  readonly method: string;
  /** When the headers came. */
  headersMs?: number;
  response?: Response;
  /** When the body ended, if the browser told before the headers reached us. */
  endMs?: number;
  /** The browser's entry fits others too. */
  ambiguous?: boolean;
}

export interface FetchHost {
  core: Core;
  tracer: CoreTracer;
  active: ActiveSpan;
  settings: Settings;
  /** Nothing is traced: no consent, or shut down. */
  silent(): boolean;
  /** Headers may be added. */
  propagates(): boolean;
  /** Calls a hook of the page, which may throw. */
  hook(run: () => void): void;
}

export interface Capture {
  /** The page is hidden or, with `gone`, goes for good: end what has ended, and then what never will. */
  settle(gone: boolean): void;
  uninstall(): void;
}

export function installFetch(host: FetchHost, options: FetchSettings): Capture {
  const { core, settings } = host;
  const original = globalThis.fetch;
  const pending = new Map<string, Pending[]>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let installed = true;

  const timings = watchResources((entry) => {
    try {
      match(entry);
    } catch (error) {
      core.caught(error);
    }
  });

  // A proxy has the name, the length, the text and the properties of what it stands for.
  const traced = new Proxy(original, {
    apply(target, self, args: unknown[]) {
      let request: Pending | undefined;
      let handed = args;
      try {
        [request, handed] = begin(args);
      } catch (error) {
        core.caught(error);
      }
      if (!request) return Reflect.apply(target, self, handed);
      const known = request;
      const failed = (error: unknown): never => {
        fail(known, error);
        throw error;
      };
      let promise;
      try {
        promise = Reflect.apply(target, self, handed);
        known.calledMs = core.now();
      } catch (error) {
        return failed(error);
      }
      // What somebody has put in the place of fetch may give anything.
      if (typeof promise?.then !== 'function') {
        settle(known, KNOWN);
        return promise;
      }
      // Not watched on the side: that would mark a rejection as handled.
      return promise.then((response: Response) => {
        respond(known, response);
        return response;
      }, failed);
    },
  });
  globalThis.fetch = traced;

  function begin(args: unknown[]): [Pending | undefined, unknown[]] {
    if (!installed || host.silent() || !args.length) return [undefined, args];
    if (!core.on) {
      core.notReady++;
      return [undefined, args];
    }
    const [given, init] = args as [unknown, RequestInit | undefined];
    // Not by `instanceof`: it may come from another frame.
    const input = typeof given === 'object' && given !== null && 'url' in given ? (given as Request) : undefined;
    let url;
    try {
      url = new URL(input ? input.url : String(given), document.baseURI);
    } catch {
      // The browser will say what is wrong with it.
      return [undefined, args];
    }
    const { href } = url;
    if (isIgnored(url, settings) || matches(options.ignoreUrls, href)) return [undefined, args];

    const method = String(init?.method ?? input?.method ?? 'GET');
    const startMs = core.now();
    const span = host.tracer.begin(host.active.current, method, undefined, false, (scope) => {
      const methodBytes = core.text(method, 0);
      return core.x.start_request(methodBytes, core.text(recorded(href), methodBytes), scope, startMs);
    });
    const request: Pending = { span, href, startMs, calledMs: Infinity, input, init, method };
    if (span.handle >= 0) {
      const list = pending.get(href);
      if (list) list.push(request);
      else pending.set(href, [request]);
      if (options.requestHook) host.hook(() => options.requestHook!(span, asked(request)));
    }
    let handed = args;
    if (span.isValid() && host.propagates()) {
      try {
        handed = withHeaders(args, input, headers(span, propagation(url, location.origin, settings)));
      } catch {
        // Whatever is wrong with the arguments, the browser shall say it of the page's own.
      }
    }
    return [span.handle >= 0 ? request : undefined, handed];
  }

  /** What may be recorded of a URL after the core has taken the known secrets out, if the page wants a word in it. */
  function recorded(href: string): string {
    const word = settings.redact && settings.redact.url;
    if (!word) return href;
    // Without an answer nothing of it is known to be harmless.
    let answer = 'REDACTED';
    host.hook(() => (answer = String(word(core.read(core.x.redact_url(core.text(href, 0)))))));
    return answer;
  }

  function headers(span: CoreSpan, to: ReturnType<typeof propagation>): [string, string][] {
    if (to === 'none') return [];
    const all: [string, string][] = [['traceparent', span.traceparent()]];
    if (span.traceState) all.push(['tracestate', span.traceState]);
    return to === 'cors' ? all.filter(([name]) => settings.corsTraceHeaders.includes(name)) : all;
  }

  function respond(request: Pending, response: Response): void {
    try {
      const now = core.now();
      request.headersMs = now;
      core.x.set_response(request.span.handle, response.status);
      if (options.applyCustomAttributesOnSpan) host.hook(() => options.applyCustomAttributesOnSpan!(request.span, asked(request), response));
      if (request.endMs !== undefined || request.method.toUpperCase() === 'HEAD' || NULL_BODY.includes(response.status)) {
        end(request, KNOWN, request.endMs ?? now);
      } else if (request.ambiguous || !/^http/.test(request.href)) {
        end(request, BODY_UNKNOWN, now);
      } else {
        request.response = response;
        timer ??= setTimeout(cap, BODY_CAP_MS);
      }
    } catch (error) {
      core.caught(error);
    }
  }

  function fail(request: Pending, error: unknown): void {
    try {
      const now = core.now();
      const signal = request.init?.signal ?? request.input?.signal;
      const name = (thrown: unknown) => String((thrown as { name?: unknown } | undefined)?.name ?? '');
      const errorBytes = core.text(name(error), 0);
      const reasonBytes = core.text(name(signal?.reason), errorBytes);
      core.x.fail_request(request.span.handle, +!!signal?.aborted, errorBytes, reasonBytes);
      if (options.applyCustomAttributesOnSpan) {
        host.hook(() => options.applyCustomAttributesOnSpan!(request.span, asked(request), { message: String((error as Error)?.message ?? error) }));
      }
      end(request, KNOWN, now);
    } catch (thrown) {
      core.caught(thrown);
    }
  }

  function end(request: Pending, how: number, endMs: number): void {
    const { span, href } = request;
    const list = pending.get(href)?.filter((other) => other !== request);
    if (list?.length) pending.set(href, list);
    else pending.delete(href);
    const { handle } = span;
    span.handle = -1;
    if (handle >= 0 && core.x.end_request(handle, how, endMs, core.now()) > 0) core.pump();
  }

  function settle(request: Pending, how: number): void {
    try {
      end(request, how, core.now());
    } catch (error) {
      core.caught(error);
    }
  }

  /** The end of a body, from resource timing. An entry that fits two requests belongs to none. */
  function match(entry: PerformanceResourceTiming): void {
    const open = pending.get(entry.name)?.filter((request) => request.endMs === undefined && request.startMs - CLOCK_STEP_MS <= entry.startTime);
    if (!open) return;
    // Where somebody else's wrapper below ours waits before it calls the browser, the request starts later.
    const during = open.filter((request) => entry.startTime <= request.calledMs + CLOCK_STEP_MS);
    const fitting = during.length ? during : open;
    for (const request of fitting) {
      // One that had fitted several before: the others may have ended meanwhile, and this entry may be theirs.
      if (fitting.length > 1 || request.ambiguous) {
        request.ambiguous = true;
        if (request.headersMs !== undefined) end(request, BODY_UNKNOWN, request.headersMs);
      } else if (request.headersMs === undefined) {
        request.endMs = entry.responseEnd;
      } else {
        end(request, KNOWN, Math.max(entry.responseEnd, request.startMs));
      }
    }
  }

  function cap(): void {
    timer = undefined;
    try {
      const now = core.now();
      let nextMs = Infinity;
      for (const request of [...pending.values()].flat()) {
        if (!request.response || request.response.bodyUsed) continue;
        const dueMs = request.headersMs! + BODY_CAP_MS;
        if (dueMs <= now) end(request, BODY_UNKNOWN, request.headersMs!);
        else nextMs = Math.min(nextMs, dueMs);
      }
      if (nextMs < Infinity) timer = setTimeout(cap, nextMs - now);
    } catch (error) {
      core.caught(error);
    }
  }

  return {
    settle(gone) {
      timings.drain();
      if (!gone) return;
      const now = core.now();
      for (const request of [...pending.values()].flat()) {
        const unread = request.response && !request.response.bodyUsed;
        end(request, unread ? BODY_UNKNOWN : UNFINISHED, unread ? request.headersMs! : now);
      }
    },
    uninstall() {
      installed = false;
      // Whoever wrapped it after us keeps it; ours then only passes on.
      if (globalThis.fetch === traced) globalThis.fetch = original;
      timings.stop();
      clearTimeout(timer);
    },
  };
}

const asked = ({ input, init }: Pending): Request | RequestInit => input ?? init ?? {};

/** The arguments with these headers added, and nothing of the caller's written to. A header that the page has set wins. */
function withHeaders(args: unknown[], input: Request | undefined, added: [string, string][]): unknown[] {
  if (!added.length) return args;
  const [given, init, ...rest] = args as [RequestInfo, RequestInit | undefined, ...unknown[]];
  const add = (headers: Headers) => {
    for (const [name, value] of added) if (!headers.has(name)) headers.set(name, value);
    return headers;
  };
  const prototype = init && Object.getPrototypeOf(init);
  if (!input && (!prototype || prototype === Object.prototype)) return [given, { ...init, headers: add(new Headers(init?.headers)) }, ...rest];
  // A fresh record beside a Request would reset its referrer and more, and one that inherits its members cannot be copied.
  const request = new Request(given, init);
  add(request.headers);
  return [request, undefined, ...rest];
}
