//! The Huffman code of all that the core compresses. Made by `cargo run --example train-deflate` from tests/corpus.

/// The longest code of a byte.
pub const MOST_BITS: usize = 10;

/// Lengths of the codes that [`LENGTHS`] is written in, in the order of a block's header.
pub const HEADER_LENGTHS: [u8; 16] = [3, 0, 0, 0, 3, 3, 2, 3, 3, 4, 5, 6, 0, 7, 0, 7];

/// Lengths of the codes of all symbols, and of the distances behind them: each in the lower five bits, where 16 stands for the last one
/// again, three times and as often more as the upper bits say.
#[rustfmt::skip]
pub const LENGTHS: [u8; 174] = [
    8, 16, 9, 16, 7, 8, 6, 9, 80, 8, 6, 9, 48, 8, 9, 8, 9, 10, 9, 9, 9, 7, 9, 8, 9, 10, 9, 10, 9, 16, 10, 9,
    7, 16, 6, 7, 112, 7, 9, 9, 10, 9, 10, 9, 8, 8, 10, 9, 112, 8, 8, 9, 9, 9, 10, 9, 8, 9, 8, 9, 80, 8, 10, 10,
    9, 9, 8, 8, 6, 7, 6, 6, 6, 7, 8, 8, 6, 9, 8, 7, 7, 7, 6, 7, 8, 7, 6, 6, 7, 8, 48, 10, 9, 9, 10, 112,
    112, 9, 112, 112, 112, 112, 112, 112, 112, 112, 112, 112, 112, 112, 112, 112, 112, 112, 112, 112, 112, 9, 9, 11, 11, 7, 16, 5, 6, 8, 8, 7,
    7, 7, 5, 6, 8, 10, 7, 9, 16, 10, 11, 8, 8, 9, 9, 11, 10, 9, 11, 11, 10, 11, 7, 10, 5, 4, 6, 7, 4, 5, 7, 5,
    5, 2, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6, 11, 10,
];
