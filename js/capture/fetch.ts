// fetch: wraps it, tells the core what happens to each request, and hands out headers. The page's own call is made with the page's own
// arguments, but for the headers that were asked for, and gets the browser's own answer.

import type { FetchSettings } from '../options.js';
import { nameOf, textOf } from '../thrown.js';
import { watchBodies } from './body.js';
import type { Capture, CaptureHost } from './capture.js';
import { type Pending, Requests } from './request.js';
import { getterOf, isBrowsers, isObject, isPlainPromise, watched, wrapped } from '../wrap.js';

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
  /** Not so for somebody's wrapper: what that makes of an object is its own affair. */
  const takesText = isBrowsers(original, 'fetch');
  let installed = true;

  const traced = wrapped(original, {
    apply(target, self, args: unknown[]) {
      let call: Call | undefined;
      try {
        call = begin(self, args);
      } catch (error) {
        core.caught(error);
      }
      return call ? follow(call, target, self, args) : Reflect.apply(target, self, args);
    },
  });
  // First, as it throws where the page has locked it.
  globalThis.fetch = traced;
  const requests = new Requests(host, options, 'fetch', 'fetch');
  let unwatch: (() => void) | undefined;
  host.guard(() => (unwatch = watchBodies((response) => requests.reading(response))));

  /** Makes the browser's own call. */
  function follow(call: Call, target: typeof fetch, self: unknown, args: unknown[]): unknown {
    const responded = (response: Response) => host.guard(respond, call, response);
    const failed = (error: unknown) => host.guard(fail, call, error);
    const outer = host.calling;
    host.calling = call.pending.href;
    let promise: Promise<Response> | undefined;
    try {
      promise = Reflect.apply(target, self, args as never);
    } catch (error) {
      failed(error);
      throw error;
    } finally {
      host.calling = outer;
    }
    host.guard(requests.called, call.pending);
    // What somebody has put in the place of fetch may give anything.
    if (typeof promise?.then !== 'function') {
      host.guard(respond, call, undefined);
      return promise;
    }
    if (isPlainPromise(promise)) {
      const next = watched(promise, responded, failed);
      host.guard(copyMembers, promise, next);
      return next;
    }
    // One of a class of its own, which may do more than a promise. As it is watched on the side, nobody hears of its rejection if the page does not.
    host.guard(() => void promise.then(responded, failed));
    return promise;
  }

  /** Makes of the arguments what is handed on. */
  function begin(self: unknown, args: unknown[]): Call | undefined {
    if (!installed || !args.length || isOtherWindow(self) || requests.skips()) return undefined;
    const given = args[0];
    const init = args[1] as RequestInit | null | undefined;
    const requestUrl = genuine(given, readRequestUrl);
    let text = requestUrl ?? genuine(given, readHref);
    /** What a wrapper below us reads of an object of another kind, we do not know. */
    let isKnown = true;
    if (text === undefined) {
      isKnown = takesText || !isObject(given);
      text = String((!isKnown && (given as Request).url) || `${given as string}`);
      // Read once, as the browser would have: a second reading might say something else.
      if (isKnown && isObject(given)) args[0] = text;
    }
    // A Request in its place is its own copy: what is read of it stays the same.
    const own = canCopy(init) && genuine(init, readRequestUrl) === undefined ? copied(init, MEMBERS) : init;
    const href = requests.href(text);
    // Where there is none, the browser will say what is wrong with it.
    const request = requestUrl === undefined && isKnown ? undefined : (given as Request);
    const method = String(own?.method ?? request?.method ?? 'GET');
    const pending = href === undefined ? undefined : requests.begin(href, method, own?.body);
    // Without headers of ours the very same arguments go on, unless to read them a second time might give something else.
    if (own !== init && (options.requestHook || hasGetters(init!))) args[1] = own;
    if (!pending) return undefined;
    const call = { pending, method, signal: own?.signal ?? request?.signal, asked: request ?? own ?? {} };
    requests.hook('requestHook', pending, call.asked);
    if (pending.headers && isKnown) addHeaders(args, request, own, pending.headers);
    return pending.span.handle < 0 ? undefined : call;
  }

  function respond({ pending, method, signal, asked }: Call, response: Response | undefined): void {
    const status = Number(response?.status);
    if (response) requests.hook('applyCustomAttributesOnSpan', pending, asked, response);
    // Those that have no body. https://fetch.spec.whatwg.org/#null-body-status
    if (!response || /^head$/i.test(method) || status === 204 || status === 205 || status === 304) pending.endMs = core.now();
    pending.response = response;
    pending.signal = signal;
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
      unwatch?.();
      // Whoever wrapped it after us keeps it; ours then only passes on.
      if (globalThis.fetch === traced) globalThis.fetch = original;
      requests.uninstall();
    },
  };
}

/** Called as that of a frame, whose document has an origin and a base of its own. */
function isOtherWindow(self: unknown): boolean {
  return isObject(self) && self !== globalThis && (self as Window).window === self;
}

