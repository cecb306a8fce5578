//! The lines of a window that have a skeleton are found here, and the little is read that skeletons do not say.
//!
//! Each step goes through all lines before the next one does, so that the processor has several of them in hand at a time.

use std::arch::x86_64::*;

use fearless_simd::prelude::*;
use fearless_simd::{Avx512, kernel, u8x32, u8x64};

use super::skeleton::{CHECKS, Check, NONE, NOWHERE, Skeletons, TOKENS};
use super::stage1::{View, at};
use super::tape::{FIRST, Tape};
use crate::json::number;
use crate::record::{CRASHED, RESTARTED, RecordFacts};

/// A line of a window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    start: u32,
    length: u32,
    skeleton: u16,
    /// Whether the `event_type` is [`CRASHED`], and whether it is [`RESTARTED`].
    event: [bool; 2],
    timestamp: f64,
}

impl Found {
    /// Its facts, if it has a skeleton.
    #[inline(always)]
    pub(super) fn facts(&self, skeletons: &Skeletons) -> Option<RecordFacts> {
        let mut facts = *skeletons.facts.get(usize::from(self.skeleton))?;
        facts.timestamp = facts.timestamp.map(|_| self.timestamp);
        [facts.crashed, facts.restarted] = self.event;
        Some(facts)
    }

    /// Where it begins in the window.
    #[inline(always)]
    pub(super) fn start(&self) -> usize {
        self.start as usize
    }

    /// Its length in bytes, with its newline.
    #[inline(always)]
    pub(super) fn length(&self) -> usize {
        self.length as usize
    }
}

kernel!(
    /// Finds the lines of a window.
    pub(super) fn find(avx512: Avx512, skeletons: &Skeletons, view: &View, tape: &Tape, found: &mut Vec<Found>) {
        found.clear();
        let (mut from, mut start) = (FIRST, 0);
        for line in &tape.lines[..tape.count] {
            let to = usize::from(*line);
            let end = usize::from(tape.places[to - 1]) + 1;
            let mut skeleton = skeletons.first.get(to - from).copied().unwrap_or(NONE);
            let Some(tokens) = tape.tokens[from..].first_chunk() else { return };
            let Some(places) = tape.places[from..].first_chunk() else { return };
            while let Some(this) = skeletons.all.get(usize::from(skeleton)) {
                if is_like(avx512, tokens, &this.tokens, to - from)
                    && stand(avx512, &skeletons.checks[this.checks.clone()], view, places)
                {
                    break;
                }
                skeleton = this.next;
            }
            let length = (end - start) as u32;
            found.push(Found { start: start as u32, length, skeleton, event: [false; 2], timestamp: 0.0 });
            (from, start) = (to, end);
        }
        let mut from = FIRST;
        for (line, to) in found.iter_mut().zip(&tape.lines) {
            let places = tape.places[from..].first_chunk();
            if let (Some(this), Some(places)) = (skeletons.all.get(usize::from(line.skeleton)), places) {
                let timestamp = seconds(avx512, this.timestamp, view, places);
                let event = named(avx512, this.event, view, places);
                match (timestamp, event) {
                    (Some(timestamp), Some(event)) if are_words(&skeletons.words[this.words.clone()], view, places) => {
                        (line.timestamp, line.event) = (timestamp, event)
                    }
                    _ => line.skeleton = NONE,
                }
            }
            from = usize::from(*to);
        }
    }
);

/// Whether the first `count` tokens are the same.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,bmi2")]
fn is_like(avx512: Avx512, tokens: &[u8; TOKENS], others: &[u8; TOKENS], count: usize) -> bool {
    let ([low, high], [other_low, other_high]) = (halves(avx512, tokens), halves(avx512, others));
    let wanted = [count.min(64), count.saturating_sub(64)].map(|count| _bzhi_u64(u64::MAX, count as u32));
    _mm512_mask_cmpneq_epi8_mask(wanted[0], low, other_low) | _mm512_mask_cmpneq_epi8_mask(wanted[1], high, other_high)
        == 0
}

#[inline(always)]
fn halves(avx512: Avx512, tokens: &[u8; TOKENS]) -> [__m512i; 2] {
    let (halves, _) = tokens.as_chunks::<64>();
    [u8x64::simd_from(avx512, halves[0]).into(), u8x64::simd_from(avx512, halves[1]).into()]
}

/// Whether these texts stand where they should.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn stand(avx512: Avx512, checks: &[[Check; CHECKS]], view: &View, places: &[u16; TOKENS]) -> bool {
    let mut unlike = 0;
    for checks in checks {
        for check in checks {
            let [text, wanted]: [__m256i; 2] =
                [text_at(view, places, check.token), &check.text].map(|text| u8x32::simd_from(avx512, *text).into());
            unlike |= _mm256_mask_cmpneq_epi8_mask(check.mask, text, wanted);
        }
    }
    unlike == 0
}

