//! The form of a protobuf body.
//!
//! A walk over the raw bytes with the descriptors in hand. Decoding alone would not do: a decoder merges what stands
//! twice and skips what it does not know.

use std::collections::{HashMap, HashSet};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost::{DecodeError, Message};
use prost_reflect::{Kind, MessageDescriptor};

use crate::{Rule, Verdict, Violation, member, request_descriptor};

pub fn judge(body: &[u8]) -> Verdict {
    let mut violations = Vec::new();
    walk(body, &request_descriptor(), "", &mut violations);
    match ExportTraceServiceRequest::decode(body) {
        Ok(request) => Verdict { request: Some(request), violations },
        Err(error) => {
            if violations.is_empty() {
                violations.push(Violation::new(Rule::Malformed, "", error.to_string()));
            }
            Verdict { request: None, violations }
        }
    }
}

fn walk(mut bytes: &[u8], message: &MessageDescriptor, at: &str, violations: &mut Vec<Violation>) {
    let mut seen = HashSet::new();
    let mut counts: HashMap<u32, usize> = HashMap::new();
    while bytes.has_remaining() {
        let (number, wire_type) = match decode_key(&mut bytes) {
            Ok(key) => key,
            Err(error) => {
                return violations.push(Violation::new(Rule::Malformed, at, error.to_string()));
            }
        };
        let Some(field) = message.get_field(number) else {
            violations.push(Violation::new(Rule::UnknownField, at, format!("{} has no field {number}", message.full_name())));
            if let Err(error) = skip_field(wire_type, number, &mut bytes, DecodeContext::default()) {
                return violations.push(Violation::new(Rule::Malformed, at, error.to_string()));
            }
            continue;
        };

        let mut field_at = member(at, field.json_name());
        if field.is_list() {
            let index = counts.entry(number).or_default();
            field_at = format!("{field_at}[{index}]");
            *index += 1;
        } else {
            // All members of a oneof count as the same field.
            let name = field.containing_oneof().map_or(field.full_name().to_owned(), |oneof| oneof.full_name().to_owned());
            if !seen.insert(name) {
                violations.push(Violation::new(Rule::FieldTwice, &field_at, "stands twice"));
            }
        }

        // Trace messages hold no repeated numbers, so nothing can be packed.
        let wanted = wire_type_of(&field.kind());
        if wire_type != wanted {
            // The decoder will refuse the message; what follows cannot be told apart.
            return violations.push(Violation::new(Rule::WireType, field_at, format!("is {wire_type:?}, not {wanted:?}")));
        }
        if let Err(error) = walk_value(&mut bytes, &field.kind(), wire_type, number, &field_at, violations) {
            return violations.push(Violation::new(Rule::Malformed, field_at, error.to_string()));
        }
    }
}

fn walk_value(
    bytes: &mut &[u8],
    kind: &Kind,
    wire_type: WireType,
    number: u32,
    at: &str,
    violations: &mut Vec<Violation>,
) -> Result<(), DecodeError> {
    let value = match wire_type {
        WireType::LengthDelimited => {
            let before = *bytes;
            let length = decode_varint(bytes)?;
            match usize::try_from(length).ok().filter(|length| *length <= bytes.len()) {
                Some(length) => {
                    let (value, rest) = bytes.split_at(length);
                    *bytes = rest;
                    value
                }
                // Says the right error.
                None => {
                    return skip_field(wire_type, number, &mut &*before, DecodeContext::default());
                }
            }
        }
        _ => return skip_field(wire_type, number, bytes, DecodeContext::default()),
    };
    match kind {
        Kind::Message(message) => walk(value, message, at, violations),
        Kind::String if std::str::from_utf8(value).is_err() => {
            violations.push(Violation::new(Rule::Utf8, at, format!("{:?} is not UTF-8", String::from_utf8_lossy(value))));
        }
        _ => {}
    }
    Ok(())
}

fn wire_type_of(kind: &Kind) -> WireType {
    match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => WireType::SixtyFourBit,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => WireType::ThirtyTwoBit,
        Kind::String | Kind::Bytes | Kind::Message(_) => WireType::LengthDelimited,
        Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Sint32 | Kind::Sint64 | Kind::Bool | Kind::Enum(_) => {
            WireType::Varint
        }
    }
}
