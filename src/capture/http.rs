//! What fetch and XHR have in common: the conventions for HTTP client spans.
//! <https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span>

use alloc::vec::Vec;

use super::names;
use crate::attributes::Value;
use crate::limits::Limits;
use crate::otlp::decimal;
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
    /// Absolute, redacted, and whole: what is cut from it may be a part of the server's name.
    pub url: &'a [u8],
}

/// Names the span and its first attributes.
pub fn describe_request(span: &mut Span, request: &Request, limits: &Limits) {
    let known = known_method(request.method);
    span.set_text(names::HTTP_REQUEST_METHOD, known.unwrap_or(names::OTHER.as_bytes()), limits);
    if known.is_none() {
        span.set_text(names::HTTP_REQUEST_METHOD_ORIGINAL, request.method, limits);
    }
    span.rename(known.unwrap_or(names::SPAN_HTTP.as_bytes()));
    span.set_text(names::URL_FULL, request.url, limits);
    if let Some(server) = server(request.url) {
        span.set_text(names::SERVER_ADDRESS, server.address, limits);
        if let Some(port) = server.port {
            span.set(names::SERVER_PORT, Value::Int(port as i64), limits);
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

#[derive(PartialEq, Debug)]
struct Server<'a> {
    address: &'a [u8],
    port: Option<u16>,
}

/// Host and port of an absolute URL. The port of `http` and `https` is known when it does not stand there.
fn server(url: &[u8]) -> Option<Server<'_>> {
    let (scheme, rest) = split_before(url, b":");
    let (authority, _) = split_before(rest.strip_prefix(b"://")?, b"/?#");
    let mut host = authority;
    while let (_, [b'@', behind @ ..]) = split_before(host, b"@") {
        host = behind;
    }
    // The colons within the brackets of an IPv6 address are its own.
    let (address, rest) = match host.strip_prefix(b"[") {
        Some(inner) => split_before(inner, b"]"),
        None => split_before(host, b":"),
    };
    let default_port = match scheme {
        b"http" => Some(80),
        b"https" => Some(443),
        _ => None,
    };
    let (_, port) = split_before(rest, b":");
    (!address.is_empty()).then_some(Server { address, port: port.get(1..).and_then(decimal_port).or(default_port) })
}

fn decimal_port(text: &[u8]) -> Option<u16> {
    let port = text.iter().try_fold(0u32, |port, digit| (port < 10_000).then(|| port * 10 + u32::from(digit.wrapping_sub(b'0'))))?;
    if text.is_empty() { None } else { u16::try_from(port).ok() }
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
