//! A way back in time for streams: entries behind an ID are taken out of a stream while it waits for its place, and
//! told.
//!
//! The stream keeps its last ID, its groups and what they wait for, as after XDEL: no ID is ever given twice, and no
//! group misses what comes.

use papyra_core::escape::escape;
use papyra_core::redis::{Entries, Entry, Flow, Group, Key, StreamId, Visitor};
use redis::Cmd;
use serde::Serialize;

use super::WAITS;
use super::outgoing::Outgoing;
use crate::backup::until::{LEAST_UNIX, Until};
use crate::error::{Code, Error, Result};
use crate::redis::Store;
use crate::setting::Setting;

/// Entries that are removed with one command.
const BATCH: usize = 1_000;

/// What was cut off a stream.
#[derive(schemars::JsonSchema, Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CutEntries {
    /// Entries behind the cut.
    pub entries: u64,
    /// The ID of the first one.
    pub first_id: StreamId,
    /// The ID of the last one.
    pub last_id: StreamId,
    /// How many of them groups have read and not acknowledged: they wait for messages that are gone.
    pub pending: u64,
}

/// Where a stream is cut.
pub(super) struct Cut {
    /// The last ID that may stay.
    last: StreamId,
    /// What stays: how many entries, and SHA-256 over them.
    pub(super) kept: u64,
    kept_sha256: String,
    pub(super) off: Option<CutEntries>,
    /// The first entry's ID.
    pub(super) oldest: Option<StreamId>,
}

impl Cut {
    /// Reads a stream for where it is to be cut.
    pub(super) fn find(piece: &Outgoing<'_>, key: &str, until: Until) -> Result<Cut> {
        let (last, is_unix) = last_id(until)?;
        let mut finding =
            Finding { last, kept: Entries::default(), off: None, oldest: None, pending: 0, other_clock: false };
        piece.read(&mut finding)?;
        if is_unix && finding.other_clock {
            let text = format!(
                "the entry IDs of {} are not Unix time, so that dates and durations say nothing about them: say \
                 up to which entry's ID, such as 1700000000000-0",
                escape(key.as_bytes())
            );
            return Err(Error::new(Code::Data, text).decided_by(&[Setting::Until]));
        }
        let pending = finding.pending;
        let off = finding.off.map(|off| CutEntries { pending, ..off });
        let oldest = finding.oldest;
        Ok(Cut { last, kept: finding.kept.count, kept_sha256: finding.kept.finish(), off, oldest })
    }

    /// Removes what is behind the cut from the stream that waits as `name`.
    pub(super) fn apply(&self, store: &Store, name: &str, piece: &Outgoing<'_>) -> Result<()> {
        if self.off.is_none() {
            return Ok(());
        }
        let mut removing = Removing { store, name, last: self.last, batch: Vec::new(), failed: None };
        piece.read(&mut removing)?;
        removing.failed.take().map_or(Ok(()), Err)?;
        removing.send()?;
        if store.entries_sha256(name)? == self.kept_sha256 {
            return Ok(());
        }
        let text = format!(
            "{name} at {} is not what was to be left of the stream; it was not put in place",
            store.settings.location
        );
        Err(Error::new(Code::Io, text))
    }
}

/// The last ID that may stay, and whether IDs are to be Unix time.
fn last_id(until: Until) -> Result<(StreamId, bool)> {
    match until {
        Until::Entry(id) => Ok((id, false)),
        // As far as whole milliseconds go, the one that it falls into included.
        Until::Time { seconds, is_unix: true } => Ok((StreamId::new((seconds * 1e3).floor() as u64, u64::MAX), true)),
        Until::Time { is_unix: false, .. } => {
            let text = "streams are cut at an entry's ID: give one, such as 1700000000000-0, a date, or how long ago";
            Err(Error::new(Code::Usage, text).decided_by(&[Setting::Until]))
        }
    }
}

struct Finding {
    last: StreamId,
    kept: Entries,
    off: Option<CutEntries>,
    oldest: Option<StreamId>,
    pending: u64,
    other_clock: bool,
}

impl Visitor for Finding {
    fn entry(&mut self, _key: &Key<'_>, entry: &Entry<'_>) -> Flow {
        self.other_clock |= (entry.id.ms as f64) < LEAST_UNIX * 1e3;
        self.oldest.get_or_insert(entry.id);
        if entry.id <= self.last {
            self.kept.add(entry.id, &entry.fields);
        } else {
            let first = CutEntries { entries: 0, first_id: entry.id, last_id: entry.id, pending: 0 };
            let off = self.off.get_or_insert(first);
            off.entries += 1;
            off.last_id = entry.id;
        }
        Flow::Continue(())
    }

    fn group(&mut self, _key: &Key<'_>, group: Group) -> Flow {
        self.pending += group.pending.iter().filter(|pending| pending.id > self.last).count() as u64;
        Flow::Continue(())
    }
}

struct Removing<'a> {
    store: &'a Store,
    name: &'a str,
    last: StreamId,
    batch: Vec<StreamId>,
    failed: Option<Error>,
}

impl Removing<'_> {
    fn send(&mut self) -> Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let mut remove: Cmd = redis::cmd("XDEL");
        remove.arg(self.name);
        self.batch.drain(..).for_each(|id| _ = remove.arg(id.to_string()));
        let wait = redis::cmd("PEXPIRE").arg(self.name).arg(WAITS).clone();
        self.store.pipeline(self.name, "cutting", &[remove, wait]).map(drop)
    }
}

impl Visitor for Removing<'_> {
    fn entry(&mut self, _key: &Key<'_>, entry: &Entry<'_>) -> Flow {
        if entry.id > self.last {
            self.batch.push(entry.id);
        }
        if self.batch.len() < BATCH {
            return Flow::Continue(());
        }
        match self.send() {
            Ok(()) => Flow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                Flow::Break(())
            }
        }
    }
}
