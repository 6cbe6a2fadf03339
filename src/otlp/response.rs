//! What a collector answers: `ExportTraceServiceResponse`, of which only the partial success matters.
//! <https://opentelemetry.io/docs/specs/otlp/#partial-success-1>

use super::trace::response;
use super::wire::Fields;

/// How many spans were rejected, and what the collector says about it. Bytes that are no such message mean: none, nothing.
pub fn partial_success(body: &[u8]) -> (u32, &[u8]) {
    let mut rejected = 0;
    let mut message: &[u8] = b"";
    for outer in Fields(body).filter(|field| field.is(response::PARTIAL_SUCCESS)) {
        for field in Fields(outer.bytes) {
            if field.is(response::REJECTED_SPANS) {
                rejected = u32::try_from(field.bits).unwrap_or(u32::MAX);
            } else if field.is(response::ERROR_MESSAGE) {
                message = field.bytes;
            }
        }
    }
    (rejected, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
    use proptest::prelude::*;
    use prost::Message;

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
