// XMLHttpRequest: a span from `send()` to `loadend`. The prototype's methods are wrapped; never is there a listener on `xhr.upload`, which would
// bring about a preflight.

import type { XhrSettings } from '../options.js';
import type { Capture, CaptureHost } from './capture.js';
import { CLOCK_STEP_MS, nameOf, type Pending, Requests } from './request.js';

/** What was asked of an object by its last `open()`. */
interface Asked {
  readonly method: string;
  /** Until `send()`: when that is called again, the browser throws. None where the browser will say what is wrong with it. */
  href: string | undefined;
  /** The page has set `traceparent` itself: its word stands alone. */
  hasOwn?: boolean;
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
/** What is done in the place of a method, which is the `target`. */
type Around = (target: () => void, xhr: XMLHttpRequest, args: unknown[]) => void;

export function installXhr(host: CaptureHost, options: XhrSettings): Capture {
  const { core } = host;
  const Native = XMLHttpRequest;
  const prototype = Native.prototype as XMLHttpRequest & Zoned;
  const { setRequestHeader, addEventListener, __zone_symbol__addEventListener: listen = addEventListener } = prototype;
  const asked = new WeakMap<XMLHttpRequest, Asked>();
  const running = new Set<XMLHttpRequest>();
  const restore: (() => void)[] = [];
  let installed = true;

  /** Whoever wraps one after us keeps it; ours then only passes on. */
  function wrap(name: Method, around: Around): void {
    const original = prototype[name];
    const ours = new Proxy(original, {
      apply: (target, xhr, args) => (installed ? around : Reflect.apply)(target as () => void, xhr, args as never),
    });
    prototype[name] = ours as never;
    restore.push(() => prototype[name] === ours && (prototype[name] = original as never));
  }

  function unwrap(): void {
    installed = false;
    restore.forEach((undo) => undo());
  }

  const open: Around = (target, xhr, args) => {
    readOnce(args);
    let before: Asked | undefined;
    try {
      before = asked.get(xhr);
      opening(xhr, args);
    } catch (error) {
      core.caught(error);
    }
    try {
      Reflect.apply(target, xhr, args as never);
    } catch (error) {
      // Refused by the browser: the one that is under way goes on.
      host.guard(remember, xhr, before);
      throw error;
    }
    // The one that was under way has ended without a word.
    host.guard(finish, xhr, before, 'abort');
  };

  function opening(xhr: XMLHttpRequest, args: unknown[]): void {
    // What came can be read now, and not any more after `open()`.
    hear(xhr);
    // Now, to be before most listeners of the page: what they do next may ask for this span. Added again, ours are still there once.
    for (const name of ENDS) listen.call(xhr, name, ended);
    // An object of another frame has another document, and with it another base URL.
    const href = xhr instanceof Native ? requests.href(`${args[1]}`) : undefined;
    remember(xhr, { method: `${args[0]}`, href });
  }

  const remember = (xhr: XMLHttpRequest, known: Asked | undefined) => void asked.set(xhr, known!);

  const setHeader: Around = (target, xhr, args) => {
    readOnce(args);
    Reflect.apply(target, xhr, args as never);
    host.guard(noteHeader, xhr, args[0] as string);
  };

  function noteHeader(xhr: XMLHttpRequest, name: string): void {
    const known = asked.get(xhr);
    if (known && /^traceparent$/i.test(name)) known.hasOwn = true;
  }

  const send: Around = (target, xhr, args) => {
    let known: Asked | undefined;
    try {
      known = begin(xhr, args[0]);
    } catch (error) {
      core.caught(error);
    }
    const pending = known?.pending;
    try {
      Reflect.apply(target, xhr, args as never);
    } catch (error) {
      // A synchronous one that fails throws, and has no events.
      host.guard(finish, xhr, known, 'error', nameOf(error));
      throw error;
    }
    if (pending) host.guard(requests.called, pending);
  };

  function begin(xhr: XMLHttpRequest, body: unknown): Asked | undefined {
    const known = asked.get(xhr);
    const href = known?.href;
    if (href === undefined || xhr.readyState !== OPENED) return undefined;
    known!.href = undefined;
    known!.timeoutMs = xhr.timeout;
    const pending = requests.skips() ? undefined : requests.begin(href, known!.method, body);
    if (!pending) return undefined;
    if (!pending.closed) {
      known!.pending = pending;
      running.add(xhr);
      requests.hook('requestHook', pending, xhr);
    }
    // A hook may have opened another one, which is none of ours.
    if (pending.headers && !known!.hasOwn && asked.get(xhr) === known) {
      for (const header of Object.entries(pending.headers)) setRequestHeader.apply(xhr, header);
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

/** What the page gives is read once, and what was read is handed on: a second reading might say something else. */
const readOnce = (args: unknown[]): void =>
  args.forEach((given, index) => {
    if (index < 2 && Object(given) === given) args[index] = `${given}`;
  });
