//! Spans to the bytes of OTLP: [`wire`] holds the primitives, [`trace`] the messages, [`json`] the other encoding of the same bytes.

pub mod decimal;
pub mod json;
pub mod response;
pub mod trace;
pub mod wire;
