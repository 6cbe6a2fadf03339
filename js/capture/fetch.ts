// fetch: wraps it, tells the core what happens to each request, and hands out headers. The page's own call is made with the page's own
// arguments, but for the headers that were asked for, and gets the browser's own answer.

import type { Span } from '../api.js';
import { startTimer, stopTimer } from '../clock.js';
import type { Core } from '../core.js';
import type { FetchSettings, Settings } from '../options.js';
import type { CoreSpan } from '../span.js';
import { textOf } from '../thrown.js';
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
  readonly method: string;
  readonly signal: AbortSignal | null | undefined;
  /** What hooks get to see of it. */
  readonly asked: Request | RequestInit;
  /** Just before the browser's fetch was called, and just after. */
  readonly startMs: number;
  calledMs: number;
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
  settings: Settings;
  activeSpan(): Span | undefined;
  /** Nothing is traced: no consent, shut down, or within a hook. */
  silent(): boolean;
  /** Headers may be added. */
  propagates(): boolean;
  /** Runs what the page gave us; what it throws is told, and what it fetches is not traced. */
  aside(run: () => void): void;
}

export interface Capture {
  /** The page is hidden or, with `gone`, goes for good: end what has ended, and then what never will. */
  settle(gone: boolean): void;
  uninstall(): void;
}

export function installFetch(host: FetchHost, options: FetchSettings): Capture {
  const { core, settings } = host;
  const original = globalThis.fetch;
  // Not `location.origin`: that of a sandboxed frame is not the one it has.
  const { origin } = globalThis;
  const pending = new Map<string, Set<Pending>>();
  let timer: number | undefined;
  let installed = true;

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
        guard(() => fail(known, error));
        throw error;
      };
      let promise;
      try {
        promise = Reflect.apply(target, self, handed);
      } catch (error) {
        return failed(error);
      }
      guard(() => (known.calledMs = core.now()));
      // What somebody has put in the place of fetch may give anything.
      if (typeof promise?.then !== 'function') {
        guard(() => end(known, KNOWN, core.now()));
        return promise;
      }
      // Not watched on the side: that would mark a rejection as handled.
      return promise.then((response: Response) => {
        guard(() => respond(known, response));
        return response;
      }, failed);
    },
  });
  globalThis.fetch = traced;

  const timings = watchResources((entry) => guard(() => match(entry)));

  function guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      core.caught(error);
    }
  }

  function begin(args: unknown[]): [Pending | undefined, unknown[]] {
    if (!installed || !args.length || host.silent()) return [undefined, args];
    if (!core.on) {
      core.notReady++;
      return [undefined, args];
    }
    const [given, init, ...rest] = args as [unknown, RequestInit | null | undefined, ...unknown[]];
    const requestUrl = genuine(given, readRequestUrl);
    const genuineUrl = requestUrl ?? genuine(given, readHref);
    const text = genuineUrl ?? String(given);
    // What the page gives is read once, and what was read is handed on: a second reading might say something else.
    const input = genuineUrl === undefined ? text : given;
    let url;
    try {
      url = new URL(text, document.baseURI);
    } catch {
      // The browser will say what is wrong with it.
      return [undefined, [input, ...args.slice(1)]];
    }
    const { href } = url;
    if (isIgnored(url, settings) || matches(options.ignoreUrls, href)) return [undefined, [input, ...args.slice(1)]];

    const own = init && isPlain(init) ? { ...init } : init;
    const request = requestUrl === undefined ? undefined : (given as Request);
    const method = String(own?.method ?? request?.method ?? 'GET');
    const signal = own?.signal ?? request?.signal;
    const shown = recorded(href);
    const startMs = core.now();
    const span = host.tracer.begin(host.activeSpan(), method, undefined, false, (scope) => {
      const methodBytes = core.text(method, 0);
      return core.x.start_request(methodBytes, core.text(shown, methodBytes), scope, startMs);
    });
    const known: Pending = { span, href, method, signal, asked: request ?? own ?? {}, startMs, calledMs: Infinity };
    const recording = span.handle >= 0;
    if (recording) {
      const others = pending.get(href);
      if (others) others.add(known);
      else pending.set(href, new Set([known]));
      if (options.requestHook) host.aside(() => options.requestHook!(span, known.asked));
    }
    const added = span.isValid() && host.propagates() ? headers(span, propagation(url, origin, settings)) : [];
    const handed = args.length > 1 || added.length ? withHeaders(input, !!request, own, added) : [input];
    return [recording ? known : undefined, [...handed, ...rest]];
  }

  /** What may be recorded of a URL after the core has taken the known secrets out, if the page wants a word in it. */
  function recorded(href: string): string {
    const word = settings.redact && settings.redact.url;
    if (!word) return href;
    // Without an answer nothing of it is known to be harmless.
    let answer = 'REDACTED';
    host.aside(() => (answer = String(word(core.read(core.x.redact_url(core.text(href, 0)))))));
    return answer;
  }

  function headers(span: CoreSpan, to: ReturnType<typeof propagation>): [string, string][] {
    if (to === 'none') return [];
    const all: [string, string][] = [['traceparent', span.traceparent()]];
    if (span.traceState) all.push(['tracestate', span.traceState]);
    return to === 'cors' ? all.filter(([name]) => settings.corsTraceHeaders.includes(name)) : all;
  }

  function respond(request: Pending, response: Response | undefined): void {
    const now = core.now();
    const status = Number(response?.status);
    request.headersMs = now;
    if (status) core.x.set_response(request.span.handle, status);
    if (options.applyCustomAttributesOnSpan && response) host.aside(() => options.applyCustomAttributesOnSpan!(request.span, request.asked, response));
    if (!response || request.endMs !== undefined || request.method.toUpperCase() === 'HEAD' || NULL_BODY.includes(status)) {
      end(request, KNOWN, request.endMs ?? now);
    } else if (request.ambiguous || !/^http/.test(request.href)) {
      end(request, BODY_UNKNOWN, now);
    } else {
      request.response = response;
      timer ??= startTimer(cap, BODY_CAP_MS);
    }
  }

  function fail(request: Pending, error: unknown): void {
    const now = core.now();
    const { signal } = request;
    const name = (thrown: unknown) => textOf((thrown as { name?: unknown } | undefined)?.name ?? '');
    const [errorName, reasonName] = [name(error), name(signal?.reason)];
    const errorBytes = core.text(errorName, 0);
    core.x.fail_request(request.span.handle, +!!signal?.aborted, errorBytes, core.text(reasonName, errorBytes));
    if (options.applyCustomAttributesOnSpan) {
      host.aside(() => options.applyCustomAttributesOnSpan!(request.span, request.asked, { message: textOf((error as Error | undefined)?.message ?? error) }));
    }
    end(request, KNOWN, now);
  }

  function end(request: Pending, how: number, endMs: number): void {
    const { span, href } = request;
    const others = pending.get(href);
    others?.delete(request);
    if (!others?.size) pending.delete(href);
    const { handle } = span;
    span.handle = -1;
    if (handle >= 0 && core.x.end_request(handle, how, endMs, core.now()) > 0) core.pump();
  }

  /** The end of a body, from resource timing. An entry that fits two requests belongs to none. */
  function match(entry: PerformanceResourceTiming): void {
    // An image or a script of the same URL has an entry of its own.
    if (entry.initiatorType !== 'fetch') return;
    const open = [...(pending.get(entry.name) ?? [])].filter((request) => request.endMs === undefined && request.startMs - CLOCK_STEP_MS <= entry.startTime);
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
    guard(() => {
      const now = core.now();
      let nextMs = Infinity;
      for (const request of all()) {
        if (!request.response || request.response.bodyUsed) continue;
        const dueMs = request.headersMs! + BODY_CAP_MS;
        if (dueMs <= now) end(request, BODY_UNKNOWN, request.headersMs!);
        else nextMs = Math.min(nextMs, dueMs);
      }
      if (nextMs < Infinity) timer = startTimer(cap, nextMs - now);
    });
  }

  const all = () => [...pending.values()].flatMap((requests) => [...requests]);

  return {
    settle(gone) {
      timings.drain();
      if (!gone) return;
      const now = core.now();
      for (const request of all()) {
        const unread = request.response && !request.response.bodyUsed;
        end(request, unread ? BODY_UNKNOWN : UNFINISHED, unread ? request.headersMs! : now);
      }
    },
    uninstall() {
      installed = false;
      // Whoever wrapped it after us keeps it; ours then only passes on.
      if (globalThis.fetch === traced) globalThis.fetch = original;
      timings.stop();
      stopTimer(timer);
    },
  };
}

