//! Whether one append-only file is whole, and which of its stretches count.
//!
//! A file is gone through once in pieces to see whether it is whole. A damaged one is then searched for the commands
//! after the damage (`search`).

use std::ops::Range;

use super::misspelt::{Misspelt, Names, is_damaged};
use super::plan::{AofPlan, Databases};
use super::planner::AofPlanner;
use super::reader::{AofReader, AofSummary};
use super::resp::Command;
use super::search::Search;
use crate::redis::error::Error;
use crate::redis::finding::{BackupFinding, BackupReason};
use crate::redis::rdb::header::{Header, Limits};
use crate::redis::rdb::node::Entry;
use crate::redis::stream::group::Group;
use crate::redis::stream::keys::Scope;
use crate::redis::stream::numbers::StreamFacts;
use crate::redis::visit::{Any, Flow, Key, Visitor};

/// What going through a file has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Bytes of the file.
    pub size: u64,
    /// What the reader says of it.
    pub summary: AofSummary,
    /// What to keep, once a damaged file was searched; still `None` when a damaged stretch was too long for that.
    pub plan: Option<AofPlan>,
    /// Its commands are damaged, or its last transaction was not finished.
    pub damaged: bool,
    /// The RDB file at its front is.
    pub front_damaged: bool,
    several_dbs: bool,
}

impl Survey {
    /// The search for what to keep, if the file is damaged where one helps.
    pub fn search(&self, scope: &Scope) -> Option<Search> {
        let start = self.summary.preamble.as_ref().map_or(Some(0), |front| front.end);
        let start = start.filter(|_| self.damaged && self.plan.is_none())?;
        let planner = AofPlanner::new(start, self.size, self.several_dbs, scope.clone(), Limits::default());
        Some(Search::new(planner, scope.clone()))
    }

    /// The stretches that count, in order.
    pub fn kept(&self) -> Vec<Range<u64>> {
        match &self.plan {
            Some(plan) => {
                let kept = plan.stretches.iter().filter(|part| part.keep);
                kept.map(|part| part.offset..part.offset + part.length).collect()
            }
            None => std::iter::once(0..self.size).filter(|all| !all.is_empty()).collect(),
        }
    }
}

/// Goes through a file that is pushed in chunks.
#[derive(Debug)]
pub struct Surveyor {
    reader: AofReader,
    databases: Databases,
    found: Found,
}

#[derive(Debug, Default)]
struct Found {
    scope: Scope,
    names: Names,
    in_commands: u64,
    in_front: u64,
}

impl Surveyor {
    /// Of a file that is incremental, or may be anything; streams within `scope` are Papyra's.
    pub fn new(is_incremental: bool, scope: Scope) -> Self {
        let new = if is_incremental { AofReader::incremental } else { AofReader::new };
        let found = Found { scope, ..Found::default() };
        Self { reader: new(Limits::default()), databases: Databases::default(), found }
    }

    /// Takes the next bytes; `also` is told what they hold.
    pub fn push(&mut self, bytes: &[u8], also: &mut dyn Visitor) -> Flow {
        self.databases.push(bytes);
        let mut both = Both { found: &mut self.found, also };
        self.reader.push::<Any<'_>>(bytes, &mut (&mut both as _))
    }

    /// The file has ended.
    ///
    /// # Errors
    /// As [`AofReader::finish`].
    pub fn finish(mut self, also: &mut dyn Visitor) -> Result<Survey, Error> {
        let mut both = Both { found: &mut self.found, also };
        let summary = self.reader.finish::<Any<'_>>(&mut (&mut both as _))?;
        let Found { names, in_commands, in_front, .. } = self.found;
        Ok(Survey {
            size: summary.bytes,
            summary,
            plan: None,
            damaged: in_commands > 0 || !names.misspelt().is_empty(),
            front_damaged: in_front > 0,
            several_dbs: self.databases.are_several(),
        })
    }
}

/// Counts findings, looks at names, and hands everything on.
struct Both<'a> {
    found: &'a mut Found,
    also: Any<'a>,
}

impl Visitor for Both<'_> {
    fn header(&mut self, header: &Header) {
        self.also.header(header);
    }

    fn aux(&mut self, name: &[u8], value: &[u8]) {
        self.also.aux(name, value);
    }

    fn key(&mut self, key: &Key<'_>) -> Flow {
        self.also.key(key)
    }

    fn entry(&mut self, key: &Key<'_>, entry: &Entry<'_>) -> Flow {
        self.also.entry(key, entry)
    }

    fn group(&mut self, key: &Key<'_>, group: Group) -> Flow {
        self.also.group(key, group)
    }

    fn stream(&mut self, key: &Key<'_>, facts: &StreamFacts) -> Flow {
        self.also.stream(key, facts)
    }

    fn command(&mut self, command: &Command<'_>) -> Flow {
        let found = &mut *self.found;
        found.names.see(command.args, &found.scope);
        // One that is damaged whatever else is in the file.
        found.in_commands += u64::from(is_damaged(command.args, &Misspelt::new()));
        self.also.command(command)
    }

    fn timestamp(&mut self, offset: u64, unix: i64) {
        self.also.timestamp(offset, unix);
    }

    fn finding(&mut self, finding: BackupFinding) -> Flow {
        match finding.reason {
            BackupReason::BrokenCommand | BackupReason::TornTail | BackupReason::UnfinishedTransaction => {
                self.found.in_commands += 1
            }
            _ => self.found.in_front += 1,
        }
        self.also.finding(finding)
    }
}
