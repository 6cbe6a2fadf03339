import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { exportingWith } from './opentelemetry.mjs';

export default exportingWith(OTLPTraceExporter);
