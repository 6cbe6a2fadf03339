/** The list of traces, newest first, and its filters. */
import type { StoreCounts, TraceSummary } from '../model.js';
import { fetchCounts, fetchSummaries } from './api.js';
import { h, icon } from './dom.js';
import { FilterBar } from './filters.js';
import { count, date, duration, megabytes, timeOfDay } from './format.js';
import type { View } from './main.js';
import { listPath, replaceRoute, tracePath } from './route.js';
import { colourOf, knownServices, refreshServices, serviceChip } from './services.js';

/** A busy page sends many batches; reading the list more often than this helps nobody. */
const REFRESH_MS = 250;

interface Row {
  element: HTMLAnchorElement;
  /** What the row was made from: rows that did not change stay as they are, with focus and animation. */
  madeFrom: string;
}

export class ListView implements View {
  readonly element: HTMLElement;
  readonly #bar: FilterBar;
  readonly #onFilters: (filters: URLSearchParams) => void;
  readonly #list = h('ol', { class: 'traces' });
  readonly #notice = h('div', { class: 'notice' });
  readonly #heading = h('p', { class: 'list-heading', 'aria-live': 'polite' });
  #rows = new Map<string, Row>();
  #filters: URLSearchParams;
  #refreshing: number | undefined;
  #asked = 0;

  constructor(filters: URLSearchParams, onFilters: (filters: URLSearchParams) => void) {
    this.#filters = filters;
    this.#onFilters = onFilters;
    this.#bar = new FilterBar(filters, (changed) => this.#filter(changed));
    this.element = h('div', { class: 'list-view' }, this.#bar.element, this.#heading, this.#list, this.#notice);
    void this.#refresh();
  }

  setFilters(filters: URLSearchParams): void {
    if (filters.toString() === this.#filters.toString()) return;
    this.#filters = filters;
    this.#bar.set(filters);
    void this.#refresh();
  }

  onChange(): void {
    this.#refreshing ??= window.setTimeout(() => {
      this.#refreshing = undefined;
      void this.#refresh();
    }, REFRESH_MS);
  }

  onKey(event: KeyboardEvent): boolean {
    if (event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement) {
      if (event.key !== 'Escape') return false;
      event.target.blur();
      return true;
    }
    switch (event.key) {
      case 'j':
      case 'ArrowDown':
        return this.#step(1);
      case 'k':
      case 'ArrowUp':
        return this.#step(-1);
      case '/':
        this.#bar.focus();
        return true;
      default:
        return false;
    }
  }

