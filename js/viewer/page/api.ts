/** The viewer's JSON API, from the page. */
import type { StoreCounts, Trace, TraceSummary } from '../model.js';

/** More would be a long scroll; filters find the rest. */
const LIST_LIMIT = 200;

export async function fetchSummaries(filters: URLSearchParams): Promise<TraceSummary[]> {
  const query = new URLSearchParams(filters);
  query.set('limit', String(LIST_LIMIT));
  return (await get(`/api/traces?${query}`)) as TraceSummary[];
}

export async function fetchServices(): Promise<string[]> {
  return (await get('/api/services')) as string[];
}

export async function fetchCounts(): Promise<StoreCounts> {
  return (await get('/api/counts')) as StoreCounts;
}

/** Undefined when the trace is not there (any more). */
export async function fetchTrace(traceId: string): Promise<Trace | undefined> {
  return (await get(`/api/traces/${traceId}`)) as Trace | undefined;
}

export async function clearTraces(): Promise<void> {
  await fetch('/api/traces', { method: 'DELETE' });
}

async function get(path: string): Promise<unknown> {
  const response = await fetch(path);
  if (response.status === 404) return undefined;
  const body: unknown = await response.json();
  if (!response.ok) throw new Error((body as { error: string }).error);
  return body;
}

export interface StreamListener {
  onTrace(summary: TraceSummary): void;
  onClear(): void;
  /** Also after each interruption: what happened meanwhile was not told. */
  onConnected(): void;
  onLost(): void;
}

export function listen(listener: StreamListener): void {
  const source = new EventSource('/api/stream');
  source.addEventListener('open', () => listener.onConnected());
  source.addEventListener('error', () => listener.onLost());
  source.addEventListener('clear', () => listener.onClear());
  source.addEventListener('trace', (event: MessageEvent<string>) => listener.onTrace(JSON.parse(event.data) as TraceSummary));
}
