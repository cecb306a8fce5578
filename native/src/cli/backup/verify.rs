//! `papyra backup verify`

use papyra_core::escape::escape;
use papyra_core::report::Verdict as ReportVerdict;

use super::checking::{Checking, from_future, print_not_recorded};
use super::{describe, pace, source};
use crate::backup::Backup;
use crate::backup::prometheus::{Figures, Operation};
use crate::backup::stored::Damage;
use crate::backup::verify::{self, Verification, Verifications};
use crate::cli::Verdict;
use crate::cli::out::{self, Out, counted, thousands};
use crate::error::{Result, show};
use crate::reading::Effort;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    checking: Checking,

    /// Check the manifest and the sizes only; not recorded as a verification
    #[arg(long)]
    quick: bool,

    /// Verify all backups in the folder or repository BACKUP, by default the one that PAPYRA_BACKUPS or papyra.toml
    /// names, or those of --series; what they share is read once
    #[arg(long, conflicts_with_all = ["quick", "latest"])]
    all: bool,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<Verdict> {
    if args.all {
        return run_all(args, out);
    }
    let check = |backup: &Backup, effort: Effort<'_>| verify::verify(backup, args.quick, effort);
    args.checking.run(Operation::Verify, out, check, figures, print)
}

fn run_all(args: &Args, out: &mut Out) -> Result<Verdict> {
    let mut error = None;
    let attempt = |effort: Effort<'_>| {
        let mut all = verify::verify_all(&args.checking.folder()?, args.checking.series(), effort)?;
        error = all.take_error();
        Ok(all)
    };
    let figures = |done: &Verifications| {
        let scans = || done.backups.iter().filter_map(|done| done.scan.as_ref());
        Figures {
            seconds: done.seconds,
            records: scans().map(|scan| scan.totals.records.total()).sum(),
            anomalies: scans().map(|scan| scan.totals.anomalies).sum(),
            bytes: done.bytes,
            // What is dated ahead counts for nothing yet.
            created: done.backups.iter().filter(|done| !done.is_from_future()).filter_map(Verification::time).max(),
            good: done.is_good() && !done.backups.iter().any(Verification::is_from_future),
        }
    };
    let verdict = args.checking.show(Operation::Verify, out, 0, attempt, figures, print_all)?;
    match error {
        Some(error) => Err(error),
        None => Ok(verdict),
    }
}

fn print_all(all: &Verifications, out: &mut Out) {
    for done in &all.backups {
        let scan = done.scan.as_ref().filter(|scan| scan.verdict == ReportVerdict::Anomalies);
        match (done.intact, scan) {
            (false, _) => print_damaged(done, out),
            (true, Some(scan)) => {
                let anomalies = out::anomalies(scan.totals.anomalies);
                out.bad(&format!("{} is intact, and holds {anomalies} that its source had", show(&done.backup)));
            }
            (true, None) => out.success(&format!("{} is intact: {} checked", show(&done.backup), files(done.files))),
        }
        if done.is_from_future() {
            out.bad(&from_future(&done.backup, &done.created));
        }
        print_not_recorded(done.not_recorded.as_ref(), out);
    }
    for failed in &all.failed {
        out.bad(&format!("{} could not be verified: {}", show(&failed.backup), failed.why));
    }
    out.info(&format!("{} read in {}", out::bytes(all.bytes), pace(all.seconds, all.bytes)));
}

fn files(count: u64) -> String {
    counted(count, "file", "files")
}

fn figures(backup: &Backup, done: &Verification) -> Figures {
    Figures {
        seconds: done.seconds,
        records: done.scan.as_ref().map_or(0, |scan| scan.totals.records.total()),
        anomalies: done.scan.as_ref().map_or(0, |scan| scan.totals.anomalies) + done.damage.len() as u64,
        bytes: done.bytes,
        created: backup.created(),
        good: done.is_good(),
    }
}

fn print(backup: &Backup, done: &Verification, out: &mut Out) {
    if done.intact && done.quick {
        out.success(&format!("{}: {} of the right size", show(&done.backup), files(done.files)));
        out.detail("their bytes were not looked at");
    } else if done.intact {
        out.success(&format!("{} is intact: {} checked", show(&done.backup), files(done.files)));
        describe(backup, out);
        out.info(&format!("{} read in {}", out::bytes(done.bytes), pace(done.seconds, done.bytes)));
    } else {
        print_damaged(done, out);
    }
    for foreign in &done.foreign {
        out.info(&format!("note: {} is not part of this backup", escape(foreign.as_bytes())));
    }
    if let Some(scan) = done.scan.as_ref().filter(|scan| done.intact && scan.verdict == ReportVerdict::Anomalies) {
        let (source, anomalies) = (source(backup), out::anomalies(scan.totals.anomalies));
        out.bad(&format!("it holds what was copied, but {source} had {anomalies} then:"));
        for file in &scan.files {
            for finding in file.anomalies.iter().take(3) {
                out.detail(&format!("{}: {}", escape(file.path.as_bytes()), finding.detail));
            }
        }
        out.info("recover after restoring it");
    }
    print_not_recorded(done.not_recorded.as_ref(), out);
}

fn print_damaged(done: &Verification, out: &mut Out) {
    out.bad(&format!(
        "{} is damaged: {} of {}",
        show(&done.backup),
        thousands(done.damage.len() as u64),
        files(done.files)
    ));
    done.damage.iter().for_each(|damage| print_damage(damage, done, out));
    for unread in &done.unread {
        out.bad(&format!("- {}: cannot be read, so that nothing is known of it", escape(unread.file.as_bytes())));
        out.detail(&unread.why);
    }
}

fn print_damage(damage: &Damage, done: &Verification, out: &mut Out) {
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
