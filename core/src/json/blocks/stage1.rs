//! Stage 1: a window of bytes in, the tokens of its lines out, 64 bytes at a step and without a branch on what they
//! are.
//!
//! Each block of 64 bytes becomes bitmaps, one bit for each byte: quotes, what is inside of strings, structure, digits
//! and so on. What can be said of a byte by its neighbours is checked here: strings, their escapes and UTF-8, numbers
//! but for what their exponents are, letters and white space outside of strings. Where that fails, [`ERROR`] takes the
//! token's place. Which tokens may follow one another, and what words say, is not looked at: [`super::skeleton`] knows.

use std::arch::x86_64::*;

use fearless_simd::prelude::*;
use fearless_simd::{kernel, u8x64};

use super::tape::*;
use super::utf8;

/// So many bytes before the window are in view: each byte is judged by the three before it, and numbers are read by
/// their ends.
const BEFORE_IT: usize = 64;

/// What is in view: the window, and some bytes on both sides of it.
pub(super) type View = [u8; BEFORE_IT + WINDOW + SLACK];

/// A view of white space.
pub(super) fn nothing() -> Box<View> {
    Box::new([b' '; BEFORE_IT + WINDOW + SLACK])
}

/// The view of the window that begins at `i` of the chunk, and how many bytes of the window there are. Where the chunk
/// has not all of it, it is copied, with white space around it.
#[inline]
pub(super) fn view<'a>(chunk: &'a [u8], i: usize, copy: &'a mut View) -> (&'a View, usize) {
    let whole = i.checked_sub(BEFORE_IT).and_then(|from| chunk[from..].first_chunk());
    if let Some(view) = whole {
        return (view, WINDOW);
    }
    let length = (chunk.len() - i).min(WINDOW);
    copy[BEFORE_IT..][..length].copy_from_slice(&chunk[i..][..length]);
    copy[BEFORE_IT + length..][..SLACK].fill(b' ');
    (copy, length)
}

/// The 32 bytes from that place of the window on.
#[inline(always)]
pub(super) fn at(view: &View, place: u16) -> &[u8; 32] {
    let from = BEFORE_IT + usize::from(place) % WINDOW;
    view[from..from + 32].first_chunk().unwrap_or(&[0; 32])
}

/// The 32 bytes up to that place of the window.
#[inline(always)]
pub(super) fn until(view: &View, place: u16) -> &[u8; 32] {
    let to = BEFORE_IT + usize::from(place) % WINDOW;
    view[to - 32..to].first_chunk().unwrap_or(&[0; 32])
}

/// What each token is by its first character; white space and what cannot begin a token are 0.
static KINDS: [[u8; 64]; 2] = table(0);
/// A rule applies to a byte outside of strings where this table has its bit for the byte, ...
static RULES: [[u8; 64]; 2] = table(1);
/// ... this one for the byte before it ...
static BEFORE: [[u8; 64]; 2] = table(2);
/// ... and this one for the byte before that.
static BEFORE_THAT: [[u8; 64]; 2] = table(3);

/// Structure, and the point in a number, are tokens.
const TOKEN: u8 = 1;
/// What begins a number or word is one.
const START: u8 = 2;
/// Errors: a byte that stands in strings only, ...
const FOREIGN: u8 = 4;
/// ... a point that follows no digit, ...
const LOOSE_POINT: u8 = 8;
/// ... what is no digit behind a sign or a point, ...
const LOOSE_MARK: u8 = 16;
/// ... a letter or sign behind a digit, ...
const ENDLESS_NUMBER: u8 = 32;
/// ... a digit or sign behind a letter, ...
const ENDLESS_WORD: u8 = 64;
/// ... and a digit behind a zero that begins a number.
const LEADING_ZERO: u8 = 128;

const fn table(which: usize) -> [[u8; 64]; 2] {
    let (mut table, mut byte) = ([[0; 64]; 2], 0);
    while byte < 128 {
        table[byte / 64][byte % 64] = about(byte as u8)[which];
        byte += 1;
    }
    table
}

