//! Tokens in, those of each line's top level out: what is in containers there is checked and left out.
//!
//! Lines whose payloads are of ever new shape are alike in that. What may follow what is told by three tokens in a row;
//! the rest is which of them are in objects and which in arrays: of what is at one level, each bracket and comma has to
//! agree with the one before it, unless another container begins there. Whether the top level is that of a record is
//! not asked.

use std::arch::x86_64::*;

use fearless_simd::prelude::*;
use fearless_simd::{kernel, u8x64, u16x32};

use super::stage1::{View, at};
use super::tape::*;

/// Lines in which containers are nested deeper, the record itself counted, are left to others.
const LEVELS: u8 = 32;

/// By kind of token: the rules that it breaks where they apply, ...
static RULES: [u8; 16] = table(0);
/// ... those that apply behind it, ...
static BEFORE: [u8; 16] = table(1);
/// ... and behind the token that follows it.
static BEFORE_THAT: [u8; 16] = table(2);

/// A key is due, or the object's end, ...
const KEY_OR_END: u8 = 1;
/// ... a value, or the array's end, ...
const VALUE_OR_END: u8 = 2;
/// ... a value, ...
const VALUE: u8 = 4;
/// ... what follows a value, ...
const NEXT: u8 = 8;
/// ... that or a colon, ...
const NEXT_OR_COLON: u8 = 16;
/// ... that or the rest of a number, ...
const NEXT_OR_POINT: u8 = 32;
/// ... and no colon, as the text is no key, or nothing but one.
const NO_COLON: u8 = 64;
const ONLY_COLON: u8 = 128;

const fn table(which: usize) -> [u8; 16] {
    let (mut table, mut kind) = ([0; 16], 0);
    while kind < 16 {
        table[kind as usize] = about(kind)[which];
        kind += 1;
    }
    table
}

const fn about(kind: u8) -> [u8; 3] {
    const OPEN_OBJECT_: u8 = OPEN_OBJECT & KIND;
    const OPEN_ARRAY_: u8 = OPEN_ARRAY & KIND;
    const CLOSE_OBJECT_: u8 = CLOSE_OBJECT & KIND;
    const CLOSE_ARRAY_: u8 = CLOSE_ARRAY & KIND;
    let value = KEY_OR_END | NEXT | NEXT_OR_COLON | NEXT_OR_POINT | ONLY_COLON;
    let next = KEY_OR_END | VALUE_OR_END | VALUE | ONLY_COLON;
    let elsewhere = !ONLY_COLON;
    match kind {
        OPEN_OBJECT_ => [value, KEY_OR_END, !NO_COLON],
        OPEN_ARRAY_ => [value, VALUE_OR_END, elsewhere],
        CLOSE_OBJECT_ => [next & !KEY_OR_END, NEXT, elsewhere],
        CLOSE_ARRAY_ => [next & !VALUE_OR_END, NEXT, elsewhere],
        COLON => [!(NEXT_OR_COLON | ONLY_COLON), VALUE, elsewhere],
        COMMA => [next, VALUE, elsewhere & !NO_COLON],
        TEXT => [value & !KEY_OR_END, NEXT_OR_COLON | NO_COLON | ONLY_COLON, elsewhere],
        NUMBER => [value, NEXT_OR_POINT, elsewhere],
        POINT => [!(NEXT_OR_POINT | NO_COLON), NEXT, elsewhere],
        // Stage 1 has seen that it is in a number.
        EXPONENT => [!(NEXT | NEXT_OR_POINT | NO_COLON), NEXT, elsewhere],
        WORD => [value, NEXT, elsewhere],
        // A newline, behind which nothing but a value may begin.
        0 => [next, VALUE, elsewhere],
        _ => [255, 255, 255],
    }
}

