//! What a scan report says of a Redis backup file, in the words of every other report.
//!
//! Findings of the readers become a report's findings here; reading is theirs, and printing the front ends'.

use serde::Serialize;

use super::backup_report::{BackupFormat, BackupReport};
use super::finding::{BackupFinding, BackupReason};
use super::rdb::header::{Checksum, Header};
use super::stream::facts::{Collector, StreamReport};
use crate::finding::{AnomalyType, Finding, Reason};
use crate::report::{FileReport, Role};
use crate::summary::Summary;

/// What brings out what is whole in a damaged backup.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// An export: nothing is repaired in place.
    Export,
    /// Recovery, which cuts damaged commands out of append-only files.
    Recover,
}

impl Remedy {
    /// The remedy for the backup of these files.
    pub fn of(files: &[FileReport]) -> Self {
        let is_dump = |file: &FileReport| {
            file.backup.as_ref().is_some_and(|backup| matches!(backup.format, BackupFormat::Rdb | BackupFormat::Dump))
        };
        let mut anomalies = files.iter().flat_map(|file| &file.anomalies).filter(|anomaly| anomaly.id.is_none());
        let mended = |why: Reason| {
            use BackupReason::{BrokenCommand, BrokenManifest, RecordInDamage, UnfinishedTransaction, UnknownDatabase};
            let Reason::Backup(why) = why else { return why == Reason::TornTail };
            matches!(why, BrokenCommand | UnfinishedTransaction | UnknownDatabase | RecordInDamage | BrokenManifest)
        };
        // A set whose base is damaged is not touched.
        let untouched = |why: Reason| !mended(why) && why != Reason::Backup(BackupReason::RefusedCommand);
        let recovers = !files.iter().any(is_dump)
            && !anomalies.clone().any(|anomaly| untouched(anomaly.reason))
            && anomalies.any(|anomaly| mended(anomaly.reason));
        if recovers { Self::Recover } else { Self::Export }
    }
}

impl Collector {
    /// Puts the findings and notes into a file's report: all findings are counted, the first are listed.
    fn put_findings(&mut self, report: &mut FileReport) {
        self.settle();
        report.anomaly_count = self.found();
        self.counts.iter().for_each(|(why, count)| *report.reasons.entry(Reason::from(*why)).or_default() += count);
        report.anomalies = self.findings.drain(..).map(Finding::from).collect();
        report.notes = std::mem::take(&mut self.notes).into_reports();
    }
}

impl From<BackupFinding> for Finding {
    fn from(finding: BackupFinding) -> Self {
        let kind = match finding.reason {
            BackupReason::Truncated | BackupReason::TornTail => AnomalyType::TruncatedLine,
            BackupReason::UnfinishedTransaction => AnomalyType::PartialWrite,
            _ => AnomalyType::CorruptedLine,
        };
        let reason = Reason::from(finding.reason);
        let database = finding.db.filter(|&db| db > 0).map(|db| format!(" (database {db})")).unwrap_or_default();
        Finding {
            offset: Some(finding.offset),
            length: finding.length,
            key: finding.key.map(|key| String::from_utf8_lossy(&key).into_owned()),
            id: finding.id.map(|id| id.to_string()),
            ..Finding::of_file(kind, reason, finding.detail + &database)
        }
    }
}

/// The report of an RDB file or a DUMP payload: what it says of itself, and all that was collected from its `bytes`
/// bytes.
pub(crate) fn dump_report(
    name: String,
    format: BackupFormat,
    header: Option<Header>,
    checksum: Checksum,
    bytes: u64,
    mut facts: Collector,
) -> FileReport {
    let mut report = FileReport::new(name, Role::Active, 0, Summary::default());
    report.bytes = bytes;
    facts.put_findings(&mut report);
    report.backup = Some(BackupReport {
        format,
        header,
        checksum: Some(checksum),
        commands: None,
        other_keys: facts.other_keys,
        other_names: facts.other_names,
        other_streams: facts.other_streams,
    });
    stream_records(&mut report, facts.streams);
    report
}

/// Puts streams into a file's report: its records, entries and times are theirs.
fn stream_records(file: &mut FileReport, streams: Vec<StreamReport>) {
    for stream in streams.iter().filter(|stream| stream.papyra.is_some()) {
        file.records.merge(stream.records);
        file.lines += stream.records.total() + stream.bad_entries;
        let earlier = file.first_timestamp.into_iter().chain(stream.first_timestamp);
        file.first_timestamp = earlier.reduce(f64::min);
        let later = file.last_timestamp.into_iter().chain(stream.last_timestamp);
        file.last_timestamp = later.reduce(f64::max);
    }
    file.streams.extend(streams);
}
