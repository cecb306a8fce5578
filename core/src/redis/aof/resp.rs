//! Commands as an append-only file holds them: RESP arrays of bulk strings, with byte offsets.
//!
//! `*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n`; between commands there may be annotations, `#` to the end of a line, of
//! which `#TS:<unix seconds>` is the only one that servers write (redis `aof.c`, `loadSingleAppendOnlyFile`). The
//! server itself is content with less (it does not look at a bulk's closing line end); a byte that differs from what a
//! server writes is reported here.

use std::fmt;
use std::ops::Range;

use crate::redis::stream::id::decimal;

/// The longest length line: a sign byte, ten digits and the line end, with room to spare.
const LONGEST_LINE: usize = 32;
/// The longest annotation that is taken for one.
const LONGEST_NOTE: usize = 1024;

/// One command of an append-only file.
#[derive(Debug, Clone, Copy)]
pub struct Command<'a> {
    /// Of its first byte, from the start of the file.
    pub offset: u64,
    /// All its bytes.
    pub length: u64,
    /// Its name and arguments; at least the name.
    pub args: &'a [&'a [u8]],
}

impl<'a> Command<'a> {
    /// The name in upper case, cut to what any known name needs.
    pub fn name(&self) -> Vec<u8> {
        self.args.first().map_or(Vec::new(), |name| name.iter().take(64).map(u8::to_ascii_uppercase).collect())
    }

    /// Is this the command's name, in whatever case?
    pub fn is(&self, name: &str) -> bool {
        self.args.first().is_some_and(|own| own.eq_ignore_ascii_case(name.as_bytes()))
    }
}

/// What stands at a position.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// A whole command of this many bytes; its arguments are in the list that was passed.
    Command(usize),
    /// An annotation of this many bytes, and its time if it has one.
    Note(usize, Option<i64>),
    /// At least so many bytes are needed.
    More(usize),
    Broken(Broken),
}

/// Where and why a command is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    /// The byte that does not fit.
    pub(crate) at: usize,
    pub(crate) what: Wrong,
    /// Arguments that the command declares, if its first line is sound.
    pub(crate) declared: Option<u64>,
    /// The end of the last bulk whose length is declared, its line end included.
    pub(crate) bulk_end: Option<u64>,
}

/// What is wrong with bytes that are no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    NoStar,
    NoDollar,
    NoNumber,
    LengthLineEnd,
    NoArguments,
    TooLong,
    ArgumentEnd,
    EndlessNote,
    UnsoundNote,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Wrong::NoStar => "a command does not begin with *",
            Wrong::NoDollar => "an argument does not begin with $",
            Wrong::NoNumber => "a length is not a number",
            Wrong::LengthLineEnd => "a length line does not end with CR LF",
            Wrong::NoArguments => "a command of no arguments",
            Wrong::TooLong => "an argument is longer than any server takes",
            Wrong::ArgumentEnd => "an argument is not followed by CR LF",
            Wrong::EndlessNote => "an annotation has no end",
            Wrong::UnsoundNote => "an annotation is not sound",
        })
    }
}

/// A line: sign, digits, line end.
enum Line {
    Number(u64, usize),
    More(usize),
    Wrong(usize, Wrong),
}

fn line(bytes: &[u8], at: usize, sign: u8) -> Line {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.first() {
        None => return Line::More(at + 4),
        Some(&byte) if byte != sign => {
            return Line::Wrong(at, if sign == b'*' { Wrong::NoStar } else { Wrong::NoDollar });
        }
        Some(_) => {}
    }
    let digits = rest[1..].iter().take(LONGEST_LINE).take_while(|byte| byte.is_ascii_digit()).count();
    let end = at + 1 + digits;
    match (bytes.get(end), bytes.get(end + 1)) {
        (None, _) if digits < 20 => Line::More(end + 2),
        (Some(b'\r'), None) => Line::More(end + 2),
        (Some(b'\r'), Some(b'\n')) => match decimal(&bytes[at + 1..end]) {
            Some(number) => Line::Number(number, end + 2),
            None => Line::Wrong(at + 1, Wrong::NoNumber),
        },
        (Some(b'\r'), Some(_)) => Line::Wrong(end + 1, Wrong::LengthLineEnd),
        _ => Line::Wrong(end, Wrong::NoNumber),
    }
}

