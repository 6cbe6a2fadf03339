// Every option of `init` once: its meaning, unit, default and source, and the table that reads it.

import type { SpanProcessor } from './api.js';
import { compilePattern, UNSET_VARIABLE, type UrlPattern, type UrlSettings } from './urls.js';

export type { UrlPattern };

/** A value of an attribute, as in OpenTelemetry: all elements of an array have one type, or are missing. */
export type AttributeValue =
  | string
  | number
  | boolean
  | readonly (string | null | undefined)[]
  | readonly (number | null | undefined)[]
  | readonly (boolean | null | undefined)[];

/** Attributes by name, as in OpenTelemetry. A name with the value `undefined` counts as not given. */
export interface Attributes {
  readonly [name: string]: AttributeValue | undefined;
}

/** Request headers by name. A name with the value `undefined` counts as not given. */
export interface HeadersRecord {
  readonly [name: string]: string | undefined;
}

/** Headers, or a function that is asked for them before each export request, for tokens that expire. */
export type HeadersOption = HeadersRecord | HeadersFunction;

/** Gives the headers of the next export request. */
export type HeadersFunction = () => HeadersRecord | Promise<HeadersRecord>;

/**
 * How much of what can be sampled is recorded and sent, when there is no parent to follow.
 *
 * - `'always_on'`, `'always_off'`: everything, nothing.
 * - `{ ratio }`: this share of traces, from 0 to 1, chosen by the trace id with the arithmetic of OpenTelemetry JS' `TraceIdRatioBasedSampler`.
 * - a function: asked for every span; `true` records and sends it. It decides also where there is a parent.
 *
 * Source: {@link https://opentelemetry.io/docs/specs/otel/trace/sdk/#sampling}
 */
export type SamplerOption = 'always_on' | 'always_off' | { readonly ratio: number } | SamplerFunction;

/** Decides whether a span is recorded and sent, knowing its name, the attributes it starts with and its parent. */
export type SamplerFunction = (name: string, attributes: Attributes, parent: ParentSpanContext | undefined) => boolean;

/** The span context of a parent, as in `@opentelemetry/api`. */
export interface ParentSpanContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** The flags of W3C Trace Context; 1 is "sampled". */
  readonly traceFlags: number;
  /** Whether the parent came from outside of this page. */
  readonly isRemote?: boolean;
}

/**
 * When finished spans are sent; the names and defaults are those of OpenTelemetry's batch span processor.
 *
 * Source: `OTEL_BSP_*`, {@link https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#batch-span-processor}
 */
export interface BatchOptions {
  /**
   * Longest time a finished span waits, in milliseconds. What waits when the page is hidden or left goes out at once.
   * @defaultValue `5000`
   */
  scheduledDelayMillis?: number;
  /**
   * Most spans that wait; further ones are dropped and counted.
   * @defaultValue `2048`
   */
  maxQueueSize?: number;
  /**
   * Most spans in one request, and the number of waiting spans that makes one due. At most `maxQueueSize`.
   * @defaultValue `512`
   */
  maxExportBatchSize?: number;
}

/**
 * How an export is repeated that failed for a reason that may pass: the network, 429, 502, 503, 504. The waits grow exponentially with jitter;
 * `Retry-After` is obeyed.
 *
 * Source: {@link https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes}
 */
export interface RetryOptions {
  /**
   * First wait, in milliseconds. It grows from one failure to the next, whichever batch it meets.
   * @defaultValue `1000`
   */
  initialMillis?: number;
  /**
   * Longest wait, in milliseconds.
   * @defaultValue `30000`
   */
  maxMillis?: number;
  /**
   * Time after the first attempt, in milliseconds, after which a batch is given up and counted as dropped. Time offline does not count.
   * @defaultValue `300000`
   */
  maxElapsedMillis?: number;
}

/**
 * How much one span may hold. What is above is dropped and counted in the span; `Infinity` lifts a limit.
 *
 * Source: {@link https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#span-limits}
 */
export interface LimitsOptions {
  /**
   * Attributes of a span (`OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT`).
   * @defaultValue `128`
   */
  attributeCountLimit?: number;
  /**
   * Length in characters that text in attributes is cut to (`OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT`). Since the memory of WebAssembly never shrinks,
   * any text of a span is also cut at 524,288 UTF-16 units, or at 4,096 more than this limit if that is less, and a list of values at about 524,288 bytes.
   * @defaultValue `Infinity`
   */
  attributeValueLengthLimit?: number;
  /**
   * Events of a span (`OTEL_SPAN_EVENT_COUNT_LIMIT`).
   * @defaultValue `128`
   */
  eventCountLimit?: number;
  /**
   * Links of a span (`OTEL_SPAN_LINK_COUNT_LIMIT`).
   * @defaultValue `128`
   */
  linkCountLimit?: number;
  /**
   * Attributes of an event (`OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT`).
   * @defaultValue `128`
   */
  attributePerEventCountLimit?: number;
  /**
   * Attributes of a link (`OTEL_LINK_ATTRIBUTE_COUNT_LIMIT`).
   * @defaultValue `128`
   */
  attributePerLinkCountLimit?: number;
  /**
   * Spans of each kind (requests by `fetch`, errors, ...) that are captured within a minute: what a page that runs away costs. Spans that the page
   * starts itself do not count.
   * @defaultValue `1000`
   */
  spansPerMinute?: number;
}

