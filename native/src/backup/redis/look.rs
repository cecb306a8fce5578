//! A look through the bytes of a DUMP payload or an RDB file: what a scan says of them, and each stream in them.

use std::io::{self, Read};
use std::ops::Range;

use papyra_core::redis::{
    self, BackupFormat, BackupReport, Collector, Entry, Finding, Flow, Group, GroupExport, Header, Key, Limits,
    RdbReader, Reason, Scope, StreamFacts, Visitor, stream_records,
};
use papyra_core::report::{FileReport, Role};
use papyra_core::summary::Summary;

use super::digest::Entries;
use crate::error::Result;
use crate::offline::beyond;
use crate::reading::Effort;

/// What bytes are, and which of their keys are Papyra's.
#[derive(Debug, Clone, Copy)]
pub(in crate::backup) struct Payload<'a> {
    /// The key of a DUMP payload; `None` for an RDB file.
    pub(super) key: Option<&'a str>,
    /// The database that the systems are in.
    pub(super) db: u64,
    /// What Papyra's keys begin with.
    pub(super) prefix: &'a str,
}

/// What a look has shown.
#[derive(Debug)]
pub(in crate::backup) struct Streams {
    /// What a scan says.
    pub(in crate::backup) report: FileReport,
    /// The streams of the database, in the order of the file.
    pub(super) found: Vec<Found>,
    /// Why these bytes are not what a server would have written.
    pub(super) damage: Option<Finding>,
    /// When an RDB file was begun, in seconds since 1970.
    pub(super) written: Option<i64>,
}

/// A stream as it lies in the bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) key: Vec<u8>,
    pub(super) rdb_type: u8,
    /// The version that a payload of it has.
    pub(super) version: u16,
    pub(super) expire_ms: Option<i64>,
    /// Where the value lies.
    pub(super) value: Range<u64>,
    pub(super) facts: StreamFacts,
    pub(super) entries_sha256: String,
    pub(super) groups: Vec<GroupExport>,
    /// Groups that cannot be told in text.
    pub(super) untold_groups: u64,
}

/// Reads all of `bytes`. `name` is what the report calls them.
pub(in crate::backup) fn look(
    payload: Payload<'_>,
    name: &str,
    bytes: &mut dyn Read,
    effort: Effort<'_>,
) -> Result<io::Result<Streams>> {
    let scope = Scope { prefix: Some(payload.prefix.to_owned()), system_id: None };
    let collector = Collector::new(scope, effort.max_findings);
    let mut looker =
        Looker { db: payload.db, collector, open: None, entries: Entries::default(), found: Vec::new(), damage: None };
    let (format, mut reader) = match payload.key {
        Some(key) => (BackupFormat::Dump, RdbReader::dump(key.as_bytes(), Limits::default()).in_db(payload.db)),
        None => (BackupFormat::Rdb, RdbReader::new(Limits::default())),
    };
    let mut buffer = vec![0; 1 << 18];
    loop {
        match bytes.read(&mut buffer) {
            Ok(0) => break,
            // Nothing in the visitor ever stops the reading.
            Ok(read) => _ = reader.push(&buffer[..read], &mut looker),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Ok(Err(error)),
        }
    }
    let summary = reader.finish(&mut looker).map_err(|error| beyond(name.as_ref(), &error))?;
    let written = looker.collector.aux.get("ctime").and_then(|time| time.parse().ok());
    let version = summary.header.map_or(0, |header| u16::try_from(header.version).unwrap_or(u16::MAX));
    looker.found.iter_mut().for_each(|found| found.version = version);
    Ok(Ok(Streams {
        report: report_of(name, format, &summary, looker.collector),
        found: looker.found,
        damage: looker.damage,
        written,
    }))
}

fn report_of(name: &str, format: BackupFormat, summary: &redis::Summary, facts: Collector) -> FileReport {
    let mut report = FileReport::new(name, Role::Active, 0, Summary::default());
    report.bytes = summary.bytes;
    report.anomaly_count = facts.found();
    report.anomalies = facts.findings.into_iter().map(papyra_core::finding::Finding::from).collect();
    report.backup = Some(BackupReport {
        format,
        header: summary.header,
        checksum: Some(summary.checksum),
        commands: None,
        other_keys: facts.other_keys,
        other_streams: facts.other_streams,
    });
    stream_records(&mut report, facts.streams);
    report
}

struct Looker {
    db: u64,
    collector: Collector,
    open: Option<Found>,
    entries: Entries,
    found: Vec<Found>,
    damage: Option<Finding>,
}

impl Visitor for Looker {
    fn header(&mut self, header: &Header) {
        self.collector.header(header);
    }

    fn aux(&mut self, name: &[u8], value: &[u8]) {
        self.collector.aux(name, value);
    }

    fn key(&mut self, key: &Key<'_>) -> Flow {
        self.entries = Entries::default();
        self.open = (key.is_stream && key.db == self.db).then(|| Found {
            key: key.name.to_vec(),
            rdb_type: key.rdb_type,
            expire_ms: key.expire_ms,
            ..Found::default()
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
            self.found.push(Found { value: bytes, ..open });
        }
        Flow::Continue(())
    }

    fn finding(&mut self, finding: Finding) -> Flow {
        // All others are in the server too: they are part of what is backed up.
        let is_damage = matches!(
            finding.reason,
            Reason::Truncated | Reason::ChecksumMismatch | Reason::BrokenStructure | Reason::TrailingBytes
        );
        if is_damage && self.damage.is_none() {
            self.damage = Some(finding.clone());
        }
        self.collector.finding(finding)
    }
}
