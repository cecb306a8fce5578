//! A file for node-exporter's textfile collector: when a backup, a verification or a drill last went well.

use std::path::Path;

use jiff::Timestamp;

use crate::error::Result;
use crate::gauges::gauge;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A backup was made.
    Create,
    /// One was verified.
    Verify,
    /// A part of one was verified.
    VerifySample,
    /// Names and sizes of one were compared.
    VerifyQuick,
    /// One was restored for trial.
    Drill,
}

/// What monitoring wants to know of it.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// How long it took.
    pub seconds: f64,
    /// Intact records, where all were read.
    pub records: Option<u64>,
    /// Anomalies, damaged files included.
    pub anomalies: u64,
    /// Bytes of the logs.
    pub bytes: u64,
    /// When the backup was made.
    pub created: Option<Timestamp>,
    /// Whether all was well.
    pub good: bool,
}

const LAST_SUCCESS: &str = "papyra_backup_last_success_timestamp_seconds";

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Operation::Create => "create",
            Operation::Verify => "verify",
            Operation::VerifySample => "verify-sample",
            Operation::VerifyQuick => "verify-quick",
            Operation::Drill => "drill",
        }
    }
}

/// Writes the file at `path` in one step; without `figures`, the operation failed, and the last success is carried
/// over from the file that was there.
pub fn write(path: &Path, operation: Operation, figures: Option<&Figures>) -> Result<()> {
    let label = format!("{{operation=\"{}\"}}", operation.name());
    let good = figures.is_some_and(|figures| figures.good);
    let earlier = || {
        let text = std::fs::read_to_string(path).ok()?;
        let prefix = format!("{LAST_SUCCESS}{label} ");
        text.lines().find_map(|line| line.strip_prefix(&prefix)?.parse::<f64>().ok())
    };
    let now = Timestamp::now().as_millisecond() as f64 / 1e3;
    let last = if good { Some(now) } else { earlier() };
    let mut gauges = vec![
        (LAST_SUCCESS, "When this last went well, in seconds since 1970.", last),
        ("papyra_backup_success", "Whether this went well the last time.", Some(f64::from(u8::from(good)))),
        ("papyra_backup_run_timestamp_seconds", "When this was last tried, in seconds since 1970.", Some(now)),
    ];
    if let Some(figures) = figures {
        // A backup of the future is none yet: an alert on its age is to fire. A clock that is a little late is no
        // matter.
        let age = figures.created.map(|created| match (now * 1e3 - created.as_millisecond() as f64).round() / 1e3 {
            _ if super::is_from_future(created, Timestamp::now()) => f64::INFINITY,
            age => age.max(0.0),
        });
        gauges.extend([
            ("papyra_backup_duration_seconds", "How long it took.", Some(figures.seconds)),
            ("papyra_backup_records", "Intact records in the backup.", figures.records.map(|records| records as f64)),
            ("papyra_backup_anomalies", "Anomalies and damaged files in the backup.", Some(figures.anomalies as f64)),
            ("papyra_backup_bytes", "Size of the logs in the backup.", Some(figures.bytes as f64)),
            ("papyra_backup_age_seconds", "The backup's age when this ran.", age),
        ]);
    }
    let mut text = String::new();
    for (name, help, value) in gauges {
        if let Some(value) = value {
            gauge(&mut text, name, help, &[(label.clone(), value)]);
        }
    }
    super::remember(path, text.as_bytes())
}
