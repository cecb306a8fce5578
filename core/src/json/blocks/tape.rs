//! The tokens of a window of lines: which there are, and where each line ends among them. [`super::stage1`] finds them.

use std::arch::x86_64::*;

use fearless_simd::prelude::*;
use fearless_simd::{Avx512, u8x64, u16x32};

/// A window has at most so many bytes: its tokens stay in the nearest cache, and their places fit 16 bits.
pub(super) const WINDOW: usize = 16 * 1024;

/// Reading a whole vector from any token or byte on stays within the tape or the view.
pub(super) const SLACK: usize = 128;

/// The lower half of a token tells it from others.
pub(super) const KIND: u8 = 15;
/// This bit is that of an opening bracket, ...
pub(super) const OPENS: u8 = 32;
/// ... this of a closing one, ...
pub(super) const CLOSES: u8 = 64;
/// ... and this, among brackets, of one of an object.
pub(super) const OBJECT: u8 = 1;
pub(super) const OPEN_OBJECT: u8 = 1 | OPENS;
pub(super) const CLOSE_OBJECT: u8 = 3 | CLOSES;
pub(super) const OPEN_ARRAY: u8 = 2 | OPENS;
pub(super) const CLOSE_ARRAY: u8 = 4 | CLOSES;
pub(super) const COLON: u8 = 5;
pub(super) const COMMA: u8 = 6;
/// The opening quote of a text.
pub(super) const TEXT: u8 = 7;
/// The first byte of a number.
pub(super) const NUMBER: u8 = 8;
/// The point in a number.
pub(super) const POINT: u8 = 9;
/// The first letter of a literal.
pub(super) const WORD: u8 = 10;
/// The letter in a number, be what follows an exponent or not.
pub(super) const EXPONENT: u8 = 12;
/// What only [`crate::json::fast`] and the careful reader may judge; of a newline, with its bit.
pub(super) const ERROR: u8 = 11;
/// This bit is that of a newline, be there an error or not.
pub(super) const NEWLINE: u8 = 16;

/// The first token of a window: there are two before it that are nothing, as each is judged by those, too.
pub(super) const FIRST: usize = 2;

/// The tokens of a window.
#[derive(Debug)]
pub(super) struct Tape {
    /// What each token is.
    pub(super) tokens: Vec<u8>,
    /// Where it stands in the window.
    pub(super) places: Vec<u16>,
    /// The index just past the last one.
    pub(super) end: usize,
    /// For each line: the index just past its last token, the newline.
    pub(super) lines: Vec<u16>,
    /// How many lines there are.
    pub(super) count: usize,
    /// Whether the line behind them is broken within a string.
    pub(super) torn: bool,
    /// Whether there are bytes beyond ASCII in the window.
    pub(super) beyond: bool,
}

/// Room for the tokens of a window, and to read or write whole vectors from any of them on.
pub(super) const TOKENS: usize = WINDOW + 2 * SLACK;

impl Default for Tape {
    fn default() -> Tape {
        Tape {
            tokens: vec![0; TOKENS],
            places: vec![0; TOKENS],
            end: FIRST,
            lines: vec![0; TOKENS],
            count: 0,
            torn: false,
            beyond: false,
        }
    }
}

/// Finds the lines among the tokens. What is behind the last newline counts for nothing.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,popcnt")]
pub(super) fn lines(avx512: Avx512, tape: &mut Tape) {
    let load = |bytes: &[u8; 64]| -> __m512i { u8x64::simd_from(avx512, *bytes).into() };
    let mut iota = [0; 64];
    (0..64).for_each(|i| iota[i] = i as u8);
    let iota = load(&iota);
    let tokens = &mut tape.tokens[..TOKENS];
    tokens[tape.end..].iter_mut().take(64).for_each(|token| *token = 0);
    tape.count = 0;
    let mut bases = _mm512_set1_epi16(1);
    for tokens in tokens[..tape.end + 64].as_chunks::<64>().0 {
        let newlines = _mm512_test_epi8_mask(load(tokens), _mm512_set1_epi8(NEWLINE as i8));
        let at = _mm512_maskz_compress_epi8(newlines, iota);
        store(avx512, bases, _mm512_castsi512_si256(at), &mut tape.lines[tape.count..tape.count + 32]);
        store(avx512, bases, _mm512_extracti64x4_epi64(at, 1), &mut tape.lines[tape.count + 32..tape.count + 64]);
        tape.count += newlines.count_ones() as usize;
        bases = _mm512_add_epi16(bases, _mm512_set1_epi16(64));
    }
}

/// Stores these numbers with what is to be added to them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn store(avx512: Avx512, bases: __m512i, numbers: __m256i, to: &mut [u16]) {
    u16x32::simd_from(avx512, _mm512_add_epi16(_mm512_cvtepu8_epi16(numbers), bases)).store_slice(to);
}
