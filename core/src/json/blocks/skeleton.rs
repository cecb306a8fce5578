//! Skeletons: the token strings of lines that [`crate::json::fast`] accepted, by which more of their kind are accepted
//! at a look.
//!
//! Whether a line is a record, and of which kind and with which fields, depends on its tokens, on the names of its
//! fields and the words among its values; what texts and numbers say does not matter, as [`super::stage1`] has seen
//! that each is well-formed. So a line with the tokens of an accepted one, and the same bytes where those names and
//! words are, is a record as that was. Its `timestamp` and `event_type` alone are read.

use std::ops::Range;

use super::tape::{ERROR, EXPONENT, FIRST, KIND, NUMBER, TEXT, Tape, WORD};
use crate::json::nesting::Nesting;
use crate::json::template::hash_on;
use crate::record::{Field, RecordFacts};

/// Lines of more tokens have no skeleton.
pub(super) const TOKENS: usize = 128;

/// The most skeletons.
const MOST: usize = 256;

/// The most of them with the same number of tokens: each is compared with in turn.
const ALIKE: usize = 8;

/// Where there is no skeleton.
pub(super) const NONE: u16 = u16::MAX;

/// Where there is no token: every line's first one is a brace.
pub(super) const NOWHERE: u8 = 0;

/// Checks are made so many at a time: most lines need no more, and then nothing hangs on how many it are.
pub(super) const CHECKS: usize = 6;

/// Texts of up to 32 bytes, and the tokens that they stand at.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Checks {
    pub(super) texts: [[u8; 32]; CHECKS],
    /// All ones where a text has a byte.
    pub(super) masks: [[u8; 32]; CHECKS],
    pub(super) tokens: [u8; CHECKS],
}

impl Checks {
    fn of(some: &[Check]) -> Checks {
        let mut checks = Checks { texts: [[0; 32]; CHECKS], masks: [[0; 32]; CHECKS], tokens: [0; CHECKS] };
        for (i, check) in some.iter().enumerate().take(CHECKS) {
            checks.texts[i] = check.text;
            checks.masks[i][..check.length].fill(u8::MAX);
            checks.tokens[i] = check.token;
        }
        checks
    }
}

/// One of them.
struct Check {
    text: [u8; 32],
    length: usize,
    token: u8,
}

/// A token string, and what has to be looked at where.
#[derive(Debug)]
pub(super) struct Skeleton {
    pub(super) tokens: [u8; TOKENS],
    /// Which of the checks are its own; the last ones may be empty.
    pub(super) checks: Range<usize>,
    /// Which of the words: they are below the top level, where it does not matter what they say.
    pub(super) words: Range<usize>,
    /// The tokens of the `timestamp`'s number and of the `event_type`'s text.
    pub(super) timestamp: u8,
    pub(super) event: u8,
    /// What may have as many tokens, too.
    pub(super) next: u16,
}

/// What was learned of a log.
#[derive(Debug)]
pub(super) struct Skeletons {
    pub(super) all: Vec<Skeleton>,
    pub(super) checks: Vec<Checks>,
    /// Tokens.
    pub(super) words: Vec<u8>,
    /// By skeleton; what the lines of one have not in common is that of the line it was learned from.
    pub(super) facts: Vec<RecordFacts>,
    /// The first skeleton of so many tokens.
    pub(super) first: [u16; TOKENS + 1],
    /// Hashes of what was seen once, each in a place of its own.
    seen: Vec<u64>,
}

impl Default for Skeletons {
    fn default() -> Skeletons {
        let (all, checks, words, facts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Skeletons { all, checks, words, facts, first: [NONE; TOKENS + 1], seen: vec![0; MOST] }
    }
}

impl Skeletons {
    /// Makes room when what was learned does not help.
    pub(super) fn forget_if_many(&mut self) {
        if self.all.len() > MOST / 2 {
            *self = Skeletons::default();
        }
    }

