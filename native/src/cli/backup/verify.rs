//! `papyra backup verify`

use papyra_core::escape::escape;
use papyra_core::report::Verdict as ReportVerdict;

use super::checking::{Checking, from_future, print_not_recorded};
use super::words::{describe, pace, source};
use crate::backup::Backup;
use crate::backup::prometheus::{Figures, Operation};
use crate::backup::read_back::Damage;
use crate::backup::verify::{self, Extent, Share, Verification, Verifications};
use crate::cli::out::{self, Out, counted, thousands};
use crate::cli::verdict::Verdict;
use crate::error::{Result, show};
use crate::reading::ScanOptions;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    checking: Checking,

    /// Check the manifest and the sizes only; not recorded as a verification
    #[arg(long)]
    quick: bool,

    /// Check the manifest and the sizes, and read a part of the bytes, chosen anew each time: 5%. Recorded only if
    /// something is damaged
    #[arg(long, value_name = "PERCENT", value_parser = percent, conflicts_with = "quick")]
    sample: Option<f64>,

    /// Verify all backups in the folder or repository BACKUP, by default the one that PAPYRA_BACKUPS or papyra.toml
    /// names, or those of --series; what they share is read once
    #[arg(long, conflicts_with_all = ["quick", "latest"])]
    all: bool,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<Verdict> {
    if args.all {
        return run_all(args, out);
    }
    let (extent, operation) = args.extent();
    let check = |backup: &Backup, scanning: ScanOptions<'_>| verify::verify(backup, extent, scanning);
    args.checking.run(operation, out, check, figures, print)
}

impl Args {
    /// How much to read, and what monitoring calls that.
    fn extent(&self) -> (Extent, Operation) {
        match self.sample {
            _ if self.quick => (Extent::Quick, Operation::VerifyQuick),
            Some(percent) => (Extent::Sample(percent), Operation::VerifySample),
            None => (Extent::Whole, Operation::Verify),
        }
    }
}

/// Reads a share: `5%`, `0.5%`.
fn percent(text: &str) -> std::result::Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse::<f64>().ok();
    let number = number.filter(|number| *number > 0.0 && *number < 100.0);
    number
        .ok_or_else(|| "must be a percentage above 0% and below 100%, such as 5%; without --sample, all is read".into())
}

fn run_all(args: &Args, out: &mut Out) -> Result<Verdict> {
    let (extent, operation) = args.extent();
    let mut error = None;
    let attempt = |scanning: ScanOptions<'_>| {
        let mut all = verify::verify_all(&args.checking.folder()?, args.checking.series(), extent, scanning)?;
        error = all.take_error();
        Ok(all)
    };
    let figures = |done: &Verifications| {
        let scans = || done.backups.iter().filter_map(|done| done.scan.as_ref());
        Figures {
            seconds: done.seconds,
            records: args.sample.is_none().then(|| scans().map(|scan| scan.totals.records.total()).sum()),
            anomalies: scans().map(|scan| scan.totals.anomalies).sum(),
            bytes: done.bytes,
            // What is dated ahead counts for nothing yet.
            created: done.backups.iter().filter(|done| !done.is_from_future()).filter_map(Verification::time).max(),
            good: done.is_good() && !done.backups.iter().any(Verification::is_from_future),
        }
    };
    let verdict = args.checking.show(operation, out, 0, attempt, figures, print_all)?;
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
            (true, None) => match &done.sampled {
                Some(share) => print_sampled(done, *share, out),
                None => out.success(&format!("{} is intact: {} checked", show(&done.backup), files(done.files))),
            },
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
    if all.backups.iter().any(|done| done.intact && done.sampled.is_some()) {
        out.detail(NOT_ALL);
    }
}

/// What to say where all that was read is well.
const NOT_ALL: &str = "nothing is known of the rest, so this is not recorded as a verification";

/// A backup of which a part was read, all of it as it was written.
fn print_sampled(done: &Verification, share: Share, out: &mut Out) {
    let read = done.bytes as f64 / share.of_bytes.max(1) as f64 * 100.0;
    out.success(&format!(
        "{}: {} of the right size; {} of {} ({read:.1}%) were read and are what was written",
        show(&done.backup),
        files(done.files),
        out::bytes(done.bytes),
        out::bytes(share.of_bytes)
    ));
}

fn files(count: u64) -> String {
    counted(count, "file", "files")
}

fn figures(backup: &Backup, done: &Verification) -> Figures {
    Figures {
        seconds: done.seconds,
        records: done.scan.as_ref().map(|scan| scan.totals.records.total()),
        anomalies: done.scan.as_ref().map_or(0, |scan| scan.totals.anomalies) + done.damage.len() as u64,
        bytes: done.bytes,
        created: backup.created(),
        good: done.is_good(),
    }
}

fn print(backup: &Backup, done: &Verification, out: &mut Out) {
    if done.intact && done.quick {
        out.success(&format!("{}: {} of the right size", show(&done.backup), files(done.files)));
        out.detail("their bytes were not read");
    } else if let Some(share) = done.sampled.filter(|_| done.intact) {
        print_sampled(done, share, out);
        describe(backup, out);
        out.info(&format!("{} read in {}", out::bytes(done.bytes), pace(done.seconds, done.bytes)));
        out.detail(NOT_ALL);
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
        out.bad(&format!("the backup matches its source, but {source} already had {anomalies}:"));
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
        out.bad(&format!(
            "- {}: cannot be read, so it is unknown whether it is intact",
            escape(unread.file.as_bytes())
        ));
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
