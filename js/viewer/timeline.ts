/** Spans of one trace -> a forest on one time axis. Pure; the server uses it for summaries, the page for the waterfall. */
import { isUnfinished, type Span } from './model.js';

export interface TimedSpan {
  span: Span;
  /** From the start of the trace, after the correction of the clock. */
  startMs: number;
  durationMs: number;
  /** What was added to the sender's times, because its clock and that of its parent cannot both be right. */
  clockShiftMs: number;
  /** The span names a parent that is not here. */
  parentMissing: boolean;
  /** By start. */
  children: TimedSpan[];
}

export interface Timeline {
  /** True roots first, then the spans whose parent is missing; each by start. */
  roots: TimedSpan[];
  startTimeUnixNano: bigint;
  durationMs: number;
}

const NANOS_PER_MS = 1e6;

export function arrange(spans: readonly Span[]): Timeline {
  const originNanos = earliestStart(spans);
  const bySpanId = new Map<string, TimedSpan>();
  for (const span of spans) bySpanId.set(span.spanId, timed(span, originNanos));

  const roots: TimedSpan[] = [];
  for (const node of bySpanId.values()) {
    const parent = bySpanId.get(node.span.parentSpanId);
    node.parentMissing = node.span.parentSpanId !== '' && parent === undefined;
    if (parent === undefined) roots.push(node);
    else parent.children.push(node);
  }
  for (const cut of cutLoops(bySpanId, roots)) roots.push(cut);

  for (const node of preorder(roots)) {
    for (const child of node.children) correctClock(child, node);
  }
  const nodes = [...bySpanId.values()];
  const startMs = nodes.reduce((least, node) => Math.min(least, node.startMs), Infinity);
  const endMs = nodes.reduce((most, node) => Math.max(most, node.startMs + node.durationMs), -Infinity);
  for (const node of nodes) {
    node.startMs -= startMs;
    node.children.sort(byStart);
    // Only now is known how long "until now" is.
    if (node.span.endTimeUnixNano === '0') node.durationMs = endMs - startMs - node.startMs;
  }
  roots.sort((a, b) => Number(a.parentMissing) - Number(b.parentMissing) || byStart(a, b));
  return {
    roots,
    startTimeUnixNano: originNanos + BigInt(Math.round((nodes.length > 0 ? startMs : 0) * NANOS_PER_MS)),
    durationMs: nodes.length > 0 ? endMs - startMs : 0,
  };
}

/** Parents before children, siblings in order. A loop instead of recursion: a chain of ten thousand spans is no reason to fail. */
export function* preorder(roots: readonly TimedSpan[]): Generator<TimedSpan> {
  const waiting = [...roots].reverse();
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    yield node;
    for (let index = node.children.length - 1; index >= 0; index--) waiting.push(node.children[index]!);
  }
}

function earliestStart(spans: readonly Span[]): bigint {
  let earliest: bigint | undefined;
  for (const span of spans) {
    const start = BigInt(span.startTimeUnixNano);
    if (earliest === undefined || start < earliest) earliest = start;
  }
  return earliest ?? 0n;
}

function timed(span: Span, originNanos: bigint): TimedSpan {
  const startNanos = BigInt(span.startTimeUnixNano);
  const durationMs = Number(BigInt(span.endTimeUnixNano) - startNanos) / NANOS_PER_MS;
  return {
    span,
    startMs: Number(startNanos - originNanos) / NANOS_PER_MS,
    // An end before the start happens when a clock is set back in between.
    durationMs: Math.max(0, durationMs),
    clockShiftMs: 0,
    parentMissing: false,
    children: [],
  };
}

/** Spans that are each other's ancestors hang on no root. Each such loop is cut where it was met first. */
function cutLoops(bySpanId: ReadonlyMap<string, TimedSpan>, roots: readonly TimedSpan[]): TimedSpan[] {
  const reached = new Set(preorder(roots));
  const cut: TimedSpan[] = [];
  for (const start of bySpanId.values()) {
    if (reached.has(start)) continue;
    // Walk up until a span comes twice: that one is in the loop, `start` may only hang below it.
    const seen = new Set<TimedSpan>();
    let node = start;
    while (!seen.has(node)) {
      seen.add(node);
      node = bySpanId.get(node.span.parentSpanId)!;
    }
    const parent = bySpanId.get(node.span.parentSpanId)!;
    parent.children.splice(parent.children.indexOf(node), 1);
    node.parentMissing = true;
    cut.push(node);
    for (const below of preorder([node])) reached.add(below);
  }
  return cut;
}

/**
 * Processes on different machines do not agree on the time, and a trace in which the server answers before it was
 * asked is hard to read. Where that is the case, the child's process is moved to the middle of the parent, as if the
 * way there and back took equally long. Spans of one process keep their distances.
 */
function correctClock(child: TimedSpan, parent: TimedSpan): void {
  if (clockOf(child.span) === clockOf(parent.span)) {
    child.clockShiftMs = parent.clockShiftMs;
  } else {
    const tooEarly = child.startMs < parent.startMs;
    // Work that was only ordered (a queue, a timer) may well begin after its parent has ended; an answer may not.
    const tooLate = child.span.kind === 'SERVER' && !isUnfinished(parent.span) && child.startMs > parent.startMs + parent.durationMs;
    if (tooEarly || tooLate) {
      const slackMs = Math.max(0, parent.durationMs - child.durationMs);
      child.clockShiftMs = parent.startMs + slackMs / 2 - child.startMs;
    }
  }
  child.startMs += child.clockShiftMs;
}

function clockOf(span: Span): string {
  const { resource } = span;
  return JSON.stringify([resource['service.name'], resource['service.instance.id'], resource['host.name'], resource['telemetry.sdk.language']]);
}

function byStart(a: TimedSpan, b: TimedSpan): number {
  return a.startMs - b.startMs;
}
