//! Flags of the verbs that read a backup, and the file for monitoring that they write.

use std::path::PathBuf;

use crate::backup::prometheus::{self, Figures, Operation};
use crate::cli::out::Output;
use crate::cli::progress::Progress;
use crate::cli::settings_file::Config;
use crate::error::Result;
use crate::reading::ScanOptions;

/// Flags of the verbs that read a backup.
#[derive(Debug, clap::Args)]
pub(super) struct Reading {
    #[command(flatten)]
    pub(super) config: Config,

    #[command(flatten)]
    pub(super) output: Output,

    /// How many anomalies to list per file; counts are always complete
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub(super) max_findings: usize,

    /// Number of threads; by default as many as the machine has
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) threads: Option<u16>,
}

impl Reading {
    pub(super) fn progress(&self, total: u64) -> Progress {
        Progress::new(self.output.quiet, Some(total))
    }

    pub(super) fn scanning<'a>(&self, progress: &'a Progress) -> ScanOptions<'a> {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = self.threads.map_or_else(processors, usize::from);
        ScanOptions { threads, max_findings: self.max_findings, progress: progress.tick() }
    }
}

/// Writes the file for monitoring, if one is wanted, also when the work failed.
pub(super) fn tell<T>(
    file: Option<&PathBuf>,
    operation: Operation,
    done: Result<T>,
    figures: impl FnOnce(&T) -> Figures,
) -> Result<T> {
    let Some(file) = file else { return done };
    let written = prometheus::write(file, operation, done.as_ref().ok().map(figures).as_ref());
    match (done, written) {
        (Ok(done), written) => written.map(|()| done),
        (Err(error), _) => Err(error),
    }
}
