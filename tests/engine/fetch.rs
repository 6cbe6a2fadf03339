//! A captured request: the names of the conventions, and what is an error.

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use webspan::capture::fetch::End;
use webspan::capture::http::Failure;
use webspan::capture::names::Semconv;
use webspan::capture::timing::Timing;
use webspan::context::{SAMPLED, SpanContext};
use webspan::redact::Redactor;

use crate::driver::{Driver, attribute, int, text};

const URL: &str = "https://api.example/cart?x=1";

/// A request to the URL, from its start to an end that is known, with what `happens` in between.
fn requested(method: &str, url: &str, happens: impl FnOnce(&mut Driver, i32)) -> Span {
    let mut page = Driver::new();
    requested_in(&mut page, method, url, happens)
}

fn requested_in(page: &mut Driver, method: &str, url: &str, happens: impl FnOnce(&mut Driver, i32)) -> Span {
    let handle = page.start_request(method, url);
    happens(page, handle);
    page.engine.end_request(handle, End::Known, page.now_ms, page.now_ms);
    page.flushed()
}

/// Code and message of the status: an unset one is not on the wire.
fn status(span: &Span) -> (StatusCode, &str) {
    span.status.as_ref().map_or((StatusCode::Unset, ""), |status| (status.code(), &status.message))
}

#[test]
fn a_request_is_a_client_span_named_after_its_method() {
    for (method, name, recorded, original) in [
        ("GET", "GET", "GET", None),
        ("post", "POST", "POST", None),
        ("PATCH", "PATCH", "PATCH", None),
        ("QUERY", "QUERY", "QUERY", None),
        // fetch sends these as they are written, and the conventions know them in upper case only.
        ("patch", "HTTP", "_OTHER", Some("patch")),
        ("PROPFIND", "HTTP", "_OTHER", Some("PROPFIND")),
        ("", "HTTP", "_OTHER", Some("")),
    ] {
        let span = requested(method, URL, |_, _| ());
        assert_eq!(span.kind(), SpanKind::Client, "{method}");
        assert_eq!(span.name, name, "{method}");
        assert_eq!(attribute(&span.attributes, "http.request.method"), text(recorded), "{method}");
        assert_eq!(attribute(&span.attributes, "http.request.method_original"), original.and_then(text), "{method}");
    }
}

#[test]
fn a_request_tells_its_url_and_server() {
    for (url, address, port) in [
        ("https://api.example/cart?x=1#top", Some("api.example"), Some(443)),
        ("http://api.example/", Some("api.example"), Some(80)),
        ("http://127.0.0.1:8080/", Some("127.0.0.1"), Some(8080)),
        ("http://[::1]:8080/", Some("::1"), Some(8080)),
        ("data:text/plain", None, None),
        ("blob:https", None, None),
    ] {
        let span = requested("GET", url, |_, _| ());
        assert_eq!(attribute(&span.attributes, "url.full"), text(url));
        assert_eq!(attribute(&span.attributes, "server.address"), address.and_then(text), "{url}");
        assert_eq!(attribute(&span.attributes, "server.port"), port.and_then(int), "{url}");
    }
}

#[test]
fn the_content_of_a_data_url_is_the_pages_own() {
    let span = requested("GET", "data:image/png;base64,UFJJVkFURQ==", |_, _| ());
    assert_eq!(attribute(&span.attributes, "url.full"), text("data:image/png;base64"));
}

#[test]
fn secrets_are_taken_out_of_the_url_before_anything_is_stored() {
    let mut page = Driver::new();
    let mut redactor = Redactor::new();
    redactor.add_key(b"coupon");
    page.engine.redactor = redactor;
    let span = requested_in(&mut page, "GET", "https://me:pw@api.example:444/a?token=t&x=1&coupon=c#access_token=f", |_, _| ());
    let redacted = "https://REDACTED:REDACTED@api.example:444/a?token=REDACTED&x=1&coupon=REDACTED#access_token=REDACTED";
    assert_eq!(attribute(&span.attributes, "url.full"), text(redacted));
    assert_eq!(attribute(&span.attributes, "server.address"), text("api.example"));
    assert_eq!(attribute(&span.attributes, "server.port"), int(444));
}