  /** Rows are links: Enter opens the one that has the focus. */
  #step(by: 1 | -1): boolean {
    const rows = [...this.#rows.values()].map((row) => row.element);
    const focused = rows.indexOf(document.activeElement as HTMLAnchorElement);
    rows[focused < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, focused + by))]?.focus();
    return true;
  }

  #filter(filters: URLSearchParams): void {
    this.#filters = filters;
    this.#onFilters(filters);
    replaceRoute(listPath(filters));
    void this.#refresh();
  }

  async #refresh(): Promise<void> {
    const asked = ++this.#asked;
    let summaries: TraceSummary[];
    let counts: StoreCounts;
    try {
      [summaries, counts] = await Promise.all([fetchSummaries(this.#filters), fetchCounts()]);
      if (summaries.some((summary) => summary.services.some((service) => !knownServices().includes(service.name)))) await refreshServices();
      this.#bar.offerServices();
    } catch (error) {
      this.#notice.replaceChildren(h('p', { class: 'problem' }, String(error)));
      return;
    }
    // An answer that was overtaken by the next one is old news.
    if (asked === this.#asked) this.#show(summaries, counts);
  }

  #show(summaries: TraceSummary[], counts: StoreCounts): void {
    const longestMs = summaries.reduce((most, summary) => Math.max(most, summary.durationMs), 0);
    const before = this.#rows;
    const focusedId = [...before].find(([, row]) => row.element === document.activeElement)?.[0];
    const firstTime = before.size === 0;
    this.#rows = new Map();
    for (const summary of summaries) {
      const madeFrom = JSON.stringify([summary, longestMs]);
      const known = before.get(summary.traceId);
      const element = known?.madeFrom === madeFrom ? known.element : rowOf(summary, longestMs);
      element.classList.toggle('arrived', !known && !firstTime);
      this.#rows.set(summary.traceId, { element, madeFrom });
    }
    this.#list.replaceChildren(...[...this.#rows.values()].map((row) => h('li', {}, row.element)));
    if (focusedId !== undefined) this.#rows.get(focusedId)?.element.focus({ preventScroll: true });

    const filtered = this.#filters.size > 0;
    const found = summaries.length === 0 ? [] : [`${count(summaries.length, 'trace')}${filtered ? ' match' : ''}, newest first`];
    this.#heading.replaceChildren([...found, ...lost(counts)].join(' · '));
    this.#notice.replaceChildren(...(summaries.length > 0 ? [] : [filtered ? noMatch() : howToSend()]));
  }
}

/** What is not here any more, and why. */
function lost({ droppedTraceCount, droppedSpanCount, maxSpans, maxBytes }: StoreCounts): string[] {
  if (droppedSpanCount === 0) return [];
  return [
    `${count(droppedTraceCount, 'older trace')}, ${count(droppedSpanCount, 'span')} in all, dropped to keep to ${count(maxSpans, 'span')} and ${megabytes(maxBytes)}`,
  ];
}

function rowOf(summary: TraceSummary, longestMs: number): HTMLAnchorElement {
  const { rootName, rootDetail, rootService, rootArrived, services, moreServiceCount, spanCount, droppedSpanCount, errorCount, startTimeUnixNano, durationMs } = summary;
  return h(
    'a',
    { class: 'trace-row', href: tracePath(summary.traceId), 'data-trace-id': summary.traceId, style: { '--service': colourOf(rootService) } },
    h('time', { class: 'trace-time', title: date(startTimeUnixNano) }, timeOfDay(startTimeUnixNano)),
    h(
      'span',
      { class: 'trace-title' },
      h('span', { class: 'trace-name' }, rootName || '(no name)'),
      rootDetail !== '' && h('span', { class: 'detail' }, rootDetail),
      !rootArrived && h('span', { class: 'tag', title: 'The first span of this trace has not arrived' }, 'root missing'),
    ),
    h('span', { class: 'trace-services' }, ...services.map((service) => serviceChip(service.name, service)), moreServiceCount !== undefined && h('span', { class: 'muted' }, `+${moreServiceCount}`)),
    h(
      'span',
      { class: 'trace-duration' },
      h('span', { class: 'meter' }, h('span', { style: { width: `${longestMs > 0 ? (durationMs / longestMs) * 100 : 0}%` } })),
      h('span', { class: 'number' }, duration(durationMs)),
    ),
    h(
      'span',
      { class: 'trace-spans number', title: droppedSpanCount !== undefined && `The oldest ${count(droppedSpanCount, 'span')} of it dropped: it alone exceeds the limits` },
      droppedSpanCount === undefined ? count(spanCount, 'span') : `${count(spanCount, 'span')} of ${(spanCount + droppedSpanCount).toLocaleString('en')}`,
    ),
    h('span', { class: 'trace-errors' }, errorCount > 0 && h('span', { class: 'error-count' }, icon('error'), count(errorCount, 'error'))),
  );
}

function noMatch(): HTMLElement {
  return h('div', { class: 'empty' }, h('h2', {}, 'No trace matches'), h('p', {}, h('a', { href: '#/' }, 'Remove the filters')));
}

function howToSend(): HTMLElement {
  const { origin } = location;
  return h(
    'div',
    { class: 'empty' },
    h('h2', {}, 'Waiting for traces'),
    h('p', {}, 'They show up here as they arrive. From a web page:'),
    h('pre', {}, `import { init } from 'webspan';\n\ninit({\n  serviceName: 'shop-web',\n  endpoint: '${origin}',\n});`),
    h('p', {}, 'From a backend with any OpenTelemetry SDK:'),
    h('pre', {}, `OTEL_SERVICE_NAME=shop-api\nOTEL_EXPORTER_OTLP_ENDPOINT=${origin}\nOTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf`),
  );
}