/** What is replaced by `REDACTED` in URLs before anything is stored, on top of URL credentials and the built-in list of query keys. */
export interface RedactOptions {
  /**
   * Further keys whose values are secret, in queries and in all other text. They are compared as a whole, without regard to capital letters, digits,
   * `-` and `_`.
   * @defaultValue `[]`
   */
  keys?: string | readonly string[];
  /**
   * Gets each URL after the keys were replaced and returns what may be recorded.
   * @defaultValue none
   */
  url?(url: string): string;
}

/** What a hook may do with the span of a request: the verbs of `Span` in `@opentelemetry/api`, without `end`. */
export interface HookSpan {
  setAttribute(name: string, value: AttributeValue): unknown;
  setAttributes(attributes: Attributes): unknown;
  addEvent(name: string, attributesOrStartTime?: Attributes | number | Date | [number, number]): unknown;
  setStatus(status: { code: number; message?: string }): unknown;
  updateName(name: string): unknown;
  recordException(exception: Error | string): void;
  isRecording(): boolean;
}

/** What the options of fetch and XHR have in common. */
export interface RequestOptions {
  /**
   * Requests of this kind that get no span and no header, on top of the general `ignoreUrls`.
   * @defaultValue `[]`
   */
  ignoreUrls?: UrlPattern | readonly UrlPattern[];
  /**
   * Leaves out the events of resource timing, from `fetchStart` to `responseEnd`.
   * @defaultValue `false`
   */
  ignoreNetworkEvents?: boolean;
  /**
   * Records the size of the request's body, where it is known without reading it, as `http.request.body.size`.
   * @defaultValue `false`
   */
  measureRequestSize?: boolean;
  /**
   * Traces only what has a parent: an active span, a page load, a route change.
   * @defaultValue `false`
   */
  requireParentSpan?: boolean;
}

/**
 * Source: `FetchInstrumentationConfig`,
 * {@link https://github.com/open-telemetry/opentelemetry-js/tree/main/experimental/packages/opentelemetry-instrumentation-fetch}
 */
export interface FetchOptions extends RequestOptions {
  /**
   * Called with the span before the request is sent. The request is to be looked at only.
   * @defaultValue none
   */
  // Hooks are declared as methods so that functions written for the `Span` of `@opentelemetry/api` fit.
  requestHook?(span: HookSpan, request: Request | RequestInit): void;
  /**
   * Called before the span ends, with the response or what the request failed with. Reading the response's body takes it from the page.
   * @defaultValue none
   */
  applyCustomAttributesOnSpan?(span: HookSpan, request: Request | RequestInit, result: Response | { message: string; status?: number }): void;
}

/**
 * Source: `XMLHttpRequestInstrumentationConfig`,
 * {@link https://github.com/open-telemetry/opentelemetry-js/tree/main/experimental/packages/opentelemetry-instrumentation-xml-http-request}
 */
export interface XhrOptions extends RequestOptions {
  /**
   * Called with the span before the request is sent.
   * @defaultValue none
   */
  requestHook?(span: HookSpan, xhr: XMLHttpRequest): void;
  /**
   * Called before the span ends.
   * @defaultValue none
   */
  applyCustomAttributesOnSpan?(span: HookSpan, xhr: XMLHttpRequest): void;
}

/** Called before these spans end. */
export interface DocumentLoadHooks {
  documentLoad?(span: HookSpan): void;
  documentFetch?(span: HookSpan): void;
  resourceFetch?(span: HookSpan, resource: PerformanceResourceTiming): void;
}

/**
 * Source: `DocumentLoadInstrumentationConfig`,
 * {@link https://github.com/open-telemetry/opentelemetry-js-contrib/tree/main/packages/instrumentation-document-load}
 */
export interface DocumentLoadOptions {
  /**
   * A function for each kind of span, called before it ends.
   * @defaultValue `{}`
   */
  applyCustomAttributesOnSpan?: DocumentLoadHooks;
  /**
   * Leaves out the events of navigation and resource timing.
   * @defaultValue `false`
   */
  ignoreNetworkEvents?: boolean;
  /**
   * Leaves out `firstPaint` and `firstContentfulPaint`.
   * @defaultValue `false`
   */
  ignorePerformancePaintEvents?: boolean;
}

export interface NavigationOptions {
  /**
   * A route change is over when the page has made no request for so long, in milliseconds. Its span ends with the last one.
   * @defaultValue `100`
   */
  quietMillis?: number;
  /**
   * Longest time that a route change may take, in milliseconds.
   * @defaultValue `10000`
   */
  maxDurationMillis?: number;
}

/** How much waits in IndexedDB for a later page of this origin. What is too much or too old is dropped, the eldest first. */
export interface OutboxOptions {
  /**
   * Bytes of all requests that are stored. A page that is left may store as much again, until the next one looks.
   * @defaultValue `4194304`
   */
  maxBytes?: number;
  /**
   * Time after which what is stored is dropped, in milliseconds.
   * @defaultValue `86400000`
   */
  maxAgeMillis?: number;
  /**
   * Requests that are stored.
   * @defaultValue `1000`
   */
  maxCount?: number;
}

