// A span: the handle of a span in the core, and its identity as seven small integers, so that the context outlives the span.

import type { Exception, Link, Span, SpanContext, SpanStatus, TimeInput, TraceState } from './api.js';
import { BOOL, type Core, GLOBALS, LIST, NUMBER, STAGED, TEXT } from './core.js';
import type { Attributes, AttributeValue } from './options.js';
import { describeThrown, textOf } from './thrown.js';

/** The words of a context and its flags, as the core takes and gives them. */
export class CoreSpan implements Span {
  private context: SpanContext | undefined;
  private readonly a: number;
  private readonly b: number;
  private readonly c: number;
  private readonly d: number;
  private readonly e: number;
  private readonly f: number;
  private readonly g: number;
  readonly flags: number;

  /**
   * The span whose context stands in the core's words.
   *
   * @param handle -1 when it is not recorded, or has ended.
   * @param remote It is a span of another process.
   * @param traceState In canonical form.
   */
  constructor(
    private readonly core: Core,
    public handle: number,
    private readonly remote: boolean,
    readonly traceState: string | undefined,
  ) {
    core.refresh();
    const words = core.words;
    this.a = words[0];
    this.b = words[1];
    this.c = words[2];
    this.d = words[3];
    this.e = words[4];
    this.f = words[5];
    this.g = words[6];
    this.flags = words[7];
  }

  /** Not so while the core is not there. */
  isValid(): boolean {
    return !!(this.e | this.f | this.g);
  }

  traceparent(): string {
    this.tell();
    return this.core.read(this.core.x.write_traceparent());
  }

  /** Puts the context into the core's words, where the constructor has found it. */
  tell(): void {
    const { core } = this;
    core.refresh();
    const words = core.words;
    words[0] = this.a;
    words[1] = this.b;
    words[2] = this.c;
    words[3] = this.d;
    words[4] = this.e;
    words[5] = this.f;
    words[6] = this.g;
    words[7] = this.flags;
    words[8] = +this.remote;
  }

  spanContext(): SpanContext {
    if (!this.context) {
      const seam = hex(this.e, 7);
      this.context = {
        traceId: hex(this.a, 7) + hex(this.b, 7) + hex(this.c, 7) + hex(this.d, 7) + seam.slice(0, 4),
        spanId: seam.slice(4) + hex(this.f, 7) + hex(this.g, 6),
        traceFlags: this.flags,
        isRemote: this.remote,
      };
      if (this.traceState) this.context.traceState = readTraceState(this.traceState);
    }
    return this.context;
  }

  setAttribute(key: string, value: AttributeValue): this {
    return this.recorded(setAttribute, key, value);
  }

  setAttributes(attributes: Attributes): this {
    return this.recorded(setAttributes, attributes);
  }

  addEvent(name: string, attributesOrStartTime?: Attributes | TimeInput, startTime?: TimeInput): this {
    return this.recorded(addEvent, name, attributesOrStartTime, startTime);
  }

  addLink(link: Link): this {
    return this.recorded((core, handle) => {
      const target = fromContext(core, link.context);
      const attributes = entries(core, link.attributes);
      if (target) {
        stage(core, 1, attributes);
        const stateBytes = core.text(target.traceState ?? '', 0);
        target.tell();
        core.x.add_link(handle, stateBytes);
      }
    });
  }

  addLinks(links: Link[]): this {
    return this.recorded(() => links.forEach((link) => this.addLink(link)));
  }

  setStatus(status: SpanStatus): this {
    return this.recorded(setStatus, status);
  }

  updateName(name: string): this {
    return this.recorded((core, handle) => core.x.rename_span(handle, core.text(String(name), 0)));
  }

  recordException(exception: Exception, time?: TimeInput): void {
    this.recorded((core, handle) => {
      const at = millis(core, time);
      const { type, message, stack } = describeThrown(exception);
      const typeBytes = core.text(type, 0);
      const messageBytes = core.text(message, typeBytes);
      core.x.record_exception(handle, typeBytes, messageBytes, core.text(stack, typeBytes + messageBytes), at);
    });
  }

