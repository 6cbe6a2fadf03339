//! A valid export, mutated, breaks exactly the rule that it should. The judge is worth what these are worth.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use serde_json::json;
use strict_receiver::{Rule, judge};

/// The rule that is broken, what breaks it, and how.
type Mutations<T> = &'static [(Rule, &'static str, fn(&mut T))];

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";
const START_UNIX_NANO: u64 = 1_800_000_000_123_456_789;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), key_strindex: 0 }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn array(values: impl IntoIterator<Item = Value>) -> Value {
    Value::ArrayValue(ArrayValue { values: values.into_iter().map(|value| AnyValue { value: Some(value) }).collect() })
}

/// A child with all that a span can have.
fn full_span() -> Span {
    Span {
        trace_id: vec![0xab; 16],
        span_id: vec![1, 0, 0, 0, 0, 0, 0, 0],
        trace_state: "vendor=1".to_owned(),
        parent_span_id: vec![2; 8],
        flags: 0x103,
        name: "GET".to_owned(),
        kind: 3,
        start_time_unix_nano: START_UNIX_NANO,
        end_time_unix_nano: START_UNIX_NANO + 25_000_000,
        attributes: vec![
            text("url.full", "https://example.com/ä?b=1"),
            attribute("http.response.status_code", Value::IntValue(500)),
            attribute("lowest", Value::IntValue(i64::MIN)),
            attribute("ratio", Value::DoubleValue(0.25)),
            attribute("nothing", Value::DoubleValue(f64::NAN)),
            attribute("below", Value::DoubleValue(f64::NEG_INFINITY)),
            attribute("cached", Value::BoolValue(false)),
            attribute("raw", Value::BytesValue(vec![0, 255, 1])),
            attribute("list", array([Value::StringValue("a".to_owned()), Value::IntValue(2)])),
            attribute("map", Value::KvlistValue(KeyValueList { values: vec![text("inner", "x")] })),
        ],
        dropped_attributes_count: 1,
        events: vec![Event {
            time_unix_nano: START_UNIX_NANO + 1,
            name: "fetchStart".to_owned(),
            attributes: vec![text("event.key", "v")],
            dropped_attributes_count: 2,
        }],
        dropped_events_count: 3,
        links: vec![Link {
            trace_id: vec![3; 16],
            span_id: vec![4; 8],
            flags: 0x301,
            attributes: vec![text("link.key", "v")],
            ..Link::default()
        }],
        status: Some(Status { message: "it failed".to_owned(), code: 2 }),
        ..Span::default()
    }
}

/// A root with as little as a span can have.
fn bare_span() -> Span {
    Span {
        trace_id: vec![0xab; 16],
        span_id: vec![2; 8],
        name: "documentLoad".to_owned(),
        kind: 1,
        start_time_unix_nano: START_UNIX_NANO,
        end_time_unix_nano: START_UNIX_NANO,
        ..Span::default()
    }
}

fn resource() -> Resource {
    Resource {
        attributes: vec![
            text("service.name", "shop-web"),
            text("telemetry.sdk.name", "webspan"),
            text("telemetry.sdk.language", "webjs"),
            text("telemetry.sdk.version", "0.1.0"),
        ],
        ..Resource::default()
    }
}

fn request(spans: Vec<Span>) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource()),
            scope_spans: vec![ScopeSpans {
                scope: Some(InstrumentationScope {
                    name: "webspan/fetch".to_owned(),
                    version: "0.1.0".to_owned(),
                    ..InstrumentationScope::default()
                }),
                spans,
                schema_url: String::new(),
            }],
            schema_url: "https://opentelemetry.io/schemas/1.38.0".to_owned(),
        }],
    }
}

fn valid() -> ExportTraceServiceRequest {
    request(vec![full_span(), bare_span()])
}