kernel!(
    /// Reads the top levels of the lines of a window.
    pub(super) fn tops(avx512: Avx512, view: &View, tape: &Tape, tops: &mut Tape) {
        let table = |table: &[u8; 16]| {
            let table = u128::from_le_bytes(*table);
            _mm512_broadcast_i32x4(_mm_set_epi64x((table >> 64) as i64, table as i64))
        };
        let [rules, before, before_that] = [&RULES, &BEFORE, &BEFORE_THAT].map(table);
        let (from, places) = (&tape.tokens[..TOKENS], &tape.places[..TOKENS]);
        let (to, to_places) = (&mut tops.tokens[..TOKENS], &mut tops.places[..TOKENS]);
        // How deep the last token was in containers, and for each level whether it is that of an object.
        let mut depth = _mm512_setzero_si512();
        let mut objects = 0_u64;
        let (mut i, mut count) = (FIRST, FIRST);
        while i < tape.end {
            let load = |i: usize| -> __m512i { u8x64::from_slice(avx512, &from[i..i + 64]).into() };
            let (tokens, one, two, ahead) = (load(i), load(i - 1), load(i - 2), load(i + 2));
            let has = |bits: u8| _mm512_test_epi8_mask(tokens, _mm512_set1_epi8(bits as i8));
            let is = |token: u8| _mm512_cmpeq_epi8_mask(tokens, _mm512_set1_epi8(token as i8));
            let broken = _mm512_ternarylogic_epi64(
                _mm512_shuffle_epi8(rules, tokens),
                _mm512_shuffle_epi8(before, one),
                _mm512_shuffle_epi8(before_that, two),
                0x80,
            );
            let mut wrong = _mm512_test_epi8_mask(broken, broken);

            // The level of a container's brackets and commas is that of what is in it.
            let levels = _mm512_add_epi8(depth, sums(_mm512_add_epi8(opened(tokens), closed(one))));
            let (opens, closes, commas, newlines) = (has(OPENS), has(CLOSES), is(COMMA), has(NEWLINE));
            wrong |= _mm512_cmpgt_epu8_mask(levels, _mm512_set1_epi8(LEVELS as i8));
            wrong |= newlines & _mm512_test_epi8_mask(levels, levels);
            let mut step = 64.min(tape.end - i);
            if wrong & newlines != 0 {
                // The next line begins anew.
                step = step.min((wrong & newlines).trailing_zeros() as usize + 1);
            }
            let inside = _bzhi_u64(u64::MAX, step as u32);
            let keys = _mm512_cmpeq_epi8_mask(ahead, _mm512_set1_epi8(COLON as i8));
            let (brackets, object) = (opens | closes, has(OBJECT) | keys);
            let all = (brackets | commas) & inside;
            let mut agree = |level: u8| {
                let on_it = _mm512_mask_cmpeq_epi8_mask(all, levels, _mm512_set1_epi8(level as i8));
                let kinds = _pext_u64(object, on_it);
                let unlike = (kinds ^ (kinds << 1 | objects >> level & 1)) & _pext_u64(!opens, on_it);
                wrong |= _pdep_u64(unlike, on_it);
                let last = object >> (63 - (on_it | 1).leading_zeros()) & 1;
                let next = objects & !(1 << level) | last << level;
                objects = if on_it == 0 { objects } else { next };
            };
            agree(2);
            agree(3);
            agree(4);
            if _mm512_mask_cmpgt_epu8_mask(inside, levels, _mm512_set1_epi8(4)) != 0 {
                (5..=LEVELS).for_each(agree);
            }
            let mut kept = _mm512_cmple_epu8_mask(levels, _mm512_set1_epi8(1))
                | brackets & _mm512_cmpeq_epi8_mask(levels, _mm512_set1_epi8(2));
            let mut look = (is(WORD) | is(EXPONENT)) & inside & !kept;
            while look != 0 {
                let token = look.trailing_zeros() as usize;
                let place = i + token;
                if !is_well_formed(at(view, places[place]), places[place + 1].wrapping_sub(places[place])) {
                    wrong |= 1 << token;
                }
                look &= look - 1;
            }
            let mut tokens = tokens;
            if wrong & inside != 0 {
                kept |= wrong;
                let error = _mm512_or_si512(
                    _mm512_and_si512(tokens, _mm512_set1_epi8(NEWLINE as i8)),
                    _mm512_set1_epi8(ERROR as i8),
                );
                tokens = _mm512_mask_blend_epi8(wrong, tokens, error);
            }
            kept &= inside;
            u8x64::simd_from(avx512, _mm512_maskz_compress_epi8(kept, tokens)).store_slice(&mut to[count..count + 64]);
            for (half, kept) in [kept as u32, (kept >> 32) as u32].into_iter().enumerate() {
                let from = i + 32 * half;
                let some = u16x32::from_slice(avx512, &places[from..from + 32]).into();
                u16x32::simd_from(avx512, _mm512_maskz_compress_epi16(kept, some))
                    .store_slice(&mut to_places[count..count + 32]);
                count += kept.count_ones() as usize;
            }
            depth = _mm512_permutexvar_epi8(_mm512_set1_epi8(63), levels);
            if step < 64 {
                (depth, objects) = (_mm512_setzero_si512(), 0);
            }
            i += step;
        }

        tops.end = count;
        lines(avx512, tops);
    }
);

