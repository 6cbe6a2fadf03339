//! Decoded spans as flat JSON, one object each, in the shape of the viewer's API. Only attribute values differ: they
//! keep their type (`{"int":"5"}`, `{"double":5.0}`), because tests have to tell 5 from 5.0.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as OtlpValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Map, Value, json};

pub fn spans(request: &ExportTraceServiceRequest) -> Vec<Value> {
    let mut spans = Vec::new();
    for resource_spans in &request.resource_spans {
        let resource = attributes(resource_spans.resource.as_ref().map_or(&[], |resource| &resource.attributes));
        for scope_spans in &resource_spans.scope_spans {
            let scope = scope_spans.scope.as_ref().map_or(
                Value::Null,
                |scope| json!({ "name": scope.name, "version": scope.version, "attributes": attributes(&scope.attributes) }),
            );
            for decoded in &scope_spans.spans {
                let mut flat = span(decoded);
                flat["resource"] = resource.clone();
                flat["scope"] = scope.clone();
                flat["schemaUrl"] =
                    json!(if scope_spans.schema_url.is_empty() { &resource_spans.schema_url } else { &scope_spans.schema_url });
                spans.push(flat);
            }
        }
    }
    spans
}

fn span(span: &Span) -> Value {
    let events = span.events.iter().map(|event| {
        json!({
            "timeUnixNano": event.time_unix_nano.to_string(),
            "name": event.name,
            "attributes": attributes(&event.attributes),
            "droppedAttributesCount": event.dropped_attributes_count,
        })
    });
    let links = span.links.iter().map(|link| {
        json!({
            "traceId": hex(&link.trace_id),
            "spanId": hex(&link.span_id),
            "traceState": link.trace_state,
            "flags": link.flags,
            "attributes": attributes(&link.attributes),
            "droppedAttributesCount": link.dropped_attributes_count,
        })
    });
    let status = span.status.as_ref();
    json!({
        "traceId": hex(&span.trace_id),
        "spanId": hex(&span.span_id),
        "parentSpanId": hex(&span.parent_span_id),
        "name": span.name,
        "kind": name_of(span.kind, &["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]),
        "startTimeUnixNano": span.start_time_unix_nano.to_string(),
        "endTimeUnixNano": span.end_time_unix_nano.to_string(),
        "flags": span.flags,
        "traceState": span.trace_state,
        "attributes": attributes(&span.attributes),
        "droppedAttributesCount": span.dropped_attributes_count,
        "events": events.collect::<Vec<_>>(),
        "droppedEventsCount": span.dropped_events_count,
        "links": links.collect::<Vec<_>>(),
        "droppedLinksCount": span.dropped_links_count,
        "status": {
            "code": name_of(status.map_or(0, |status| status.code), &["UNSET", "OK", "ERROR"]),
            "message": status.map_or("", |status| &status.message),
        },
    })
}

/// The name of an enum's number; the number itself where it has none.
fn name_of(number: i32, names: &[&str]) -> String {
    let name = usize::try_from(number).ok().and_then(|index| names.get(index));
    name.map_or_else(|| number.to_string(), |name| (*name).to_owned())
}

fn attributes(attributes: &[KeyValue]) -> Value {
    Value::Object(attributes.iter().map(|attribute| (attribute.key.clone(), value(attribute.value.as_ref()))).collect::<Map<_, _>>())
}

fn value(value_or_none: Option<&AnyValue>) -> Value {
    match value_or_none.and_then(|value| value.value.as_ref()) {
        None => json!({ "empty": true }),
        Some(OtlpValue::StringValue(text)) => json!({ "string": text }),
        Some(OtlpValue::BoolValue(boolean)) => json!({ "bool": boolean }),
        Some(OtlpValue::IntValue(integer)) => json!({ "int": integer.to_string() }),
        Some(OtlpValue::DoubleValue(double)) if double.is_nan() => json!({ "double": "NaN" }),
        Some(OtlpValue::DoubleValue(double)) if double.is_infinite() => {
            json!({ "double": if *double > 0.0 { "Infinity" } else { "-Infinity" } })
        }
        Some(OtlpValue::DoubleValue(double)) => json!({ "double": double }),
        Some(OtlpValue::ArrayValue(array)) => {
            json!({ "array": array.values.iter().map(|element| value(Some(element))).collect::<Vec<_>>() })
        }
        Some(OtlpValue::KvlistValue(list)) => json!({ "kvlist": attributes(&list.values) }),
        Some(OtlpValue::BytesValue(bytes)) => json!({ "bytes": BASE64_STANDARD.encode(bytes) }),
        Some(OtlpValue::StringValueStrindex(index)) => json!({ "stringIndex": index }),
    }
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
