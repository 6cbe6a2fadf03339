//! Attributes of a span, an event, a link or the resource: `KeyValue` messages, finished as they are set.

use alloc::vec::Vec;

use crate::otlp::trace::{any_value, array_value, key_value};
use crate::otlp::wire::{Field, varint_size};

/// The value of an attribute. Text is UTF-8.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    Text(&'a [u8]),
    Bool(bool),
    Int(i64),
    Double(f64),
    /// The content of an `ArrayValue`, made by [`push_value`].
    Array(&'a [u8]),
}

impl Value<'_> {
    /// A JavaScript number: whole ones within the range of int64 are integers, all others doubles.
    pub fn number(value: f64) -> Value<'static> {
        // 2^63 itself is the first that does not fit; -2^63 does.
        let whole = value as i64;
        if whole as f64 == value && value < 9_223_372_036_854_775_808.0 { Value::Int(whole) } else { Value::Double(value) }
    }

    /// Bytes of the `AnyValue` message.
    #[inline(always)] // A call would take as long as to count.
    fn size(self) -> usize {
        match self {
            Value::Text(text) => any_value::STRING.len_size(text.len()),
            Value::Bool(_) => 2,
            Value::Int(value) => 1 + varint_size(value as u64),
            Value::Double(_) => 9,
            Value::Array(content) => any_value::ARRAY.len_size(content.len()),
        }
    }

    fn put(self, out: &mut Vec<u8>) {
        match self {
            Value::Text(text) => any_value::STRING.put_bytes(out, text),
            Value::Bool(value) => any_value::BOOL.put_varint(out, value as u64),
            Value::Int(value) => any_value::INT.put_varint(out, value as u64),
            Value::Double(value) => any_value::DOUBLE.put_fixed64(out, value.to_bits()),
            Value::Array(content) => any_value::ARRAY.put_bytes(out, content),
        }
    }
}

/// Appends an element to the content of an `ArrayValue`. `None` is a hole: an `AnyValue` without a value.
pub fn push_value(array: &mut Vec<u8>, element: Option<Value>) {
    array_value::VALUES.put_len(array, element.map_or(0, Value::size));
    if let Some(value) = element {
        value.put(array);
    }
}

/// Where in the bytes an attribute and its key stand.
#[derive(Clone, Copy)]
struct Place {
    start: u32,
    key_start: u32,
    key_len: u32,
}

/// A list of attributes. The last value set for a key wins; beyond the limit new keys are dropped and counted.
pub struct Attributes {
    /// Their field in the message around them.
    field: Field,
    bytes: Vec<u8>,
    places: Vec<Place>,
    /// New keys that came when the limit was reached.
    pub dropped: u32,
}

impl Attributes {
    pub const fn new(field: Field) -> Attributes {
        Attributes { field, bytes: Vec::new(), places: Vec::new(), dropped: 0 }
    }

    /// Empty again, for another message, with the room it had.
    pub fn reset(&mut self, field: Field) {
        self.field = field;
        self.bytes.clear();
        self.places.clear();
        self.dropped = 0;
    }

