//! The lines of a window that have a skeleton are found here, and the little is read that skeletons do not say.
//!
//! Nothing of a line hangs on the one before it, so that the processor has several of them in hand at a time.

use std::arch::x86_64::*;

use fearless_simd::prelude::*;
use fearless_simd::{Avx512, kernel, u8x32, u8x64};

use super::numbers::{AT_ONCE, Numbers};
use super::skeleton::{Checks, NONE, NOWHERE, Skeletons, TOKENS};
use super::stage1::{View, at};
use super::tape::{self, FIRST, Tape};
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
        let (all_tokens, all_places) = (&tape.tokens[..tape::TOKENS], &tape.places[..tape::TOKENS]);
        let (mut from, mut start) = (FIRST, 0);
        for ends in tape.lines[..tape.count].chunks(AT_ONCE) {
            let mut numbers = Numbers::default();
            let before = found.len();
            for (i, to) in ends.iter().enumerate() {
                let to = usize::from(*to);
                let Some(tokens) = all_tokens[from..].first_chunk() else { return };
                let Some(places) = all_places[from..].first_chunk() else { return };
                let end = u32::from(all_places[to - 1]) + 1;
                let mut skeleton = skeletons.first.get(to - from).copied().unwrap_or(NONE);
                let mut event = [false; 2];
                while let Some(this) = skeletons.all.get(usize::from(skeleton)) {
                    if is_like(avx512, tokens, &this.tokens, to - from)
                        && stand(avx512, &skeletons.checks[this.checks.clone()], view, places)
                    {
                        let is_read = numbers.read(avx512, i, this, view, places);
                        match named(avx512, this.event, view, places) {
                            Some(named) if is_read && are_words(&skeletons.words[this.words.clone()], view, places) => {
                                event = named;
                            }
                            _ => skeleton = NONE,
                        }
                        break;
                    }
                    skeleton = this.next;
                }
                found.push(Found { start, length: end - start, skeleton, event, timestamp: 0.0 });
                (from, start) = (to, end);
            }
            let (seconds, unsure) = numbers.values(avx512);
            for (i, (line, seconds)) in found[before..].iter_mut().zip(seconds).enumerate() {
                line.timestamp = f64::from_bits(seconds);
                line.skeleton |= if unsure >> i & 1 == 0 { 0 } else { NONE };
            }
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
fn stand(avx512: Avx512, checks: &[Checks], view: &View, places: &[u16; TOKENS]) -> bool {
    let mut unlike = _mm256_setzero_si256();
    for Checks { texts, masks, tokens } in checks {
        for ((text, mask), token) in texts.iter().zip(masks).zip(tokens) {
            let [text, mask, there]: [__m256i; 3] =
                [text, mask, text_at(view, places, *token)].map(|bytes| u8x32::simd_from(avx512, *bytes).into());
            // What is unlike already, or is so here where the mask says that it matters.
            unlike = _mm256_ternarylogic_epi64(unlike, _mm256_xor_si256(text, there), mask, 0xf8);
        }
    }
    _mm256_testz_si256(unlike, unlike) == 1
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

/// Whether the `event_type`, if the record has one, is [`CRASHED`] and whether it is [`RESTARTED`]; `None` where it is
/// not said as plainly as it can be. Without a branch: what comes next in a log cannot be guessed.
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
