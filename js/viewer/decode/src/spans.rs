//! OTLP messages -> the spans of the viewer's API.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as otlp;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::limits::{LEFT_OUT, MAX_ITEMS, MAX_NAME_BYTES, MAX_TEXT_BYTES, cut, cut_str};

/// One export request. Spans stand with the resource and scope they share.
#[derive(Debug)]
pub struct Export {
    pub resources: Vec<OfResource>,
    /// Spans that are left out because their ids are unusable.
    pub rejected_spans: u32,
    /// Why the first of them was rejected; empty without any.
    pub rejection: String,
}

#[derive(Debug)]
pub struct OfResource {
    pub resource: Attributes,
    pub scopes: Vec<OfScope>,
}

#[derive(Debug)]
pub struct OfScope {
    pub scope: Scope,
    pub spans: Vec<Span>,
}

/// Some spans of one scope, as they are handed to JavaScript.
#[derive(Debug, Serialize)]
pub struct Slice {
    /// None: that of the slice before.
    pub resource: Option<Attributes>,
    /// None: that of the slice before.
    pub scope: Option<Scope>,
    /// Never empty, and [`MAX_SLICE_SPANS`] at most.
    pub spans: Vec<Span>,
}

/// As in [`Export`].
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejected {
    pub rejected_spans: u32,
    pub rejection: String,
}

/// JavaScript makes its own spans of those of a slice, which are garbage then. Those of a whole export would add up to 100 MB.
const MAX_SLICE_SPANS: usize = 100;

#[derive(Debug, Serialize)]
pub struct Scope {
    pub name: String,
    pub version: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    pub trace_id: String,
    pub span_id: String,
    /// Empty for a root.
    pub parent_span_id: String,
    pub name: String,
    pub kind: &'static str,
    pub start_time_unix_nano: String,
    pub end_time_unix_nano: String,
    pub flags: u32,
    pub trace_state: String,
    pub attributes: Attributes,
    pub dropped_attributes_count: u32,
    pub events: Vec<Event>,
    pub dropped_events_count: u32,
    pub links: Vec<Link>,
    pub dropped_links_count: u32,
    pub status: Status,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    pub time_unix_nano: String,
    pub name: String,
    pub attributes: Attributes,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    pub trace_id: String,
    pub span_id: String,
    pub attributes: Attributes,
}

#[derive(Debug, Serialize)]
pub struct Status {
    pub code: &'static str,
    pub message: String,
}

/// In the order of the wire. A key that stands twice is written twice; who reads them keeps the last.
#[derive(Debug, PartialEq)]
pub struct Attributes(pub Vec<(String, Value)>);

#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    Empty,
    Text(String),
    Bool(bool),
    Number(f64),
    List(Vec<Value>),
    Map(Attributes),
}

impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

pub fn export(request: ExportTraceServiceRequest) -> Export {
    let mut export = Export { resources: Vec::new(), rejected_spans: 0, rejection: String::new() };
    for of_resource in request.resource_spans {
        let mut scopes = Vec::new();
        for of_scope in of_resource.scope_spans {
            let mut spans = Vec::with_capacity(of_scope.spans.len());
            for message in of_scope.spans {
                match span(message) {
                    Ok(span) => spans.push(span),
                    Err(reason) => {
                        export.rejected_spans += 1;
                        if export.rejection.is_empty() {
                            export.rejection = reason;
                        }
                    }
                }
            }
            if !spans.is_empty() {
                scopes.push(OfScope { scope: scope(of_scope.scope.unwrap_or_default()), spans });
            }
        }
        if !scopes.is_empty() {
            export.resources.push(OfResource { resource: resource(of_resource.resource.unwrap_or_default()), scopes });
        }
    }
    export
}

