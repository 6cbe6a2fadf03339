// A route change of a single-page application: a `navigation` span, open while the page is busy with what the change causes. Also a page that
// comes back from the back-forward cache.

import type { Span } from '../api.js';
import { startTimer, stopTimer } from '../clock.js';
import type { NavigationSettings } from '../options.js';
import type { CoreSpan } from '../span.js';
import type { Capture, CaptureHost } from './capture.js';
import { isHidden } from '../page.js';
import { HASH_CHANGE, NAVIGATION_TYPE, SAME_DOCUMENT, UNFINISHED, URL_FULL } from './facts.js';
import { type Around, replaceMethod } from '../wrap.js';

/** The part of the Navigation API that is needed here; TypeScript does not know it yet. */
interface NavigationApi extends EventTarget {
  readonly currentEntry: unknown;
}

const withoutFragment = (href: string) => href.replace(/#.*/s, '');

export function installNavigation(host: CaptureHost, options: NavigationSettings): Capture {
  const { core, active } = host;
  const tracer = host.tracer('navigation');
  let installed = true;
  const restore: (() => void)[] = [];
  /** Of the document, as far as we know. */
  let href = location.href;
  let current: CoreSpan | undefined;
  /** The page load, from the load event until it is quiet: its span has its end already. */
  let load: Span | undefined;
  let startMs = 0;
  /** The how-many-eth route change it is: requests of an earlier one, as a stream that has been open for long, keep this one from nothing. */
  let turn = 0;
  /** Requests that began with it or after, and are under way. */
  let requests = 0;
  /** When something was last seen to happen. */
  let activeMs = 0;
  let timer: number | undefined;

  /** From where we were to where we are, which may be nowhere else. */
  const isWithinPage = () => withoutFragment(href) === withoutFragment(location.href);

  function begin(type: string | undefined, atMs: number, sameDocument = true): void {
    const hashChange = sameDocument && isWithinPage();
    // The same again is not a change: frameworks keep their state that way.
    const isSame = sameDocument && href === location.href;
    href = location.href;
    if (isSame || host.silent() || !core.ready()) return;
    // While the page loads, or a route changes, a new name for it is a part of that.
    if (type === 'replace' && active.page) {
      if (current) core.fact(current.handle, URL_FULL, host.shown(href));
      return;
    }
    end();
    // A route change begins a trace, unless a span is active that causes it.
    const span = tracer.capture('navigation', active.current, atMs);
    current = span;
    startMs = atMs;
    turn++;
    requests = 0;
    core.fact(span.handle, URL_FULL, host.shown(href));
    core.fact(span.handle, NAVIGATION_TYPE, type);
    core.fact(span.handle, SAME_DOCUMENT, sameDocument);
    core.fact(span.handle, HASH_CHANGE, hashChange);
    active.turn(span);
    wait();
  }

  /** Ends the span once it has been quiet for long enough. */
  function wait(): void {
    if (!current && !load) return;
    stopTimer(timer);
    activeMs = core.now();
    const leftMs = startMs + options.maxDurationMillis - activeMs;
    timer = startTimer(() => host.guard(end), Math.max(0, requests ? leftMs : Math.min(options.quietMillis, leftMs)));
  }

  function end(unfinished = false): void {
    if (load) active.settled(load);
    load = undefined;
    if (!current) return;
    const span = current;
    current = undefined;
    stopTimer(timer);
    active.settled(span);
    if (unfinished) core.fact(span.handle, UNFINISHED, true);
    // Timers of a page in the background are late.
    span.end(requests ? Math.min(core.now(), startMs + options.maxDurationMillis) : activeMs);
  }

  host.pageLoaded = (span) => {
    load = span;
    startMs = core.now();
    wait();
  };
  host.requestBegan = () => {
    requests++;
    wait();
    return turn;
  };
  host.requestEnded = (ofTurn) => {
    if (ofTurn !== turn) return;
    requests--;
    wait();
  };

  const navigation = (globalThis as { navigation?: NavigationApi }).navigation;
  if (navigation?.currentEntry) {
    // Told for every change of the same document, whoever made it and how.
    host.listen(navigation, 'currententrychange', (event: Event & { navigationType?: string }) => begin(event.navigationType || undefined, event.timeStamp));
  } else {
    const { history } = globalThis;
    if (!history) throw 'there is no history';
    for (const name of ['pushState', 'replaceState'] as const) {
      const apply: Around = (target, self, args) => {
        const calledMs = core.now();
        const result = Reflect.apply(target, self, args as never);
        if (installed) host.guard(() => begin(name === 'pushState' ? 'push' : 'replace', calledMs));
        return result;
      };
      host.guard(() => restore.push(replaceMethod(history, name, apply)));
    }
    for (const name of ['popstate', 'hashchange']) {
      // A link to a fragment looks the same as going back to one.
      host.listen(globalThis, name, (event) => begin(isWithinPage() ? undefined : 'traverse', event.timeStamp));
    }
  }
  host.listen(globalThis, 'pageshow', (event: PageTransitionEvent) => event.persisted && begin('back_forward_cache', event.timeStamp, false));

  return {
    settle(gone) {
      // Quiet for now; only when the page is hidden is it not worth to wait for what may come.
      if (gone || (!requests && isHidden())) end(requests > 0);
    },
    uninstall() {
      installed = false;
      restore.forEach((undo) => undo());
      stopTimer(timer);
    },
  };
}
