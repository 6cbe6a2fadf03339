//! The same messages as JSON: finished protobuf bytes go in, OTLP/JSON comes out.
//!
//! Spans exist as protobuf only; who asked for `http/json` gets it translated while it is sent. One
//! table for each message says what a field is called and how it is written.
//! <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>

use super::decimal::{push_f64, push_i64, push_u64};
use super::trace::{any_value, array_value, event, key_value, link, request, resource, resource_spans, scope, scope_spans, span, status};
use super::wire::{Field, Fields, Read, push};
use crate::context::push_hex;
use alloc::vec::Vec;

/// Messages within messages that are written; what lies deeper becomes `{}`. An attribute's value
/// is the sixth in a request, and each array in it takes two more, which are three objects and
/// arrays in JSON. Parsers of JSON refuse the whole batch when it is too deep, some at 128.
const MAX_DEPTH: u8 = 64;

/// Writes an `ExportTraceServiceRequest`.
pub fn request(protobuf: &[u8], out: &mut Vec<u8>) {
    write_message(Message::Request, protobuf, out, MAX_DEPTH);
}

/// Writes one `Span`.
pub fn span(protobuf: &[u8], out: &mut Vec<u8>) {
    write_message(Message::Span, protobuf, out, MAX_DEPTH);
}

struct Entry {
    field: Field,
    name: &'static str,
    kind: Kind,
    /// Whether the values form an array.
    repeated: bool,
}

/// How a value is written.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    /// Ids: OTLP departs from the JSON of protobuf, which would have base64.
    Hex,
    Bool,
    /// Up to 32 bits and enums.
    Number,
    /// A signed integer of 64 bits, as text: a number in JavaScript has but 53.
    Signed,
    /// The same unsigned.
    Unsigned,
    Double,
    Message(Message),
}

impl Entry {
    const fn new(field: Field, name: &'static str, kind: Kind) -> Entry {
        Entry { field, name, kind, repeated: false }
    }

    const fn each(field: Field, name: &'static str, kind: Kind) -> Entry {
        Entry { field, name, kind, repeated: true }
    }
}

#[derive(Clone, Copy)]
enum Message {
    Request,
    ResourceSpans,
    Resource,
    ScopeSpans,
    Scope,
    Span,
    Event,
    Link,
    Status,
    KeyValue,
    AnyValue,
    ArrayValue,
}

