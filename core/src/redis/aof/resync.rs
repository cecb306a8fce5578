//! Where whole commands begin again after damage in an append-only file.
//!
//! An append-only file has no checksum and its payloads may hold anything, RESP included, so a `*` after a line end
//! proves nothing. Two kinds of certainty are told apart. *Proven*: the broken command's own framing says where it ends
//! (its other lengths, or the digits that are left of a damaged one). *Likely*: nothing of it can be read; then only a
//! place from which known commands follow one another up to the end of the file, or for a good while up to the next
//! damage, is taken. Bytes that a readable length declares to be an argument are never searched.

use std::collections::HashSet;
use std::ops::Range;

use super::command::is_known_name;
use super::resp::{Broken, Parsed, Wrong, parse};

/// Bytes of a length line, at most: a sign, ten digits, CR LF, and one more.
const LONGEST_LINE: usize = 14;
/// No decision about one byte looks further than so many bytes after it, but for declared lengths.
const NEAR: usize = 64;
/// So many bytes may be gone from an argument whose length is too great by as many. A command that stands within an
/// argument is longer, so that what follows is none of those.
const FEW: usize = 8;
/// Commands in a row that count as a good while.
const GOOD_WHILE: usize = 8;

/// Where to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resync {
    pub(crate) at: usize,
    pub(crate) proven: bool,
    /// The broken command begins before the place where it was noticed: it said that it has fewer arguments.
    pub(crate) includes_previous: bool,
}

/// Reads a file, or a window of one, that lies in memory.
pub(crate) struct Finder<'a> {
    bytes: &'a [u8],
    limit: u64,
    args: Vec<Range<usize>>,
    /// Places from which commands were followed in vain.
    vain: HashSet<usize>,
    /// The bytes' end was met: more of them could change an answer.
    met_end: bool,
}

impl<'a> Finder<'a> {
    pub(crate) fn new(bytes: &'a [u8], limit: u64) -> Self {
        Self { bytes, limit, args: Vec::new(), vain: HashSet::new(), met_end: false }
    }

    /// Did any answer so far depend on where the bytes end?
    pub(crate) fn met_the_end(&self) -> bool {
        self.met_end
    }

    /// Notes that bytes up to `to` were asked for.
    fn reach(&mut self, to: usize) {
        self.met_end |= to > self.bytes.len();
    }

