//! UTF-8 in blocks of 64 bytes: for each byte, whether it may follow the three before it.
//!
//! J. Keiser and D. Lemire, "Validating UTF-8 in less than one instruction per byte", 2021: three tables say of two
//! bytes in a row which rules they may break; a rule that all three name is broken.

use std::arch::x86_64::*;

const TOO_SHORT: u8 = 1;
const TOO_LONG: u8 = 2;
const OVERLONG_3: u8 = 4;
const TOO_LARGE: u8 = 8;
const SURROGATE: u8 = 16;
const OVERLONG_2: u8 = 32;
/// Too large by two bits, or of four bytes where three will do: both are told by the same second byte.
const TOO_LARGE_1000: u8 = 64;
const OVERLONG_4: u8 = 64;
const TWO_CONTINUATIONS: u8 = 128;
const CARRY: u8 = TOO_SHORT | TOO_LONG | TWO_CONTINUATIONS;

/// By the upper half of a byte: what may be wrong with it and its follower.
const FIRST_HIGH: [u8; 16] = [
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TWO_CONTINUATIONS,
    TWO_CONTINUATIONS,
    TWO_CONTINUATIONS,
    TWO_CONTINUATIONS,
    TOO_SHORT | OVERLONG_2,
    TOO_SHORT,
    TOO_SHORT | OVERLONG_3 | SURROGATE,
    TOO_SHORT | TOO_LARGE | TOO_LARGE_1000 | OVERLONG_4,
];

/// By its lower half.
const FIRST_LOW: [u8; 16] = [
    CARRY | OVERLONG_3 | OVERLONG_2 | OVERLONG_4,
    CARRY | OVERLONG_2,
    CARRY,
    CARRY,
    CARRY | TOO_LARGE,
    CARRY | TOO_LARGE | TOO_LARGE_1000,
    CARRY | TOO_LARGE | TOO_LARGE_1000,
    CARRY | TOO_LARGE | TOO_LARGE_1000,
    CARRY | TOO_LARGE | TOO_LARGE_1000,
    CARRY | TOO_LARGE | TOO_LARGE_1000,
    CARRY | TOO_LARGE | TOO_LARGE_1000,
    CARRY | TOO_LARGE | TOO_LARGE_1000,
    CARRY | TOO_LARGE | TOO_LARGE_1000,
    CARRY | TOO_LARGE | TOO_LARGE_1000 | SURROGATE,
    CARRY | TOO_LARGE | TOO_LARGE_1000,
    CARRY | TOO_LARGE | TOO_LARGE_1000,
];

/// By the upper half of the follower.
const SECOND_HIGH: [u8; 16] = [
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_LONG | OVERLONG_2 | TWO_CONTINUATIONS | OVERLONG_3 | TOO_LARGE_1000 | OVERLONG_4,
    TOO_LONG | OVERLONG_2 | TWO_CONTINUATIONS | OVERLONG_3 | TOO_LARGE,
    TOO_LONG | OVERLONG_2 | TWO_CONTINUATIONS | SURROGATE | TOO_LARGE,
    TOO_LONG | OVERLONG_2 | TWO_CONTINUATIONS | SURROGATE | TOO_LARGE,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
];

/// The bytes of `block` that may not follow those before them: each vector holds the bytes that many places before.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn errors(block: __m512i, one: __m512i, two: __m512i, three: __m512i) -> u64 {
    let table = |table: [u8; 16]| {
        _mm512_broadcast_i32x4(_mm_set_epi64x(
            (u128::from_le_bytes(table) >> 64) as i64,
            u128::from_le_bytes(table) as i64,
        ))
    };
    let half = _mm512_set1_epi8(0x0f);
    let high = |bytes| _mm512_and_si512(_mm512_srli_epi16(bytes, 4), half);
    let first_high = _mm512_shuffle_epi8(table(FIRST_HIGH), high(one));
    let first_low = _mm512_shuffle_epi8(table(FIRST_LOW), _mm512_and_si512(one, half));
    let second_high = _mm512_shuffle_epi8(table(SECOND_HIGH), high(block));
    let broken = _mm512_and_si512(_mm512_and_si512(first_high, first_low), second_high);
    // The third and fourth byte of a character: the only place for two continuations in a row.
    let third = _mm512_subs_epu8(two, _mm512_set1_epi8((0xe0_u8 - 0x80) as i8));
    let fourth = _mm512_subs_epu8(three, _mm512_set1_epi8((0xf0_u8 - 0x80) as i8));
    let due = _mm512_and_si512(_mm512_or_si512(third, fourth), _mm512_set1_epi8(0x80_u8 as i8));
    let wrong = _mm512_xor_si512(broken, due);
    _mm512_test_epi8_mask(wrong, wrong)
}