impl Message {
    /// One entry for each of its fields, in the order in which they are written.
    fn entries(self) -> &'static [Entry] {
        match self {
            Message::Request => const { &[Entry::each(request::RESOURCE_SPANS, "resourceSpans", Kind::Message(Message::ResourceSpans))] },
            Message::ResourceSpans => {
                const {
                    &[
                        Entry::new(resource_spans::RESOURCE, "resource", Kind::Message(Message::Resource)),
                        Entry::each(resource_spans::SCOPE_SPANS, "scopeSpans", Kind::Message(Message::ScopeSpans)),
                        Entry::new(resource_spans::SCHEMA_URL, "schemaUrl", Kind::Text),
                    ]
                }
            }
            Message::Resource => {
                const {
                    &[
                        Entry::each(resource::ATTRIBUTES, "attributes", Kind::Message(Message::KeyValue)),
                        Entry::new(resource::DROPPED_ATTRIBUTES_COUNT, "droppedAttributesCount", Kind::Number),
                    ]
                }
            }
            Message::ScopeSpans => {
                const {
                    &[
                        Entry::new(scope_spans::SCOPE, "scope", Kind::Message(Message::Scope)),
                        Entry::each(scope_spans::SPANS, "spans", Kind::Message(Message::Span)),
                        Entry::new(scope_spans::SCHEMA_URL, "schemaUrl", Kind::Text),
                    ]
                }
            }
            Message::Scope => const { &[Entry::new(scope::NAME, "name", Kind::Text), Entry::new(scope::VERSION, "version", Kind::Text)] },
            Message::Span => {
                const {
                    &[
                        Entry::new(span::TRACE_ID, "traceId", Kind::Hex),
                        Entry::new(span::SPAN_ID, "spanId", Kind::Hex),
                        Entry::new(span::TRACE_STATE, "traceState", Kind::Text),
                        Entry::new(span::PARENT_SPAN_ID, "parentSpanId", Kind::Hex),
                        Entry::new(span::FLAGS, "flags", Kind::Number),
                        Entry::new(span::NAME, "name", Kind::Text),
                        Entry::new(span::KIND, "kind", Kind::Number),
                        Entry::new(span::START_TIME_UNIX_NANO, "startTimeUnixNano", Kind::Unsigned),
                        Entry::new(span::END_TIME_UNIX_NANO, "endTimeUnixNano", Kind::Unsigned),
                        Entry::each(span::ATTRIBUTES, "attributes", Kind::Message(Message::KeyValue)),
                        Entry::new(span::DROPPED_ATTRIBUTES_COUNT, "droppedAttributesCount", Kind::Number),
                        Entry::each(span::EVENTS, "events", Kind::Message(Message::Event)),
                        Entry::new(span::DROPPED_EVENTS_COUNT, "droppedEventsCount", Kind::Number),
                        Entry::each(span::LINKS, "links", Kind::Message(Message::Link)),
                        Entry::new(span::DROPPED_LINKS_COUNT, "droppedLinksCount", Kind::Number),
                        Entry::new(span::STATUS, "status", Kind::Message(Message::Status)),
                    ]
                }
            }
            Message::Event => {
                const {
                    &[
                        Entry::new(event::TIME_UNIX_NANO, "timeUnixNano", Kind::Unsigned),
                        Entry::new(event::NAME, "name", Kind::Text),
                        Entry::each(event::ATTRIBUTES, "attributes", Kind::Message(Message::KeyValue)),
                        Entry::new(event::DROPPED_ATTRIBUTES_COUNT, "droppedAttributesCount", Kind::Number),
                    ]
                }
            }
            Message::Link => {
                const {
                    &[
                        Entry::new(link::TRACE_ID, "traceId", Kind::Hex),
                        Entry::new(link::SPAN_ID, "spanId", Kind::Hex),
                        Entry::new(link::TRACE_STATE, "traceState", Kind::Text),
                        Entry::each(link::ATTRIBUTES, "attributes", Kind::Message(Message::KeyValue)),
                        Entry::new(link::DROPPED_ATTRIBUTES_COUNT, "droppedAttributesCount", Kind::Number),
                        Entry::new(link::FLAGS, "flags", Kind::Number),
                    ]
                }
            }
            Message::Status => {
                const { &[Entry::new(status::MESSAGE, "message", Kind::Text), Entry::new(status::CODE, "code", Kind::Number)] }
            }
            Message::KeyValue => {
                const {
                    &[
                        Entry::new(key_value::KEY, "key", Kind::Text),
                        Entry::new(key_value::VALUE, "value", Kind::Message(Message::AnyValue)),
                    ]
                }
            }
            Message::AnyValue => {
                const {
                    &[
                        Entry::new(any_value::STRING, "stringValue", Kind::Text),
                        Entry::new(any_value::BOOL, "boolValue", Kind::Bool),
                        Entry::new(any_value::INT, "intValue", Kind::Signed),
                        Entry::new(any_value::DOUBLE, "doubleValue", Kind::Double),
                        Entry::new(any_value::ARRAY, "arrayValue", Kind::Message(Message::ArrayValue)),
                    ]
                }
            }
            Message::ArrayValue => const { &[Entry::each(array_value::VALUES, "values", Kind::Message(Message::AnyValue))] },
        }
    }
}

/// Protobuf lets the elements of an array stand anywhere between other fields, and webspan writes
/// attributes, events and links as they come. So each entry of the table looks through the whole
/// message for its own: fields are few, and nested messages are stepped over. Any other field
/// stands once, as webspan writes it.
fn write_message(message: Message, protobuf: &[u8], out: &mut Vec<u8>, depth: u8) {
    push(out, b'{');
    for entry in message.entries() {
        let mut found = false;
        for value in Fields(protobuf).filter(|value| value.is(entry.field)) {
            if found && !entry.repeated {
                break;
            }
            if !matches!(out.last(), Some(b'{')) {
                push(out, b',');
            }
            if !found {
                push(out, b'"');
                out.extend_from_slice(entry.name.as_bytes());
                out.extend_from_slice(if entry.repeated { b"\":[" } else { b"\":" });
            }
            found = true;
            write_value(entry.kind, &value, out, depth);
        }
        if found && entry.repeated {
            push(out, b']');
        }
    }
    push(out, b'}');
}

