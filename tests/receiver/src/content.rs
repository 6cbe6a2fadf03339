//! What a well-formed export must say, whatever it was encoded in.

use std::collections::HashSet;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;

use crate::{Rule, Violation};

const NANOS_PER_MINUTE: u64 = 60_000_000_000;
/// 2001-09-09 and 2286-11-20: a time in seconds, milliseconds or microseconds, or one since the page load, is not between.
const SANE_UNIX_NANOS: std::ops::Range<u64> = 1_000_000_000_000_000_000..10_000_000_000_000_000_000;

const TRACE_FLAGS_MASK: u32 = 0xff;
/// It is known whether the parent is remote; and it is.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

pub fn judge(request: &ExportTraceServiceRequest) -> Vec<Violation> {
    let mut judge = Judge { violations: Vec::new(), span_ids: HashSet::new() };
    let mut span_count = 0;
    for (resource_index, resource_spans) in request.resource_spans.iter().enumerate() {
        let resource_at = format!("resourceSpans[{resource_index}]");
        judge.resource(resource_spans.resource.as_ref(), &format!("{resource_at}.resource"));
        for (scope_index, scope_spans) in resource_spans.scope_spans.iter().enumerate() {
            let scope_at = format!("{resource_at}.scopeSpans[{scope_index}]");
            if let Some(scope) = &scope_spans.scope {
                judge.attributes(&scope.attributes, &format!("{scope_at}.scope"));
            }
            for (span_index, span) in scope_spans.spans.iter().enumerate() {
                judge.span(span, &format!("{scope_at}.spans[{span_index}]"));
                span_count += 1;
            }
        }
    }
    if span_count == 0 {
        judge.refuse(Rule::NoSpans, "", "holds no span");
    }
    judge.violations
}

struct Judge {
    violations: Vec<Violation>,
    span_ids: HashSet<Vec<u8>>,
}

impl Judge {
    fn refuse(&mut self, rule: Rule, at: impl Into<String>, found: impl Into<String>) {
        self.violations.push(Violation::new(rule, at, found));
    }

    fn resource(&mut self, resource: Option<&Resource>, at: &str) {
        let attributes = resource.map_or(&[][..], |resource| &resource.attributes);
        self.attributes(attributes, at);
        for key in ["service.name", "telemetry.sdk.name", "telemetry.sdk.language", "telemetry.sdk.version"] {
            let is_said = attributes.iter().any(|attribute| {
                let value = attribute.value.as_ref().and_then(|value| value.value.as_ref());
                attribute.key == key && matches!(value, Some(Value::StringValue(text)) if !text.is_empty())
            });
            if !is_said {
                self.refuse(Rule::Resource, at, format!("does not say {key}"));
            }
        }
    }

    fn span(&mut self, span: &Span, at: &str) {
        self.trace_id(&span.trace_id, at);
        self.span_id(&span.span_id, at);
        if !self.span_ids.insert(span.span_id.clone()) {
            self.refuse(Rule::SpanIdTwice, format!("{at}.spanId"), "stands twice in this export");
        }
        self.parent(span, at);
        self.flags(span.flags, !span.parent_span_id.is_empty(), at);

        if span.name.is_empty() {
            self.refuse(Rule::Name, format!("{at}.name"), "is empty");
        }
        if !(1..=5).contains(&span.kind) {
            self.refuse(Rule::Kind, format!("{at}.kind"), format!("{} is not 1 to 5", span.kind));
        }
        if !SANE_UNIX_NANOS.contains(&span.start_time_unix_nano) {
            self.refuse(Rule::StartTime, format!("{at}.startTimeUnixNano"), format!("{} is not of our time", span.start_time_unix_nano));
        }
        if span.end_time_unix_nano < span.start_time_unix_nano {
            let found = format!("{} is before the start, {}", span.end_time_unix_nano, span.start_time_unix_nano);
            self.refuse(Rule::EndTime, format!("{at}.endTimeUnixNano"), found);
        }

        self.attributes(&span.attributes, at);
        self.events(span, at);
        for (index, link) in span.links.iter().enumerate() {
            let link_at = format!("{at}.links[{index}]");
            self.trace_id(&link.trace_id, &link_at);
            self.span_id(&link.span_id, &link_at);
            self.flags(link.flags, true, &link_at);
            self.attributes(&link.attributes, &link_at);
        }
        self.status(span, at);
    }

    fn trace_id(&mut self, id: &[u8], at: &str) {
        if id.len() != 16 || is_zero(id) {
            self.refuse(Rule::TraceId, format!("{at}.traceId"), format!("{} is not 16 bytes with a bit set", hex(id)));
        }
    }

