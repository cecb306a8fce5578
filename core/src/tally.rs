//! What the entries of a stream add up to: records, times and notes, and why an entry counts as none.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::reason::{NoRecord, Reason};
use crate::record::{Kind, Note, NoteSet, RecordFacts};
use crate::redis::StreamId;
use crate::summary::Counts;

/// The field that holds the record.
pub const DATA: &[u8] = b"data";

/// Why an entry holds no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flaw {
    /// The reason, as findings carry it.
    pub reason: Reason,
    /// A sentence for people.
    pub detail: &'static str,
}

impl From<NoRecord> for Flaw {
    fn from(why: NoRecord) -> Flaw {
        Flaw { reason: Reason::from(why), detail: why.sentence() }
    }
}

/// What is kept of an entry that holds a record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Held {
    /// Of which kind it is.
    pub kind: Kind,
    /// Its timestamp in seconds of the writer's clock, finite or not.
    pub timestamp: Option<f64>,
    /// What it deserves by itself, whatever stream it is in.
    pub notes: NoteSet,
}

impl Held {
    /// Of a record and the number of its entry's fields.
    pub fn of(facts: &RecordFacts, fields: u64) -> Held {
        let mut notes = facts.notes();
        if fields > 1 {
            notes.insert(Note::ExtraFields);
        }
        Held { kind: facts.kind, timestamp: facts.timestamp, notes }
    }
}

/// Notes, with the first entry that earned each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Notes(BTreeMap<Note, (u64, Option<String>)>);

impl Notes {
    /// Adds a note about a stream or an entry of it.
    pub fn add(&mut self, note: Note, count: u64, id: Option<&str>) {
        if count > 0 {
            let (sum, first) = self.0.entry(note).or_default();
            *sum += count;
            if first.is_none() {
                *first = id.map(Into::into);
            }
        }
    }

    /// Adds the notes of one entry.
    pub fn add_all(&mut self, notes: NoteSet, id: StreamId) {
        if !notes.is_empty() {
            let id = id.to_string();
            notes.iter().for_each(|note| self.add(note, 1, Some(&id)));
        }
    }

    /// Adds those of streams that come after.
    pub fn merge(&mut self, later: Notes) {
        later.0.into_iter().for_each(|(note, (count, id))| self.add(note, count, id.as_deref()));
    }

    /// As a report has them.
    pub fn into_reports(self) -> Vec<NoteReport> {
        let report = |(note, (count, id))| NoteReport { note, count, line: None, offset: None, id };
        self.0.into_iter().map(report).collect()
    }
}

/// A note of a file.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteReport {
    /// Which note.
    pub note: Note,
    /// Number of records that earned it.
    pub count: u64,
    /// The first one's line, from 1; absent in a stream.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<u64>,
    /// The first one's offset in bytes; absent in a stream.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub offset: Option<u64>,
    /// The first one's entry ID, in a stream.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
}

/// What the entries of one stream add up to, taken in their order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    expected: Option<Kind>,
    /// Intact records.
    pub records: Counts,
    /// Entries that hold none.
    pub bad: u64,
    first: Option<f64>,
    last: Option<f64>,
    last_finite: Option<f64>,
}

impl Tally {
    /// Of a stream whose records are to be of this kind.
    pub fn new(expected: Option<Kind>) -> Tally {
        Tally { expected, ..Tally::default() }
    }

    /// Takes the next entry; returns its notes.
    pub fn take(&mut self, entry: &Result<Held, NoRecord>) -> NoteSet {
        let Ok(held) = entry else {
            self.bad += 1;
            return NoteSet::default();
        };
        self.records.add(held.kind);
        let mut notes = held.notes;
        if self.expected.is_some_and(|kind| held.kind != kind && held.kind != Kind::Other) {
            notes.insert(Note::WrongStream);
        }
        if let Some(seconds) = held.timestamp {
            self.first.get_or_insert(seconds);
            self.last = Some(seconds);
            if seconds.is_finite() {
                if self.last_finite.is_some_and(|last| seconds < last) {
                    notes.insert(Note::TimeBackwards);
                }
                self.last_finite = Some(seconds);
            }
        }
        notes
    }

    /// The first record's timestamp; `None` when there is none or it is not finite.
    pub fn first_timestamp(&self) -> Option<f64> {
        self.first.filter(|seconds| seconds.is_finite())
    }

    /// The last record's timestamp, likewise.
    pub fn last_timestamp(&self) -> Option<f64> {
        self.last.filter(|seconds| seconds.is_finite())
    }
}
