//! One line read with care: is it a record, and if not, what in it certainly is?
//!
//! Salvage. A line breaks when a writer was torn off and a restart appended to the stump. What can be told with
//! certainty: objects that follow one another from the line's very start (the *chain*), and the one object that ends
//! exactly where the line's newline stands (the *suffix*), as far as each has every field that its kind requires,
//! the latter none of them twice. One thing cannot be told: a writer that is stopped right in front of an object of its
//! payload which has all of a record's fields, while another writes a line, and goes on then, leaves a line that begins
//! as one with an intact record does.
//!
//! The suffix is found in one pass and in constant memory. Every `{` might begin it, but two machines see them all:
//! one that reads a byte as structure has every `{` it meets among its levels, and only a `{` inside what it takes
//! for a string needs the second, for which that string is structure. When one fails it starts again at the next `{`
//! that the other does not cover.

use memchr::{memchr, memchr_iter};

use crate::json::machine::{Closed, Machine, Step};
use crate::record::RecordFacts;
use crate::utf8::Utf8;

/// An intact record inside a damaged line: offsets in the file, the end exclusive and without a newline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Segment {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) facts: RecordFacts,
}

/// Why a line is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Blank,
    NotAnObject,
    InvalidUtf8,
    NulBytes,
    Torn,
    InvalidJson,
}

/// What a line turned out to be.
#[derive(Debug, PartialEq)]
pub(crate) enum Outcome {
    /// One object and white space: a record.
    Record(RecordFacts),
    /// Anything else. `fault` says what is wrong with it, `broke_at` the offset at which that was seen; `last` is
    /// the record that ends the line, to be kept after those that [`Line::feed`] handed out.
    Damaged { fault: Fault, broke_at: u64, nul_bytes: u64, last: Option<Segment> },
}

/// Where the chain from the line's start stands.
#[derive(Debug)]
enum Chain {
    /// Only white space so far.
    Blank,
    /// `main` reads a value of the chain.
    Open,
    /// A value has ended, and only white space came since.
    Closed(Closed),
    /// Something that is no value of the chain: both machines look for the suffix.
    Broken,
}

/// A line under way, without its newline.
#[derive(Debug)]
pub(crate) struct Line {
    at: u64,
    chain: Chain,
    main: Machine,
    second: Machine,
    /// Whether a chain record was handed out, and where the last of them ended.
    handed_out: bool,
    chain_end: u64,
    broke_at: Option<u64>,
    utf8: Utf8,
    invalid_utf8_at: Option<u64>,
    nul_bytes: u64,
}

impl Line {
    /// A line that begins at offset `start`.
    pub(crate) fn new(start: u64) -> Line {
        Line {
            at: start,
            chain: Chain::Blank,
            main: Machine::idle(),
            second: Machine::idle(),
            handed_out: false,
            chain_end: start,
            broke_at: None,
            utf8: Utf8::default(),
            invalid_utf8_at: None,
            nul_bytes: 0,
        }
    }

    /// Takes the line's next bytes, none of them a newline; hands out the records of the chain as they prove whole.
    pub(crate) fn feed(&mut self, bytes: &[u8], kept: &mut Vec<Segment>) {
        let mut i = 0;
        while let Some(&byte) = bytes.get(i) {
            if self.main.is_in_text() && self.second.is_idle() && self.utf8.is_whole() {
                let plain = bytes[i..].iter().take_while(|byte| is_plain(**byte)).count();
                if plain > 0 {
                    i += plain;
                    self.at += plain as u64;
                    continue;
                }
            }
            if matches!(self.chain, Chain::Broken) && self.main.is_idle() && self.second.is_idle() {
                let stretch = &bytes[i..i + memchr(b'{', &bytes[i..]).unwrap_or(bytes.len() - i)];
                self.pass_over(stretch);
                i += stretch.len();
                if stretch.is_empty() {
                    self.take(byte, kept);
                    i += 1;
                }
                continue;
            }
            self.take(byte, kept);
            i += 1;
        }
    }

