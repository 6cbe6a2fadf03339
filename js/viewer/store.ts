/** The traces that are in memory, and the questions that the API asks about them. */
import { detailOf, isError, serviceOf, type Attributes, type AttributeValue, type Span, type Trace, type TraceSummary } from './model.js';
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

interface StoredTrace {
  /** By span id: a batch that is sent again after a lost answer must not double its spans. */
  spans: Map<string, Span>;
  /** Undefined until asked for, and again after each new span. */
  summary: TraceSummary | undefined;
}

export class TraceStore {
  /** The trace that was longest without news is first. */
  readonly #traces = new Map<string, StoredTrace>();
  /** In the order in which they came up, so that the colour of a service stays. */
  readonly #services = new Set<string>();
  readonly #maxSpans: number;
  #spanCount = 0;

  constructor(maxSpans: number) {
    this.#maxSpans = maxSpans;
  }

  get spanCount(): number {
    return this.#spanCount;
  }

  /** @returns the ids of the traces that changed and are still there. */
  add(spans: readonly Span[]): string[] {
    const changed = new Set<string>();
    for (const span of spans) {
      const trace = this.#traces.get(span.traceId) ?? { spans: new Map<string, Span>(), summary: undefined };
      this.#spanCount += trace.spans.has(span.spanId) ? 0 : 1;
      trace.spans.set(span.spanId, span);
      trace.summary = undefined;
      this.#traces.delete(span.traceId);
      this.#traces.set(span.traceId, trace);
      this.#services.add(serviceOf(span));
      changed.add(span.traceId);
      this.#makeRoom(span.traceId);
    }
    return [...changed].filter((traceId) => this.#traces.has(traceId));
  }

  /** Drops whole traces, the stalest first; of a trace that alone is too large, its oldest spans. */
  #makeRoom(newestTraceId: string): void {
    while (this.#spanCount > this.#maxSpans) {
      const [traceId, trace] = this.#traces.entries().next().value!;
      if (traceId === newestTraceId) {
        trace.spans.delete(trace.spans.keys().next().value!);
        this.#spanCount -= 1;
      } else {
        this.#traces.delete(traceId);
        this.#spanCount -= trace.spans.size;
      }
    }
  }

  clear(): void {
    this.#traces.clear();
    this.#spanCount = 0;
  }

  trace(traceId: string): Trace | undefined {
    const trace = this.#traces.get(traceId);
    return trace && { traceId, spans: [...trace.spans.values()] };
  }

  services(): string[] {
    return [...this.#services];
  }

  summary(traceId: string): TraceSummary | undefined {
    const trace = this.#traces.get(traceId);
    if (trace === undefined) return undefined;
    trace.summary ??= summarise(traceId, [...trace.spans.values()]);
    return trace.summary;
  }

  /** Newest first. */
  summaries(filter: TraceFilter = {}): TraceSummary[] {
    const found: TraceSummary[] = [];
    for (const [traceId, trace] of this.#traces) {
      const summary = this.summary(traceId)!;
      if (filter.errors && summary.errorCount === 0) continue;
      if (filter.minDurationMs !== undefined && summary.durationMs < filter.minDurationMs) continue;
      if (!some(trace.spans.values(), (span) => matches(span, filter))) continue;
      found.push(summary);
    }
    found.sort((a, b) => compare(BigInt(b.startTimeUnixNano), BigInt(a.startTimeUnixNano)));
    return found.slice(0, filter.limit);
  }
}

function summarise(traceId: string, spans: readonly Span[]): TraceSummary {
  const timeline = arrange(spans);
  const root = timeline.roots[0]!;
  const services = new Map<string, TraceSummary['services'][number]>();
  for (const span of [...spans].sort((a, b) => compare(BigInt(a.startTimeUnixNano), BigInt(b.startTimeUnixNano)))) {
    const name = serviceOf(span);
    const service = services.get(name) ?? { name, spanCount: 0, errorCount: 0 };
    service.spanCount += 1;
    service.errorCount += isError(span) ? 1 : 0;
    services.set(name, service);
  }
  return {
    traceId,
    rootName: root.span.name,
    rootService: serviceOf(root.span),
    rootDetail: detailOf(root.span),
    rootArrived: !root.parentMissing,
    services: [...services.values()],
    spanCount: spans.length,
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
