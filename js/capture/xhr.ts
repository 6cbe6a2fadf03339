// XMLHttpRequest: a span from `send()` to `loadend`. The prototype's methods are wrapped; never is there a listener on `xhr.upload`, which would
// bring about a preflight.

import type { XhrSettings } from '../options.js';
import type { Capture, CaptureHost } from './capture.js';
import { type Pending, Requests } from './request.js';

/** What was asked of an object by its last `open()`. */
interface Asked {
  readonly method: string;
  readonly url: URL;
  /** The page has set `traceparent` itself: its word stands alone. */
  hasOwn?: boolean;
  /** It was sent, and has not ended. */
  pending?: Pending;
  /** The first of the events that tell how it ended. */
  how?: string;
}

/** What {@link Requests.fail} is told, by the event. */
const FAILURES: Record<string, [aborted: boolean, errorName: string, reasonName: string]> = {
  abort: [true, '', ''],
  timeout: [true, '', 'TimeoutError'],
  error: [false, 'NetworkError', ''],
};

/** The events that tell how a request ended; `loadend` comes last, in any case. */
const ENDS = [...Object.keys(FAILURES), 'loadend'];

const [OPENED, DONE] = [1, 4];

type Method = 'open' | 'send' | 'setRequestHeader';

export function installXhr(host: CaptureHost, options: XhrSettings): Capture {
  const { prototype } = XMLHttpRequest;
  const requests = new Requests(host, options, 'xhr', 'xmlhttprequest');
  const asked = new WeakMap<XMLHttpRequest, Asked>();
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

  const { setRequestHeader } = prototype;

  wrap('open', (xhr, args, call) => {
    let handed = args;
    host.guard(() => {
      const before = asked.get(xhr);
      asked.delete(xhr);
      // The one that is under way ends here without a word. In `loadend`, before ours, the page may open the next one.
      if (before) finish(xhr, before, xhr.readyState === DONE ? 'load' : 'abort');
      if (args.length < 2) return;
      // What the page gives is read once, and what was read is handed on.
      const [method, address, ...rest] = args;
      const texts = [String(method), String(address)] as const;
      handed = [...texts, ...rest];
      // The browser will say what is wrong with it.
      if (URL.canParse(texts[1], document.baseURI)) asked.set(xhr, { method: texts[0], url: new URL(texts[1], document.baseURI) });
    });
    return call(handed);
  });

  wrap('setRequestHeader', (xhr, args, call) => {
    let handed = args;
    host.guard(() => {
      const [name, ...rest] = args;
      const text = String(name);
      handed = [text, ...rest];
      const known = asked.get(xhr);
      if (known && /^traceparent$/i.test(text)) known.hasOwn = true;
    });
    return call(args.length ? handed : args);
  });

  wrap('send', (xhr, args, call) => {
    let begun: Asked | undefined;
    host.guard(() => (begun = begin(xhr, args[0])));
    const { pending } = begun ?? {};
    try {
      return call(args);
    } catch (error) {
      // A synchronous one that fails throws, and has no events.
      host.guard(() => begun && finish(xhr, begun, 'error'));
      throw error;
    } finally {
      if (pending) pending.calledMs = host.core.now();
    }
  });

  function begin(xhr: XMLHttpRequest, body: unknown): Asked | undefined {
    const known = asked.get(xhr);
    // Sent twice, or never opened: the browser will throw.
    if (!known || known.pending || xhr.readyState !== OPENED || requests.skips()) return undefined;
    const begun = requests.begin(known.url, known.method, body);
    if (!begun) return undefined;
    if (!known.hasOwn) for (const header of begun.headers) setRequestHeader.apply(xhr, header);
    const { pending } = begun;
    if (!pending) return undefined;
    known.pending = pending;
    if (options.requestHook) host.aside(() => options.requestHook!(pending.span, xhr));
    const ended = ({ type }: Event) =>
      host.guard(() => {
        known.how ??= type;
        if (type !== 'loadend') return;
        for (const name of ENDS) xhr.removeEventListener(name, ended);
        finish(xhr, known, type);
      });
    for (const name of ENDS) xhr.addEventListener(name, ended);
    return known;
  }

  function finish(xhr: XMLHttpRequest, known: Asked, how: string): void {
    const { pending } = known;
    if (!pending) return;
    known.pending = undefined;
    pending.endMs = host.core.now();
    if (options.applyCustomAttributesOnSpan) host.aside(() => options.applyCustomAttributesOnSpan!(pending.span, xhr));
    const failure = FAILURES[known.how ?? how];
    if (failure) requests.fail(pending, ...failure);
    else requests.respond(pending, xhr.status, /^http/.test(pending.href));
  }

  return {
    settle: (gone) => requests.settle(gone),
    uninstall() {
      installed = false;
      restore.forEach((undo) => undo());
      requests.uninstall();
    },
  };
}
