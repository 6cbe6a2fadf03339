// Tracers: what starts spans.

import type { Context, Span, SpanOptions, Tracer } from './api.js';
import type { ActiveSpan } from './context.js';
import type { Core } from './core.js';
import type { Attributes, SamplerFunction } from './options.js';
import { coreSpan, CoreSpan, invalidSpan, millis } from './span.js';
import { textOf } from './thrown.js';

/** Where `@opentelemetry/core` marks a context in which nothing is to be traced. */
const SUPPRESS_KEY = Symbol.for('OpenTelemetry SDK Context Key SUPPRESS_TRACING');

/** How a span starts (abi.rs). */
const CAPTURED = 1;
const HAS_PARENT = 2;
const DECIDED = 4;
const SAMPLED = 8;

/** Calls the core; without a closure for each span, as this is called for all of them. */
type Start<D> = (how: number, scope: number, core: Core, name: string, startMs: number, detail: D) => number;

const start: Start<number> = (how, scope, core, name, startMs, kind) => core.x.start_span(core.name(name), kind, scope, startMs, how);

export class CoreTracer implements Tracer {
  private scope: number | undefined;

  constructor(
    private readonly core: Core,
    private readonly active: ActiveSpan,
    private readonly sampler: SamplerFunction | undefined,
    /** Nothing is recorded: no consent, or shut down. */
    private readonly silent: () => boolean,
    private readonly name: string,
    private readonly version: string,
    /** Sees to what every span has from its start. */
    private readonly touch: (() => void) | undefined,
  ) {}

  startSpan(name: string, options?: SpanOptions, context?: Context): CoreSpan {
    const { core } = this;
    try {
      return this.open(name, options, context);
    } catch (error) {
      core.caught(error);
    }
    // What cannot be read counts as not given.
    return context ? this.startSpan(name, options) : options ? this.startSpan(name) : invalidSpan(core);
  }

  /** Throws, before anything has started, where what it is given does. */
  private open(name: string, options: SpanOptions | undefined, context: Context | undefined): CoreSpan {
    const { core } = this;
    core.ready();
    // All that is the page's is read before the core is told anything: reading may run the page's code.
    name = textOf(name);
    const { kind, root, startTime, attributes, links } = options ?? {};
    const parent = root ? undefined : this.active.parent(context);
    const suppressed = !!context?.getValue(SUPPRESS_KEY);
    const span = this.begin(parent, name, attributes, suppressed, millis(core, startTime), start, Number(kind ?? 0));
    if (attributes) span.setAttributes(attributes);
    if (links) span.addLinks(links);
    core.processors?.start(span, parent);
    return span;
  }

  /** A span of a capture. `kind`: as in `@opentelemetry/api`. */
  capture(name: string, parent: Span | undefined, startMs: number, kind = 0): CoreSpan {
    const span = this.begin(parent, name, undefined, false, startMs, start, kind, CAPTURED);
    this.core.processors?.start(span, parent);
    return span;
  }

  /**
   * Starts a span by `start`, which writes its texts and calls the core, below this parent; `detail` is for it.
   *
   * @param suppressed It shall not be recorded, whatever the sampler says.
   */
  begin<D>(
    parent: Span | undefined,
    name: string,
    attributes: Attributes | undefined,
    suppressed: boolean,
    startMs: number,
    start: Start<D>,
    detail: D,
    how = 0,
  ): CoreSpan {
    const { core } = this;
    this.touch?.();
    const from = parent && coreSpan(core, parent);
    const sampled = suppressed || this.silent() ? false : this.sampler?.(name, attributes ?? {}, from?.isValid() ? from.spanContext() : undefined);
    if (this.scope === undefined && core.on) {
      const nameBytes = core.text(this.name, 0);
      this.scope = core.x.add_scope(nameBytes, core.text(this.version, nameBytes));
    }
    // First, as it may call `crypto.getRandomValues`, which the page may have replaced by anything: also by what starts spans.
    core.x.refill_pool();
    if (sampled !== undefined) how |= sampled ? DECIDED | SAMPLED : DECIDED;
    if (from?.isValid()) {
      from.tell();
      how |= HAS_PARENT;
    }
    const handle = start(how, this.scope!, core, name, startMs, detail);
    if (handle < -1) {
      core.caught('crypto.getRandomValues does not work, so there are no spans');
      return invalidSpan(core);
    }
    const span = new CoreSpan(core, handle, false, from?.traceState);
    if (handle >= 0 && span.traceState) core.x.set_trace_state(handle, core.text(span.traceState, 0));
    return span;
  }

  startActiveSpan<F extends (span: Span) => unknown>(name: string, ...rest: [F] | [SpanOptions, F] | [SpanOptions, Context | undefined, F]): ReturnType<F> {
    let fn: F | SpanOptions | Context | undefined;
    while (typeof fn !== 'function') {
      if (!rest.length) return this.core.caught('startActiveSpan() or traced() wants a function') as ReturnType<F>;
      fn = rest.pop();
    }
    const [options, context] = rest as unknown as [SpanOptions?, Context?];
    const span = this.startSpan(name, options, context);
    return this.active.with(span, () => fn(span)) as ReturnType<F>;
  }
}
