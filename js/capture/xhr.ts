// XMLHttpRequest: a span from `send()` to `loadend`. The prototype's methods are wrapped; never is there a listener on `xhr.upload`, which would
// bring about a preflight.

import type { XhrSettings } from '../options.js';
import type { Capture, CaptureHost } from './capture.js';
import { nameOf, parseUrl, type Pending, Requests } from './request.js';

/** What was asked of an object by its last `open()`. */
interface Asked {
  readonly method: string;
  /** Undefined where the browser will say what is wrong with it. */
  readonly url: URL | undefined;
  /** The page has set `traceparent` itself: its word stands alone. */
  hasOwn?: boolean;
  /** `send()` was called. When it is called again, the browser throws. */
  sent?: boolean;
  /** It has not ended. */
  pending?: Pending | undefined;
  /** The event that told how it failed. */
  how?: string;
}

/** What {@link Requests.fail} is told, by the event. */
const FAILURES: Record<string, [aborted: boolean, errorName: string, reasonName: string]> = {
  abort: [true, '', ''],
  timeout: [true, '', 'TimeoutError'],
  error: [false, 'NetworkError', ''],
};

interface Zoned {
  /** Where zone.js keeps the browser's own: by its wrapper, we would be waited for as the page's work. */
  __zone_symbol__addEventListener?: XMLHttpRequest['addEventListener'];
}

/** The events that tell how a request ended; `loadend` comes last, in any case. */
const ENDS = [...Object.keys(FAILURES), 'loadend'];

const [OPENED, DONE] = [1, 4];

type Method = 'open' | 'send' | 'setRequestHeader';

export function installXhr(host: CaptureHost, options: XhrSettings): Capture {
  const { core } = host;
  const Native = XMLHttpRequest;
  const prototype = Native.prototype as XMLHttpRequest & Zoned;
  const { setRequestHeader, addEventListener, __zone_symbol__addEventListener: listen = addEventListener } = prototype;
  const asked = new WeakMap<XMLHttpRequest, Asked>();
  const running = new Set<XMLHttpRequest>();
  const restore: (() => void)[] = [];
  let installed = true;

  /** `call` makes the browser's own call. Whoever wraps one after us keeps it; ours then only passes on. */
  function wrap(name: Method, around: (xhr: XMLHttpRequest, args: unknown[], call: (args: unknown[]) => unknown) => unknown): void {
    const original = prototype[name];
    const ours = new Proxy(original, {
      apply(target, xhr, args) {
        const call = (handed: unknown[]) => Reflect.apply(target as () => unknown, xhr, handed as []);
        return installed ? around(xhr, args, call) : call(args);
      },
    });
    prototype[name] = ours as never;
    restore.push(() => prototype[name] === ours && (prototype[name] = original as never));
  }

  function unwrap(): void {
    installed = false;
    restore.forEach((undo) => undo());
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

  function open(xhr: XMLHttpRequest, args: unknown[], call: (args: unknown[]) => unknown): unknown {
    if (args.length < 2) return call(args);
    const [method, address, ...rest] = [read(args[0]), read(args[1]), ...args.slice(2)];
    let before: Asked | undefined;
    host.guard(() => {
      before = asked.get(xhr);
      // What came can be read now, and not any more after `open()`.
      hear(xhr);
      // Now, to be before most listeners of the page: what they do next may ask for this span. Added again, ours are still there once.
      for (const name of ENDS) listen.call(xhr, name, ended);
      // An object of another frame has another document, and with it another base URL.
      asked.set(xhr, { method: `${method}`, url: xhr instanceof Native ? parseUrl(`${address}`, document.baseURI) : undefined });
    });
    try {
      const result = call([method, address, ...rest]);
      // The one that is under way has ended without a word.
      host.guard(() => before && finish(xhr, before, 'abort'));
      return result;
    } catch (error) {
      // Refused by the browser: the one that is under way goes on.
      host.guard(() => asked.set(xhr, before!));
      throw error;
    }
  }

  function setHeader(xhr: XMLHttpRequest, args: unknown[], call: (args: unknown[]) => unknown): unknown {
    if (args.length < 2) return call(args);
    const [name, ...rest] = [read(args[0]), ...args.slice(1)];
    const result = call([name, ...rest]);
    host.guard(() => {
      const known = asked.get(xhr);
      if (known && /^traceparent$/i.test(`${name}`)) known.hasOwn = true;
    });
    return result;
  }

  function send(xhr: XMLHttpRequest, args: unknown[], call: (args: unknown[]) => unknown): unknown {
    let known: Asked | undefined;
    host.guard(() => (known = begin(xhr, args[0])));
    const pending = known?.pending;
    try {
      return call(args);
    } catch (error) {
      // A synchronous one that fails throws, and has no events.
      host.guard(() => known && finish(xhr, known, 'error', nameOf(error)));
      throw error;
    } finally {
      if (pending) host.guard(() => (pending.calledMs = core.now()));
    }
  }

  function begin(xhr: XMLHttpRequest, body: unknown): Asked | undefined {
    const known = asked.get(xhr);
    if (!known?.url || known.sent || xhr.readyState !== OPENED) return undefined;
    known.sent = true;
    if (requests.skips()) return undefined;
    const begun = requests.begin(known.url, known.method, /^(get|head)$/i.test(known.method) ? undefined : body);
    if (!begun) return undefined;
    const { pending, headers } = begun;
    if (pending) {
      known.pending = pending;
      running.add(xhr);
      if (options.requestHook) host.aside(() => options.requestHook!(pending.span, xhr));
    }
    // A hook may have opened another one, which is none of ours.
    if (!known.hasOwn && asked.get(xhr) === known) for (const header of headers) setRequestHeader.apply(xhr, header);
    return known;
  }

  /** Ends what has ended, and whose event the page has heard before us. */
  function hear(xhr: XMLHttpRequest): void {
    const known = asked.get(xhr);
    if (known && xhr.readyState === DONE) finish(xhr, known, xhr.status ? 'load' : event && event.type in FAILURES ? event.type : 'error');
  }

  function ended(event: Event): void {
    host.guard(() => {
      const xhr = event.currentTarget as XMLHttpRequest;
      const known = asked.get(xhr);
      // Where the page has opened the next one within an event, the rest of the events of the one before come all the same.
      if (!known || xhr.readyState !== DONE) return;
      if (event.type === 'loadend') finish(xhr, known, 'load');
      else known.how = event.type;
    });
  }

  /** @param how What is taken where no event has told. */
  function finish(xhr: XMLHttpRequest, known: Asked, how: string, errorName?: string): void {
    const { pending } = known;
    known.pending = undefined;
    running.delete(xhr);
    if (!pending || pending.closed) return;
    pending.endMs = core.now();
    if (options.applyCustomAttributesOnSpan) host.aside(() => options.applyCustomAttributesOnSpan!(pending.span, xhr));
    const failure = FAILURES[known.how ?? how];
    if (failure) requests.fail(pending, failure[0], errorName || failure[1], failure[2]);
    else requests.respond(pending, xhr.status);
  }

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
