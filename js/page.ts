// The life of the page: hidden, leaving, back again, activated after prerendering, online again.

import type { Listen } from './capture/capture.js';

export interface PageEvents {
  /** Hidden: perhaps the last that is heard of the page. */
  hidden(): void;
  /** It goes; `kept`: into the back-forward cache, from which it may come back. `atMs`: since the time origin. */
  leaving(kept: boolean, atMs: number): void;
  visible(): void;
  /** Prerendered so far, it is shown now. */
  activated(): void;
  /** There is a network again, or none any more. */
  online(): void;
}

export function watchPage(listen: Listen, events: PageEvents): void {
  listen(document, 'visibilitychange', () => (document.visibilityState === 'hidden' ? events.hidden() : events.visible()));
  // Of the window: the document has no such event.
  // Some libraries send this event by hand, to pages that stay.
  listen(globalThis, 'pagehide', (event: PageTransitionEvent) => event.isTrusted && events.leaving(event.persisted, event.timeStamp));
  listen(globalThis, 'pageshow', (event: PageTransitionEvent) => event.persisted && (events.online(), events.visible()));
  listen(globalThis, 'online', events.online);
  listen(globalThis, 'offline', events.online);
  listen(document, 'prerenderingchange', events.activated);
}

/** The browser knows that nothing can be reached. That it knows of a network says little: behind it there may be none. */
export const isOffline = (): boolean => navigator.onLine === false;

/** It is rendered ahead of a visit that may never come. */
export const isPrerendering = (): boolean => !!(document as { prerendering?: boolean }).prerendering;
