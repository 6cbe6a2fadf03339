//! OTLP/JSON -> the messages that protobuf decodes to. <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>
//!
//! More forgiving than the specification where senders are known to differ: enums also by name, integers as numbers
//! or as text. Unknown keys are skipped. An error says where in the document it is.

use std::cell::RefCell;
use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use crate::limits::{Count, Excess, MAX_VALUES};
use crate::tree::{self, Tree};

pub fn decode(body: &[u8]) -> Result<ExportTraceServiceRequest, Error> {
    let mut count = Count::default();
    let document = match tree::read(body, &mut count) {
        Ok(document) => document,
        Err(_) if count.values() > MAX_VALUES => return Err(Excess::Values.into()),
        Err(error) => return Err(Error::Malformed(format!("not JSON: {error}"))),
    };
    let count = RefCell::new(count);
    let root = Node { value: Some(&document), place: Place::Root };
    root.must_be_object()?;
    let resource_spans = root.field("resourceSpans").each(|node| resource_spans(node, &count))?;
    Ok(ExportTraceServiceRequest { resource_spans })
}

#[derive(Debug, PartialEq)]
pub enum Error {
    /// It says where.
    Malformed(String),
    TooLarge(Excess),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Malformed(message) => formatter.write_str(message),
            Error::TooLarge(excess) => excess.fmt(formatter),
        }
    }
}

impl std::error::Error for Error {}

impl From<Excess> for Error {
    fn from(excess: Excess) -> Error {
        Error::TooLarge(excess)
    }
}

fn resource_spans(node: &Node, count: &RefCell<Count>) -> Result<ResourceSpans, Error> {
    Ok(ResourceSpans {
        resource: Some(Resource { attributes: node.field("resource").field("attributes").each(key_value)?, ..Default::default() }),
        scope_spans: node.field("scopeSpans").each(|node| scope_spans(node, count))?,
        schema_url: node.field("schemaUrl").text()?,
    })
}

fn scope_spans(node: &Node, count: &RefCell<Count>) -> Result<ScopeSpans, Error> {
    let scope = node.field("scope");
    Ok(ScopeSpans {
        scope: Some(InstrumentationScope {
            name: scope.field("name").text()?,
            version: scope.field("version").text()?,
            ..Default::default()
        }),
        spans: node.field("spans").each(|node| {
            count.borrow_mut().add_span()?;
            span(node)
        })?,
        schema_url: node.field("schemaUrl").text()?,
    })
}

fn span(node: &Node) -> Result<Span, Error> {
    Ok(Span {
        trace_id: node.field("traceId").hex()?,
        span_id: node.field("spanId").hex()?,
        parent_span_id: node.field("parentSpanId").hex()?,
        trace_state: node.field("traceState").text()?,
        flags: node.field("flags").integer()?,
        name: node.field("name").text()?,
        kind: node.field("kind").enumeration(|name| SpanKind::from_str_name(name).map(i32::from))?,
        start_time_unix_nano: node.field("startTimeUnixNano").integer()?,
        end_time_unix_nano: node.field("endTimeUnixNano").integer()?,
        attributes: node.field("attributes").each(key_value)?,
        dropped_attributes_count: node.field("droppedAttributesCount").integer()?,
        events: node.field("events").each(event)?,
        dropped_events_count: node.field("droppedEventsCount").integer()?,
        links: node.field("links").each(link)?,
        dropped_links_count: node.field("droppedLinksCount").integer()?,
        status: Some(status(&node.field("status"))?),
    })
}

fn event(node: &Node) -> Result<Event, Error> {
    Ok(Event {
        time_unix_nano: node.field("timeUnixNano").integer()?,
        name: node.field("name").text()?,
        attributes: node.field("attributes").each(key_value)?,
        dropped_attributes_count: node.field("droppedAttributesCount").integer()?,
    })
}

fn link(node: &Node) -> Result<Link, Error> {
    Ok(Link {
        trace_id: node.field("traceId").hex()?,
        span_id: node.field("spanId").hex()?,
        trace_state: node.field("traceState").text()?,
        attributes: node.field("attributes").each(key_value)?,
        dropped_attributes_count: node.field("droppedAttributesCount").integer()?,
        flags: node.field("flags").integer()?,
    })
}

fn status(node: &Node) -> Result<Status, Error> {
    Ok(Status {
        message: node.field("message").text()?,
        code: node.field("code").enumeration(|name| StatusCode::from_str_name(name).map(i32::from))?,
    })
}

fn key_value(node: &Node) -> Result<KeyValue, Error> {
    Ok(KeyValue { key: node.field("key").text()?, value: Some(any_value(&node.field("value"))?), ..Default::default() })
}

