// XMLHttpRequest: a span from `send()` to `loadend`. The prototype's methods are wrapped; never is there a listener on `xhr.upload`, which would
// bring about a preflight.

import type { XhrSettings } from '../options.js';
import type { Capture, CaptureHost } from './capture.js';
import { nameOf, parseUrl, type Pending, Requests } from './request.js';

/** What was asked of an object by its last `open()`. */
interface Asked {
  readonly method: string;
  /** Until `send()`: when that is called again, the browser throws. None where the browser will say what is wrong with it. */
  url: URL | false | undefined;
  /** The page has set `traceparent` itself: its word stands alone. */
  hasOwn?: boolean;
  /** It has not ended. */
  pending?: Pending | undefined;
}

/** The name of the error, by the event; the caller's own wish is none. */
const ERRORS: Record<string, string> = { abort: '', timeout: 'TimeoutError', error: 'NetworkError' };

interface Zoned {
  /** Where zone.js keeps the browser's own: by its wrapper, we would be waited for as the page's work. */
  __zone_symbol__addEventListener?: XMLHttpRequest['addEventListener'];
}

/** The events that end a request; `loadend` comes last, in any case. */
const ENDS = [...Object.keys(ERRORS), 'loadend'];

const [OPENED, DONE] = [1, 4];

type Method = 'open' | 'send' | 'setRequestHeader';
/** What is done in the place of a method; `call` makes the browser's own call. */
type Around = (xhr: XMLHttpRequest, args: unknown[], call: (args: unknown[]) => void) => void;

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
      apply(target, xhr, args) {
        let result: unknown;
        const call = (handed: unknown[]) => void (result = Reflect.apply(target as () => unknown, xhr, handed as []));
        if (installed) around(xhr, args, call);
        else call(args);
        return result;
      },
    });
    prototype[name] = ours as never;
    restore.push(() => prototype[name] === ours && (prototype[name] = original as never));
  }

  function unwrap(): void {
    installed = false;
    restore.forEach((undo) => undo());
  }

  const open: Around = (xhr, args, call) => {
    const handed = args.map((arg, index) => (index < 2 ? read(arg) : arg));
    let before: Asked | undefined;
    host.guard(() => {
      before = asked.get(xhr);
      // What came can be read now, and not any more after `open()`.
      hear(xhr);
      // Now, to be before most listeners of the page: what they do next may ask for this span. Added again, ours are still there once.
      for (const name of ENDS) listen.call(xhr, name, ended);
      // An object of another frame has another document, and with it another base URL.
      asked.set(xhr, { method: `${handed[0]}`, url: xhr instanceof Native && parseUrl(`${handed[1]}`, document.baseURI) });
    });
    try {
      call(handed);
    } catch (error) {
      // Refused by the browser: the one that is under way goes on.
      host.guard(() => asked.set(xhr, before!));
      throw error;
    }
    // The one that was under way has ended without a word.
    host.guard(() => finish(xhr, before, 'abort'));
  };

  const setHeader: Around = (xhr, args, call) => {
    const handed = args.map(read);
    call(handed);
    host.guard(() => {
      const known = asked.get(xhr);
      if (known && /^traceparent$/i.test(`${handed[0]}`)) known.hasOwn = true;
    });
  };

  const send: Around = (xhr, args, call) => {
    let known: Asked | undefined;
    host.guard(() => (known = begin(xhr, args[0])));
    const pending = known?.pending;
    try {
      call(args);
    } catch (error) {
      // A synchronous one that fails throws, and has no events.
      host.guard(() => finish(xhr, known, 'error', nameOf(error)));
      throw error;
    }
    if (pending) host.guard(() => (pending.calledMs = core.now()));
  };

  function begin(xhr: XMLHttpRequest, body: unknown): Asked | undefined {
    const known = asked.get(xhr);
    const url = known?.url;
    if (!url || xhr.readyState !== OPENED) return undefined;
    known.url = false;
    const begun = requests.skips() ? undefined : requests.begin(url, known.method, body);
    if (!begun) return undefined;
    const pending = (known.pending = begun.pending);
    if (pending) {
      running.add(xhr);
      requests.hook('requestHook', pending, xhr);
    }
    // A hook may have opened another one, which is none of ours.
    if (!known.hasOwn && asked.get(xhr) === known) for (const header of begun.headers) setRequestHeader.apply(xhr, header);
    return known;
  }

  /** Ends what has ended, and whose event the page has heard before us. */
  function hear(xhr: XMLHttpRequest): void {
    if (xhr.readyState === DONE) finish(xhr, asked.get(xhr), xhr.status ? 'load' : event && event.type in ERRORS ? event.type : 'error');
  }

  function ended(event: Event): void {
    host.guard(() => {
      const xhr = event.currentTarget as XMLHttpRequest;
      // Where the page has opened the next one within an event, the rest of the events of the one before come all the same.
      if (xhr.readyState === DONE) finish(xhr, asked.get(xhr), event.type);
    });
  }

  /** @param event The one that tells how it ended, if it is one of `ERRORS`. */
  function finish(xhr: XMLHttpRequest, known: Asked | undefined, event: string, errorName?: string): void {
    const pending = known?.pending;
    if (!pending) return;
    known.pending = undefined;
    running.delete(xhr);
    pending.endMs = core.now();
    requests.hook('applyCustomAttributesOnSpan', pending, xhr);
    const error = errorName || ERRORS[event];
    if (error === undefined) requests.respond(pending, xhr.status);
    else requests.fail(pending, !error, error, '');
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
const read = (given: unknown): unknown => (Object(given) === given ? `${given}` : given);