const fn about(byte: u8) -> [u8; 4] {
    let anything = TOKEN | FOREIGN;
    let no_scalar = anything | START | LOOSE_POINT;
    match byte {
        b'{' => [OPEN_OBJECT, TOKEN | LOOSE_MARK, no_scalar, 255],
        b'}' => [CLOSE_OBJECT, TOKEN | LOOSE_MARK, no_scalar, 255],
        b'[' => [OPEN_ARRAY, TOKEN | LOOSE_MARK, no_scalar, 255],
        b']' => [CLOSE_ARRAY, TOKEN | LOOSE_MARK, no_scalar, 255],
        b':' => [COLON, TOKEN | LOOSE_MARK, no_scalar, 255],
        b',' => [COMMA, TOKEN | LOOSE_MARK, no_scalar, 255],
        b'\n' => [NEWLINE, TOKEN | LOOSE_MARK, no_scalar, 255],
        b' ' | b'\t' => [0, LOOSE_MARK, no_scalar, 255],
        b'"' => [TEXT, 0, no_scalar, 255],
        b'0' => [NUMBER, START | ENDLESS_WORD | LEADING_ZERO, anything | ENDLESS_NUMBER | LEADING_ZERO, !LEADING_ZERO],
        b'1'..=b'9' => [NUMBER, START | ENDLESS_WORD | LEADING_ZERO, anything | ENDLESS_NUMBER, !LEADING_ZERO],
        b'-' => [NUMBER, START | LOOSE_MARK | ENDLESS_NUMBER | ENDLESS_WORD, anything | LOOSE_POINT | LOOSE_MARK, 255],
        b'.' => {
            [POINT, TOKEN | LOOSE_POINT | LOOSE_MARK | ENDLESS_WORD, anything | LOOSE_POINT | LOOSE_MARK, !LEADING_ZERO]
        }
        b'a' | b'e' | b'f' | b'l' | b'n' | b'r' | b's' | b't' | b'u' => {
            [WORD, START | LOOSE_MARK | ENDLESS_NUMBER, anything | LOOSE_POINT | ENDLESS_WORD, 255]
        }
        _ => [0, FOREIGN, no_scalar, 255],
    }
}

/// What a block leaves to the next one: the bits of its last bytes, in the lowest places.
#[derive(Default)]
struct Carry {
    escaped: u64,
    /// All ones inside of a string.
    inside: u64,
    /// Where digits of a `\\u` are due.
    unicode: u64,
    /// Whether the last three are beyond ASCII.
    beyond: u64,
}

