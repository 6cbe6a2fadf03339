import { init } from 'webspan';

const { VITE_OTEL_SERVICE_NAME, VITE_OTEL_EXPORTER_OTLP_ENDPOINT, VITE_SHOP_API_URL } = import.meta.env;

const regExpSyntax = /[.*+?^${}()|[\]\\]/g;

init({
  serviceName: VITE_OTEL_SERVICE_NAME,
  endpoint: VITE_OTEL_EXPORTER_OTLP_ENDPOINT,
  // The API is another origin: only what is named here receives `traceparent`.
  propagateTraceHeaderCorsUrls: new RegExp(`^${VITE_SHOP_API_URL.replace(regExpSyntax, '\\$&')}/`),
});
