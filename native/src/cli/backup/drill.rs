//! `papyra backup drill`

use std::path::PathBuf;

use papyra_core::report::Verdict as ReportVerdict;

use super::checking::{Checking, print_not_recorded};
use super::words::{describe, pace, source};
use crate::backup::Backup;
use crate::backup::drill::{self, Drill};
use crate::backup::prometheus::{Figures, Operation};
use crate::backup::redis::Trial;
use crate::backup::redis::drill::load;
use crate::cli::out::{self, Out};
use crate::cli::verdict::Verdict;
use crate::error::{Result, show};
use crate::reading::ScanOptions;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    checking: Checking,

    /// The scratch folder to restore into; by default the system's temporary folder
    #[arg(long, value_name = "FOLDER")]
    scratch: Option<PathBuf>,

    /// The server program for the scratch server; by default redis-server or valkey-server on the PATH
    #[arg(long, value_name = "PATH", help_heading = "Redis")]
    redis_server: Option<PathBuf>,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<Verdict> {
    let scratch = args.scratch.clone().unwrap_or_else(std::env::temp_dir);
    let trial = Trial { scratch: &scratch, program: args.redis_server.as_deref() };
    if let Some((path, files)) = args.checking.redis_files() {
        let attempt = |scanning: ScanOptions<'_>| load(&files, path, trial, scanning);
        let print = |done: &Drill, out: &mut Out| print(None, done, out);
        return args.checking.show(Operation::Drill, out, files.size(), attempt, figures, print);
    }
    let check = |backup: &Backup, scanning: ScanOptions<'_>| drill::drill(backup, trial, scanning);
    let print = |backup: &Backup, done: &Drill, out: &mut Out| print(Some(backup), done, out);
    args.checking.run(Operation::Drill, out, check, |_, done| figures(done), print)
}

fn figures(done: &Drill) -> Figures {
    Figures {
        seconds: done.restore_seconds,
        records: Some(done.scan.as_ref().map_or(0, |scan| scan.totals.records.total())),
        anomalies: done.scan.as_ref().map_or(0, |scan| scan.totals.anomalies) + done.differences.len() as u64,
        bytes: done.bytes,
        created: done.created.parse().ok(),
        good: done.is_good(),
    }
}

fn print(backup: Option<&Backup>, done: &Drill, out: &mut Out) {
    let path = show(&done.backup);
    if done.intact {
        out.success(&if backup.is_some() {
            format!("{path} can be restored")
        } else {
            format!("a server loads {path}")
        });
    } else {
        out.bad(&format!("{path} could not be restored as it was"));
        done.differences.iter().for_each(|difference| out.detail(difference));
    }
    match (backup, &done.scan) {
        (Some(backup), _) => describe(backup, out),
        (None, Some(scan)) => {
            out.info(&format!("{}, {}", out::bytes(done.bytes), out::records(&scan.totals.records)));
        }
        (None, None) => {}
    }
    if done.scan.is_some() {
        out.info(&format!("time to restore: {}", pace(done.restore_seconds, done.bytes)));
        out.info(&format!("time to read it all again: {}", pace(done.check_seconds, done.bytes)));
    }
    for note in &done.notes {
        out.info(&format!("note: {note}"));
    }
    if let Some(scan) = done.scan.as_ref().filter(|scan| scan.verdict == ReportVerdict::Anomalies) {
        let source = backup.map_or("it", source);
        out.bad(&format!("{source} had {} when this was backed up", out::anomalies(scan.totals.anomalies)));
    }
    print_not_recorded(done.not_recorded.as_ref(), out);
}
