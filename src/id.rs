//! Trace ids and span ids: from the system's random source, drawn ahead in one piece.

use alloc::vec::Vec;

/// Bytes drawn at once: asking the browser costs a microsecond whatever the amount, and an id needs 8 or 16.
pub const POOL_BYTES: usize = 4096;

/// A context as seven words of 28 bits, seven hex digits each, the last one six: 32 digits of the trace id, then 16 of the span id.
///
/// So JavaScript keeps the identity of a span as small integers, without strings, without boxed numbers, and past the end of the span.
pub type Words = [i32; 7];

/// A trace id and a span id behind one another, and a byte that is zero: each word is read by four.
type Bytes = [u8; 25];

/// The bytes that hold a word, and by how many bits it lies above their end: of two words, the second begins in the middle of a byte.
fn place(index: usize) -> (usize, usize) {
    (index * 7 / 2, 4 - index % 2 * 4)
}

pub fn to_words(trace_id: &[u8; 16], span_id: &[u8; 8]) -> Words {
    let mut bytes: Bytes = [0; 25];
    bytes[..16].copy_from_slice(trace_id);
    bytes[16..24].copy_from_slice(span_id);
    let mut words = [0; 7];
    for (index, word) in words.iter_mut().enumerate() {
        let (start, shift) = place(index);
        let bits = bytes.get(start..).and_then(<[u8]>::first_chunk).map_or(0, |chunk| u32::from_be_bytes(*chunk));
        *word = (bits >> shift & 0x0FFF_FFFF) as i32;
    }
    words[6] >>= 4;
    words
}

pub fn from_words(words: &Words) -> ([u8; 16], [u8; 8]) {
    let [a, b, c, d, e, f, g] = *words;
    let mut bytes: Bytes = [0; 25];
    for (index, word) in [a, b, c, d, e, f, g << 4].into_iter().enumerate() {
        let (start, shift) = place(index);
        if let Some(room) = bytes.get_mut(start..).and_then(<[u8]>::first_chunk_mut) {
            *room = (u32::from_be_bytes(*room) | (word as u32) << shift).to_be_bytes();
        }
    }
    let (mut trace_id, mut span_id) = ([0; 16], [0; 8]);
    trace_id.copy_from_slice(&bytes[..16]);
    span_id.copy_from_slice(&bytes[16..24]);
    (trace_id, span_id)
}

/// Random bytes that were drawn and not used yet.
pub struct Pool {
    bytes: Vec<u8>,
    used: usize,
}

impl Pool {
    pub const fn empty() -> Pool {
        Pool { bytes: Vec::new(), used: 0 }
    }

    /// From random bytes that were drawn with [`draw`].
    pub fn new(bytes: Vec<u8>) -> Pool {
        Pool { bytes, used: 0 }
    }

    /// Enough for a new trace id and a new span id?
    pub fn is_low(&self) -> bool {
        self.bytes.len() - self.used < 24
    }

    /// The next bytes; all zero never comes, since OpenTelemetry reads it as "no id".
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut id = [0; N];
        self.fill(&mut id);
        id
    }

    #[inline(never)]
    fn fill(&mut self, id: &mut [u8]) {
        for (byte, random) in id.iter_mut().zip(self.bytes.get(self.used..).unwrap_or_default()) {
            *byte = *random;
        }
        self.used += id.len();
        if id.iter().all(|byte| *byte == 0)
            && let Some(last) = id.last_mut()
        {
            *last = 1;
        }
    }

    pub fn trace_id(&mut self) -> [u8; 16] {
        self.take()
    }

    pub fn span_id(&mut self) -> [u8; 8] {
        self.take()
    }
}

/// Asks the system for random bytes; `None` when it has none to give.
///
/// In the page this calls JavaScript, which a page may have replaced by code that calls webspan: never call it while the engine is borrowed.
pub fn draw() -> Option<Vec<u8>> {
    let mut bytes = alloc::vec![0; POOL_BYTES];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn words_hold_the_whole_context(trace_id: [u8; 16], span_id: [u8; 8]) {
            let words = to_words(&trace_id, &span_id);
            prop_assert!(words.iter().all(|word| (0..1 << 28).contains(word)));
            prop_assert_eq!(from_words(&words), (trace_id, span_id));
        }
    }

    #[test]
    fn words_are_the_hex_digits_in_order() {
        let words = to_words(&0x0123_4567_89ab_cdef_0123_4567_89ab_cdef_u128.to_be_bytes(), &0x1122_3344_5566_7788_u64.to_be_bytes());
        assert_eq!(words, [0x0123456, 0x789abcd, 0xef01234, 0x56789ab, 0xcdef112, 0x2334455, 0x667788]);
    }

    #[test]
    fn ids_differ_and_are_never_zero() {
        let mut pool = Pool::new(draw().unwrap());
        let first = pool.trace_id();
        assert_ne!(first, pool.trace_id());
        let mut zeros = Pool::new(alloc::vec![0; 64]);
        assert_ne!(zeros.trace_id(), [0; 16]);
        assert_ne!(zeros.span_id(), [0; 8]);
    }

    #[test]
    fn the_pool_says_when_it_is_low() {
        let mut pool = Pool::new(alloc::vec![7; 48]);
        assert!(!pool.is_low());
        pool.trace_id();
        pool.span_id();
        assert!(!pool.is_low());
        pool.span_id();
        assert!(pool.is_low());
        assert!(Pool::empty().is_low());
    }
}
