/** Everything that is known about one span. */
import { isError, isUnfinished, serviceOf, type Attributes, type Span, type SpanEvent, type SpanLink } from '../model.js';
import type { TimedSpan, Timeline } from '../timeline.js';
import { h, icon, type Child } from './dom.js';
import { attributeText, count, date, duration, timeOfDay } from './format.js';
import { listPath, tracePath } from './route.js';
import { serviceChip } from './services.js';

/** How long "copied" is shown. */
const COPIED_MS = 1200;

export function details(node: TimedSpan, timeline: Timeline, close: () => void): HTMLElement {
  const { span } = node;
  return h(
    'div',
    { class: 'details-content' },
    h(
      'div',
      { class: 'details-heading' },
      h('h2', {}, span.name || '(no name)'),
      h('button', { class: 'quiet close', type: 'button', title: 'Close (Esc)', 'aria-label': 'Close', on: { click: close } }, icon('close')),
    ),
    h(
      'div',
      { class: 'details-kind' },
      serviceChip(serviceOf(span)),
      span.kind !== 'UNSPECIFIED' && h('span', { class: 'tag' }, span.kind.toLowerCase()),
      span.status.code !== 'UNSET' && h('span', { class: `tag status-${span.status.code.toLowerCase()}` }, span.status.code.toLowerCase()),
    ),
    ...notes(node),
    h(
      'dl',
      { class: 'times' },
      ...time('Start', `+${duration(node.startMs)}`, `${date(span.startTimeUnixNano)} ${timeOfDay(span.startTimeUnixNano)}`),
      ...time('Duration', duration(node.durationMs)),
      ...time('Self time', duration(selfTimeMs(node)), 'Not covered by the spans below it'),
    ),
    section(count(Object.keys(span.attributes).length, 'attribute'), table(span.attributes, true), dropped(span.droppedAttributesCount)),
    span.events.length + span.droppedEventsCount > 0 &&
      section(count(span.events.length, 'event'), ...span.events.map((event) => eventBlock(event, node, timeline)), dropped(span.droppedEventsCount)),
    span.links.length + span.droppedLinksCount > 0 &&
      section(count(span.links.length, 'link'), ...span.links.map(linkBlock), dropped(span.droppedLinksCount)),
    section('Resource', table(span.resource, true)),
    section('Identity', identity(span)),
  );
}

function notes(node: TimedSpan): Child[] {
  const { span, clockShiftMs } = node;
  return [
    isError(span) && span.status.message !== '' && h('p', { class: 'note is-error' }, span.status.message),
    isUnfinished(span) && h('p', { class: 'note' }, 'Unfinished: it was still open when the page went away. Its end is when that happened.'),
    node.parentMissing && h('p', { class: 'note' }, `Its parent ${span.parentSpanId} has not arrived.`),
    clockShiftMs !== 0 &&
      h('p', { class: 'note' }, `Shown ${duration(Math.abs(clockShiftMs))} ${clockShiftMs > 0 ? 'later' : 'earlier'} than it says: its clock and that of its parent disagree.`),
  ];
}

function time(label: string, value: string, title?: string): HTMLElement[] {
  return [h('dt', {}, label), h('dd', { title }, value)];
}

/** The span's duration less the times when at least one child was running. */
function selfTimeMs(node: TimedSpan): number {
  const endMs = node.startMs + node.durationMs;
  let coveredMs = 0;
  let coveredUntilMs = node.startMs;
  for (const child of node.children) {
    const from = Math.max(coveredUntilMs, child.startMs);
    const to = Math.min(endMs, child.startMs + child.durationMs);
    if (to <= from) continue;
    coveredMs += to - from;
    coveredUntilMs = to;
  }
  return node.durationMs - coveredMs;
}

function section(title: string, ...content: Child[]): HTMLElement {
  return h('details', { class: 'section', open: true }, h('summary', {}, icon('caret'), title), ...content);
}

