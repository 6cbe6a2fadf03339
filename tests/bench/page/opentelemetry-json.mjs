import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { exportingWith } from './opentelemetry.mjs';

export default exportingWith(OTLPTraceExporter);
