// The page load: `documentLoad`, and below it `documentFetch` and one `resourceFetch` for each resource. Names and events are those of
// OpenTelemetry's document-load instrumentation. The span is open from the start, so that what happens while the page loads hangs below it.

import type { Span } from '../api.js';
import { startTimer, stopTimer } from '../clock.js';
import type { DocumentLoadSettings } from '../options.js';
import { isHidden, isPrerendering } from '../page.js';
import type { CoreSpan } from '../span.js';
import { isIgnored } from '../urls.js';
import type { Capture, CaptureHost } from './capture.js';
import { INITIATOR_TYPE, NAVIGATION_TYPE, UNFINISHED, URL_FULL, USER_AGENT } from './facts.js';
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
type Navigation = PerformanceNavigationTiming & { activationStart?: number; deliveryType?: string };

/** @param parentOf Makes a span of a `traceparent` that the server has sent. */
export function installDocumentLoad(host: CaptureHost, options: DocumentLoadSettings, parentOf: (traceparent: string) => Span | undefined): Capture {
  const { core, active, settings } = host;
  const tracer = host.tracer('documentLoad');
  let navigation: Navigation | undefined;
  /** The page load, which is open until `stop()`. */
  let load: CoreSpan | undefined;
  let isOpen = true;
  /** The load event is over, and who waits for that knows it. */
  let isLoaded = false;
  let timer: number | undefined;
  let paints: PerformanceObserver | undefined;

  const known = document as { [TOLD]?: boolean };
  const isFirst = !known[TOLD];
  known[TOLD] = true;

  const events = !options.ignoreNetworkEvents;
  const { documentLoad, documentFetch, resourceFetch } = options.applyCustomAttributesOnSpan;
  const custom = <E>(run: ((span: CoreSpan, entry: E) => void) | undefined, span: CoreSpan, entry?: E) => run && host.aside(run, span, entry);

  function begin(): void {
    navigation = performance.getEntriesByType('navigation')[0] as Navigation | undefined;
    if (!navigation) return;
    const { fetchStart, loadEventEnd } = navigation;
    load = tracer.capture('documentLoad', parentOf(serverParent(navigation)), fetchStart);
    active.turn(load);
    // What the load event took, the browser tells only after it. Where that is long ago, there is time after the start.
    const soon = () => (timer = startTimer(() => host.guard(loaded), 0));
    // In the midst of the load event it is too late to listen.
    if (loadEventEnd || document.readyState === 'complete') soon();
    // Not one that the page made up.
    else host.listen(globalThis, 'load', ({ isTrusted }) => isTrusted && soon());
  }
  if (isFirst && !host.silent()) host.guard(begin);
  const unwatch = host.timings.watch((entry, initiator) => {
    // Requests have spans of their own from now on, and what was before the last start has been told.
    const isOld = entry.startTime < host.installedMs;
    const isRequest = /^(fetch|xmlhttprequest|beacon)$/.test(initiator);
    if (isRequest ? !isOld || !isFirst || initiator === 'beacon' : isOld && !isFirst) return;
    resource(entry, initiator);
  });

  function loaded(): void {
    tell();
    if (isPrerendering()) host.listen(document, 'prerenderingchange', paint);
    else paint();
  }

  function tell(): void {
    if (isLoaded) return;
    isLoaded = true;
    if (host.pageLoaded) host.pageLoaded(load!);
    else active.settled(load!);
  }

  /** The first paint may come later than the load, and its time is worth the wait: the span ends when the load event did. */
  function paint(): void {
    const done = () => performance.getEntriesByName('first-contentful-paint').length && finish();
    done();
    if (!isOpen) return;
    if (isHidden()) return finish();
    timer = startTimer(() => host.guard(finish), PAINT_CAP_MS);
    paints = new PerformanceObserver(() => host.guard(done));
    paints.observe({ type: 'paint', buffered: true });
  }

  function finish(unfinished = false): void {
    if (!isOpen) return;
    stop();
    const span = load!;
    const { handle } = span;
    const { fetchStart, responseEnd, responseStatus, loadEventEnd, activationStart, type, name } = navigation!;
    const url = host.shown(name);
    const fetched = tracer.capture('documentFetch', span, fetchStart);
    core.fact(fetched.handle, URL_FULL, url);
    core.x.set_response(fetched.handle, responseStatus);
    describeTiming(core, fetched, navigation!, events);
    custom(documentFetch, fetched);
    if (!responseEnd) core.fact(fetched.handle, UNFINISHED, true);
    fetched.end(responseEnd || undefined);
    core.fact(handle, URL_FULL, url);
    core.fact(handle, USER_AGENT, globalThis.navigator?.userAgent);
    core.fact(handle, NAVIGATION_TYPE, activationStart ? 'prerender' : type);
    if (activationStart) host.visit(handle);
    if (events) addMarks(core, handle, navigation!, LOAD_EVENTS);
    if (!options.ignorePerformancePaintEvents) {
      for (const { name, startTime } of performance.getEntriesByType('paint')) {
        // `first-paint` is `firstPaint`.
        const event = name.replace(/-./g, (letter) => letter[1].toUpperCase());
        addMarks(core, handle, { [event]: startTime }, [event]);
      }
    }
    if (unfinished) core.fact(handle, UNFINISHED, true);
    custom(documentLoad, span);
    span.end(loadEventEnd || undefined);
  }

  function resource(entry: PerformanceResourceTiming, initiator: string): void {
    const { name, startTime, responseEnd, responseStatus } = entry;
    if (host.silent() || !name.startsWith('http') || isIgnored(name, settings)) return;
    const span = tracer.capture('resourceFetch', load && startTime < (navigation!.loadEventEnd || Infinity) ? load : active.lastPage, startTime);
    const { handle } = span;
    if (handle < 0) return;
    core.fact(handle, URL_FULL, host.shown(name));
    core.fact(handle, INITIATOR_TYPE, initiator);
    core.x.set_response(handle, responseStatus);
    describeTiming(core, span, entry, events);
    custom(resourceFetch, span, entry);
    span.end(responseEnd || startTime);
  }

  function stop(): void {
    isOpen = false;
    paints?.disconnect();
    stopTimer(timer);
  }

  return {
    settle(gone) {
      if (!load || !isOpen || isPrerendering()) return;
      const { loadEventEnd } = navigation!;
      // Loaded, and only waiting for a paint; or it will never be.
      if (loadEventEnd) tell();
      if (gone || loadEventEnd) finish(!loadEventEnd);
    },
    uninstall() {
      stop();
      if (load) active.settled(load);
      unwatch();
    },
  };
}

/** By the Resource Timing specification an answer that came over the network counts so many bytes on top of its body, and a 304 these alone. */
const HEADER_BYTES = 300;

/**
 * The `traceparent` that came with the document. HTML from a cache repeats that of another visit: what stands in it is taken only when its bytes came
 * over the network for this visit, and a header only when there was an answer from there.
 */
function serverParent({ transferSize, encodedBodySize, deliveryType, serverTiming }: Navigation): string {
  const header = transferSize && serverTiming?.find(({ name }) => name === 'traceparent')?.description;
  // While the document is still coming in, its size is zero: where the browser knows better, it says so from the start, of a 304 too.
  const isFresh = deliveryType !== 'cache' && transferSize >= encodedBodySize + HEADER_BYTES;
  return header || (isFresh && document.querySelector<HTMLMetaElement>('meta[name="traceparent"]')?.content) || '';
}
