// The entry `webspan/captures`: what is off by default, as functions whose results are passed to `init`. Who does not import it loads none of it.

import type { CaptureHost, InstallCapture } from './capture/capture.js';
import { installEventSource } from './captures/event-source.js';
import { installUserInteraction } from './captures/interaction.js';
import { installLongTasks } from './captures/long-tasks.js';
import { VitalReports } from './captures/vitals.js';
import { installWebSocket } from './captures/web-socket.js';
import type { CaptureOption, HookSpan } from './options.js';

export interface UserInteractionOptions {
  /**
   * Which events are interactions.
   * @defaultValue `['click']`
   */
  eventNames?: readonly string[];
  /**
   * `true`: this one shall have no span. Attributes that are set here stay with the span, if there will be one.
   *
   * Source: `UserInteractionInstrumentationConfig`,
   * {@link https://github.com/open-telemetry/opentelemetry-js-contrib/tree/main/packages/instrumentation-user-interaction}
   * @defaultValue none
   */
  // A method, so that functions written for the `Span` of `@opentelemetry/api` and for an `HTMLElement` fit.
  shouldPreventSpanCreation?(eventType: string, element: Element, span: HookSpan): boolean | void;
}

/** A measurement, as the `web-vitals` library reports it. */
export interface WebVital {
  readonly name: string;
  readonly value: number;
  readonly delta: number;
  readonly id: string;
  readonly rating: string;
  readonly navigationType: string;
  readonly entries: readonly PerformanceEntry[];
}

/** The functions of the `web-vitals` library; what is left out is not measured. */
export type WebVitalsLibrary = {
  readonly [K in 'onCLS' | 'onFCP' | 'onINP' | 'onLCP' | 'onTTFB']?: (onReport: (metric: WebVital) => void) => void;
};

export interface WebVitalsOptions {
  /**
   * The `web-vitals` library of the page, or a function that fetches it.
   *
   * Source: {@link https://github.com/GoogleChrome/web-vitals}
   * @defaultValue the copy that comes with this package, fetched when the capture starts
   */
  library?: WebVitalsLibrary | (() => Promise<WebVitalsLibrary>);
}

/**
 * A span for each click, or other event, that causes something: a request, a route change, a span of the page's, an error, or 50 ms of work. What its
 * listeners start hangs below it. With an option that is not what it should be there are none, and `init` says why; so it is for all below.
 */
export function userInteraction(options?: UserInteractionOptions): CaptureOption {
  return option(
    'userInteraction',
    options,
    {
      eventNames: ['an array of strings', (value) => Array.isArray(value) && value.every((name) => typeof name === 'string')],
      shouldPreventSpanCreation: ['a function', isFunction],
    },
    ({ eventNames = ['click'], shouldPreventSpanCreation }) => {
      const settings = { eventNames: [...eventNames], shouldPreventSpanCreation };
      return (host) => installUserInteraction(host, settings);
    },
  );
}

/** A span for each frame that took longer than 50 ms, with its scripts as events; where the browser does not tell of frames, for each long task. */
export function longTasks(options?: {}): CaptureOption {
  return option('longTasks', options, {}, () => installLongTasks);
}

/** LCP, INP, CLS, FCP and TTFB: each a span without length, when it happened. */
export function webVitals(options?: WebVitalsOptions): CaptureOption {
  const table = { library: ['an object or a function', (value: unknown) => isFunction(value) || (typeof value === 'object' && value !== null)] } as const;
  return option('webVitals', options, table, ({ library }) => {
    const reports = new VitalReports(library);
    return (host) => reports.install(host);
  });
}

/** A span for each `EventSource`, from its construction to its end. */
export function eventSource(options?: {}): CaptureOption {
  return option('eventSource', options, {}, () => installEventSource);
}

/** A span for each `WebSocket`, from its construction to its end. */
export function webSocket(options?: {}): CaptureOption {
  return option('webSocket', options, {}, () => installWebSocket);
}

const isFunction = (value: unknown): boolean => typeof value === 'function';

type Table<T> = { readonly [K in keyof T]-?: readonly [wanted: string, fits: (value: unknown) => boolean] };

/**
 * What `init` installs; for its users it is nothing that they could call. With options that cannot be read there is no such capture, and the reason is
 * thrown where `init` reports it: this here runs while the page loads.
 */
function option<T extends object>(name: string, given: T | undefined, table: Table<T>, prepare: (options: T) => InstallCapture): CaptureOption {
  let install: InstallCapture;
  try {
    install = prepare(checked(name, given, table));
  } catch (error) {
    // The function itself was given to `init`, instead of what it gives.
    if (isHost(given)) throw error;
    install = () => {
      throw error;
    };
  }
  return install as unknown as CaptureOption;
}

function isHost(given: unknown): boolean {
  try {
    return isFunction((given as CaptureHost).guard);
  } catch {
    return false;
  }
}

/** A copy of what was given. */
function checked<T extends object>(name: string, given: T | undefined, table: Table<T>): T {
  const options = { ...given } as T;
  for (const key of Object.keys(options) as (keyof T & string)[]) {
    const value = options[key];
    const [wanted, fits] = (Object.hasOwn(table, key) && table[key]) || [];
    if (!fits) throw new TypeError(`${name} has no option ${key}; call ${name}() and give init what it returns`);
    if (value !== undefined && !fits(value)) throw new TypeError(`option ${key} of ${name} is ${typeof value}; wanted ${wanted}`);
  }
  return options;
}