    /// Takes bytes that cannot begin a record: a run of NUL bytes may be gigabytes long.
    fn pass_over(&mut self, stretch: &[u8]) {
        self.nul_bytes += memchr_iter(0, stretch).count() as u64;
        let mut checked = 0;
        if self.utf8.is_whole() {
            checked = simdutf8::compat::from_utf8(stretch).map_or_else(|error| error.valid_up_to(), str::len);
        }
        for (at, byte) in (self.at + checked as u64..).zip(&stretch[checked..]) {
            if self.invalid_utf8_at.is_some() {
                break;
            }
            if !self.utf8.take(*byte) {
                self.invalid_utf8_at = Some(at);
            }
        }
        self.at += stretch.len() as u64;
    }

    fn take(&mut self, byte: u8, kept: &mut Vec<Segment>) {
        let at = self.at;
        self.at += 1;
        if !self.utf8.take(byte) {
            self.invalid_utf8_at.get_or_insert(at);
        }
        self.nul_bytes += u64::from(byte == 0);
        if !matches!(byte, b' ' | b'\t') {
            self.follow_chain(byte, at, kept);
        }
        if !self.second.is_idle() {
            self.second.step(byte, at);
        }
        match self.main.step(byte, at) {
            Step::More => {}
            Step::Closed(closed) => self.chain_value_closed(closed),
            Step::ClosedBefore(closed) => {
                self.chain_value_closed(closed);
                if !matches!(byte, b' ' | b'\t') {
                    self.follow_chain(byte, at, kept);
                }
            }
            Step::Failed => self.breaks(at),
        }
        if byte == b'{' {
            self.look_from(at);
        }
    }

    /// Lets the chain begin, go on or break at a byte that is not white space.
    fn follow_chain(&mut self, byte: u8, at: u64, kept: &mut Vec<Segment>) {
        match &self.chain {
            Chain::Blank => {
                self.main.begin();
                self.chain = Chain::Open;
            }
            Chain::Closed(closed) => {
                let known = closed.object && closed.facts.is_complete();
                if known {
                    kept.push(Segment { start: closed.start, end: closed.end, facts: closed.facts });
                    self.handed_out = true;
                    self.chain_end = closed.end;
                }
                if known && byte == b'{' {
                    self.main.begin();
                    self.chain = Chain::Open;
                } else {
                    self.breaks(at);
                }
            }
            Chain::Open | Chain::Broken => {}
        }
    }

    fn chain_value_closed(&mut self, closed: Closed) {
        if matches!(self.chain, Chain::Open) {
            self.chain = Chain::Closed(closed);
        }
    }

    fn breaks(&mut self, at: u64) {
        self.broke_at.get_or_insert(at);
        self.chain = Chain::Broken;
    }

    /// Sees to it that the `{` at `at`, which both machines have taken, is among the levels of one of them.
    fn look_from(&mut self, at: u64) {
        let (main, second) = (self.main.covers(), self.second.covers());
        if main || second {
            return;
        }
        if self.main.is_idle() && matches!(self.chain, Chain::Broken) {
            self.main.begin_object(at);
        } else {
            self.second.begin_object(at);
        }
    }

