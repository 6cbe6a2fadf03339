//! The `traceparent` header of W3C Trace Context, level 2.
//! <https://www.w3.org/TR/trace-context-2/#traceparent-header>
//!
//! Version 00 reads `00-<32 hex trace id>-<16 hex span id>-<2 hex flags>`.

use super::{RANDOM, SAMPLED, SpanContext, push_hex, read_hex, trim};
use crate::split::take_part;
use alloc::vec::Vec;

/// Characters of a version 00 header; a header of a later version is this long or longer.
pub const LENGTH: usize = 55;

/// The flags that this level of the specification knows. All others are read as zero and sent as
/// zero. <https://www.w3.org/TR/trace-context-2/#other-flags>
const KNOWN_FLAGS: u8 = SAMPLED | RANDOM;

/// Appends the header's value, in version 00. The context has to be valid: an all-zero id would be
/// refused by whoever receives it.
pub fn write(context: &SpanContext, out: &mut Vec<u8>) {
    out.extend_from_slice(b"00-");
    push_hex(out, &context.trace_id);
    out.extend_from_slice(b"-");
    push_hex(out, &context.span_id);
    out.extend_from_slice(b"-");
    push_hex(out, &[context.flags & KNOWN_FLAGS]);
}

/// Reads the header's value; None when the trace has to be started anew.
///
/// Two headers of this name arrive joined by a comma, and are refused: nobody can tell which is
/// meant. `tracestate` must not be looked at when this gives None.
pub fn read(value: &[u8]) -> Option<SpanContext> {
    let text = trim(value);
    let mut rest = text;
    let mut context = SpanContext { trace_id: [0; 16], span_id: [0; 8], flags: 0, remote: true };
    let (mut version, mut flags) = ([0], [0]);
    let fields: [&mut [u8]; 4] = [&mut version, &mut context.trace_id, &mut context.span_id, &mut flags];
    for field in fields {
        if !read_hex(take_part(&mut rest, b"-")?, field) {
            return None;
        }
    }
    // Later versions may only add fields behind these; version ff is none.
    let complete = match version {
        [0x00] => text.len() == LENGTH,
        [0xff] => false,
        _ => true,
    };
    context.flags = flags[0] & KNOWN_FLAGS;
    (complete && context.is_valid()).then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TRACE_ID: [u8; 16] = [0x12, 0x34, 0x56, 0x78, 0x90, 0x12, 0x34, 0x56, 0x78, 0x90, 0x12, 0x34, 0x56, 0x78, 0x90, 0x12];
    const SPAN_ID: [u8; 8] = [0x12, 0x34, 0x56, 0x78, 0x90, 0x12, 0x34, 0x56];

    fn context(flags: u8) -> SpanContext {
        SpanContext { trace_id: TRACE_ID, span_id: SPAN_ID, flags, remote: true }
    }

    /// The values that the W3C's own test suite sends to a service
    /// (<https://github.com/w3c/trace-context/tree/main/test>), and some at the edges between them.
    #[test]
    fn reads_what_the_specification_allows_and_nothing_else() {
        #[rustfmt::skip]
        let cases: &[(&str, &str, Option<u8>)] = &[
            ("sampled",                           "00-12345678901234567890123456789012-1234567890123456-01", Some(1)),
            ("not sampled",                       "00-12345678901234567890123456789012-1234567890123456-00", Some(0)),
            ("random trace id",                   "00-12345678901234567890123456789012-1234567890123456-02", Some(2)),
            ("flags nobody knows yet",            "00-12345678901234567890123456789012-1234567890123456-fd", Some(1)),
            ("space before",                     " 00-12345678901234567890123456789012-1234567890123456-01", Some(1)),
            ("tab before",                      "\t00-12345678901234567890123456789012-1234567890123456-01", Some(1)),
            ("space after",                       "00-12345678901234567890123456789012-1234567890123456-01 ", Some(1)),
            ("tab after",                         "00-12345678901234567890123456789012-1234567890123456-01\t", Some(1)),
            ("blanks on both sides",           "\t 00-12345678901234567890123456789012-1234567890123456-01 \t", Some(1)),
            ("later version",                     "cc-12345678901234567890123456789012-1234567890123456-01", Some(1)),
            ("later version with more fields",    "cc-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be-like", Some(1)),
            ("later version, last field empty",   "cc-12345678901234567890123456789012-1234567890123456-01-", Some(1)),
            ("version fe",                        "fe-12345678901234567890123456789012-1234567890123456-01", Some(1)),
            ("later version, flags run on",       "cc-12345678901234567890123456789012-1234567890123456-01.what-the-future-will-be-like", None),
            ("later version, flags too long",     "cc-12345678901234567890123456789012-1234567890123456-011", None),
            ("later version, too short",          "cc-12345678901234567890123456789012-1234567890123456-0", None),
            ("version ff",                        "ff-12345678901234567890123456789012-1234567890123456-01", None),
            ("version 00 with a trailing dot",    "00-12345678901234567890123456789012-1234567890123456-01.", None),
            ("version 00 with a trailing dash",   "00-12345678901234567890123456789012-1234567890123456-01-", None),
            ("version 00 with more fields",       "00-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be-like", None),
            ("version starts with no digit",      ".0-12345678901234567890123456789012-1234567890123456-01", None),
            ("version ends with no digit",        "0.-12345678901234567890123456789012-1234567890123456-01", None),
            ("version of three digits",           "000-12345678901234567890123456789012-1234567890123456-01", None),
            ("version of four digits",            "0000-12345678901234567890123456789012-1234567890123456-01", None),
            ("version of one digit",              "0-12345678901234567890123456789012-1234567890123456-01", None),
            ("version in upper case",             "CC-12345678901234567890123456789012-1234567890123456-01", None),
            ("trace id all zero",                 "00-00000000000000000000000000000000-1234567890123456-01", None),
            ("trace id starts with no digit",     "00-.2345678901234567890123456789012-1234567890123456-01", None),
            ("trace id ends with no digit",       "00-1234567890123456789012345678901.-1234567890123456-01", None),
            ("trace id in upper case",            "00-1234567890123456789012345678901A-1234567890123456-01", None),
            ("trace id too long",                 "00-123456789012345678901234567890123-1234567890123456-01", None),
            ("trace id too short",                "00-1234567890123456789012345678901-1234567890123456-01", None),
            ("parent id all zero",                "00-12345678901234567890123456789012-0000000000000000-01", None),
            ("parent id starts with no digit",    "00-12345678901234567890123456789012-.234567890123456-01", None),
            ("parent id ends with no digit",      "00-12345678901234567890123456789012-123456789012345.-01", None),
            ("parent id in upper case",           "00-12345678901234567890123456789012-123456789012345A-01", None),
            ("parent id too long",                "00-12345678901234567890123456789012-12345678901234567-01", None),
            ("parent id too short",               "00-12345678901234567890123456789012-123456789012345-01", None),
            ("flags start with no digit",         "00-12345678901234567890123456789012-1234567890123456-.0", None),
            ("flags end with no digit",           "00-12345678901234567890123456789012-1234567890123456-0.", None),
            ("flags in upper case",               "00-12345678901234567890123456789012-1234567890123456-0A", None),
            ("flags too long",                    "00-12345678901234567890123456789012-1234567890123456-001", None),
            ("flags too short",                   "00-12345678901234567890123456789012-1234567890123456-1", None),
            ("no dash after the version",         "00.12345678901234567890123456789012-1234567890123456-01", None),
            ("no dash after the trace id",        "00-12345678901234567890123456789012.1234567890123456-01", None),
            ("no dash after the parent id",       "00-12345678901234567890123456789012-1234567890123456.01", None),
            ("two headers, joined",               "00-12345678901234567890123456789011-1234567890123456-01, 00-12345678901234567890123456789012-1234567890123456-01", None),
            ("two headers of a later version",    "cc-12345678901234567890123456789011-1234567890123456-01, cc-12345678901234567890123456789012-1234567890123456-01", None),
            ("empty",                             "", None),
            ("blank",                             " \t", None),
        ];
        for (name, value, flags) in cases {
            assert_eq!(read(value.as_bytes()), flags.map(context), "{name}: {value:?}");
        }
    }

    #[test]
    fn a_later_version_is_answered_in_the_version_we_know() {
        let context = read(b"cc-12345678901234567890123456789012-1234567890123456-01-more").unwrap();
        let mut value = Vec::new();
        write(&context, &mut value);
        assert_eq!(value, b"00-12345678901234567890123456789012-1234567890123456-01");
    }

    #[test]
    fn unknown_flags_are_sent_as_zero() {
        let mut value = Vec::new();
        write(&context(0xff), &mut value);
        assert_eq!(value, b"00-12345678901234567890123456789012-1234567890123456-03");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(trace_id: [u8; 16], span_id: [u8; 8], flags in 0u8..4) {
            let context = SpanContext { trace_id, span_id, flags, remote: true };
            prop_assume!(context.is_valid());
            let mut value = Vec::new();
            write(&context, &mut value);
            prop_assert_eq!(value.len(), LENGTH);
            prop_assert_eq!(read(&value), Some(context));
        }

        #[test]
        fn any_bytes_are_read_without_panic(value: Vec<u8>) {
            prop_assert_eq!(read(&value), None);
        }

        #[test]
        fn one_wrong_byte_gives_a_valid_context_or_none(at in 0..LENGTH, byte: u8) {
            let mut value = *b"00-12345678901234567890123456789012-1234567890123456-01";
            value[at] = byte;
            prop_assert!(read(&value).is_none_or(|context| context.is_valid()));
        }
    }
}
