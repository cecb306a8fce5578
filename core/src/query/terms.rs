//! The terms that a query is made of.

use regex_lite::Regex;

use crate::record::Kind;

/// A query that was understood.
#[derive(Debug, Clone, Default)]
pub struct Query {
    pub(super) terms: Vec<Term>,
}

#[derive(Debug, Clone)]
pub(super) struct Term {
    /// Whether it must not hold.
    pub(super) not: bool,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
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
pub(super) enum Field {
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
pub(super) enum Test {
    /// A text that contains this in any case, a number or a word that is this.
    Contains(String),
    /// This to the letter.
    Is(String),
    Finds(Regex),
    In(Range),
}

/// Numbers from `low` to `high`; each end is left out when it is open.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Range {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) low_open: bool,
    pub(super) high_open: bool,
}

impl Range {
    pub(super) fn holds(&self, number: f64) -> bool {
        let above = if self.low_open { number > self.low } else { number >= self.low };
        above && if self.high_open { number < self.high } else { number <= self.high }
    }
}

impl Query {
    /// Whether it asks for nothing, and so every line matches.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether it limits the times of records.
    pub fn has_time(&self) -> bool {
        self.terms.iter().any(|term| matches!(term.what, What::Time(_)) && !term.not)
    }
}
