//! Lines read 64 bytes at a step, on processors that have AVX-512: windows of them in, those that are surely records
//! out.
//!
//! [`stage1`] turns a window's bytes into tokens, [`skeleton`] knows which token strings are records, [`find`] compares
//! the two; where payloads are of ever new shape, [`top`] leaves each line's top level to be compared. Here it is
//! decided when that is worth its while. Nothing here says that a line is damaged: a line is known, with the facts that
//! [`super::fast`] would have found, or somebody else has to be asked.

mod find;
mod numbers;
mod skeleton;
mod stage1;
mod tape;
mod top;
mod utf8;

use fearless_simd::{Avx512, Level};

use self::find::Found;
use self::skeleton::Skeletons;
use self::stage1::View;
use self::tape::{Tape, WINDOW};
use crate::record::RecordFacts;

/// After so many lines that nothing was known of it is asked whether skeletons are worth their while.
const MISSES: usize = 64;

/// If not, so many lines are left to others before the next try, and twice as many after each that fails...
const PAUSE: u32 = 8_000;

/// ... up to this.
const LONGEST_PAUSE: u32 = 64_000;

/// What is known of a line.
pub(crate) enum Known {
    /// A record: its length in bytes with its newline, and its facts, which deserve no note. It is valid UTF-8.
    Record(usize, RecordFacts),
    /// One that [`Blocks::learn`] may learn from, when somebody else accepts it.
    Unknown,
    /// Nothing.
    Nothing,
}

/// Reads the lines of one chunk after another.
#[derive(Debug)]
pub(crate) struct Blocks {
    avx512: Avx512,
    copy: Box<View>,
    tape: Tape,
    /// What is left of the lines of a log whose payloads do not look alike.
    tops: Tape,
    /// Whether lines are told by their top levels, not by all of their tokens.
    by_top: bool,
    skeletons: Skeletons,
    /// Where in the chunk the window begins, its lines, and which of them comes next.
    window: usize,
    found: Vec<Found>,
    next: usize,
    tried: usize,
    missed: usize,
    pause: u32,
    next_pause: u32,
}

impl Blocks {
    /// `None` on a processor without AVX-512.
    pub(crate) fn new() -> Option<Blocks> {
        Some(Blocks {
            avx512: Level::new().as_avx512()?,
            copy: stage1::nothing(),
            tape: Tape::default(),
            tops: Tape::default(),
            by_top: false,
            skeletons: Skeletons::default(),
            window: 0,
            found: Vec::new(),
            next: 0,
            tried: 0,
            missed: 0,
            pause: 0,
            next_pause: PAUSE,
        })
    }

    /// Another chunk comes.
    pub(crate) fn begin(&mut self) {
        self.found.clear();
    }

    /// Says what is known of the line at `i` of the chunk.
    #[inline(always)]
    pub(crate) fn line(&mut self, chunk: &[u8], i: usize) -> Known {
        if self.pause > 0 {
            self.pause -= 1;
            return Known::Nothing;
        }
        if !self.comes_next(i) && !self.seek(chunk, i) {
            return Known::Nothing;
        }
        let Some(line) = self.found.get(self.next) else { return Known::Nothing };
        self.next += 1;
        match line.facts(&self.skeletons) {
            Some(facts) => Known::Record(line.length(), facts),
            None => {
                self.miss();
                Known::Unknown
            }
        }
    }

    #[inline(always)]
    fn comes_next(&self, i: usize) -> bool {
        self.found.get(self.next).is_some_and(|line| self.window + line.start() == i)
    }

    /// Finds the line in the window behind others that were read elsewhere, or in one that begins with it. `false` when
    /// it is longer than a window, or the chunk ends before it does.
    #[inline(never)]
    fn seek(&mut self, chunk: &[u8], i: usize) -> bool {
        while self.found.get(self.next).is_some_and(|line| self.window + line.start() < i) {
            self.missed += 1;
            self.next += 1;
        }
        if self.comes_next(i) {
            return true;
        }
        let (view, length) = stage1::view(chunk, i, &mut self.copy);
        stage1::read(self.avx512, view, length, &mut self.tape);
        if self.by_top {
            top::tops(self.avx512, view, &self.tape, &mut self.tops);
        }
        let tape = if self.by_top { &self.tops } else { &self.tape };
        find::find(self.avx512, &self.skeletons, view, tape, &mut self.found);
        (self.window, self.next) = (i, 0);
        self.tried += self.found.len();
        if self.found.is_empty() && length >= WINDOW {
            self.missed += if self.tape.torn { 1 } else { MISSES };
            self.weigh();
        }
        !self.found.is_empty()
    }

    #[inline(never)]
    fn miss(&mut self) {
        self.missed += 1;
        self.weigh();
    }

    /// Tells lines by their top levels when of more than one in four nothing was known, and when that is no better,
    /// makes a pause, each longer than the one before.
    fn weigh(&mut self) {
        if self.missed < MISSES {
            return;
        }
        if self.missed > self.tried / 4 && !self.by_top {
            (self.by_top, self.skeletons) = (true, Skeletons::default());
            self.found.clear();
        } else if self.missed > self.tried / 4 {
            self.by_top = false;
            self.pause = self.next_pause;
            self.next_pause = (2 * self.next_pause).min(LONGEST_PAUSE);
            self.skeletons.forget_if_many();
            self.found.clear();
        } else {
            self.next_pause = PAUSE;
        }
        (self.tried, self.missed) = (0, 0);
    }

    /// Learns from the line that was unknown, now that another reader has accepted it, and without a note.
    pub(crate) fn learn(&mut self, chunk: &[u8], length: usize, facts: &RecordFacts) {
        let number = self.next.saturating_sub(1);
        let tape = if self.by_top { &self.tops } else { &self.tape };
        if self.found.get(number).is_some_and(|line| line.length() == length)
            && self.skeletons.learn(&chunk[self.window..], tape, number, facts)
        {
            // More of its kind may follow.
            let (view, _) = stage1::view(chunk, self.window, &mut self.copy);
            find::find(self.avx512, &self.skeletons, view, tape, &mut self.found);
        }
    }
}
