//! The request around the spans, in both encodings.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Decoded;
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::prelude::*;
use serde_json::Value as Json;
use webspan::attributes::Value;
use webspan::capture::fetch::End;
use webspan::context::{SAMPLED, SpanContext};
use webspan::engine::{RESOURCE, STAGED, Stage};
use webspan::otlp::trace::SCHEMA_URL;
use webspan::span::StatusCode;

use crate::driver::{Driver, attribute, list, text};

fn resource(page: &mut Driver) -> Resource {
    page.spans(0..1);
    page.flush();
    let [resource_spans] = <[_; 1]>::try_from(page.only_request().message().resource_spans).expect("a request has one resource");
    resource_spans.resource.expect("the resource is always told")
}

#[test]
fn spans_are_grouped_by_scope_under_one_resource() {
    let mut page = Driver::new();
    let plain = page.engine.scope(b"plain", b"");
    let unused = page.engine.scope(b"unused", b"1");
    assert_eq!(page.engine.scope(b"plain", b""), plain, "the same scope is the same index");
    assert_ne!(page.engine.scope(b"plain", b"2"), plain, "another version is another scope");
    assert_ne!(unused, plain);
    for (name, scope) in [("a", page.scope), ("b", plain), ("c", page.scope), ("d", plain), ("e", page.scope)] {
        let handle = page.start_as(name, |start| start.scope = scope).unwrap();
        page.end(handle);
    }
    page.flush();
    let message = page.only_request().message();
    let [resource] = &message.resource_spans[..] else { panic!("a request has one resource: {message:?}") };
    assert_eq!(resource.schema_url.as_bytes(), SCHEMA_URL);
    let groups: Vec<_> = resource
        .scope_spans
        .iter()
        .map(|group| {
            let scope = group.scope.as_ref().expect("each group names its scope");
            let names: Vec<&str> = group.spans.iter().map(|span| &*span.name).collect();
            (&*scope.name, &*scope.version, group.schema_url.as_bytes(), names)
        })
        .collect();
    assert_eq!(groups, [("tests", "1.2.3", SCHEMA_URL, vec!["a", "c", "e"]), ("plain", "", SCHEMA_URL, vec!["b", "d"])]);
}

#[test]
fn more_scopes_than_there_are_numbers_for_lose_no_span() {
    let mut page = Driver::new();
    for number in 0..300 {
        let scope = page.engine.scope(format!("scope {number}").as_bytes(), b"");
        let handle = page.start_as("span", |start| start.scope = scope).unwrap();
        page.end(handle);
    }
    page.flush();
    let request = page.only_request();
    assert_eq!(request.spans().len(), 300);
    assert_eq!(request.message().resource_spans[0].scope_spans.len(), 255);
}

#[test]
fn the_sdk_names_itself_and_nothing_that_it_was_not_told() {
    let resource = resource(&mut Driver::new());
    for (key, value) in
        [("telemetry.sdk.name", "webspan"), ("telemetry.sdk.language", "webjs"), ("telemetry.sdk.version", env!("CARGO_PKG_VERSION"))]
    {
        assert_eq!(attribute(&resource.attributes, key), text(value), "{key}");
    }
    assert_eq!(resource.attributes.len(), 3);
}

#[test]
fn the_resource_describes_service_and_browser() {
    let mut page = Driver::new();
    page.engine.describe_service(b"shop", b"7");
    page.engine.push_element(Some(Value::Text(b"Chromium 156")));
    page.engine.push_element(Some(Value::Text(b"Not?A_Brand 8")));
    page.engine.describe_browser(b"Linux", Some(false), b"de-DE", b"Mozilla/5.0");
    page.set_text(RESOURCE, "deployment.environment.name", "staging");
    // As the user says it; the last one counts here too.
    page.set_text(RESOURCE, "service.name", "shop-web");
    let resource = resource(&mut page);
    for (key, value) in [
        ("service.name", text("shop-web")),
        ("service.version", text("7")),
        ("browser.brands", list([text("Chromium 156"), text("Not?A_Brand 8")])),
        ("browser.platform", text("Linux")),
        ("browser.mobile", Some(Decoded::BoolValue(false))),
        ("browser.language", text("de-DE")),
        ("user_agent.original", text("Mozilla/5.0")),
        ("deployment.environment.name", text("staging")),
    ] {
        assert_eq!(attribute(&resource.attributes, key), value, "{key}");
    }
}

