//! What fetch and XHR have in common: the conventions for HTTP client spans.
//! <https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span>

use super::names::{self, Semconv};
use crate::attributes::Value;
use crate::limits::Limits;
use crate::span::{Span, StatusCode};
use crate::split::{split_before, take_part};

/// Methods that the conventions know. They are case-sensitive.
const KNOWN: &[u8] = b"DELETE GET HEAD OPTIONS POST PUT PATCH QUERY CONNECT TRACE";

/// So many of them, from the first one on, fetch and XHR write in upper case themselves. <https://fetch.spec.whatwg.org/#concept-method-normalize>
const NORMALIZED: usize = 6;

/// A request as the page asked for it.
pub struct Request<'a> {
    /// As the page wrote it.
    pub method: &'a [u8],
    /// Absolute, redacted, and whole.
    pub url: &'a [u8],
}

/// Names the span and its first attributes.
pub fn describe_request(span: &mut Span, request: &Request, limits: &Limits) {
    let known = known_method(request.method);
    span.set_text(names::HTTP_REQUEST_METHOD, known.unwrap_or(names::OTHER.as_bytes()), limits);
    if known.is_none() {
        span.set_text(names::HTTP_REQUEST_METHOD_ORIGINAL, request.method, limits);
    }
    match known {
        Some(method) if span.semconv != Semconv::Legacy => span.rename(method),
        _ => {
            span.rename(names::SPAN_HTTP.as_bytes());
            if let Some(method) = known {
                span.name.push(b' ');
                span.name.extend_from_slice(method);
            }
        }
    }
    span.set_text(names::URL_FULL, request.url, limits);
    let (scheme, host) = origin(request.url);
    if host.is_empty() {
        return;
    }
    if span.semconv != Semconv::Stable {
        span.attributes.set(names::HTTP_HOST.as_bytes(), Value::Text(host), limits.attribute_count);
        span.attributes.set(names::HTTP_SCHEME.as_bytes(), Value::Text(scheme), limits.attribute_count);
    }
    if span.semconv != Semconv::Legacy {
        let (address, port) = server(host, scheme);
        span.set_text(names::SERVER_ADDRESS, address, limits);
        if let Some(port) = port {
            span.set(names::SERVER_PORT, Value::Int(port), limits);
        }
    }
}

/// A `data:` URL up to its content: that is the page's own, and may be a picture of a megabyte.
pub fn without_content(url: &[u8]) -> &[u8] {
    if url.starts_with(b"data:") { split_before(url, b",").0 } else { url }
}

/// The status of a response. Zero stands for one that the page must not see (opaque): neither an attribute nor an error.
pub fn describe_response(span: &mut Span, status: u16, limits: &Limits) {
    if status == 0 {
        return;
    }
    span.set(names::HTTP_RESPONSE_STATUS_CODE, Value::Int(status as i64), limits);
    if status >= 400 {
        // A status has three digits.
        let code = [100, 10, 1].map(|unit| b'0' + (status / unit % 10) as u8);
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
    span.set_text(names::ERROR_TYPE, error_type, limits);
    span.set_status(StatusCode::Error, b"");
}

fn known_method(given: &[u8]) -> Option<&'static [u8]> {
    let (mut known, mut index) = (KNOWN, 0);
    while let Some(method) = take_part(&mut known, b" ") {
        if method == given || index < NORMALIZED && method.eq_ignore_ascii_case(given) {
            return Some(method);
        }
        index += 1;
    }
    None
}

/// The protocol of a URL, and what `URL.host` is of it: name and port of the server, without the port that the protocol implies. Empty where there
/// is no server.
fn origin(url: &[u8]) -> (&[u8], &[u8]) {
    let (scheme, rest) = split_before(url, b":");
    let (mut host, _) = split_before(rest.strip_prefix(b"://").unwrap_or_default(), b"/?#");
    // Credentials, of which nothing but that they were there is left.
    let (_, behind) = split_before(host, b"@");
    if let [_, rest @ ..] = behind {
        host = rest;
    }
    (scheme, host)
}

/// Address and port: the port of `http` and `https` is known also when it does not stand there.
fn server<'a>(host: &'a [u8], scheme: &[u8]) -> (&'a [u8], Option<i64>) {
    // The colons within the brackets of an IPv6 address are its own.
    let (address, rest) = match host.strip_prefix(b"[") {
        Some(inner) => split_before(inner, b"]"),
        None => split_before(host, b":"),
    };
    let (_, port) = split_before(rest, b":");
    let port = match (port, scheme) {
        ([b':', digits @ ..], _) => {
            i64::from(digits.iter().fold(0, |port: u16, digit| port.wrapping_mul(10).wrapping_add(u16::from(digit & 15))))
        }
        (_, b"http") => 80,
        (_, b"https") => 443,
        _ => return (address, None),
    };
    (address, Some(port))
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
            assert_eq!(known_method(given.as_bytes()), wanted.map(str::as_bytes), "{given}");
        }
    }

    #[test]
    fn the_host_is_read_from_the_url() {
        for (url, scheme, host) in [
            ("https://shop.example/cart?to=a@b#c", "https", "shop.example"),
            ("http://shop.example:8080", "http", "shop.example:8080"),
            ("https://REDACTED:REDACTED@shop.example?to=//a@b", "https", "shop.example"),
            ("http://[::1]:4318/v1", "http", "[::1]:4318"),
            ("file:///etc/hosts", "file", ""),
            ("blob:https://shop.example/7c1f", "blob", ""),
            ("data:text/plain,//shop.example/", "data", ""),
            ("REDACTED", "REDACTED", ""),
        ] {
            assert_eq!(origin(url.as_bytes()), (scheme.as_bytes(), host.as_bytes()), "{url}");
        }
    }

    #[test]
    fn the_server_is_read_from_the_host() {
        for (host, scheme, address, port) in [
            ("shop.example", "https", "shop.example", Some(443)),
            ("shop.example", "http", "shop.example", Some(80)),
            ("shop.example:8080", "http", "shop.example", Some(8080)),
            ("[::1]:4318", "http", "::1", Some(4318)),
            ("[2001:db8::7]", "http", "2001:db8::7", Some(80)),
            ("thing", "custom", "thing", None),
        ] {
            assert_eq!(server(host.as_bytes(), scheme.as_bytes()), (address.as_bytes(), port), "{host}");
        }
    }
}