/** Source: {@link https://opentelemetry.io/docs/specs/semconv/general/session/} */
export interface SessionOptions {
  /**
   * Where the id is kept: as long as the page lives, as long as its tab does, or by the site for all tabs. To store on a visitor's device may need
   * consent; nothing is stored while that is pending.
   * @defaultValue `'memory'`
   */
  storage?: 'memory' | 'sessionStorage' | 'localStorage';
  /**
   * After so long without a span, in milliseconds, a new session begins.
   * @defaultValue `1800000` (30 minutes)
   */
  idleMillis?: number;
  /**
   * Longest time that a session may last, in milliseconds.
   * @defaultValue `14400000` (4 hours)
   */
  maxAgeMillis?: number;
}

/** What is traced without a line of code: each `true`, `false` or its options. */
export interface InstrumentationsOptions {
  /**
   * Requests by `fetch`.
   * @defaultValue `true`
   */
  fetch?: boolean | FetchOptions;
  /**
   * Requests by `XMLHttpRequest`.
   * @defaultValue `true`
   */
  xhr?: boolean | XhrOptions;
  /**
   * The page load and its resources.
   * @defaultValue `true`
   */
  documentLoad?: boolean | DocumentLoadOptions;
  /**
   * Route changes of a single-page application, and pages that come back from the back-forward cache.
   * @defaultValue `true`
   */
  navigation?: boolean | NavigationOptions;
  /**
   * Errors and rejections that the page does not catch.
   * @defaultValue `true`
   */
  errors?: boolean;
}

declare const opaque: unique symbol;

/** What a function of `webspan/captures` gives: to be passed to `init`, and no more. */
export interface CaptureOption {
  readonly [opaque]: never;
}

