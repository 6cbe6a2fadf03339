// The public door: init() and what it gives.

import type { Span, SpanOptions, Webspan } from './api.js';
import { ActiveSpan } from './context.js';
import { Core } from './core.js';
import { global, Instance, INSTANCE, NAME, VERSION } from './instance.js';
import { readOptions, type WebspanOptions } from './options.js';
import { unusable } from './natives.js';
import { baseUrl } from './page.js';
import { coreSpan } from './span.js';
import { describeThrown, quietly, textOf } from './thrown.js';
import { CoreTracer } from './tracer.js';

export type * from './api.js';
export type { AttributeValue, Attributes, BatchOptions, CaptureOption, DocumentLoadHooks, DocumentLoadOptions, FetchOptions, HeadersFunction, HeadersOption, HeadersRecord, HookSpan, InstrumentationsOptions, LimitsOptions, NavigationOptions, OutboxOptions, ParentSpanContext, RedactOptions, RequestOptions, RetryOptions, SamplerFunction, SamplerOption, SessionOptions, UrlPattern, WebspanOptions, XhrOptions } from './options.js';

/**
 * Starts tracing: from now on requests are spans, allowed backends receive `traceparent`, and batches of OTLP go to the collector.
 *
 * A second call returns the first instance and warns. Where there is no page (on a server, in a worker) it returns an instance that does
 * nothing. It never throws: an option that cannot be read is reported by `console.error` and to `onError`, and replaced by its safe default, as the
 * README says.
 */
export function init(options?: WebspanOptions): Webspan {
  try {
    const page = { href: baseUrl(), hostname: location.hostname };
    // Half a document, as some libraries put on a server.
    if (!page.href) return idle();
    const before = global[INSTANCE];
    if (before) return before.again();
    if (unusable) throw `the global ${unusable} was not the browser's when webspan was loaded; load webspan before what replaces it`;
    const { settings, errors, warnings } = readOptions(options, page);
    // Reading the options may have run code of the page.
    const within = global[INSTANCE] as Instance | undefined;
    if (within) return within.again();
    const instance = (global[INSTANCE] = new Instance(settings));
    errors.forEach((error) => instance.report(error, 'error'));
    warnings.forEach((warning) => instance.report(warning, 'warn'));
    return instance;
  } catch (error) {
    if (typeof document !== 'undefined' && !resting) quietly(() => console.error(`webspan: cannot start: ${textOf(error)}`));
    return idle();
  }
}

/** The span that is active now: new spans and requests hang below it. */
export function activeSpan(): Span | undefined {
  return global[INSTANCE]?.active.current;
}

/**
 * Runs `fn` with `span` active, up to its first `await`, and returns what it returns. `undefined`, reported, where `fn` is no
 * function.
 */
export function withSpan<T>(span: Span | undefined, fn: () => T): T {
  const instance = global[INSTANCE];
  if (typeof fn !== 'function') return instance?.core.caught('withSpan() wants a function') as T;
  return instance ? instance.active.with(span, fn) : fn();
}

/**
 * Runs `fn` in a span of its own, which ends when `fn` returns or its promise settles. What it throws is recorded and thrown on. `undefined`, reported,
 * where `fn` is no function.
 *
 * The span is active up to the first `await`; hand it on from there: `withSpan(span, () => fetch(…))`.
 */
export function traced<T>(name: string, fn: (span: Span) => T, options: SpanOptions = {}): T {
  const { tracer } = global[INSTANCE] ?? idle();
  if (typeof fn !== 'function') return tracer.startActiveSpan(name, fn);
  return tracer.startActiveSpan(name, options, (span) => {
    const fail = (error: unknown): never => {
      span.recordException(error as Error);
      span.setStatus({ code: 2, message: describeThrown(error).message });
      span.end();
      throw error;
    };
    let result: T;
    try {
      result = fn(span);
    } catch (error) {
      return fail(error);
    }
    try {
      const then = (result as PromiseLike<unknown> | undefined)?.then;
      if (typeof then === 'function') {
        const ended = (value: unknown) => {
          span.end();
          return value;
        };
        // What is no promise, but has its method, need not return anything.
        return then.call(result, ended, fail) ?? result;
      }
    } catch {
      // It is the page's to find out what is wrong with what it has returned.
    }
    span.end();
    return result;
  }) as T;
}

/**
 * Writes `traceparent` and `tracestate` of the active span into a carrier: a `Headers`, or an object. Nothing where no span is active, and nothing
 * without the user's consent: a trace id is an identifier that leaves the page.
 */
export function inject(carrier: Headers | Record<string, string>): void {
  const instance = global[INSTANCE];
  const active = instance?.active.current;
  if (!active || instance?.consent !== true) return;
  try {
    const span = coreSpan(instance.core, active);
    if (!span?.isValid() || !instance.core.on) return;
    const set = (name: string, value: string) => {
      if (carrier instanceof Headers) carrier.set(name, value);
      else carrier[name] = value;
    };
    set('traceparent', span.traceparent());
    if (span.traceState) set('tracestate', span.traceState);
  } catch (error) {
    instance.core.caught(error);
  }
}

/** The span that `traceparent` and `tracestate` in a carrier tell of, to be the parent of others: `withSpan(extract(message), …)`. */
export function extract(carrier: Headers | Record<string, string>): Span | undefined {
  const instance = global[INSTANCE];
  try {
    const get = (name: string) => String((carrier instanceof Headers ? carrier.get(name) : carrier[name]) ?? '');
    return instance?.extract(get('traceparent'), get('tracestate'));
  } catch (error) {
    instance?.core.caught(error);
    return undefined;
  }
}

let resting: Webspan | undefined;

/** Where there is no page, or nothing has started: always the same. Made at the first use, so that pages which start webspan have none. */
function idle(): Webspan {
  if (!resting) {
    const core = new Core(
      () => {},
      () => {},
    );
    const tracer = new CoreTracer(core, new ActiveSpan(false), undefined, () => true, NAME, VERSION, undefined);
    resting = {
      tracer,
      getTracer: () => tracer,
      flush: async () => {},
      shutdown: async () => {},
      stats: () => core.stats(),
      setAttributes() {},
      setUser() {},
      setConsent() {},
    };
  }
  return resting;
}

// The last words of the bundle: between others, they and those would compress less well, by 170 bytes of brotli and 700 of gzip.
Core.module = __WASM_HEX__;
