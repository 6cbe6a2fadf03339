// The public types: what a page sees of webspan. The verbs and their signatures are those of `@opentelemetry/api`, so that its users find
// what they know.

import type { Attributes, AttributeValue } from './options.js';

/** Milliseconds since 1970 or since the page's time origin, a `Date`, or seconds and nanoseconds since 1970; as in `@opentelemetry/api`. */
export type TimeInput = number | Date | [number, number];

/** As in `@opentelemetry/api`. */
export interface TraceState {
  set(key: string, value: string): TraceState;
  unset(key: string): TraceState;
  get(key: string): string | undefined;
  serialize(): string;
}

/** As in `@opentelemetry/api`. */
export interface SpanContext {
  traceId: string;
  spanId: string;
  traceFlags: number;
  isRemote?: boolean;
  traceState?: TraceState;
}

export interface Link {
  context: SpanContext;
  attributes?: Attributes;
}

/** `code`: 0 unset, 1 ok, 2 error; as in `@opentelemetry/api`. */
export interface SpanStatus {
  code: number;
  message?: string;
}

export type Exception = string | { name?: string; message?: string; stack?: string; code?: string | number };

/** As in `@opentelemetry/api`. */
export interface Span {
  spanContext(): SpanContext;
  setAttribute(key: string, value: AttributeValue): this;
  setAttributes(attributes: Attributes): this;
  addEvent(name: string, attributesOrStartTime?: Attributes | TimeInput, startTime?: TimeInput): this;
  addLink(link: Link): this;
  addLinks(links: Link[]): this;
  setStatus(status: SpanStatus): this;
  updateName(name: string): this;
  end(endTime?: TimeInput): void;
  isRecording(): boolean;
  recordException(exception: Exception, time?: TimeInput): void;
}

/** As in `@opentelemetry/api`. */
export interface SpanOptions {
  /** 0 internal, 1 server, 2 client, 3 producer, 4 consumer. @defaultValue 0 */
  kind?: number;
  attributes?: Attributes;
  links?: Link[];
  /** @defaultValue now */
  startTime?: TimeInput;
  /** Starts a new trace, whatever is active. @defaultValue false */
  root?: boolean;
}

/** As in `@opentelemetry/api`. */
export interface Tracer {
  startSpan(name: string, options?: SpanOptions, context?: Context): Span;
  startActiveSpan<F extends (span: Span) => unknown>(name: string, fn: F): ReturnType<F>;
  startActiveSpan<F extends (span: Span) => unknown>(name: string, options: SpanOptions, fn: F): ReturnType<F>;
  startActiveSpan<F extends (span: Span) => unknown>(name: string, options: SpanOptions, context: Context | undefined, fn: F): ReturnType<F>;
}

/** The part of `Context` of `@opentelemetry/api` that is needed here. */
export interface Context {
  getValue(key: symbol): unknown;
  setValue(key: symbol, value: unknown): Context;
  deleteValue(key: symbol): Context;
}

/** Why spans are lost. The README says what each means. */
export type Loss = 'queueFull' | 'rejected' | 'refused' | 'expired' | 'evicted' | 'consent' | 'noEndpoint' | 'shutdown' | 'rateLimited' | 'filtered';

/** What has become of the spans. Each that has ended is counted in exactly one of `queued`, `inFlight`, `delivered`, `unacknowledged`, `stored` and `dropped`. */
export interface Stats {
  /** Spans that have ended. */
  ended: number;
  /** Wait to be sent, for the first time or again. */
  queued: number;
  /** Were sent, and not answered yet. */
  inFlight: number;
  /** Were taken by the collector. */
  delivered: number;
  /** Were sent, and nobody will read the answer: whether they arrived is not known. */
  unacknowledged: number;
  /** Were sent twice, as the page was left before the first request was answered: possible duplicates. Not a place of its own. */
  resent: number;
  /** Were put into the outbox, for this or a later page to deliver, which counts them as `recovered` or `unrecovered`. */
  stored: number;
  /** Came from the outbox, of whatever page, and were taken by the collector. Not among `ended`. */
  recovered: number;
  /** Came from the outbox, of whatever page, and are lost: too old, too many, refused, or not readable. Not among `ended`. */
  unrecovered: number;
  /** Are lost, by reason. */
  dropped: Record<Loss | 'coreFailed', number> & {
    /** Requests that were made before the core was ready, and so have no span. They are not among `ended`. */
    notReady: number;
  };
}

/** A span that is about to end, as span processors see it: what it will be sent as, read when it is looked at. It holds for as long as `onEnd` runs. */
export interface FinishedSpan {
  readonly name: string;
  /** 0 internal, 1 server, 2 client, 3 producer, 4 consumer; as in `@opentelemetry/api`. */
  readonly kind: number;
  spanContext(): SpanContext;
  readonly parentSpanId: string | undefined;
  /** Nanoseconds since 1970, which no JavaScript number holds, as decimal text. */
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly events: readonly { name: string; timeUnixNano: string; attributes: Readonly<Record<string, AttributeValue>> }[];
  readonly status: { code: number; message?: string };
  /** Adds attributes, or changes those that are there. */
  setAttributes(attributes: Attributes): void;
  updateName(name: string): void;
  /** It is not sent, and counted as `dropped.filtered`. */
  drop(): void;
}

/** As in OpenTelemetry's SDKs. What is thrown in it is told and over. */
export interface SpanProcessor {
  /** Each span that is recorded, once it has the attributes that it starts with. */
  onStart?(span: Span, parent: SpanContext | undefined): void;
  /** Each of them before it ends. */
  onEnd?(span: FinishedSpan): void;
}

/** What a page has of webspan once it is started. */
export interface Webspan {
  /** For the page's own spans. */
  readonly tracer: Tracer;
  /** For the spans of a library: `name` and `version` become the instrumentation scope. */
  getTracer(name: string, version?: string): Tracer;
  /**
   * Sends all that has ended until now. Resolves when that is answered, or an attempt has failed; never rejects. What ends later leaves in its turn.
   * Called by what a request is being made with, as the function `headers`, it resolves at once.
   */
  flush(): Promise<void>;
  /**
   * Sends all that has ended, restores what was wrapped, and falls silent. What cannot be sent goes into the outbox, if there is one. With
   * `discard` nothing is sent, and the outbox is emptied. Never rejects.
   */
  shutdown(options?: { discard?: boolean }): Promise<void>;
  /** What has become of the spans. */
  stats(): Stats;
  /** Attributes of every span that starts from now on; one that is `undefined` or `null` is taken away again. */
  setAttributes(attributes: Attributes): void;
  /** Who uses the page, as `user.id` of every span that starts from now on; `null` is nobody, and so is, reported, an object or a symbol. */
  setUser(id: string | null): void;
  /** The user's word: `true` sends what has waited for it, `false` discards it and what is in the outbox, and records nothing until `true` comes. */
  setConsent(granted: boolean): void;
}