/** The options of `init`. All may be left out; `undefined` counts as left out. */
export interface WebspanOptions {
  /**
   * Name of the application, the resource attribute `service.name`.
   *
   * Source: `OTEL_SERVICE_NAME`, {@link https://opentelemetry.io/docs/specs/semconv/resource/#service}
   * @defaultValue `'unknown_service'`
   */
  serviceName?: string;
  /**
   * Version of the application, the resource attribute `service.version`.
   *
   * Source: {@link https://opentelemetry.io/docs/specs/semconv/resource/#service}
   * @defaultValue none
   */
  serviceVersion?: string;
  /**
   * Further attributes of the resource, for example `{ 'deployment.environment.name': 'production' }`.
   *
   * Source: `OTEL_RESOURCE_ATTRIBUTES`, {@link https://opentelemetry.io/docs/specs/otel/resource/sdk/}
   * @defaultValue `{}`
   */
  resourceAttributes?: Attributes;
  /**
   * Base URL of an OTLP/HTTP receiver, absolute or a path of the page's origin (`'/otlp'`). `/v1/traces` is appended unless it is there; a
   * path prefix and a query are kept. On a page that is not on the own machine there is no default: without an endpoint webspan warns, hands
   * trace headers on, and sends nothing.
   *
   * Source: `OTEL_EXPORTER_OTLP_ENDPOINT`, {@link https://opentelemetry.io/docs/specs/otel/protocol/exporter/#configuration-options}
   * @defaultValue `'http://localhost:4318'` on a loopback page
   */
  endpoint?: string;
  /**
   * URL for traces, used as it stands instead of `endpoint`.
   *
   * Source: `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, {@link https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp}
   * @defaultValue none
   */
  tracesEndpoint?: string;
  /**
   * Headers of export requests, or a function, sync or async, that returns them. Each visitor of the page can read them. On another origin
   * they need the receiver's consent (CORS).
   *
   * Source: `OTEL_EXPORTER_OTLP_HEADERS`, {@link https://opentelemetry.io/docs/specs/otel/protocol/exporter/#configuration-options}
   * @defaultValue `{}`
   */
  headers?: HeadersOption;
  /**
   * Whether export requests carry cookies, as in `fetch`.
   *
   * Source: {@link https://fetch.spec.whatwg.org/#concept-request-credentials-mode}
   * @defaultValue `'same-origin'`
   */
  credentials?: RequestCredentials;
  /**
   * How spans are encoded.
   *
   * Source: `OTEL_EXPORTER_OTLP_PROTOCOL`, {@link https://opentelemetry.io/docs/specs/otel/protocol/exporter/#specify-protocol}
   * @defaultValue `'http/protobuf'`
   */
  protocol?: 'http/protobuf' | 'http/json';
  /**
   * Whether requests of 2 KB and more are compressed. `'auto'`: where the endpoint is on the page's own origin. `'gzip'`: on other origins too, whose
   * Collector then has to have `'Content-Encoding'` in `cors.allowed_headers`; if it has not, webspan says so once and goes on without. What
   * leaves with the page is compressed only where that was accepted before. OTLP/JSON is never compressed.
   *
   * Source: `OTEL_EXPORTER_OTLP_COMPRESSION`, {@link https://opentelemetry.io/docs/specs/otel/protocol/exporter/#configuration-options}
   * @defaultValue `'auto'`
   */
  compression?: 'auto' | 'gzip' | 'none';
  /**
   * Longest time one attempt of an export may take, in milliseconds.
   *
   * Source: `OTEL_EXPORTER_OTLP_TIMEOUT`, {@link https://opentelemetry.io/docs/specs/otel/protocol/exporter/#configuration-options}
   * @defaultValue `10000`
   */
  timeoutMillis?: number;
  /**
   * How failed exports are repeated; `false` is never.
   *
   * Source: {@link https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes}
   * @defaultValue `true`
   */
  retry?: boolean | RetryOptions;
  /**
   * When finished spans are sent.
   *
   * Source: `OTEL_BSP_*`, {@link https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#batch-span-processor}
   * @defaultValue `{}`
   */
  batch?: BatchOptions;
  /**
   * Which traces are recorded and sent. A span with a parent follows its parent.
   *
   * Source: `OTEL_TRACES_SAMPLER`, {@link https://opentelemetry.io/docs/specs/otel/trace/sdk/#sampling}
   * @defaultValue `'always_on'`
   */
  sampler?: SamplerOption;
  /**
   * Requests to other origins that may carry `corsTraceHeaders`. The receiver must allow these headers (CORS), or the page's own request fails.
   * Requests to the page's origin always carry them.
   *
   * Source: `propagateTraceHeaderCorsUrls` of OpenTelemetry JS' instrumentations,
   * {@link https://github.com/open-telemetry/opentelemetry-js/tree/main/experimental/packages/opentelemetry-instrumentation-fetch}
   * @defaultValue `[]`
   */
  propagateTraceHeaderCorsUrls?: UrlPattern | readonly UrlPattern[];
  /**
   * Requests that get no span and no header.
   *
   * Source: `ignoreUrls` of OpenTelemetry JS' instrumentations,
   * {@link https://github.com/open-telemetry/opentelemetry-js/tree/main/experimental/packages/opentelemetry-instrumentation-fetch}
   * @defaultValue `[]`
   */
  ignoreUrls?: UrlPattern | readonly UrlPattern[];
  /**
   * Requests that get a span, but no header, also on the page's origin: for URLs that redirect to another origin, where the header would
   * bring about a preflight.
   *
   * Source: {@link https://fetch.spec.whatwg.org/#http-redirect-fetch}
   * @defaultValue `[]`
   */
  noTraceHeaderUrls?: UrlPattern | readonly UrlPattern[];
  /**
   * Which trace headers may go to another origin; the page's origin gets all. Add `tracestate` only where the receivers allow
   * it (CORS): one header more than allowed fails the page's own request.
   *
   * Source: {@link https://www.w3.org/TR/trace-context/#trace-context-http-headers-format}
   * @defaultValue `['traceparent']`
   */
  corsTraceHeaders?: string | readonly string[];
  /**
   * `'pending'` keeps spans in memory, bounded, and sends nothing until `setConsent(true)`; `setConsent(false)` discards them.
   * @defaultValue `'granted'`
   */
  consent?: 'granted' | 'pending';
  /**
   * What is traced without a line of code.
   * @defaultValue `{}`
   */
  instrumentations?: InstrumentationsOptions;
  /**
   * What is off by default, by the functions of `webspan/captures`: `[userInteraction(), webVitals()]`.
   * @defaultValue `[]`
   */
  captures?: CaptureOption | readonly CaptureOption[];
  /**
   * Hangs what happens during a page load or a route change below its span, unless another one is active.
   * @defaultValue `true`
   */
  pageTrace?: boolean;
  /**
   * Puts spans that cannot be delivered into IndexedDB, and what is stored as the page goes into `localStorage` too until the next page has looked, for
   * later pages of this origin to deliver. Off, because storing on a visitor's device is the site's decision.
   * @defaultValue `false`
   */
  outbox?: boolean | OutboxOptions;
  /**
   * Names of HTTP attributes: today's (`http.request.method`), those of before 2023 (`http.method`), or both.
   *
   * Source: `OTEL_SEMCONV_STABILITY_OPT_IN`, {@link https://opentelemetry.io/docs/specs/semconv/non-normative/http-migration/}
   * @defaultValue `'stable'`
   */
  semconv?: 'stable' | 'legacy' | 'dup';
  /**
   * Puts `session.id` on every span.
   *
   * Source: {@link https://opentelemetry.io/docs/specs/semconv/general/session/}
   * @defaultValue `false`
   */
  session?: boolean | SessionOptions;
  /**
   * Puts the URL of the document, without its secrets, on every span, as `browser.document.url.full`.
   * @defaultValue `false`
   */
  documentUrl?: boolean;
  /**
   * See each span as it starts, and before it ends, when it can be changed or left out.
   *
   * Source: {@link https://opentelemetry.io/docs/specs/otel/trace/sdk/#span-processor}
   * @defaultValue `[]`
   */
  spanProcessors?: SpanProcessor | readonly SpanProcessor[];
  /**
   * What is replaced by `REDACTED` in URLs and in all other text, such as names, attributes and messages: user and password of URLs, JSON Web Tokens,
   * what follows `Bearer`, and the values of keys that name a secret (`access_token`, `userPassword`, `x-api-key`, `code` of OAuth), also in JSON and
   * in URLs within URLs. Not what stands in the path of a URL without a key: see `url`. `false` replaces URL credentials only.
   *
   * Source: {@link https://opentelemetry.io/docs/specs/semconv/registry/attributes/url/}
   * @defaultValue `true`
   */
  redact?: boolean | RedactOptions;
  /**
   * How much one span may hold.
   *
   * Source: {@link https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#span-limits}
   * @defaultValue `{}`
   */
  limits?: LimitsOptions;
  /**
   * Gets what goes wrong: options that cannot be read, refused exports, hooks that throw, a core that stopped.
   *
   * Source: `setGlobalErrorHandler` of `@opentelemetry/core`, {@link https://opentelemetry.io/docs/specs/otel/error-handling/}
   * @defaultValue none
   */
  onError?: (error: Error) => void;
  /**
   * The least severe messages that webspan writes to the console.
   *
   * Source: `OTEL_LOG_LEVEL`, `DiagLogLevel` of `@opentelemetry/api`,
   * {@link https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#general-sdk-configuration}
   * @defaultValue `'warn'`
   */
  logLevel?: 'none' | 'error' | 'warn' | 'info' | 'debug';
  /**
   * Prints each finished span to the console, readable, in a collapsed group, and says what a request that got no answer may have failed for.
   *
   * Source: {@link https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/stdout/}
   * @defaultValue `false`
   */
  debug?: boolean;
}

