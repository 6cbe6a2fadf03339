// OTLP as OpenTelemetry's JavaScript SDK writes it: what the receivers of the tests are tried with.
import { randomBytes } from 'node:crypto';
import { JsonTraceSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';

/**
 * The body and headers of an export.
 * @param {object} [options]
 * @param {string[]} [options.names] one span each
 * @param {'http/protobuf' | 'http/json'} [options.protocol]
 * @param {Record<string, unknown>} [options.attributes] of each span
 * @param {Record<string, string>} [options.resource] besides what every resource must say
 */
export function sampleExport({ names = ['sample'], protocol = 'http/protobuf', attributes = {}, resource = {} } = {}) {
  const isJson = protocol === 'http/json';
  const resourceAttributes = {
    'service.name': 'sample',
    'telemetry.sdk.name': 'opentelemetry',
    'telemetry.sdk.language': 'nodejs',
    'telemetry.sdk.version': '0.0.0',
    ...resource,
  };
  const scope = { name: 'sample-export', version: '1' };
  const shared = { attributes, resource: { attributes: resourceAttributes }, instrumentationScope: scope };
  const spans = names.map((name) => ({ ...sampleSpan(name), ...shared }));
  return {
    headers: { 'Content-Type': isJson ? 'application/json' : 'application/x-protobuf' },
    body: Buffer.from((isJson ? JsonTraceSerializer : ProtobufTraceSerializer).serializeRequest(spans)),
  };
}

/** What the serializers read of a ReadableSpan. */
function sampleSpan(name) {
  const nowSeconds = Math.floor(Date.now() / 1000);
  return {
    name,
    kind: 2, // SpanKind.CLIENT of @opentelemetry/api; 3 on the wire
    spanContext: () => ({ traceId: randomBytes(16).toString('hex'), spanId: randomBytes(8).toString('hex'), traceFlags: 1 }),
    startTime: [nowSeconds - 1, 123_456_789],
    endTime: [nowSeconds, 5],
    events: [],
    links: [],
    status: { code: 0 },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}
