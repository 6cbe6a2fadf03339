/** The frame around the two views, and the one connection to the server. */
import type { TraceSummary } from '../model.js';
import { clearTraces, listen } from './api.js';
import { h } from './dom.js';
import { ListView } from './list.js';
import { currentRoute, listPath } from './route.js';
import { refreshServices } from './services.js';
import { TraceView } from './trace.js';

export interface View {
  readonly element: HTMLElement;
  /** Something arrived; without a summary anything may have changed. */
  onChange(changed?: TraceSummary): void;
  /** @returns whether the key meant something. */
  onKey(event: KeyboardEvent): boolean;
}

let view: View | undefined;
/** The filters to come back to from a trace. */
let listFilters = new URLSearchParams();

const home = h('a', { class: 'home', href: '#/' }, h('span', { class: 'logo' }, h('i'), h('i'), h('i')), h('b', {}, 'webspan'), h('span', { class: 'muted' }, 'viewer'));
const connection = h('span', { class: 'connection', role: 'status' }, 'connecting');
const clear = h('button', { class: 'quiet', type: 'button', title: 'Forget all traces', on: { click: () => void clearTraces() } }, 'Clear');
const main = h('main');
document.body.append(h('header', { class: 'top' }, home, connection, clear), main);

function show(): void {
  const route = currentRoute();
  if (route.view === 'trace') {
    if (view instanceof TraceView && view.traceId === route.traceId) {
      view.select(route.spanId);
      return;
    }
    view = new TraceView(route.traceId, route.spanId, () => (location.hash = listPath(listFilters)));
  } else {
    listFilters = route.filters;
    if (view instanceof ListView) {
      view.setFilters(route.filters);
      return;
    }
    view = new ListView(route.filters, (filters) => (listFilters = filters));
  }
  main.replaceChildren(view.element);
  document.title = 'webspan viewer';
  scrollTo(0, 0);
}

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (view?.onKey(event)) event.preventDefault();
});
addEventListener('hashchange', show);

await refreshServices();
show();
listen({
  onTrace: (summary) => view?.onChange(summary),
  onClear: () => view?.onChange(),
  onConnected() {
    connection.textContent = location.host;
    connection.className = 'connection live';
    connection.title = `Send traces to ${location.origin}`;
    view?.onChange();
  },
  onLost() {
    connection.textContent = 'not connected';
    connection.className = 'connection lost';
    connection.title = 'The viewer has stopped. The page goes on as soon as it is back.';
  },
});
