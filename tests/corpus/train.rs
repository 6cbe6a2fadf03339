//! Makes the Huffman code of `src/deflate.rs`: `cargo run --example train-deflate`, after `capture.mjs` or when the search for matches has changed.
//!
//! It compresses the shop's half of the corpus, counts what was written, and writes the code that would have been the best for it into
//! `src/deflate/code.rs`. The other half is for the tests, to tell whether the code fits spans that it has never seen.

use std::fs;
use std::path::Path;

use webspan::deflate::Deflater;

const SYMBOLS: usize = 285;
const DISTANCES: usize = 30;
const END_OF_BLOCK: usize = 256;
const HEADER_ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const REPEAT: u8 = 16;

/// Codes longer than this save nothing, and bytes that nobody expected would cost too much.
const LONGEST_CODE: usize = 10;

/// So much of all is expected to be what never was seen.
const UNSEEN_SHARE: f64 = 0.01;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut symbols = vec![0.0; SYMBOLS];
    let mut distances = vec![0.0; DISTANCES];
    let mut files: Vec<_> =
        fs::read_dir(root.join("tests/corpus")).expect("the corpus is there").map(|entry| entry.expect("readable").path()).collect();
    files.retain(|path| {
        path.extension().is_some_and(|extension| extension == "bin")
            && path.file_stem().is_some_and(|name| name.to_string_lossy().starts_with("shop-"))
    });
    files.sort();
    for file in &files {
        let counts = counted(&fs::read(file).expect("readable"));
        let weight = 1.0 / files.iter().filter(|other| kind(other) == kind(file)).count() as f64;
        add_shares(&counts[..SYMBOLS], weight, &mut symbols);
        add_shares(&counts[SYMBOLS..], weight, &mut distances);
    }
    even_out(&mut symbols[128..256]);
    expect_all(&mut symbols);
    expect_all(&mut distances);

    let mut lengths = limited_lengths(&symbols, LONGEST_CODE);
    let most_bits = |lengths: &[u8]| *lengths[..256].iter().max().expect("there are bytes");
    let distance_lengths = limited_lengths(&distances, LONGEST_CODE);
    lengths.extend(&distance_lengths);
    let runs = runs(&lengths);
    let mut shares = vec![0.0; 19];
    runs.iter().for_each(|run| shares[(run & 31) as usize] += 1.0);
    let header = limited_lengths(&shares, 7);
    let mut header: Vec<u8> = HEADER_ORDER.iter().map(|&symbol| header[symbol]).collect();
    while header.last() == Some(&0) {
        header.pop();
    }
    let source = format!(
        "//! The Huffman code of all that the core compresses. Made by `cargo run --example train-deflate` from tests/corpus.\n\n\
         /// The longest code of a byte.\n\
         pub const MOST_BITS: usize = {};\n\n\
         /// Lengths of the codes that [`LENGTHS`] is written in, in the order of a block's header.\n\
         pub const HEADER_LENGTHS: [u8; {}] = {header:?};\n\n\
         /// Lengths of the codes of all symbols, and of the distances behind them: each in the lower five bits, where 16 stands for the last one\n\
         /// again, three times and as often more as the upper bits say.\n\
         #[rustfmt::skip]\n\
         pub const LENGTHS: [u8; {}] = [{}\n];\n",
        most_bits(&lengths),
        header.len(),
        runs.len(),
        runs.chunks(32).map(|line| format!("\n    {},", line.iter().map(u8::to_string).collect::<Vec<_>>().join(", "))).collect::<String>(),
    );
    fs::write(root.join("src/deflate/code.rs"), source).expect("writable");
}

/// What is in a file, whatever its size: `shop-page-load` of `shop-page-load-60.bin`.
fn kind(file: &Path) -> String {
    let name = file.file_stem().expect("named").to_string_lossy();
    name.trim_end_matches(|character: char| character.is_ascii_digit() || character == '-').to_string()
}

