//! The scan report, schema `papyra.scan/1`: what `--format json` prints, the page shows and a backup's manifest keeps.
//!
//! Paths are relative to what was scanned. A schema's fields are never renamed or removed; new ones may be added.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::escape::escape;
use crate::finding::{AnomalyType, Finding, Reason};
use crate::record::Note;
use crate::redis::{BackupReport, StreamReport};
use crate::summary::{Counts, Looks, NoteCount, Summary};

pub use crate::tally::NoteReport;

/// The schema of reports, as [`Report::schema`] holds it.
pub const SCHEMA: &str = "papyra.scan/1";

/// How a history is stored.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// One append-only file.
    Json,
    /// A set of rotated files.
    Rotating,
    /// Streams of a Redis or Valkey server.
    Redis,
}

impl Backend {
    /// The backend's name in reports and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Json => "json",
            Backend::Rotating => "rotating",
            Backend::Redis => "redis",
        }
    }

    /// The class of Papyra's that stores a history so (Papyra 0.3.0, `persistence/backends`).
    pub fn class(self) -> &'static str {
        match self {
            Backend::Json => "JsonFilePersistence",
            Backend::Rotating => "RotatingFilePersistence",
            Backend::Redis => "RedisStreamsPersistence",
        }
    }
}

/// What a file is to the history.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The file that is appended to.
    Active,
    /// An older member of a rotation set.
    Rotated,
    /// Bears the log's name and is not a member.
    Orphan,
    /// Left behind by an interrupted compaction or recovery.
    Temporary,
    /// A member that is not there.
    Missing,
}

/// What a report says in one word.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing wrong was found.
    Clean,
    /// At least one anomaly was found; under `strict`, or a note.
    Anomalies,
}

/// What a scan of a history says: schema `papyra.scan/1`, by serde.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// Who made the report: name and version.
    pub tool: String,
    /// How the history is stored.
    pub backend: Backend,
    /// Healthy without an anomaly.
    pub verdict: Verdict,
    /// Sums over the history's members.
    pub totals: Totals,
    /// The files, oldest member first, then the missing, the temporaries, renamed members and the orphans.
    pub files: Vec<FileReport>,
    /// What lies beside them and was not read.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub passed_over: Vec<PassedOver>,
    /// Which of a Redis server's files it would load, in words, where that depends on its settings.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub loaded: Option<String>,
}

/// A file or folder that lies beside the history and was not read.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    /// Its name; a folder's ends with a slash.
    pub path: String,
    /// What it is, and how to read it, in words.
    pub reason: String,
}

impl fmt::Display for PassedOver {
    /// Safe to show.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", escape(self.path.as_bytes()), escape(self.reason.as_bytes()))
    }
}

/// Sums over the members of a history. Orphans and temporaries count only in `anomalies`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// How many member files there are.
    pub files: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Their lines, damaged ones included.
    pub lines: u64,
    /// Their intact records by kind.
    pub records: Counts,
    /// Anomalies of all files, listed or not.
    pub anomalies: u64,
    /// How many intact records earned each note.
    pub notes: BTreeMap<Note, u64>,
    /// Intact records in damaged lines that recovery would bring back.
    pub salvageable: u64,
    /// The first record's timestamp, in seconds of the writer's clock.
    pub first_timestamp: Option<f64>,
    /// The last record's timestamp, in seconds of the writer's clock.
    pub last_timestamp: Option<f64>,
}

/// What the scan of one file says.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileReport {
    /// The file's path, relative to what was scanned.
    pub path: String,
    /// What the file is to the history.
    pub role: Role,
    /// 0 for the active file, N for `NAME.N`.
    pub index: u32,
    /// Size in bytes (of the content, when the file is compressed).
    pub bytes: u64,
    /// Lines, a last one without a newline included.
    pub lines: u64,
    /// Intact records by kind.
    pub records: Counts,
    /// Intact records in damaged lines, which recovery keeps.
    pub salvageable: u64,
    /// The first record's timestamp, in seconds of the writer's clock.
    pub first_timestamp: Option<f64>,
    /// The last record's timestamp, in seconds of the writer's clock.
    pub last_timestamp: Option<f64>,
    /// The notes that intact records earned, with the first place of each.
    pub notes: Vec<NoteReport>,
    /// Anomalies, listed or not.
    pub anomaly_count: u64,
    /// The first anomalies, in file order, as many as the scanner was told to list.
    pub anomalies: Vec<Finding>,
    /// Anomalies by reason, as far as they are told apart when they are not listed; no part of the written report.
    #[serde(skip)]
    pub reasons: BTreeMap<Reason, u64>,
    /// What the damaged lines look like, listed or not; no part of the written report.
    #[serde(skip)]
    pub looks: Looks,
    /// What a Redis backup file says of itself. Not read back: of a report that is read only the logs' part counts.
    #[serde(skip_serializing_if = "Option::is_none", skip_deserializing)]
    pub backup: Option<BackupReport>,
    /// The streams of a Redis backup; of an append-only folder, with its last file. Not read back, as above.
    #[serde(skip_serializing_if = "Vec::is_empty", skip_deserializing)]
    pub streams: Vec<StreamReport>,
}

