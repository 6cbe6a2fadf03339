//! What a collector answers: `ExportTraceServiceResponse`, of which only the partial success matters.
//! <https://opentelemetry.io/docs/specs/otlp/#partial-success-1>

use super::trace::response;
use super::wire::{Field, WireType};

/// How many spans were rejected, and what the collector says about it. Bytes that are no such message mean: none, nothing.
pub fn partial_success(body: &[u8]) -> (u32, &[u8]) {
    let mut rejected = 0;
    let mut message: &[u8] = b"";
    let inner = Fields(body).filter_map(|(field, value)| value.bytes_of(field, response::PARTIAL_SUCCESS)).last();
    for (field, value) in Fields(inner.unwrap_or(b"")) {
        if field == response::REJECTED_SPANS.tag()
            && let Content::Number(number) = value
        {
            rejected = u32::try_from(number).unwrap_or(u32::MAX);
        }
        message = value.bytes_of(field, response::ERROR_MESSAGE).unwrap_or(message);
    }
    (rejected, message)
}

#[derive(Clone, Copy)]
enum Content<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Content<'a> {
    fn bytes_of(self, tag: u32, field: Field) -> Option<&'a [u8]> {
        match self {
            Content::Bytes(bytes) if tag == field.tag() => Some(bytes),
            _ => None,
        }
    }
}

/// The fields of a message, with their tags; ends at the first thing that is none.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (u32, Content<'a>);

    fn next(&mut self) -> Option<(u32, Content<'a>)> {
        let tag = self.varint()?;
        let content = match tag & 7 {
            wire if wire == WireType::Varint as u64 => Content::Number(self.varint()?),
            wire if wire == WireType::Len as u64 => {
                let length = self.varint()?;
                Content::Bytes(self.bytes(usize::try_from(length).ok()?)?)
            }
            wire if wire == WireType::Fixed64 as u64 => Content::Bytes(self.bytes(8)?),
            wire if wire == WireType::Fixed32 as u64 => Content::Bytes(self.bytes(4)?),
            _ => return None,
        };
        Some((tag as u32, content))
    }
}

impl<'a> Fields<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.bytes(1)?[0];
            value |= ((byte & 0x7F) as u64) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
    use prost::Message;
    use proptest::prelude::*;

    fn encoded(rejected_spans: i64, error_message: &str) -> std::vec::Vec<u8> {
        let partial_success = Some(ExportTracePartialSuccess { rejected_spans, error_message: error_message.into() });
        ExportTraceServiceResponse { partial_success }.encode_to_vec()
    }

    #[test]
    fn a_partial_success_is_read_as_the_collector_wrote_it() {
        assert_eq!(partial_success(&encoded(3, "too old")), (3, b"too old".as_slice()));
        assert_eq!(partial_success(&encoded(0, "a warning")), (0, b"a warning".as_slice()));
        assert_eq!(partial_success(&encoded(0, "")), (0, b"".as_slice()));
        assert_eq!(partial_success(&ExportTraceServiceResponse::default().encode_to_vec()), (0, b"".as_slice()));
        assert_eq!(partial_success(&encoded(-1, "")).0, u32::MAX, "the engine never counts more than it sent");
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer(body: std::vec::Vec<u8>) {
            partial_success(&body);
        }
    }
}
