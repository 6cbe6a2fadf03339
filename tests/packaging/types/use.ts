// Every public function and type, in the way that an application writes them. types.test.mjs asks the compiler whether
// one is missing here.
import { activeSpan, extract, init, inject, traced, withSpan } from 'webspan';
import type {
  Attributes,
  AttributeValue,
  BatchOptions,
  CaptureOption,
  Context,
  DocumentLoadHooks,
  DocumentLoadOptions,
  Exception,
  FetchOptions,
  FinishedSpan,
  HeadersFunction,
  HeadersOption,
  HeadersRecord,
  HookSpan,
  InstrumentationsOptions,
  LimitsOptions,
  Link,
  Loss,
  NavigationOptions,
  OutboxOptions,
  ParentSpanContext,
  RedactOptions,
  RequestOptions,
  RetryOptions,
  SamplerFunction,
  SamplerOption,
  SessionOptions,
  Span,
  SpanContext,
  SpanOptions,
  SpanProcessor,
  SpanStatus,
  Stats,
  TimeInput,
  Tracer,
  TraceState,
  UrlPattern,
  Webspan,
  WebspanOptions,
  XhrOptions,
} from 'webspan';

/** Fails to compile unless the two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : never;
const same = <A, B>(_: Same<A, B>): void => {};

// Options. `Required` keeps these lists complete.

const value: AttributeValue = ['a', null, undefined, 'b'];
const values: AttributeValue[] = ['text', 1, true, [1, null], [true, false], ['x'] as const, value];
const attributes: Attributes = { text: 'x', number: 1, flag: true, list: value, missing: undefined };
const tokens: HeadersRecord = { authorization: 'Bearer 1', 'x-tenant': undefined };
const later: HeadersFunction = async () => tokens;
const atOnce: HeadersFunction = () => ({ authorization: 'Bearer 2' });
const headers: HeadersOption[] = [tokens, later, atOnce, { authorization: 'Bearer 3' }, async () => ({ authorization: 'Bearer 4' })];

const sampler: SamplerFunction = (name: string, given: Attributes, parent: ParentSpanContext | undefined): boolean =>
  name !== 'GET' || given['url.full'] === undefined || (parent?.isRemote === true && parent.traceFlags % 2 === 1 && parent.traceId + parent.spanId !== '');
const samplers: SamplerOption[] = ['always_on', 'always_off', { ratio: 0.1 }, sampler, () => true];
const patterns: UrlPattern[] = ['/health', /^https:\/\/api\.example\.com\//];

const batch: Required<BatchOptions> = { scheduledDelayMillis: 1000, maxQueueSize: 100, maxExportBatchSize: 10 };
const retry: Required<RetryOptions> = { initialMillis: 1, maxMillis: 2, maxElapsedMillis: 3 };
const limits: Required<LimitsOptions> = {
  attributeCountLimit: 1,
  attributeValueLengthLimit: Infinity,
  eventCountLimit: 1,
  linkCountLimit: 1,
  attributePerEventCountLimit: 1,
  attributePerLinkCountLimit: 1,
  spansPerMinute: 1,
};
const redact: Required<RedactOptions> = { keys: ['session'], url: (url: string) => url.replace(/\d+/g, '0') };
const requests: Required<RequestOptions> = { ignoreUrls: patterns, ignoreNetworkEvents: true, measureRequestSize: true, requireParentSpan: true };
const fetchOptions: Required<FetchOptions> = {
  ...requests,
  requestHook(span: HookSpan, request: Request | RequestInit) {
    if (span.isRecording()) span.setAttribute('app.has_body', !!request.body);
  },
  applyCustomAttributesOnSpan(span, request, result) {
    span.setAttributes({ 'app.method': request.method, 'app.outcome': 'ok' in result ? result.ok : result.message });
    span.updateName('named by a hook');
    span.addEvent('hook', { at: 1 });
    span.setStatus({ code: 2, message: 'by a hook' });
    span.recordException(new Error('in a hook'));
  },
};
const xhrOptions: Required<XhrOptions> = {
  ...requests,
  requestHook(span: HookSpan, xhr: XMLHttpRequest) {
    span.setAttribute('app.timeout_ms', xhr.timeout);
  },
  applyCustomAttributesOnSpan: (span, xhr) => void span.setAttribute('app.status', xhr.status),
};
const documentHooks: Required<DocumentLoadHooks> = {
  documentLoad: (span) => void span.setAttribute('app.language', document.documentElement.lang),
  documentFetch: (span: HookSpan) => span.updateName('document'),
  resourceFetch: (span, resource) => void span.setAttribute('app.kind', resource.initiatorType),
};
const outbox: Required<OutboxOptions> = { maxBytes: 1_000_000, maxAgeMillis: 3_600_000, maxCount: 100 };

const documentLoad: Required<DocumentLoadOptions> = {
  applyCustomAttributesOnSpan: documentHooks,
  ignoreNetworkEvents: true,
  ignorePerformancePaintEvents: true,
};
const navigation: Required<NavigationOptions> = { quietMillis: 1, maxDurationMillis: 2 };
const instrumentations: Required<InstrumentationsOptions> = { fetch: fetchOptions, xhr: xhrOptions, documentLoad, navigation, errors: false };
const session: Required<SessionOptions> = { storage: 'localStorage', idleMillis: 1, maxAgeMillis: 2 };
const processor: SpanProcessor = {
  onStart: (span: Span, parent: SpanContext | undefined) => void span.setAttribute('app.parent', parent?.spanId ?? 'none'),
  onEnd(span: FinishedSpan) {
    const { name, kind, parentSpanId, startTimeUnixNano, endTimeUnixNano, attributes, events, status } = span;
    if (attributes['app.noise']) return span.drop();
    span.setAttributes({ name, kind, parentSpanId, start: startTimeUnixNano, end: endTimeUnixNano, events: events.length, code: status.code });
    span.updateName(span.spanContext().traceId);
  },
};

declare const captures: CaptureOption[];

const options: Required<WebspanOptions> = {
  serviceName: 'types',
  serviceVersion: '1.2.3',
  resourceAttributes: attributes,
  endpoint: 'https://otel.example.com',
  tracesEndpoint: '/v1/traces',
  headers: headers[0]!,
  credentials: 'include',
  protocol: 'http/json',
  timeoutMillis: 1000,
  retry,
  batch,
  sampler: samplers[0]!,
  propagateTraceHeaderCorsUrls: patterns,
  ignoreUrls: /health/,
  noTraceHeaderUrls: '/logout',
  corsTraceHeaders: ['traceparent', 'tracestate'],
  consent: 'pending',
  instrumentations,
  captures,
  compression: 'gzip',
  outbox,
  pageTrace: false,
  semconv: 'dup',
  session,
  documentUrl: true,
  spanProcessors: [processor, { onEnd() {} }],
  redact,
  limits,
  onError: (error: Error) => console.error(error.message),
  logLevel: 'none',
  debug: true,
};

// Constants and interfaces of an application's own are options too.
const frozen = { serviceName: 'frozen', ignoreUrls: [/a/, '/b'], resourceAttributes: { list: ['a', 'b'] }, logLevel: 'error' } as const;
interface Build {
  commit: string;
}
declare const build: Build;
init(frozen);
init({ resourceAttributes: { ...build } });
init({ retry: false, redact: false, instrumentations: { fetch: true } });
init({});
init();

// What is started.

const webspan: Webspan = init(options);
const everyMember: Record<keyof Webspan, unknown> = {
  tracer: webspan.tracer.startSpan('root'),
  getTracer: [webspan.getTracer('library'), webspan.getTracer('library', '1.0.0')],
  flush: webspan.flush().then(),
  shutdown: webspan.shutdown().then(),
  stats: webspan.stats(),
  setAttributes: webspan.setAttributes({ tenant: 'acme', gone: undefined }),
  setUser: [webspan.setUser('u1'), webspan.setUser(null)],
  setConsent: [webspan.setConsent(true), webspan.setConsent(false)],
};
const { ended, queued, inFlight, delivered, resent, dropped }: Stats = webspan.stats();
const lost: number = dropped.queueFull + dropped.rejected + dropped.refused + dropped.expired + dropped.evicted +
  dropped.consent + dropped.noEndpoint + dropped.shutdown + dropped.rateLimited + dropped.filtered + dropped.coreFailed + dropped.notReady;
const losses: [Loss, number][] = [['queueFull', dropped.queueFull], ['evicted', dropped.evicted]];
const accounted: boolean = ended === queued + inFlight + delivered + lost && resent >= 0;

// Spans.

const tracer: Tracer = webspan.getTracer('types');
declare const context: Context;
declare const parent: Span;
const times: TimeInput[] = [1, new Date(), [1, 2]];
const traceState: TraceState = { get: () => undefined, set: () => traceState, unset: () => traceState, serialize: () => '' };
const spanContext: SpanContext = { traceId: '0', spanId: '0', traceFlags: 1, isRemote: true, traceState };
const link: Link = { context: spanContext, attributes };
const spanOptions: Required<SpanOptions> = { kind: 2, attributes, links: [link, { context: spanContext }], startTime: times[0]!, root: true };
const status: SpanStatus = { code: 1 };
const exceptions: Exception[] = ['text', new Error('x'), { name: 'x', message: 'y', stack: 'z', code: 5 }];

const span = tracer.startSpan('span', spanOptions, context);
same<typeof span, Span>(true);
const chained: Span = span.setAttribute('a', 1).setAttributes(attributes).addEvent('a').addEvent('b', 5).addEvent('c', attributes, times[1])
  .addLink(link).addLinks([link]).setStatus(status).setStatus({ code: 2, message: 'x' }).updateName('b');
for (const exception of exceptions) span.recordException(exception, times[2]);
const own: SpanContext = span.spanContext();
const hex: string = own.traceId + own.spanId + (own.traceState?.get('vendor') ?? '');
if (span.isRecording()) span.end(times[0]);
span.end();
const everyVerb: Record<keyof Span, unknown> = { ...span };

same<ReturnType<typeof shop>, Promise<number>>(true);
async function shop(): Promise<number> {
  const one: number = tracer.startActiveSpan('one', (active) => (active.end(), 1));
  const two: string = tracer.startActiveSpan('two', spanOptions, () => 'two');
  const three: boolean = tracer.startActiveSpan('three', {}, context, (active: Span) => active.isRecording());
  const four: Promise<string> = traced('four', async (active) => (active.setAttribute('a', two), 'four'));
  const five: number = traced('five', () => 5, { attributes: { three } });
  traced('nothing', () => {});
  return one + five + (await four).length;
}

const current: Span | undefined = activeSpan();
const inside: number = withSpan(current, () => 1);
const afterwards: Promise<Response> = withSpan(parent, () => fetch('/api'));
withSpan(undefined, shop);

const carrier: Record<string, string> = {};
inject(carrier);
inject(new Headers());
const remote: Span | undefined = extract(carrier);
withSpan(extract(new Headers(carrier)), shop);

export { accounted, afterwards, chained, everyMember, everyVerb, hex, inside, losses, remote, values };