/// Everything in it, each resource and each scope once. What was taken is no longer in memory.
pub fn slices(resources: Vec<OfResource>) -> impl Iterator<Item = Slice> {
    resources.into_iter().flat_map(|of_resource| {
        let mut resource = Some(of_resource.resource);
        of_resource.scopes.into_iter().flat_map(move |of_scope| {
            let mut resource = resource.take();
            let mut scope = Some(of_scope.scope);
            let mut spans = of_scope.spans.into_iter();
            std::iter::from_fn(move || {
                let spans: Vec<_> = spans.by_ref().take(MAX_SLICE_SPANS).collect();
                (!spans.is_empty()).then(|| Slice { resource: resource.take(), scope: scope.take(), spans })
            })
        })
    })
}

fn resource(message: Resource) -> Attributes {
    let mut resource = attributes(message.attributes);
    for (key, value) in &mut resource.0 {
        if let ("service.name", Value::Text(name)) = (key.as_str(), value) {
            *name = cut(std::mem::take(name), MAX_NAME_BYTES);
        }
    }
    resource
}

fn span(message: otlp::Span) -> Result<Span, String> {
    let ids = [
        ("trace id", &message.trace_id, 16, true),
        ("span id", &message.span_id, 8, true),
        ("parent span id", &message.parent_span_id, 8, false),
    ];
    for (which, bytes, wanted_bytes, required) in ids {
        let absent = bytes.iter().all(|&byte| byte == 0);
        if (absent && required) || (!absent && bytes.len() != wanted_bytes) {
            let digits = wanted_bytes * 2;
            let given = hex(&bytes[..bytes.len().min(MAX_SHOWN_BYTES)]);
            let more = if bytes.len() > MAX_SHOWN_BYTES { LEFT_OUT } else { "" };
            let name = cut_str(&message.name, MAX_SHOWN_BYTES);
            return Err(format!("span \"{name}\": {which} is \"{given}{more}\", wanted {digits} hex digits, not all of them 0"));
        }
    }
    let root = message.parent_span_id.iter().all(|&byte| byte == 0);
    Ok(Span {
        trace_id: hex(&message.trace_id),
        span_id: hex(&message.span_id),
        parent_span_id: if root { String::new() } else { hex(&message.parent_span_id) },
        kind: kind(message.kind),
        name: cut(message.name, MAX_NAME_BYTES),
        start_time_unix_nano: message.start_time_unix_nano.to_string(),
        end_time_unix_nano: message.end_time_unix_nano.to_string(),
        flags: message.flags,
        trace_state: cut(message.trace_state, MAX_TEXT_BYTES),
        dropped_attributes_count: with_excess(message.dropped_attributes_count, &message.attributes),
        attributes: Attributes(message.attributes.into_iter().take(MAX_ITEMS).map(attribute).collect()),
        dropped_events_count: with_excess(message.dropped_events_count, &message.events),
        events: message.events.into_iter().take(MAX_ITEMS).map(event).collect(),
        dropped_links_count: with_excess(message.dropped_links_count, &message.links),
        links: message.links.into_iter().take(MAX_ITEMS).map(link).collect(),
        status: status(message.status.unwrap_or_default()),
    })
}

/// As much of a wrong id and of a span's name as a message repeats.
const MAX_SHOWN_BYTES: usize = 60;

/// What the sender has dropped, and what is dropped here.
fn with_excess<T>(dropped_count: u32, items: &[T]) -> u32 {
    dropped_count.saturating_add(u32::try_from(items.len().saturating_sub(MAX_ITEMS)).unwrap_or(u32::MAX))
}

fn event(message: otlp::span::Event) -> Event {
    Event {
        time_unix_nano: message.time_unix_nano.to_string(),
        name: cut(message.name, MAX_NAME_BYTES),
        attributes: attributes(message.attributes),
    }
}

fn link(mut message: otlp::span::Link) -> Link {
    // A link has no checks of its own: ids are as long as they were sent, within reason.
    message.trace_id.truncate(MAX_SHOWN_BYTES);
    message.span_id.truncate(MAX_SHOWN_BYTES);
    Link { trace_id: hex(&message.trace_id), span_id: hex(&message.span_id), attributes: attributes(message.attributes) }
}

