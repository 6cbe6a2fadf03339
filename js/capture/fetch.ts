// fetch: wraps it, tells the core what happens to each request, and hands out headers. The page's own call is made with the page's own
// arguments, but for the headers that were asked for, and gets the browser's own answer.

import type { FetchSettings } from '../options.js';
import { textOf } from '../thrown.js';
import type { Capture, CaptureHost } from './capture.js';
import { nameOf, type Pending, Requests } from './request.js';

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

  // A proxy has the name, the length and the properties of what it stands for, and a text that says native code.
  const traced = new Proxy(original, {
    apply(target, self, args: unknown[]) {
      let call: Call | undefined;
      try {
        call = begin(args);
      } catch (error) {
        core.caught(error);
      }
      return call ? follow(call, target, self, args) : Reflect.apply(target, self, args);
    },
  });
  // First, as it throws where the page has locked it.
  globalThis.fetch = traced;
  const requests = new Requests(host, options, 'fetch', 'fetch');

  /** Makes the browser's own call. */
  function follow(call: Call, target: typeof fetch, self: unknown, args: unknown[]): unknown {
    const failed = (error: unknown): never => {
      host.guard(fail, call, error);
      throw error;
    };
    let promise;
    try {
      promise = Reflect.apply(target, self, args as never) as Promise<Response> | undefined;
    } catch (error) {
      return failed(error);
    }
    host.guard(requests.called, call.pending);
    // What somebody has put in the place of fetch may give anything.
    if (typeof promise?.then !== 'function') {
      host.guard(respond, call, undefined);
      return promise;
    }
    // Not watched on the side: that would mark a rejection as handled.
    return promise.then((response) => {
      host.guard(respond, call, response);
      return response;
    }, failed);
  }

  /** Makes of the arguments what is handed on. */
  function begin(args: unknown[]): Call | undefined {
    if (!installed || !args.length || requests.skips()) return undefined;
    const given = args[0];
    const init = args[1] as RequestInit | null | undefined;
    const requestUrl = genuine(given, readRequestUrl);
    const genuineUrl = requestUrl ?? genuine(given, readHref);
    const text = genuineUrl ?? `${given}`;
    // What the page gives is read once, and what was read is handed on: a second reading might say something else.
    if (genuineUrl === undefined) args[0] = text;
    const own = init && isPlain(init) ? { ...init } : init;
    if (own) args[1] = own;
    const href = requests.href(text);
    // The browser will say what is wrong with it.
    if (href === undefined) return undefined;
    const request = requestUrl === undefined ? undefined : (given as Request);
    const method = String(own?.method ?? request?.method ?? 'GET');
    const pending = requests.begin(href, method, own?.body);
    if (!pending) return undefined;
    const call = { pending, method, signal: own?.signal ?? request?.signal, asked: request ?? own ?? {} };
    requests.hook('requestHook', pending, call.asked);
    if (pending.headers) addHeaders(args, !!request, pending.headers);
    return pending.span.handle < 0 ? undefined : call;
  }

  function respond({ pending, method, asked }: Call, response: Response | undefined): void {
    const status = Number(response?.status);
    if (response) requests.hook('applyCustomAttributesOnSpan', pending, asked, response);
    // Those that have no body. https://fetch.spec.whatwg.org/#null-body-status
    if (!response || /^head$/i.test(method) || status === 204 || status === 205 || status === 304) pending.endMs = core.now();
    pending.response = response;
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

/**
 * The prototype where there was no object: nothing that a page has put into Object.prototype may get in. One that is empty, as V8 makes a hash table of
 * an object that has none.
 */
const NOTHING = Object.create(null) as object;

function isPlain(object: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(object);
  return prototype === Object.prototype || prototype === null;
}

/**
 * Adds these headers to the arguments, and writes to nothing of the caller's; a plain `init` is a copy already. If the page has set `traceparent`
 * itself, its word stands alone.
 */
function addHeaders(args: unknown[], isRequest: boolean, added: Record<string, string>): void {
  const init = args[1] as RequestInit | null | undefined;
  try {
    if (isRequest || (init && !isPlain(init))) {
      // A fresh record beside a Request would reset its referrer and more, and one that inherits its members cannot be copied.
      const request = new Request(args[0] as RequestInfo, init ?? undefined);
      addTo(request.headers, added);
      args[0] = request;
      args[1] = undefined;
      return;
    }
    if (init == null) {
      // To read a `Headers` takes fetch longer than all that we do.
      args[1] = { __proto__: NOTHING, headers: added };
      return;
    }
    const { headers } = init;
    if (headers === undefined) {
      init.headers = added;
      return;
    }
    // A generator gives its pairs only once.
    if (headers && typeof headers === 'object' && !genuine(headers, readHeaders) && Symbol.iterator in headers) init.headers = [...headers];
    init.headers = addTo(new Headers(init.headers), added);
  } catch {
    // The browser will say what is wrong with them.
  }
}

function addTo(headers: Headers, added: Record<string, string>): Headers {
  if (!headers.has('traceparent')) for (const [name, value] of Object.entries(added)) headers.set(name, value);
  return headers;
}
