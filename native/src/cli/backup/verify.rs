//! `papyra backup verify`

use std::path::PathBuf;

use papyra_core::escape::escape;
use papyra_core::report::Verdict as ReportVerdict;

use super::{Reading, describe, pace, tell};
use crate::backup::prometheus::{Figures, Operation};
use crate::backup::stored::Damage;
use crate::backup::verify::{self, Verification};
use crate::backup::{Backup, newest};
use crate::cli::Verdict;
use crate::cli::out::{self, Out, thousands};
use crate::cli::settings::Format;
use crate::error::{Code, Error, Result, show};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The backup
    #[arg(value_name = "BACKUP", required_unless_present = "latest", conflicts_with = "latest")]
    backup: Option<PathBuf>,

    /// The newest backup in this folder
    #[arg(long, value_name = "FOLDER")]
    latest: Option<PathBuf>,

    /// Look at the manifest and at sizes only; not remembered as a verification
    #[arg(long)]
    quick: bool,

    /// Write figures for node-exporter's textfile collector
    #[arg(long, value_name = "FILE")]
    prometheus: Option<PathBuf>,

    #[command(flatten)]
    reading: Reading,
}

/// The backup that was named, or the newest one.
pub(super) fn chosen(backup: Option<&PathBuf>, latest: Option<&PathBuf>) -> Result<Backup> {
    match (backup, latest) {
        (Some(backup), _) => Backup::open(backup),
        (None, Some(folder)) => Backup::open(&newest(folder)?),
        (None, None) => Err(Error::new(Code::Usage, "name a backup, or the folder of backups with --latest")),
    }
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<Verdict> {
    let check = || -> Result<(Backup, Verification)> {
        let backup = chosen(args.backup.as_ref(), args.latest.as_ref())?;
        let progress = args.reading.progress(backup.manifest.bytes());
        let done = verify::verify(&backup, args.quick, args.reading.effort(&progress))?;
        Ok((backup, done))
    };
    let (backup, done) = tell(args.prometheus.as_ref(), Operation::Verify, check(), |(backup, done)| Figures {
        seconds: done.seconds,
        records: done.scan.as_ref().map_or(0, |scan| scan.totals.records.total()),
        anomalies: done.scan.as_ref().map_or(0, |scan| scan.totals.anomalies) + done.damage.len() as u64,
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

fn print(backup: &Backup, done: &Verification, out: &mut Out) {
    let files = |count: u64| format!("{} file{}", thousands(count), if count == 1 { "" } else { "s" });
    if done.intact && done.quick {
        out.success(&format!("{}: {} of the right size", show(&done.backup), files(done.files)));
        out.detail("their bytes were not looked at");
    } else if done.intact {
        out.success(&format!("{} is intact: {} checked", show(&done.backup), files(done.files)));
        describe(backup, out);
        out.info(&format!("{} read in {}", out::bytes(done.bytes), pace(done.seconds, done.bytes)));
    } else {
        out.bad(&format!(
            "{} is damaged: {} of {}",
            show(&done.backup),
            thousands(done.damage.len() as u64),
            files(done.files)
        ));
        done.damage.iter().for_each(|damage| print_damage(damage, done, out));
    }
    for foreign in &done.foreign {
        out.info(&format!("note: {} is no part of this backup", escape(foreign.as_bytes())));
    }
    if let Some(scan) = done.scan.as_ref().filter(|scan| done.intact && scan.verdict == ReportVerdict::Anomalies) {
        out.bad(&format!("it holds what was copied, but the log had {} then:", out::anomalies(scan.totals.anomalies)));
        for file in &scan.files {
            for finding in file.anomalies.iter().take(3) {
                out.detail(&format!("{}: {}", escape(file.path.as_bytes()), finding.detail));
            }
        }
        out.info("recover after restoring it");
    }
    if let Some(why) = &done.not_recorded {
        out.info(&format!("note: the result is not remembered: {why}"));
    }
}

pub(super) fn print_damage(damage: &Damage, done: &Verification, out: &mut Out) {
    out.bad(&format!("- {}: {}", escape(damage.file.as_bytes()), damage.detail));
    if let (Some(offset), Some(length)) = (damage.offset, damage.length) {
        out.detail(&format!("the first damage lies between byte {offset} and byte {}", offset + length));
    }
    let reports = done.scan.iter().flat_map(|scan| &scan.files).filter(|file| damage.file.starts_with(&file.path));
    for finding in reports.flat_map(|file| &file.anomalies).take(3) {
        if let (Some(line), Some(offset)) = (finding.line, finding.offset) {
            out.detail(&format!("line {line} at byte {offset}: {}", finding.detail));
        }
    }
    out.detail(&damage.recovery);
}
