//! Protobuf primitives. A [`Field`] is a number and a wire type, written once, in the table of its message.
//! <https://protobuf.dev/programming-guides/encoding/>

use alloc::vec::Vec;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum WireType {
    Varint = 0,
    Fixed64 = 1,
    Len = 2,
    Fixed32 = 5,
}

/// One field of a message: its tag, which is its number and its wire type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Field(u16);

impl Field {
    const fn new(number: u16, wire: WireType) -> Field {
        Field(number << 3 | wire as u16)
    }
    /// Of a tag that is one byte: so are all but those of fixed32.
    const fn short(number: u16, wire: WireType) -> Field {
        assert!(number < 16);
        Field::new(number, wire)
    }
    pub const fn varint(number: u16) -> Field {
        Field::short(number, WireType::Varint)
    }
    pub const fn fixed64(number: u16) -> Field {
        Field::short(number, WireType::Fixed64)
    }
    /// Text, bytes and nested messages.
    pub const fn len(number: u16) -> Field {
        Field::short(number, WireType::Len)
    }
    pub const fn fixed32(number: u16) -> Field {
        Field::new(number, WireType::Fixed32)
    }

    #[inline(never)]
    pub fn put_varint(self, out: &mut Vec<u8>, value: u64) {
        out.push(self.0 as u8);
        varint(out, value);
    }
    #[inline(never)]
    pub fn put_fixed64(self, out: &mut Vec<u8>, value: u64) {
        out.push(self.0 as u8);
        out.extend_from_slice(&value.to_le_bytes());
    }
    #[inline(never)]
    pub fn put_fixed32(self, out: &mut Vec<u8>, value: u32) {
        if self.0 < 0x80 {
            out.push(self.0 as u8);
        } else {
            // The tag is a varint of its own: of two bytes here.
            Field(self.0 | 0x80).put_varint(out, self.0 as u64 >> 7);
        }
        out.extend_from_slice(&value.to_le_bytes());
    }
    #[inline(never)]
    pub fn put_bytes(self, out: &mut Vec<u8>, value: &[u8]) {
        self.put_len(out, value.len());
        out.extend_from_slice(value);
    }
    /// Nothing when there are no bytes, as protobuf has it.
    #[inline(never)]
    pub fn put_some_bytes(self, out: &mut Vec<u8>, value: &[u8]) {
        if !value.is_empty() {
            self.put_bytes(out, value);
        }
    }
    /// A number that stands in the message only when there is something to count.
    #[inline(never)]
    pub fn put_count(self, out: &mut Vec<u8>, count: u32) {
        if count > 0 {
            self.put_varint(out, count as u64);
        }
    }
    /// Tag and length; the caller appends that many bytes.
    pub fn put_len(self, out: &mut Vec<u8>, bytes: usize) {
        self.put_varint(out, bytes as u64);
    }
    /// Tag, and room for the length of what is appended until [`Open::close`].
    pub fn open(self, out: &mut Vec<u8>) -> Open {
        out.extend_from_slice(&[self.0 as u8, 0, 0, 0, 0]);
        Open { start: out.len() }
    }
    /// Bytes that a `Len` field takes when its content has `content` of them.
    pub const fn len_size(self, content: usize) -> usize {
        varint_size(self.0 as u64) + varint_size(content as u64) + content
    }
}

/// A `Len` field whose content is being written.
pub struct Open {
    start: usize,
}

impl Open {
    /// Four bytes also for a short length, which a varint may have. <https://protobuf.dev/programming-guides/encoding/#varints>
    #[inline(never)]
    pub fn close(self, out: &mut [u8]) {
        let bytes = (out.len() - self.start) as u32;
        let sevens = bytes & 0x7F | (bytes << 1) & 0x7F00 | (bytes << 2) & 0x7F_0000 | (bytes << 3) & 0x7F00_0000;
        if let Some(room) = out.get_mut(self.start - 4..).and_then(<[u8]>::first_chunk_mut) {
            *room = (sevens | 0x80_8080).to_le_bytes();
        }
    }
}

#[inline(always)] // With a call for each varint, a span takes half as long again.
pub fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes that [`varint`] writes.
pub const fn varint_size(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_varint_is_what_prost_writes_and_as_long_as_announced(value: u64) {
            let mut ours = Vec::new();
            varint(&mut ours, value);
            let mut theirs = Vec::new();
            prost::encoding::encode_varint(value, &mut theirs);
            prop_assert_eq!(&ours, &theirs);
            prop_assert_eq!(varint_size(value), ours.len());
        }
    }
}
