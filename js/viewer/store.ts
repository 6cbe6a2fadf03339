/** The traces that are in memory, and the questions that the API asks about them. */
import { spanBytes } from './footprint.js';
import { detailOf, isError, serviceOf, type Attributes, type AttributeValue, type Span, type StoreCounts, type TraceSummary } from './model.js';
import { arrange } from './timeline.js';

/** Which traces are wanted. What is left out does not restrict. */
export interface TraceFilter {
  /** `service`, `name` and `attributes` must hold for one and the same span. */
  service?: string | undefined;
  /** Part of a span's name, in any case. */
  name?: string | undefined;
  /** Of the span or its resource; without a value the attribute only has to be there. */
  attributes?: { key: string; value?: string | undefined }[];
  minDurationMs?: number | undefined;
  errors?: boolean | undefined;
  limit?: number | undefined;
}

/** Names of services that are remembered, so that each keeps its colour when all its spans are gone. */
const MAX_SERVICES = 1000;

/** Services that the summary of a trace names. */
const MAX_SUMMARY_SERVICES = 50;

/** A path that is longer says no more in a list. */
const MAX_DETAIL_CHARS = 1024;

interface StoredTrace {
  /** By span id: a batch that is sent again after a lost answer must not double its spans. */
  spans: Map<string, Span>;
  /** Spans that are gone because the trace alone was too large. */
  droppedSpanCount: number;
  /** Undefined until asked for, and again after each new span. */
  summary: TraceSummary | undefined;
}

export class TraceStore {
  /** The trace that was longest without news is first. */
  readonly #traces = new Map<string, StoredTrace>();
  /** How many spans there are of each. In the order in which they came up, so that the colour of a service stays. */
  readonly #services = new Map<string, number>();
  readonly #maxSpans: number;
  readonly #maxBytes: number;
  #spanCount = 0;
  #bytes = 0;
  #droppedTraceCount = 0;
  #droppedSpanCount = 0;

  /** What is kept at most; `maxBytes` by the estimate of `spanBytes`. */
  constructor(maxSpans: number, maxBytes: number) {
    this.#maxSpans = maxSpans;
    this.#maxBytes = maxBytes;
  }

  /** What is here, and what was dropped since the start or since everything was cleared. */
  get counts(): StoreCounts {
    return {
      traceCount: this.#traces.size,
      spanCount: this.#spanCount,
      bytes: this.#bytes,
      maxSpans: this.#maxSpans,
      maxBytes: this.#maxBytes,
      droppedTraceCount: this.#droppedTraceCount,
      droppedSpanCount: this.#droppedSpanCount,
    };
  }

  /** @returns the ids of the traces that changed and are still there. */
  add(spans: readonly Span[]): string[] {
    const changed = new Set<string>();
    for (const span of spans) {
      const trace = this.#traces.get(span.traceId) ?? { spans: new Map<string, Span>(), droppedSpanCount: 0, summary: undefined };
      const replaced = trace.spans.get(span.spanId);
      if (replaced !== undefined) this.#count(trace, replaced, -1);
      trace.spans.set(span.spanId, span);
      this.#count(trace, span, 1);
      // Now it is the one with the latest news.
      this.#traces.delete(span.traceId);
      this.#traces.set(span.traceId, trace);
      changed.add(span.traceId);
      this.#makeRoom(span.traceId);
    }
    return [...changed].filter((traceId) => this.#traces.has(traceId));
  }

  /** Drops whole traces, the stalest first; of a trace that alone is too large, its oldest spans. */
  #makeRoom(newestTraceId: string): void {
    while (this.#spanCount > this.#maxSpans || this.#bytes > this.#maxBytes) {
      const [traceId, trace] = this.#traces.entries().next().value!;
      if (traceId === newestTraceId) {
        this.#removeSpan(trace, trace.spans.keys().next().value!);
        trace.droppedSpanCount += 1;
        this.#droppedSpanCount += 1;
        if (trace.spans.size > 0) continue;
      } else {
        this.#droppedSpanCount += trace.spans.size;
        for (const spanId of trace.spans.keys()) this.#removeSpan(trace, spanId);
      }
      this.#traces.delete(traceId);
      this.#droppedTraceCount += 1;
    }
  }