    /// Learns from line `number` of the window, which was accepted with these facts; `true` when there is a new
    /// skeleton.
    pub(super) fn learn(&mut self, bytes: &[u8], tape: &Tape, number: usize, facts: &RecordFacts) -> bool {
        let to = usize::from(tape.lines[number]);
        let from = if number == 0 { FIRST } else { usize::from(tape.lines[number - 1]) };
        let (tokens, places) = (&tape.tokens[from..to], &tape.places[from..to]);
        let unsure = |token: &u8| matches!(token & KIND, ERROR | EXPONENT);
        if tokens.len() > TOKENS || tokens.iter().any(unsure) || self.all.len() >= MOST {
            return false;
        }
        let hash = hash_on(0, tokens);
        let place = (hash >> 32) as usize % MOST;
        if std::mem::replace(&mut self.seen[place], hash) != hash {
            return false;
        }
        // Behind those with as many tokens: what is frequent comes soon.
        let (mut alike, mut before, mut at) = (0, None, self.first[tokens.len()]);
        while let Some(skeleton) = self.all.get(usize::from(at)) {
            (alike, before, at) = (alike + 1, Some(usize::from(at)), skeleton.next);
        }
        let Some(parts) = Parts::of(bytes, tokens, places).filter(|_| alike < ALIKE) else { return false };
        let new = self.all.len() as u16;
        match before {
            Some(before) => self.all[before].next = new,
            None => self.first[tokens.len()] = new,
        }
        let mut padded = [0; TOKENS];
        padded[..tokens.len()].copy_from_slice(tokens);
        let (first, first_word) = (self.checks.len(), self.words.len());
        self.checks.extend(parts.checks.chunks(CHECKS).map(Checks::of));
        self.words.extend(parts.words);
        self.all.push(Skeleton {
            tokens: padded,
            checks: first..self.checks.len(),
            words: first_word..self.words.len(),
            timestamp: parts.timestamp,
            event: parts.event,
            next: NONE,
        });
        self.facts.push(*facts);
        true
    }
}

/// What a line's tokens are for.
#[derive(Default)]
struct Parts {
    checks: Vec<Check>,
    words: Vec<u8>,
    timestamp: u8,
    event: u8,
    /// Where the text of the last check ends.
    end: usize,
}

impl Parts {
    /// Of a line that was accepted; `None` when a text in it is too long for a check.
    fn of(bytes: &[u8], tokens: &[u8], places: &[u16]) -> Option<Parts> {
        let place = |i: usize| places.get(i).map(|place| usize::from(*place));
        let mut parts = Parts { timestamp: NOWHERE, event: NOWHERE, ..Parts::default() };
        // Each container is two of the tokens: none is forgotten.
        let mut nesting = Nesting::default();
        let mut field = None;
        for (i, token) in tokens.iter().enumerate() {
            let at = place(i)?;
            match *token {
                TEXT if nesting.key_due && nesting.depth == 1 => {
                    let name = bytes[at + 1..place(i + 1)?].split(|byte| *byte == b'"').next()?;
                    field = Field::of(name);
                    // Up to where the value begins.
                    parts.check(bytes, i, at..place(i + 2)?)?;
                    nesting.key_due = false;
                }
                TEXT => {
                    match field {
                        Some(Field::Kind) if nesting.depth == 1 => parts.check(bytes, i, at..place(i + 1)?)?,
                        Some(Field::EventType) if nesting.depth == 1 => parts.event = i as u8,
                        _ => {}
                    }
                    nesting.key_due = false;
                }
                NUMBER if nesting.depth == 1 && field == Some(Field::Timestamp) => parts.timestamp = i as u8,
                // With the token behind it, so that nothing else can be a part of the word.
                WORD if nesting.depth == 1 => parts.check(bytes, i, at..place(i + 1)? + 1)?,
                WORD => parts.words.push(i as u8),
                _ => nesting.pass(bytes[at]),
            }
        }
        Some(parts)
    }

    /// Has these bytes checked at that token, those of neighbours as one.
    fn check(&mut self, bytes: &[u8], token: usize, range: Range<usize>) -> Option<()> {
        let begun = match self.checks.last() {
            Some(last) if self.end == range.start => last.length,
            _ => 0,
        };
        self.end = range.end;
        let text = &bytes[range];
        if let Some(last) = self.checks.last_mut()
            && begun > 0
            && begun + text.len() <= 32
        {
            last.text[begun..][..text.len()].copy_from_slice(text);
            last.length += text.len();
            return Some(());
        }
        if text.is_empty() || text.len() > 32 {
            return None;
        }
        let mut check = Check { text: [0; 32], length: text.len(), token: token as u8 };
        check.text[..text.len()].copy_from_slice(text);
        self.checks.push(check);
        Some(())
    }
}
