// What a capture is given, and what it gives: whoever installs, uninstalls.

import type { ActiveSpan } from '../context.js';
import type { Core } from '../core.js';
import type { Settings } from '../options.js';
import type { CoreTracer } from '../tracer.js';
import type { ResourceTimings } from './timing.js';

export interface CaptureHost {
  readonly core: Core;
  readonly settings: Settings;
  readonly active: ActiveSpan;
  /** Resource timing, shared by all. */
  readonly timings: ResourceTimings;
  /** Told of each request that begins (1) or ends (-1), and when it began: for whoever waits until there are none. */
  requestsChanged(by: 1 | -1, startMs: number): void;
  /** The tracer of a capture. */
  tracer(name: string): CoreTracer;
  /** Nothing is traced: no consent, shut down, or within a function that the page gave us. */
  silent(): boolean;
  /** Headers may be added. */
  propagates(): boolean;
  /** Runs what the page gave us; what it throws is told, and what it fetches is not traced. */
  aside(run: () => void): void;
  /** Runs our own part of what the page does; what goes wrong there is not the page's affair. */
  guard(run: () => void): void;
}

export interface Capture {
  /** The page is hidden or, with `gone`, goes for good: end what has ended, and then what never will. */
  settle?(gone: boolean): void;
  uninstall(): void;
}
