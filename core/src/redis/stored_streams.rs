//! A look through the bytes of a backup of streams, a DUMP payload or an RDB file: what a scan says of them, and each
//! stream in them.
//!
//! Bytes are pushed, nothing is read here. Whether what was found is what a manifest says: `verification/streams`.

use std::ops::Range;

use super::backup_report::BackupFormat;
use super::error::Error;
use super::finding::{BackupFinding, BackupReason};
use super::rdb::header::{Header, Limits};
use super::rdb::node::Entry;
use super::rdb::reader::RdbReader;
use super::report::dump_report;
use super::stream::digest::Entries;
use super::stream::export::GroupExport;
use super::stream::facts::{Collector, Lines};
use super::stream::group::Group;
use super::stream::keys::Scope;
use super::stream::numbers::StreamFacts;
use super::visit::{Any, Flow, Key, Visitor};
use crate::report::FileReport;

/// What bytes are, and which of their keys are Papyra's.
#[derive(Debug, Clone, Copy)]
pub struct Payload<'a> {
    /// The key of a DUMP payload; `None` for an RDB file.
    pub key: Option<&'a str>,
    /// The database that the systems are in.
    pub db: u64,
    /// What Papyra's keys begin with.
    pub prefix: &'a str,
}

/// What a look has shown.
#[derive(Debug)]
pub struct Streams {
    /// What a scan says.
    pub report: FileReport,
    /// The streams of the database, in the order of the file.
    pub found: Vec<FoundStream>,
    /// Why these bytes are not what a server would have written.
    pub damage: Option<BackupFinding>,
    /// When an RDB file was begun, in seconds since 1970.
    pub written: Option<i64>,
}

/// A stream as it lies in the bytes.
#[derive(Debug, Clone, Default)]
pub struct FoundStream {
    /// Its key.
    pub key: Vec<u8>,
    /// The value's type code.
    pub rdb_type: u8,
    /// The version that a payload of it has.
    pub version: u16,
    /// Unix time in milliseconds at which it expires.
    pub expire_ms: Option<i64>,
    /// Where the value lies.
    pub value: Range<u64>,
    /// What the stream says of itself.
    pub facts: StreamFacts,
    /// SHA-256 over its entries, see [`Entries`].
    pub entries_sha256: String,
    /// Its groups.
    pub groups: Vec<GroupExport>,
    /// Groups that cannot be told in text.
    pub untold_groups: u64,
}

/// Looks at bytes as they go by.
pub struct StreamSurvey {
    name: String,
    format: BackupFormat,
    reader: RdbReader,
    gatherer: Gatherer,
}

impl StreamSurvey {
    /// Creates a reader with no input. `name` is what the report calls the bytes; it lists the first `max_findings`
    /// findings.
    pub fn new(payload: Payload<'_>, name: &str, max_findings: usize) -> StreamSurvey {
        let scope = Scope { prefix: Some(payload.prefix.to_owned()), system_id: None };
        let (format, reader) = match payload.key {
            Some(key) => (BackupFormat::Dump, RdbReader::dump(key.as_bytes(), Limits::default()).in_db(payload.db)),
            None => (BackupFormat::Rdb, RdbReader::new(Limits::default())),
        };
        let collector = Collector::new(scope, max_findings);
        let entries = Entries::default();
        let gatherer = Gatherer { db: payload.db, collector, open: None, entries, found: Vec::new(), damage: None };
        StreamSurvey { name: name.to_owned(), format, reader, gatherer }
    }

    /// Before the first push: keeps the records for [`StreamSurvey::take_lines`].
    pub fn keep_lines(&mut self) {
        self.gatherer.collector.lines = Some(Lines::default());
    }

    /// The records since the last time, each as the line that an export writes of it.
    pub fn take_lines(&mut self) -> Lines {
        self.gatherer.collector.take_lines().unwrap_or_default()
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        // Nothing in the visitor ever stops the reading.
        _ = self.reader.push::<Any<'_>>(bytes, &mut (&mut self.gatherer as _));
    }

    /// All bytes have been pushed.
    ///
    /// # Errors
    /// They are beyond the reader, and why.
    pub fn finish(self) -> Result<Streams, Error> {
        let StreamSurvey { name, format, reader, mut gatherer } = self;
        let summary = reader.finish::<Any<'_>>(&mut (&mut gatherer as _))?;
        let Gatherer { collector, mut found, damage, .. } = gatherer;
        let written = collector.aux.get("ctime").and_then(|time| time.parse().ok());
        let version = summary.header.map_or(0, |header| u16::try_from(header.version).unwrap_or(u16::MAX));
        found.iter_mut().for_each(|found| found.version = version);
        let report = dump_report(name, format, summary.header, summary.checksum, summary.bytes, collector);
        Ok(Streams { report, found, damage, written })
    }
}

struct Gatherer {
    db: u64,
    collector: Collector,
    open: Option<FoundStream>,
    entries: Entries,
    found: Vec<FoundStream>,
    damage: Option<BackupFinding>,
}

impl Visitor for Gatherer {
    fn header(&mut self, header: &Header) {
        self.collector.header(header);
    }

    fn aux(&mut self, name: &[u8], value: &[u8]) {
        self.collector.aux(name, value);
    }

    fn key(&mut self, key: &Key<'_>) -> Flow {
        self.entries = Entries::default();
        self.open = (key.is_stream && key.db == self.db).then(|| FoundStream {
            key: key.name.to_vec(),
            rdb_type: key.rdb_type,
            expire_ms: key.expire_ms,
            ..FoundStream::default()
        });
        self.collector.key(key)
    }

    fn entry(&mut self, key: &Key<'_>, entry: &Entry<'_>) -> Flow {
        if self.open.is_some() {
            self.entries.add(entry.id, &entry.fields);
        }
        self.collector.entry(key, entry)
    }

    fn group(&mut self, key: &Key<'_>, group: Group) -> Flow {
        if let Some(open) = &mut self.open {
            match GroupExport::of(&group) {
                Some(group) => open.groups.push(group),
                None => open.untold_groups += 1,
            }
        }
        self.collector.group(key, group)
    }

    fn stream(&mut self, key: &Key<'_>, facts: &StreamFacts) -> Flow {
        if let Some(open) = &mut self.open {
            open.facts = facts.clone();
            open.entries_sha256 = std::mem::take(&mut self.entries).finish();
        }
        self.collector.stream(key, facts)
    }

    fn value(&mut self, _key: &Key<'_>, bytes: Range<u64>) -> Flow {
        if let Some(open) = self.open.take() {
            self.found.push(FoundStream { value: bytes, ..open });
        }
        Flow::Continue(())
    }

    fn finding(&mut self, finding: BackupFinding) -> Flow {
        // All others are in the server too: they are part of what is backed up.
        let is_damage = matches!(
            finding.reason,
            BackupReason::Truncated
                | BackupReason::ChecksumMismatch
                | BackupReason::BrokenStructure
                | BackupReason::TrailingBytes
        );
        if is_damage && self.damage.is_none() {
            self.damage = Some(finding.clone());
        }
        self.collector.finding(finding)
    }
}
