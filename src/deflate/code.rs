//! The Huffman code of all that the core compresses. Made by `cargo run --example train-deflate` from tests/corpus.

/// The longest code of a byte.
pub const MOST_BITS: usize = 10;

/// Lengths of the codes that [`LENGTHS`] is written in, in the order of a block's header.
pub const HEADER_LENGTHS: [u8; 14] = [2, 0, 0, 0, 3, 3, 2, 4, 3, 5, 0, 6, 0, 6];

/// Lengths of the codes of all symbols, and of the distances behind them: each in the lower five bits, where 16 stands for the last one
/// again, three times and as often more as the upper bits say.
#[rustfmt::skip]
pub const LENGTHS: [u8; 157] = [
    8, 8, 9, 80, 6, 8, 7, 9, 112, 6, 9, 48, 8, 9, 112, 7, 9, 8, 9, 10, 9, 80, 10, 9, 7, 7, 8, 6, 112, 16, 9, 10,
    10, 9, 9, 9, 8, 8, 10, 9, 112, 8, 9, 16, 10, 9, 112, 16, 8, 9, 10, 9, 16, 6, 16, 5, 6, 8, 8, 7, 9, 8, 7, 8,
    7, 7, 8, 8, 7, 7, 7, 8, 48, 9, 9, 9, 10, 9, 10, 112, 112, 112, 80, 9, 112, 112, 112, 112, 112, 112, 112, 112, 112, 112, 112, 112,
    112, 112, 112, 112, 112, 9, 9, 10, 10, 7, 8, 7, 7, 6, 6, 8, 16, 7, 5, 6, 8, 10, 7, 10, 9, 10, 9, 8, 9, 48, 10, 10,
    9, 10, 10, 9, 10, 7, 9, 6, 4, 6, 8, 4, 5, 7, 6, 3, 3, 3, 5, 4, 4, 4, 5, 4, 5, 5, 6, 10, 10,
];
