/** Each service keeps one colour, in the list and in every waterfall. */
import { fetchServices } from './api.js';
import { h, icon } from './dom.js';
import { count } from './format.js';

/** As many as page.css has `--service-…`. */
const COLOURS = 10;

let known: string[] = [];

/** The server tells services in the order in which they came up: the first ten never share a colour. */
export async function refreshServices(): Promise<void> {
  known = await fetchServices();
}

export function knownServices(): readonly string[] {
  return known;
}

export function colourOf(service: string): string {
  return `var(--service-${Math.max(0, known.indexOf(service)) % COLOURS})`;
}

export function serviceChip(service: string, counts?: { spanCount: number; errorCount: number }): HTMLElement {
  const { spanCount = 0, errorCount = 0 } = counts ?? {};
  return h(
    'span',
    { class: 'chip', style: { '--service': colourOf(service) }, title: counts && count(spanCount, 'span') },
    h('span', { class: 'chip-name' }, service),
    counts && h('span', { class: 'chip-count' }, String(spanCount)),
    errorCount > 0 && h('span', { class: 'error-count', title: count(errorCount, 'error') }, icon('error')),
  );
}