    /// Each attribute as a finished field of the message around them.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn capacity_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    pub fn set(&mut self, key: &[u8], value: Value, count_limit: u32) {
        // A key is part of the convention's grammar: without one there is nothing to ask for.
        if key.is_empty() {
            return;
        }
        if let Some(index) = self.find(key) {
            self.remove(index);
        } else if self.places.len() as u32 >= count_limit {
            self.dropped += 1;
            return;
        }
        let value_size = value.size();
        let start = self.bytes.len() as u32;
        self.field.put_len(&mut self.bytes, key_value::KEY.len_size(key.len()) + key_value::VALUE.len_size(value_size));
        key_value::KEY.put_bytes(&mut self.bytes, key);
        self.places.push(Place { start, key_start: self.bytes.len() as u32 - key.len() as u32, key_len: key.len() as u32 });
        key_value::VALUE.put_len(&mut self.bytes, value_size);
        value.put(&mut self.bytes);
    }

    pub fn unset(&mut self, key: &[u8]) {
        if let Some(index) = self.find(key) {
            self.remove(index);
        }
    }

    /// All of another list, which has the same field.
    pub fn copy_from(&mut self, other: &Attributes) {
        self.bytes.extend_from_slice(&other.bytes);
        self.places.extend_from_slice(&other.places);
    }

    fn find(&self, key: &[u8]) -> Option<usize> {
        self.places.iter().position(|place| {
            place.key_len as usize == key.len() && self.bytes.get(place.key_start as usize..).is_some_and(|rest| rest.starts_with(key))
        })
    }

    fn remove(&mut self, index: usize) {
        // This and the least below say what the compiler does not know: so there is nothing here that could panic, nor a text for it.
        if index >= self.places.len() {
            return;
        }
        let start = self.places.remove(index).start;
        let end = self.places.get(index).map_or(self.bytes.len() as u32, |next| next.start).min(self.bytes.len() as u32);
        self.bytes.drain(start.min(end) as usize..end as usize);
        for later in self.places.iter_mut().skip(index) {
            later.start -= end - start;
            later.key_start -= end - start;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::trace::span;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value::Value as Decoded};
    use opentelemetry_proto::tonic::trace::v1::Span;
    use prost::Message;
    use std::string::String;

    fn decoded(attributes: &Attributes) -> Vec<(String, Option<Decoded>)> {
        Span::decode(attributes.bytes())
            .unwrap()
            .attributes
            .into_iter()
            .map(|pair| (pair.key, pair.value.and_then(|value| value.value)))
            .collect()
    }

    fn text(value: &str) -> Option<Decoded> {
        Some(Decoded::StringValue(value.into()))
    }

    #[test]
    fn every_type_of_value_is_what_another_decoder_reads() {
        let mut attributes = Attributes::new(span::ATTRIBUTES);
        let mut array = Vec::new();
        push_value(&mut array, Some(Value::Text(b"a")));
        push_value(&mut array, None);
        push_value(&mut array, Some(Value::Double(0.5)));
        let cases: [(&str, Value, Decoded); 7] = [
            ("text", Value::Text("grün".as_bytes()), Decoded::StringValue("grün".into())),
            ("empty", Value::Text(b""), Decoded::StringValue("".into())),
            ("yes", Value::Bool(true), Decoded::BoolValue(true)),
            ("no", Value::Bool(false), Decoded::BoolValue(false)),
            ("below zero", Value::Int(-7), Decoded::IntValue(-7)),
            ("half", Value::Double(-0.5), Decoded::DoubleValue(-0.5)),
            (
                "list",
                Value::Array(&array),
                Decoded::ArrayValue(opentelemetry_proto::tonic::common::v1::ArrayValue {
                    values: [text("a"), None, Some(Decoded::DoubleValue(0.5))].map(|value| AnyValue { value }).to_vec(),
                }),
            ),
        ];
        for (key, value, _) in &cases {
            attributes.set(key.as_bytes(), *value, 128);
        }
        let expected: Vec<_> = cases.into_iter().map(|(key, _, value)| (String::from(key), Some(value))).collect();
        assert_eq!(decoded(&attributes), expected);
    }

    #[test]
    fn numbers_are_integers_when_whole_and_in_range() {
        let cases = [
            (0.0, "int"),
            (-1.0, "int"),
            (9_007_199_254_740_993.0, "int"),
            (-9_223_372_036_854_775_808.0, "int"),
            (9_223_372_036_854_775_808.0, "double"),
            (1e300, "double"),
            (0.1, "double"),
            (f64::NAN, "double"),
            (f64::NEG_INFINITY, "double"),
        ];
        for (number, wanted) in cases {
            let kind = if let Value::Int(_) = Value::number(number) { "int" } else { "double" };
            assert_eq!(kind, wanted, "{number}");
        }
    }

    #[test]
    fn the_last_value_of_a_key_wins_wherever_it_stood() {
        for repeated in ["first", "middle", "last"] {
            let mut attributes = Attributes::new(span::ATTRIBUTES);
            for key in ["first", "middle", "last"] {
                attributes.set(key.as_bytes(), Value::Text(b"old"), 3);
            }
            attributes.set(repeated.as_bytes(), Value::Text(b"a longer, newer one"), 3);
            attributes.set(repeated.as_bytes(), Value::Text(b"new"), 3);
            let mut found = decoded(&attributes);
            found.sort_by(|a, b| a.0.cmp(&b.0));
            let expected: Vec<_> =
                ["first", "last", "middle"].map(|key| (String::from(key), text(if key == repeated { "new" } else { "old" }))).to_vec();
            assert_eq!(found, expected);
            assert_eq!(attributes.dropped, 0, "a repeated key is not a new one");
        }
    }

    #[test]
    fn keys_beyond_the_limit_are_dropped_and_counted_and_nameless_ones_ignored() {
        let mut attributes = Attributes::new(span::ATTRIBUTES);
        attributes.set(b"", Value::Bool(true), 2);
        for key in ["a", "b", "c", "d"] {
            attributes.set(key.as_bytes(), Value::Bool(true), 2);
        }
        assert_eq!(decoded(&attributes).len(), 2);
        assert_eq!(attributes.dropped, 2);
    }
}
