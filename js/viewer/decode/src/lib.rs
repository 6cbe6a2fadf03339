//! OTLP for the viewer: decodes what `/v1/traces` receives and encodes what it answers.
//!
//! Compiled to wasm for Node. Protobuf and JSON become the same messages (those of `opentelemetry-proto`), and only
//! [`spans`] knows what the viewer makes of them.

mod answer;
mod json;
mod spans;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde::Serialize;
use wasm_bindgen::prelude::*;

/// An `ExportTraceServiceRequest` in protobuf, as [`spans::Export`].
#[wasm_bindgen(js_name = decodeProtobuf)]
pub fn decode_protobuf(body: &[u8]) -> Result<JsValue, JsError> {
    let request = ExportTraceServiceRequest::decode(body)?;
    to_js(request)
}

/// An `ExportTraceServiceRequest` in OTLP/JSON, as [`spans::Export`].
#[wasm_bindgen(js_name = decodeJson)]
pub fn decode_json(body: &[u8]) -> Result<JsValue, JsError> {
    let request = json::decode(body)?;
    to_js(request)
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

fn to_js(request: ExportTraceServiceRequest) -> Result<JsValue, JsError> {
    // Maps become `Map`, not objects: writing `object["__proto__"] = value` would lose an attribute of that name.
    let serializer = serde_wasm_bindgen::Serializer::new().serialize_missing_as_null(true);
    Ok(spans::export(request).serialize(&serializer)?)
}
