// A route change of a single-page application: a `navigation` span, open while the page is busy with what the change causes. Also a page that
// comes back from the back-forward cache.

import { startTimer, stopTimer } from '../clock.js';
import type { NavigationSettings } from '../options.js';
import type { CoreSpan } from '../span.js';
import type { Capture, CaptureHost } from './capture.js';
import { HASH_CHANGE, NAVIGATION_TYPE, SAME_DOCUMENT, UNFINISHED, URL_FULL } from './facts.js';

/** The part of the Navigation API that is needed here; TypeScript does not know it yet. */
interface NavigationApi extends EventTarget {
  readonly currentEntry: unknown;
}

const withoutFragment = (href: string) => href.replace(/#.*/s, '');

export function installNavigation(host: CaptureHost, options: NavigationSettings): Capture {
  const { core, active } = host;
  const tracer = host.tracer('navigation');
  const controller = new AbortController();
  const { signal } = controller;
  const restore: (() => void)[] = [];
  /** Of the document, as far as we know. */
  let href = location.href;
  let current: CoreSpan | undefined;
  let startMs = 0;
  /** Requests that began with or after it, and are under way. */
  let requests = 0;
  /** When something was last seen to happen. */
  let activeMs = 0;
  let timer: number | undefined;

  function begin(type: string | undefined, atMs: number, sameDocument = true): void {
    const before = href;
    href = location.href;
    // The same again is not a change: frameworks keep their state that way.
    if ((sameDocument && href === before) || host.silent() || !core.on) return;
    // While the page loads, a change of its own URL is a part of that.
    if (type === 'replace' && active.page) return;
    end();
    // A route change begins a trace, unless a span is active that causes it.
    const span = tracer.capture('navigation', active.current, atMs);
    current = span;
    startMs = atMs;
    requests = 0;
    core.fact(span.handle, URL_FULL, href);
    core.fact(span.handle, NAVIGATION_TYPE, type);
    core.fact(span.handle, SAME_DOCUMENT, sameDocument);
    core.fact(span.handle, HASH_CHANGE, sameDocument && withoutFragment(before) === withoutFragment(href));
    active.turn(span);
    wait();
  }

  /** Ends the span once it has been quiet for long enough. */
  function wait(): void {
    if (!current) return;
    stopTimer(timer);
    const now = core.now();
    activeMs = now;
    const capMs = startMs + options.maxDurationMillis;
    timer = startTimer(() => host.guard(end), Math.max(0, requests ? capMs - now : Math.min(options.quietMillis, capMs - now)));
  }

  function end(unfinished = false): void {
    if (!current) return;
    const span = current;
    current = undefined;
    stopTimer(timer);
    active.settled(span);
    if (unfinished) core.fact(span.handle, UNFINISHED, true);
    span.end(unfinished || requests ? undefined : activeMs);
  }

  host.requestsChanged = (by, requestMs) => {
    // A stream that has been open for long keeps no route change from ending.
    if (!current || requestMs < startMs) return;
    requests += by;
    wait();
  };

  const listen = (target: EventTarget, name: string, listener: (event: never) => void) =>
    target.addEventListener(name, (event) => host.guard(() => listener(event as never)), { capture: true, signal });

  const navigation = (globalThis as { navigation?: NavigationApi }).navigation;
  if (navigation?.currentEntry) {
    // Told for every change of the same document, whoever made it and how.
    listen(navigation, 'currententrychange', (event: Event & { navigationType?: string }) => begin(event.navigationType || undefined, event.timeStamp));
  } else {
    for (const name of ['pushState', 'replaceState'] as const) {
      const original = history[name];
      const ours = new Proxy(original, {
        apply(target, self, args) {
          const startMs = core.now();
          const result = Reflect.apply(target, self, args);
          if (!signal.aborted) host.guard(() => begin(name === 'pushState' ? 'push' : 'replace', startMs));
          return result;
        },
      });
      history[name] = ours;
      restore.push(() => history[name] === ours && (history[name] = original));
    }
    listen(globalThis, 'popstate', (event: Event) => begin('traverse', event.timeStamp));
    // A link to a fragment makes no `popstate` that could be told from going back.
    listen(globalThis, 'hashchange', (event: Event) => begin('push', event.timeStamp));
  }
  listen(globalThis, 'pageshow', (event: PageTransitionEvent) => event.persisted && begin('back_forward_cache', event.timeStamp, false));

  return {
    settle(gone) {
      if (!requests || gone) end(requests > 0);
    },
    uninstall() {
      controller.abort();
      restore.forEach((undo) => undo());
      host.requestsChanged = () => {};
      stopTimer(timer);
    },
  };
}