#[test]
fn limits_cut_the_values_and_never_make_up_another_server() {
    let mut page = Driver::new();
    page.engine.limits.attribute_value_length = 12;
    let span = requested_in(&mut page, "A-VERY-LONG-METHOD", "https://api.example:8080/cart", |_, _| ());
    assert_eq!(attribute(&span.attributes, "url.full"), text("https://api."));
    assert_eq!(attribute(&span.attributes, "server.address"), text("api.example"));
    assert_eq!(attribute(&span.attributes, "server.port"), int(8080));
    assert_eq!(attribute(&span.attributes, "http.request.method_original"), text("A-VERY-LONG-"));
    // Beyond the count there is nothing, and it is told.
    page.engine.limits.attribute_count = 2;
    let span = requested_in(&mut page, "GET", URL, |page, handle| page.engine.response(handle, 500));
    assert_eq!((span.attributes.len(), span.dropped_attributes_count), (2, 4));
}

#[test]
fn a_response_is_an_error_from_400_on_and_an_opaque_one_tells_nothing() {
    for (code, error) in
        [(100, false), (200, false), (204, false), (304, false), (399, false), (400, true), (404, true), (503, true), (599, true)]
    {
        let span = requested("GET", URL, |page, handle| page.engine.response(handle, code));
        assert_eq!(attribute(&span.attributes, "http.response.status_code"), int(code.into()));
        let (wanted, error_type) = if error { (StatusCode::Error, text(&code.to_string())) } else { (StatusCode::Unset, None) };
        assert_eq!(status(&span), (wanted, ""), "{code}");
        assert_eq!(attribute(&span.attributes, "error.type"), error_type, "{code}");
    }
    let opaque = requested("GET", URL, |page, handle| page.engine.response(handle, 0));
    assert_eq!(attribute(&opaque.attributes, "http.response.status_code"), None);
    assert_eq!(attribute(&opaque.attributes, "error.type"), None);
    assert_eq!(status(&opaque), (StatusCode::Unset, ""));
}

#[test]
fn a_failure_is_an_error_by_its_name_and_the_callers_own_wish_is_none() {
    for (error_name, aborted, abort_reason, error_type) in [
        ("TypeError", false, "", Some("TypeError")),
        ("", false, "", Some("_OTHER")),
        // Not aborted, whatever it is called.
        ("AbortError", false, "", Some("AbortError")),
        ("AbortError", true, "AbortError", None),
        ("AbortError", true, "", None),
        // `abort('text')` rejects with that very text.
        ("", true, "", None),
        ("TypeError", true, "TypeError", None),
        ("TimeoutError", true, "TimeoutError", Some("TimeoutError")),
        ("TimeoutError", false, "", Some("TimeoutError")),
    ] {
        let span = requested("GET", URL, |page, handle| {
            let failure = Failure { error_name: error_name.as_bytes(), aborted, abort_reason: abort_reason.as_bytes() };
            page.engine.request_failed(handle, &failure);
        });
        let case = format!("{error_name:?}, aborted {aborted} by {abort_reason:?}");
        assert_eq!(attribute(&span.attributes, "error.type"), error_type.and_then(text), "{case}");
        let wanted = if error_type.is_some() { StatusCode::Error } else { StatusCode::Unset };
        assert_eq!(status(&span), (wanted, ""), "{case}: the message may hold anything");
        assert_eq!(attribute(&span.attributes, "http.response.status_code"), None, "{case}");
    }
}

#[test]
fn the_end_says_how_much_is_known_of_it() {
    for (end, mark) in
        [(End::Known, None), (End::BodyUnknown, Some("webspan.body_end_unknown")), (End::Unfinished, Some("webspan.unfinished"))]
    {
        let mut page = Driver::new();
        let handle = page.start_request("GET", URL);
        page.engine.response(handle, 200);
        assert!(page.engine.end_request(handle, end, 1500.0, 1600.0));
        let span = page.flushed();
        assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 500_000_000);
        let marks: Vec<&str> = span.attributes.iter().map(|pair| &*pair.key).filter(|key| key.starts_with("webspan.")).collect();
        assert_eq!(marks, mark.into_iter().collect::<Vec<_>>());
        assert_eq!(status(&span), (StatusCode::Unset, ""));
    }
}

