//! OTLP for the viewer: decodes what `/v1/traces` receives and encodes what it answers.
//!
//! Compiled to wasm for Node. Protobuf and JSON become the same messages (those of `opentelemetry-proto`), and only
//! [`spans`] knows what the viewer makes of them.

mod answer;
mod json;
mod limits;
mod spans;
mod tree;

use js_sys::{Error, RangeError};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use wasm_bindgen::prelude::*;
use webspan::redact::Redactor;

/// An `ExportTraceServiceRequest` in protobuf, as the JSON of [`spans::Export`]. Throws a `RangeError` for one that holds too much, and an
/// `Error` for what is no such message.
#[wasm_bindgen(js_name = decodeProtobuf)]
pub fn decode_protobuf(body: &[u8]) -> Result<String, JsValue> {
    limits::check_protobuf(body).map_err(|excess| RangeError::new(&excess.to_string()))?;
    let request = ExportTraceServiceRequest::decode(body).map_err(|error| Error::new(&error.to_string()))?;
    to_json(request)
}

/// The same of an `ExportTraceServiceRequest` in OTLP/JSON.
#[wasm_bindgen(js_name = decodeJson)]
pub fn decode_json(body: &[u8]) -> Result<String, JsValue> {
    let request = json::decode(body).map_err(|error| match error {
        json::Error::TooLarge(_) => JsValue::from(RangeError::new(&error.to_string())),
        json::Error::Malformed(message) => Error::new(&message).into(),
    })?;
    to_json(request)
}

/// An `ExportTraceServiceResponse`; with `rejected_spans` or a message it says "partial success".
#[wasm_bindgen(js_name = encodeResponse)]
pub fn encode_response(as_json: bool, rejected_spans: u32, error_message: &str) -> Vec<u8> {
    answer::response(as_json, rejected_spans, error_message)
}

/// A `google.rpc.Status`, the body of every OTLP/HTTP answer that is an error.
#[wasm_bindgen(js_name = encodeStatus)]
pub fn encode_status(as_json: bool, code: i32, message: &str) -> Vec<u8> {
    answer::status(as_json, code, message)
}

/// A text, with the secrets of URLs in it replaced: by the rules that spans of a page are redacted by.
#[wasm_bindgen]
pub fn redact(text: &str) -> String {
    let redacted = Redactor::new().text(text.as_bytes());
    redacted.map_or_else(|| text.into(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn to_json(request: ExportTraceServiceRequest) -> Result<String, JsValue> {
    serde_json::to_string(&spans::export(request)).map_err(|error| Error::new(&error.to_string()).into())
}
