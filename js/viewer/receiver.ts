/** `POST /v1/traces`: OTLP/HTTP. https://opentelemetry.io/docs/specs/otlp/#otlphttp */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { decodeJson, decodeProtobuf, encodeResponse, encodeStatus, type Export } from 'webspan-viewer-decode';
import type { Bodies } from './bodies.js';
import type { Span } from './model.js';
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
    accept(spansOf(found));
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

async function readExport(request: IncomingMessage, path: string, bodies: Bodies): Promise<Export> {
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
  try {
    return JSON.parse(type === 'application/json' ? decodeJson(body) : decodeProtobuf(body)) as Export;
  } catch (error) {
    // A trap of the wasm is a fault of ours, everything else one of the body's.
    if (!(error instanceof Error) || error instanceof WebAssembly.RuntimeError) throw error;
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

function spansOf(found: Export): Span[] {
  return found.resources.flatMap(({ resource, scopes }) =>
    scopes.flatMap(({ scope, spans }) => spans.map((span) => Object.assign(span, { resource, scope }))),
  );
}
