// The life of the page: hidden, leaving, back again, activated after prerendering, online again.

import type { Listen } from './capture/capture.js';
import { getterOf } from './wrap.js';

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
  listen(document, 'visibilitychange', () => (isHidden() ? events.hidden() : events.visible()));
  // Of the window: the document has no such event.
  // Some libraries send this event by hand, to pages that stay.
  listen(globalThis, 'pagehide', (event: PageTransitionEvent) => event.isTrusted && events.leaving(event.persisted, event.timeStamp));
  listen(globalThis, 'pageshow', (event: PageTransitionEvent) => event.persisted && (events.online(), events.visible()));
  listen(globalThis, 'online', events.online);
  listen(globalThis, 'offline', events.online);
  listen(document, 'prerenderingchange', events.activated);
}

/** The browser knows that nothing can be reached. That it knows of a network says little: behind it there may be none. */
export const isOffline = (): boolean => globalThis.navigator?.onLine === false;

/** It is rendered ahead of a visit that may never come. */
export const isPrerendering = (): boolean => !!(document as { prerendering?: boolean }).prerendering;

const { Document, Node } = globalThis;
const baseGetter = getterOf(Node, 'baseURI');
const domainGetter = getterOf(Document, 'domain');
const visibilityGetter = getterOf(Document, 'visibilityState');

export const isHidden = (): boolean => (visibilityGetter?.call(document) ?? document.visibilityState) === 'hidden';

/** What relative URLs are relative to. */
export const baseUrl = () => (baseGetter?.call(document) ?? document.baseURI) as string;

/**
 * The origin of this document, `'null'` where it has none of its own. Not `globalThis.origin`, which is the page's to replace (`var origin`), as `location`
 * is not. A sandboxed frame has a URL, and is not of its origin: then it has no domain.
 */
export function pageOrigin(): string {
  const { origin } = location;
  if (origin !== 'null') return !domainGetter || domainGetter.call(document) ? origin : 'null';
  // A frame without a URL of its own (`about:blank`, `about:srcdoc`) is of the origin of what made it. What a variable of the page says is not asked.
  return String(Object.getOwnPropertyDescriptor(globalThis, 'origin')?.get?.call(globalThis) ?? 'null');
}