fn any_value(node: &Node) -> Result<AnyValue, Error> {
    use any_value::Value as Any;
    node.must_be_object()?;
    let string = node.field("stringValue");
    let boolean = node.field("boolValue");
    let integer = node.field("intValue");
    let double = node.field("doubleValue");
    let array = node.field("arrayValue");
    let list = node.field("kvlistValue");
    let bytes = node.field("bytesValue");
    let value = if string.is_there() {
        Some(Any::StringValue(string.text()?))
    } else if boolean.is_there() {
        Some(Any::BoolValue(boolean.boolean()?))
    } else if integer.is_there() {
        Some(Any::IntValue(integer.integer()?))
    } else if double.is_there() {
        Some(Any::DoubleValue(double.double()?))
    } else if array.is_there() {
        Some(Any::ArrayValue(ArrayValue { values: array.field("values").each(any_value)? }))
    } else if list.is_there() {
        Some(Any::KvlistValue(KeyValueList { values: list.field("values").each(key_value)? }))
    } else if bytes.is_there() {
        Some(Any::BytesValue(bytes.base64()?))
    } else {
        None
    };
    Ok(AnyValue { value })
}

/// A value of the document that knows where it stands. Absent and `null` both mean the default, as in protobuf's JSON.
struct Node<'a> {
    value: Option<&'a Tree<'a>>,
    place: Place<'a>,
}

#[derive(Clone, Copy)]
enum Place<'a> {
    Root,
    Field(&'a Place<'a>, &'static str),
    Item(&'a Place<'a>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Place::Root => formatter.write_str("the document"),
            Place::Field(Place::Root, name) => formatter.write_str(name),
            Place::Field(parent, name) => write!(formatter, "{parent}.{name}"),
            Place::Item(parent, index) => write!(formatter, "{parent}[{index}]"),
        }
    }
}

impl<'a> Node<'a> {
    fn field(&'a self, name: &'static str) -> Node<'a> {
        Node { value: self.value.and_then(|value| value.get(name)), place: Place::Field(&self.place, name) }
    }

    fn present(&self) -> Option<&'a Tree<'a>> {
        self.value.filter(|value| !value.is_null())
    }

    fn is_there(&self) -> bool {
        self.present().is_some()
    }

    fn wanted<T>(&self, what: &str) -> Result<T, Error> {
        let mut given = String::new();
        if let Some(value) = self.value {
            value.write_start(GIVEN_CHARS, &mut given);
        }
        if let Some((cut, _)) = given.char_indices().nth(GIVEN_CHARS) {
            given.truncate(cut);
            given.push('…');
        }
        Err(Error::Malformed(format!("{}: wanted {what}, got {given}", self.place)))
    }

    fn must_be_object(&self) -> Result<(), Error> {
        match self.present() {
            None | Some(Tree::Object(_)) => Ok(()),
            Some(_) => self.wanted("an object"),
        }
    }

    fn each<T>(&self, read: impl Fn(&Node) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        let items = match self.present() {
            None => return Ok(Vec::new()),
            Some(Tree::List(items)) => items,
            Some(_) => return self.wanted("an array"),
        };
        items
            .iter()
            .enumerate()
            .map(|(index, value)| {
                let item = Node { value: Some(value), place: Place::Item(&self.place, index) };
                item.must_be_object()?;
                read(&item)
            })
            .collect()
    }

    fn text(&self) -> Result<String, Error> {
        match self.present() {
            None => Ok(String::new()),
            Some(Tree::Text(text)) => Ok(text.as_ref().into()),
            Some(_) => self.wanted("a string"),
        }
    }

    fn boolean(&self) -> Result<bool, Error> {
        match self.present() {
            None => Ok(false),
            Some(Tree::Bool(yes)) => Ok(*yes),
            Some(_) => self.wanted("true or false"),
        }
    }

    fn integer<T: Integer>(&self) -> Result<T, Error> {
        let number = match self.present() {
            None => return Ok(T::default()),
            Some(Tree::Number(number)) => T::try_from(number.as_i128().unwrap_or(i128::MAX)).ok(),
            Some(Tree::Text(text)) => text.parse().ok(),
            Some(_) => None,
        };
        number.map_or_else(|| self.wanted(T::WANTED), Ok)
    }

    fn double(&self) -> Result<f64, Error> {
        let number = match self.present() {
            None => return Ok(0.0),
            Some(Tree::Number(number)) => number.as_f64(),
            // Rust reads "NaN", "Infinity" and "-Infinity" as protobuf's JSON writes them.
            Some(Tree::Text(text)) => text.parse().ok(),
            Some(_) => None,
        };
        number.map_or_else(|| self.wanted("a number"), Ok)
    }

    /// Enums are open: a number that has no name yet is kept.
    fn enumeration(&self, by_name: impl Fn(&str) -> Option<i32>) -> Result<i32, Error> {
        match self.present() {
            Some(Tree::Text(name)) => by_name(name).map_or_else(|| self.wanted("an enum's number or name"), Ok),
            _ => self.integer(),
        }
    }

    fn hex(&self) -> Result<Vec<u8>, Error> {
        let text = self.text()?;
        let bytes: Option<Vec<u8>> = text
            .as_bytes()
            .chunks(2)
            .map(|pair| match pair {
                [high, low] => Some(hex_digit(*high)? << 4 | hex_digit(*low)?),
                _ => None,
            })
            .collect();
        bytes.map_or_else(|| self.wanted("hex digits"), Ok)
    }

    fn base64(&self) -> Result<Vec<u8>, Error> {
        BASE64_STANDARD.decode(self.text()?).or_else(|_| self.wanted("base64"))
    }
}

