//! The recovery plan: which stretches of a file stay, which go, and where a newline is owed.
//!
//! A plan is what a scan says, written down. Who can scan twice need not hold it at all: the second scan's
//! [`Step`]s *are* the plan, in constant memory, and that is how the native recovery carries it out.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::finding::Span;
use crate::scan::{Flow, Sink, Step};

/// What recovery would do with a file, built by using it as the [`Sink`] of a scan.
///
/// ```
/// use papyra_core::plan::{Action, Plan};
/// use papyra_core::scan::Scanner;
///
/// let log = b"{}\nno record\n{}\n";
/// let mut plan = Plan::with_limit(100);
/// let mut scanner = Scanner::new(0, 0);
/// _ = scanner.push(log, &mut plan);
/// scanner.finish(&mut plan);
/// let removed: Vec<_> = plan.parts.iter().filter(|part| part.action == Action::Reject).collect();
/// assert_eq!(removed.len(), 1);
/// assert_eq!((removed[0].span.offset, removed[0].span.length), (3, 10));
/// assert_eq!((plan.kept_bytes, plan.rejected_bytes), (6, 10));
/// ```
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Plan {
    /// The stretches that stay and go, in file order, as many as [`Plan::with_limit`] allows.
    pub parts: Vec<Part>,
    /// Whether there were more parts than are listed. The totals are whole all the same.
    pub truncated: bool,
    /// How many bytes stay, listed or not.
    pub kept_bytes: u64,
    /// How many bytes go, listed or not.
    pub rejected_bytes: u64,
    /// How many newlines are written where an intact record has none.
    pub newlines: u64,
    #[serde(skip)]
    limit: usize,
}

/// A stretch of the file with which one thing is done.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Whether the stretch stays.
    pub action: Action,
    /// Its place in the file.
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
    /// Is removed from the log, and kept elsewhere.
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