/** What fetch gives may have more than a promise: some wrappers put a function there that aborts. */
function copyMembers(promise: Promise<Response>, to: Promise<Response>): void {
  for (const key of Object.keys(promise)) if (!(key in to)) to[key as never] = promise[key as never];
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

const readRequestUrl = getterOf(globalThis.Request, 'url') as (() => string) | undefined;
const readHref = getterOf(globalThis.URL, 'href') as (() => string) | undefined;
const readHeaders = globalThis.Headers?.prototype?.entries;

/** The members of `RequestInit`. <https://fetch.spec.whatwg.org/#requestinit> */
const MEMBERS =
  'method headers body referrer referrerPolicy mode credentials cache redirect integrity keepalive signal duplex priority window targetAddressSpace'.split(' ');

const NO_KEYS: string[] = [];

/**
 * A copy that a wrapper below us cannot tell from what the page gave, with each member read once, as the browser would: those by these names are read
 * even where the object has them not as its own.
 */
function copied<T extends object>(object: T, names = NO_KEYS): T {
  const keys = Reflect.ownKeys(object);
  // Of most, the engine makes a copy at once.
  if (keys.length && keys.length === Object.keys(object).length && Object.getPrototypeOf(object) === Object.prototype) return { ...object };
  const inherited = Object.create(object) as T;
  const copy = Object.create(Object.getPrototypeOf(object) && inherited) as T;
  for (const key of new Set([...keys, ...names])) {
    const own = Object.getOwnPropertyDescriptor(object, key);
    const value = object[key as keyof T];
    // Nothing that a page has put into `Object.prototype` may get into the descriptor.
    const descriptor = { __proto__: null, value, writable: true, configurable: true, enumerable: !!own?.enumerable };
    if (own || value !== undefined) Reflect.defineProperty(own ? copy : inherited, key, descriptor as PropertyDescriptor);
  }
  return copy;
}

function isPlain(object: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(object);
  return prototype === Object.prototype || prototype === null;
}

/** Not so a function or an array, which fetch takes for an `init` too: a copy would be neither. */
const canCopy = (init: unknown): init is object => typeof init === 'object' && init !== null && !Array.isArray(init);

/** To read a member may run the page's code. */
const hasGetters = (init: object): boolean =>
  !isPlain(init) || Reflect.ownKeys(init).some((key) => Object.getOwnPropertyDescriptor(init, key)?.get);

/** Adds these headers to the arguments, and writes to nothing of the caller's. If the page has set `traceparent` itself, its word stands alone. */
function addHeaders(args: unknown[], request: Request | undefined, own: RequestInit | null | undefined, added: Record<string, string>): void {
  try {
    if (request && own?.headers === undefined && own?.body == null) {
      // Headers beside a Request would reset its referrer and more. With a body beside it, its own one is not used up.
      args[0] = withHeaders(new Request(request), added);
      if (own) args[1] = own;
      return;
    }
    if (own === args[1] && own != null) {
      if (genuine(own, readRequestUrl) !== undefined) args[1] = withHeaders(new Request(own as Request), added);
      return;
    }
    // In the place of none comes an ordinary object, unless a page has put what fetch would read into that.
    const init = own ?? ((MEMBERS.some((name) => name in Object.prototype) ? { __proto__: null } : {}) as RequestInit);
    const { headers } = init;
    const holder: RequestInit = headers === undefined || Object.hasOwn(init, 'headers') ? init : Object.getPrototypeOf(init);
    args[1] = init;
    if (headers !== undefined) holder.headers = joined(headers, added, (pairs) => (holder.headers = pairs));
    else holder.headers = request ? addTo(new Headers(request.headers), added) : added;
  } catch {
    // The browser will say what is wrong with them.
  }
}

function withHeaders(request: Request, added: Record<string, string>): Request {
  addTo(request.headers, added);
  return request;
}

const isTraceparent = (name: unknown): boolean => /^traceparent$/i.test(name as string);

/**
 * Headers of the same kind as those that the page gave, with these added: a wrapper below us may spread them, write to them, or call their methods.
 *
 * @param keep Is given what has been read, where it can be read only once.
 */
function joined(given: HeadersInit, added: Record<string, string>, keep: (pairs: [string, string][]) => void): HeadersInit {
  if (typeof given !== 'object' || !given) return given;
  if (genuine(given, readHeaders as never) !== undefined) return addTo(new Headers(given), added);
  if ((given as Partial<Iterable<unknown>>)[Symbol.iterator] == null) {
    const record = copied(given as Record<string, string>);
    return Object.keys(record).some(isTraceparent) ? record : Object.assign(record, added);
  }
  const pairs = [...(given as Iterable<[string, string]>)];
  if (!Array.isArray(given)) keep(pairs);
  if (pairs.some((pair) => Array.isArray(pair) && isTraceparent(pair[0]))) return Array.isArray(given) ? given : pairs;
  const { constructor, set } = given as unknown as { constructor: new (from: unknown) => Map<string, string>; set?: unknown };
  if (typeof set === 'function') {
    // A Map, or a polyfill's Headers: of its own kind, if it can be copied.
    const copy = new constructor(given);
    if ([...copy].length === pairs.length) {
      for (const [name, value] of Object.entries(added)) copy.set(name, value);
      return copy as never;
    }
  }
  return [...pairs, ...Object.entries(added)];
}

function addTo(headers: Headers, added: Record<string, string>): Headers {
  if (!headers.has('traceparent')) for (const [name, value] of Object.entries(added)) headers.set(name, value);
  return headers;
}
