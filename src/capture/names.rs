//! Every attribute, event and span name that webspan gives, with its stability and where it is defined.

use crate::delivery::Loss;

/// The name of an attribute: in today's conventions, and what it was called before HTTP became stable.
#[derive(Clone, Copy)]
pub struct Name {
    pub stable: &'static str,
    /// Empty where it never had another.
    pub legacy: &'static str,
}

const fn name(stable: &'static str) -> Name {
    Name { stable, legacy: "" }
}

/// <https://opentelemetry.io/docs/specs/semconv/non-normative/http-migration/>
const fn renamed(stable: &'static str, legacy: &'static str) -> Name {
    Name { stable, legacy }
}

/// Which of the two names is written: `semconv` of the options.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Semconv {
    Stable,
    Legacy,
    /// Both.
    Dup,
}

/// Stable. <https://opentelemetry.io/docs/specs/semconv/registry/attributes/http/>
pub const HTTP_REQUEST_METHOD: Name = renamed("http.request.method", "http.method");
/// Stable.
pub const HTTP_REQUEST_METHOD_ORIGINAL: Name = name("http.request.method_original");
/// Stable.
pub const HTTP_RESPONSE_STATUS_CODE: Name = renamed("http.response.status_code", "http.status_code");
/// In development. As it was sent, which for requests is before any compression.
pub const HTTP_REQUEST_BODY_SIZE: Name = renamed("http.request.body.size", "http.request_content_length");
/// In development. As it came over the network.
pub const HTTP_RESPONSE_BODY_SIZE: Name = renamed("http.response.body.size", "http.response_content_length");
/// Ours, since the conventions have lost theirs: the same, decompressed.
pub const HTTP_RESPONSE_BODY_DECODED_SIZE: Name =
    renamed("webspan.response.body.decoded_size", "http.response_content_length_uncompressed");
/// The value of a method that the conventions do not know.
pub const OTHER: &str = "_OTHER";
/// The span name of such a request, and what every name began with before. <https://opentelemetry.io/docs/specs/semconv/http/http-spans/#name>
pub const SPAN_HTTP: &str = "HTTP";

/// Stable. <https://opentelemetry.io/docs/specs/semconv/registry/attributes/url/>
pub const URL_FULL: Name = renamed("url.full", "http.url");
/// Stable. <https://opentelemetry.io/docs/specs/semconv/registry/attributes/server/>
pub const SERVER_ADDRESS: Name = name("server.address");
/// Stable.
pub const SERVER_PORT: Name = name("server.port");
/// Of old: address and port in one, and the protocol of the URL.
pub const HTTP_HOST: &str = "http.host";
pub const HTTP_SCHEME: &str = "http.scheme";
/// Stable. <https://opentelemetry.io/docs/specs/semconv/registry/attributes/network/>
pub const NETWORK_PROTOCOL_VERSION: Name = renamed("network.protocol.version", "http.flavor");
/// Stable. <https://opentelemetry.io/docs/specs/semconv/registry/attributes/error/>
pub const ERROR_TYPE: Name = name("error.type");

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
pub const USER_AGENT_ORIGINAL: Name = renamed("user_agent.original", "http.user_agent");

/// In development, in the registry of the client side. <https://github.com/open-telemetry/semantic-conventions-client-side>
pub const BROWSER_NAVIGATION_TYPE: Name = name("browser.navigation.type");
pub const BROWSER_NAVIGATION_SAME_DOCUMENT: Name = name("browser.navigation.same_document");
pub const BROWSER_NAVIGATION_HASH_CHANGE: Name = name("browser.navigation.hash_change");
pub const BROWSER_RESOURCE_INITIATOR_TYPE: Name = name("browser.resource_timing.initiator_type");
/// In development. <https://opentelemetry.io/docs/specs/semconv/registry/attributes/browser/>
pub const BROWSER_DOCUMENT_URL_FULL: Name = name("browser.document.url.full");
/// In development. <https://opentelemetry.io/docs/specs/semconv/general/session/>
pub const SESSION_ID: Name = name("session.id");
pub const SESSION_PREVIOUS_ID: Name = name("session.previous_id");
/// In development. <https://opentelemetry.io/docs/specs/semconv/registry/attributes/user/>
pub const USER_ID: Name = name("user.id");

/// Ours: the page went away while this was still going on. The span ends when the page did.
pub const UNFINISHED: Name = name("webspan.unfinished");
/// Ours: the browser never told when the response's body ended. The span ends with the headers.
pub const BODY_END_UNKNOWN: Name = name("webspan.body_end_unknown");

/// Ours. A span without length that tells how many spans were lost.
pub const SPAN_DROPPED: &str = "webspan.dropped";
/// Ours. How many, for which reason. Nobody is told of what the user or the page did not want, nor could be after the end, or without an endpoint.
pub const DROPPED: [(Loss, &str); 6] = [
    (Loss::QueueFull, "webspan.dropped.queue_full"),
    (Loss::Rejected, "webspan.dropped.rejected"),
    (Loss::Refused, "webspan.dropped.refused"),
    (Loss::Expired, "webspan.dropped.expired"),
    (Loss::Evicted, "webspan.dropped.evicted"),
    (Loss::RateLimited, "webspan.dropped.rate_limited"),
];

/// What JavaScript tells by number: `js/capture/facts.ts` has the same list.
pub const FACTS: [Name; 12] = [
    URL_FULL,
    HTTP_REQUEST_BODY_SIZE,
    BROWSER_NAVIGATION_TYPE,
    BROWSER_NAVIGATION_SAME_DOCUMENT,
    BROWSER_NAVIGATION_HASH_CHANGE,
    BROWSER_RESOURCE_INITIATOR_TYPE,
    BROWSER_DOCUMENT_URL_FULL,
    USER_AGENT_ORIGINAL,
    SESSION_ID,
    SESSION_PREVIOUS_ID,
    USER_ID,
    UNFINISHED,
];
