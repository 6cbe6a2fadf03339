// XMLHttpRequest: a span from `send()` to `loadend`. The prototype's methods are wrapped; never is there a listener on `xhr.upload`, which would
// bring about a preflight.

import type { XhrSettings } from '../options.js';
import { nameOf, textOf } from '../thrown.js';
import type { Capture, CaptureHost } from './capture.js';
import { CLOCK_STEP_MS, type Pending, Requests } from './request.js';
import { type Around, isBrowsers, isObject, replaceMethod } from '../wrap.js';

/** What was asked of an object by its last `open()`. */
interface Asked {
  readonly method: string;
  /** Until `send()`: when that is called again, the browser throws. None where the browser will say what is wrong with it. */
  href: string | undefined;
  /** The `traceparent` that the page has set itself: its word stands alone. */
  own?: string;
  /** What we have added, while the browser is being called. */
  added?: Record<string, string> | undefined;
  /** `xhr.timeout` at `send()`. */
  timeoutMs?: number;
  /** It has not ended. */
  pending?: Pending | undefined;
}

interface Zoned {
  /** Where zone.js keeps the browser's own: by its wrapper, we would be waited for as the page's work. */
  __zone_symbol__addEventListener?: XMLHttpRequest['addEventListener'];
}

/**
 * The event that tells of the caller's own wish, and the one that comes last in any case: what else went wrong can be seen then, and each listener
 * that is added takes long.
 */
const ENDS = ['abort', 'loadend'];

const OPENED = 1;
const DONE = 4;

type Method = 'open' | 'send' | 'setRequestHeader';

