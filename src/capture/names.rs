//! Every attribute, event and span name that webspan gives, with its stability and where it is defined.

/// Stable. <https://opentelemetry.io/docs/specs/semconv/registry/attributes/http/>
pub const HTTP_REQUEST_METHOD: &str = "http.request.method";
/// Stable.
pub const HTTP_REQUEST_METHOD_ORIGINAL: &str = "http.request.method_original";
/// Stable.
pub const HTTP_RESPONSE_STATUS_CODE: &str = "http.response.status_code";
/// The value of a method that the conventions do not know.
pub const OTHER: &str = "_OTHER";
/// The span name of such a request. <https://opentelemetry.io/docs/specs/semconv/http/http-spans/#name>
pub const SPAN_HTTP: &str = "HTTP";

/// Stable. <https://opentelemetry.io/docs/specs/semconv/registry/attributes/url/>
pub const URL_FULL: &str = "url.full";
/// Stable. <https://opentelemetry.io/docs/specs/semconv/registry/attributes/server/>
pub const SERVER_ADDRESS: &str = "server.address";
/// Stable.
pub const SERVER_PORT: &str = "server.port";
/// Stable. <https://opentelemetry.io/docs/specs/semconv/registry/attributes/error/>
pub const ERROR_TYPE: &str = "error.type";

/// Stable, the event and its attributes. <https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-spans/>
pub const EVENT_EXCEPTION: &str = "exception";
pub const EXCEPTION_TYPE: &str = "exception.type";
pub const EXCEPTION_MESSAGE: &str = "exception.message";
pub const EXCEPTION_STACKTRACE: &str = "exception.stacktrace";

/// Stable. <https://opentelemetry.io/docs/specs/semconv/resource/>
pub const SERVICE_NAME: &str = "service.name";
pub const SERVICE_VERSION: &str = "service.version";
pub const TELEMETRY_SDK_NAME: &str = "telemetry.sdk.name";
pub const TELEMETRY_SDK_LANGUAGE: &str = "telemetry.sdk.language";
pub const TELEMETRY_SDK_VERSION: &str = "telemetry.sdk.version";
/// In development. <https://opentelemetry.io/docs/specs/semconv/resource/browser/>
pub const BROWSER_BRANDS: &str = "browser.brands";
pub const BROWSER_PLATFORM: &str = "browser.platform";
pub const BROWSER_MOBILE: &str = "browser.mobile";
pub const BROWSER_LANGUAGE: &str = "browser.language";
/// Stable. <https://opentelemetry.io/docs/specs/semconv/registry/attributes/user-agent/>
pub const USER_AGENT_ORIGINAL: &str = "user_agent.original";

/// Ours: the page went away while this was still going on. The span ends when the page did.
pub const UNFINISHED: &str = "webspan.unfinished";
/// Ours: the browser never told when the response's body ended. The span ends with the headers.
pub const BODY_END_UNKNOWN: &str = "webspan.body_end_unknown";
