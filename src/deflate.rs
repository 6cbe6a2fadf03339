//! Compression: gzip, in pieces that fit between the frames of a page, or at once when the page goes.
//! <https://www.rfc-editor.org/rfc/rfc1951> <https://www.rfc-editor.org/rfc/rfc1952>
//!
//! The browser's `CompressionStream` gives its bytes later, and a page that goes has no later. All is one block whose Huffman code is a
//! constant, trained on spans of real pages (`tests/corpus`): so nothing has to be known of what follows when the first bytes are written.

mod code;

use alloc::boxed::Box;
use alloc::vec::Vec;

/// The farthest that a match may lie back. The format has this bound.
const WINDOW: usize = 16_384;
const HASH_BITS: u32 = 14;
/// Shorter ones cost about as much as the bytes themselves.
const MIN_MATCH: usize = 4;
/// One less than the format has: so the longest is coded like any other.
const MAX_MATCH: usize = 257;
/// Places that are looked at for a match: bounds the time, whatever the input is.
const CHAIN_DEPTH: usize = 10;
/// With a match as long as this, nobody looks for a longer one a byte further on.
const LONG_MATCH: usize = 32;

/// The header: deflate, no name, no time, system unknown. And behind the data there are its CRC and its length.
const GZIP_HEADER: [u8; 10] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255];
const GZIP_TRAILER_BYTES: usize = 8;