  /**
   * Does something to the span in the core, unless it has ended; what the page's values throw on the way stays here. What is done often
   * takes its arguments from here: a function that holds them would be made anew, and thrown away, each time, and so would a list of them.
   */
  private recorded<A, B, C>(run: (core: Core, handle: number, a: A, b: B, c: C) => void, a?: A, b?: B, c?: C): this {
    if (this.handle >= 0) {
      try {
        run(this.core, this.handle, a as A, b as B, c as C);
      } catch (error) {
        this.core.caught(error);
      }
    }
    return this;
  }

  isRecording(): boolean {
    return this.handle >= 0;
  }

  end(endTime?: TimeInput): void {
    const { core, handle } = this;
    if (handle >= 0) {
      this.handle = -1;
      try {
        const now = core.now();
        const endMs = endTime === undefined ? now : millis(core, endTime);
        core.processors?.end(this, handle, endMs);
        if (core.x.end_span(handle, endMs, now)) core.pump();
      } catch (error) {
        core.caught(error);
      }
    }
  }
}

function addEvent(core: Core, handle: number, name: string, attributesOrStartTime?: Attributes | TimeInput, startTime?: TimeInput): void {
  const isTime = isTimeInput(attributesOrStartTime);
  const at = millis(core, isTime ? attributesOrStartTime : startTime);
  const text = String(name);
  stage(core, 0, entries(core, isTime ? undefined : attributesOrStartTime));
  core.x.add_event(handle, core.name(text), at);
}

function setStatus(core: Core, handle: number, status: SpanStatus): void {
  const code = Number(status.code);
  core.x.set_status(handle, code, core.text(String(status.message ?? ''), 0));
}

/** Milliseconds in either of the two ways that the core takes: since 1970, or since the time origin. What is no time is now. Never throws. */
export function millis(core: Core, time: TimeInput | undefined): number {
  let ms: unknown;
  try {
    // A Date by its method, as one of another frame has another class.
    ms = Array.isArray(time) ? time[0] * 1e3 + time[1] / 1e6 : ((time as Date | undefined)?.getTime?.() ?? time);
  } catch (error) {
    core.caught(error);
  }
  return typeof ms === 'number' && ms >= 0 && ms < Infinity ? ms : core.now();
}

function isTimeInput(value: unknown): value is TimeInput {
  return typeof value === 'number' || typeof (value as Date | undefined)?.getTime === 'function' || (Array.isArray(value) && typeof value[0] === 'number');
}

type Value = AttributeValue | undefined;
type Entries = [string, Value][];

/** Attributes of the next event (0) or link (1). */
function stage(core: Core, kind: number, entries: Entries): void {
  core.x.stage_attributes(kind);
  for (const [key, value] of entries) setAttribute(core, STAGED, key, value);
}

/** Attributes of a span or of the resource, one by one: of these nothing is half-done in the core while the page's getters run. */
export const setAttributes = (core: Core, handle: number, attributes: Attributes): void => each(core, handle, attributes, setAttribute);

/** What the page gives, read before anything is told to the core: reading may run the page's code, which may start spans of its own. */
export function entries(core: Core, attributes: Attributes | undefined): Entries {
  const read: Entries = [];
  each(core, read, attributes, copy);
  return read;
}

const copy = (_: Core, to: Entries, key: string, value: Value): unknown => to.push([key, Array.isArray(value) ? ([...value] as AttributeValue) : value]);

/** One that cannot be read keeps the others from nothing. A text or a list has names too, but they are none of attributes. */
function each<T>(core: Core, to: T, attributes: Attributes | undefined, run: (core: Core, to: T, key: string, value: Value) => void): void {
  if (!attributes || typeof attributes !== 'object' || Array.isArray(attributes)) return;
  for (const key of Object.keys(attributes)) {
    try {
      run(core, to, key, attributes[key]);
    } catch (error) {
      core.caught(error);
    }
  }
}

