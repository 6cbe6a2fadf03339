/** The spans of a trace as a tree beside bars on one time axis. */
import { detailOf, isError, isUnfinished, serviceOf } from '../model.js';
import type { TimedSpan, Timeline } from '../timeline.js';
import { h, icon, type Child } from './dom.js';
import { axisTicks, duration } from './format.js';
import { colourOf } from './services.js';

/** With fewer pixels between them the labels of the axis touch. */
const TICK_PX = 110;

interface VisibleRow {
  node: TimedSpan;
  parent: TimedSpan | undefined;
  level: number;
}

export class Waterfall {
  readonly element: HTMLElement;
  readonly #axis = h('div', { class: 'axis', 'aria-hidden': 'true' });
  readonly #grid = h('div', { class: 'grid', 'aria-hidden': 'true' });
  readonly #rows = h('div', { class: 'rows', role: 'tree', 'aria-label': 'Spans', tabindex: '0' });
  readonly #onChoose: (spanId: string) => void;
  readonly #folded = new Set<string>();
  #timeline: Timeline | undefined;
  #visible: VisibleRow[] = [];
  #marked: string | undefined;

  constructor(onChoose: (spanId: string) => void) {
    this.#onChoose = onChoose;
    this.element = h('div', { class: 'waterfall' }, h('div', { class: 'axis-line' }, h('span', { class: 'axis-title' }, 'Span'), this.#axis), this.#grid, this.#rows);
    new ResizeObserver(() => this.#drawAxis()).observe(this.#axis);
    this.#rows.addEventListener('click', (event) => this.#click(event));
  }

  show(timeline: Timeline): void {
    this.#timeline = timeline;
    this.#drawAxis();
    this.#drawRows();
  }

  mark(spanId: string | undefined): void {
    this.#row(this.#marked)?.removeAttribute('aria-selected');
    this.#marked = spanId;
    const row = this.#row(spanId);
    row?.setAttribute('aria-selected', 'true');
    // The focus stays with the tree: rows are made anew whenever spans arrive.
    this.#rows.setAttribute('aria-activedescendant', row?.id ?? '');
    row?.scrollIntoView({ block: 'nearest' });
  }

  /** The span one row below or above; the first or last one without a span to start from. */
  neighbour(spanId: string | undefined, by: 1 | -1): string | undefined {
    const index = this.#visible.findIndex((row) => row.node.span.spanId === spanId);
    if (index < 0) return this.#visible.at(by === 1 ? 0 : -1)?.node.span.spanId;
    return this.#visible[Math.min(this.#visible.length - 1, Math.max(0, index + by))]?.node.span.spanId;
  }

  fold(spanId: string, folded: boolean): void {
    if (folded) this.#folded.add(spanId);
    else this.#folded.delete(spanId);
    this.#drawRows();
  }

  #click(event: MouseEvent): void {
    const target = event.target as Element;
    const spanId = target.closest<HTMLElement>('[data-span-id]')?.dataset['spanId'];
    if (spanId === undefined) return;
    if (target.closest('.fold')) this.fold(spanId, !this.#folded.has(spanId));
    else this.#onChoose(spanId);
  }

  #row(spanId: string | undefined): Element | null {
    return spanId === undefined ? null : this.#rows.querySelector(`[data-span-id="${spanId}"]`);
  }

  #drawAxis(): void {
    const durationMs = this.#timeline?.durationMs ?? 0;
    const ticks = axisTicks(durationMs, Math.max(2, this.#axis.clientWidth / TICK_PX));
    const at = (ms: number) => ({ left: durationMs > 0 ? `${(ms / durationMs) * 100}%` : '0' });
    // A label that would leave the axis at its end is left out; its line stays.
    const fits = (ms: number) => (1 - ms / durationMs) * this.#axis.clientWidth > TICK_PX / 2;
    this.#axis.replaceChildren(...ticks.map((ms) => h('span', { style: at(ms) }, fits(ms) ? duration(ms) : '')));
    this.#grid.replaceChildren(...ticks.map((ms) => h('i', { style: at(ms) })));
  }

  #drawRows(): void {
    const timeline = this.#timeline;
    if (timeline === undefined) return;
    this.#visible = visibleRows(timeline, this.#folded);
    this.#rows.replaceChildren(...this.#visible.map((row) => rowElement(row, timeline, this.#folded.has(row.node.span.spanId))));
    this.mark(this.#marked);
  }
}

function visibleRows(timeline: Timeline, folded: ReadonlySet<string>): VisibleRow[] {
  const rows: VisibleRow[] = [];
  const waiting: VisibleRow[] = timeline.roots.map((node) => ({ node, parent: undefined, level: 0 })).reverse();
  for (let row = waiting.pop(); row !== undefined; row = waiting.pop()) {
    const { node, level } = row;
    rows.push(row);
    if (folded.has(node.span.spanId)) continue;
    waiting.push(...node.children.map((child) => ({ node: child, parent: node, level: level + 1 })).reverse());
  }
  return rows;
}

function rowElement({ node, parent, level }: VisibleRow, timeline: Timeline, folded: boolean): HTMLElement {
  const { span } = node;
  const service = serviceOf(span);
  const detail = detailOf(span);
  const hasChildren = node.children.length > 0;
  const changesService = parent === undefined || serviceOf(parent.span) !== service;
  return h(
    'div',
    {
      class: isError(span) ? 'row is-error' : 'row',
      role: 'treeitem',
      id: `span-${span.spanId}`,
      'aria-level': level + 1,
      'aria-expanded': hasChildren ? String(!folded) : undefined,
      'data-span-id': span.spanId,
      style: { '--service': colourOf(service), '--level': String(level) },
    },
    h(
      'div',
      { class: 'row-name' },
      h('span', { class: 'indent' }),
      hasChildren
        ? h('button', { class: 'fold', type: 'button', tabindex: '-1', title: folded ? `Show ${node.children.length} below` : 'Hide what is below' }, icon('caret'))
        : h('span', { class: 'leaf' }),
      h('span', { class: 'swatch' }),
      h('span', { class: 'name', title: span.name }, span.name || '(no name)'),
      detail !== '' && h('span', { class: 'detail', title: detail }, detail),
      changesService && h('span', { class: 'row-service' }, service),
      ...marks(node),
    ),
    h('div', { class: 'row-time' }, ...bar(node, timeline)),
  );
}

function marks(node: TimedSpan): Child[] {
  return [
    isError(node.span) && h('span', { class: 'error-mark', title: node.span.status.message || 'Error' }, icon('error')),
    node.parentMissing && h('span', { class: 'tag', title: `Its parent ${node.span.parentSpanId} has not arrived` }, 'parent missing'),
    isUnfinished(node.span) && h('span', { class: 'tag', title: 'Was still open when the page went away' }, 'unfinished'),
  ];
}

function bar(node: TimedSpan, { durationMs, startTimeUnixNano }: Timeline): Child[] {
  const percent = (ms: number) => (durationMs > 0 ? (ms / durationMs) * 100 : 0);
  const left = percent(node.startMs);
  const width = percent(node.durationMs);
  // The duration stands where there is room: behind the bar, before it, or on it.
  const place = left + width < 82 ? 'after' : left > 18 ? 'before' : 'inside';
  const classes = ['bar', `label-${place}`, isUnfinished(node.span) && 'is-unfinished'].filter(Boolean).join(' ');
  return [
    h('div', { class: classes, style: { left: `${left}%`, width: `${width}%` } }, h('span', { class: 'bar-label' }, duration(node.durationMs))),
    ...node.span.events.map((event) => {
      const eventMs = Number(BigInt(event.timeUnixNano) - startTimeUnixNano) / 1e6 + node.clockShiftMs;
      const at = Math.min(100, Math.max(0, percent(eventMs)));
      const title = `${event.name} at ${duration(Math.max(0, eventMs))}`;
      return h('i', { class: event.name === 'exception' ? 'event is-exception' : 'event', title, style: { left: `${at}%` } });
    }),
  ];
}