/** The options that have a default, as {@link readOptions} gives them: filled in, and none of the caller's objects. */
type Filled<T> = { readonly [K in keyof T]-?: Exclude<T[K], undefined> };

export type BatchSettings = Filled<BatchOptions>;
export type RetrySettings = Filled<RetryOptions>;
export type LimitsSettings = Filled<LimitsOptions>;

export interface RedactSettings {
  readonly keys: readonly string[];
  readonly url: RedactOptions['url'] | undefined;
}

export type NavigationSettings = Filled<NavigationOptions>;
export type OutboxSettings = Filled<OutboxOptions>;
export type SessionSettings = Filled<SessionOptions>;

/** What fetch and XHR have in common. */
export interface RequestSettings {
  readonly ignoreUrls: readonly UrlPattern[];
  readonly ignoreNetworkEvents: boolean;
  readonly measureRequestSize: boolean;
  readonly requireParentSpan: boolean;
}

export interface FetchSettings extends RequestSettings {
  readonly requestHook: FetchOptions['requestHook'] | undefined;
  readonly applyCustomAttributesOnSpan: FetchOptions['applyCustomAttributesOnSpan'] | undefined;
}

export interface XhrSettings extends RequestSettings {
  readonly requestHook: XhrOptions['requestHook'] | undefined;
  readonly applyCustomAttributesOnSpan: XhrOptions['applyCustomAttributesOnSpan'] | undefined;
}

export interface DocumentLoadSettings {
  readonly applyCustomAttributesOnSpan: {
    readonly documentLoad: DocumentLoadHooks['documentLoad'];
    readonly documentFetch: DocumentLoadHooks['documentFetch'];
    readonly resourceFetch: DocumentLoadHooks['resourceFetch'];
  };
  readonly ignoreNetworkEvents: boolean;
  readonly ignorePerformancePaintEvents: boolean;
}

/**
 * The options as the rest of webspan sees them: checked, every field present. Whole numbers are at most 2,147,483,647, the longest time a
 * browser's timer can wait; `Infinity` and what is larger becomes that.
 */
export interface Settings extends UrlSettings {
  readonly serviceName: string;
  readonly serviceVersion: string | undefined;
  readonly resourceAttributes: Readonly<Record<string, AttributeValue>>;
  /** Where traces go, absolute. `null` is nowhere. */
  readonly tracesUrl: string | null;
  readonly headers: Readonly<Record<string, string>> | HeadersFunction;
  readonly credentials: RequestCredentials;
  readonly protocol: 'http/protobuf' | 'http/json';
  readonly compression: 'auto' | 'gzip' | 'none';
  readonly timeoutMillis: number;
  readonly retry: false | RetrySettings;
  readonly batch: BatchSettings;
  readonly sampler: SamplerOption;
  /** In lower case. */
  readonly corsTraceHeaders: readonly string[];
  readonly consent: 'granted' | 'pending';
  readonly instrumentations: {
    readonly fetch: false | FetchSettings;
    readonly xhr: false | XhrSettings;
    readonly documentLoad: false | DocumentLoadSettings;
    readonly navigation: false | NavigationSettings;
    readonly errors: boolean;
  };
  readonly captures: readonly CaptureOption[];
  readonly outbox: false | OutboxSettings;
  readonly pageTrace: boolean;
  readonly semconv: 'stable' | 'legacy' | 'dup';
  readonly session: false | SessionSettings;
  readonly documentUrl: boolean;
  readonly spanProcessors: readonly SpanProcessor[];
  readonly redact: false | RedactSettings;
  readonly limits: LimitsSettings;
  readonly onError: ((error: Error) => void) | undefined;
  readonly logLevel: 'none' | 'error' | 'warn' | 'info' | 'debug';
  readonly debug: boolean;
}

/** What must be known of the page: its base URL (`document.baseURI`) and host name (`location.hostname`). */
export interface Page {
  readonly href: string;
  readonly hostname: string;
}

/** One call of {@link readOptions}. */
interface Reading {
  readonly page: Page;
  readonly warnings: string[];
  /** What is to be said of the options that could not be read. */
  readonly errors: string[];
}

