// Span processors of the page: what sees each span as it starts, and once more before it ends, to change it or to leave it out.

import type { FinishedSpan, Span, SpanContext, SpanProcessor } from './api.js';
import { UNFINISHED } from './capture/facts.js';
import type { Core } from './core.js';
import type { AttributeValue, Attributes } from './options.js';
import { readSpans, type AnyValue, type KeyValue, type SpanMessage } from './otlp.js';
import { type CoreSpan, setAttributes } from './span.js';

/** As many as the core keeps open (`MAX_OPEN` in open.rs). */
const MAX_OPEN = 1024;

export class SpanProcessors {
  /** Those that started and have not ended, eldest first. */
  private readonly open = new Set<CoreSpan>();

  /** @param aside Runs what the page gave us; what it throws is told, and what it fetches is not traced. */
  constructor(
    private readonly core: Core,
    private readonly processors: readonly SpanProcessor[],
    private readonly aside: (run: () => void) => void,
  ) {}

  start(span: CoreSpan, parent: Span | undefined): void {
    if (span.handle < 0) return;
    this.open.add(span);
    if (this.open.size > MAX_OPEN) this.open.delete(this.open.values().next().value!);
    for (const processor of this.processors) this.aside(() => processor.onStart?.(span, parent?.spanContext()));
  }

  end(span: CoreSpan, handle: number, endMs: number): void {
    if (handle < 0) return;
    this.open.delete(span);
    const ending = new EndingSpan(this.core, span, handle, endMs);
    for (const processor of this.processors) this.aside(() => processor.onEnd?.(ending));
    ending.close();
  }

  /** The page goes for good: what is open ends here, and is seen like all others. */
  abandon(): void {
    for (const span of this.open) {
      this.core.fact(span.handle, UNFINISHED, true);
      span.end();
    }
  }
}

/** A span that is about to end. It is read from the core's bytes when somebody looks at it, and never if nobody does. */
class EndingSpan implements FinishedSpan {
  private known: SpanMessage | undefined;

  constructor(
    private readonly core: Core,
    private readonly span: CoreSpan,
    private handle: number,
    private readonly endMs: number,
  ) {}

  private get message(): SpanMessage {
    const { core } = this;
    let { known } = this;
    if (!known) {
      this.change(() => {
        core.x.peek_span(this.handle, this.endMs);
        core.refresh();
        [known] = readSpans(core.body());
      });
    }
    return (this.known = known ?? ({} as SpanMessage));
  }

  get name(): string {
    return this.message.name;
  }
  get kind(): number {
    // On the wire, zero is "not told".
    return this.message.kind - 1;
  }
  get parentSpanId(): string | undefined {
    return this.message.parentSpanId;
  }
  get startTimeUnixNano(): string {
    return this.message.startTimeUnixNano;
  }
  get endTimeUnixNano(): string {
    return this.message.endTimeUnixNano;
  }
  get attributes(): Record<string, AttributeValue> {
    return record(this.message.attributes);
  }
  get events(): { name: string; timeUnixNano: string; attributes: Record<string, AttributeValue> }[] {
    return (this.message.events ?? []).map(({ name, timeUnixNano, attributes }) => ({ name, timeUnixNano, attributes: record(attributes) }));
  }
  get status(): { code: number; message?: string } {
    const { code = 0, message } = this.message.status ?? {};
    return { code, message };
  }

  spanContext(): SpanContext {
    return this.span.spanContext();
  }

  setAttributes(attributes: Attributes): void {
    this.change(() => setAttributes(this.core, this.handle, attributes));
  }

  updateName(name: string): void {
    this.change(() => this.core.x.rename_span(this.handle, this.core.text(String(name), 0)));
  }

  drop(): void {
    this.change(() => this.core.x.filter_span(this.handle));
    this.close();
  }

  /** A core that fails in here is not the fault of the page's processor, which is told nothing of it. */
  private change(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.core.caught(error);
    }
    this.known = undefined;
  }

  /** From now on nothing changes it. What was not read is not known any more. */
  close(): void {
    this.known ??= {} as SpanMessage;
    this.handle = -1;
  }
}

const record = (attributes: KeyValue[] = []): Record<string, AttributeValue> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, valueOf(value)!]));

/** The value that JavaScript has for one of OTLP. */
function valueOf(value: AnyValue = {}): AttributeValue | undefined {
  const { stringValue, boolValue, intValue, doubleValue, arrayValue } = value;
  if (arrayValue) return (arrayValue.values ?? []).map(valueOf) as AttributeValue;
  const number = intValue ?? doubleValue;
  return number === undefined ? (stringValue ?? boolValue) : Number(number);
}
