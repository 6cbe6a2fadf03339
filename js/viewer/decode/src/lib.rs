//! OTLP for the viewer: decodes what `/v1/traces` receives and encodes what it answers.
//!
//! Compiled to wasm for Node. Protobuf and JSON become the same messages (those of `opentelemetry-proto`), and only
//! [`spans`] knows what the viewer makes of them.

mod answer;
mod json;
mod limits;
mod spans;
mod tree;

use js_sys::{Error, Function, RangeError};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde::Serialize;
use spans::{Export, Rejected};
use wasm_bindgen::prelude::*;
use webspan::redact::Redactor;

/// An `ExportTraceServiceRequest` in protobuf. Gives each [`spans::Slice`] of it to `take`, and returns [`spans::Rejected`]. Throws a
/// `RangeError` for one that holds too much, an `Error` for what is no such message, and what `take` throws.
#[wasm_bindgen(js_name = decodeProtobuf)]
pub fn decode_protobuf(body: &[u8], take: &Function) -> Result<JsValue, JsValue> {
    limits::check_protobuf(body).map_err(|excess| RangeError::new(&excess.to_string()))?;
    let request = ExportTraceServiceRequest::decode(body).map_err(|error| Error::new(&error.to_string()))?;
    hand_over(request, take)
}

/// The same of an `ExportTraceServiceRequest` in OTLP/JSON.
#[wasm_bindgen(js_name = decodeJson)]
pub fn decode_json(body: &[u8], take: &Function) -> Result<JsValue, JsValue> {
    let request = json::decode(body).map_err(|error| match error {
        json::Error::TooLarge(_) => JsValue::from(RangeError::new(&error.to_string())),
        json::Error::Malformed(message) => Error::new(&message).into(),
    })?;
    hand_over(request, take)
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

fn hand_over(request: ExportTraceServiceRequest, take: &Function) -> Result<JsValue, JsValue> {
    // Maps become `Map`, not objects: writing `object["__proto__"] = value` would lose an attribute of that name.
    let serializer = serde_wasm_bindgen::Serializer::new().serialize_missing_as_null(true);
    let Export { resources, rejected_spans, rejection } = spans::export(request);
    for slice in spans::slices(resources) {
        take.call1(&JsValue::UNDEFINED, &slice.serialize(&serializer)?)?;
    }
    Ok(Rejected { rejected_spans, rejection }.serialize(&serializer)?)
}