  #removeSpan(trace: StoredTrace, spanId: string): void {
    this.#count(trace, trace.spans.get(spanId)!, -1);
    trace.spans.delete(spanId);
  }

  #count(trace: StoredTrace, span: Span, by: 1 | -1): void {
    const bytes = by * spanBytes(span);
    trace.summary = undefined;
    this.#bytes += bytes;
    this.#spanCount += by;
    this.#countService(serviceOf(span), by);
  }

  #countService(service: string, by: 1 | -1): void {
    const spanCount = this.#services.get(service);
    if (spanCount !== undefined) {
      this.#services.set(service, spanCount + by);
    } else if (by > 0) {
      this.#services.set(service, by);
      if (this.#services.size > MAX_SERVICES) this.#services.delete(this.#expendableService());
    }
  }

  /** Of those without spans the first; with as many services as that in use, the first of all. */
  #expendableService(): string {
    for (const [service, spanCount] of this.#services) if (spanCount <= 0) return service;
    return this.#services.keys().next().value!;
  }

  clear(): void {
    this.#traces.clear();
    for (const service of this.#services.keys()) this.#services.set(service, 0);
    this.#spanCount = 0;
    this.#bytes = 0;
    this.#droppedTraceCount = 0;
    this.#droppedSpanCount = 0;
  }

  /** The ids of a trace's spans in the order in which they arrived; undefined for a trace that is not here. */
  spanIds(traceId: string): string[] | undefined {
    const trace = this.#traces.get(traceId);
    return trace && [...trace.spans.keys()];
  }

  span(traceId: string, spanId: string): Span | undefined {
    return this.#traces.get(traceId)?.spans.get(spanId);
  }

  /** Spans of a trace that are gone because it alone was too large. */
  droppedSpanCount(traceId: string): number {
    return this.#traces.get(traceId)?.droppedSpanCount ?? 0;
  }

  services(): string[] {
    return [...this.#services.keys()];
  }

  summary(traceId: string): TraceSummary | undefined {
    const trace = this.#traces.get(traceId);
    if (trace === undefined) return undefined;
    trace.summary ??= summarise(traceId, [...trace.spans.values()], trace.droppedSpanCount);
    return trace.summary;
  }

  /** The ids of those that match, newest first. */
  find(filter: TraceFilter = {}): string[] {
    const found: { traceId: string; start: bigint }[] = [];
    for (const [traceId, trace] of this.#traces) {
      const summary = this.summary(traceId)!;
      if (filter.errors && summary.errorCount === 0) continue;
      if (filter.minDurationMs !== undefined && summary.durationMs < filter.minDurationMs) continue;
      if (!some(trace.spans.values(), (span) => matches(span, filter))) continue;
      found.push({ traceId, start: BigInt(summary.startTimeUnixNano) });
    }
    found.sort((a, b) => compare(b.start, a.start));
    return found.slice(0, filter.limit).map(({ traceId }) => traceId);
  }
}

function summarise(traceId: string, spans: readonly Span[], droppedSpanCount: number): TraceSummary {
  const timeline = arrange(spans);
  const root = timeline.roots[0]!;
  const services = new Map<string, TraceSummary['services'][number]>();
  const byStart = spans.map((span) => ({ span, start: BigInt(span.startTimeUnixNano) })).sort((a, b) => compare(a.start, b.start));
  for (const { span } of byStart) {
    const name = serviceOf(span);
    const service = services.get(name) ?? { name, spanCount: 0, errorCount: 0 };
    service.spanCount += 1;
    service.errorCount += isError(span) ? 1 : 0;
    services.set(name, service);
  }
  const moreServiceCount = services.size - MAX_SUMMARY_SERVICES;
  return {
    traceId,
    rootName: root.span.name,
    rootService: serviceOf(root.span),
    rootDetail: detailOf(root.span).slice(0, MAX_DETAIL_CHARS),
    rootArrived: !root.parentMissing,
    services: [...services.values()].slice(0, MAX_SUMMARY_SERVICES),
    ...(moreServiceCount > 0 && { moreServiceCount }),
    spanCount: spans.length,
    ...(droppedSpanCount > 0 && { droppedSpanCount }),
    errorCount: spans.filter(isError).length,
    startTimeUnixNano: timeline.startTimeUnixNano.toString(),
    durationMs: timeline.durationMs,
  };
}

function matches(span: Span, filter: TraceFilter): boolean {
  if (filter.service !== undefined && serviceOf(span) !== filter.service) return false;
  if (filter.name !== undefined && !span.name.toLowerCase().includes(filter.name.toLowerCase())) return false;
  return (filter.attributes ?? []).every(
    ({ key, value }) => holds(span.attributes, key, value) || holds(span.resource, key, value),
  );
}

function holds(attributes: Attributes, key: string, value: string | undefined): boolean {
  if (!Object.hasOwn(attributes, key)) return false;
  const held = attributes[key]!;
  return value === undefined || text(held) === value || (Array.isArray(held) && held.some((item) => text(item) === value));
}

function text(value: AttributeValue): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function some<T>(items: Iterable<T>, holdsFor: (item: T) => boolean): boolean {
  for (const item of items) if (holdsFor(item)) return true;
  return false;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
