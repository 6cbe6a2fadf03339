// fetch: wraps it, tells the core what happens to each request, and hands out headers. The page's own call is made with the page's own
// arguments, but for the headers that were asked for, and gets the browser's own answer.

import type { FetchSettings } from '../options.js';
import { textOf } from '../thrown.js';
import type { Capture, CaptureHost } from './capture.js';
import { nameOf, parseUrl, type Pending, Requests } from './request.js';

/** A call of fetch that is under way. */
interface Call {
  readonly pending: Pending;
  readonly method: string;
  readonly signal: AbortSignal | null | undefined;
  /** What hooks get to see of it. */
  readonly asked: Request | RequestInit;
}

export function installFetch(host: CaptureHost, options: FetchSettings): Capture {
  const { core } = host;
  const original = globalThis.fetch;
  let installed = true;

  // A proxy has the name, the length, the text and the properties of what it stands for.
  const traced = new Proxy(original, {
    apply(target, self, args: unknown[]) {
      let call: Call | undefined;
      let handed = args;
      try {
        [call, handed] = begin(args);
      } catch (error) {
        core.caught(error);
      }
      if (!call) return Reflect.apply(target, self, handed);
      const known = call;
      const failed = (error: unknown): never => {
        host.guard(() => fail(known, error));
        throw error;
      };
      let promise;
      try {
        promise = Reflect.apply(target, self, handed);
      } catch (error) {
        return failed(error);
      }
      host.guard(() => (known.pending.calledMs = core.now()));
      // What somebody has put in the place of fetch may give anything.
      if (typeof promise?.then !== 'function') {
        host.guard(() => respond(known, undefined));
        return promise;
      }
      // Not watched on the side: that would mark a rejection as handled.
      return promise.then((response: Response) => {
        host.guard(() => respond(known, response));
        return response;
      }, failed);
    },
  });
  // First, as it throws where the page has locked it.
  globalThis.fetch = traced;
  const requests = new Requests(host, options, 'fetch', 'fetch');

  function begin(args: unknown[]): [Call | undefined, unknown[]] {
    if (!installed || !args.length || requests.skips()) return [undefined, args];
    const [given, init, ...rest] = args as [unknown, RequestInit | null | undefined, ...unknown[]];
    const requestUrl = genuine(given, readRequestUrl);
    const genuineUrl = requestUrl ?? genuine(given, readHref);
    const text = genuineUrl ?? `${given}`;
    // What the page gives is read once, and what was read is handed on: a second reading might say something else.
    const input = genuineUrl === undefined ? text : given;
    const own = init && isPlain(init) ? { ...init } : init;
    const handed = args.length > 1 ? [input, own, ...rest] : [input];
    const url = parseUrl(text, document.baseURI);
    // The browser will say what is wrong with it.
    if (!url) return [undefined, handed];
    const request = requestUrl === undefined ? undefined : (given as Request);
    const method = String(own?.method ?? request?.method ?? 'GET');
    const begun = requests.begin(url, method, own?.body);
    if (!begun) return [undefined, handed];
    const { pending, headers } = begun;
    const call = pending && { pending, method, signal: own?.signal ?? request?.signal, asked: request ?? own ?? {} };
    if (call) requests.hook('requestHook', call.pending, call.asked);
    return [call, headers.length ? [...withHeaders(input, !!request, own, headers), ...rest] : handed];
  }

  function respond({ pending, method, asked }: Call, response: Response | undefined): void {
    const status = Number(response?.status);
    if (response) requests.hook('applyCustomAttributesOnSpan', pending, asked, response);
    // Those that have no body. https://fetch.spec.whatwg.org/#null-body-status
    if (!response || /^head$/i.test(method) || [204, 205, 304].includes(status)) pending.endMs = core.now();
    // One without a URL was made in the page, by somebody's wrapper below ours: of its end the browser may not tell, however long it is read.
    pending.response = response?.url ? response : undefined;
    requests.respond(pending, status);
  }

  function fail({ pending, signal, asked }: Call, error: unknown): void {
    pending.endMs = core.now();
    requests.hook('applyCustomAttributesOnSpan', pending, asked, { message: textOf((error as Error | undefined)?.message ?? error) });
    requests.fail(pending, !!signal?.aborted, nameOf(error), nameOf(signal?.reason), error);
  }

  return {
    settle: (gone) => requests.settle(gone),
    uninstall() {
      installed = false;
      // Whoever wrapped it after us keeps it; ours then only passes on.
      if (globalThis.fetch === traced) globalThis.fetch = original;
      requests.uninstall();
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