    /// The line ended: with a newline, or with the file.
    pub(crate) fn end(mut self, terminated: bool) -> Outcome {
        if let Step::Closed(closed) = self.main.end(self.at) {
            self.chain_value_closed(closed);
        }
        let last = match self.chain {
            Chain::Closed(closed) if closed.object && !self.handed_out => return Outcome::Record(closed.facts),
            Chain::Closed(closed) if closed.object && closed.facts.is_complete() => Some(closed),
            Chain::Closed(_) | Chain::Blank => None,
            Chain::Open | Chain::Broken if terminated => self.suffix(),
            Chain::Open | Chain::Broken => None,
        };
        let last = last.map(|closed| Segment { start: closed.start, end: closed.end, facts: closed.facts });
        let invalid_utf8_at = self.invalid_utf8_at.or((!self.utf8.is_whole()).then_some(self.at));
        let fault = match self.chain {
            Chain::Blank => Fault::Blank,
            Chain::Closed(_) if !self.handed_out => Fault::NotAnObject,
            _ if self.nul_bytes > 0 => Fault::NulBytes,
            // A character torn in the middle at the end of the file is a torn tail like any other.
            _ if invalid_utf8_at.is_some_and(|at| terminated || at < self.at) => Fault::InvalidUtf8,
            _ if !terminated && !matches!(self.chain, Chain::Broken) => Fault::Torn,
            _ => Fault::InvalidJson,
        };
        let broke_at = match fault {
            Fault::InvalidUtf8 => invalid_utf8_at.unwrap_or(self.at),
            _ => self.broke_at.unwrap_or(self.at),
        };
        Outcome::Damaged { fault, broke_at, nul_bytes: self.nul_bytes, last }
    }

    /// The object that ends where the line does, if it has all that its kind requires.
    fn suffix(&self) -> Option<Closed> {
        [self.main.last_object(), self.second.last_object()]
            .into_iter()
            .flatten()
            .find(|closed| closed.end == self.at && closed.start >= self.chain_end && closed.facts.is_certain())
    }
}

/// Text that neither ends a string nor begins an object nor needs a UTF-8 check.
fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7f) && !matches!(byte, b'"' | b'\\' | b'{')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &[u8], terminated: bool, piece: usize) -> (Vec<(u64, u64)>, Outcome) {
        let mut kept = Vec::new();
        let mut reader = Line::new(0);
        for piece in line.chunks(piece) {
            reader.feed(piece, &mut kept);
        }
        (kept.iter().map(|segment| (segment.start, segment.end)).collect(), reader.end(terminated))
    }

    const A: &str = r#"{"kind":"event","system_id":"s","actor_address":"s:1","event_type":"E","payload":{"x":"{}\\\""},"timestamp":1.5}"#;

    #[test]
    fn two_glued_records_are_both_kept() {
        let line = format!("{A}{A}");
        for piece in [1, 7, 4096] {
            let (kept, outcome) = read(line.as_bytes(), true, piece);
            assert_eq!(kept, [(0, A.len() as u64)]);
            let Outcome::Damaged { last: Some(last), .. } = outcome else { panic!("{outcome:?}") };
            assert_eq!((last.start, last.end), (A.len() as u64, line.len() as u64));
        }
    }

    #[test]
    fn a_record_behind_any_stump_of_another_is_kept() {
        for cut in 1..A.len() {
            let line = format!("{}{A}", &A[..cut]);
            let (kept, outcome) = read(line.as_bytes(), true, 4096);
            assert_eq!(kept, [], "cut at {cut}");
            let Outcome::Damaged { last: Some(last), .. } = outcome else { panic!("cut at {cut}: {outcome:?}") };
            assert_eq!((last.start, last.end), (cut as u64, line.len() as u64), "cut at {cut}");
        }
    }

    #[test]
    fn nothing_is_kept_at_an_unterminated_end_that_did_not_begin_the_line() {
        let line = format!("{{\"kind\":\"event\",\"payload\":{A}");
        let (kept, outcome) = read(line.as_bytes(), false, 4096);
        assert_eq!(kept, []);
        assert!(matches!(outcome, Outcome::Damaged { fault: Fault::Torn, last: None, .. }), "{outcome:?}");
    }

    #[test]
    fn every_prefix_of_a_record_is_torn() {
        for cut in 1..A.len() {
            let (_, outcome) = read(&A.as_bytes()[..cut], false, 3);
            assert!(matches!(outcome, Outcome::Damaged { fault: Fault::Torn, .. }), "cut at {cut}: {outcome:?}");
        }
        assert!(matches!(read(A.as_bytes(), false, 3).1, Outcome::Record(_)));
    }
}
