// OpenTelemetry JS up to the bytes of a protobuf request.

import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { provide } from './opentelemetry.mjs';

let ended = [];

const keep = {
  onStart() {},
  onEnd: (span) => void ended.push(span),
  forceFlush: async () => {},
  shutdown: async () => {},
};

export let tracer;
export let bytes = 0;

export function start() {
  tracer = provide(keep).getTracer('bench');
}

export async function send() {
  bytes += ProtobufTraceSerializer.serializeRequest(ended).length;
  ended = [];
}
