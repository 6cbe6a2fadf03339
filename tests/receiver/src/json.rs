//! The form of an OTLP/JSON body.
//!
//! OTLP/JSON is the JSON mapping of protobuf with exceptions: ids are hex, enums are numbers only, names are
//! lowerCamelCase only. The text is judged against the descriptors before any decoder that would forgive sees it.
//! <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>

use std::collections::HashSet;
use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

use crate::{Rule, Verdict, Violation, member, request_descriptor};

pub fn judge(body: &[u8]) -> Verdict {
    let json = match serde_json::from_slice::<Json>(body) {
        Ok(json) => json,
        Err(error) => {
            return Verdict::refused(Violation::new(Rule::Malformed, "", error.to_string()));
        }
    };
    let mut violations = Vec::new();
    let canonical = judge_message(json, &request_descriptor(), "", &mut violations);
    let request = DynamicMessage::deserialize(request_descriptor(), canonical)
        .map_err(|error| error.to_string())
        .and_then(|message| message.transcode_to().map_err(|error| error.to_string()));
    match request {
        Ok(request) => Verdict { request: Some(request), violations },
        Err(error) => {
            if violations.is_empty() {
                violations.push(Violation::new(Rule::Malformed, "", error));
            }
            Verdict { request: None, violations }
        }
    }
}

/// JSON in which a key may stand twice; `serde_json::Value` keeps the last.
enum Json {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Returns the message in the mapping that a protobuf decoder reads: the ids in base64, the rest as it was.
fn judge_message(json: Json, message: &MessageDescriptor, at: &str, violations: &mut Vec<Violation>) -> Value {
    let Json::Object(members) = json else {
        violations.push(Violation::new(Rule::JsonType, at, format!("{json} is no object")));
        return Value::Object(Default::default());
    };
    let mut seen = HashSet::new();
    let mut canonical = serde_json::Map::new();
    for (key, value) in members {
        let Some(field) = message.get_field_by_json_name(&key) else {
            violations.push(Violation::new(Rule::UnknownField, at, format!("{} has no {key:?}", message.full_name())));
            continue;
        };
        let field_at = member(at, &key);
        // All members of a oneof count as the same field.
        let name = field.containing_oneof().map_or(field.full_name().to_owned(), |oneof| oneof.full_name().to_owned());
        if !seen.insert(name) {
            violations.push(Violation::new(Rule::FieldTwice, field_at, "stands twice"));
            continue;
        }
        let value = if field.is_list() {
            judge_list(value, &field, &field_at, violations)
        } else {
            judge_value(value, &field, &field_at, violations)
        };
        canonical.insert(key, value);
    }
    Value::Object(canonical)
}

fn judge_list(json: Json, field: &FieldDescriptor, at: &str, violations: &mut Vec<Violation>) -> Value {
    let Json::Array(items) = json else {
        violations.push(Violation::new(Rule::JsonType, at, format!("{json} is no array")));
        return Value::Array(Vec::new());
    };
    let judged = items.into_iter().enumerate();
    Value::Array(judged.map(|(index, item)| judge_value(item, field, &format!("{at}[{index}]"), violations)).collect())
}

fn judge_value(json: Json, field: &FieldDescriptor, at: &str, violations: &mut Vec<Violation>) -> Value {
    let kind = field.kind();
    if let Kind::Message(message) = &kind {
        return judge_message(json, message, at, violations);
    }
    let is_id = matches!(field.name(), "trace_id" | "span_id" | "parent_span_id");
    let (rule, wanted, canonical) = match &kind {
        Kind::Bytes if is_id => (Rule::JsonId, "lower-case hex", id_in_base64(&json)),
        Kind::Bytes => (Rule::JsonBytes, "base64", base64_text(&json)),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => (Rule::JsonInt64, "decimal text", decimal_text::<i64>(&json)),
        Kind::Uint64 | Kind::Fixed64 => (Rule::JsonInt64, "decimal text", decimal_text::<u64>(&json)),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 | Kind::Enum(_) => (Rule::JsonInt32, "a 32-bit number", number_of::<i32>(&json)),
        Kind::Uint32 | Kind::Fixed32 => (Rule::JsonInt32, "a 32-bit number", number_of::<u32>(&json)),
        Kind::Double | Kind::Float => (Rule::JsonDouble, "a number, or the text NaN, Infinity or -Infinity", double(&json)),
        Kind::Bool => (Rule::JsonType, "true or false", if let Json::Bool(value) = json { Some(value.into()) } else { None }),
        Kind::String => (Rule::JsonType, "text", if let Json::Text(text) = &json { Some(text.as_str().into()) } else { None }),
        Kind::Message(_) => unreachable!("returned above"),
    };
    canonical.unwrap_or_else(|| {
        violations.push(Violation::new(rule, at, format!("{json} is not {wanted}")));
        Value::Null // reads as the default
    })
}

fn id_in_base64(json: &Json) -> Option<Value> {
    let Json::Text(hex) = json else { return None };
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let bytes = hex.as_bytes().chunks(2).map(|pair| match *pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    });
    Some(BASE64_STANDARD.encode(bytes.collect::<Option<Vec<u8>>>()?).into())
}

fn base64_text(json: &Json) -> Option<Value> {
    let Json::Text(text) = json else { return None };
    BASE64_STANDARD.decode(text).is_ok().then(|| text.as_str().into())
}

fn decimal_text<T: std::str::FromStr + ToString>(json: &Json) -> Option<Value> {
    let Json::Text(text) = json else { return None };
    let value: T = text.parse().ok()?;
    // Not `+5` nor `007`.
    (value.to_string() == *text).then(|| text.as_str().into())
}

fn number_of<T: TryFrom<i64>>(json: &Json) -> Option<Value> {
    let Json::Number(number) = json else {
        return None;
    };
    T::try_from(number.as_i64()?).is_ok().then(|| number.clone().into())
}

fn double(json: &Json) -> Option<Value> {
    match json {
        Json::Number(number) => Some(number.clone().into()),
        Json::Text(text) if matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity") => Some(text.as_str().into()),
        _ => None,
    }
}

/// For messages, not a serialiser: says what was found.
impl fmt::Display for Json {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => out.write_str("null"),
            Json::Bool(value) => write!(out, "{value}"),
            Json::Number(number) => write!(out, "{number}"),
            Json::Text(text) => write!(out, "{text:?}"),
            Json::Array(_) => out.write_str("an array"),
            Json::Object(_) => out.write_str("an object"),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct JsonVisitor;

        impl<'de> Visitor<'de> for JsonVisitor {
            type Value = Json;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("JSON")
            }
            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
                Ok(Json::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
                Ok(Json::Number(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
                Ok(Json::Number(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
                Ok(Json::Number(Number::from_f64(value).expect("JSON has no numbers that are not finite")))
            }
            fn visit_str<E>(self, text: &str) -> Result<Json, E> {
                Ok(Json::Text(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Json, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = sequence.next_element()? {
                    items.push(item);
                }
                Ok(Json::Array(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
                let mut members = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    members.push(entry);
                }
                Ok(Json::Object(members))
            }
        }

        deserializer.deserialize_any(JsonVisitor)
    }
}
