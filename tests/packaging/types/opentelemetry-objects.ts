// Our functions take what `@opentelemetry/api` calls attributes, a context, a span and so on, without a cast.
import type * as api from '@opentelemetry/api';
import { init, withSpan } from 'webspan';
import type { Attributes, Context, Exception, Link, Span, SpanContext, SpanOptions, SpanStatus, TimeInput, Tracer, TraceState } from 'webspan';

const webspan = init();

declare const theirs: {
  attributes: api.Attributes;
  context: api.Context;
  exception: api.Exception;
  link: api.Link;
  span: api.Span;
  spanContext: api.SpanContext;
  options: api.SpanOptions;
  status: api.SpanStatus;
  time: api.TimeInput;
  tracer: api.Tracer;
  traceState: api.TraceState;
};
const ours: {
  attributes: Attributes;
  context: Context;
  exception: Exception;
  link: Link;
  span: Span;
  spanContext: SpanContext;
  options: SpanOptions;
  status: SpanStatus;
  time: TimeInput;
  tracer: Tracer;
  traceState: TraceState;
} = theirs;
webspan.tracer.startSpan('span', theirs.options, theirs.context).addLink(theirs.link).setStatus(theirs.status).end(theirs.time);
withSpan(theirs.span, () => fetch('/api'));

export { ours };