fn write_value(kind: Kind, value: &Read, out: &mut Vec<u8>, depth: u8) {
    let double = f64::from_bits(value.bits);
    let quoted = match kind {
        Kind::Text | Kind::Hex | Kind::Signed | Kind::Unsigned => true,
        Kind::Double => !double.is_finite(),
        Kind::Bool | Kind::Number | Kind::Message(_) => false,
    };
    if quoted {
        push(out, b'"');
    }
    match kind {
        Kind::Text => write_text(value.bytes, out),
        Kind::Hex => push_hex(out, value.bytes),
        Kind::Bool => out.extend_from_slice(if value.bits == 0 { b"false" } else { b"true" }),
        Kind::Number | Kind::Unsigned => push_u64(value.bits, out),
        Kind::Signed => push_i64(value.bits as i64, out),
        Kind::Double if double.is_finite() => push_f64(double, out),
        Kind::Double if double.is_nan() => out.extend_from_slice(b"NaN"),
        Kind::Double => out.extend_from_slice(if double < 0.0 { b"-Infinity" } else { b"Infinity" }),
        Kind::Message(message) => match depth.checked_sub(1) {
            Some(depth) => write_message(message, value.bytes, out, depth),
            None => out.extend_from_slice(b"{}"),
        },
    }
    if quoted {
        push(out, b'"');
    }
}

