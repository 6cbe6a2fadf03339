//! The request around the spans.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Decoded;
use opentelemetry_proto::tonic::resource::v1::Resource;
use webspan::attributes::Value;
use webspan::engine::RESOURCE;
use webspan::otlp::trace::SCHEMA_URL;

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
