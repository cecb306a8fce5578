//! `papyra backup drill`

use std::path::PathBuf;

use papyra_core::report::Verdict as ReportVerdict;

use super::verify::chosen;
use super::{Reading, describe, pace, tell};
use crate::backup::Backup;
use crate::backup::drill::{self, Drill};
use crate::backup::prometheus::{Figures, Operation};
use crate::cli::Verdict;
use crate::cli::out::{self, Out};
use crate::cli::settings::Format;
use crate::error::{Result, show};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The backup
    #[arg(value_name = "BACKUP", required_unless_present = "latest", conflicts_with = "latest")]
    backup: Option<PathBuf>,

    /// The newest backup in this folder
    #[arg(long, value_name = "FOLDER")]
    latest: Option<PathBuf>,

    /// The folder to restore into for trial; by default the system's for temporary files
    #[arg(long, value_name = "FOLDER")]
    scratch: Option<PathBuf>,

    /// Write figures for node-exporter's textfile collector
    #[arg(long, value_name = "FILE")]
    prometheus: Option<PathBuf>,

    #[command(flatten)]
    reading: Reading,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<Verdict> {
    let scratch = args.scratch.clone().unwrap_or_else(std::env::temp_dir);
    let attempt = || -> Result<(Backup, Drill)> {
        let backup = chosen(args.backup.as_ref(), args.latest.as_ref())?;
        let progress = args.reading.progress(backup.manifest.bytes());
        let done = drill::drill(&backup, &scratch, args.reading.effort(&progress))?;
        Ok((backup, done))
    };
    let (backup, done) = tell(args.prometheus.as_ref(), Operation::Drill, attempt(), |(backup, done)| Figures {
        seconds: done.restore_seconds,
        records: done.scan.as_ref().map_or(0, |scan| scan.totals.records.total()),
        anomalies: done.scan.as_ref().map_or(0, |scan| scan.totals.anomalies) + done.differences.len() as u64,
        bytes: done.bytes,
        created: backup.created(),
        good: done.is_good(),
    })?;
    match args.reading.format {
        Format::Json => out.json(&done)?,
        Format::Text => print(&backup, &done, out),
    }
    Ok(if done.is_good() { Verdict::Fine } else { Verdict::Anomalies })
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
    if let Some(why) = &done.not_recorded {
        out.info(&format!("note: the result is not remembered: {why}"));
    }
}
