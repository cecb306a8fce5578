//! What the verbs that check a backup share: which one, how to read it, and telling monitoring, scripts and people.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Reading, tell};
use crate::backup::prometheus::{Figures, Operation};
use crate::backup::{Backup, newest};
use crate::cli::Verdict;
use crate::cli::out::Out;
use crate::cli::settings::Format;
use crate::error::{Code, Error, Result};
use crate::reading::Effort;

/// Which backup.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// The backup: a folder, or s3://BUCKET/PREFIX/NAME
    #[arg(value_name = "BACKUP", required_unless_present = "latest", conflicts_with = "latest")]
    backup: Option<PathBuf>,

    /// The newest backup in this folder, or in s3://BUCKET/PREFIX
    #[arg(long, value_name = "FOLDER")]
    latest: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Checking {
    #[command(flatten)]
    which: Which,

    /// Write figures for node-exporter's textfile collector
    #[arg(long, value_name = "FILE")]
    prometheus: Option<PathBuf>,

    #[command(flatten)]
    reading: Reading,
}

impl Checking {
    /// Runs `check` on the backup and shows the outcome: its `figures`, and itself as JSON or as `print` has it.
    pub(super) fn run<T: Serialize>(
        &self,
        operation: Operation,
        out: &mut Out,
        check: impl FnOnce(&Backup, Effort<'_>) -> Result<T>,
        figures: impl Fn(&Backup, &T) -> Figures,
        print: impl FnOnce(&Backup, &T, &mut Out),
    ) -> Result<Verdict> {
        let attempt = || -> Result<(Backup, T)> {
            let backup = self.which.open()?;
            let progress = self.reading.progress(backup.manifest.bytes());
            let done = check(&backup, self.reading.effort(&progress))?;
            Ok((backup, done))
        };
        let told = tell(self.prometheus.as_ref(), operation, attempt(), |(backup, done)| figures(backup, done));
        let (backup, done) = told?;
        match self.reading.format {
            Format::Json => out.json(&done)?,
            Format::Text => print(&backup, &done, out),
        }
        Ok(if figures(&backup, &done).good { Verdict::Fine } else { Verdict::Anomalies })
    }

    /// The same for something of `size` bytes that is no backup.
    pub(super) fn show<T: Serialize>(
        &self,
        operation: Operation,
        out: &mut Out,
        size: u64,
        attempt: impl FnOnce(Effort<'_>) -> Result<T>,
        figures: impl Fn(&T) -> Figures,
        print: impl FnOnce(&T, &mut Out),
    ) -> Result<Verdict> {
        let progress = self.reading.progress(size);
        let done = tell(self.prometheus.as_ref(), operation, attempt(self.reading.effort(&progress)), &figures)?;
        drop(progress);
        match self.reading.format {
            Format::Json => out.json(&done)?,
            Format::Text => print(&done, out),
        }
        Ok(if figures(&done).good { Verdict::Fine } else { Verdict::Anomalies })
    }

    /// What was named, if anything was.
    pub(super) fn named(&self) -> Option<&Path> {
        self.which.backup.as_deref()
    }
}

impl Which {
    /// The backup that was named, or the newest one.
    pub(super) fn open(&self) -> Result<Backup> {
        match (&self.backup, &self.latest) {
            (Some(backup), _) => Backup::open(backup),
            (None, Some(folder)) => Backup::open(&newest(folder)?),
            (None, None) => Err(Error::new(Code::Usage, "name a backup, or the folder of backups with --latest")),
        }
    }
}

/// Why the outcome is kept nowhere, for people.
pub(super) fn print_not_recorded(why: Option<&String>, out: &mut Out) {
    if let Some(why) = why {
        out.info(&format!("note: the result is not remembered: {why}"));
    }
}
