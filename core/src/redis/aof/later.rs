//! Commands after damage that a person must decide about: those on keys that are no Papyra streams, and those that move
//! a stream.
//!
//! They may depend on what was lost. [`plan_aof`](crate::redis::plan_aof) looks at those of the damaged file;
//! [`LaterCommands`] is also a visitor, for the files that follow it.

use serde::Serialize;

use super::command::{Touch, moves, touches};
use super::resp::Command;
use crate::redis::stream::keys::Scope;
use crate::redis::visit::{Flow, Visitor};

/// Commands after the first damage that a person must decide about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Later {
    /// Commands on keys that are no Papyra streams: they may depend on what was lost (an INCR after a lost INCR gives a
    /// number that never was). And those that move or copy a key: they do nothing when it was lost, and what follows
    /// would go to a stream that was to be replaced.
    pub others: u64,
    /// Commands on whole databases after a place that was found again without proof.
    pub whole_databases: u64,
    /// The first of them.
    pub first_offset: u64,
    /// Its name.
    pub first_command: String,
}

/// Counts them.
#[derive(Debug)]
pub struct LaterCommands {
    scope: Scope,
    found: Later,
    unproven_from: Option<u64>,
}

impl LaterCommands {
    /// Creates a visitor that has seen no commands; streams within `scope` are Papyra's.
    pub fn new(scope: Scope) -> Self {
        let found = Later { others: 0, whole_databases: 0, first_offset: 0, first_command: String::new() };
        Self { scope, found, unproven_from: None }
    }

    /// Commands from this offset on stand after a place that was found again without proof.
    pub(in crate::redis) fn unproven_from(self, unproven_from: Option<u64>) -> Self {
        Self { unproven_from, ..self }
    }

    /// What was seen; `None` when there is nothing to decide.
    pub fn found(self) -> Option<Later> {
        (self.found.others + self.found.whole_databases > 0).then_some(self.found)
    }

    fn see(&mut self, command: &Command<'_>) {
        let unproven = self.unproven_from.is_some_and(|from| command.offset >= from);
        let (others, whole) = match touches(command) {
            Touch::None => (false, false),
            Touch::Keys(keys) => (moves(command) || keys.iter().any(|key| self.scope.find(key).is_none()), false),
            Touch::Everything => (false, unproven),
            Touch::Others => (true, false),
        };
        let found = &mut self.found;
        if (others || whole) && found.others + found.whole_databases == 0 {
            found.first_offset = command.offset;
            found.first_command = String::from_utf8_lossy(&command.name()).into_owned();
        }
        found.others += u64::from(others);
        found.whole_databases += u64::from(whole);
    }
}

impl Visitor for LaterCommands {
    fn command(&mut self, command: &Command<'_>) -> Flow {
        self.see(command);
        Flow::Continue(())
    }
}
