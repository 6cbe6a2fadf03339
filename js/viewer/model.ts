/** What the viewer's JSON API speaks: shared by the server, which makes it, and the page, which shows it. */

export type AttributeValue = string | number | boolean | null | AttributeValue[] | { [key: string]: AttributeValue };

export type Attributes = Record<string, AttributeValue>;

export interface SpanEvent {
  timeUnixNano: string;
  name: string;
  attributes: Attributes;
}

export interface SpanLink {
  traceId: string;
  spanId: string;
  attributes: Attributes;
}

/** Nanosecond times are decimal text: a JavaScript number cannot hold them. */
export interface Span {
  /** 32 hex digits. */
  traceId: string;
  /** 16 hex digits. */
  spanId: string;
  /** 16 hex digits; empty for a root. */
  parentSpanId: string;
  name: string;
  kind: 'UNSPECIFIED' | 'INTERNAL' | 'SERVER' | 'CLIENT' | 'PRODUCER' | 'CONSUMER';
  startTimeUnixNano: string;
  /** `'0'` when the sender did not know it. */
  endTimeUnixNano: string;
  flags: number;
  traceState: string;
  attributes: Attributes;
  droppedAttributesCount: number;
  events: SpanEvent[];
  droppedEventsCount: number;
  links: SpanLink[];
  droppedLinksCount: number;
  status: { code: 'UNSET' | 'OK' | 'ERROR'; message: string };
  resource: Attributes;
  scope: { name: string; version: string };
}

export interface Trace {
  traceId: string;
  /** In the order in which they arrived. */
  spans: Span[];
  /** Spans of it that are gone because the trace alone exceeds the viewer's limits; left out when there are none. */
  droppedSpanCount?: number;
}

/** What the viewer holds, and what it has dropped to keep to its limits. */
export interface StoreCounts {
  traceCount: number;
  spanCount: number;
  /** Memory of these spans, by estimate. */
  bytes: number;
  maxSpans: number;
  maxBytes: number;
  droppedTraceCount: number;
  /** Those of the dropped traces, and the oldest ones of traces that alone were too large. */
  droppedSpanCount: number;
}

export interface TraceSummary {
  traceId: string;
  /** Of the root; while that has not arrived, of the earliest span whose parent is missing. */
  rootName: string;
  rootService: string;
  /** What the name of the root leaves out, by `detailOf`. */
  rootDetail: string;
  rootArrived: boolean;
  /** Earliest first, 50 at most. */
  services: { name: string; spanCount: number; errorCount: number }[];
  /** Services beyond these; left out when there are none. */
  moreServiceCount?: number;
  spanCount: number;
  /** As in `Trace`. */
  droppedSpanCount?: number;
  errorCount: number;
  startTimeUnixNano: string;
  durationMs: number;
}

/** The attribute by which webspan marks a span that was still open when the page went away. */
export const UNFINISHED = 'webspan.unfinished';

export function serviceOf(span: Span): string {
  const name = span.resource['service.name'];
  return typeof name === 'string' && name !== '' ? name : 'unknown_service';
}

export function isError(span: Span): boolean {
  return span.status.code === 'ERROR';
}

export function isUnfinished(span: Span): boolean {
  return span.endTimeUnixNano === '0' || span.attributes[UNFINISHED] === true;
}

/**
 * Where a request goes, since the conventions name a client span `GET` and nothing more: its path, or its host when the
 * path says nothing. Empty when the span is no request, or its name tells the path already.
 */
export function detailOf(span: Span): string {
  const url = textOf(span, 'url.full') || textOf(span, 'http.url') || textOf(span, 'url.path') || textOf(span, 'http.target');
  const [, host = '', path = ''] = /^(?:[a-z]+:\/\/([^/?#]*))?([^?#]*)/i.exec(url) ?? [];
  if (path.length <= 1) return host;
  return span.name.includes(path) ? '' : path;
}

function textOf(span: Span, key: string): string {
  const value = span.attributes[key];
  return typeof value === 'string' ? value : '';
}
