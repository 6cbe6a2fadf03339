// Which span is active: the one that new spans and requests hang below. A synchronous stack, since no browser has AsyncContext:
// after a native `await` nothing is active, and a span has to be handed on.

import type { Context, Span } from './api.js';

/** Where `@opentelemetry/api` keeps the span in a context. */
const SPAN_KEY = Symbol.for('OpenTelemetry Context Key SPAN');

export class ActiveSpan {
  current: Span | undefined;

  with<T>(span: Span | undefined, run: () => T): T {
    const before = this.current;
    this.current = span;
    try {
      return run();
    } finally {
      this.current = before;
    }
  }

  /** The parent that a context tells of; without a context, the active span. */
  parent(context: Context | undefined): Span | undefined {
    return context ? (context.getValue(SPAN_KEY) as Span | undefined) : this.current;
  }
}