    fn span_id(&mut self, id: &[u8], at: &str) {
        if id.len() != 8 || is_zero(id) {
            self.refuse(Rule::SpanId, format!("{at}.spanId"), format!("{} is not 8 bytes with a bit set", hex(id)));
        }
    }

    fn parent(&mut self, span: &Span, at: &str) {
        let id = &span.parent_span_id;
        if !id.is_empty() && (id.len() != 8 || is_zero(id)) {
            self.refuse(Rule::ParentSpanId, format!("{at}.parentSpanId"), format!("{} is not 8 bytes with a bit set", hex(id)));
        } else if *id == span.span_id && !id.is_empty() {
            self.refuse(Rule::ParentSpanId, format!("{at}.parentSpanId"), "is the span itself");
        }
    }

    fn flags(&mut self, flags: u32, has_other_span: bool, at: &str) {
        let found = if flags & !(TRACE_FLAGS_MASK | HAS_IS_REMOTE | IS_REMOTE) != 0 {
            "has bits outside of 0x3ff"
        } else if has_other_span && flags & HAS_IS_REMOTE == 0 {
            "lacks 0x100: whether the parent or linked span is remote is known"
        } else if flags & IS_REMOTE != 0 && flags & HAS_IS_REMOTE == 0 {
            "has 0x200 without 0x100"
        } else {
            return;
        };
        self.refuse(Rule::Flags, format!("{at}.flags"), format!("{flags:#x} {found}"));
    }

    fn events(&mut self, span: &Span, at: &str) {
        let earliest = span.start_time_unix_nano.saturating_sub(NANOS_PER_MINUTE);
        let latest = span.end_time_unix_nano.max(span.start_time_unix_nano).saturating_add(NANOS_PER_MINUTE);
        for (index, event) in span.events.iter().enumerate() {
            let event_at = format!("{at}.events[{index}]");
            if event.name.is_empty() {
                self.refuse(Rule::Name, format!("{event_at}.name"), "is empty");
            }
            if !(earliest..=latest).contains(&event.time_unix_nano) {
                let found = format!("{} is over a minute away from its span", event.time_unix_nano);
                self.refuse(Rule::EventTime, format!("{event_at}.timeUnixNano"), found);
            }
            self.attributes(&event.attributes, &event_at);
        }
    }

    fn status(&mut self, span: &Span, at: &str) {
        let Some(status) = &span.status else { return };
        if !(0..=2).contains(&status.code) {
            self.refuse(Rule::StatusCode, format!("{at}.status.code"), format!("{} is not 0 to 2", status.code));
        } else if status.code != 2 && !status.message.is_empty() {
            let found = format!("{:?} stands with code {}", status.message, status.code);
            self.refuse(Rule::StatusMessage, format!("{at}.status.message"), found);
        }
    }

    fn attributes(&mut self, attributes: &[KeyValue], at: &str) {
        let mut keys = HashSet::new();
        for (index, attribute) in attributes.iter().enumerate() {
            let attribute_at = format!("{at}.attributes[{index}]");
            if attribute.key_strindex != 0 {
                self.refuse(Rule::ProfilesOnly, &attribute_at, "has key_strindex");
            }
            if attribute.key.is_empty() {
                self.refuse(Rule::AttributeKey, &attribute_at, "has an empty key");
            } else if !keys.insert(attribute.key.as_str()) {
                self.refuse(Rule::AttributeKey, &attribute_at, format!("{:?} stands twice", attribute.key));
            }
            match &attribute.value {
                Some(AnyValue { value: Some(value) }) => self.value(value, &format!("{at}.{}", attribute.key)),
                _ => self.refuse(Rule::AttributeValue, &attribute_at, format!("{:?} has no value", attribute.key)),
            }
        }
    }

    fn value(&mut self, value: &Value, at: &str) {
        match value {
            Value::StringValueStrindex(_) => self.refuse(Rule::ProfilesOnly, at, "has string_value_strindex"),
            // An element may be empty: that is how null in an array is written.
            Value::ArrayValue(array) => {
                for element in array.values.iter().filter_map(|element| element.value.as_ref()) {
                    self.value(element, at);
                }
            }
            Value::KvlistValue(list) => self.attributes(&list.values, at),
            Value::StringValue(_) | Value::BoolValue(_) | Value::IntValue(_) | Value::DoubleValue(_) | Value::BytesValue(_) => {}
        }
    }
}

fn is_zero(id: &[u8]) -> bool {
    id.iter().all(|byte| *byte == 0)
}

fn hex(id: &[u8]) -> String {
    if id.is_empty() { "an empty id".to_owned() } else { id.iter().map(|byte| format!("{byte:02x}")).collect() }
}
