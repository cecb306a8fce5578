//! `papyra backup drill`

use std::path::PathBuf;

use papyra_core::report::Verdict as ReportVerdict;

use super::checking::{Checking, print_not_recorded};
use super::{describe, pace};
use crate::backup::Backup;
use crate::backup::drill::{self, Drill};
use crate::backup::prometheus::{Figures, Operation};
use crate::cli::Verdict;
use crate::cli::out::{self, Out};
use crate::error::{Result, show};
use crate::reading::Effort;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    checking: Checking,

    /// The folder to restore into for trial; by default the system's for temporary files
    #[arg(long, value_name = "FOLDER")]
    scratch: Option<PathBuf>,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<Verdict> {
    let scratch = args.scratch.clone().unwrap_or_else(std::env::temp_dir);
    let check = |backup: &Backup, effort: Effort<'_>| drill::drill(backup, &scratch, effort);
    args.checking.run(Operation::Drill, out, check, figures, print)
}

fn figures(backup: &Backup, done: &Drill) -> Figures {
    Figures {
        seconds: done.restore_seconds,
        records: done.scan.as_ref().map_or(0, |scan| scan.totals.records.total()),
        anomalies: done.scan.as_ref().map_or(0, |scan| scan.totals.anomalies) + done.differences.len() as u64,
        bytes: done.bytes,
        created: backup.created(),
        good: done.is_good(),
    }
}

fn print(backup: &Backup, done: &Drill, out: &mut Out) {
    if done.intact {
        out.success(&format!("{} can be restored", show(&done.backup)));
    } else {
        out.bad(&format!("{} could not be restored as it was", show(&done.backup)));
        done.differences.iter().for_each(|difference| out.detail(difference));
    }
    describe(backup, out);
    if done.scan.is_some() {
        out.info(&format!("time to restore: {}", pace(done.restore_seconds, done.bytes)));
        out.info(&format!("time to read it all again: {}", pace(done.check_seconds, done.bytes)));
    }
    if let Some(scan) = done.scan.as_ref().filter(|scan| scan.verdict == ReportVerdict::Anomalies) {
        out.bad(&format!("the log had {} when it was backed up", out::anomalies(scan.totals.anomalies)));
    }
    print_not_recorded(done.not_recorded.as_ref(), out);
}