/** Makes the setting of a value that is one of the wanted kinds, and refuses it by giving `undefined` or by throwing. */
type Refine<T> = (value: never, path: string, reading: Reading) => T | undefined;

/**
 * An option.
 *
 * - What is wanted, for the check and for messages alike: `boolean`, `string`, `number`, `function`, `Object`, `Array`, `RegExp` or a text
 *   in quotes, with ` or ` between them. What stands in parentheses is for the reader, and for `refine` to check.
 * - The default. Without one the option may be left out; `null` says that it must be given; `true`, of options in an object, is all of their
 *   defaults.
 * - What is made of a value that does not stand for itself: by a function, or, of an object and of `true`, by the options that it holds.
 * - What is used where the value cannot be read, if it is not the default.
 */
type Row<T> = readonly [wanted: string, fallback?: unknown, refine?: Refine<T> | Table<Extract<T, object>>, safe?: unknown];

/** An option that always has a value. */
type FilledRow<T> = Row<T> & readonly [string, {} | null, ...unknown[]];

/** Options by name. With `*` the names are the caller's. */
type Table<T> = {
  readonly [K in keyof T]: string extends K ? Row<T[K]> : undefined extends T[K] ? Row<T[K]> : FilledRow<T[K]>;
};

const sentence = (path: string, shown: string, wanted: string): string =>
  // What cannot be part of a name is not repeated: `{ 'Authorization: Bearer 123': '' }`.
  `${path.replace(/[^\w.[\]-].*/s, '')} is ${shown}; wanted ${wanted}.`;

/** What an object is: its `toString` may do anything, and unlike `instanceof` this knows the objects of other frames. */
const kindOf = (value: unknown): string => Object.prototype.toString.call(value).slice(8, -1);

/** A value in short. Secrets stay out: text in the place of headers or of all options, and the credentials and the query of a URL. */
const show = (value: unknown, kind: string, path: string): string =>
  Object(value) === value || /^options(\.headers|$)/.test(path)
    ? kind
    : typeof value === 'string'
      ? `"${value.replace(/\/\/.*@|[?#].*/gs, '…').slice(0, 80)}"`
      : String(value);

