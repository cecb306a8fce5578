//! What of papyra runs in the simulation: the real code, called as the command line calls it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use papyra_core::manifest::Compression;
use papyra_core::retention::Retention;

use super::books::BACKUPS;
use crate::backup::Location;
use crate::backup::create;
use crate::backup::series::Filing;
use crate::compact;
use crate::error::Error;
use crate::history::{Choice, History};
use crate::reading::ScanOptions;
use crate::recover::{self, Mode, RecoverOptions, Recovered};
use crate::source::Source;

/// A command.
#[derive(Debug, Clone, Copy)]
pub(super) enum Verb {
    Repair {
        at_rest: bool,
    },
    Quarantine {
        at_rest: bool,
    },
    StartupCheck,
    Compact {
        keep: usize,
        at_rest: bool,
    },
    /// The backup's number.
    Backup {
        number: u64,
    },
}

/// How it ended.
#[derive(Debug)]
pub(super) struct Exit {
    pub(super) code: u8,
    /// The names of what it says that it has repaired.
    pub(super) repaired: Vec<String>,
    pub(super) said: String,
}

fn scanning() -> ScanOptions<'static> {
    ScanOptions { threads: 1, max_findings: 100, progress: &|_| {} }
}

pub(super) fn run(log: &Path, max_files: Option<u32>, verb: Verb) -> Exit {
    let done = match verb {
        Verb::Repair { at_rest } => recovered(log, max_files, Mode::Repair, at_rest),
        Verb::Quarantine { at_rest } => recovered(log, max_files, Mode::Quarantine, at_rest),
        Verb::StartupCheck => scanned(log, max_files),
        Verb::Compact { keep, at_rest } => compacted(log, max_files, keep, at_rest),
        Verb::Backup { number } => backed_up(log, max_files, number),
    };
    done.unwrap_or_else(|error| Exit { code: error.code as u8, repaired: Vec::new(), said: error.to_string() })
}

fn open(log: &Path, max_files: Option<u32>) -> Result<History, Error> {
    let choice = if max_files.is_some() { Choice::Rotating } else { Choice::Auto };
    History::open(log, choice, max_files)
}

fn recovered(log: &Path, max_files: Option<u32>, mode: Mode, at_rest: bool) -> Result<Exit, Error> {
    let options = RecoverOptions {
        quarantine_dir: (mode == Mode::Quarantine).then(|| PathBuf::from("/elsewhere/quarantine")),
        at_rest,
        ..RecoverOptions::new(mode)
    };
    let outcome: Recovered = recover::recover(&open(log, max_files)?, &options, scanning())?;
    let code = if outcome.remains() { 3 } else { 0 };
    Ok(Exit { code, repaired: names(&outcome.repaired_files), said: outcome.warnings.join("; ") })
}

fn scanned(log: &Path, max_files: Option<u32>) -> Result<Exit, Error> {
    let files = open(log, max_files)?.scan(scanning())?;
    let damaged = files.iter().any(|file| file.anomaly_count > 0);
    Ok(Exit { code: u8::from(damaged), repaired: Vec::new(), said: String::new() })
}

fn compacted(log: &Path, max_files: Option<u32>, keep: usize, at_rest: bool) -> Result<Exit, Error> {
    let policy = Retention { max_records: Some(keep as u64), ..Retention::default() };
    let outcome = compact::compact(&open(log, max_files)?, policy, 1.7e9, false, at_rest, scanning())?;
    Ok(Exit { code: 0, repaired: names(&outcome.files), said: outcome.warnings.join("; ") })
}

pub(super) fn backup_name(number: u64) -> String {
    format!("b{number}")
}

fn backed_up(log: &Path, max_files: Option<u32>, number: u64) -> Result<Exit, Error> {
    let filing =
        Filing { series: "s".into(), is_derived: false, host: "h".into(), source: "log".into(), tags: Vec::new() };
    let options = create::CreateOptions {
        to: Location::Folder(BACKUPS.into()),
        name: Some(backup_name(number)),
        filing,
        compression: Compression::None,
        include_rejects: false,
        quarantine_dir: None,
        pause_check: false,
        reread: false,
        link: number.is_multiple_of(2),
        patience: Duration::from_millis(100),
    };
    let find = || open(log, max_files).map(Source::History);
    let created = create::create(&find, &options, scanning())?;
    Ok(Exit { code: 0, repaired: Vec::new(), said: created.warnings.join("; ") })
}

fn names(paths: &[PathBuf]) -> Vec<String> {
    let names = paths.iter().filter_map(|path| path.file_name());
    names.map(|name| name.to_string_lossy().into_owned()).collect()
}
