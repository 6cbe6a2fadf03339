//! What one service tells the next about the trace they share: the span context, and one file for
//! each text format that carries it.
//!
//! The formats read and write plain bytes; which of them are in use, and which header goes to
//! which origin, is decided elsewhere.

pub mod traceparent;
pub mod tracestate;

use alloc::vec::Vec;

/// Trace flag: the caller may have recorded this trace.
/// <https://www.w3.org/TR/trace-context-2/#sampled-flag>
pub const SAMPLED: u8 = 0x01;

/// Trace flag: at least the right-most 7 bytes of the trace id are random. Whoever starts a trace
/// sets it, whoever continues one passes it on as it came.
/// <https://www.w3.org/TR/trace-context-2/#random-trace-id-flag>
pub const RANDOM: u8 = 0x02;

/// The part of a span that travels to other services and identifies it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanContext {
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
    /// W3C trace flags: [`SAMPLED`], [`RANDOM`].
    pub flags: u8,
    /// True when it came from another process (a header, a `<meta>` tag), false for our own spans.
    pub remote: bool,
}

impl SpanContext {
    /// Whether both ids hold at least one byte that is not zero, as every format demands.
    pub fn is_valid(&self) -> bool {
        self.trace_id != [0; 16] && self.span_id != [0; 8]
    }

    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }
}

/// Without the blanks that HTTP allows around a header's value and around the members of a list.
/// <https://www.rfc-editor.org/rfc/rfc9110#whitespace>
pub fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Appends two lower-case hex digits for each byte.
pub fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    for &byte in bytes {
        let digit = |nibble| nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
        out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
}

/// Fills `bytes` from lower-case hex digits. False, with `bytes` in an unspecified state, unless
/// `text` is exactly two such digits for each byte.
pub fn read_hex(text: &[u8], bytes: &mut [u8]) -> bool {
    for (index, &char) in text.iter().enumerate() {
        let digit = match char {
            b'0'..=b'9' => char - b'0',
            b'a'..=b'f' => char - b'a' + 10,
            _ => return false,
        };
        let Some(byte) = bytes.get_mut(index / 2) else { return false };
        // The first digit of a byte moves up, and whatever the byte held out, when the second comes.
        *byte = *byte << 4 | digit;
    }
    text.len() == 2 * bytes.len()
}

/// As [`read_hex`], but takes `A` to `F` too: ids that were written by hand or by another SDK.
pub fn read_hex_any_case(text: &[u8], bytes: &mut [u8]) -> bool {
    read_hex(&text.to_ascii_lowercase(), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;
    use std::{format, vec};

    #[test]
    fn a_context_is_valid_when_neither_id_is_all_zero() {
        let valid = SpanContext { trace_id: [1; 16], span_id: [2; 8], flags: 0, remote: false };
        assert!(valid.is_valid());
        assert!(!SpanContext { trace_id: [0; 16], ..valid }.is_valid());
        assert!(!SpanContext { span_id: [0; 8], ..valid }.is_valid());

        let mut one_bit = [0; 8];
        one_bit[7] = 1;
        assert!(SpanContext { span_id: one_bit, ..valid }.is_valid());
    }

    #[test]
    fn sampled_is_one_bit_and_not_the_whole_number() {
        let context = |flags| SpanContext { trace_id: [1; 16], span_id: [2; 8], flags, remote: false };
        assert!(context(0x01).is_sampled() && context(0x09).is_sampled());
        assert!(!context(0x00).is_sampled() && !context(0xfe).is_sampled());
    }

    #[test]
    fn hex_written_is_lower_case_and_reads_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut text = Vec::new();
        push_hex(&mut text, &bytes);
        let expected: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(text, expected.as_bytes());

        let mut read = vec![0; 256];
        assert!(read_hex(&text, &mut read));
        assert_eq!(read, bytes);

        read.fill(0);
        assert!(read_hex_any_case(&text.to_ascii_uppercase(), &mut read));
        assert_eq!(read, bytes);
    }

    #[test]
    fn every_other_character_is_no_hex_digit() {
        for char in 0..=255 {
            let mut byte = [0];
            let lower = matches!(char, b'0'..=b'9' | b'a'..=b'f');
            assert_eq!(read_hex(&[b'0', char], &mut byte), lower, "{char:#x}");
            assert_eq!(read_hex(&[char, b'0'], &mut byte), lower, "{char:#x}");
            assert_eq!(read_hex_any_case(&[b'0', char], &mut byte), char.is_ascii_hexdigit(), "{char:#x}");
        }
    }

    #[test]
    fn hex_of_another_length_is_refused() {
        for text in ["", "1", "123", "12345"] {
            assert!(!read_hex(text.as_bytes(), &mut [0; 2]), "{text}");
        }
        assert!(read_hex(b"", &mut []));
    }
}