/// Reads what begins at `start`; `args` gets the positions of the arguments. `limit` bounds a bulk, in bytes.
pub(crate) fn parse(bytes: &[u8], start: usize, limit: u64, args: &mut Vec<Range<usize>>) -> Parsed {
    args.clear();
    if bytes.get(start) == Some(&b'#') {
        return note(bytes, start);
    }
    let broken = |at, what, declared, bulk_end| Parsed::Broken(Broken { at, what, declared, bulk_end });
    let (count, mut at) = match line(bytes, start, b'*') {
        Line::Number(0, _) => return broken(start + 1, Wrong::NoArguments, None, None),
        Line::Number(count, next) => (count, next),
        Line::More(need) => return Parsed::More(need - start),
        Line::Wrong(at, what) => return broken(at, what, None, None),
    };
    let mut bulk_end = None;
    for _ in 0..count {
        let (len, begin) = match line(bytes, at, b'$') {
            Line::Number(len, next) => (len, next),
            Line::More(need) => return Parsed::More(need - start),
            Line::Wrong(at, what) => return broken(at, what, Some(count), bulk_end),
        };
        let declared_end = (begin as u64).saturating_add(len).saturating_add(2);
        bulk_end = Some(declared_end);
        let end = match usize::try_from(declared_end) {
            Ok(end) if len <= limit => end,
            _ => return broken(at + 1, Wrong::TooLong, Some(count), bulk_end),
        };
        match bytes.get(end - 2..end) {
            Some(b"\r\n") => {}
            Some(_) => return broken(end - 2, Wrong::ArgumentEnd, Some(count), bulk_end),
            None => return Parsed::More(end - start),
        }
        args.push(begin..end - 2);
        at = end;
    }
    Parsed::Command(at - start)
}

fn note(bytes: &[u8], start: usize) -> Parsed {
    let rest = &bytes[start..];
    let Some(len) = memchr::memchr(b'\n', &rest[..rest.len().min(LONGEST_NOTE)]).map(|at| at + 1) else {
        if rest.len() < LONGEST_NOTE {
            return Parsed::More(rest.len() + 1);
        }
        let what = Wrong::EndlessNote;
        return Parsed::Broken(Broken { at: start, what, declared: None, bulk_end: None });
    };
    let text = rest[..len].strip_suffix(b"\r\n").unwrap_or_default();
    let time = text.strip_prefix(b"#TS:").map(|digits| decimal(digits).and_then(|n| i64::try_from(n).ok()));
    match time {
        Some(Some(time)) => Parsed::Note(len, Some(time)),
        // An annotation without CR LF, or whose time is not a number, was not written by a server.
        Some(None) | None if time.is_some() || !rest[..len].ends_with(b"\r\n") => {
            let what = Wrong::UnsoundNote;
            Parsed::Broken(Broken { at: start, what, declared: None, bulk_end: None })
        }
        _ => Parsed::Note(len, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go(bytes: &[u8]) -> (Parsed, Vec<Vec<u8>>) {
        let mut args = Vec::new();
        let parsed = parse(bytes, 0, 1000, &mut args);
        (parsed, args.into_iter().map(|range| bytes[range].to_vec()).collect())
    }

    #[test]
    fn commands_and_annotations() {
        let (parsed, args) = go(b"*2\r\n$4\r\nXDEL\r\n$3\r\na\r\n\r\n*1");
        assert_eq!(parsed, Parsed::Command(23));
        assert_eq!(args, [b"XDEL".to_vec(), b"a\r\n".to_vec()]);
        assert_eq!(go(b"#TS:1700000000\r\n*1").0, Parsed::Note(16, Some(1_700_000_000)));
        assert_eq!(go(b"#hello\r\n").0, Parsed::Note(8, None));
    }

    #[test]
    fn every_prefix_asks_for_more_and_never_for_less_than_it_has() {
        let whole = b"*2\r\n$4\r\nXDEL\r\n$12\r\nabcdefghijkl\r\n";
        for cut in 0..whole.len() {
            match go(&whole[..cut]).0 {
                Parsed::More(need) => assert!(need > cut && need <= whole.len() + 4, "{cut}: {need}"),
                other => panic!("{cut}: {other:?}"),
            }
        }
    }

    #[test]
    fn broken_framing_is_placed() {
        let at = |bytes: &[u8]| match go(bytes).0 {
            Parsed::Broken(broken) => (broken.at, broken.bulk_end),
            other => panic!("{other:?}"),
        };
        assert_eq!(at(b"+OK\r\n"), (0, None));
        assert_eq!(at(b"*x\r\n"), (1, None));
        assert_eq!(at(b"*0\r\n"), (1, None));
        assert_eq!(at(b"*1\n$1"), (2, None));
        assert_eq!(at(b"*1\r\n$3\r\nabcd\r\n"), (11, Some(13)));
        assert_eq!(at(b"*2\r\n$1\r\na\r\n*1\r\n"), (11, Some(11)));
        assert_eq!(at(b"*1\r\n$99999999\r\n"), (5, Some(100_000_016)));
        assert_eq!(at(b"#TS:12x\r\n"), (0, None));
        assert_eq!(at(b"#TS:1\n"), (0, None));
    }
}
