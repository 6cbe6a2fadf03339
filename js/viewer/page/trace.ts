/** One trace: heading, waterfall and the details of the span that is selected. */
import { detailOf, isError, serviceOf, type Trace, type TraceSummary } from '../model.js';
import { arrange, preorder, type TimedSpan, type Timeline } from '../timeline.js';
import { fetchTrace } from './api.js';
import { copyButton, details } from './details.js';
import { h, icon } from './dom.js';
import { count, date, duration, timeOfDay } from './format.js';
import type { View } from './main.js';
import { replaceRoute, tracePath } from './route.js';
import { knownServices, refreshServices, serviceChip } from './services.js';
import { Waterfall } from './waterfall.js';

export class TraceView implements View {
  readonly element = h('div', { class: 'trace-view' });
  readonly traceId: string;
  readonly #leave: () => void;
  readonly #heading = h('div', { class: 'trace-heading' });
  readonly #side = h('aside', { class: 'details', 'aria-label': 'Span' });
  readonly #waterfall = new Waterfall((spanId) => this.#choose(spanId));
  #timeline: Timeline | undefined;
  #selected: string | undefined;

  constructor(traceId: string, spanId: string | undefined, leave: () => void) {
    this.traceId = traceId;
    this.#selected = spanId;
    this.#leave = leave;
    void this.#load();
  }

  select(spanId: string | undefined): void {
    this.#selected = spanId;
    this.#showSelected();
  }

  onChange(changed?: TraceSummary): void {
    if (changed === undefined || changed.traceId === this.traceId) void this.#load();
  }

  onKey(event: KeyboardEvent): boolean {
    const target = event.target instanceof Element ? event.target : document.body;
    // There arrows scroll, and Enter presses what has the focus.
    if (event.key !== 'Escape' && (target.closest('.details') || (event.key === 'Enter' && target.closest('a, button')))) return false;
    switch (event.key) {
      case 'j':
      case 'ArrowDown':
        this.#choose(this.#waterfall.neighbour(this.#selected, 1));
        return true;
      case 'k':
      case 'ArrowUp':
        this.#choose(this.#waterfall.neighbour(this.#selected, -1));
        return true;
      case 'ArrowLeft':
      case 'ArrowRight':
        if (this.#selected) this.#waterfall.fold(this.#selected, event.key === 'ArrowLeft');
        return true;
      case 'Enter':
        if (this.#selected === undefined) this.#choose(this.#waterfall.neighbour(undefined, 1));
        else this.#side.querySelector<HTMLElement>('.close')?.focus();
        return true;
      case 'Escape':
        if (this.#selected === undefined) this.#leave();
        else this.#choose(undefined);
        return true;
      default:
        return false;
    }
  }

  #choose(spanId: string | undefined): void {
    replaceRoute(tracePath(this.traceId, spanId));
    this.select(spanId);
  }

  async #load(): Promise<void> {
    let trace: Trace | undefined;
    try {
      trace = await fetchTrace(this.traceId);
      if (trace?.spans.some((span) => !knownServices().includes(serviceOf(span)))) await refreshServices();
    } catch {
      return; // The viewer has stopped, which the frame tells; `onChange` comes when it is back.
    }
    if (trace === undefined) {
      this.#timeline = undefined;
      this.element.replaceChildren(this.#missing());
      return;
    }
    this.#timeline = arrange(trace.spans);
    this.#heading.replaceChildren(...this.#describe(trace, this.#timeline));
    this.#waterfall.show(this.#timeline);
    if (!this.#heading.isConnected) this.element.replaceChildren(this.#heading, h('div', { class: 'trace-body' }, this.#waterfall.element, this.#side));
    this.#showSelected();
  }

  #describe(trace: Trace, timeline: Timeline): HTMLElement[] {
    const root = timeline.roots[0]!;
    document.title = `${root.span.name} · webspan viewer`;
    const perService = new Map<string, { spanCount: number; errorCount: number }>();
    for (const { span } of preorder(timeline.roots)) {
      const service = perService.get(serviceOf(span)) ?? { spanCount: 0, errorCount: 0 };
      service.spanCount += 1;
      service.errorCount += isError(span) ? 1 : 0;
      perService.set(serviceOf(span), service);
    }
    const errors = trace.spans.filter(isError).length;
    const orphans = timeline.roots.filter((node) => node.parentMissing).length;
    return [
      h(
        'div',
        { class: 'trace-heading-line' },
        h('button', { class: 'quiet back', type: 'button', title: 'Back to the list (Esc)', on: { click: this.#leave } }, icon('back'), 'Traces'),
        h('h1', {}, root.span.name || '(no name)'),
        h('span', { class: 'detail' }, detailOf(root.span)),
        root.parentMissing && h('span', { class: 'tag' }, 'root missing'),
        copyButton('trace id', this.traceId),
      ),
      h(
        'div',
        { class: 'trace-facts' },
        h('span', { class: 'fact', title: date(timeline.startTimeUnixNano) }, timeOfDay(timeline.startTimeUnixNano)),
        h('span', { class: 'fact strong' }, duration(timeline.durationMs)),
        h('span', { class: 'fact' }, count(trace.spans.length, 'span')),
        trace.droppedSpanCount !== undefined &&
          h('span', { class: 'fact', title: 'This trace alone exceeds the limits of the viewer' }, `${count(trace.droppedSpanCount, 'older span')} dropped`),
        errors > 0 && h('span', { class: 'fact error-count' }, icon('error'), count(errors, 'error')),
        orphans > 0 && h('span', { class: 'fact' }, `${count(orphans, 'span')} without ${orphans === 1 ? 'its' : 'their'} parent`),
        h('span', { class: 'legend' }, ...Array.from(perService, ([name, counts]) => serviceChip(name, counts))),
      ),
    ];
  }

  #missing(): HTMLElement {
    return h(
      'div',
      { class: 'empty' },
      h('h2', {}, 'This trace is not here'),
      h('p', {}, 'It has not arrived yet, or made room for newer ones. The page shows it as soon as it comes.'),
      h('p', {}, h('a', { href: '#/' }, 'All traces')),
    );
  }

  #showSelected(): void {
    const timeline = this.#timeline;
    const node = timeline && find(timeline, this.#selected);
    this.#side.replaceChildren(...(node && timeline ? [details(node, timeline, () => this.#choose(undefined))] : []));
    this.element.classList.toggle('with-details', node !== undefined);
    // Last: where the row may stand depends on the room that the details leave.
    this.#waterfall.mark(node?.span.spanId);
  }
}

function find(timeline: Timeline, spanId: string | undefined): TimedSpan | undefined {
  if (spanId === undefined) return undefined;
  for (const node of preorder(timeline.roots)) if (node.span.spanId === spanId) return node;
  return undefined;
}