/** What a member of a built-in type gives, which also knows objects of other frames and cannot be deceived; undefined for what is none. */
function genuine<T>(object: unknown, member: (() => T) | undefined): T | undefined {
  // A text is none, and asking costs an exception.
  if (typeof object !== 'object') return undefined;
  try {
    return member?.call(object);
  } catch {
    return undefined;
  }
}

const getterOf = (type: { prototype: object } | undefined, name: string) => type && Object.getOwnPropertyDescriptor(type.prototype, name)?.get;
const readRequestUrl = getterOf(globalThis.Request, 'url');
const readHref = getterOf(globalThis.URL, 'href');
const readHeaders = globalThis.Headers?.prototype.entries;

const isPlain = (object: object): boolean => [Object.prototype, null].includes(Object.getPrototypeOf(object));

/**
 * The arguments with these headers added, and nothing of the caller's written to; a plain `init` is a copy already. If the page has set
 * `traceparent` itself, its word stands alone.
 */
function withHeaders(input: unknown, isRequest: boolean, init: RequestInit | null | undefined, added: [string, string][]): unknown[] {
  if (!added.length) return [input, init];
  const add = (headers: Headers) => {
    if (!headers.has('traceparent')) for (const [name, value] of added) headers.set(name, value);
    return headers;
  };
  try {
    if (isRequest || (init && !isPlain(init))) {
      // A fresh record beside a Request would reset its referrer and more, and one that inherits its members cannot be copied.
      const request = new Request(input as RequestInfo, init ?? undefined);
      add(request.headers);
      return [request, undefined];
    }
    // Without a prototype where there was no object: nothing that a page has put into Object.prototype may get in.
    init ??= { __proto__: null } as RequestInit;
    const { headers } = init;
    // A generator gives its pairs only once.
    if (headers && typeof headers === 'object' && !genuine(headers, readHeaders) && Symbol.iterator in headers) init.headers = [...headers];
    init.headers = add(new Headers(init.headers));
  } catch {
    // The browser will say what is wrong with them.
  }
  return [input, init];
}