    /// What stands at `at`.
    pub(crate) fn item(&mut self, at: usize) -> Item<'a> {
        match parse(self.bytes, at, self.limit, &mut self.args) {
            Parsed::Command(length) => {
                let args: Vec<&'a [u8]> = self.args.iter().map(|range| &self.bytes[range.clone()]).collect();
                Item::Command { length, args }
            }
            Parsed::Note(length, _) => Item::Note { length },
            Parsed::More(_) => {
                self.met_end = true;
                Item::Torn
            }
            Parsed::Broken(broken) => {
                self.reach(broken.at.saturating_add(NEAR));
                Item::Broken(broken)
            }
        }
    }

    /// Where to go on after a command that breaks at `start`.
    pub(crate) fn after(&mut self, start: usize, broken: &Broken) -> Option<Resync> {
        let proven = |at| Resync { at, proven: true, includes_previous: false };
        let Some(count) = broken.declared else { return self.after_first_line(start) };
        // Read again up to the break, to know how many arguments are whole.
        let _ = parse(self.bytes, start, self.limit, &mut self.args);
        let whole = self.args.len() as u64;
        let missing = count.saturating_sub(whole + 1);
        let begin = broken.bulk_end.map_or_else(|| self.line_end(start), |end| usize::try_from(end).ok());
        self.reach(begin?.saturating_add(NEAR));
        let from = begin.filter(|&from| from <= self.bytes.len())?;
        let ends_wrong = broken.what == Wrong::ArgumentEnd;
        if ends_wrong {
            // The argument has its length and not its line end: the length holds, or nothing within it is searched.
            let next = self.pass(from, missing).filter(|&next| self.is_boundary(next));
            let next = next.or_else(|| {
                let places =
                    (1..=FEW).filter_map(|fewer| Some((fewer, from.checked_sub(fewer).filter(|&at| at > start)?)));
                let places: Vec<usize> =
                    places.filter(|&(fewer, at)| self.follows_line(at, fewer)).map(|(_, at)| at).collect();
                places.into_iter().find_map(|at| {
                    self.pass(at, missing).filter(|&next| matches!(self.item_within(next), Some(Item::Command { .. })))
                })
            });
            return next.map(proven).or_else(|| self.search(from));
        }
        if matches!(self.bytes.get(from), Some(b'*' | b'#')) && whole > 0 && self.is_boundary(from) {
            return Some(proven(from));
        }
        let lengths = possible_lengths(&self.bytes[from..]);
        let line = lengths.first().map_or(0, |(_, line)| *line);
        let longest = lengths.iter().filter_map(|&(len, _)| {
            let end = from.checked_add(line)?.checked_add(usize::try_from(len).ok()?)?.checked_add(2)?;
            self.reach(end);
            let closed = self.bytes.get(end - 2..end) == Some(b"\r\n");
            let next = self.pass(end, missing).filter(|_| closed)?;
            Some(next)
        });
        let longest: Vec<usize> = longest.collect();
        let next = longest.into_iter().filter(|&next| self.is_boundary(next)).max();
        next.map(proven).or_else(|| self.search(from))
    }

    /// The first line, which says how many arguments there are, cannot be read.
    fn after_first_line(&mut self, start: usize) -> Option<Resync> {
        self.reach(start.saturating_add(NEAR));
        let is_argument = self.bytes.get(start) == Some(&b'$');
        if self.bytes.get(start) == Some(&b'#') {
            let next = self.line_end(start).filter(|&next| self.is_boundary(next));
            return next.map_or_else(
                || self.search(start + 1),
                |at| Some(Resync { at, proven: true, includes_previous: false }),
            );
        }
        // The first argument stands where a line of so many digits could have ended.
        let first = (start..self.bytes.len().min(start + LONGEST_LINE)).find(|&at| self.pass(at, 1).is_some());
        // Stray bytes before a whole command look like a damaged first line of it.
        let mut is_whole = |at: &usize| self.bytes[*at] == b'*' && matches!(self.item(*at), Item::Command { .. });
        if let Some(at) = first.and_then(|from| (start + 1..from).find(&mut is_whole)) {
            return Some(Resync { at, proven: false, includes_previous: is_argument });
        }
        if let Some(from) = first {
            let mut at = from;
            while let Some(next) = self.pass(at, 1) {
                at = next;
            }
            if self.is_boundary(at) {
                return Some(Resync { at, proven: true, includes_previous: is_argument });
            }
        }
        self.search(start + 1).map(|found| Resync { includes_previous: is_argument, ..found })
    }

    /// The end of a line that begins at `at`, if it is as short as a length line.
    fn line_end(&mut self, at: usize) -> Option<usize> {
        self.reach(at.saturating_add(NEAR));
        let line = self.bytes.get(at..)?;
        let line = &line[..line.len().min(24)];
        memchr::memchr(b'\n', line).map(|end| at + end + 1)
    }

    /// The end of `count` whole arguments.
    fn pass(&mut self, at: usize, count: u64) -> Option<usize> {
        let mut at = at;
        for _ in 0..count {
            self.reach(at.saturating_add(NEAR));
            let rest = self.bytes.get(at..)?;
            let digits = rest.get(1..)?.iter().take(20).take_while(|byte| byte.is_ascii_digit()).count();
            let len = crate::redis::stream::id::decimal(&rest[1..=digits]).filter(|_| rest[0] == b'$')?;
            let begin = 1 + digits + 2;
            let end = begin.checked_add(usize::try_from(len).ok()?)?.checked_add(2)?;
            self.reach(at.saturating_add(end));
            let framed = rest.get(begin - 2..begin)? == b"\r\n" && rest.get(end - 2..end)? == b"\r\n";
            at = framed.then_some(at + end)?;
        }
        Some(at)
    }

    /// Does the end of a line stand before `at`? Where one byte is gone, it may be of the line end.
    fn follows_line(&self, at: usize, gone: usize) -> bool {
        match self.bytes.get(at.saturating_sub(2)..at) {
            Some(b"\r\n") => true,
            Some([.., last]) => gone == 1 && matches!(last, b'\r' | b'\n'),
            _ => false,
        }
    }

    /// What stands at `at`, if that is not the end.
    fn item_within(&mut self, at: usize) -> Option<Item<'a>> {
        self.reach(at.saturating_add(1));
        (at < self.bytes.len()).then(|| self.item(at))
    }

    /// The end of the file, or a whole command, an annotation, or a command that the file ends within.
    fn is_boundary(&mut self, at: usize) -> bool {
        if at >= self.bytes.len() {
            self.met_end = true;
            return at == self.bytes.len();
        }
        match self.item(at) {
            Item::Command { .. } | Item::Note { .. } | Item::Torn => true,
            Item::Broken(_) => false,
        }
    }

    /// The first place from `from` on where commands begin to follow one another.
    fn search(&mut self, from: usize) -> Option<Resync> {
        let finder = memchr::memmem::Finder::new(b"\r\n*");
        let mut at = from;
        loop {
            let found = if at == from && self.bytes.get(from) == Some(&b'*') {
                from
            } else {
                let begin = at.saturating_sub(2);
                let Some(found) = self.bytes.get(begin..).and_then(|rest| finder.find(rest)) else {
                    self.met_end = true;
                    return None;
                };
                begin + found + 2
            };
            if !self.vain.contains(&found) && self.holds(found) {
                return Some(Resync { at: found, proven: false, includes_previous: false });
            }
            at = found + 3;
        }
    }

    /// Do commands follow one another from here to the end of the file, or into the command that it ends within, or for
    /// a good while?
    fn holds(&mut self, from: usize) -> bool {
        let (mut at, mut count, mut named) = (from, 0, false);
        while at < self.bytes.len() {
            match self.item(at) {
                Item::Command { length, args } => {
                    self.vain.insert(at);
                    at += length;
                    count += 1;
                    named |= is_known_name(args[0]);
                    if named && count >= GOOD_WHILE {
                        return true;
                    }
                }
                Item::Note { length } if count > 0 => at += length,
                Item::Torn if named => return true,
                _ => return false,
            }
        }
        self.met_end = true;
        true
    }
}

