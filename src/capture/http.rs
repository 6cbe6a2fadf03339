//! What fetch and XHR have in common: the conventions for HTTP client spans.
//! <https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span>

use alloc::vec::Vec;

use super::names;
use crate::attributes::Value;
use crate::limits::Limits;
use crate::otlp::decimal;
use crate::span::{Span, StatusCode};

/// Methods that the conventions know. They are case-sensitive.
const KNOWN: [&str; 10] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "QUERY", "CONNECT", "TRACE"];

/// Methods that fetch and XHR write in upper case themselves; not `patch`. <https://fetch.spec.whatwg.org/#concept-method-normalize>
const NORMALIZED: [&str; 6] = ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"];

/// A request as the page asked for it.
pub struct Request<'a> {
    /// As the page wrote it.
    pub method: &'a [u8],
    /// Absolute, and redacted.
    pub url: &'a [u8],
}

/// Names the span and its first attributes.
pub fn describe_request(span: &mut Span, request: &Request, limits: &Limits) {
    let mut set = |name: &str, value: Value| span.attributes.set(name.as_bytes(), value, limits.attribute_count);
    let method = match known_method(request.method) {
        Some(method) => {
            set(names::HTTP_REQUEST_METHOD, Value::Text(method.as_bytes()));
            method
        }
        None => {
            set(names::HTTP_REQUEST_METHOD, Value::Text(names::OTHER.as_bytes()));
            set(names::HTTP_REQUEST_METHOD_ORIGINAL, Value::Text(request.method));
            names::SPAN_HTTP
        }
    };
    set(names::URL_FULL, Value::Text(request.url));
    if let Some(server) = server(request.url) {
        set(names::SERVER_ADDRESS, Value::Text(server.address));
        if let Some(port) = server.port {
            set(names::SERVER_PORT, Value::Int(port as i64));
        }
    }
    span.rename(method.as_bytes());
}

/// The status of a response. Zero stands for one that the page must not see (opaque): neither an attribute nor an error.
pub fn describe_response(span: &mut Span, status: u16, limits: &Limits) {
    if status == 0 {
        return;
    }
    span.attributes.set(names::HTTP_RESPONSE_STATUS_CODE.as_bytes(), Value::Int(status as i64), limits.attribute_count);
    if status >= 400 {
        let mut code = Vec::new();
        decimal::push_u64(status as u64, &mut code);
        fail(span, &code, limits);
    }
}

/// How a request came to an end without a response.
pub struct Failure<'a> {
    /// The `name` of what was thrown; empty when it has none.
    pub error_name: &'a [u8],
    /// The request's signal was aborted: by the caller, or by a timeout.
    pub aborted: bool,
    /// The `name` of the signal's reason; empty when it has none.
    pub abort_reason: &'a [u8],
}

pub fn describe_failure(span: &mut Span, failure: &Failure, limits: &Limits) {
    const TIMEOUT: &[u8] = b"TimeoutError";
    match failure {
        Failure { aborted: true, abort_reason: TIMEOUT, .. } => fail(span, TIMEOUT, limits),
        // The caller's own wish is no error.
        Failure { aborted: true, .. } => {}
        Failure { error_name: b"", .. } => fail(span, names::OTHER.as_bytes(), limits),
        Failure { error_name, .. } => fail(span, error_name, limits),
    }
}

fn fail(span: &mut Span, error_type: &[u8], limits: &Limits) {
    span.attributes.set(names::ERROR_TYPE.as_bytes(), Value::Text(error_type), limits.attribute_count);
    span.set_status(StatusCode::Error, b"");
}

fn known_method(given: &[u8]) -> Option<&'static str> {
    let sent_in_upper_case = NORMALIZED.iter().find(|method| method.as_bytes().eq_ignore_ascii_case(given));
    sent_in_upper_case.or_else(|| KNOWN.iter().find(|method| method.as_bytes() == given)).copied()
}

#[derive(PartialEq, Debug)]
struct Server<'a> {
    address: &'a [u8],
    port: Option<u16>,
}

/// Host and port of an absolute URL. The port of `http` and `https` is known when it does not stand there.
fn server(url: &[u8]) -> Option<Server<'_>> {
    let colon = url.windows(3).position(|window| window == b"://")?;
    let (scheme, rest) = (&url[..colon], &url[colon + 3..]);
    let authority = rest.split(|byte| matches!(byte, b'/' | b'?' | b'#')).next()?;
    let host = authority.rsplit(|&byte| byte == b'@').next()?;
    let default_port = match scheme {
        b"http" => Some(80),
        b"https" => Some(443),
        _ => None,
    };
    // Not the colons within the brackets of an IPv6 address.
    let bracket = host.iter().position(|&byte| byte == b']').map_or(0, |index| index + 1);
    let (address, port) = match host[bracket..].iter().position(|&byte| byte == b':') {
        Some(colon) => (&host[..bracket + colon], decimal_port(&host[bracket + colon + 1..]).or(default_port)),
        None => (host, default_port),
    };
    let address = address.strip_prefix(b"[").and_then(|inner| inner.strip_suffix(b"]")).unwrap_or(address);
    (!address.is_empty()).then_some(Server { address, port })
}

fn decimal_port(text: &[u8]) -> Option<u16> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u16, |port, digit| port.checked_mul(10)?.checked_add(digit.wrapping_sub(b'0').into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_known_as_the_network_sees_them() {
        for (given, wanted) in [
            ("GET", Some("GET")),
            ("get", Some("GET")),
            ("Post", Some("POST")),
            ("PATCH", Some("PATCH")),
            ("patch", None),
            ("QUERY", Some("QUERY")),
            ("PROPFIND", None),
            ("", None),
        ] {
            assert_eq!(known_method(given.as_bytes()), wanted, "{given}");
        }
    }

    #[test]
    fn the_server_is_read_from_the_url() {
        for (url, address, port) in [
            ("https://shop.example/cart?x=1", "shop.example", Some(443)),
            ("http://shop.example", "shop.example", Some(80)),
            ("http://shop.example:8080/a:b", "shop.example", Some(8080)),
            ("https://REDACTED:REDACTED@shop.example:1/", "shop.example", Some(1)),
            ("http://[::1]:4318/v1", "::1", Some(4318)),
            ("http://[2001:db8::7]/", "2001:db8::7", Some(80)),
            ("https://shop.example?at=me@home", "shop.example", Some(443)),
            ("custom://thing/x", "thing", None),
        ] {
            assert_eq!(server(url.as_bytes()), Some(Server { address: address.as_bytes(), port }), "{url}");
        }
        for url in ["data:text/plain,x", "about:blank", "", "file:///etc/hosts"] {
            assert_eq!(server(url.as_bytes()), None, "{url}");
        }
    }
}
