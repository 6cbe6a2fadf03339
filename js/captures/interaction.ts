// What a user does: a span for an event whose listeners cause something, and nothing for one that causes nothing. No listener of the page's is
// touched: ours are the first and the last that the window has, and between the two the interaction is the active span.

import type { Exception, Link, Span, SpanContext, SpanStatus, TimeInput } from '../api.js';
import { startTimer, stopTimer } from '../clock.js';
import type { Capture, CaptureHost } from '../capture/capture.js';
import type { UserInteractionOptions } from '../captures.js';
import type { Attributes, AttributeValue } from '../options.js';
import type { CoreSpan } from '../span.js';
import * as names from './names.js';
import { describeTarget } from './target.js';

/** Listeners that take so long are work that a user notices. As long tasks are defined. */
const LONG_MS = 50;

/** An interaction is over after this time, whatever is still under way. */
const MAX_DURATION_MS = 10_000;

/** What the browser does because of a click after its listeners have run: submits the form, changes the field, clicks what the label is for. */
const CONSEQUENCES = ['submit', 'reset', 'input', 'change', 'click'];

/** What is handed out in the place of a context that there is none of. */
const NO_CONTEXT: SpanContext = { traceId: '0'.repeat(32), spanId: '0'.repeat(16), traceFlags: 0 };

interface Settings {
  readonly eventNames: readonly string[];
  readonly shouldPreventSpanCreation: UserInteractionOptions['shouldPreventSpanCreation'] | undefined;
}