/// UTF-8 stays as it is; quotes, backslashes and control characters are escaped.
fn write_text(text: &[u8], out: &mut Vec<u8>) {
    for &char in text {
        if char < b' ' {
            out.extend_from_slice(b"\\u00");
            push_hex(out, &[char]);
        } else {
            if matches!(char, b'"' | b'\\') {
                push(out, b'\\');
            }
            push(out, char);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value::Value as Any};
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span::Event, span::Link};
    use proptest::collection::vec as list;
    use proptest::prelude::*;
    use prost::Message as _;
    use serde_json::{Map, Value as Json, json};
    use std::string::{String, ToString};
    use std::{format, vec};

    fn parsed(write: impl Fn(&mut Vec<u8>)) -> Json {
        let mut out = Vec::new();
        write(&mut out);
        let text = String::from_utf8(out).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    fn span_json(span: &Span) -> Json {
        parsed(|out| super::span(&span.encode_to_vec(), out))
    }

    fn some(value: Any) -> Option<AnyValue> {
        Some(AnyValue { value: Some(value) })
    }

    fn attribute(key: &str, value: Any) -> KeyValue {
        KeyValue { key: key.to_string(), value: some(value), ..KeyValue::default() }
    }

    fn written(value: Any) -> Json {
        span_json(&Span { attributes: vec![attribute("k", value)], ..Span::default() })["attributes"][0]["value"].take()
    }

    #[test]
    fn a_request_reads_as_the_specification_writes_it() {
        let request = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(Resource {
                    attributes: vec![attribute("service.name", Any::StringValue("shop".to_string()))],
                    dropped_attributes_count: 1,
                    ..Resource::default()
                }),
                scope_spans: vec![ScopeSpans {
                    scope: Some(InstrumentationScope {
                        name: "webspan/fetch".to_string(),
                        version: "1.0".to_string(),
                        ..InstrumentationScope::default()
                    }),
                    spans: vec![Span {
                        trace_id: (0xf0..=0xff).collect(),
                        span_id: (1..=8).collect(),
                        parent_span_id: (2..=9).collect(),
                        trace_state: "a=b".to_string(),
                        flags: 0x301,
                        name: "GET".to_string(),
                        kind: 3,
                        start_time_unix_nano: u64::MAX,
                        end_time_unix_nano: 1_544_712_660_300_000_001,
                        dropped_attributes_count: 2,
                        dropped_events_count: 3,
                        dropped_links_count: u32::MAX,
                        events: vec![Event {
                            time_unix_nano: 5,
                            name: "e".to_string(),
                            attributes: vec![attribute("k", Any::BoolValue(true))],
                            dropped_attributes_count: 6,
                        }],
                        links: vec![Link {
                            trace_id: vec![1; 16],
                            span_id: vec![2; 8],
                            trace_state: "c=d".to_string(),
                            attributes: vec![attribute("k", Any::IntValue(-1))],
                            dropped_attributes_count: 7,
                            flags: 1,
                        }],
                        status: Some(Status { message: "no".to_string(), code: 2 }),
                        ..Span::default()
                    }],
                    schema_url: "https://a".to_string(),
                }],
                schema_url: "https://b".to_string(),
            }],
        };
        let wanted = json!({ "resourceSpans": [{
            "resource": {
                "attributes": [{ "key": "service.name", "value": { "stringValue": "shop" } }],
                "droppedAttributesCount": 1,
            },
            "scopeSpans": [{
                "scope": { "name": "webspan/fetch", "version": "1.0" },
                "spans": [{
                    "traceId": "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
                    "spanId": "0102030405060708",
                    "parentSpanId": "0203040506070809",
                    "traceState": "a=b",
                    "flags": 0x301,
                    "name": "GET",
                    "kind": 3,
                    "startTimeUnixNano": "18446744073709551615",
                    "endTimeUnixNano": "1544712660300000001",
                    "droppedAttributesCount": 2,
                    "droppedEventsCount": 3,
                    "droppedLinksCount": 4294967295u32,
                    "events": [{
                        "timeUnixNano": "5",
                        "name": "e",
                        "attributes": [{ "key": "k", "value": { "boolValue": true } }],
                        "droppedAttributesCount": 6,
                    }],
                    "links": [{
                        "traceId": "01".repeat(16),
                        "spanId": "02".repeat(8),
                        "traceState": "c=d",
                        "attributes": [{ "key": "k", "value": { "intValue": "-1" } }],
                        "droppedAttributesCount": 7,
                        "flags": 1,
                    }],
                    "status": { "message": "no", "code": 2 },
                }],
                "schemaUrl": "https://a",
            }],
            "schemaUrl": "https://b",
        }] });
        assert_eq!(parsed(|out| super::request(&request.encode_to_vec(), out)), wanted);
    }

    #[test]
    fn every_kind_of_value_has_its_name_and_form() {
        let cases = [
            (Any::StringValue(String::new()), json!({ "stringValue": "" })),
            (Any::BoolValue(false), json!({ "boolValue": false })),
            (Any::BoolValue(true), json!({ "boolValue": true })),
            (Any::IntValue(0), json!({ "intValue": "0" })),
            (Any::IntValue(i64::MAX), json!({ "intValue": "9223372036854775807" })),
            (Any::IntValue(i64::MIN), json!({ "intValue": "-9223372036854775808" })),
            (Any::DoubleValue(0.1), json!({ "doubleValue": 0.1 })),
            (Any::DoubleValue(-2.5e300), json!({ "doubleValue": -2.5e300 })),
            (Any::DoubleValue(f64::NAN), json!({ "doubleValue": "NaN" })),
            (Any::DoubleValue(f64::INFINITY), json!({ "doubleValue": "Infinity" })),
            (Any::DoubleValue(f64::NEG_INFINITY), json!({ "doubleValue": "-Infinity" })),
            (Any::ArrayValue(ArrayValue { values: vec![] }), json!({ "arrayValue": {} })),
            (
                Any::ArrayValue(ArrayValue { values: vec![AnyValue { value: None }, some(Any::IntValue(1)).unwrap()] }),
                json!({ "arrayValue": { "values": [{}, { "intValue": "1" }] } }),
            ),
        ];
        for (value, wanted) in cases {
            assert_eq!(written(value.clone()), wanted, "{value:?}");
        }
    }

    #[test]
    fn text_is_escaped_where_json_wants_it_and_left_alone_elsewhere() {
        let all_ascii: String = (0..=127u8).map(char::from).collect();
        for text in ["", "\"", "\\", "\"\"a\\", "a\nb", "äöü €", "😀", "\u{2028}", "\u{7f}\u{80}", &all_ascii] {
            assert_eq!(written(Any::StringValue(text.to_string())), json!({ "stringValue": text }));
        }
    }

    #[test]
    fn elements_of_an_array_may_stand_anywhere() {
        let of_name = Span { name: "a".to_string(), ..Span::default() };
        let of_attribute = |key: &str| Span { attributes: vec![attribute(key, Any::IntValue(1))], ..Span::default() };
        let of_event = |name: &str| Span { events: vec![Event { name: name.to_string(), ..Event::default() }], ..Span::default() };
        let parts = [of_attribute("k1"), of_event("e1"), of_name, of_attribute("k2"), of_event("e2"), of_attribute("k3")];
        let protobuf: Vec<u8> = parts.iter().flat_map(Span::encode_to_vec).collect();
        let written = |key: &str| json!({ "key": key, "value": { "intValue": "1" } });
        assert_eq!(
            parsed(|out| super::span(&protobuf, out)),
            json!({
                "name": "a",
                "attributes": [written("k1"), written("k2"), written("k3")],
                "events": [{ "name": "e1" }, { "name": "e2" }],
            })
        );
    }

    #[test]
    fn a_field_that_stands_twice_by_mistake_gives_one_key() {
        let named = |name: &str| Span { name: name.to_string(), ..Span::default() }.encode_to_vec();
        let protobuf = [named("first"), named("last")].concat();
        let mut out = Vec::new();
        super::span(&protobuf, &mut out);
        assert_eq!(out, br#"{"name":"first"}"#);
    }

    #[test]
    fn fields_that_the_table_does_not_know_are_left_out() {
        let mut protobuf = Vec::new();
        Field::varint(13).put_varint(&mut protobuf, 1);
        Field::fixed64(14).put_fixed64(&mut protobuf, 1);
        Field::fixed32(102).put_fixed32(&mut protobuf, 1);
        Field::len(15).put_bytes(&mut protobuf, b"unknown");
        scope::NAME.put_bytes(&mut protobuf, b"known");
        assert_eq!(parsed(|out| write_message(Message::Scope, &protobuf, out, MAX_DEPTH)), json!({ "name": "known" }));
    }

    #[test]
    fn arrays_in_arrays_end_at_a_depth_that_parsers_bear() {
        let nested =
            (0..1000).fold(Any::IntValue(1), |value, _| Any::ArrayValue(ArrayValue { values: vec![AnyValue { value: Some(value) }] }));
        let mut depth = 0;
        let mut value = written(nested);
        while let Some(inner) = value.pointer_mut("/arrayValue/values/0") {
            value = inner.take();
            depth += 1;
        }
        // The span's attribute and its value come first, then two messages for each array.
        assert_eq!(depth, (usize::from(MAX_DEPTH) - 2) / 2);
        assert_eq!(value, json!({ "arrayValue": {} }));
    }

    #[test]
    fn whatever_is_cut_off_leaves_whole_json() {
        let span = Span {
            trace_id: vec![1; 16],
            name: "a\"b".to_string(),
            attributes: vec![attribute("k", Any::DoubleValue(0.5)), attribute("l", Any::StringValue("v".to_string()))],
            ..Span::default()
        };
        let protobuf = span.encode_to_vec();
        for length in 0..protobuf.len() {
            parsed(|out| super::span(&protobuf[..length], out));
        }
    }

    fn any_value() -> impl Strategy<Value = AnyValue> {
        let scalar = prop_oneof![
            any_text().prop_map(Any::StringValue),
            proptest::bool::ANY.prop_map(Any::BoolValue),
            proptest::num::i64::ANY.prop_map(Any::IntValue),
            proptest::num::f64::ANY.prop_map(Any::DoubleValue),
        ];
        let value = scalar.prop_recursive(3, 12, 4, |inner| {
            let values = list(inner.prop_map(|value| AnyValue { value: Some(value) }), 0..4);
            values.prop_map(|values| Any::ArrayValue(ArrayValue { values }))
        });
        proptest::option::weighted(0.9, value).prop_map(|value| AnyValue { value })
    }

    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![proptest::string::string_regex("\\PC{0,12}").unwrap(), proptest::arbitrary::any::<String>()]
    }

    fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
        let pair = (any_text(), any_value());
        list(pair.prop_map(|(key, value)| KeyValue { key, value: Some(value), ..KeyValue::default() }), 0..5)
    }

    fn spans() -> impl Strategy<Value = Span> {
        let event = (any::<u64>(), any_text(), attributes(), any::<u32>()).prop_map(
            |(time_unix_nano, name, attributes, dropped_attributes_count)| Event {
                time_unix_nano,
                name,
                attributes,
                dropped_attributes_count,
            },
        );
        let link = (any::<[u8; 16]>(), any::<[u8; 8]>(), any_text(), attributes(), any::<u32>()).prop_map(
            |(trace_id, span_id, trace_state, attributes, flags)| Link {
                trace_id: trace_id.to_vec(),
                span_id: span_id.to_vec(),
                trace_state,
                attributes,
                dropped_attributes_count: flags / 2,
                flags,
            },
        );
        let status = proptest::option::of((any_text(), 0..3).prop_map(|(message, code)| Status { message, code }));
        let ids = (any::<[u8; 16]>(), any::<[u8; 8]>(), list(any::<u8>(), 0..9));
        let numbers = (any::<u64>(), any::<u64>(), any::<[u32; 4]>(), 0..6);
        (ids, any_text(), numbers, attributes(), list(event, 0..4), list(link, 0..3), status).prop_map(
            |((trace_id, span_id, parent_span_id), text, (start, end, counts, kind), attributes, events, links, status)| Span {
                trace_id: trace_id.to_vec(),
                span_id: span_id.to_vec(),
                parent_span_id,
                trace_state: text.clone(),
                name: text,
                kind,
                flags: counts[0],
                start_time_unix_nano: start,
                end_time_unix_nano: end,
                attributes,
                dropped_attributes_count: counts[1],
                events,
                dropped_events_count: counts[2],
                links,
                dropped_links_count: counts[3],
                status,
            },
        )
    }

    /// The same mapping, by another way: from the decoded message. Protobuf does not write zeros
    /// and empty texts outside of a `oneof`, so they do not appear here either.
    mod expected {
        use super::*;

        fn object<const N: usize>(fields: [(&str, Json); N]) -> Json {
            let absent = [json!(0), json!(""), json!([]), Json::Null];
            let fields = fields.into_iter().filter(|(_, value)| !absent.contains(value));
            fields.map(|(name, value)| (name.to_string(), value)).collect::<Map<_, _>>().into()
        }

        fn nanos(unix_nanos: u64) -> Json {
            if unix_nanos == 0 { Json::Null } else { unix_nanos.to_string().into() }
        }

        fn hex(bytes: &[u8]) -> Json {
            bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
        }

        fn value(value: &AnyValue) -> Json {
            match &value.value {
                None => json!({}),
                Some(Any::StringValue(text)) => json!({ "stringValue": text }),
                Some(Any::BoolValue(bool)) => json!({ "boolValue": bool }),
                Some(Any::IntValue(int)) => json!({ "intValue": int.to_string() }),
                // Through text, so that a whole number is the same to `serde_json` on both sides.
                Some(Any::DoubleValue(double)) if double.is_finite() => {
                    json!({ "doubleValue": serde_json::from_str::<Json>(&double.to_string()).unwrap() })
                }
                // Written by Rust as `inf`.
                Some(Any::DoubleValue(double)) => {
                    json!({ "doubleValue": double.to_string().replace("inf", "Infinity") })
                }
                Some(Any::ArrayValue(array)) => {
                    json!({ "arrayValue": object([("values", array.values.iter().map(self::value).collect())]) })
                }
                other => panic!("webspan does not write {other:?}"),
            }
        }

        fn attributes(pairs: &[KeyValue]) -> Json {
            let pair = |pair: &KeyValue| object([("key", json!(pair.key)), ("value", value(pair.value.as_ref().unwrap()))]);
            pairs.iter().map(pair).collect()
        }

        pub fn span(span: &Span) -> Json {
            let event = |event: &Event| {
                object([
                    ("timeUnixNano", nanos(event.time_unix_nano)),
                    ("name", json!(event.name)),
                    ("attributes", attributes(&event.attributes)),
                    ("droppedAttributesCount", json!(event.dropped_attributes_count)),
                ])
            };
            let link = |link: &Link| {
                object([
                    ("traceId", hex(&link.trace_id)),
                    ("spanId", hex(&link.span_id)),
                    ("traceState", json!(link.trace_state)),
                    ("attributes", attributes(&link.attributes)),
                    ("droppedAttributesCount", json!(link.dropped_attributes_count)),
                    ("flags", json!(link.flags)),
                ])
            };
            let status = |status: &Status| object([("message", json!(status.message)), ("code", json!(status.code))]);
            object([
                ("traceId", hex(&span.trace_id)),
                ("spanId", hex(&span.span_id)),
                ("parentSpanId", hex(&span.parent_span_id)),
                ("traceState", json!(span.trace_state)),
                ("flags", json!(span.flags)),
                ("name", json!(span.name)),
                ("kind", json!(span.kind)),
                ("startTimeUnixNano", nanos(span.start_time_unix_nano)),
                ("endTimeUnixNano", nanos(span.end_time_unix_nano)),
                ("attributes", attributes(&span.attributes)),
                ("droppedAttributesCount", json!(span.dropped_attributes_count)),
                ("events", span.events.iter().map(event).collect()),
                ("droppedEventsCount", json!(span.dropped_events_count)),
                ("links", span.links.iter().map(link).collect()),
                ("droppedLinksCount", json!(span.dropped_links_count)),
                ("status", span.status.as_ref().map_or(Json::Null, status)),
            ])
        }
    }

    proptest! {
        #[test]
        fn any_span_reads_back_from_json(span in spans()) {
            prop_assert_eq!(span_json(&span), expected::span(&span));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            super::request(&bytes, &mut Vec::new());
            super::span(&bytes, &mut Vec::new());
        }
    }
}
