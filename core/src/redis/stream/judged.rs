//! A replay that judges the entries: what a scan of an append-only folder reports.

use std::collections::BTreeMap;

use serde::Serialize;

use super::facts::{GroupReport, StreamReport};
use super::keys::{NoRecord, RecordCheck, Scope};
use crate::entry::{Held, Notes, Tally};
use crate::record::Note;
use crate::redis::aof::replay::Replay;
use crate::redis::finding::{BackupFinding, BackupReason};
use crate::redis::rdb::node::Entry;

/// What is kept of an entry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// The file that it is in, as [`Replay::next_file`] counts.
    pub file: u32,
    /// Bytes from the start of that file: of the command or the node.
    pub offset: u64,
    /// What it holds, or why that is no record.
    pub verdict: Result<Held, NoRecord>,
}

/// The state of a folder in a report.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ReplayReport {
    /// Papyra's streams and others, by database and key.
    pub streams: Vec<StreamReport>,
    /// Live entries of Papyra's streams that are no record, with the number of their file: the first so many.
    pub findings: Vec<(u32, BackupFinding)>,
    /// All of them.
    pub found: u64,
    /// Notes, by the number of the file that the entry is in.
    #[serde(skip)]
    pub notes: BTreeMap<u32, Notes>,
    /// Notes about what groups wait for, which is of no one file.
    #[serde(skip)]
    pub waiting: Notes,
}

/// Judges an entry, given the number of its file.
pub type Judge = Box<dyn FnMut(u32, &Entry<'_>) -> Judged + Send>;

/// A replay that judges every entry it meets.
pub fn judging() -> Replay<Judged, Judge> {
    let mut check = RecordCheck::default();
    Replay::new(Box::new(move |file, entry: &Entry<'_>| {
        let verdict = check.entry(entry).map(|facts| Held::of(&facts, entry.fields.remaining()));
        Judged { file, offset: entry.offset, verdict }
    }))
}

impl<F: FnMut(u32, &Entry<'_>) -> Judged> Replay<Judged, F> {
    /// What the state holds; at most `max_findings` findings are listed.
    pub fn report(&self, scope: &Scope, max_findings: usize) -> ReplayReport {
        let mut report = ReplayReport::default();
        for ((db, key), stream) in self.streams() {
            let papyra = scope.find(key);
            let mut tally = Tally::new(papyra.as_ref().map(|papyra| papyra.kind.record()));
            for (id, judged) in stream.entries.iter().filter(|_| papyra.is_some()) {
                let notes = tally.take(&judged.verdict);
                if !notes.is_empty() {
                    report.notes.entry(judged.file).or_default().add_all(notes, *id);
                }
                if let Err(why) = judged.verdict {
                    report.found += 1;
                    if report.findings.len() < max_findings {
                        let finding = BackupFinding::of_entry(why, *db, key, *id, judged.offset);
                        report.findings.push((judged.file, finding));
                    }
                }
            }
            for group in stream.groups.values().filter(|_| papyra.is_some()) {
                let mut gone = group.pending.keys().filter(|id| !stream.entries.contains_key(id)).peekable();
                let first = gone.peek().map(|id| id.to_string());
                report.waiting.add(Note::PendingWithoutEntry, gone.count() as u64, first.as_deref());
            }
            report.streams.push(StreamReport {
                db: *db,
                key: String::from_utf8_lossy(key).into_owned(),
                papyra,
                offset: stream.offset,
                expire_ms: stream.expire_ms,
                facts: stream.facts(),
                records: tally.records,
                bad_entries: tally.bad,
                first_timestamp: tally.first_timestamp(),
                last_timestamp: tally.last_timestamp(),
                incomplete: false,
                consumer_groups: (stream.groups.iter())
                    .map(|(name, group)| GroupReport::from(&group.to_group(name)))
                    .collect(),
            });
        }
        report
    }
}

impl BackupFinding {
    /// An entry that is no record.
    pub(crate) fn of_entry(why: NoRecord, db: u64, key: &[u8], id: super::id::StreamId, offset: u64) -> Self {
        Self::new(BackupReason::NoRecord(why), offset, why.sentence()).at_key(db, key).at_entry(id)
    }
}
