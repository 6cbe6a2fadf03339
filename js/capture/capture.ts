// What a capture is given, and what it gives: whoever installs, uninstalls.

import type { Span } from '../api.js';
import type { ActiveSpan } from '../context.js';
import type { Core } from '../core.js';
import type { Settings } from '../options.js';
import type { CoreTracer } from '../tracer.js';
import type { Requests } from './request.js';
import type { ResourceTimings } from './timing.js';

/** Runs something. What is run often takes its arguments from here: a function that holds them would be garbage each time. */
export type Runner = <A, B, C, D>(run: (a: A, b: B, c: C, d: D) => void, a?: A, b?: B, c?: C, d?: D) => void;

/**
 * Listens for as long as the captures are installed. In the capture phase: a page that stops the event does not stop us. What goes wrong in a listener is
 * not the page's affair.
 */
export type Listen = <E extends Event>(target: EventTarget, name: string, listener: (event: E) => void) => void;

export interface CaptureHost {
  readonly core: Core;
  readonly settings: Settings;
  readonly active: ActiveSpan;
  /** What began before was not seen as it began. */
  readonly installedMs: number;
  /** Resource timing, shared by all. */
  readonly timings: ResourceTimings;
  /** Those that capture requests. */
  readonly requests: Requests[];
  /** The URL of the request whose call is being made: a request for the same within that call is this one by other means, as in a polyfill of fetch. */
  calling?: string | undefined;
  /** Told of each request that begins, and of its end with what that gave: for whoever waits until there are none. */
  requestBegan?(): number;
  requestEnded?(turn: number | undefined): void;
  /** Told when the page has loaded: what is done next, such as the first requests of an application, still belongs to that. */
  pageLoaded?(load: Span): void;
  /** What may be recorded of a URL after the core has taken the known secrets out: the page may want a word in it. */
  shown(href: string): string;
  /** What a span has from its start is on this one only now: it was started before the page was visited. */
  visit(handle: number): void;
  /** Runs it now, or as soon as the core is there. */
  whenOn(run: () => void): void;
  /** The tracer of a capture. */
  tracer(name: string): CoreTracer;
  /** Nothing is traced: no consent, shut down, or within a function that the page gave us. */
  silent(): boolean;
  /** When the page was left; infinity: it was not. */
  leftMs(): number;
  /** Headers may be added. */
  propagates(): boolean;
  /** Runs what the page gave us; what it throws is told, and what it fetches is not traced. */
  aside: Runner;
  readonly listen: Listen;
  /** Runs our own part of what the page does; what goes wrong there is not the page's affair. */
  guard: Runner;
}

export interface Capture {
  /** All that has ended is about to be sent: end what has; with `gone`, as the page goes for good, also what never will. */
  settle?(gone: boolean): void;
  uninstall?(): void;
}

/** What an element of the option `captures` is: its users see nothing of it. */
export type InstallCapture = (host: CaptureHost) => Capture;