/** Reads one value. The caller's getters and proxies run here: what they throw is reported as an option that cannot be read. */
function read<T>(row: Row<T>, holder: object, key: PropertyKey, path: string, reading: Reading): T {
  const [wanted, fallback, refine, safe] = row;
  let given: unknown = {};
  let kind = '';
  try {
    // What a page has put into Object.prototype is no option.
    given = Object.hasOwn(holder, key) || !(key in {}) ? holder[key as never] : undefined;
    if (given === undefined && fallback !== null) return defaultOf(row, path, reading);
    kind = kindOf(given);
    if (wanted.split(/ or | \(/).some((word) => word === typeof given || word === show(given, kind, ''))) {
      let value = given;
      if (typeof refine === 'function') value = refine(value as never, path, reading);
      else if (refine && (value === true || typeof value === 'object')) value = readAll(refine as Rows, Object(value), path, reading);
      if (value !== undefined) return value as T;
    }
  } catch {
    kind = 'not readable';
  }
  reading.errors.push(sentence(path, show(given, kind, path), wanted));
  return safe === undefined ? defaultOf(row, path, reading) : (safe as T);
}

/** What is not given needs no check. Most options are not, and all of this runs while the page starts. */
function defaultOf<T>(row: Row<T>, path: string, reading: Reading): T {
  // Not taken apart at once, which would run an iterator.
  const fallback = row[1];
  const refine = row[2];
  return (fallback === true && refine ? readAll(refine as Rows, {}, path, reading) : Array.isArray(fallback) ? [...fallback] : fallback) as T;
}

type Rows = Readonly<Record<string, Row<unknown>>>;

/** Reads the options that an object holds. */
function readAll(table: Rows, given: object, path: string, reading: Reading): object {
  const settings: Record<string, unknown> = {};
  const each = table['*'];
  const keys = Object.keys(given);
  const names = each ? keys : Object.keys(table);
  for (const key of keys) {
    if (!names.includes(key)) {
      const name = nearest(key, names);
      reading.warnings.push(`${path}.${key} is unknown${name ? `; did you mean ${name}?` : '.'}`);
    }
  }
  for (const name of names) {
    const row = each ?? table[name];
    const setting = read(row, given, name, `${path}.${name}`, reading);
    if (setting !== undefined || !each) settings[name] = setting;
  }
  return settings;
}

/** One or many, in a list of our own. What `refine` gives `null` for is left out. */
const many = <T>([wanted, , refine]: Row<T>, fallback: readonly string[] = []): FilledRow<readonly NonNullable<T>[]> => [
  `${wanted} or Array`,
  fallback,
  (value: unknown, path, reading) =>
    [value]
      .flat()
      .map((_, index, items) => read<T>([wanted, null, refine], items, index, `${path}[${index}]`, reading))
      .filter((item) => item !== null) as NonNullable<T>[],
  [],
];

/** What exporters and other SDKs call our options. */
const NAMES_ELSEWHERE: Record<string, string> = {
  url: 'endpoint',
  collectorUrl: 'endpoint',
  name: 'serviceName',
  tracingOrigins: 'propagateTraceHeaderCorsUrls',
};

/** The name that holds most pairs of neighbouring letters of an unknown one, if these are more than half of the longer of the two. */
function nearest(unknown: string, names: readonly string[]): string | undefined {
  const letters = unknown.toLowerCase();
  let best = 0.5;
  let found = names.find((name) => name === NAMES_ELSEWHERE[unknown]);
  for (const name of names) {
    const held = [...letters].filter((_, index) => name.toLowerCase().includes(letters.slice(index, index + 2)));
    const score = held.length / Math.max(letters.length, name.length);
    if (score > best) [best, found] = [score, name];
  }
  return found;
}

export const isLoopback = (hostname: string): boolean => /^((.+\.)?localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);

const receiver: Row<URL | null> = [
  'string (an http(s) URL without credentials or a path like "/otlp"; is a variable not set?)',
  undefined,
  (value: string, path, { page, warnings }) => {
    // Without the second test `otel.example.com` would be a path of the page.
    if (UNSET_VARIABLE.test(value) || !/^(https?:|\.{0,2})\//i.test(value)) return;
    const url = new URL(value, page.href);
    // `fetch` refuses URLs that hold credentials.
    if (!/^https?:..[^/@]+\//.test(url.href)) return;
    if (url.protocol === 'http:' && page.href.startsWith('https:') && !isLoopback(url.hostname)) {
      warnings.push(sentence(path, 'an http: URL, which browsers block on an https: page', 'https:'));
    }
    return url;
  },
  null,
];

const attribute: Row<AttributeValue> = [
  'string or number or boolean or Array (of one of these types)',
  undefined,
  (value: AttributeValue) => {
    // A copy.
    const items = [value].flat();
    const types = items.filter((item) => item != null).map((item) => typeof item);
    return /^(string|number|boolean|)(,\1)*$/.test(types.join()) ? (Array.isArray(value) ? (items as AttributeValue) : value) : undefined;
  },
];

const header: Row<string> = [
  'string (name and value as fetch takes them)',
  undefined,
  (value: string, path) => new Headers([[path.slice('options.headers.'.length), value]]) && value,
];

const headerName: Row<string> = ['string (a header name)', null, (value: string) => /^[\w-]+$/.exec(value)?.[0].toLowerCase()];

const pattern: Row<UrlPattern | null> = [
  'string (a URL) or RegExp (that does not match the empty text)',
  null,
  (value: UrlPattern, path, { page, warnings }) => {
    const compiled = compilePattern(value, page.href);
    // One that was hardly meant could hand our headers to everybody; or to whom they were not to go.
    if (compiled || !path.startsWith('options.propagate')) return compiled ?? undefined;
    warnings.push(sentence(path, 'left out', 'a URL, or a RegExp that does not match the empty text'));
    return null;
  },
];

const share: FilledRow<number> = ['number (from 0 to 1)', null, (value: number) => (value >= 0 && value <= 1 ? value : undefined), 1];

const text = <F extends string | undefined = undefined>(fallback?: F): readonly [string, F, Refine<string>] => [
  'string (not empty)',
  fallback as F,
  (value: string) => value || undefined,
];

/** What a browser's timer can wait at most, in milliseconds; the limits end there, too. */
const LONGEST = 2 ** 31 - 1;

const whole = (least: number, fallback: number): FilledRow<number> => [
  `number (whole, at least ${least}, or Infinity)`,
  fallback,
  // The remainder of Infinity is NaN, so that it passes.
  (value: number) => (value >= least && !(value % 1) ? Math.min(value, LONGEST) : undefined),
];

const processor: Row<SpanProcessor> = [
  'Object (with onStart or onEnd)',
  null,
  (value: SpanProcessor) => ([value.onStart, value.onEnd].some((hook) => typeof hook === 'function') ? value : undefined),
];

// What a function takes and returns is for the compiler to check.
const callback: Row<undefined> = ['function'];

const patterns = many(pattern);

const flag = (fallback: boolean): FilledRow<boolean> => ['boolean', fallback];

/** The first is the default. */
const oneOf = <T extends string>(...names: readonly T[]): FilledRow<T> => [`"${names.join('" or "')}"`, names[0]];

/** Options in an object. */
const group = <T>(table: Table<T>): FilledRow<T> => ['Object', true, table as Table<Extract<T, object>>];

/** `false`, or options in an object; `true` is all of their defaults. */
const switchable = <T>(table: Table<T>, fallback = true): FilledRow<false | T> => ['boolean or Object', fallback, table as Table<Extract<T, object>>];

const requests: Table<FetchSettings & XhrSettings> = {
  requestHook: callback,
  applyCustomAttributesOnSpan: callback,
  ignoreUrls: patterns,
  ignoreNetworkEvents: flag(false),
  measureRequestSize: flag(false),
  requireParentSpan: flag(false),
};

/** Everything that `init` takes. */
type Taken = { -readonly [K in keyof Omit<Settings, 'tracesUrl'>]: Settings[K] } & Partial<Record<'endpoint' | 'tracesEndpoint', URL | null>>;

const OPTIONS = group<Taken>({
  serviceName: text('unknown_service'),
  serviceVersion: text(),
  resourceAttributes: group<Settings['resourceAttributes']>({ '*': attribute }),
  endpoint: receiver,
  tracesEndpoint: receiver,
  headers: ['Object or function', true, { '*': header }],
  credentials: oneOf('same-origin', 'omit', 'include'),
  protocol: oneOf('http/protobuf', 'http/json'),
  compression: oneOf('auto', 'gzip', 'none'),
  timeoutMillis: whole(1, 10000),
  retry: switchable({ initialMillis: whole(1, 1000), maxMillis: whole(1, 30000), maxElapsedMillis: whole(1, 300000) }),
  batch: group({ scheduledDelayMillis: whole(0, 5000), maxExportBatchSize: whole(1, 512), maxQueueSize: whole(1, 2048) }),
  sampler: ['"always_on" or "always_off" or Object or function', 'always_on', { ratio: share }],
  propagateTraceHeaderCorsUrls: patterns,
  ignoreUrls: patterns,
  noTraceHeaderUrls: patterns,
  corsTraceHeaders: many(headerName, ['traceparent']),
  consent: oneOf('granted', 'pending'),
  instrumentations: group({
    fetch: switchable<FetchSettings>(requests),
    xhr: switchable<XhrSettings>(requests),
    documentLoad: switchable<DocumentLoadSettings>({
      applyCustomAttributesOnSpan: group({ documentLoad: callback, documentFetch: callback, resourceFetch: callback }),
      ignoreNetworkEvents: flag(false),
      ignorePerformancePaintEvents: flag(false),
    }),
    navigation: switchable({ quietMillis: whole(1, 100), maxDurationMillis: whole(1, 10000) }),
    errors: flag(true),
  }),
  captures: many(callback),
  outbox: switchable({ maxBytes: whole(1, 4194304), maxAgeMillis: whole(1, 86400000), maxCount: whole(1, 1000) }, false),
  pageTrace: flag(true),
  semconv: oneOf('stable', 'legacy', 'dup'),
  session: switchable(
    { storage: oneOf('memory', 'sessionStorage', 'localStorage'), idleMillis: whole(1, 1800000), maxAgeMillis: whole(1, 14400000) },
    false,
  ),
  documentUrl: flag(false),
  spanProcessors: many(processor),
  // As where it throws.
  redact: switchable<RedactSettings>({ keys: many(text()), url: ['function', undefined, undefined, () => 'REDACTED'] }),
  limits: group({
    attributeCountLimit: whole(0, 128),
    attributeValueLengthLimit: whole(0, LONGEST),
    eventCountLimit: whole(0, 128),
    linkCountLimit: whole(0, 128),
    attributePerEventCountLimit: whole(0, 128),
    attributePerLinkCountLimit: whole(0, 128),
    spansPerMinute: whole(0, 1000),
  }),
  onError: callback,
  logLevel: oneOf('warn', 'none', 'error', 'info', 'debug'),
  debug: flag(false),
});

/**
 * Checks what `init` was given and fills in the defaults. What cannot be read is replaced by its safe default. Never throws. The caller's objects are
 * neither written to nor kept; its functions are.
 *
 * @returns The settings, and messages: `errors` for each option that could not be read, with its name, what was given and what was wanted;
 * `warnings` for what can hardly be meant.
 */
export function readOptions(given: unknown, page: Page): { settings: Settings; errors: string[]; warnings: string[] } {
  const errors: string[] = [];
  const warnings: string[] = [];
  const { endpoint, tracesEndpoint, ...settings } = read(OPTIONS, { given }, 'given', 'options', { page, errors, warnings });
  /** Whether one of these, or all, could not be read. */
  const isUnread = (paths: string): boolean => errors.some((error) => RegExp(`^options( is|\\.(${paths}))`).test(error));

  const { maxExportBatchSize, maxQueueSize } = settings.batch;
  if (maxExportBatchSize > maxQueueSize) {
    errors.push(sentence('options.batch.maxExportBatchSize', `${maxExportBatchSize}`, `at most maxQueueSize (${maxQueueSize})`));
    settings.batch = { ...settings.batch, maxExportBatchSize: maxQueueSize };
  }
  if (isUnread('consent')) settings.consent = 'pending';
  if (isUnread('propagate')) settings.propagateTraceHeaderCorsUrls = [];
  // Patterns may also be in an object that is not readable, or not of the kind that is wanted.
  if (isUnread('noTrace|(instrumentations\\.(fetch|xhr)\\.)?ignoreU|instrumentations(\\.fetch|\\.xhr)? is (n|[A-Z]\\w*;)')) settings.noTraceHeaderUrls = [/^/];

  const url = tracesEndpoint ?? endpoint;
  if (endpoint) endpoint.pathname = endpoint.pathname.replace(/(\/v1\/traces)?\/*$/, '/v1/traces');
  // Not on other pages: Chromium asks the visitor before a public page may reach a loopback address.
  let tracesUrl = url?.href ?? (isLoopback(page.hostname) ? 'http://localhost:4318/v1/traces' : null);
  // Without its API key an export would be refused, and without a tenant's name it might go to another one.
  if (isUnread('headers|endpoint|traces')) tracesUrl = null;
  else if (!tracesUrl) warnings.push(sentence('options.endpoint', 'not given', 'a URL; nothing is sent without'));
  return { settings: { ...settings, tracesUrl }, errors, warnings };
}