fn to_json(request: &ExportTraceServiceRequest) -> serde_json::Value {
    let mut json = serde_json::to_value(request).expect("opentelemetry-proto writes JSON");
    // What it writes as null are messages that are absent, and doubles that are not finite.
    remove_nulls(&mut json);
    for attribute in
        json.pointer_mut("/resourceSpans/0/scopeSpans/0/spans/0/attributes").and_then(|list| list.as_array_mut()).into_iter().flatten()
    {
        match attribute["key"].as_str() {
            Some("nothing") => attribute["value"] = json!({ "doubleValue": "NaN" }),
            Some("below") => attribute["value"] = json!({ "doubleValue": "-Infinity" }),
            _ => {}
        }
    }
    json
}

fn remove_nulls(json: &mut serde_json::Value) {
    match json {
        serde_json::Value::Object(members) => {
            members.retain(|_, value| !value.is_null());
            members.values_mut().for_each(remove_nulls);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(remove_nulls),
        _ => {}
    }
}

/// The rules that `body` breaks, each once.
fn broken(content_type: &str, body: &[u8]) -> Vec<Rule> {
    let mut rules: Vec<Rule> = judge(content_type, body).violations.iter().map(|violation| violation.rule).collect();
    rules.sort();
    rules.dedup();
    rules
}

#[test]
fn takes_what_is_valid_in_both_encodings() {
    let request = valid();
    for (content_type, body) in [(PROTOBUF, request.encode_to_vec()), (JSON, to_json(&request).to_string().into_bytes())] {
        let verdict = judge(content_type, &body);
        assert_eq!(verdict.violations, [], "{content_type}");
        // NaN is not equal to itself, so the comparison is of what is written.
        assert_eq!(format!("{:?}", verdict.request), format!("{:?}", Some(&request)), "{content_type}");
    }
}

#[test]
fn reports_spans_flat_with_typed_attributes() {
    let spans = judge(PROTOBUF, &valid().encode_to_vec()).spans();
    assert_eq!(spans.len(), 2);
    assert_eq!(
        spans[0],
        json!({
            "traceId": "abababababababababababababababab",
            "spanId": "0100000000000000",
            "parentSpanId": "0202020202020202",
            "name": "GET",
            "kind": "CLIENT",
            "startTimeUnixNano": "1800000000123456789",
            "endTimeUnixNano": "1800000000148456789",
            "flags": 0x103,
            "traceState": "vendor=1",
            "attributes": {
                "url.full": { "string": "https://example.com/ä?b=1" },
                "http.response.status_code": { "int": "500" },
                "lowest": { "int": "-9223372036854775808" },
                "ratio": { "double": 0.25 },
                "nothing": { "double": "NaN" },
                "below": { "double": "-Infinity" },
                "cached": { "bool": false },
                "raw": { "bytes": "AP8B" },
                "list": { "array": [{ "string": "a" }, { "int": "2" }] },
                "map": { "kvlist": { "inner": { "string": "x" } } },
            },
            "droppedAttributesCount": 1,
            "events": [{
                "timeUnixNano": "1800000000123456790",
                "name": "fetchStart",
                "attributes": { "event.key": { "string": "v" } },
                "droppedAttributesCount": 2,
            }],
            "droppedEventsCount": 3,
            "links": [{
                "traceId": "03030303030303030303030303030303",
                "spanId": "0404040404040404",
                "traceState": "",
                "flags": 0x301,
                "attributes": { "link.key": { "string": "v" } },
                "droppedAttributesCount": 0,
            }],
            "droppedLinksCount": 0,
            "status": { "code": "ERROR", "message": "it failed" },
            "resource": {
                "service.name": { "string": "shop-web" },
                "telemetry.sdk.name": { "string": "webspan" },
                "telemetry.sdk.language": { "string": "webjs" },
                "telemetry.sdk.version": { "string": "0.1.0" },
            },
            "scope": { "name": "webspan/fetch", "version": "0.1.0", "attributes": {} },
            "schemaUrl": "https://opentelemetry.io/schemas/1.38.0",
        })
    );
    assert_eq!(spans[1]["parentSpanId"], "");
    assert_eq!(spans[1]["status"], json!({ "code": "UNSET", "message": "" }));
}

/// What is said must not depend on how the bytes were encoded, so each of these is judged in both.
const CONTENT: Mutations<Span> = &[
    (Rule::TraceId, "short", |span| span.trace_id.truncate(15)),
    (Rule::TraceId, "long", |span| span.trace_id.push(1)),
    (Rule::TraceId, "absent", |span| span.trace_id.clear()),
    (Rule::TraceId, "zero", |span| span.trace_id.fill(0)),
    (Rule::TraceId, "of a link", |span| span.links[0].trace_id.fill(0)),
    (Rule::SpanId, "short", |span| span.span_id.truncate(7)),
    (Rule::SpanId, "absent", |span| span.span_id.clear()),
    (Rule::SpanId, "zero", |span| span.span_id.fill(0)),
    (Rule::SpanId, "of a link", |span| span.links[0].span_id.clear()),
    (Rule::ParentSpanId, "short", |span| span.parent_span_id.truncate(4)),
    (Rule::ParentSpanId, "zero", |span| span.parent_span_id.fill(0)),
    (Rule::ParentSpanId, "itself", |span| span.parent_span_id = span.span_id.clone()),
    (Rule::SpanIdTwice, "as the other span", |span| {
        span.span_id = bare_span().span_id;
        span.parent_span_id = vec![9; 8];
    }),
    (Rule::Name, "empty", |span| span.name.clear()),
    (Rule::Name, "of an event", |span| span.events[0].name.clear()),
    (Rule::Kind, "unspecified", |span| span.kind = 0),
    (Rule::Kind, "unknown", |span| span.kind = 6),
    (Rule::StartTime, "zero", |span| {
        span.start_time_unix_nano = 0;
        span.events.clear();
    }),
    (Rule::StartTime, "milliseconds", |span| {
        span.start_time_unix_nano /= 1_000_000;
        span.events.clear();
    }),
    (Rule::EndTime, "a nanosecond before the start", |span| span.end_time_unix_nano = START_UNIX_NANO - 1),
    (Rule::EndTime, "absent", |span| span.end_time_unix_nano = 0),
    (Rule::EventTime, "absent", |span| span.events[0].time_unix_nano = 0),
    (Rule::EventTime, "before", |span| span.events[0].time_unix_nano = START_UNIX_NANO - 61 * NANOS_PER_SECOND),
    (Rule::EventTime, "after", |span| span.events[0].time_unix_nano = START_UNIX_NANO + 61 * NANOS_PER_SECOND),
    (Rule::AttributeKey, "empty", |span| span.attributes.push(text("", "v"))),
    (Rule::AttributeKey, "twice", |span| span.attributes.push(text("url.full", "again"))),
    (Rule::AttributeKey, "twice in an event", |span| span.events[0].attributes.push(text("event.key", "again"))),
    (Rule::AttributeKey, "twice in a link", |span| span.links[0].attributes.push(text("link.key", "again"))),
    (Rule::AttributeKey, "twice in a map", |span| {
        let twice = KeyValueList { values: vec![text("k", "1"), text("k", "2")] };
        span.attributes.push(attribute("other", array([Value::KvlistValue(twice)])));
    }),
    (Rule::AttributeValue, "absent", |span| span.attributes[0].value = None),
    (Rule::AttributeValue, "empty", |span| span.attributes[0].value = Some(AnyValue { value: None })),
    (Rule::Flags, "unknown bit", |span| span.flags |= 0x400),
    (Rule::Flags, "unknown bit of a link", |span| span.links[0].flags |= 0x8000_0000),
    (Rule::Flags, "parent of unknown remoteness", |span| span.flags = 1),
    (Rule::Flags, "link of unknown remoteness", |span| span.links[0].flags = 1),
    (Rule::Flags, "remote but not known to be", |span| {
        span.parent_span_id.clear();
        span.flags = 0x201;
    }),
    (Rule::StatusCode, "unknown", |span| span.status = Some(Status { message: String::new(), code: 3 })),
    (Rule::StatusMessage, "without an error", |span| span.status = Some(Status { message: "fine".to_owned(), code: 1 })),
];

/// The same for what stands around the spans.
const ENVELOPE: Mutations<ExportTraceServiceRequest> = &[
    (Rule::NoSpans, "nothing at all", |request| request.resource_spans.clear()),
    (Rule::NoSpans, "a scope only", |request| request.resource_spans[0].scope_spans[0].spans.clear()),
    (Rule::Resource, "absent", |request| request.resource_spans[0].resource = None),
    (Rule::Resource, "no service.name", |request| drop(resource_attributes(request).remove(0))),
    (Rule::Resource, "no telemetry.sdk.name", |request| drop(resource_attributes(request).remove(1))),
    (Rule::Resource, "no telemetry.sdk.language", |request| drop(resource_attributes(request).remove(2))),
    (Rule::Resource, "no telemetry.sdk.version", |request| drop(resource_attributes(request).remove(3))),
    (Rule::Resource, "empty service.name", |request| resource_attributes(request)[0] = text("service.name", "")),
    (Rule::Resource, "service.name as a number", |request| {
        resource_attributes(request)[0] = attribute("service.name", Value::IntValue(5));
    }),
    (Rule::AttributeKey, "twice in the resource", |request| resource_attributes(request).push(text("service.name", "again"))),
    (Rule::AttributeKey, "twice in the scope", |request| {
        let scope = request.resource_spans[0].scope_spans[0].scope.as_mut().expect("the valid request has a scope");
        scope.attributes = vec![text("k", "1"), text("k", "2")];
    }),
];

fn resource_attributes(request: &mut ExportTraceServiceRequest) -> &mut Vec<KeyValue> {
    &mut request.resource_spans[0].resource.as_mut().expect("the valid request has a resource").attributes
}

#[test]
fn refuses_each_content_that_is_wrong() {
    let spans = CONTENT.iter().map(|(rule, what, mutate)| {
        let mut request = valid();
        mutate(&mut request.resource_spans[0].scope_spans[0].spans[0]);
        (rule, what, request)
    });
    let envelopes = ENVELOPE.iter().map(|(rule, what, mutate)| {
        let mut request = valid();
        mutate(&mut request);
        (rule, what, request)
    });
    for (rule, what, request) in spans.chain(envelopes) {
        assert_eq!(broken(PROTOBUF, &request.encode_to_vec()), [*rule], "{rule:?}, {what}, protobuf");
        assert_eq!(broken(JSON, to_json(&request).to_string().as_bytes()), [*rule], "{rule:?}, {what}, JSON");
    }
}

#[test]
fn refuses_the_indices_that_only_profiles_have() {
    let mut by_key = valid();
    by_key.resource_spans[0].scope_spans[0].spans[0].attributes[0].key_strindex = 1;
    let mut by_value = valid();
    by_value.resource_spans[0].scope_spans[0].spans[0].attributes[0] = attribute("k", Value::StringValueStrindex(1));
    for request in [by_key, by_value] {
        assert_eq!(broken(PROTOBUF, &request.encode_to_vec()), [Rule::ProfilesOnly]);
    }
}

/// Bytes that spoil a span by standing behind its fields.
const PROTOBUF_FORM: &[(Rule, &str, &[u8])] = &[
    (Rule::UnknownField, "field 99, varint", &[0x98, 0x06, 1]),
    (Rule::UnknownField, "field 17, bytes", &[0x8a, 0x01, 1, 0]),
    (Rule::WireType, "dropped_links_count as fixed32", &[14 << 3 | 5, 1, 0, 0, 0]),
    (Rule::WireType, "an event as varint", &[11 << 3, 1]),
    (Rule::Utf8, "an event's name", &[11 << 3 | 2, 3, 2 << 3 | 2, 1, 0xff]),
    (Rule::FieldTwice, "name", &[5 << 3 | 2, 1, b'x']),
    (Rule::FieldTwice, "status", &[15 << 3 | 2, 2, 3 << 3, 2]),
    (Rule::FieldTwice, "two values of one attribute", &[9 << 3 | 2, 9, 1 << 3 | 2, 1, b'k', 2 << 3 | 2, 4, 2 << 3, 1, 3 << 3, 5]),
    (Rule::Malformed, "a key without a value", &[14 << 3]),
    (Rule::Malformed, "a length beyond the end", &[11 << 3 | 2, 200, 1]),
    (Rule::Malformed, "field 0", &[0]),
];

/// The valid request in protobuf, with raw bytes behind the fields of its first span.
fn protobuf_with_span_tail(tail: &[u8]) -> Vec<u8> {
    fn field(number: u8, content: &[u8], out: &mut Vec<u8>) {
        prost::encoding::encode_varint(u64::from(number << 3 | 2), out);
        prost::encoding::encode_varint(content.len() as u64, out);
        out.extend_from_slice(content);
    }
    let (mut scope_spans, mut resource_spans, mut request) = (Vec::new(), Vec::new(), Vec::new());
    field(2, &[full_span().encode_to_vec(), tail.to_vec()].concat(), &mut scope_spans);
    field(1, &resource().encode_to_vec(), &mut resource_spans);
    field(2, &scope_spans, &mut resource_spans);
    field(1, &resource_spans, &mut request);
    request
}

#[test]
fn refuses_each_protobuf_form_that_is_wrong() {
    assert_eq!(broken(PROTOBUF, &protobuf_with_span_tail(&[])), [], "the tail alone must make the difference");
    for (rule, what, tail) in PROTOBUF_FORM {
        assert_eq!(broken(PROTOBUF, &protobuf_with_span_tail(tail)), [*rule], "{what}");
    }

    let whole = valid().encode_to_vec();
    assert_eq!(broken(PROTOBUF, &whole[..whole.len() - 1]), [Rule::Malformed], "truncated");
    assert_eq!(broken(PROTOBUF, &[&whole[..], &[0]].concat()), [Rule::Malformed], "one byte more");
    assert_eq!(broken(PROTOBUF, &[&whole[..], &[2 << 3, 1]].concat()), [Rule::UnknownField], "one field more");
}

const JSON_FORM: Mutations<serde_json::Value> = &[
    (Rule::UnknownField, "snake_case", |span| span["trace_state"] = json!("vendor=1")),
    (Rule::UnknownField, "not in OTLP", |span| span["duration"] = json!(5)),
    (Rule::JsonId, "base64", |span| span["traceId"] = json!("q6urq6urq6urq6urq6urqw==")),
    (Rule::JsonId, "upper case", |span| span["traceId"] = json!("AB".repeat(16))),
    (Rule::JsonId, "odd length", |span| span["spanId"] = json!("010000000000000")),
    (Rule::JsonId, "a number", |span| span["spanId"] = json!(1)),
    (Rule::JsonId, "of a link", |span| span["links"][0]["spanId"] = json!("BAQEBAQEBAQ=")),
    (Rule::JsonInt64, "time as a number", |span| span["startTimeUnixNano"] = json!(START_UNIX_NANO)),
    (Rule::JsonInt64, "time with a fraction", |span| span["startTimeUnixNano"] = json!("1800000000123456789.5")),
    (Rule::JsonInt64, "negative time", |span| span["startTimeUnixNano"] = json!("-1")),
    (Rule::JsonInt64, "attribute as a number", |span| span["attributes"][1]["value"] = json!({ "intValue": 500 })),
    (Rule::JsonInt64, "beyond int64", |span| span["attributes"][1]["value"] = json!({ "intValue": "9223372036854775808" })),
    (Rule::JsonInt64, "leading zero", |span| span["attributes"][1]["value"] = json!({ "intValue": "0500" })),
    (Rule::JsonInt64, "in an array", |span| span["attributes"][8]["value"]["arrayValue"]["values"][1] = json!({ "intValue": 2 })),
    (Rule::JsonInt32, "kind by name", |span| span["kind"] = json!("SPAN_KIND_CLIENT")),
    (Rule::JsonInt32, "status by name", |span| span["status"]["code"] = json!("STATUS_CODE_ERROR")),
    (Rule::JsonInt32, "flags as text", |span| span["flags"] = json!("259")),
    (Rule::JsonInt32, "count with a fraction", |span| span["droppedEventsCount"] = json!(1.5)),
    (Rule::JsonInt32, "negative count", |span| span["droppedEventsCount"] = json!(-1)),
    (Rule::JsonDouble, "text", |span| span["attributes"][3]["value"] = json!({ "doubleValue": "0.25" })),
    (Rule::JsonDouble, "null for NaN", |span| span["attributes"][3]["value"] = json!({ "doubleValue": null })),
    (Rule::JsonBytes, "hex", |span| span["attributes"][7]["value"] = json!({ "bytesValue": "00ff1" })),
    (Rule::JsonType, "name as a number", |span| span["name"] = json!(5)),
    (Rule::JsonType, "null", |span| span["traceState"] = json!(null)),
    (Rule::JsonType, "boolean as text", |span| span["attributes"][6]["value"] = json!({ "boolValue": "false" })),
    (Rule::JsonType, "object for a list", |span| span["events"] = json!({})),
    (Rule::JsonType, "list for an object", |span| span["status"] = json!([])),
    (Rule::FieldTwice, "two values of one attribute", |span| {
        span["attributes"][1]["value"] = json!({ "intValue": "500", "stringValue": "500" });
    }),
    (Rule::Kind, "unspecified", |span| span["kind"] = json!(0)),
    (Rule::Kind, "unknown", |span| span["kind"] = json!(6)),
    (Rule::StatusCode, "unknown", |span| span["status"] = json!({ "code": 3 })),
    (Rule::AttributeValue, "empty", |span| span["attributes"][0]["value"] = json!({})),
    (Rule::AttributeValue, "absent", |span| span["attributes"][0] = json!({ "key": "url.full" })),
];

#[test]
fn refuses_each_json_form_that_is_wrong() {
    for (rule, what, mutate) in JSON_FORM {
        let mut json = to_json(&valid());
        mutate(&mut json["resourceSpans"][0]["scopeSpans"][0]["spans"][0]);
        assert_eq!(broken(JSON, json.to_string().as_bytes()), [*rule], "{rule:?}, {what}");
    }

    let whole = to_json(&valid()).to_string();
    let twice = whole.replacen("\"kind\":3", "\"kind\":3,\"kind\":3", 1);
    assert_eq!(broken(JSON, twice.as_bytes()), [Rule::FieldTwice], "a key twice");
    assert_eq!(broken(JSON, &whole.as_bytes()[..whole.len() - 1]), [Rule::Malformed], "truncated");
    assert_eq!(broken(JSON, format!("{whole}{{}}").as_bytes()), [Rule::Malformed], "more behind the end");
    assert_eq!(broken(JSON, b"[]"), [Rule::JsonType], "a list of nothing");
    assert_eq!(broken(JSON, &whole.replacen("GET", "G\u{0}T", 1).into_bytes()), [Rule::Malformed], "a raw control character");
    let bad_utf8 = whole.as_bytes().iter().map(|byte| if *byte == b'G' { 0xff } else { *byte }).collect::<Vec<_>>();
    assert_eq!(broken(JSON, &bad_utf8), [Rule::Malformed], "not UTF-8");
}

#[test]
fn refuses_other_content_types() {
    for content_type in ["", "application/octet-stream", "text/plain", "application/protobuf"] {
        assert_eq!(broken(content_type, &valid().encode_to_vec()), [Rule::ContentType], "{content_type:?}");
    }
}

#[test]
fn keeps_what_could_be_decoded() {
    let verdict = judge(PROTOBUF, &protobuf_with_span_tail(&[0x98, 0x06, 1]));
    assert_eq!(verdict.spans()[0]["name"], "GET");
    assert_eq!(
        verdict.violations[0].to_string(),
        "UnknownField at resourceSpans[0].scopeSpans[0].spans[0]: opentelemetry.proto.trace.v1.Span has no field 99"
    );
}

#[test]
fn has_a_case_for_every_rule() {
    let in_tests_of_their_own = [Rule::ContentType, Rule::ProfilesOnly];
    let tables = CONTENT
        .iter()
        .map(|case| case.0)
        .chain(ENVELOPE.iter().map(|case| case.0))
        .chain(PROTOBUF_FORM.iter().map(|case| case.0))
        .chain(JSON_FORM.iter().map(|case| case.0))
        .chain(in_tests_of_their_own)
        .collect::<Vec<_>>();
    for rule in Rule::ALL {
        assert!(tables.contains(&rule), "nothing breaks {rule:?}");
    }
}