function dropped(droppedCount: number): Child {
  return droppedCount > 0 && h('p', { class: 'note' }, `${droppedCount} more were dropped by the sender's limits or the viewer's.`);
}

/** `findable`: each value leads to the traces that have it, which the server can only tell of spans and resources. */
function table(attributes: Attributes, findable: boolean): HTMLElement {
  const entries = Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1));
  return h(
    'dl',
    { class: 'attributes' },
    ...entries.flatMap(([key, value]) => {
      const text = attributeText(value);
      const find = h(
        'a',
        { class: 'find', href: listPath(new URLSearchParams({ attribute: `${key}=${text}` })), title: 'Traces with this value', 'aria-label': `Traces with this ${key}` },
        icon('search'),
      );
      return [h('dt', {}, key), h('dd', { class: typeof value }, h('span', {}, text), findable && find)];
    }),
  );
}

function eventBlock(event: SpanEvent, node: TimedSpan, timeline: Timeline): HTMLElement {
  const fromStartMs = Number(BigInt(event.timeUnixNano) - timeline.startTimeUnixNano) / 1e6 + node.clockShiftMs;
  const heading = h('div', { class: 'event-heading' }, h('b', {}, event.name), h('span', { class: 'number' }, `+${duration(Math.max(0, fromStartMs))}`));
  if (event.name !== 'exception') return h('div', { class: 'event-block' }, heading, table(event.attributes, false));
  const { 'exception.type': type, 'exception.message': message, 'exception.stacktrace': stack, ...others } = event.attributes;
  return h(
    'div',
    { class: 'event-block is-exception' },
    heading,
    h('p', { class: 'exception' }, type !== undefined && h('b', {}, attributeText(type)), message !== undefined && h('span', {}, attributeText(message))),
    stack !== undefined && h('pre', {}, attributeText(stack)),
    Object.keys(others).length > 0 && table(others, false),
  );
}

function linkBlock(link: SpanLink): HTMLElement {
  return h(
    'div',
    { class: 'event-block' },
    h('a', { class: 'mono', href: tracePath(link.traceId, link.spanId) }, `${link.traceId.slice(0, 8)}… / ${link.spanId}`),
    Object.keys(link.attributes).length > 0 && table(link.attributes, false),
  );
}

function identity(span: Span): HTMLElement {
  const scope = [span.scope.name, span.scope.version].filter(Boolean).join(' ');
  const line = (label: string, value: string): Child[] =>
    value === '' ? [] : [h('dt', {}, label), h('dd', {}, h('span', {}, value), copyButton(label, value, false))];
  return h(
    'dl',
    { class: 'attributes' },
    ...line('trace id', span.traceId),
    ...line('span id', span.spanId),
    ...line('parent span id', span.parentSpanId),
    ...line('trace state', span.traceState),
    ...(scope === '' ? [] : [h('dt', {}, 'scope'), h('dd', {}, scope)]),
    h('dt', {}, 'flags'),
    h('dd', {}, `0x${span.flags.toString(16).padStart(2, '0')}`),
  );
}

export function copyButton(label: string, value: string, withText = true): HTMLElement {
  const button = h('button', { class: 'quiet copy', type: 'button', title: `Copy ${label}`, 'aria-label': `Copy ${label}` });
  const show = (name: 'copy' | 'done') => button.replaceChildren(icon(name), ...(withText ? [h('span', { class: 'mono' }, `${value.slice(0, 8)}…`)] : []));
  show('copy');
  button.addEventListener('click', () => {
    void copy(value).then(() => {
      show('done');
      setTimeout(() => show('copy'), COPIED_MS);
    });
  });
  return button;
}

async function copy(text: string): Promise<void> {
  // Pages that did not come from this machine or by https have no clipboard.
  if (navigator.clipboard !== undefined) await navigator.clipboard.writeText(text);
  else prompt('Copy with Ctrl-C', text);
}