#[test]
fn a_browser_that_tells_nothing_of_itself_is_not_made_up() {
    let mut page = Driver::new();
    page.engine.describe_service(b"shop", b"");
    page.engine.describe_browser(b"", None, b"de", b"Mozilla/5.0 (old)");
    let resource = resource(&mut page);
    assert_eq!(attribute(&resource.attributes, "user_agent.original"), text("Mozilla/5.0 (old)"));
    let keys: Vec<&str> = resource.attributes.iter().map(|pair| &*pair.key).collect();
    assert!(!keys.iter().any(|key| key.starts_with("browser.") || *key == "service.version"), "{keys:?}");
}

#[test]
fn brands_are_gone_from_the_list_that_follows() {
    let mut page = Driver::new();
    page.engine.push_element(Some(Value::Text(b"Chromium 156")));
    page.engine.describe_browser(b"", None, b"", b"");
    let span = page.exported(|page, handle| {
        page.engine.push_element(Some(Value::Text(b"own")));
        page.engine.set_list(handle, b"list");
    });
    assert_eq!(attribute(&span.attributes, "list"), list([text("own")]));
}

/// The same page twice, once for each encoding: what was sent as protobuf, and as JSON.
fn in_both_encodings(visit: impl Fn(&mut Driver)) -> [Vec<u8>; 2] {
    [false, true].map(|json| {
        let mut page = Driver::new();
        page.engine.json = json;
        visit(&mut page);
        page.flush();
        page.only_request().body
    })
}

#[track_caller]
fn assert_same(protobuf: &[u8], json: &[u8]) {
    let from_json: ExportTraceServiceRequest = serde_json::from_slice(json).expect("the body is OTLP/JSON");
    let from_protobuf = <ExportTraceServiceRequest as prost::Message>::decode(protobuf).expect("the body is OTLP");
    assert_eq!(from_json, from_protobuf);
}

fn every_field(page: &mut Driver) {
    let parent = SpanContext { trace_id: [0xAB; 16], span_id: [0xCD; 8], flags: SAMPLED, remote: true };
    let other = page.engine.scope(b"webspan/fetch", b"1");
    page.engine.limits.event_count = 1;
    page.engine.limits.link_count = 1;
    page.engine.limits.attribute_count = 6;
    page.engine.limits.attribute_per_event_count = 1;
    page.engine.limits.attribute_per_link_count = 1;
    page.engine.describe_service("größe".as_bytes(), b"1");
    let handle = page.start_as("full \"quoted\" \\ \u{7} 😀", |start| start.parent = Some(parent)).unwrap();
    page.engine.set_trace_state(handle, b"vendor=1");
    for (key, value) in [
        ("text", Value::Text("line\nbreak\u{2028}".as_bytes())),
        ("bool", Value::Bool(true)),
        ("largest", Value::Int(i64::MAX)),
        ("smallest", Value::Int(i64::MIN)),
        ("double", Value::Double(0.1)),
    ] {
        page.engine.set_attribute(handle, key.as_bytes(), value);
    }
    for element in [Some(Value::Text(b"a")), None, Some(Value::Int(2))] {
        page.engine.push_element(element);
    }
    page.engine.set_list(handle, b"list");
    page.set_text(handle, "dropped", "value");
    for _ in 0..2 {
        page.engine.stage(Stage::Event);
        page.set_text(STAGED, "key", "value");
        page.set_text(STAGED, "dropped", "value");
        page.engine.add_event(handle, b"event", page.now_ms + 0.5);
        page.engine.stage(Stage::Link);
        page.set_text(STAGED, "key", "value");
        page.set_text(STAGED, "dropped", "value");
        page.engine.add_link(handle, &parent, b"vendor=2");
    }
    page.engine.set_status(handle, StatusCode::Error, b"why");
    page.end(handle);
    let request = page.start_as("", |start| start.scope = other).unwrap();
    page.engine.response(request, 404);
    page.engine.end_request(request, End::Unfinished, page.now_ms, page.now_ms);
}

