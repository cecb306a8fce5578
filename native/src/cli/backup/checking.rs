//! What the verbs that check a backup share: which one, how to read it, and telling monitoring, scripts and people.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::reading::{Reading, tell};
use crate::backup::prometheus::{Figures, Operation};
use crate::backup::series::{Wanted, latest};
use crate::backup::{Backup, Location};
use crate::cli::out::Out;
use crate::cli::settings::{Format, SeriesFlags, Settings, backups};
use crate::cli::settings_file::Config;
use crate::cli::verdict::Verdict;
use crate::error::{Code, Error, Result, show};
use crate::offline;
use crate::reading::ScanOptions;
use crate::source::redis_files;

/// Which backup.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// The backup: a folder, or NAME in a repository, such as s3://BUCKET/PREFIX/NAME
    #[arg(value_name = "BACKUP", conflicts_with = "latest")]
    backup: Option<PathBuf>,

    /// The newest backup in this folder or repository; without a value, in the one that PAPYRA_BACKUPS or
    /// papyra.toml names
    #[arg(long, value_name = "FOLDER", num_args = 0..=1)]
    latest: Option<Option<PathBuf>>,

    #[command(flatten)]
    series: SeriesFlags,
}

#[derive(Debug, clap::Args)]
pub(super) struct Checking {
    #[command(flatten)]
    which: Which,

    /// Write metrics to this file for node-exporter's textfile collector
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
        check: impl FnOnce(&Backup, ScanOptions<'_>) -> Result<T>,
        figures: impl Fn(&Backup, &T) -> Figures,
        print: impl FnOnce(&Backup, &T, &mut Out),
    ) -> Result<Verdict> {
        let attempt = || -> Result<(Backup, T)> {
            let backup = self.which.open(&self.reading.config, None)?;
            let progress = self.reading.progress(backup.manifest.bytes());
            let done = check(&backup, self.reading.scanning(&progress))?;
            Ok((backup, done))
        };
        // A backup that is dated ahead counts for nothing yet, however intact it is.
        let figures = |backup: &Backup, done: &T| {
            let figures = figures(backup, done);
            Figures { good: figures.good && !backup.is_from_future(), ..figures }
        };
        let told = tell(self.prometheus.as_ref(), operation, attempt(), |(backup, done)| figures(backup, done));
        let (backup, done) = told?;
        match out.format() {
            Format::Json => out.json(&done)?,
            Format::Text => print(&backup, &done, out),
        }
        if backup.is_from_future() {
            out.message(&from_future(&backup.path, &backup.manifest.created));
        }
        Ok(if figures(&backup, &done).good { Verdict::Fine } else { Verdict::Anomalies })
    }

    /// The same for something of `size` bytes that is not a backup.
    pub(super) fn show<T: Serialize>(
        &self,
        operation: Operation,
        out: &mut Out,
        size: u64,
        attempt: impl FnOnce(ScanOptions<'_>) -> Result<T>,
        figures: impl Fn(&T) -> Figures,
        print: impl FnOnce(&T, &mut Out),
    ) -> Result<Verdict> {
        let progress = self.reading.progress(size);
        let done = tell(self.prometheus.as_ref(), operation, attempt(self.reading.scanning(&progress)), &figures)?;
        drop(progress);
        match out.format() {
            Format::Json => out.json(&done)?,
            Format::Text => print(&done, out),
        }
        Ok(if figures(&done).good { Verdict::Fine } else { Verdict::Anomalies })
    }

    /// What was named, where a Redis server wrote it by itself.
    pub(super) fn redis_files(&self) -> Option<(&Path, offline::ServerFiles)> {
        self.which.redis_files()
    }

    /// The folder of backups that is meant.
    pub(super) fn folder(&self) -> Result<Location> {
        folder_of_backups(self.which.backup.as_ref(), &self.reading.config)
    }

    /// The series that was named, if one was.
    pub(super) fn series(&self) -> Option<&str> {
        self.which.series.series.as_deref()
    }
}

impl Which {
    /// What was named, where a Redis server wrote it by itself.
    pub(super) fn redis_files(&self) -> Option<(&Path, offline::ServerFiles)> {
        let path = self.backup.as_deref()?;
        Some((path, redis_files(path)?))
    }

    /// Which series is meant.
    pub(super) fn wanted(&self, config: &Config) -> Result<Wanted> {
        Settings::wanted_of(&self.series, config)
    }

    /// The backup that was named, or the newest one of the series that is meant, no later than `until`.
    pub(super) fn open(&self, config: &Config, until: Option<Timestamp>) -> Result<Backup> {
        let newest = |folder: &Location| latest(folder, &self.wanted(config)?, until, Timestamp::now());
        match (&self.backup, &self.latest) {
            (Some(backup), _) => {
                let backup = Location::parse(backup)?;
                Backup::open(&backup).map_err(|error| match newest(&backup) {
                    Ok(newest) => error.and(&format!("the newest is {newest}: --latest takes it")),
                    Err(_) => error,
                })
            }
            (None, Some(folder)) => Backup::open(&newest(&folder_of_backups(folder.as_ref(), config)?)?),
            (None, None) => Err(Error::new(Code::Usage, "name a backup, or the folder of backups with --latest")),
        }
    }
}

/// The folder of backups: the one that was named, else the environment's, else the settings file's, else restic's
/// repository.
pub(in crate::cli) fn folder_of_backups(named: Option<&PathBuf>, config: &Config) -> Result<Location> {
    let variable = || std::env::var_os("PAPYRA_BACKUPS").filter(|value| !value.is_empty()).map(PathBuf::from);
    match named.cloned().or_else(variable) {
        Some(folder) => Location::parse(&folder),
        None => backups(config.file()?.backups.as_ref()),
    }
}

/// What to say of a backup that is dated in the future.
pub(super) fn from_future(backup: &Path, created: &str) -> String {
    format!(
        "{} is dated in the future ({}): a clock was wrong, and until then it counts as no backup",
        show(backup),
        papyra_core::escape::escape(created.as_bytes())
    )
}

/// Why the outcome is kept nowhere, for people.
pub(super) fn print_not_recorded(why: Option<&String>, out: &mut Out) {
    if let Some(why) = why {
        out.info(&format!("note: the result is not remembered: {why}"));
    }
}