/// How often each symbol and each distance is written for this.
fn counted(message: &[u8]) -> Vec<u32> {
    let mut deflater = Deflater::new();
    deflater.input().extend_from_slice(message);
    let mut body = Vec::new();
    deflater.finish(&mut body);
    let mut bits = Bits { bytes: &body[10..], at: 0 };
    assert_eq!(bits.take(3), 0b101, "one block, with its code in front");
    assert_eq!((bits.take(5), bits.take(5)), (SYMBOLS - 257, DISTANCES - 1));
    let mut lengths = vec![0; 19];
    for symbol in &HEADER_ORDER[..bits.take(4) + 4] {
        lengths[*symbol] = bits.take(3) as u8;
    }
    let header = Decoder::new(&lengths);
    let mut lengths: Vec<u8> = Vec::new();
    while lengths.len() < SYMBOLS + DISTANCES {
        match header.symbol(&mut bits) as u8 {
            REPEAT => {
                let last = *lengths.last().expect("a repetition follows a length");
                lengths.extend(vec![last; 3 + bits.take(2)]);
            }
            length => lengths.push(length),
        }
    }
    let (symbols, distances) = (Decoder::new(&lengths[..SYMBOLS]), Decoder::new(&lengths[SYMBOLS..]));
    let mut counts = vec![0; SYMBOLS + DISTANCES];
    loop {
        let symbol = symbols.symbol(&mut bits);
        counts[symbol] += 1;
        if symbol == END_OF_BLOCK {
            return counts;
        }
        if symbol > END_OF_BLOCK {
            bits.take(((symbol - 257) / 4).saturating_sub(1));
            let distance = distances.symbol(&mut bits);
            counts[SYMBOLS + distance] += 1;
            bits.take((distance / 2).saturating_sub(1));
        }
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> usize {
        let bit = |at: usize| usize::from(self.bytes[at / 8] >> (at % 8) & 1);
        let value = (0..count).map(|index| bit(self.at + index) << index).sum();
        self.at += count;
        value
    }
}

/// The code of each symbol, as text of ones and zeros.
struct Decoder(Vec<(u32, u8, usize)>);

impl Decoder {
    fn new(lengths: &[u8]) -> Decoder {
        let mut codes = Vec::new();
        let mut next = 0;
        for length in 1..16 {
            for (symbol, _) in lengths.iter().enumerate().filter(|(_, of)| **of == length) {
                codes.push((next, length, symbol));
                next += 1;
            }
            next <<= 1;
        }
        Decoder(codes)
    }

    fn symbol(&self, bits: &mut Bits) -> usize {
        let mut code = 0;
        for length in 1..16 {
            code = code << 1 | bits.take(1) as u32;
            if let Some((_, _, symbol)) = self.0.iter().find(|(known, of, _)| (*known, *of) == (code, length)) {
                return *symbol;
            }
        }
        panic!("there is no such code");
    }
}

/// A large file weighs as much as a small one, and one kind of spans as much as another.
fn add_shares(counts: &[u32], weight: f64, shares: &mut [f64]) {
    let sum = counts.iter().sum::<u32>().max(1);
    shares.iter_mut().zip(counts).for_each(|(share, count)| *share += weight * f64::from(*count) / f64::from(sum));
}

/// Bytes of ids and times, all of them random: what one is more than another is chance, and one length for all is a shorter header.
fn even_out(shares: &mut [f64]) {
    let even = shares.iter().sum::<f64>() / shares.len() as f64;
    shares.fill(even);
}

fn expect_all(shares: &mut [f64]) {
    let least = shares.iter().sum::<f64>() * UNSEEN_SHARE / shares.len() as f64;
    shares.iter_mut().for_each(|share| *share += least);
}

/// The best lengths that are within a limit: package-merge. What has no share gets no code.
fn limited_lengths(shares: &[f64], limit: usize) -> Vec<u8> {
    let mut leaves: Vec<(f64, Vec<usize>)> =
        shares.iter().enumerate().filter(|(_, share)| **share > 0.0).map(|(index, share)| (*share, vec![index])).collect();
    leaves.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut merged: Vec<(f64, Vec<usize>)> = Vec::new();
    for _ in 0..limit {
        let packages = merged.chunks_exact(2).map(|pair| (pair[0].0 + pair[1].0, [&pair[0].1[..], &pair[1].1[..]].concat()));
        let mut next: Vec<_> = leaves.iter().cloned().chain(packages).collect();
        next.sort_by(|a, b| a.0.total_cmp(&b.0));
        merged = next;
    }
    let mut lengths = vec![0; shares.len()];
    for (_, symbols) in &merged[..2 * leaves.len() - 2] {
        symbols.iter().for_each(|symbol| lengths[*symbol] += 1);
    }
    lengths
}

fn runs(lengths: &[u8]) -> Vec<u8> {
    let mut runs = Vec::new();
    let mut index = 0;
    while index < lengths.len() {
        let length = lengths[index];
        runs.push(length);
        index += 1;
        let mut again = lengths[index..].iter().take_while(|next| **next == length).count();
        while again >= 3 {
            let count = again.min(6);
            runs.push(REPEAT | (count as u8 - 3) << 5);
            (index, again) = (index + count, again - count);
        }
    }
    runs
}