#[test]
fn json_says_the_same_as_protobuf() {
    let [protobuf, json] = in_both_encodings(every_field);
    assert_same(&protobuf, &json);
}

#[test]
fn json_writes_what_javascript_could_not_read_as_text() {
    let [_, json] = in_both_encodings(|page| {
        let handle = page.start("span");
        for (key, value) in [
            ("integer", Value::Int(i64::MAX)),
            ("nan", Value::Double(f64::NAN)),
            ("infinity", Value::Double(f64::INFINITY)),
            ("below", Value::Double(f64::NEG_INFINITY)),
            ("double", Value::Double(0.5)),
        ] {
            page.engine.set_attribute(handle, key.as_bytes(), value);
        }
        page.end(handle);
    });
    let request: Json = serde_json::from_slice(&json).unwrap();
    let span = &request["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    let value = |key: &str| span["attributes"].as_array().unwrap().iter().find(|pair| pair["key"] == key).unwrap()["value"].clone();
    assert_eq!(value("integer"), serde_json::json!({ "intValue": "9223372036854775807" }));
    assert_eq!(value("nan"), serde_json::json!({ "doubleValue": "NaN" }));
    assert_eq!(value("infinity"), serde_json::json!({ "doubleValue": "Infinity" }));
    assert_eq!(value("below"), serde_json::json!({ "doubleValue": "-Infinity" }));
    assert_eq!(value("double"), serde_json::json!({ "doubleValue": 0.5 }));
    assert_eq!(span["startTimeUnixNano"], "1700000001000000000");
    assert_eq!((&span["kind"], &span["flags"]), (&serde_json::json!(1), &serde_json::json!(0x103)));
    for (key, digits) in [("traceId", 32), ("spanId", 16)] {
        let id = span[key].as_str().unwrap();
        assert!(id.len() == digits && id.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')), "{key}: {id}");
    }
}

#[derive(Debug, Clone)]
enum Given {
    Text(String),
    Number(f64),
    Bool(bool),
    List(Vec<Option<String>>),
}

fn given() -> impl Strategy<Value = Given> {
    prop_oneof![
        any::<String>().prop_map(Given::Text),
        // The JSON reader of opentelemetry-proto takes no "NaN"; that has a test of its own.
        any::<f64>().prop_filter("a number", |number| number.is_finite()).prop_map(Given::Number),
        any::<i64>().prop_map(|whole| Given::Number(whole as f64)),
        any::<bool>().prop_map(Given::Bool),
        // An empty one needs no "values" in the JSON of protobuf; that reader wants it.
        prop::collection::vec(any::<Option<String>>(), 1..4).prop_map(Given::List),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_recorded_json_says_the_same_as_protobuf(
        names in prop::collection::vec(any::<String>(), 1..4),
        attributes in prop::collection::vec((any::<String>(), given()), 0..8),
        at_ms in -1e3..1e7,
    ) {
        let [protobuf, json] = in_both_encodings(|page| {
            for name in &names {
                let handle = page.start_as(name, |start| start.at_ms = at_ms).unwrap();
                for (key, value) in &attributes {
                    match value {
                        Given::Text(value) => page.set_text(handle, key, value),
                        Given::Number(number) => page.engine.set_attribute(handle, key.as_bytes(), Value::number(*number)),
                        Given::Bool(value) => page.engine.set_attribute(handle, key.as_bytes(), Value::Bool(*value)),
                        Given::List(elements) => {
                            for element in elements {
                                page.engine.push_element(element.as_ref().map(|text| Value::Text(text.as_bytes())));
                            }
                            page.engine.set_list(handle, key.as_bytes());
                        }
                    }
                }
                page.end(handle);
            }
        });
        assert_same(&protobuf, &json);
    }
}
