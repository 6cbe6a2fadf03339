// The page load: `documentLoad`, and below it `documentFetch` and one `resourceFetch` for each resource. Names and events are those of
// OpenTelemetry's document-load instrumentation. The span is open from the start, so that what happens while the page loads hangs below it.

import type { Span } from '../api.js';
import { startTimer, stopTimer } from '../clock.js';
import type { DocumentLoadSettings } from '../options.js';
import type { CoreSpan } from '../span.js';
import { isIgnored } from '../urls.js';
import type { Capture, CaptureHost } from './capture.js';
import { INITIATOR_TYPE, NAVIGATION_TYPE, STATUS_CODE, UNFINISHED, URL_FULL, USER_AGENT } from './facts.js';
import { addMarks, describeTiming } from './timing.js';

/** The events of the page load, in their order. */
const LOAD_EVENTS = [
  'fetchStart',
  'unloadEventStart',
  'unloadEventEnd',
  'activationStart',
  'domInteractive',
  'domContentLoadedEventStart',
  'domContentLoadedEventEnd',
  'domComplete',
  'loadEventStart',
  'loadEventEnd',
] as const;

/** How long the first paint is waited for after the page has loaded: in a tab in the background it never comes. */
const PAINT_CAP_MS = 3000;

/** A page is loaded once, however often webspan is started in it. */
const TOLD = Symbol.for('webspan.documentLoad');

/** What the browser tells of a navigation, with what TypeScript does not know yet. */
type Navigation = PerformanceNavigationTiming & { activationStart?: number };

/** @param parentOf Makes a span of a `traceparent` that the server has sent. */
export function installDocumentLoad(host: CaptureHost, options: DocumentLoadSettings, parentOf: (traceparent: string) => Span | undefined): Capture {
  const { core, active, settings } = host;
  const tracer = host.tracer('documentLoad');
  const navigation = performance.getEntriesByType('navigation')[0] as Navigation | undefined;
  const installedMs = core.now();
  /** The page load, and whether it is open. */
  let load: CoreSpan | undefined;
  let open = false;
  let timer: number | undefined;
  const waiting = new AbortController();

  const known = document as { [TOLD]?: boolean };
  const isFirst = !known[TOLD];
  known[TOLD] = true;

  const events = !options.ignoreNetworkEvents;
  const custom = (run: ((span: CoreSpan) => void) | undefined, span: CoreSpan) => run && host.aside(() => run(span));

  if (isFirst && navigation && core.on && !host.silent()) {
    load = tracer.capture('documentLoad', parentOf(serverParent(navigation)), navigation.fetchStart);
    open = true;
    core.fact(load.handle, URL_FULL, location.href);
    core.fact(load.handle, USER_AGENT, navigator.userAgent);
    core.fact(load.handle, NAVIGATION_TYPE, navigation.activationStart ? 'prerender' : navigation.type);
    active.turn(load);
    if (navigation.loadEventEnd) loaded();
    else addEventListener('load', () => (timer = startTimer(loaded, 0)), { capture: true, signal: waiting.signal });
  }
  const unwatch = host.timings.watch(resource);

  /** After the load event, whose end the browser tells only then. */
  function loaded(): void {
    host.guard(() => {
      active.settled(load!);
      // The paint may come later than the load, and its time is worth the wait: the span ends when the load event did.
      if (performance.getEntriesByName('first-contentful-paint').length || document.visibilityState === 'hidden') finish();
      else {
        timer = startTimer(() => host.guard(finish), PAINT_CAP_MS);
        const observer = new PerformanceObserver((list) => list.getEntriesByName('first-contentful-paint').length && host.guard(finish));
        observer.observe({ type: 'paint', buffered: true });
        waiting.signal.addEventListener('abort', () => observer.disconnect());
      }
    });
  }

  function finish(unfinished = false): void {
    if (!open) return;
    open = false;
    waiting.abort();
    stopTimer(timer);
    const span = load!;
    active.settled(span);
    const { handle } = span;
    const fetched = tracer.capture('documentFetch', span, navigation!.fetchStart);
    core.fact(fetched.handle, URL_FULL, navigation!.name);
    core.fact(fetched.handle, STATUS_CODE, navigation!.responseStatus || undefined);
    describeTiming(core, fetched, navigation!, events);
    custom(options.applyCustomAttributesOnSpan.documentFetch, fetched);
    fetched.end(navigation!.responseEnd || navigation!.fetchStart);
    if (events) addMarks(core, handle, navigation!, LOAD_EVENTS);
    if (!options.ignorePerformancePaintEvents) {
      const paints = Object.fromEntries(performance.getEntriesByType('paint').map(({ name, startTime }) => [PAINT_EVENTS[name], startTime]));
      addMarks(core, handle, paints, Object.values(PAINT_EVENTS));
    }
    if (unfinished) core.fact(handle, UNFINISHED, true);
    custom(options.applyCustomAttributesOnSpan.documentLoad, span);
    span.end(navigation!.loadEventEnd || undefined);
  }

  function resource(entry: PerformanceResourceTiming): void {
    const { name, initiatorType } = entry;
    const isRequest = /^(fetch|xmlhttprequest|beacon)$/.test(initiatorType);
    // Requests have spans of their own from now on, and what was before the last start has been told.
    const isOld = entry.startTime < installedMs;
    if (host.silent() || !core.on || (isRequest ? !isOld || !isFirst || initiatorType === 'beacon' : isOld && !isFirst)) return;
    if (!/^http/.test(name) || isIgnored(new URL(name), settings)) return;
    const span = tracer.capture('resourceFetch', entry.startTime < (navigation?.loadEventEnd || Infinity) ? load : active.lastPage, entry.startTime);
    if (span.handle < 0) return;
    core.fact(span.handle, URL_FULL, name);
    core.fact(span.handle, INITIATOR_TYPE, initiatorType);
    core.fact(span.handle, STATUS_CODE, entry.responseStatus || undefined);
    describeTiming(core, span, entry, events);
    const run = options.applyCustomAttributesOnSpan.resourceFetch;
    custom(run && ((given) => run(given, entry)), span);
    span.end(entry.responseEnd || entry.startTime);
  }

  return {
    settle(gone) {
      // Loaded, and only waiting for a paint.
      if (open && (gone || navigation!.loadEventEnd)) finish(!navigation!.loadEventEnd);
    },
    uninstall() {
      waiting.abort();
      stopTimer(timer);
      unwatch();
    },
  };
}

const PAINT_EVENTS: Record<string, string> = { 'first-paint': 'firstPaint', 'first-contentful-paint': 'firstContentfulPaint' };

/**
 * The `traceparent` that came with the document. HTML from a cache repeats that of another visit: what stands in it is taken only when its bytes came
 * over the network for this visit, and a header only when there was an answer from there.
 */
function serverParent({ transferSize, encodedBodySize, serverTiming }: PerformanceNavigationTiming): string {
  const header = transferSize && serverTiming?.find(({ name }) => name === 'traceparent')?.description;
  const meta = transferSize > encodedBodySize && document.querySelector<HTMLMetaElement>('meta[name="traceparent"]')?.content;
  return header || meta || '';
}
