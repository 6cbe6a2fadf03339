//! The trace messages of OTLP: a table of fields for each, and what writes the envelope around finished spans. `js/otlp.ts` has the same
//! tables with the names of the fields, for whoever wants to read them.
//! <https://github.com/open-telemetry/opentelemetry-proto/blob/v1.8.0/opentelemetry/proto/trace/v1/trace.proto>

use alloc::vec::Vec;

use super::wire::Field;
use crate::attributes::Attributes;

/// `ExportTraceServiceRequest`
pub mod request {
    use super::Field;
    pub const RESOURCE_SPANS: Field = Field::len(1);
}

pub mod resource_spans {
    use super::Field;
    pub const RESOURCE: Field = Field::len(1);
    pub const SCOPE_SPANS: Field = Field::len(2);
    pub const SCHEMA_URL: Field = Field::len(3);
}

pub mod resource {
    use super::Field;
    pub const ATTRIBUTES: Field = Field::len(1);
    pub const DROPPED_ATTRIBUTES_COUNT: Field = Field::varint(2);
}

pub mod scope_spans {
    use super::Field;
    pub const SCOPE: Field = Field::len(1);
    pub const SPANS: Field = Field::len(2);
    pub const SCHEMA_URL: Field = Field::len(3);
}

/// `InstrumentationScope`
pub mod scope {
    use super::Field;
    pub const NAME: Field = Field::len(1);
    pub const VERSION: Field = Field::len(2);
}

pub mod span {
    use super::Field;
    pub const TRACE_ID: Field = Field::len(1);
    pub const SPAN_ID: Field = Field::len(2);
    pub const TRACE_STATE: Field = Field::len(3);
    pub const PARENT_SPAN_ID: Field = Field::len(4);
    pub const NAME: Field = Field::len(5);
    pub const KIND: Field = Field::varint(6);
    pub const START_TIME_UNIX_NANO: Field = Field::fixed64(7);
    pub const END_TIME_UNIX_NANO: Field = Field::fixed64(8);
    pub const ATTRIBUTES: Field = Field::len(9);
    pub const DROPPED_ATTRIBUTES_COUNT: Field = Field::varint(10);
    pub const EVENTS: Field = Field::len(11);
    pub const DROPPED_EVENTS_COUNT: Field = Field::varint(12);
    pub const LINKS: Field = Field::len(13);
    pub const DROPPED_LINKS_COUNT: Field = Field::varint(14);
    pub const STATUS: Field = Field::len(15);
    pub const FLAGS: Field = Field::fixed32(16);
}

pub mod event {
    use super::Field;
    pub const TIME_UNIX_NANO: Field = Field::fixed64(1);
    pub const NAME: Field = Field::len(2);
    pub const ATTRIBUTES: Field = Field::len(3);
    pub const DROPPED_ATTRIBUTES_COUNT: Field = Field::varint(4);
}

pub mod link {
    use super::Field;
    pub const TRACE_ID: Field = Field::len(1);
    pub const SPAN_ID: Field = Field::len(2);
    pub const TRACE_STATE: Field = Field::len(3);
    pub const ATTRIBUTES: Field = Field::len(4);
    pub const DROPPED_ATTRIBUTES_COUNT: Field = Field::varint(5);
    pub const FLAGS: Field = Field::fixed32(6);
}

pub mod status {
    use super::Field;
    pub const MESSAGE: Field = Field::len(2);
    pub const CODE: Field = Field::varint(3);
}

pub mod key_value {
    use super::Field;
    pub const KEY: Field = Field::len(1);
    pub const VALUE: Field = Field::len(2);
}

pub mod any_value {
    use super::Field;
    pub const STRING: Field = Field::len(1);
    pub const BOOL: Field = Field::varint(2);
    pub const INT: Field = Field::varint(3);
    pub const DOUBLE: Field = Field::fixed64(4);
    pub const ARRAY: Field = Field::len(5);
}

pub mod array_value {
    use super::Field;
    pub const VALUES: Field = Field::len(1);
}

/// The version of the semantic conventions that the names in `capture/names.rs` follow.
pub const SCHEMA_URL: &[u8] = b"https://opentelemetry.io/schemas/1.45.0";

/// Who made the spans: an instrumentation scope, as the bytes of its message.
pub fn scope_message(name: &[u8], version: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    scope::NAME.put_bytes(&mut message, name);
    scope::VERSION.put_some_bytes(&mut message, version);
    message
}

/// One `ExportTraceServiceRequest`. `spans` are finished ones, each with the index of its scope; a scope without spans is left out.
pub fn export_request<'a>(
    out: &mut Vec<u8>,
    resource: &Attributes,
    scopes: &[Vec<u8>],
    schema_url: &[u8],
    spans: impl Iterator<Item = (u8, &'a [u8])> + Clone,
) {
    let resource_spans = request::RESOURCE_SPANS.open(out);
    let described = resource_spans::RESOURCE.open(out);
    out.extend_from_slice(resource.bytes());
    resource::DROPPED_ATTRIBUTES_COUNT.put_count(out, resource.dropped);
    described.close(out);
    for (index, scope) in scopes.iter().enumerate() {
        let mut scope_spans = None;
        for (_, span) in spans.clone().filter(|(scope, _)| *scope as usize == index) {
            scope_spans.get_or_insert_with(|| {
                let opened = resource_spans::SCOPE_SPANS.open(out);
                scope_spans::SCOPE.put_bytes(out, scope);
                opened
            });
            scope_spans::SPANS.put_bytes(out, span);
        }
        if let Some(opened) = scope_spans {
            scope_spans::SCHEMA_URL.put_some_bytes(out, schema_url);
            opened.close(out);
        }
    }
    resource_spans::SCHEMA_URL.put_some_bytes(out, schema_url);
    resource_spans.close(out);
}

/// Upper bound of what [`export_request`] adds to the spans of these scopes.
pub fn envelope_size(resource: &Attributes, scopes: &[Vec<u8>]) -> usize {
    const TAG_AND_LENGTH: usize = 6;
    let schema = TAG_AND_LENGTH + SCHEMA_URL.len();
    3 * TAG_AND_LENGTH
        + resource.bytes().len()
        + schema
        + scopes.iter().map(|scope| 2 * TAG_AND_LENGTH + scope.len() + schema).sum::<usize>()
}
