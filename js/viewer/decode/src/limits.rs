//! How much one request may hold, whatever its bytes unpack to: a message of two bytes can take a hundred in memory.

use std::fmt;

/// Spans in one request. A Collector's batch processor sends 8,192 at a time by default.
pub const MAX_SPANS: u32 = 50_000;

/// Texts, numbers, lists and messages in one request, spans included. An attribute is about four of them, so this is some 250,000 attributes.
pub const MAX_VALUES: u32 = 1_000_000;

/// Bytes of a name: of a span, an event, a scope, a service, an attribute's key.
pub const MAX_NAME_BYTES: usize = 1024;

/// Bytes of any other text, as UTF-8.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;

/// Attributes, events or links of one span, attributes of one resource, event or link, items of one list.
pub const MAX_ITEMS: usize = 1000;

/// What stands at the end of a text that was cut, and is the key of an entry that says how many others are left out.
pub const LEFT_OUT: &str = "…";

/// Messages within messages. Decoders of protobuf stop there too.
/// <https://docs.rs/prost/latest/prost/#feature-flags> (`no-recursion-limit`)
const MAX_DEPTH: u32 = 100;

/// One of the limits of a whole request is exceeded.
#[derive(Debug, PartialEq)]
pub enum Excess {
    Spans,
    Values,
}

impl fmt::Display for Excess {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Excess::Spans => write!(formatter, "the body holds more than {MAX_SPANS} spans"),
            Excess::Values => write!(formatter, "the body holds more than {MAX_VALUES} values"),
        }
    }
}

/// What was found in a request so far.
#[derive(Default)]
pub struct Count {
    spans: u32,
    values: u32,
}

impl Count {
    pub fn add_span(&mut self) -> Result<(), Excess> {
        self.spans += 1;
        if self.spans > MAX_SPANS { Err(Excess::Spans) } else { Ok(()) }
    }

    pub fn values(&self) -> u32 {
        self.values
    }

    pub fn add_value(&mut self) -> Result<(), Excess> {
        self.values += 1;
        if self.values > MAX_VALUES { Err(Excess::Values) } else { Ok(()) }
    }
}

/// Counts what is in an `ExportTraceServiceRequest` without building it. What is no protobuf the decoder refuses, at the place where the
/// count stops.
pub fn check_protobuf(body: &[u8]) -> Result<(), Excess> {
    match count(body, Message::Request, MAX_DEPTH, &mut Count::default()) {
        Err(Stop::Excess(excess)) => Err(excess),
        Ok(()) | Err(Stop::Malformed) => Ok(()),
    }
}

enum Stop {
    Excess(Excess),
    Malformed,
}

impl From<Excess> for Stop {
    fn from(excess: Excess) -> Stop {
        Stop::Excess(excess)
    }
}

fn count(mut bytes: &[u8], message: Message, depth: u32, found: &mut Count) -> Result<(), Stop> {
    let depth = depth.checked_sub(1).ok_or(Stop::Malformed)?;
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        match tag & 7 {
            0 => drop(varint(&mut bytes)?),
            1 => drop(take(&mut bytes, 8)?),
            2 => {
                let length = varint(&mut bytes)?;
                let part = take(&mut bytes, length)?;
                found.add_value()?;
                if let Some(inner) = message.field(tag >> 3) {
                    if let Message::Span = inner {
                        found.add_span()?;
                    }
                    count(part, inner, depth, found)?;
                }
            }
            5 => drop(take(&mut bytes, 4)?),
            // Groups. The decoder reads over them, so what stands behind one would go uncounted.
            3 | 4 => skip_group(&mut bytes, tag, depth)?,
            _ => return Err(Stop::Malformed),
        }
    }
    Ok(())
}

fn skip_group(bytes: &mut &[u8], start: u64, depth: u32) -> Result<(), Stop> {
    let depth = depth.checked_sub(1).ok_or(Stop::Malformed)?;
    // An end without a start.
    if start & 7 == 4 {
        return Err(Stop::Malformed);
    }
    loop {
        let tag = varint(bytes)?;
        match tag & 7 {
            0 => drop(varint(bytes)?),
            1 => drop(take(bytes, 8)?),
            2 => {
                let length = varint(bytes)?;
                take(bytes, length)?;
            }
            5 => drop(take(bytes, 4)?),
            3 => skip_group(bytes, tag, depth)?,
            4 if tag >> 3 == start >> 3 => return Ok(()),
            _ => return Err(Stop::Malformed),
        }
    }
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Stop> {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(Stop::Malformed)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Stop::Malformed)
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8], Stop> {
    let length = usize::try_from(length).map_err(|_| Stop::Malformed)?;
    let (part, rest) = bytes.split_at_checked(length).ok_or(Stop::Malformed)?;
    *bytes = rest;
    Ok(part)
}

/// The messages of a request. <https://github.com/open-telemetry/opentelemetry-proto>
#[derive(Clone, Copy)]
enum Message {
    Request,
    ResourceSpans,
    Resource,
    EntityRef,
    ScopeSpans,
    Scope,
    Span,
    Event,
    Link,
    Status,
    KeyValue,
    AnyValue,
    ArrayValue,
    KeyValueList,
}