impl FileReport {
    /// The report of a file that was scanned.
    pub fn new(path: impl Into<String>, role: Role, index: u32, summary: Summary) -> FileReport {
        FileReport {
            path: path.into(),
            role,
            index,
            bytes: summary.bytes,
            lines: summary.lines,
            records: summary.records,
            salvageable: summary.salvageable,
            first_timestamp: summary.first_timestamp(),
            last_timestamp: summary.last_timestamp(),
            notes: summary
                .notes()
                .map(|(note, at)| NoteReport {
                    note,
                    count: at.count,
                    line: Some(at.line),
                    offset: Some(at.offset),
                    id: None,
                })
                .collect(),
            anomaly_count: summary.anomalies,
            anomalies: summary.findings,
            reasons: summary.reasons,
            looks: summary.looks,
            backup: None,
            streams: Vec::new(),
        }
    }

    /// A file whose own content is beside the point: all there is to say is `finding`.
    ///
    /// What it holds is still told, but damage inside it is not listed.
    pub fn outside(path: impl Into<String>, role: Role, index: u32, summary: Summary, finding: Finding) -> FileReport {
        FileReport {
            notes: Vec::new(),
            anomaly_count: 1,
            reasons: BTreeMap::from([(finding.reason, 1)]),
            anomalies: vec![finding],
            ..FileReport::new(path, role, index, summary)
        }
    }

    /// Adds a finding about the file as a whole.
    pub fn add(&mut self, finding: Finding) {
        self.anomaly_count += 1;
        *self.reasons.entry(finding.reason).or_default() += 1;
        self.anomalies.push(finding);
    }

    fn is_member(&self) -> bool {
        matches!(self.role, Role::Active | Role::Rotated)
    }
}

impl Report {
    /// The report over `files`, members in reading order. Under `strict`, notes spoil the verdict too.
    pub fn new(tool: impl Into<String>, backend: Backend, files: Vec<FileReport>, strict: bool) -> Report {
        let mut totals = Totals::default();
        for file in &files {
            totals.anomalies += file.anomaly_count;
            if !file.is_member() {
                continue;
            }
            totals.files += 1;
            totals.bytes += file.bytes;
            totals.lines += file.lines;
            totals.records.merge(file.records);
            totals.salvageable += file.salvageable;
            if backend == Backend::Redis {
                // Streams are written side by side, files one after the other.
                let least = totals.first_timestamp.into_iter().chain(file.first_timestamp);
                totals.first_timestamp = least.reduce(f64::min);
                let greatest = totals.last_timestamp.into_iter().chain(file.last_timestamp);
                totals.last_timestamp = greatest.reduce(f64::max);
            } else {
                totals.first_timestamp = totals.first_timestamp.or(file.first_timestamp);
                totals.last_timestamp = file.last_timestamp.or(totals.last_timestamp);
            }
            for note in &file.notes {
                *totals.notes.entry(note.note).or_default() += note.count;
            }
        }
        let clean = totals.anomalies == 0 && (!strict || totals.notes.is_empty());
        let verdict = if clean { Verdict::Clean } else { Verdict::Anomalies };
        let (passed_over, loaded) = (Vec::new(), None);
        Report { schema: SCHEMA.into(), tool: tool.into(), backend, verdict, totals, files, passed_over, loaded }
    }

    /// Whether the bytes look like something else altogether: not one intact record, and no damaged line that looks
    /// like one.
    pub fn is_no_log(&self) -> bool {
        let records = &self.totals.records;
        let whole = records.event + records.audit + records.dead_letter + self.totals.salvageable;
        let mut looks = Looks::default();
        self.files.iter().filter(|file| file.is_member()).for_each(|file| looks.merge(file.looks));
        whole == 0 && looks.like_records == 0 && looks.alien > 0
    }
}

impl Summary {
    /// The summary that a report without anomalies was made of, as far as it takes to make the same report again;
    /// `None` of one with anomalies.
    pub fn of_clean(report: &FileReport) -> Option<Summary> {
        let &FileReport { bytes, lines, records, first_timestamp, last_timestamp, .. } = report;
        let note = |of: &NoteReport| Some((of.note, NoteCount { count: of.count, line: of.line?, offset: of.offset? }));
        let notes = report.notes.iter().map(note).collect::<Option<Vec<_>>>()?;
        let clean = || Summary::clean(bytes, lines, records, [first_timestamp, last_timestamp], notes);
        (report.anomaly_count == 0).then(clean)
    }
}

impl PassedOver {
    /// The report on a log's place that could not be read.
    pub fn report(&self) -> FileReport {
        let finding = Finding::of_file(AnomalyType::PartialWrite, Reason::Unreadable, self.reason.clone());
        FileReport::outside(&self.path, Role::Active, 0, Summary::default(), finding)
    }
}
