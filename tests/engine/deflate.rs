//! Compression, judged by a decoder that is not ours, and by zlib's sizes.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use webspan::deflate::Deflater;

/// Request bodies of real pages, by name; those of the sites that the code was not trained on too.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let files = fs::read_dir(dir).expect("the corpus is there").map(|entry| entry.expect("readable").path());
    let bodies = files.filter(|path| path.extension().is_some_and(|extension| extension == "bin"));
    bodies.map(|path| (path.file_stem().expect("named").to_string_lossy().into_owned(), fs::read(&path).expect("readable"))).collect()
}

fn compressed(deflater: &mut Deflater, pieces: &[&[u8]]) -> Vec<u8> {
    for piece in pieces {
        deflater.input().extend_from_slice(piece);
        deflater.deflate();
    }
    let announced = deflater.bytes();
    let mut body = b"what was there before".to_vec();
    deflater.finish(&mut body);
    assert_eq!(body.len(), announced);
    body
}

/// Also sees to the CRC, the length, and that nothing stands behind the end.
#[track_caller]
fn inflated(body: &[u8]) -> Vec<u8> {
    let mut decoder = GzDecoder::new(body);
    let mut bytes = Vec::new();
    decoder.read_to_end(&mut bytes).expect("the body is gzip");
    assert!(decoder.into_inner().is_empty(), "bytes behind the end");
    bytes
}

/// What zlib makes of it at its usual level, by way of zlib-rs, which is within half a percent of the C library's for these.
fn by_zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

#[test]
fn spans_of_real_pages_are_nearly_as_small_as_zlib_makes_them() {
    let corpus = corpus();
    assert_eq!(corpus.len(), 10);
    let mut deflater = Deflater::new();
    for (name, body) in corpus {
        // As they are compressed ahead: in slices.
        let ours = compressed(&mut deflater, &body.chunks(16_384).collect::<Vec<_>>());
        assert_eq!(inflated(&ours), body, "{name}");
        let limit = if name.contains("page-load") { 1.10 } else { 1.05 };
        let ratio = ours.len() as f64 / by_zlib(&body).len() as f64;
        assert!(ratio <= limit, "{name}: {ratio:.3} of what zlib makes of it, at most {limit}");
    }
}

#[test]
fn nothing_is_compressed_to_an_empty_file() {
    assert_eq!(inflated(&compressed(&mut Deflater::new(), &[])), b"");
    assert_eq!(inflated(&compressed(&mut Deflater::new(), &[b"", b""])), b"");
}

#[test]
fn the_same_bytes_are_compressed_the_same_whatever_was_before() {
    let mut deflater = Deflater::new();
    let bodies: Vec<_> = corpus().into_iter().map(|(_, body)| body).collect();
    let first = compressed(&mut deflater, &[&bodies[0]]);
    for body in &bodies[1..] {
        compressed(&mut deflater, &[body]);
    }
    assert_eq!(compressed(&mut deflater, &[&bodies[0]]), first);
    deflater.input().extend_from_slice(&bodies[1]);
    deflater.deflate();
    deflater.restart();
    assert_eq!(compressed(&mut deflater, &[&bodies[0]]), first);
}

/// A sequence in which each of its pieces stands once, so that nothing repeats for long.
fn de_bruijn(bits: u32) -> Vec<u8> {
    let mut register = 1u32;
    let step = |register: &mut u32| {
        *register = *register >> 1 ^ if *register & 1 == 1 { 0xB400 } else { 0 };
        (*register & 1) as u8
    };
    (0..1usize << bits).map(|_| step(&mut register)).collect()
}

#[test]
fn input_that_is_made_to_be_hard_comes_back_too() {
    let mut deflater = Deflater::new();
    let far =
        [&b"the very same words"[..], &vec![7; 16_384 - 19], b"the very same words", &vec![9; 70_000], b"the very same words"].concat();
    let cases: [&[u8]; 6] = [&vec![0; 1 << 20], &de_bruijn(16), &de_bruijn(19), &b"abcd".repeat(100_000), &b"ab".repeat(1 << 17), &far];
    for case in cases {
        assert_eq!(inflated(&compressed(&mut deflater, &[case])), case);
        assert_eq!(inflated(&compressed(&mut deflater, &case.chunks(1000).collect::<Vec<_>>())), case);
    }
}

proptest! {
    #[test]
    fn whatever_is_put_in_comes_out_again_in_whatever_pieces(
        pieces in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..300),
                prop::collection::vec(0u8..3, 0..3000),
                (any::<u8>(), 0usize..5000).prop_map(|(byte, count)| vec![byte; count]),
                (0usize..10, 0usize..20_000, 0usize..9000).prop_map(|(which, from, count)| {
                    let (_, body) = &corpus()[which];
                    let from = from.min(body.len());
                    body[from..body.len().min(from + count)].to_vec()
                }),
            ],
            0..12,
        ),
    ) {
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(inflated(&compressed(&mut Deflater::new(), &pieces)), pieces.concat());
    }

    #[test]
    fn what_there_was_room_for_fits(known in prop::collection::vec(any::<u8>(), 0..2000), bound in 0usize..9000, byte in any::<u8>(), kind in 0..3) {
        let mut deflater = Deflater::new();
        deflater.input().extend_from_slice(&known);
        deflater.deflate();
        let room = deflater.room(bound);
        let mut state = u32::from(byte) + 1;
        let filling = (0..room).map(|index| match kind {
            // The bytes with the longest codes, in an order of no length and without any.
            0 => byte,
            1 => if index % 5 == 4 { index as u8 } else { byte },
            _ => { state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223); 0x80 | (state >> 24) as u8 }
        });
        deflater.input().extend(filling);
        deflater.deflate();
        prop_assert!(room == 0 || deflater.bytes() <= bound, "{} bytes of {bound}", deflater.bytes());
    }
}