/// What stands at a place.
pub(crate) enum Item<'a> {
    Command { length: usize, args: Vec<&'a [u8]> },
    Note { length: usize },
    Torn,
    Broken(Broken),
}

/// The lengths that a damaged `$123\r\n` may have said, and the line's own length: what is no digit may have been any
/// digit.
fn possible_lengths(rest: &[u8]) -> Vec<(u64, usize)> {
    // Either byte of the line end may be the damaged one.
    let ends = |&at: &usize| rest.get(at) == Some(&b'\r') || rest.get(at + 1) == Some(&b'\n');
    let Some(end) = (1..LONGEST_LINE).find(ends) else { return Vec::new() };
    let Some(digits) = rest.get(1..end).filter(|digits| !digits.is_empty()) else { return Vec::new() };
    if digits.iter().filter(|byte| !byte.is_ascii_digit()).count() > 2 {
        return Vec::new();
    }
    let mut lengths = vec![0u64];
    for &byte in digits {
        let choices = if byte.is_ascii_digit() { byte - b'0'..=byte - b'0' } else { 0..=9 };
        lengths = lengths.iter().flat_map(|n| choices.clone().map(move |digit| n * 10 + u64::from(digit))).collect();
    }
    lengths.into_iter().map(|len| (len, end + 2)).collect()
}
