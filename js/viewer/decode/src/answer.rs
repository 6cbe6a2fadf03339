//! What an OTLP/HTTP receiver answers.

use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use prost::Message;
use serde_json::json;

/// `google.rpc.Status` without its `details`, which nobody would fill.
/// <https://opentelemetry.io/docs/specs/otlp/#failures-1>
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

pub fn response(as_json: bool, rejected_spans: u32, error_message: &str) -> Vec<u8> {
    // The specification wants the field unset when everything was accepted.
    let complete = rejected_spans == 0 && error_message.is_empty();
    if as_json {
        let partial_success = json!({ "rejectedSpans": rejected_spans.to_string(), "errorMessage": error_message });
        let body = if complete { json!({}) } else { json!({ "partialSuccess": partial_success }) };
        return body.to_string().into_bytes();
    }
    let partial_success =
        (!complete).then(|| ExportTracePartialSuccess { rejected_spans: rejected_spans.into(), error_message: error_message.into() });
    ExportTraceServiceResponse { partial_success }.encode_to_vec()
}

pub fn status(as_json: bool, code: i32, message: &str) -> Vec<u8> {
    if as_json {
        return json!({ "code": code, "message": message }).to_string().into_bytes();
    }
    Status { code, message: message.into() }.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_success_is_an_empty_message() {
        assert_eq!(response(false, 0, ""), b"");
        assert_eq!(response(true, 0, ""), b"{}");
    }

    #[test]
    fn partial_success_says_how_many_and_why() {
        let decoded = ExportTraceServiceResponse::decode(response(false, 2, "bad ids").as_slice()).unwrap();
        let partial = decoded.partial_success.unwrap();
        assert_eq!((partial.rejected_spans, partial.error_message.as_str()), (2, "bad ids"));
        let text = String::from_utf8(response(true, 2, "bad \"ids\"")).unwrap();
        assert_eq!(text, r#"{"partialSuccess":{"errorMessage":"bad \"ids\"","rejectedSpans":"2"}}"#);
    }

    #[test]
    fn errors_are_a_status_message() {
        // Field 1 as varint, field 2 as a string of 4 bytes.
        assert_eq!(status(false, 3, "oops"), b"\x08\x03\x12\x04oops");
        assert_eq!(status(true, 3, "oops"), br#"{"code":3,"message":"oops"}"#);
    }
}