/// Those of a byte, of the end of the block, and of the length of a match; the longest is not used.
const SYMBOLS: usize = 285;
const DISTANCES: usize = 30;
/// The order in which a block's header tells how long the codes are that it is written in itself.
const HEADER_ORDER: [u8; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
/// In that header: the last length again, three times and more.
const REPEAT: u8 = 16;

const END_OF_BLOCK: usize = 256;
const LENGTHS: usize = 257;

#[derive(Clone)]
pub struct Deflater {
    tables: Box<Tables>,
    /// The last of what was compressed, up to a window of it, and behind that what is not yet.
    input: Vec<u8>,
    /// Where in the input that begins.
    at: usize,
    /// What stood before the input; of the positions in the tables, the lowest 16 bits.
    base: usize,
    out: Vec<u8>,
    bits: u64,
    bit_count: u32,
    crc: u32,
}

#[derive(Clone)]
struct Tables {
    /// By hash, the position of the last bytes that have it. Positions that are out of date or were never written are harmless: whatever is
    /// found there is compared.
    head: [u16; 1 << HASH_BITS],
    /// By position, the one before that has the same hash.
    previous: [u16; WINDOW],
    crc: CrcTables,
    symbols: [Code; SYMBOLS],
    distances: [Code; DISTANCES],
}

/// Its bits, first one lowest, and how many they are.
type Code = (u32, u32);

#[derive(Clone, Copy)]
struct Match {
    bytes: usize,
    distance: usize,
}

const NO_MATCH: Match = Match { bytes: 0, distance: 0 };

impl Default for Deflater {
    fn default() -> Deflater {
        Deflater::new()
    }
}

impl Deflater {
    pub fn new() -> Deflater {
        let mut tables = Box::new(Tables {
            head: [0; 1 << HASH_BITS],
            previous: [0; WINDOW],
            crc: [[0; 256]; 4],
            symbols: [(0, 0); SYMBOLS],
            distances: [(0, 0); DISTANCES],
        });
        crc_tables(&mut tables.crc);
        let lengths = code_lengths();
        let (symbols, distances) = lengths.split_at(SYMBOLS);
        assign(symbols, &mut tables.symbols);
        assign(distances, &mut tables.distances);
        let mut deflater = Deflater { tables, input: Vec::new(), at: 0, base: 0, out: Vec::new(), bits: 0, bit_count: 0, crc: 0 };
        deflater.restart();
        deflater
    }

    /// Where to append what is to be compressed next. Nothing else may be done to it.
    pub fn input(&mut self) -> &mut Vec<u8> {
        &mut self.input
    }

    /// Bytes that were put in.
    pub fn input_bytes(&self) -> usize {
        self.base + self.input.len()
    }

    /// Bytes that [`Deflater::finish`] would give now.
    pub fn bytes(&self) -> usize {
        let (_, end_bits) = self.tables.symbols[END_OF_BLOCK];
        self.out.len() + (self.bit_count + end_bits).div_ceil(8) as usize + GZIP_TRAILER_BYTES
    }

    /// So many bytes can be put in, whatever they are, and [`Deflater::bytes`] stays within a bound.
    pub fn room(&self, bound_bytes: usize) -> usize {
        bound_bytes.saturating_sub(self.bytes()) * 8 / code::MOST_BITS
    }

    /// Forgets what was put in.
    pub fn restart(&mut self) {
        self.input.clear();
        self.out.clear();
        self.tables.head.fill(0);
        (self.at, self.base, self.bits, self.bit_count, self.crc) = (0, 0, 0, 0, !0);
        self.out.extend_from_slice(&GZIP_HEADER);
        // The last block, and with a code of its own.
        self.put(0b101, 3);
        self.put(SYMBOLS as u32 - 257, 5);
        self.put(DISTANCES as u32 - 1, 5);
        self.put(code::HEADER_LENGTHS.len() as u32 - 4, 4);
        let mut lengths = [0; 19];
        for (symbol, length) in HEADER_ORDER.into_iter().zip(code::HEADER_LENGTHS) {
            self.put(u32::from(length), 3);
            if let Some(place) = lengths.get_mut(usize::from(symbol)) {
                *place = length;
            }
        }
        let mut codes = [(0, 0); 19];
        assign(&lengths, &mut codes);
        for run in code::LENGTHS {
            let (bits, count) = codes.get(usize::from(run & 31)).copied().unwrap_or_default();
            self.put(bits, count);
            if run & 31 == REPEAT {
                self.put(u32::from(run >> 5), 2);
            }
        }
    }

    /// Gives all as one gzip member, in the place of what `body` held, and begins anew.
    pub fn finish(&mut self, body: &mut Vec<u8>) {
        self.deflate();
        let (end, bits) = self.tables.symbols[END_OF_BLOCK];
        self.put(end, bits);
        self.put(0, 7);
        let bytes = self.bit_count as usize / 8;
        self.out.extend(self.bits.to_le_bytes().iter().take(bytes));
        self.out.extend_from_slice(&(!self.crc).to_le_bytes());
        self.out.extend_from_slice(&(self.input_bytes() as u32).to_le_bytes());
        core::mem::swap(&mut self.out, body);
        self.restart();
    }

    /// Compresses what was put in.
    pub fn deflate(&mut self) {
        self.forget();
        let Tables { head, previous, crc, symbols, distances } = &mut *self.tables;
        let (input, end) = (&self.input[..], self.input.len());
        self.crc = crc_of(crc, self.crc, input.get(self.at..).unwrap_or_default());
        let mut search = Search { input, base: self.base, head, previous };
        let mut bits = Bits { out: &mut self.out, bits: self.bits, count: self.bit_count };

        // The match at `start`, which is held back until it is known that there is no longer one a byte further on.
        let mut held = NO_MATCH;
        let (mut start, mut at) = (self.at, self.at);
        while at < end {
            let found = if held.bytes < LONG_MATCH { search.find(at, held.bytes) } else { NO_MATCH };
            at += 1;
            if found.bytes == 0 && held.bytes > 0 {
                bits.put_bucket::<4>(&symbols[LENGTHS..], held.bytes - 3);
                bits.put_bucket::<2>(distances, held.distance - 1);
                start += held.bytes;
                while at < start {
                    search.remember(at);
                    at += 1;
                }
                held = NO_MATCH;
            } else {
                if found.bytes == 0 || held.bytes > 0 {
                    bits.put(symbols[usize::from(byte(input, start))]);
                    start += 1;
                }
                held = found;
            }
        }
        (self.bits, self.bit_count) = (bits.bits, bits.count);
        self.at = end;
    }

    /// What lies too far back makes room.
    fn forget(&mut self) {
        // Never farther than the input, which the compiler does not know.
        let gone = self.at.saturating_sub(WINDOW).min(self.input.len());
        self.input.copy_within(gone.., 0);
        self.input.truncate(self.input.len() - gone);
        self.at -= gone;
        self.base += gone;
    }

    #[inline(never)]
    fn put(&mut self, bits: u32, count: u32) {
        let mut to = Bits { out: &mut self.out, bits: self.bits, count: self.bit_count };
        to.put((bits, count));
        (self.bits, self.bit_count) = (to.bits, to.count);
    }
}

/// Bits on their way into bytes.
struct Bits<'a> {
    out: &'a mut Vec<u8>,
    bits: u64,
    count: u32,
}

impl Bits<'_> {
    #[inline(always)]
    fn put(&mut self, (bits, count): Code) {
        self.bits |= u64::from(bits) << self.count;
        self.count += count;
        if self.count >= 32 {
            self.flush();
        }
    }

    #[inline(never)]
    fn flush(&mut self) {
        self.out.extend_from_slice(&(self.bits as u32).to_le_bytes());
        self.bits >>= 32;
        self.count -= 32;
    }

    /// A length or a distance: in buckets that get twice as wide, `EACH` of one width. Which one, and the bits that tell where in it.
    #[inline(always)]
    fn put_bucket<const EACH: u32>(&mut self, codes: &[Code], value: usize) {
        let value = value as u32;
        let shift = EACH.trailing_zeros();
        let rest = (value | EACH).ilog2() - shift;
        let bucket = (rest << shift) + (value >> rest);
        let (bits, count) = codes.get(bucket as usize).copied().unwrap_or_default();
        self.put((bits | (value & ((1 << rest) - 1)) << count, count + rest));
    }
}