/** Values of other types than OpenTelemetry knows are ignored, as in its SDKs. */
function setAttribute(core: Core, handle: number, key: string, value: AttributeValue | undefined): void {
  const { x } = core;
  // Whatever the page gives as one.
  if (typeof key !== 'string') key = `${key}`;
  if (typeof value === 'string') {
    const keyBytes = core.name(key);
    x.set_attribute(handle, keyBytes, TEXT, core.text(value, Math.max(keyBytes, 0)));
  } else if (typeof value === 'number') x.set_attribute(handle, core.name(key), NUMBER, value);
  else if (typeof value === 'boolean') x.set_attribute(handle, core.name(key), BOOL, +value);
  else if (Array.isArray(value)) {
    pushList(core, [...value]);
    x.set_attribute(handle, core.name(key), LIST, 0);
  } else if (value == null && handle === GLOBALS) x.unset_global(core.name(key));
}

export function pushList(core: Core, list: readonly unknown[]): void {
  const { x } = core;
  for (const element of list) {
    if (typeof element === 'string') x.push_element(TEXT, core.text(element, 0));
    else if (typeof element === 'number') x.push_element(NUMBER, element);
    else if (typeof element === 'boolean') x.push_element(BOOL, +element);
    // A hole.
    else x.push_element(LIST, 0);
  }
}

/** A span that stands for a context from somewhere else; nothing when the context is not valid. */
function fromContext(core: Core, context: SpanContext): CoreSpan | undefined {
  const { traceId, spanId, traceFlags, isRemote, traceState } = context;
  // Written by hand or by another SDK, the ids may be in upper case.
  const traceparent = `00-${traceId}-${spanId}-${hex(traceFlags & 255, 2)}`.toLowerCase();
  return fromHeaders(core, traceparent, `${traceState?.serialize() ?? ''}`, !!isRemote);
}

/** The same, of what W3C Trace Context says of it. Of a `tracestate` that is not valid, whoever wrote it, nothing is kept. */
export function fromHeaders(core: Core, traceparent: string, tracestate: string, isRemote: boolean): CoreSpan | undefined {
  const stateBytes = core.x.read_tracestate(core.text(tracestate, 0));
  const state = stateBytes > 0 ? core.read(stateBytes) : undefined;
  return core.x.read_traceparent(core.text(traceparent, 0)) > 0 ? new CoreSpan(core, -1, isRemote, state) : undefined;
}

/** A span of any implementation as one that the core can take as parent. Never throws: what is no span is none. */
export function coreSpan(core: Core, span: Span): CoreSpan | undefined {
  try {
    return span instanceof CoreSpan ? span : fromContext(core, span.spanContext());
  } catch (error) {
    core.caught(error);
    return undefined;
  }
}

/** A span that is not recorded and has no context. */
export function invalidSpan(core: Core): CoreSpan {
  core.refresh();
  core.words.fill(0);
  return new CoreSpan(core, -1, false, undefined);
}

function readTraceState(text: string): TraceState {
  const members = new Map(text.split(',').map((member) => member.split(/=(.*)/s, 2) as [string, string]));
  const serialize = (map: Map<string, string>) => [...map].map((member) => member.map(textOf).join('=')).join(',');
  const without = (key: string) => [...members].filter(([known]) => known !== key);
  return {
    get: (key) => members.get(key),
    // A member that was changed goes to the front.
    set: (key, value) => readTraceState(serialize(new Map([[key, value], ...without(key)]))),
    unset: (key) => readTraceState(serialize(new Map(without(key)))),
    serialize: () => serialize(members),
  };
}

const hex = (word: number, digits: number) => word.toString(16).padStart(digits, '0');
