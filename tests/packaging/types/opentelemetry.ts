// Our objects are what `@opentelemetry/api` calls a tracer, a span and so on: libraries that are written against it can be
// handed ours without a cast.
import * as api from '@opentelemetry/api';
import { activeSpan, extract, init, traced } from 'webspan';

const webspan = init();

const tracer: api.Tracer = webspan.tracer;
const ofALibrary: api.Tracer = webspan.getTracer('library', '1.0.0');
const provider: api.TracerProvider = webspan;
const span: api.Span = webspan.tracer.startSpan('span');
const active: api.Span | undefined = activeSpan();
const extracted: api.Span | undefined = extract({});
const spanContext: api.SpanContext = webspan.tracer.startSpan('span').spanContext();
const traceState: api.TraceState | undefined = spanContext.traceState;
const result: number = tracer.startActiveSpan('span', { kind: api.SpanKind.CLIENT }, api.context.active(), (inner: api.Span) => {
  inner.setStatus({ code: api.SpanStatusCode.OK });
  inner.end();
  return 1;
});
traced('span', (inner) => api.trace.setSpan(api.context.active(), inner));
const withOurs: api.Context = api.trace.setSpan(api.ROOT_CONTEXT, webspan.tracer.startSpan('span'));
api.trace.setGlobalTracerProvider(webspan);

// Hooks that were written for OpenTelemetry JS' instrumentations.

const requestHook = (hooked: api.Span, request: Request | RequestInit): void => void hooked.setAttribute('method', request.method ?? 'GET');
const applyCustomAttributesOnSpan = (hooked: api.Span, request: Request | RequestInit, answer: Response | { status?: number; message: string }): void =>
  void hooked.setAttributes({ status: answer.status ?? 0, method: request.method ?? 'GET' });
init({ instrumentations: { fetch: { requestHook, applyCustomAttributesOnSpan } } });

export { active, extracted, ofALibrary, provider, result, span, traceState, withOurs };