export function installUserInteraction(host: CaptureHost, { eventNames, shouldPreventSpanCreation }: Settings): Capture {
  const { core, active } = host;
  const tracer = host.tracer('userInteraction');
  /** Those that have a span that is open. */
  const open = new Set<Interaction>();
  /** The one whose event is on its way, or was until a moment ago. */
  let latest: Interaction | undefined;

  /** What is active while an event is on its way; a span begins with the first that wants to hang below it. */
  class Interaction implements Span {
    private span: CoreSpan | undefined;
    private readonly notes: ((span: Span) => void)[] = [];
    private readonly requests = new Set<number>();
    private readonly before = active.current;
    private readonly type: string;
    /** Where its events came by. */
    private readonly path: EventTarget[] = [];
    /** Before anything can change it. */
    private readonly target: Attributes;
    private readonly startMs: number;
    /** When the last was seen of it. */
    private seenMs: number;
    private capTimer: number | undefined;
    private unlisten = () => {};
    private arrived = false;
    /** The task of the event is over. */
    private left = false;

    constructor(private event: Event) {
      this.type = event.type;
      this.target = describeTarget(event.composedPath());
      this.seenMs = core.now();
      // Of an event that the page has made, it is when it was made, not when it was sent.
      this.startMs = event.isTrusted ? event.timeStamp : this.seenMs;
    }

    /** The event is on its way: has not come to our last listener, and was not stopped before. */
    isDispatching(): boolean {
      return !this.arrived && this.event.eventPhase !== Event.NONE;
    }

    /** The browser has sent this event because of this one's. */
    causes(event: Event): boolean {
      if (!event.isTrusted || this.left) return false;
      const [target] = event.composedPath();
      if (event.type === 'click') return event.timeStamp === this.event.timeStamp;
      return this.path.includes((event as SubmitEvent).submitter ?? target);
    }

    /** Its event was stopped on its way and is over: what comes now has another reason, and only finds it in this place still. */
    private isStale(): boolean {
      return !this.left && active.current === this && !this.isDispatching();
    }

    /** From now on, until the event has reached all its listeners. */
    enter(event: Event): void {
      this.exit();
      this.event = event;
      // What a label is for is not on the way of its click, and changes because of it.
      this.path.push(...event.composedPath());
      this.arrived = false;
      const { type } = event;
      const beganMs = core.now();
      const left = () => host.guard(() => this.leave(beganMs));
      active.current = this;
      // Added now, it is the last of all listeners. Stopped on its way, the event does not come here; then the timer below is the next that is heard.
      addEventListener(type, left);
      this.unlisten = () => removeEventListener(type, left);
      startTimer(() => host.guard(() => this.settle()), 0);
    }

    private leave(beganMs: number): void {
      this.arrived = true;
      this.exit();
      const now = core.now();
      if (now - beganMs >= LONG_MS) this.begin();
      if (this.span) this.seenMs = now;
    }

    private exit(): void {
      this.unlisten();
      if (active.current === this) active.current = this.before;
    }

    /** Its task is over, and what comes now is not its doing. */
    settle(): void {
      this.left = true;
      this.exit();
      if (latest === this) latest = undefined;
      this.endIfQuiet();
    }

    private begin(): CoreSpan {
      if (this.span) return this.span;
      const span = (this.span = tracer.capture(this.type, this.before, this.startMs));
      this.seenMs = core.now();
      span.setAttributes({ [names.URL_FULL]: host.shown(location.href), [names.EVENT_TYPE]: this.type, ...this.target });
      this.notes.splice(0).forEach((note) => note(span));
      open.add(this);
      this.capTimer = startTimer(() => host.guard(() => this.finish(core.now())), MAX_DURATION_MS);
      // Somebody has handed it on, and comes back to it later.
      if (this.left) startTimer(() => host.guard(() => this.endIfQuiet()), 0);
      return span;
    }

    requestBegan(request: number): void {
      if (!open.has(this) || this.isStale()) return;
      this.requests.add(request);
      this.seenMs = core.now();
    }

    requestEnded(request: number): void {
      if (!this.requests.delete(request)) return;
      this.seenMs = core.now();
      if (this.left) this.endIfQuiet();
    }

    endIfQuiet(): void {
      if (!this.requests.size) this.finish(this.seenMs);
    }

    finish(endMs: number, unfinished = false): void {
      if (!open.delete(this)) return;
      stopTimer(this.capTimer);
      if (unfinished && this.requests.size) this.span!.setAttribute(names.UNFINISHED, true);
      this.span!.end(endMs);
    }

    /** What the page says of it is kept until there is a span, and makes none. */
    private note(run: (span: Span) => void): this {
      if (this.span) run(this.span);
      else this.notes.push(run);
      return this;
    }

    spanContext(): SpanContext {
      return this.isStale() ? ((this.before ?? active.page)?.spanContext() ?? NO_CONTEXT) : this.begin().spanContext();
    }

    setAttribute(key: string, value: AttributeValue): this {
      return this.note((span) => span.setAttribute(key, value));
    }

    setAttributes(attributes: Attributes): this {
      return this.note((span) => span.setAttributes(attributes));
    }

    addEvent(name: string, attributesOrStartTime?: Attributes | TimeInput, startTime?: TimeInput): this {
      return this.note((span) => span.addEvent(name, attributesOrStartTime, startTime));
    }

    addLink(link: Link): this {
      return this.note((span) => span.addLink(link));
    }

    addLinks(links: Link[]): this {
      return this.note((span) => span.addLinks(links));
    }

    setStatus(status: SpanStatus): this {
      return this.note((span) => span.setStatus(status));
    }

    updateName(name: string): this {
      return this.note((span) => span.updateName(name));
    }

    recordException(exception: Exception, time?: TimeInput): void {
      this.note((span) => span.recordException(exception, time));
    }

    isRecording(): boolean {
      return this.span?.isRecording() ?? true;
    }

    end(endTime?: TimeInput): void {
      this.span?.end(endTime);
    }
  }

  function began(event: Event): void {
    if (host.silent() || !core.ready()) return;
    // One that the page sends from within a listener is a part of what the listener does.
    if (latest?.isDispatching()) return;
    if (latest?.causes(event)) return latest.enter(event);
    latest?.settle();
    if (!eventNames.includes(event.type)) return;
    const interaction = new Interaction(event);
    if (shouldPreventSpanCreation) {
      let prevented: unknown;
      const [element] = event.composedPath();
      host.aside(() => (prevented = shouldPreventSpanCreation(event.type, element as Element, interaction)));
      if (prevented === true) return;
    }
    latest = interaction;
    interaction.enter(event);
  }

  for (const type of new Set([...eventNames, ...CONSEQUENCES])) host.listen(globalThis, type, began);

  // Who was told of requests before is told as before.
  const { requestBegan, requestEnded } = host;
  /** What that one gave for each, by our number for it. */
  const given = new Map<number, number | undefined>();
  let lastRequest = 0;
  host.requestBegan = () => {
    const request = ++lastRequest;
    given.set(request, requestBegan?.());
    if (active.current instanceof Interaction) active.current.requestBegan(request);
    else if (latest?.isDispatching()) latest.requestBegan(request);
    return request;
  };
  host.requestEnded = (request) => {
    requestEnded?.(given.get(request!));
    given.delete(request!);
    open.forEach((interaction) => interaction.requestEnded(request!));
  };

  return {
    settle(gone) {
      for (const interaction of open) {
        if (gone) interaction.finish(core.now(), true);
        else if (interaction !== latest) interaction.endIfQuiet();
      }
    },
    uninstall() {
      latest?.settle();
    },
  };
}
