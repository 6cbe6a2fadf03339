/** What the address after `#` means: `/?service=shop`, `/trace/<id>`, `/trace/<id>/span/<id>`. */

export type Route = { view: 'list'; filters: URLSearchParams } | { view: 'trace'; traceId: string; spanId: string | undefined };

export function currentRoute(): Route {
  const hash = location.hash.slice(1);
  const trace = /^\/trace\/([0-9a-f]{32})(?:\/span\/([0-9a-f]{16}))?$/i.exec(hash);
  if (trace) return { view: 'trace', traceId: trace[1]!.toLowerCase(), spanId: trace[2]?.toLowerCase() };
  return { view: 'list', filters: new URLSearchParams(hash.split('?')[1]) };
}

export function listPath(filters: URLSearchParams): string {
  const query = filters.toString();
  return query ? `#/?${query}` : '#/';
}

export function tracePath(traceId: string, spanId?: string): string {
  return spanId ? `#/trace/${traceId}/span/${spanId}` : `#/trace/${traceId}`;
}

/** Changes the address without an entry in the history: looking at ten spans must not take ten steps back. */
export function replaceRoute(path: string): void {
  history.replaceState(null, '', path);
}
