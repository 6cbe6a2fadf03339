//! Trace ids and span ids: from the system's random source, drawn ahead in one piece.

use alloc::boxed::Box;

/// Bytes drawn at once: asking the browser costs a microsecond whatever the amount, and an id needs 8 or 16.
pub const POOL_BYTES: usize = 4096;

/// A context as seven words of 28 bits, seven hex digits each, the last one six: 32 digits of the trace id, then 16 of the span id.
///
/// So JavaScript keeps the identity of a span as small integers, without strings, without boxed numbers, and past the end of the span.
pub type Words = [i32; 7];

/// Bytes of a trace id and a span id behind one another, and some that are zero: seven bytes are two words, and they are read by eights.
type Bytes = [u8; 32];

pub fn to_words(trace_id: &[u8; 16], span_id: &[u8; 8]) -> Words {
    let mut bytes: Bytes = [0; 32];
    bytes[..16].copy_from_slice(trace_id);
    bytes[16..24].copy_from_slice(span_id);
    let mut words = [0; 8];
    for (index, pair) in words.chunks_exact_mut(2).enumerate() {
        let bits = bytes.get(index * 7..).and_then(<[u8]>::first_chunk).map_or(0, |chunk| u64::from_be_bytes(*chunk) >> 8);
        pair.copy_from_slice(&[(bits >> 28) as i32, bits as i32 & 0x0FFF_FFFF]);
    }
    let [a, b, c, d, e, f, g, _] = words;
    [a, b, c, d, e, f, g >> 4]
}

pub fn from_words(words: &Words) -> ([u8; 16], [u8; 8]) {
    let [a, b, c, d, e, f, g] = *words;
    let mut bytes: Bytes = [0; 32];
    for (index, pair) in [a, b, c, d, e, f, g << 4, 0].chunks_exact(2).enumerate() {
        if let (&[high, low], Some(room)) = (pair, bytes.get_mut(index * 7..).and_then(<[u8]>::first_chunk_mut)) {
            // The eighth byte is zero, and the next pair's first.
            *room = (((high as u64) << 28 | low as u64) << 8).to_be_bytes();
        }
    }
    let (mut trace_id, mut span_id) = ([0; 16], [0; 8]);
    trace_id.copy_from_slice(&bytes[..16]);
    span_id.copy_from_slice(&bytes[16..24]);
    (trace_id, span_id)
}

/// Random bytes that were drawn and not used yet.
pub struct Pool {
    bytes: Box<[u8]>,
    used: usize,
}

impl Pool {
    pub fn empty() -> Pool {
        Pool { bytes: Box::new([]), used: 0 }
    }

    /// From random bytes that were drawn with [`draw`].
    pub fn new(bytes: Box<[u8]>) -> Pool {
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
pub fn draw() -> Option<Box<[u8]>> {
    let mut bytes = alloc::vec![0; POOL_BYTES].into_boxed_slice();
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
        let mut zeros = Pool::new(alloc::vec![0; 64].into_boxed_slice());
        assert_ne!(zeros.trace_id(), [0; 16]);
        assert_ne!(zeros.span_id(), [0; 8]);
    }

    #[test]
    fn the_pool_says_when_it_is_low() {
        let mut pool = Pool::new(alloc::vec![7; 48].into_boxed_slice());
        assert!(!pool.is_low());
        pool.trace_id();
        pool.span_id();
        assert!(!pool.is_low());
        pool.span_id();
        assert!(pool.is_low());
        assert!(Pool::empty().is_low());
    }
}