/// One for each opening bracket.
#[inline]
#[target_feature(enable = "avx512f,gfni")]
fn opened(tokens: __m512i) -> __m512i {
    _mm512_gf2p8affine_epi64_epi8::<0>(tokens, _mm512_set1_epi64(i64::from(OPENS) << 56))
}

/// One less for each closing bracket.
#[inline]
#[target_feature(enable = "avx512f,gfni")]
fn closed(tokens: __m512i) -> __m512i {
    _mm512_gf2p8affine_epi64_epi8::<0>(tokens, _mm512_set1_epi8(CLOSES as i8))
}

/// For each byte its sum with all before it.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn sums(bytes: __m512i) -> __m512i {
    let bytes = _mm512_add_epi8(bytes, _mm512_slli_epi64::<8>(bytes));
    let bytes = _mm512_add_epi8(bytes, _mm512_slli_epi64::<16>(bytes));
    let bytes = _mm512_add_epi8(bytes, _mm512_slli_epi64::<32>(bytes));
    // Of each eight their sum, for all eight that come then.
    let last = _mm512_shuffle_epi8(
        bytes,
        _mm512_set_epi64(
            0x0f0f_0f0f_0f0f_0f0f,
            0x0707_0707_0707_0707,
            0x0f0f_0f0f_0f0f_0f0f,
            0x0707_0707_0707_0707,
            0x0f0f_0f0f_0f0f_0f0f,
            0x0707_0707_0707_0707,
            0x0f0f_0f0f_0f0f_0f0f,
            0x0707_0707_0707_0707,
        ),
    );
    let none = _mm512_setzero_si512();
    let last = _mm512_alignr_epi64::<7>(last, none);
    let last = _mm512_add_epi8(last, _mm512_alignr_epi64::<7>(last, none));
    let last = _mm512_add_epi8(last, _mm512_alignr_epi64::<6>(last, none));
    let last = _mm512_add_epi8(last, _mm512_alignr_epi64::<4>(last, none));
    _mm512_add_epi8(bytes, last)
}

/// Whether that is a word or a number's exponent, of that length.
#[inline]
fn is_well_formed(text: &[u8; 32], length: u16) -> bool {
    let [a, b, c, d, e, ..] = *text;
    let word = u32::from_le_bytes([a, b, c, d]);
    let four = (word == u32::from_le_bytes(*b"true")) | (word == u32::from_le_bytes(*b"null"));
    let five = (word == u32::from_le_bytes(*b"fals")) & (e == b'e');
    if four & (length == 4) | five & (length == 5) {
        return true;
    }
    match text {
        [b'e' | b'E', b'-' | b'+', b'0'..=b'9', b'0'..=b'9', b',' | b']' | b'}', ..] => length == 4,
        [b'e' | b'E', b'-' | b'+', b'0'..=b'9', b',' | b']' | b'}', ..]
        | [b'e' | b'E', b'0'..=b'9', b'0'..=b'9', b',' | b']' | b'}', ..] => length == 3,
        [b'e' | b'E', b'0'..=b'9', b',' | b']' | b'}', ..] => length == 2,
        _ => false,
    }
}
