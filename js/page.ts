// The life of the page: hidden, leaving, back again, activated after prerendering, online again.

export interface PageEvents {
  /** Hidden: perhaps the last that is heard of the page. */
  hidden(): void;
  /** It goes; `kept`: into the back-forward cache, from which it may come back. */
  leaving(kept: boolean): void;
  visible(): void;
  /** Prerendered so far, it is shown now. */
  activated(): void;
  /** There is a network again, or none any more. */
  online(): void;
}

export function watchPage(events: PageEvents): () => void {
  const controller = new AbortController();
  const { signal } = controller;
  const visibility = () => (document.visibilityState === 'hidden' ? events.hidden() : events.visible());
  // In the capture phase: a page that stops the event does not stop us.
  document.addEventListener('visibilitychange', visibility, { capture: true, signal });
  // Of the window: the document has no such event.
  // Some libraries send this event by hand, to pages that stay.
  addEventListener('pagehide', (event) => event.isTrusted && events.leaving(event.persisted), { capture: true, signal });
  addEventListener('pageshow', (event) => event.persisted && (events.online(), events.visible()), { capture: true, signal });
  for (const name of ['online', 'offline']) addEventListener(name, () => events.online(), { capture: true, signal });
  document.addEventListener('prerenderingchange', () => events.activated(), { once: true, signal });
  return () => controller.abort();
}

/** The browser knows that nothing can be reached. That it knows of a network says little: behind it there may be none. */
export const isOffline = (): boolean => navigator.onLine === false;

/** It is rendered ahead of a visit that may never come. */
export const isPrerendering = (): boolean => !!(document as { prerendering?: boolean }).prerendering;