#[test]
fn a_request_is_a_child_of_what_was_active() {
    let mut page = Driver::new();
    let parent = SpanContext { trace_id: [0xA1; 16], span_id: [0xB2; 8], flags: SAMPLED, remote: false };
    let start =
        webspan::engine::Start { name: b"GET", kind: 0, scope: 0, at_ms: 1000.0, parent: Some(parent), decided: None, captured: true };
    page.spans(0..1); // Random bytes are there from here on.
    let handle = page.engine.start_request(start, URL.as_bytes()).unwrap();
    page.end(handle);
    page.flush();
    let span = page.only_request().spans().pop().unwrap();
    assert_eq!((&*span.trace_id, &*span.parent_span_id), (&parent.trace_id[..], &parent.span_id[..]));
}

/// Names of the attributes, in the order in which they were set.
fn keys(span: &Span) -> Vec<&str> {
    span.attributes.iter().map(|pair| &*pair.key).collect()
}

fn described(semconv: Semconv) -> Span {
    let mut page = Driver::new();
    page.engine.delivery.envelope.semconv = semconv;
    requested_in(&mut page, "post", "https://api.example:8443/cart", |page, handle| {
        page.engine.response(handle, 503);
        page.engine.describe_timing(handle, &Timing { protocol: b"h2", encoded_body_bytes: 120.0, decoded_body_bytes: 400.0 });
    })
}

#[test]
fn attributes_have_the_names_of_the_conventions_that_were_asked_for() {
    const STABLE: [&str; 9] = [
        "http.request.method",
        "url.full",
        "server.address",
        "server.port",
        "http.response.status_code",
        "error.type",
        "network.protocol.version",
        "http.response.body.size",
        "webspan.response.body.decoded_size",
    ];
    const LEGACY: [&str; 9] = [
        "http.method",
        "http.url",
        "http.host",
        "http.scheme",
        "http.status_code",
        "error.type",
        "http.flavor",
        "http.response_content_length",
        "http.response_content_length_uncompressed",
    ];
    let stable = described(Semconv::Stable);
    assert_eq!((keys(&stable), &*stable.name), (STABLE.to_vec(), "POST"));
    let legacy = described(Semconv::Legacy);
    assert_eq!((keys(&legacy), &*legacy.name), (LEGACY.to_vec(), "HTTP POST"));
    assert_eq!(attribute(&legacy.attributes, "http.host"), text("api.example:8443"));
    let dup = described(Semconv::Dup);
    assert_eq!(dup.name, "POST");
    let mut both: Vec<&str> = [STABLE, LEGACY].concat();
    both.sort_unstable();
    both.dedup();
    let mut found = keys(&dup);
    found.sort_unstable();
    assert_eq!(found, both);
    for key in STABLE.iter().chain(&LEGACY) {
        let same = [&stable, &legacy].into_iter().find_map(|span| attribute(&span.attributes, key));
        assert_eq!(attribute(&dup.attributes, key), same, "{key}");
    }
}

#[test]
fn the_schema_is_named_only_where_its_names_are_used() {
    for (semconv, named) in [(Semconv::Stable, true), (Semconv::Legacy, false), (Semconv::Dup, false)] {
        let mut page = Driver::new();
        page.engine.delivery.envelope.semconv = semconv;
        page.spans(0..1);
        page.flush();
        let resource = page.only_request().message().resource_spans.remove(0);
        assert_eq!(!resource.schema_url.is_empty(), named);
        assert_eq!(resource.scope_spans[0].schema_url, resource.schema_url);
    }
}

#[test]
fn resource_timing_that_tells_nothing_leaves_no_attribute() {
    for (protocol, version) in [("", None), ("h2", Some("2")), ("h3", Some("3")), ("http/1.1", Some("1.1")), ("unknown", None)] {
        let span = requested("GET", URL, |page, handle| {
            let timing = Timing { protocol: protocol.as_bytes(), encoded_body_bytes: 0.0, decoded_body_bytes: 0.0 };
            page.engine.describe_timing(handle, &timing);
        });
        assert_eq!(attribute(&span.attributes, "network.protocol.version"), version.and_then(text), "{protocol}");
        assert!(!keys(&span).iter().any(|key| key.contains("size")));
    }
    let span = requested("GET", URL, |page, handle| {
        page.engine.describe_timing(handle, &Timing { protocol: b"", encoded_body_bytes: 7.0, decoded_body_bytes: 7.0 });
    });
    assert_eq!(attribute(&span.attributes, "http.response.body.size"), int(7));
    assert_eq!(attribute(&span.attributes, "webspan.response.body.decoded_size"), None, "it was not compressed");
}
