/** `POST /v1/traces`: OTLP/HTTP. https://opentelemetry.io/docs/specs/otlp/#otlphttp */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { decodeJson, decodeProtobuf, encodeResponse, encodeStatus, type Attributes as Decoded, type Rejected, type Slice, type Value } from 'webspan-viewer-decode';
import type { Bodies } from './bodies.js';
import type { Attributes, AttributeValue, Span } from './model.js';
import { INTERNAL, INVALID_ARGUMENT, NOT_FOUND, Refusal, RESOURCE_EXHAUSTED, UNIMPLEMENTED } from './refusal.js';

/** Without it browsers remember a preflight for 5 s, and nearly every export would cost two round trips. */
const PREFLIGHT_MAX_AGE_SECONDS = 7200;

/** Answers every request below `/v1/`. What arrived goes to `accept`; `complain` hears why something did not. */
export async function receive(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  bodies: Bodies,
  accept: (spans: Span[]) => void,
  complain: (message: string) => void,
): Promise<void> {
  // Whoever can reach this port may send spans: pages of every origin are what the viewer is for.
  allowOrigin(request, response);
  if (request.method === 'OPTIONS') {
    allowPreflight(request, response);
    return;
  }
  // A sender that got the type wrong is best told in what people can read.
  const json = mediaType(request) !== 'application/x-protobuf';
  try {
    const found = await readExport(request, path, bodies);
    accept(found.spans);
    if (found.rejectedSpans > 0) complain(`${found.rejectedSpans} rejected: ${found.rejection}`);
    answer(response, 200, json, encodeResponse(json, found.rejectedSpans, found.rejection));
  } catch (error) {
    if (request.destroyed && !request.complete) return; // The sender hung up.
    const refusal = error instanceof Refusal ? error : new Refusal(500, INTERNAL, `the viewer failed: ${String(error)}`);
    complain(`${request.method} ${path}: ${refusal.message}`);
    if (refusal.httpStatus === 503) response.setHeader('Retry-After', '1');
    if (refusal.httpStatus === 405) response.setHeader('Allow', 'POST, OPTIONS');
    // Senders read no answer before they have written everything: take the rest of the body, and drop it.
    request.resume();
    answer(response, refusal.httpStatus, json, encodeStatus(json, refusal.code, refusal.message));
  }
}

function allowOrigin(request: IncomingMessage, response: ServerResponse): void {
  const { origin } = request.headers;
  if (origin === undefined) return;
  // The origin itself, since "*" would refuse senders that use `credentials: 'include'`.
  response.setHeader('Access-Control-Allow-Origin', origin);
  response.setHeader('Access-Control-Allow-Credentials', 'true');
  response.setHeader('Access-Control-Expose-Headers', 'Retry-After');
  response.setHeader('Vary', 'Origin');
}

function allowPreflight(request: IncomingMessage, response: ServerResponse): void {
  response.setHeader('Access-Control-Allow-Methods', 'POST');
  const asked = request.headers['access-control-request-headers'];
  if (asked !== undefined) response.setHeader('Access-Control-Allow-Headers', asked);
  // Asked by browsers when a page from the network reaches for a loopback address.
  if (request.headers['access-control-request-private-network'] === 'true') {
    response.setHeader('Access-Control-Allow-Private-Network', 'true');
  }
  response.setHeader('Access-Control-Max-Age', PREFLIGHT_MAX_AGE_SECONDS);
  response.writeHead(204).end();
}

async function readExport(request: IncomingMessage, path: string, bodies: Bodies): Promise<Rejected & { spans: Span[] }> {
  if (path === '/v1/metrics' || path === '/v1/logs') {
    const variable = path === '/v1/logs' ? 'OTEL_LOGS_EXPORTER' : 'OTEL_METRICS_EXPORTER';
    throw new Refusal(404, NOT_FOUND, `the viewer takes traces only; ${variable}=none keeps an SDK from sending others`);
  }
  if (path !== '/v1/traces') throw new Refusal(404, NOT_FOUND, `nothing is at ${path}; traces go to /v1/traces`);
  if (request.method !== 'POST') throw new Refusal(405, UNIMPLEMENTED, `got ${request.method}, wanted POST`);
  const type = mediaType(request);
  if (type !== 'application/x-protobuf' && type !== 'application/json') {
    throw new Refusal(415, INVALID_ARGUMENT, `Content-Type is "${type}", wanted application/x-protobuf or application/json`);
  }
  const body = await bodies.read(request);
  const { spans, take } = collectSpans();
  try {
    const rejected = type === 'application/json' ? decodeJson(body, take) : decodeProtobuf(body, take);
    return { ...rejected, spans };
  } catch (error) {
    // A trap of the wasm and a TypeError of `take` are faults of ours, everything else one of the body's.
    if (!(error instanceof Error) || error instanceof WebAssembly.RuntimeError || error instanceof TypeError) throw error;
    if (error instanceof RangeError) throw new Refusal(413, RESOURCE_EXHAUSTED, error.message);
    throw new Refusal(400, INVALID_ARGUMENT, error.message);
  }
}

function mediaType(request: IncomingMessage): string {
  return (request.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
}

function answer(response: ServerResponse, httpStatus: number, json: boolean, body: Uint8Array): void {
  response.writeHead(httpStatus, {
    'Content-Type': json ? 'application/json' : 'application/x-protobuf',
    'Content-Length': body.byteLength,
  });
  response.end(body);
}

/** `take` appends to `spans` what it is given. */
function collectSpans(): { spans: Span[]; take: (slice: Slice) => void } {
  const spans: Span[] = [];
  let resource: Attributes = {};
  let scope: Span['scope'] = { name: '', version: '' };
  const take = (slice: Slice): void => {
    if (slice.resource) resource = attributes(slice.resource);
    if (slice.scope) scope = slice.scope;
    for (const span of slice.spans) spans.push(spanOf(span, resource, scope));
  };
  return { spans, take };
}

/** Field by field: an object of which V8 knows all fields from the start takes 500 bytes less than `{ ...span }`. */
function spanOf(decoded: Slice['spans'][number], resource: Attributes, scope: Span['scope']): Span {
  return {
    traceId: decoded.traceId,
    spanId: decoded.spanId,
    parentSpanId: decoded.parentSpanId,
    name: decoded.name,
    kind: decoded.kind,
    startTimeUnixNano: decoded.startTimeUnixNano,
    endTimeUnixNano: decoded.endTimeUnixNano,
    flags: decoded.flags,
    traceState: decoded.traceState,
    attributes: attributes(decoded.attributes),
    droppedAttributesCount: decoded.droppedAttributesCount,
    events: decoded.events.map((event) => ({ ...event, attributes: attributes(event.attributes) })),
    droppedEventsCount: decoded.droppedEventsCount,
    links: decoded.links.map((link) => ({ ...link, attributes: attributes(link.attributes) })),
    droppedLinksCount: decoded.droppedLinksCount,
    status: decoded.status,
    resource,
    scope,
  };
}

/** Makes use of the map, which nobody else has: a list of pairs would take four times as long. */
function attributes(decoded: Decoded): Attributes {
  const converted = decoded as Map<string, AttributeValue>;
  for (const [key, value] of decoded) converted.set(key, plain(value));
  return Object.fromEntries(converted);
}

function plain(value: Value): AttributeValue {
  if (value instanceof Map) return attributes(value);
  return Array.isArray(value) ? value.map(plain) : value;
}
