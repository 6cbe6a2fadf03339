//! The strict judge of what the tests receive over OTLP/HTTP.
//!
//! Real receivers forgive: they take unknown fields, short ids, fields that stand twice and numbers where text is
//! asked for. This one forgives nothing, so that a mistake in the encoder is a failing test and not a surprise in
//! somebody's backend. Messages are decoded by `prost` with the types of `opentelemetry-proto`, their form is judged by
//! the file descriptors of the same crate; nothing here knows webspan's encoder.
//!
//! [`judge`] goes in two steps: first the form of the bytes (`wire` for protobuf, `json` for JSON), and only for a
//! message of good form its content (`content`), the same for both.

mod content;
mod json;
mod report;
mod wire;

use std::fmt;
use std::sync::LazyLock;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost_reflect::{DescriptorPool, MessageDescriptor};

/// What can be wrong with an export. Each has a test that breaks it and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The media type is `application/x-protobuf` or `application/json`.
    ContentType,
    /// The body can be decoded, to its last byte.
    Malformed,
    /// Every field is one that OTLP has, in JSON by its lowerCamelCase name.
    UnknownField,
    /// Each protobuf field has the wire type of its declaration.
    WireType,
    /// Text is UTF-8.
    Utf8,
    /// What may stand once stands once, members of a oneof included. Decoders merge or take the last, each its own way.
    FieldTwice,
    /// JSON: ids are lower-case hex, not base64.
    JsonId,
    /// JSON: 64-bit integers are decimal text.
    JsonInt64,
    /// JSON: 32-bit integers and enums are numbers.
    JsonInt32,
    /// JSON: doubles are numbers, or the text NaN, Infinity, -Infinity.
    JsonDouble,
    /// JSON: bytes other than ids are base64.
    JsonBytes,
    /// JSON: all else has the type of its declaration; null is never written.
    JsonType,

    /// An export holds spans.
    NoSpans,
    /// The resource says service.name and telemetry.sdk.{name,language,version}.
    Resource,
    /// 16 bytes, not all zero; of links too.
    TraceId,
    /// 8 bytes, not all zero; of links too.
    SpanId,
    /// Absent, or 8 bytes, not all zero and not the span itself.
    ParentSpanId,
    /// A span id stands once in an export.
    SpanIdTwice,
    /// Spans and events have names.
    Name,
    /// 1 to 5.
    Kind,
    /// A time of this century, in nanoseconds.
    StartTime,
    /// Not before the start.
    EndTime,
    /// Within a minute of its span: other units, or another epoch, are millions of times off.
    EventTime,
    /// Keys are not empty and each is there once.
    AttributeKey,
    /// Attributes have values.
    AttributeValue,
    /// `key_strindex` and `string_value_strindex` are for profiles.
    ProfilesOnly,
    /// Trace flags, 0x100 and 0x200, no other bits; 0x100 with every parent and link; 0x200 only with 0x100.
    Flags,
    /// 0 to 2.
    StatusCode,
    /// Only an error has a message.
    StatusMessage,
}

impl Rule {
    pub const ALL: [Rule; 29] = {
        use Rule::*;
        [
            ContentType,
            Malformed,
            UnknownField,
            WireType,
            Utf8,
            FieldTwice,
            JsonId,
            JsonInt64,
            JsonInt32,
            JsonDouble,
            JsonBytes,
            JsonType,
            NoSpans,
            Resource,
            TraceId,
            SpanId,
            ParentSpanId,
            SpanIdTwice,
            Name,
            Kind,
            StartTime,
            EndTime,
            EventTime,
            AttributeKey,
            AttributeValue,
            ProfilesOnly,
            Flags,
            StatusCode,
            StatusMessage,
        ]
    };
}

/// A rule that was broken, where, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub rule: Rule,
    /// Path from the request, as `resourceSpans[0].scopeSpans[0].spans[3].traceId`.
    pub at: String,
    pub found: String,
}

impl Violation {
    fn new(rule: Rule, at: impl Into<String>, found: impl Into<String>) -> Self {
        Self { rule, at: at.into(), found: found.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?} at {}: {}", self.rule, if self.at.is_empty() { "the request" } else { &self.at }, self.found)
    }
}

/// What [`judge`] found. A message may be decodable and still break rules.
#[derive(Debug)]
pub struct Verdict {
    pub request: Option<ExportTraceServiceRequest>,
    pub violations: Vec<Violation>,
}

impl Verdict {
    fn refused(violation: Violation) -> Self {
        Self { request: None, violations: vec![violation] }
    }

    /// The spans as flat JSON objects.
    pub fn spans(&self) -> Vec<serde_json::Value> {
        self.request.as_ref().map(report::spans).unwrap_or_default()
    }
}

/// Judges the body of one `POST /v1/traces`, already without `Content-Encoding`.
pub fn judge(content_type: &str, body: &[u8]) -> Verdict {
    let mut verdict = match content_type {
        "application/x-protobuf" => wire::judge(body),
        "application/json" => json::judge(body),
        _ => Verdict::refused(Violation::new(
            Rule::ContentType,
            "",
            format!("{content_type:?} is neither application/x-protobuf nor application/json"),
        )),
    };
    if let (Some(request), []) = (&verdict.request, verdict.violations.as_slice()) {
        verdict.violations = content::judge(request);
    }
    verdict
}

/// `ExportTraceServiceRequest` as the .proto files declare it.
fn request_descriptor() -> MessageDescriptor {
    static POOL: LazyLock<DescriptorPool> =
        LazyLock::new(|| DescriptorPool::decode(opentelemetry_proto::DESCRIPTORS).expect("opentelemetry-proto carries valid descriptors"));
    POOL.get_message_by_name("opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest")
        .expect("opentelemetry-proto carries the descriptors of the trace service")
}

/// `spans` + `3` -> `spans[3]`; `spans[3]` + `traceId` -> `spans[3].traceId`.
fn member(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
}
