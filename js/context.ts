// Which span is active: the one that new spans and requests hang below. A synchronous stack, since no browser has AsyncContext:
// after a native `await` nothing is active, and a span has to be handed on.

import type { Context, Span } from './api.js';

/** Where `@opentelemetry/api` keeps the span in a context. */
const SPAN_KEY = Symbol.for('OpenTelemetry Context Key SPAN');

export class ActiveSpan {
  current: Span | undefined;
  /** The page load or the route change that is under way: with `pageTrace`, what happens meanwhile hangs below it, unless a span is active. */
  page: Span | undefined;
  /** The one that was last: to its trace belongs what comes after it and has no other. */
  lastPage: Span | undefined;

  /** @param pageTrace The option. */
  constructor(private readonly pageTrace: boolean) {}

  /** A page load or a route change begins. */
  turn(page: Span): void {
    this.page = this.lastPage = page;
  }

  /** It is over, if it is not another's turn already. */
  settled(page: Span): void {
    if (this.page === page) this.page = undefined;
  }

  with<T>(span: Span | undefined, run: () => T): T {
    const before = this.current;
    this.current = span;
    try {
      return run();
    } finally {
      this.current = before;
    }
  }

  /** The parent that a context tells of; without a context, what is active or under way. */
  parent(context: Context | undefined): Span | undefined {
    return context ? (context.getValue(SPAN_KEY) as Span | undefined) : (this.current ?? (this.pageTrace ? this.page : undefined));
  }
}
