//! What someone asks for in the records of a log: words, fields, times, expressions, and what is not wanted.
//!
//! A query is terms apart by white space, all of which must hold for a line:
//!
//! | term | holds for |
//! | --- | --- |
//! | `pay`, `"two words"`, `/time.?out/` | lines that contain it; case does not matter for words |
//! | `kind:event,audit` | records of these kinds |
//! | `type:crash`, `actor:local:7`, `system:local` | records whose type, actor (or target of a dead letter) or system contains it |
//! | `reason:timeout` | crashes and dead letters whose payload gives a reason or an error that contains it |
//! | `type:"ActorCrashed"` | the whole value, case and all |
//! | `payload.order:17`, `payload.user.name:zoë`, `total_actors:>5` | a field of the record, by its path |
//! | `payload.error:/time.?out/` | a field that an expression finds something in |
//! | `time:>2026-01-01T10:00`, `time:948.1..948.5` | times in UTC, or seconds as they stand in the log |
//! | `line:100..200`, `byte:>4096` | lines by number, and by where they start in all that is searched |
//! | `is:damaged` | lines that are no intact record |
//! | `-term` | lines for which the term does not hold |
//!
//! Ranges are `>`, `>=`, `<`, `<=` and `FROM..TO`, which leaves out `TO`; either end may be missing. What looks like a field
//! that no record has (`local:7`) is a word.

mod matching;
mod parse;
mod time;

use regex_lite::Regex;

use crate::record::Kind;

pub use matching::{Cell, Line, Matcher};

/// A query that was understood.
#[derive(Debug, Clone, Default)]
pub struct Query {
    terms: Vec<Term>,
}

#[derive(Debug, Clone)]
struct Term {
    /// Whether it must not hold.
    not: bool,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    /// Anywhere in the line, in the spellings that it may have in a log, in lower case.
    Word(String, Vec<Vec<u8>>),
    Expression(Regex),
    Kinds(Vec<Kind>),
    Field(Field, Test),
    Time(Range),
    Line(Range),
    Byte(Range),
    Damaged,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    /// The event's or the message's type.
    Type,
    /// The actor, or the target of a dead letter.
    Actor,
    /// Why it crashed or was not delivered, where the payload says so.
    Reason,
    /// Names from the record down.
    Path(Vec<String>),
}

#[derive(Debug, Clone)]
enum Test {
    /// A text that contains this in any case, a number or a word that is this.
    Contains(String),
    /// This to the letter.
    Is(String),
    Finds(Regex),
    In(Range),
}

/// Numbers from `low` to `high`; each end is left out when it is open.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Range {
    low: f64,
    high: f64,
    low_open: bool,
    high_open: bool,
}

impl Range {
    fn holds(&self, number: f64) -> bool {
        let above = if self.low_open { number > self.low } else { number >= self.low };
        above && if self.high_open { number < self.high } else { number <= self.high }
    }
}

impl Query {
    /// Understands a text, or says which term of it makes no sense and what would.
    ///
    /// # Errors
    /// A sentence for people. It may quote the query, and so is to be escaped before it is shown.
    pub fn parse(text: &str) -> Result<Query, String> {
        Ok(Query { terms: parse::terms(text)? })
    }

    /// Whether it asks for nothing, and so every line matches.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether it limits the times of records.
    pub fn has_time(&self) -> bool {
        self.terms.iter().any(|term| matches!(term.what, What::Time(_)) && !term.not)
    }
}