impl Message {
    /// The message in a field; none for texts, bytes and what is unknown.
    fn field(self, number: u64) -> Option<Message> {
        use Message::*;
        match (self, number) {
            (Request, 1) => Some(ResourceSpans),
            (ResourceSpans, 1) => Some(Resource),
            (ResourceSpans, 2) => Some(ScopeSpans),
            (Resource, 3) => Some(EntityRef),
            (ScopeSpans, 1) => Some(Scope),
            (ScopeSpans, 2) => Some(Span),
            (Span, 11) => Some(Event),
            (Span, 13) => Some(Link),
            (Span, 15) => Some(Status),
            (Resource, 1) | (Scope, 3) | (Span, 9) | (Event, 3) | (Link, 4) | (KeyValueList, 1) => Some(KeyValue),
            (KeyValue, 2) | (ArrayValue, 1) => Some(AnyValue),
            (AnyValue, 5) => Some(ArrayValue),
            (AnyValue, 6) => Some(KeyValueList),
            _ => None,
        }
    }
}

/// Cuts a text that is longer than `max_bytes`, and marks that.
pub fn cut(text: String, max_bytes: usize) -> String {
    if text.len() <= max_bytes { text } else { cut_str(&text, max_bytes) }
}

/// The same of a text that stays.
pub fn cut_str(text: &str, max_bytes: usize) -> String {
    if text.len() <= max_bytes {
        return text.into();
    }
    let end = (0..=max_bytes).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    [&text[..end], LEFT_OUT].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u32, content: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for mut value in [number << 3 | 2, u32::try_from(content.len()).unwrap()] {
            while value >= 0x80 {
                bytes.push(value as u8 | 0x80);
                value >>= 7;
            }
            bytes.push(value as u8);
        }
        bytes.extend_from_slice(content);
        bytes
    }

    fn nested(fields: &[u32], content: Vec<u8>) -> Vec<u8> {
        fields.iter().rev().fold(content, |content, &number| field(number, &content))
    }

    #[test]
    fn every_kind_of_message_is_counted_wherever_it_stands() {
        let many = |number: u32| [(number << 3 | 2) as u8, 0].repeat(MAX_VALUES as usize + 1);
        let table: [(&str, &[u32], u32); 17] = [
            ("resources", &[], 1),
            ("scopes", &[1], 2),
            ("resource attributes", &[1, 1], 1),
            ("entities", &[1, 1], 3),
            ("keys of an entity", &[1, 1, 3], 4),
            ("scope attributes", &[1, 2, 1], 3),
            ("span attributes", &[1, 2, 2], 9),
            ("events", &[1, 2, 2], 11),
            ("links", &[1, 2, 2], 13),
            ("event attributes", &[1, 2, 2, 11], 3),
            ("link attributes", &[1, 2, 2, 13], 4),
            ("items of a list", &[1, 2, 2, 9, 2, 5], 1),
            ("entries of a map", &[1, 2, 2, 9, 2, 6], 1),
            ("items of a list in a map in a list", &[1, 2, 2, 9, 2, 5, 1, 6, 1, 2, 5], 1),
            ("statuses", &[1, 2, 2], 15),
            ("names, of which the last counts", &[1, 2, 2], 5),
            ("unknown fields", &[1, 2, 2, 15], 7),
        ];
        for (what, place, number) in table {
            assert_eq!(check_protobuf(&nested(place, many(number))), Err(Excess::Values), "{what}");
        }
    }

    #[test]
    fn spans_have_a_limit_of_their_own_over_all_scopes() {
        let spans = |spans: u32| nested(&[1, 2], field(2, b"").repeat(spans as usize));
        assert_eq!(check_protobuf(&spans(MAX_SPANS)), Ok(()));
        assert_eq!(check_protobuf(&[spans(MAX_SPANS), spans(1)].concat()), Err(Excess::Spans));
    }

    #[test]
    fn a_group_hides_nothing() {
        // Start and end of an empty group in field 100, and a group within a group.
        let groups = b"\xa3\x06\xa4\x06\xa3\x06\xab\x06\xac\x06\xa4\x06";
        let body = [groups.as_slice(), &[0x0a, 0].repeat(MAX_VALUES as usize + 1)].concat();
        assert_eq!(check_protobuf(&body), Err(Excess::Values));
    }

    #[test]
    fn bytes_that_are_no_message_are_left_to_the_decoder() {
        for body in [b"\x0a\x05\xff".as_slice(), b"\xff", b"\x07", b"\xa4\x06", b"\xa3\x06", &[0xff; 20]] {
            assert_eq!(check_protobuf(body), Ok(()), "{body:?}");
        }
        assert_eq!(check_protobuf(&nested(&[1, 2, 2, 9, 2].repeat(30), Vec::new())), Ok(()));
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("éé".into(), 4), "éé");
        assert_eq!(cut("ééé".into(), 5), "éé…");
        assert_eq!(cut_str("é", 1), "…");
    }
}