/// As much of a wrong value as an error message repeats.
const GIVEN_CHARS: usize = 60;

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

trait Integer: Default + std::str::FromStr + TryFrom<i128> {
    const WANTED: &'static str;
}

impl Integer for u32 {
    const WANTED: &'static str = "an integer from 0 to 2^32-1";
}

impl Integer for i32 {
    const WANTED: &'static str = "an integer of 32 bits";
}

impl Integer for u64 {
    const WANTED: &'static str = "an integer from 0 to 2^64-1";
}

impl Integer for i64 {
    const WANTED: &'static str = "an integer of 64 bits";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_SPANS;

    fn one_span(span: &str) -> Result<Span, String> {
        let body = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{span}]}}]}}]}}"#);
        let request = decode(body.as_bytes()).map_err(|error| error.to_string())?;
        Ok(request.resource_spans[0].scope_spans[0].spans[0].clone())
    }

    fn one_value(value: &str) -> Result<Option<any_value::Value>, String> {
        let span = one_span(&format!(r#"{{"attributes":[{{"key":"k","value":{value}}}]}}"#))?;
        Ok(span.attributes[0].value.clone().unwrap().value)
    }

    #[test]
    fn enums_are_taken_by_number_and_by_name() {
        for kind in ["3", r#""SPAN_KIND_CLIENT""#] {
            assert_eq!(one_span(&format!(r#"{{"kind":{kind}}}"#)).unwrap().kind, 3, "{kind}");
        }
        for code in ["2", r#""STATUS_CODE_ERROR""#] {
            let span = one_span(&format!(r#"{{"status":{{"code":{code}}}}}"#)).unwrap();
            assert_eq!(span.status.unwrap().code, 2, "{code}");
        }
    }

    #[test]
    fn integers_are_taken_as_text_and_as_numbers() {
        for time in ["1700000000123456789", r#""1700000000123456789""#] {
            let span = one_span(&format!(r#"{{"startTimeUnixNano":{time}}}"#)).unwrap();
            assert_eq!(span.start_time_unix_nano, 1_700_000_000_123_456_789, "{time}");
        }
        for number in ["-9223372036854775808", r#""-9223372036854775808""#] {
            let value = one_value(&format!(r#"{{"intValue":{number}}}"#)).unwrap();
            assert_eq!(value, Some(any_value::Value::IntValue(i64::MIN)), "{number}");
        }
    }

    #[test]
    fn every_kind_of_value_is_read() {
        use any_value::Value as Any;
        let text = |text: &str| Some(Any::StringValue(text.into()));
        let table = [
            (r#"{"stringValue":""}"#, text("")),
            (r#"{"boolValue":false}"#, Some(Any::BoolValue(false))),
            (r#"{"doubleValue":0.5}"#, Some(Any::DoubleValue(0.5))),
            (r#"{"doubleValue":"-Infinity"}"#, Some(Any::DoubleValue(f64::NEG_INFINITY))),
            (r#"{"bytesValue":"AAEC"}"#, Some(Any::BytesValue(vec![0, 1, 2]))),
            (r#"{"arrayValue":{}}"#, Some(Any::ArrayValue(ArrayValue::default()))),
            (
                r#"{"arrayValue":{"values":[{"stringValue":"a"},{}]}}"#,
                Some(Any::ArrayValue(ArrayValue { values: vec![AnyValue { value: text("a") }, AnyValue::default()] })),
            ),
            (
                r#"{"kvlistValue":{"values":[{"key":"x","value":{"stringValue":"a"}}]}}"#,
                Some(Any::KvlistValue(KeyValueList {
                    values: vec![KeyValue { key: "x".into(), value: Some(AnyValue { value: text("a") }), ..Default::default() }],
                })),
            ),
            (r#"{"newKindOfValue":{"x":1}}"#, None),
            ("{}", None),
            ("null", None),
        ];
        for (json, wanted) in table {
            assert_eq!(one_value(json), Ok(wanted), "{json}");
        }
    }

    #[test]
    fn unknown_keys_and_nulls_are_skipped() {
        let span = one_span(r#"{"name":"a","newField":{"x":[1]},"traceState":null,"events":null}"#).unwrap();
        assert_eq!((span.name.as_str(), span.trace_state.as_str(), span.events.len()), ("a", "", 0));
        assert_eq!(decode(b"{}"), Ok(ExportTraceServiceRequest::default()));
    }

    #[test]
    fn errors_say_where_and_what_was_wanted() {
        let spans = "resourceSpans[0].scopeSpans[0].spans[0]";
        let table = [
            (r#"{"name":7}"#, "name: wanted a string, got 7"),
            (r#"{"traceId":"xyz"}"#, r#"traceId: wanted hex digits, got "xyz""#),
            (r#"{"spanId":"0é"}"#, r#"spanId: wanted hex digits, got "0é""#),
            (r#"{"kind":"CLIENT"}"#, r#"kind: wanted an enum's number or name, got "CLIENT""#),
            (r#"{"flags":-1}"#, "flags: wanted an integer from 0 to 2^32-1, got -1"),
            (r#"{"flags":1.5}"#, "flags: wanted an integer from 0 to 2^32-1, got 1.5"),
            (r#"{"endTimeUnixNano":"now"}"#, r#"endTimeUnixNano: wanted an integer from 0 to 2^64-1, got "now""#),
            (r#"{"events":{}}"#, "events: wanted an array, got {}"),
            (r#"{"links":[3]}"#, "links[0]: wanted an object, got 3"),
            (r#"{"attributes":[{"key":"a","value":"plain"}]}"#, r#"attributes[0].value: wanted an object, got "plain""#),
            (r#"{"attributes":[{"key":"a","value":{"bytesValue":"*"}}]}"#, r#"attributes[0].value.bytesValue: wanted base64, got "*""#),
        ];
        for (json, wanted) in table {
            assert_eq!(one_span(json), Err(format!("{spans}.{wanted}")), "{json}");
        }
        assert_eq!(decode(b"[]").unwrap_err().to_string(), "the document: wanted an object, got []");
        assert!(decode(b"{").unwrap_err().to_string().starts_with("not JSON: "));
        assert!(decode(b"\xff").unwrap_err().to_string().starts_with("not JSON: "));
    }

    #[test]
    fn a_long_wrong_value_is_cut_in_the_message() {
        let error = one_span(&format!(r#"{{"name":["{}"]}}"#, "é".repeat(1000))).unwrap_err();
        assert!(error.ends_with("é…") && error.chars().count() < 150, "{error}");
    }

    #[test]
    fn a_document_with_too_much_in_it_is_refused_before_it_is_built() {
        let within = |place: &str, what: &str, times: u32| {
            let many = vec![what; times as usize].join(",");
            decode(place.replace('*', &many).as_bytes()).map(drop)
        };
        let too_many = MAX_VALUES + 1;
        for what in ["0", "[]", "{}", r#""""#, "null"] {
            assert_eq!(within(r#"{"unknown":[*]}"#, what, too_many), Err(Error::TooLarge(Excess::Values)), "{what}");
        }
        for place in ["[*", "[[[*]]]", r#"{"resourceSpans":[*]}"#] {
            assert_eq!(within(place, "[]", too_many), Err(Error::TooLarge(Excess::Values)), "{place}");
        }
        let spans = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[*]},{"spans":[{}]}]}]}"#;
        assert_eq!(within(spans, "{}", MAX_SPANS), Err(Error::TooLarge(Excess::Spans)));
        assert_eq!(within(spans, "{}", MAX_SPANS - 1), Ok(()));
    }

    #[test]
    fn of_two_members_with_one_name_the_last_counts() {
        assert_eq!(one_span(r#"{"name":"a","name":"b"}"#).unwrap().name, "b");
        assert_eq!(one_span(r#"{"name":"a\u0041","n\u0061me":"b\n"}"#).unwrap().name, "b\n");
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_stack_overflow() {
        let depth = 100_000;
        let value = format!(r#"{}{{}}{}"#, r#"{"arrayValue":{"values":["#.repeat(depth), "]}}".repeat(depth));
        assert!(one_value(&value).unwrap_err().contains("recursion limit"));
    }
}