kernel!(
    /// Reads the lines of a window of that length that are whole. It ends early at a line that is broken within a
    /// string, as what is inside and what outside of strings cannot be said behind that.
    pub(super) fn read(avx512: Avx512, view: &View, length: usize, tape: &mut Tape) {
        let load = |block: &[u8; 64]| -> __m512i { u8x64::simd_from(avx512, *block).into() };
        let [kinds, rules, rules_before, rules_before_that] =
            [&KINDS, &RULES, &BEFORE, &BEFORE_THAT].map(|table| [load(&table[0]), load(&table[1])]);
        let of = |table: [__m512i; 2], bytes: __m512i| _mm512_permutex2var_epi8(table[0], bytes, table[1]);
        let mut iota = [0; 64];
        (0..64).for_each(|i| iota[i] = i as u8);
        let iota = load(&iota);
        let (tokens, places) = (&mut tape.tokens[..TOKENS], &mut tape.places[..TOKENS]);
        let mut carry = Carry::default();
        tape.torn = false;
        // Where some text is beyond ASCII, which block has any cannot be guessed: then it costs less to look at all of
        // them.
        let (always, mut any_beyond) = (tape.beyond, 0);
        let (mut count, mut base) = (FIRST, 0);
        let mut bases = _mm512_setzero_si512();
        while base < length.min(WINDOW) {
            let around = &view[base..base + BEFORE_IT + 64];
            let behind =
                |bytes: usize| -> __m512i { u8x64::from_slice(avx512, &around[BEFORE_IT - bytes..][..64]).into() };
            let v = behind(0);
            let is = |byte: u8| _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(byte as i8));
            // Strings.
            let backslashes = is(b'\\');
            let mut quotes = is(b'"');
            let mut errors = 0;
            let was_inside = carry.inside;
            if backslashes | carry.escaped | carry.unicode != 0 {
                let escapes = escaped(backslashes, &mut carry.escaped);
                quotes &= !escapes;
                let good = is(b'"') | is(b'\\') | is(b'/') | is(b'b') | is(b'f') | is(b'n') | is(b'r') | is(b't');
                let unicode = escapes & is(b'u');
                let mut due = carry.unicode;
                let mut i = 1;
                while i <= 4 {
                    due |= unicode << i;
                    i += 1;
                }
                carry.unicode = unicode >> 63 | unicode >> 62 | unicode >> 61 | unicode >> 60;
                let folded = _mm512_or_si512(v, _mm512_set1_epi8(0x20));
                let letters =
                    _mm512_cmplt_epu8_mask(_mm512_sub_epi8(folded, _mm512_set1_epi8(b'a' as i8)), _mm512_set1_epi8(6));
                let hex = letters
                    | _mm512_cmplt_epu8_mask(_mm512_sub_epi8(v, _mm512_set1_epi8(b'0' as i8)), _mm512_set1_epi8(10));
                errors |= escapes & !(good | unicode) | due & !hex;
            }
            let ones = _mm_set1_epi8(-1);
            let inside =
                _mm_cvtsi128_si64(_mm_clmulepi64_si128(_mm_set_epi64x(0, quotes as i64), ones, 0)) as u64 ^ was_inside;
            carry.inside = (inside as i64 >> 63) as u64;
            let outside = !(inside | quotes);
            let control = _mm512_cmplt_epu8_mask(v, _mm512_set1_epi8(0x20));
            let beyond = _mm512_movepi8_mask(v);
            errors |= control & inside;

            // Outside of strings: what each byte may follow.
            let [one, two] = [behind(1), behind(2)];
            let applies =
                _mm512_ternarylogic_epi64(of(rules, v), of(rules_before, one), of(rules_before_that, two), 0x80);
            let is_token = _mm512_test_epi8_mask(applies, _mm512_set1_epi8((TOKEN | START) as i8));
            let is_wrong = _mm512_test_epi8_mask(applies, _mm512_set1_epi8(!(TOKEN | START) as i8));
            let wrong = (is_wrong | beyond) & outside;
            errors |= wrong;
            if always | (beyond | carry.beyond != 0) {
                errors |= utf8::errors(v, one, two, behind(3));
            }
            carry.beyond = beyond >> 61;
            any_beyond |= beyond;

            let mut taken = is_token & outside | quotes & inside;
            // A number as long as a block may be too large for a double.
            if outside == u64::MAX && taken.count_ones() <= 2 {
                errors = u64::MAX;
            }
            let mut kind = of(kinds, v);
            if errors != 0 {
                if is(b'\n') & inside != 0 {
                    tape.torn = true;
                    break;
                }
                let digits = |bytes| {
                    _mm512_cmplt_epu8_mask(_mm512_sub_epi8(bytes, _mm512_set1_epi8(b'0' as i8)), _mm512_set1_epi8(10))
                };
                let exponents = (is(b'e') | is(b'E')) & digits(one) & outside;
                let behind = exponents << 1 | exponents << 2 | exponents << 3;
                errors &= !(exponents | behind & (digits(v) | is(b'-') | is(b'+')));
                kind = _mm512_mask_blend_epi8(exponents, kind, _mm512_set1_epi8(EXPONENT as i8));
                taken |= errors | exponents;
                let wrong = _mm512_or_si512(
                    _mm512_and_si512(kind, _mm512_set1_epi8(NEWLINE as i8)),
                    _mm512_set1_epi8(ERROR as i8),
                );
                kind = _mm512_mask_blend_epi8(errors, kind, wrong);
            }
            let packed = u8x64::simd_from(avx512, _mm512_maskz_compress_epi8(taken, kind));
            packed.store_slice(&mut tokens[count..count + 64]);
            let at = _mm512_maskz_compress_epi8(taken, iota);
            store(avx512, bases, _mm512_castsi512_si256(at), &mut places[count..count + 32]);
            let taken = taken.count_ones() as usize;
            if taken > 32 {
                store(avx512, bases, _mm512_extracti64x4_epi64(at, 1), &mut places[count + 32..count + 64]);
            }
            count += taken;
            base += 64;
            bases = _mm512_add_epi16(bases, _mm512_set1_epi16(64));
        }

        tape.beyond = any_beyond != 0;
        tape.end = count;
        lines(avx512, tape);
    }
);

/// The bytes that a backslash stands before, itself not escaped (as simdjson does it, by the carry of a subtraction).
#[inline(always)]
fn escaped(backslashes: u64, carry: &mut u64) -> u64 {
    const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
    let potential = backslashes & !*carry;
    let codes = (potential << 1 | ODD).wrapping_sub(potential) ^ ODD;
    let escaped = codes ^ (backslashes | *carry);
    *carry = (codes & backslashes) >> 63;
    escaped
}