/// What was there before.
struct Search<'a> {
    input: &'a [u8],
    base: usize,
    head: &'a mut [u16; 1 << HASH_BITS],
    previous: &'a mut [u16; WINDOW],
}

impl Search<'_> {
    /// Writes down where these bytes stand; where some stood before that have the same hash.
    #[inline(always)]
    fn remember(&mut self, index: usize) -> u16 {
        let hash = word(self.input, index).wrapping_mul(0x9E37_79B1) >> (32 - HASH_BITS);
        let position = self.base + index;
        let before = core::mem::replace(&mut self.head[hash as usize], position as u16);
        self.previous[position % WINDOW] = before;
        before
    }

    /// The longest match of those that are looked at, if it is longer than `known`.
    #[inline(always)]
    fn find(&mut self, index: usize, known: usize) -> Match {
        let mut candidate = self.remember(index);
        let most = (self.input.len() - index).min(MAX_MATCH);
        let mut best = NO_MATCH;
        let mut bytes = known.max(MIN_MATCH - 1);
        if bytes >= most {
            return best;
        }
        let farthest = index.min(WINDOW);
        let position = (self.base + index) as u16;
        let mut tail = word(self.input, index + bytes - 3);
        let mut nearest = 0;
        for _ in 0..CHAIN_DEPTH {
            let distance = position.wrapping_sub(candidate) as usize;
            // A chain leads ever farther back, until it meets what has been written over.
            if distance <= nearest || distance > farthest {
                break;
            }
            nearest = distance;
            let from = index - distance;
            if word(self.input, from + bytes - 3) == tail {
                let same = common(self.input, from, index, most);
                if same > bytes {
                    bytes = same;
                    best = Match { bytes, distance };
                    if bytes == most {
                        break;
                    }
                    tail = word(self.input, index + bytes - 3);
                }
            }
            candidate = self.previous[(self.base + from) % WINDOW];
        }
        best
    }
}

/// How many bytes are the same at both places, at most so many.
#[inline(always)]
fn common(input: &[u8], from: usize, index: usize, most: usize) -> usize {
    let mut same = 0;
    while same + 4 <= most {
        let differs = word(input, from + same) ^ word(input, index + same);
        if differs != 0 {
            return same + differs.trailing_zeros() as usize / 8;
        }
        same += 4;
    }
    while same < most && byte(input, from + same) == byte(input, index + same) {
        same += 1;
    }
    same
}

#[inline(always)]
fn byte(input: &[u8], at: usize) -> u8 {
    input.get(at).copied().unwrap_or_default()
}

/// Four bytes, or nothing behind the end.
#[inline(always)]
fn word(input: &[u8], at: usize) -> u32 {
    input.get(at..at + 4).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// By how many bytes follow within a word, and by the byte.
type CrcTables = [[u32; 256]; 4];

fn crc_tables(tables: &mut CrcTables) {
    for (byte, index) in (0u32..256).zip(0..) {
        let mut crc = byte;
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 };
        }
        tables[0][index] = crc;
    }
    for index in 256..1024 {
        let before = tables[index / 256 - 1][index % 256];
        tables[index / 256][index % 256] = before >> 8 ^ tables[0][(before & 255) as usize];
    }
}

/// Four bytes at a time: one by one, this would take a third of the whole.
fn crc_of(tables: &CrcTables, mut crc: u32, bytes: &[u8]) -> u32 {
    let whole = bytes.len() & !3;
    for at in (0..whole).step_by(4) {
        let [a, b, c, d] = (crc ^ word(bytes, at)).to_le_bytes();
        crc = tables[3][a as usize] ^ tables[2][b as usize] ^ tables[1][c as usize] ^ tables[0][d as usize];
    }
    bytes[whole..].iter().fold(crc, |crc, byte| crc >> 8 ^ tables[0][(crc as u8 ^ byte) as usize])
}

/// What [`code::LENGTHS`] says, one by one.
fn code_lengths() -> [u8; SYMBOLS + DISTANCES] {
    let mut lengths = [0; SYMBOLS + DISTANCES];
    let mut places = lengths.iter_mut();
    let mut last = 0;
    for run in code::LENGTHS {
        let mut count = 1;
        if run & 31 == REPEAT {
            count = 3 + usize::from(run >> 5);
        } else {
            last = run & 31;
        }
        places.by_ref().take(count).for_each(|place| *place = last);
    }
    lengths
}

/// Codes by their lengths, as the format has it: the shorter first, those of one length in order. What is sent first is the highest bit.
#[inline(never)]
fn assign(lengths: &[u8], codes: &mut [Code]) {
    let mut next = 0u32;
    for length in 1..16 {
        for (code, _) in codes.iter_mut().zip(lengths).filter(|(_, of)| u32::from(**of) == length) {
            *code = (next.reverse_bits() >> (32 - length), length);
            next += 1;
        }
        next <<= 1;
    }
}
