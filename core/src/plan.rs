//! The recovery plan: which stretches of a file stay, which go, and where a newline is owed.
//!
//! A plan is what a scan says, written down. Who can scan twice need not hold it at all: the second scan's
//! [`Step`]s *are* the plan, in constant memory, and that is how the native recovery carries it out.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::finding::Span;
use crate::scan::{Flow, Sink, Step};

/// A plan, built by using it as a [`Sink`].
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Plan {
    /// The stretches that stay and go, in file order, as many as [`Plan::with_limit`] allows.
    pub parts: Vec<Part>,
    /// Whether there were more parts than are listed. The totals are whole all the same.
    pub truncated: bool,
    /// Bytes that stay.
    pub kept_bytes: u64,
    /// Bytes that go.
    pub rejected_bytes: u64,
    /// Newlines to be written.
    pub newlines: u64,
    #[serde(skip)]
    limit: usize,
}

/// One stretch of a plan.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Whether the stretch stays.
    pub action: Action,
    /// Which bytes.
    #[serde(flatten)]
    pub span: Span,
}

/// What becomes of a stretch.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Stays as it is.
    Keep,
    /// Stays, and a newline is written behind it.
    KeepAndAddNewline,
    /// Goes, and is kept elsewhere.
    Reject,
}

impl Plan {
    /// A plan that lists at most `limit` parts; 24 bytes each.
    pub fn with_limit(limit: usize) -> Plan {
        Plan { limit, ..Plan::default() }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.rejected_bytes == 0 && self.newlines == 0
    }

    fn add(&mut self, action: Action, range: &Range<u64>) {
        let length = range.end - range.start;
        if let Some(last) = self.parts.last_mut()
            && last.action == action
            && last.span.offset + last.span.length == range.start
        {
            last.span.length += length;
        } else if self.parts.len() < self.limit {
            self.parts.push(Part { action, span: Span { offset: range.start, length } });
        } else {
            self.truncated = true;
        }
    }
}

impl Sink for Plan {
    fn step(&mut self, step: Step) -> Flow {
        match step {
            Step::Keep(range) => {
                self.kept_bytes += range.end - range.start;
                self.add(Action::Keep, &range);
            }
            Step::Reject(range) => {
                self.rejected_bytes += range.end - range.start;
                self.add(Action::Reject, &range);
            }
            Step::Newline => {
                self.newlines += 1;
                if !self.truncated
                    && let Some(last) = self.parts.last_mut()
                {
                    last.action = Action::KeepAndAddNewline;
                }
            }
        }
        Flow::Continue(())
    }
}