fn scope(message: InstrumentationScope) -> Scope {
    Scope { name: cut(message.name, MAX_NAME_BYTES), version: cut(message.version, MAX_NAME_BYTES) }
}

fn kind(number: i32) -> &'static str {
    let kind = otlp::span::SpanKind::try_from(number).unwrap_or_default();
    kind.as_str_name().trim_start_matches("SPAN_KIND_")
}

fn status(message: otlp::Status) -> Status {
    let code = otlp::status::StatusCode::try_from(message.code).unwrap_or_default();
    Status { code: code.as_str_name().trim_start_matches("STATUS_CODE_"), message: cut(message.message, MAX_TEXT_BYTES) }
}

/// Where no count stands beside them, an entry more says how many are left out.
fn attributes(messages: Vec<KeyValue>) -> Attributes {
    let excess = messages.len().saturating_sub(MAX_ITEMS);
    let mut kept: Vec<_> = messages.into_iter().take(MAX_ITEMS).map(attribute).collect();
    if excess > 0 {
        kept.push((LEFT_OUT.into(), Value::Text(format!("{excess} more"))));
    }
    Attributes(kept)
}

fn attribute(message: KeyValue) -> (String, Value) {
    (cut(message.key, MAX_NAME_BYTES), value(message.value))
}

fn value(message: Option<AnyValue>) -> Value {
    use any_value::Value as Any;
    match message.and_then(|any| any.value) {
        Some(Any::StringValue(text)) => Value::Text(cut(text, MAX_TEXT_BYTES)),
        Some(Any::BoolValue(yes)) => Value::Bool(yes),
        Some(Any::IntValue(number)) => integer(number),
        Some(Any::DoubleValue(number)) => double(number),
        Some(Any::BytesValue(bytes)) => Value::Text(base64(&bytes)),
        Some(Any::ArrayValue(list)) => Value::List(items(list.values)),
        Some(Any::KvlistValue(list)) => Value::Map(attributes(list.values)),
        // A string by its index in a table that only profiles carry.
        Some(Any::StringValueStrindex(_)) | None => Value::Empty,
    }
}

fn items(messages: Vec<AnyValue>) -> Vec<Value> {
    let excess = messages.len().saturating_sub(MAX_ITEMS);
    let mut kept: Vec<_> = messages.into_iter().take(MAX_ITEMS).map(|item| value(Some(item))).collect();
    if excess > 0 {
        kept.push(Value::Text(format!("{LEFT_OUT} {excess} more")));
    }
    kept
}

fn base64(bytes: &[u8]) -> String {
    // Three bytes are four characters.
    match bytes.get(..MAX_TEXT_BYTES / 4 * 3) {
        Some(start) if start.len() < bytes.len() => BASE64_STANDARD.encode(start) + LEFT_OUT,
        _ => BASE64_STANDARD.encode(bytes),
    }
}

/// `Number.MAX_SAFE_INTEGER`: beyond it a JavaScript number would show another integer than the one that was sent.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

fn integer(number: i64) -> Value {
    if number.unsigned_abs() <= MAX_SAFE_INTEGER { Value::Number(number as f64) } else { Value::Text(number.to_string()) }
}

