//! The lines' `timestamp`s, eight at a time: what takes long for one of them is done for all while it waits.
//!
//! Each step is that of [`number::scaled`] with many digits, which says how it is done.

use std::arch::x86_64::*;

use fearless_simd::prelude::*;
use fearless_simd::{Avx512, u8x32, u64x8};

use super::skeleton::{NOWHERE, Skeleton, TOKENS};
use super::stage1::{View, until};
use super::tape::POINT;
use crate::json::number;

/// So many numbers are read at a time.
pub(super) const AT_ONCE: usize = 8;

/// Of each number its digits, and what the place of its point asks for.
#[derive(Default)]
pub(super) struct Numbers {
    digits: [u64; AT_ONCE],
    reciprocals: [u64; AT_ONCE],
    bits: [u64; AT_ONCE],
}

impl Numbers {
    /// Reads the digits of the `timestamp`, 0 if the record has none, as number `i`; `false` when that is left to
    /// [`number`].
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub(super) fn read(
        &mut self,
        avx512: Avx512,
        i: usize,
        skeleton: &Skeleton,
        view: &View,
        places: &[u16; TOKENS],
    ) -> bool {
        let token = usize::from(skeleton.timestamp) % (TOKENS - 2);
        let pointed = skeleton.tokens[token + 1] == POINT;
        let [start, next, after] = [places[token], places[token + 1], places[token + 2]];
        let (end, behind) = if pointed { (after, after.wrapping_sub(next + 1)) } else { (next, 0) };
        let count = end.wrapping_sub(start + u16::from(pointed));
        if skeleton.timestamp == NOWHERE {
            return true;
        }
        if usize::from(count) > number::DIGITS || behind > count {
            return false;
        }
        // What is behind the point are the last bytes, and what is before it comes one byte sooner.
        let [fraction, whole]: [__m256i; 2] =
            [end, end - 1].map(|end| u8x32::simd_from(avx512, *until(view, end)).into());
        let is_fraction = if pointed { !(u32::MAX >> behind) } else { u32::MAX };
        let digits = _mm256_mask_blend_epi8(is_fraction, whole, fraction);
        let digits = _mm256_maskz_sub_epi8(!(u32::MAX >> count), digits, _mm256_set1_epi8(b'0' as i8));
        if _mm256_cmpgt_epu8_mask(digits, _mm256_set1_epi8(9)) != 0 {
            return false;
        }
        // Pairs, fours and eights of them.
        let pairs = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(0x010a));
        let fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x0001_0064));
        let eights = _mm256_madd_epi16(_mm256_packus_epi32(fours, fours), _mm256_set1_epi32(0x0001_2710));
        let (first, rest) = (_mm256_extract_epi64(eights, 0) as u64, _mm256_extract_epi64(eights, 2) as u64);
        self.digits[i] = ((first >> 32) * 100_000_000 + (rest & 0xffff_ffff)) * 100_000_000 + (rest >> 32);
        (self.reciprocals[i], self.bits[i]) = number::reciprocal(usize::from(behind));
        true
    }

    /// The bits of the numbers' values, and a bit for each that is too close to the middle between two doubles to tell.
    #[inline]
    #[target_feature(enable = "avx512f,avx512cd")]
    pub(super) fn values(&self, avx512: Avx512) -> ([u64; AT_ONCE], u8) {
        let [digits, reciprocals, bits]: [__m512i; 3] =
            [self.digits, self.reciprocals, self.bits].map(|numbers| u64x8::simd_from(avx512, numbers).into());
        let number = |number: i64| _mm512_set1_epi64(number);
        let shift = _mm512_lzcnt_epi64(digits);
        let product = upper_half(_mm512_sllv_epi64(digits, shift), reciprocals);
        let surplus = _mm512_sub_epi64(number(11), _mm512_lzcnt_epi64(product));
        let half = _mm512_sllv_epi64(number(1), _mm512_sub_epi64(surplus, number(1)));
        let above = _mm512_sub_epi64(_mm512_add_epi64(half, half), number(1));
        let rest = _mm512_and_si512(product, above);
        let more = _mm512_add_epi64(rest, number(1));
        let unsure = _mm512_cmpeq_epi64_mask(rest, half) | _mm512_cmpeq_epi64_mask(more, half);
        let mantissa = _mm512_srlv_epi64(product, surplus);
        let mantissa = _mm512_mask_add_epi64(mantissa, _mm512_cmpgt_epu64_mask(rest, half), mantissa, number(1));
        let exponent = _mm512_sub_epi64(_mm512_add_epi64(number(1075), surplus), _mm512_add_epi64(shift, bits));
        let some = _mm512_test_epi64_mask(digits, digits);
        let values = _mm512_maskz_add_epi64(some, _mm512_slli_epi64::<52>(exponent), mantissa);
        let mut seconds = [0; AT_ONCE];
        u64x8::simd_from(avx512, values).store_slice(&mut seconds);
        (seconds, unsure & some)
    }
}

/// The upper halves of the products.
#[inline]
#[target_feature(enable = "avx512f")]
fn upper_half(a: __m512i, b: __m512i) -> __m512i {
    let upper = |number| _mm512_srli_epi64::<32>(number);
    let lowest = _mm512_mul_epu32(a, b);
    let middle = _mm512_add_epi64(_mm512_mul_epu32(upper(a), b), upper(lowest));
    let low_middle = _mm512_and_si512(middle, _mm512_set1_epi64(0xffff_ffff));
    let other = _mm512_add_epi64(_mm512_mul_epu32(a, upper(b)), low_middle);
    let highest = _mm512_mul_epu32(upper(a), upper(b));
    _mm512_add_epi64(highest, _mm512_add_epi64(upper(middle), upper(other)))
}