export function installXhr(host: CaptureHost, options: XhrSettings): Capture {
  const { core } = host;
  const Type = globalThis.XMLHttpRequest;
  // Some scripts put a function in its place that makes objects of the browser's class, and has another prototype.
  const prototype = (isBrowsers(Type, 'XMLHttpRequest') ? Type.prototype : Object.getPrototypeOf(new Type())) as XMLHttpRequest & Zoned;
  const { setRequestHeader, addEventListener, __zone_symbol__addEventListener: listen = addEventListener } = prototype;
  const asked = new WeakMap<XMLHttpRequest, Asked>();
  const running = new Set<XMLHttpRequest>();
  const restore: (() => void)[] = [];
  let installed = true;

  /** Whoever wraps one after us keeps it; ours then only passes on. */
  function wrap(name: Method, around: (target: () => void, xhr: XMLHttpRequest, args: unknown[]) => void): void {
    const takesText = isBrowsers(prototype[name], name);
    const apply: Around = (target, xhr, args) => {
      if (!installed) return Reflect.apply(target, xhr, args as never);
      // What the page gives the browser is read once, and what was read is handed on: a second reading might say something else.
      if (takesText && name !== 'send') {
        args.forEach((given, index) => {
          if (index < 2 && isObject(given)) args[index] = `${given}`;
        });
      }
      return around(target as () => void, xhr as XMLHttpRequest, args);
    };
    restore.push(replaceMethod(prototype, name, apply));
  }

  function unwrap(): void {
    installed = false;
    restore.forEach((undo) => undo());
  }

  const open = (target: () => void, xhr: XMLHttpRequest, args: unknown[]) => {
    let before: Asked | undefined;
    try {
      before = asked.get(xhr);
      opening(xhr, args);
    } catch (error) {
      core.caught(error);
    }
    let result;
    try {
      result = Reflect.apply(target, xhr, args as never);
    } catch (error) {
      // Refused by the browser: the one that is under way goes on.
      host.guard(remember, xhr, before);
      throw error;
    }
    // The one that was under way has ended without a word.
    host.guard(finish, xhr, before, 'abort');
    return result;
  };

  function opening(xhr: XMLHttpRequest, args: unknown[]): void {
    // What came can be read now, and not any more after `open()`.
    hear(xhr);
    // Now, to be before most listeners of the page: what they do next may ask for this span. Added again, ours are still there once.
    for (const name of ENDS) listen.call(xhr, name, ended);
    // An object of another frame has another document, and with it another base URL.
    const href = isPrototypeOf.call(prototype, xhr) ? requests.href(`${args[1]}`, true) : undefined;
    remember(xhr, { method: `${args[0]}`, href });
  }

  const remember = (xhr: XMLHttpRequest, known: Asked | undefined) => void asked.set(xhr, known!);

  const setHeader = (target: () => void, xhr: XMLHttpRequest, args: unknown[]) => {
    const known = asked.get(xhr);
    const name = textOf(args[0]).toLowerCase();
    // Of another tracer below us: the browser would make one header of both values, which no backend could read.
    if (known?.added?.[name] !== undefined) return undefined;
    const result = Reflect.apply(target, xhr, args as never);
    if (known && name === 'traceparent') known.own = textOf(args[1]);
    return result;
  };

  const send = (target: () => void, xhr: XMLHttpRequest, args: unknown[]) => {
    let known: Asked | undefined;
    try {
      known = begin(xhr, args[0]);
    } catch (error) {
      core.caught(error);
    }
    const pending = known?.pending;
    const outer = host.calling;
    let result;
    try {
      if (pending) host.calling = pending.href;
      result = Reflect.apply(target, xhr, args as never);
    } catch (error) {
      // A synchronous one that fails throws, and has no events.
      host.guard(finish, xhr, known, 'error', nameOf(error));
      throw error;
    } finally {
      host.calling = outer;
      if (known) known.added = undefined;
    }
    if (pending) host.guard(requests.called, pending);
    return result;
  };

  function begin(xhr: XMLHttpRequest, body: unknown): Asked | undefined {
    const known = asked.get(xhr);
    const href = known?.href;
    if (href === undefined || xhr.readyState !== OPENED) return undefined;
    known!.href = undefined;
    known!.timeoutMs = xhr.timeout;
    // A fetch that a polyfill makes of this has its span already.
    const isOurs = known!.own !== undefined && host.requests.some((each) => each.carries(known!.own!));
    const pending = isOurs || requests.skips() ? undefined : requests.begin(href, known!.method, body);
    if (!pending) return undefined;
    if (!pending.closed) {
      known!.pending = pending;
      running.add(xhr);
      requests.hook('requestHook', pending, xhr);
    }
    // A hook may have opened another one, which is none of ours.
    if (pending.headers && known!.own === undefined && asked.get(xhr) === known) {
      for (const header of Object.entries(pending.headers)) setRequestHeader.apply(xhr, header);
      known!.added = pending.headers;
    }
    return known;
  }

  /** Ends what has ended, and whose event the page has heard before us. */
  function hear(xhr: XMLHttpRequest): void {
    if (xhr.readyState === DONE) finish(xhr, asked.get(xhr), event?.type);
  }

  const ended = (event: Event): void => host.guard(end, event);

  function end(event: Event): void {
    const xhr = event.currentTarget as XMLHttpRequest;
    // Where the page has opened the next one within an event, the rest of the events of the one before come all the same.
    if (xhr.readyState === DONE) finish(xhr, asked.get(xhr), event.type);
  }

  /**
   * @param event The one that is being told of.
   * @param errorName What the browser has thrown.
   */
  function finish(xhr: XMLHttpRequest, known: Asked | undefined, event: string | undefined, errorName?: string): void {
    const pending = known?.pending;
    if (!pending) return;
    known.pending = undefined;
    running.delete(xhr);
    const endMs = (pending.endMs = core.now());
    requests.hook('applyCustomAttributesOnSpan', pending, xhr);
    const { status } = xhr;
    // The page may have set it after `send()`, or for what it will send next.
    const timeoutMs = xhr.timeout || known.timeoutMs;
    if (status) requests.respond(pending, status);
    else if (event === 'abort') requests.fail(pending, true, '', '');
    else {
      const isLate = timeoutMs && endMs - pending.startMs >= timeoutMs - CLOCK_STEP_MS;
      requests.fail(pending, false, errorName || (isLate ? 'TimeoutError' : 'NetworkError'), '');
    }
  }

  try {
    wrap('open', open);
    wrap('setRequestHeader', setHeader);
    wrap('send', send);
  } catch (error) {
    // One of them is locked: the others alone are of no use.
    unwrap();
    throw error;
  }
  const requests = new Requests(host, options, 'xhr', 'xmlhttprequest');

  return {
    settle(gone) {
      host.guard(() => running.forEach(hear));
      requests.settle(gone);
    },
    uninstall() {
      unwrap();
      requests.uninstall();
    },
  };
}

const { isPrototypeOf } = Object.prototype;