/// What JSON has no number for is text there, as in OTLP/JSON.
fn double(number: f64) -> Value {
    if number.is_finite() {
        Value::Number(number)
    } else if number.is_nan() {
        Value::Text("NaN".into())
    } else {
        Value::Text(if number > 0.0 { "Infinity" } else { "-Infinity" }.into())
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValueList};
    use prost::Message;

    use super::*;

    fn text(text: &str) -> Option<AnyValue> {
        Some(AnyValue { value: Some(any_value::Value::StringValue(text.into())) })
    }

    fn attribute(key: &str, value: any_value::Value) -> KeyValue {
        KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
    }

    fn valid_span() -> otlp::Span {
        otlp::Span {
            trace_id: vec![0xab; 16],
            span_id: vec![0x0c; 8],
            name: "GET".into(),
            kind: 3,
            start_time_unix_nano: u64::MAX,
            ..Default::default()
        }
    }

    fn request(spans: Vec<otlp::Span>) -> ExportTraceServiceRequest {
        ExportTraceServiceRequest {
            resource_spans: vec![otlp::ResourceSpans {
                resource: Some(Resource {
                    attributes: vec![KeyValue { key: "service.name".into(), value: text("shop"), ..Default::default() }],
                    ..Default::default()
                }),
                scope_spans: vec![otlp::ScopeSpans {
                    scope: Some(InstrumentationScope { name: "webspan/fetch".into(), version: "1".into(), ..Default::default() }),
                    spans,
                    ..Default::default()
                }],
                ..Default::default()
            }],
        }
    }

    #[test]
    fn a_span_keeps_what_the_wire_says() {
        let message = otlp::Span {
            parent_span_id: vec![1; 8],
            flags: 0x301,
            trace_state: "a=b".into(),
            events: vec![otlp::span::Event { time_unix_nano: 5, name: "exception".into(), ..Default::default() }],
            links: vec![otlp::span::Link { trace_id: vec![2; 16], span_id: vec![3; 8], ..Default::default() }],
            status: Some(otlp::Status { code: 2, message: "late".into() }),
            ..valid_span()
        };
        let export = export(request(vec![message]));
        let of_resource = &export.resources[0];
        assert_eq!(of_resource.resource.0, [("service.name".into(), Value::Text("shop".into()))]);
        let of_scope = &of_resource.scopes[0];
        assert_eq!((of_scope.scope.name.as_str(), of_scope.scope.version.as_str()), ("webspan/fetch", "1"));
        let span = &of_scope.spans[0];
        assert_eq!(span.trace_id, "abababababababababababababababab");
        assert_eq!(span.span_id, "0c0c0c0c0c0c0c0c");
        assert_eq!(span.parent_span_id, "0101010101010101");
        assert_eq!((span.kind, span.flags, span.trace_state.as_str()), ("CLIENT", 0x301, "a=b"));
        assert_eq!(span.start_time_unix_nano, "18446744073709551615");
        assert_eq!((span.events[0].time_unix_nano.as_str(), span.events[0].name.as_str()), ("5", "exception"));
        assert_eq!(span.links[0].span_id, "0303030303030303");
        assert_eq!((span.status.code, span.status.message.as_str()), ("ERROR", "late"));
    }

    #[test]
    fn values_become_what_javascript_can_hold() {
        use any_value::Value as Any;
        let table = [
            (Any::IntValue(9_007_199_254_740_991), Value::Number(9_007_199_254_740_991.0)),
            (Any::IntValue(9_007_199_254_740_992), Value::Text("9007199254740992".into())),
            (Any::IntValue(i64::MIN), Value::Text("-9223372036854775808".into())),
            (Any::DoubleValue(-0.5), Value::Number(-0.5)),
            (Any::DoubleValue(f64::NAN), Value::Text("NaN".into())),
            (Any::DoubleValue(f64::NEG_INFINITY), Value::Text("-Infinity".into())),
            (Any::BoolValue(true), Value::Bool(true)),
            (Any::BytesValue(vec![0, 1, 2]), Value::Text("AAEC".into())),
            (
                Any::ArrayValue(ArrayValue { values: vec![text("a").unwrap(), AnyValue::default()] }),
                Value::List(vec![Value::Text("a".into()), Value::Empty]),
            ),
            (
                Any::KvlistValue(KeyValueList { values: vec![attribute("x", Any::IntValue(1))] }),
                Value::Map(Attributes(vec![("x".into(), Value::Number(1.0))])),
            ),
        ];
        for (sent, wanted) in table {
            let label = format!("{sent:?}");
            assert_eq!(value(Some(AnyValue { value: Some(sent) })), wanted, "{label}");
        }
    }

    #[test]
    fn a_span_with_unusable_ids_is_rejected_and_the_others_stay() {
        let short_trace_id = otlp::Span { trace_id: vec![1; 8], name: "short".into(), ..valid_span() };
        let zero_span_id = otlp::Span { span_id: vec![0; 8], ..valid_span() };
        let long_parent = otlp::Span { parent_span_id: vec![1; 16], ..valid_span() };
        let export = export(request(vec![short_trace_id, valid_span(), zero_span_id, long_parent]));
        assert_eq!(export.resources[0].scopes[0].spans.len(), 1);
        assert_eq!(export.rejected_spans, 3);
        assert_eq!(export.rejection, r#"span "short": trace id is "0101010101010101", wanted 32 hex digits, not all of them 0"#);
    }

    #[test]
    fn a_parent_id_of_zeros_means_a_root() {
        let export = export(request(vec![otlp::Span { parent_span_id: vec![0; 8], ..valid_span() }]));
        assert_eq!(export.resources[0].scopes[0].spans[0].parent_span_id, "");
    }

    #[test]
    fn long_texts_are_cut_and_say_so() {
        let long = "é".repeat(MAX_TEXT_BYTES);
        let message = otlp::Span {
            name: long.clone(),
            trace_state: long.clone(),
            status: Some(otlp::Status { code: 2, message: long.clone() }),
            attributes: vec![
                attribute(&long, any_value::Value::StringValue(long.clone())),
                attribute("bytes", any_value::Value::BytesValue(vec![0; MAX_TEXT_BYTES])),
            ],
            events: vec![otlp::span::Event { name: long.clone(), ..Default::default() }],
            links: vec![otlp::span::Link { trace_id: vec![1; MAX_TEXT_BYTES], ..Default::default() }],
            ..valid_span()
        };
        let mut request = request(vec![message]);
        request.resource_spans[0].resource.as_mut().unwrap().attributes[0].value = text(&long);
        let export = export(request);
        let of_resource = &export.resources[0];
        let of_name = |text: &str| text.len() == MAX_NAME_BYTES + LEFT_OUT.len() && text.ends_with(LEFT_OUT);
        let of_text = |text: &str| text.len() == MAX_TEXT_BYTES + LEFT_OUT.len() && text.ends_with(LEFT_OUT);
        let text_of = |value: &Value| if let Value::Text(text) = value { text.clone() } else { String::new() };
        let span = &of_resource.scopes[0].spans[0];
        assert!(of_name(&span.name) && of_name(&span.events[0].name) && of_name(&span.attributes.0[0].0));
        assert!(of_text(&span.trace_state) && of_text(&span.status.message));
        assert!(of_text(&text_of(&span.attributes.0[0].1)) && of_text(&text_of(&span.attributes.0[1].1)));
        assert!(of_name(&text_of(&of_resource.resource.0[0].1)), "the service's name");
        assert_eq!(span.links[0].trace_id.len(), 2 * MAX_SHOWN_BYTES);
    }

    #[test]
    fn what_is_too_much_for_one_span_is_counted_as_dropped() {
        use any_value::Value as Any;
        let more = MAX_ITEMS + 5;
        let many: Vec<_> = (0..more).map(|number| attribute(&number.to_string(), Any::BoolValue(true))).collect();
        let list = ArrayValue { values: vec![AnyValue::default(); more] };
        let message = otlp::Span {
            attributes: [vec![attribute("list", Any::ArrayValue(list))], many.clone()].concat(),
            dropped_attributes_count: 2,
            events: vec![otlp::span::Event { attributes: many, ..Default::default() }; more],
            dropped_links_count: u32::MAX,
            links: vec![otlp::span::Link::default(); more],
            ..valid_span()
        };
        let export = export(request(vec![message]));
        let span = &export.resources[0].scopes[0].spans[0];
        assert_eq!((span.attributes.0.len(), span.dropped_attributes_count), (MAX_ITEMS, 8));
        assert_eq!((span.events.len(), span.dropped_events_count), (MAX_ITEMS, 5));
        assert_eq!((span.links.len(), span.dropped_links_count), (MAX_ITEMS, u32::MAX));
        assert_eq!(span.events[0].attributes.0.last(), Some(&("…".into(), Value::Text("5 more".into()))));
        let Value::List(items) = &span.attributes.0[0].1 else { panic!("a list") };
        assert_eq!((items.len(), items.last()), (MAX_ITEMS + 1, Some(&Value::Text("… 5 more".into()))));
    }

    #[test]
    fn a_resource_is_written_once_however_many_scopes_have_it() {
        let mut request = request(vec![valid_span()]);
        let of_resource = &mut request.resource_spans[0];
        of_resource.scope_spans = vec![of_resource.scope_spans[0].clone(); 3];
        of_resource.scope_spans.push(otlp::ScopeSpans::default());
        let slices: Vec<_> = slices(export(request).resources).collect();
        let json = serde_json::to_string(&slices).unwrap();
        assert_eq!(json.matches("service.name").count(), 1);
        assert_eq!(json.matches(r#""scope":{"#).count(), 3, "what is empty is left out");
        assert_eq!(slices.len(), 3);
    }

    #[test]
    fn slices_hold_every_span_once_and_in_order() {
        let numbered = |numbers: std::ops::Range<usize>| {
            numbers.map(|number| otlp::Span { name: number.to_string(), ..valid_span() }).collect::<Vec<_>>()
        };
        let [half, two] = [MAX_SLICE_SPANS / 2, 2 * MAX_SLICE_SPANS];
        let mut both = request(numbered(0..two + half));
        both.resource_spans.extend(request(numbered(two + half..two + half + MAX_SLICE_SPANS)).resource_spans);
        both.resource_spans.extend(request(Vec::new()).resource_spans);
        let slices: Vec<_> = slices(export(both).resources).collect();
        let found = slices.iter().map(|slice| (slice.spans.len(), slice.resource.is_some(), slice.scope.is_some()));
        let expected = [(MAX_SLICE_SPANS, true), (MAX_SLICE_SPANS, false), (half, false), (MAX_SLICE_SPANS, true)];
        assert!(found.eq(expected.map(|(spans, begins)| (spans, begins, begins))));
        let names: Vec<_> = slices.iter().flat_map(|slice| &slice.spans).map(|span| span.name.clone()).collect();
        assert_eq!(names, (0..names.len()).map(|number| number.to_string()).collect::<Vec<_>>());
        assert_eq!(names.len(), two + half + MAX_SLICE_SPANS);
    }

    #[test]
    fn a_message_about_a_long_name_is_short() {
        let export = export(request(vec![otlp::Span { trace_id: vec![1; 1_000_000], name: "n".repeat(1_000_000), ..valid_span() }]));
        assert!(export.rejection.len() < 400, "{}", export.rejection.len());
    }

    #[test]
    fn enum_numbers_of_the_future_fall_back() {
        let message = otlp::Span { kind: 99, status: Some(otlp::Status { code: -1, message: String::new() }), ..valid_span() };
        let export = export(request(vec![message]));
        let span = &export.resources[0].scopes[0].spans[0];
        assert_eq!((span.kind, span.status.code), ("UNSPECIFIED", "UNSET"));
    }

    #[test]
    fn damaged_protobuf_is_an_error_and_never_a_panic() {
        let whole = request(vec![valid_span()]).encode_to_vec();
        let mut errors = 0;
        for position in 0..whole.len() {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[position] ^= 1 << bit;
                match ExportTraceServiceRequest::decode(damaged.as_slice()) {
                    Ok(request) => drop(export(request)),
                    Err(_) => errors += 1,
                }
            }
            assert!(ExportTraceServiceRequest::decode(&whole[..position]).is_err() || position == 0);
        }
        assert!(errors > 0);
    }
}