/// Whether each of these tokens is `true`, `false` or `null`, with the next token right behind it.
#[inline]
fn are_words(words: &[u8], view: &View, places: &[u16; TOKENS]) -> bool {
    words.iter().all(|token| {
        let text = text_at(view, places, *token);
        let next = places[(usize::from(*token) + 1) % TOKENS];
        let length = next.wrapping_sub(places[usize::from(*token) % TOKENS]);
        let ([a, b, c, d, e, ..], length) = (*text, length);
        matches!((&[a, b, c, d], length), (b"true" | b"null", 4)) || (&[a, b, c, d, e] == b"false" && length == 5)
    })
}

/// The bytes at a token.
#[inline(always)]
fn text_at<'a>(view: &'a View, places: &[u16; TOKENS], token: u8) -> &'a [u8; 32] {
    at(view, places[usize::from(token) % TOKENS])
}

/// Reads the `timestamp`, if the record has one; `None` when that is left to [`crate::json::number`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2,bmi1,bmi2")]
fn seconds(avx512: Avx512, token: u8, view: &View, places: &[u16; TOKENS]) -> Option<f64> {
    if token == NOWHERE {
        return Some(0.0);
    }
    let text: __m256i = u8x32::simd_from(avx512, *text_at(view, places, token)).into();
    let values = _mm256_sub_epi8(text, _mm256_set1_epi8(b'0' as i8));
    let digits = _mm256_cmple_epu8_mask(values, _mm256_set1_epi8(9));
    let points = _mm256_cmpeq_epi8_mask(text, _mm256_set1_epi8(b'.' as i8));
    let whole = digits.trailing_ones();
    let point = points.checked_shr(whole)? & 1;
    let behind = if point == 1 { (digits >> whole >> 1).trailing_ones() } else { 0 };
    let count = whole + behind;
    if whole == 0 || count as usize > number::DIGITS {
        return None;
    }
    // The digits alone, the last of them in the last byte; then pairs, fours and eights of them.
    let packed = _mm256_maskz_compress_epi8(_bzhi_u32(digits, count + point), values);
    let aligned = _mm256_maskz_expand_epi8(u32::MAX << (32 - count), packed);
    let pairs = _mm256_maddubs_epi16(aligned, _mm256_set1_epi16(0x010a));
    let fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x0001_0064));
    let eights = _mm256_madd_epi16(_mm256_packus_epi32(fours, fours), _mm256_set1_epi32(0x0001_2710));
    let (first, rest) = (_mm256_extract_epi64(eights, 0) as u64, _mm256_extract_epi64(eights, 2) as u64);
    let digits = ((first >> 32) * 100_000_000 + (rest & 0xffff_ffff)) * 100_000_000 + (rest >> 32);
    number::scaled(digits, behind as usize)
}

/// Whether the `event_type`, if the record has one, is [`CRASHED`] and whether it is [`RESTARTED`]; `None` where it is not said
/// as plainly as it can be. Without a branch: what comes next in a log cannot be guessed.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn named(avx512: Avx512, token: u8, view: &View, places: &[u16; TOKENS]) -> Option<[bool; 2]> {
    let text: __m256i = u8x32::simd_from(avx512, *text_at(view, places, token)).into();
    let is = |byte: u8| _mm256_cmpeq_epi8_mask(text, _mm256_set1_epi8(byte as i8));
    // Up to the closing quote, which has to be there.
    let (quotes, escapes) = (is(b'"') & !1, is(b'\\'));
    let plain = (quotes != 0) & (escapes & quotes.wrapping_sub(1) & !quotes == 0);
    let there = token != NOWHERE;
    let says = |event: &Named| {
        let wanted = u8x32::simd_from(avx512, event.text).into();
        there & (_mm256_mask_cmpneq_epi8_mask(event.mask, text, wanted) == 0)
    };
    (plain | !there).then_some([says(&EVENTS[0]), says(&EVENTS[1])])
}

/// An `event_type` in its quotes.
struct Named {
    text: [u8; 32],
    mask: u32,
}

static EVENTS: [Named; 2] = [quoted(CRASHED), quoted(RESTARTED)];

const fn quoted(name: &[u8]) -> Named {
    let (mut text, mut i) = ([b'"'; 32], 0);
    while i < name.len() {
        text[i + 1] = name[i];
        i += 1;
    }
    Named { text, mask: u32::MAX >> (30 - name.len()) }
}
