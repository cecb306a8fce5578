//! `papyra backup restore`

use std::path::PathBuf;

use papyra_core::report::Verdict as ReportVerdict;

use super::checking::Which;
use super::{Reading, describe, pace};
use crate::backup::Backup;
use crate::backup::remote;
use crate::backup::restore::{self, Options, Restored};
use crate::cli::Verdict;
use crate::cli::out::{self, Out};
use crate::cli::settings::Format;
use crate::error::{Code, Error, Result, show};
use crate::recover;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    which: Which,

    /// The folder to restore into; made if it is not there, and refused if there is anything in it
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,

    /// Move what is there aside, whole
    #[arg(long)]
    replace: bool,

    /// Verify the backup, say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    reading: Reading,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<Verdict> {
    if remote::is_remote(&args.to) {
        let text = format!("{} is no folder: a restore writes files that Papyra can use", remote::called(&args.to));
        return Err(Error::new(Code::Usage, text));
    }
    let backup = args.which.open()?;
    let progress = args.reading.progress(backup.manifest.bytes());
    let options = Options { replace: args.replace, dry_run: args.dry_run };
    let done = restore::restore(&backup, &args.to, options, args.reading.effort(&progress))?;
    drop(progress);
    match args.reading.format {
        Format::Json => out.json(&done)?,
        Format::Text => print(&backup, &done, out),
    }
    Ok(Verdict::Fine)
}

fn print(backup: &Backup, done: &Restored, out: &mut Out) {
    if done.dry_run {
        out.info("Dry run: nothing was written");
        out.success(&format!("{} is intact and would be restored to {}", show(&done.backup), show(&done.to)));
    } else {
        out.success(&format!("restored to {}", show(&done.to)));
    }
    describe(backup, out);
    out.info(&format!("{} in {}", out::bytes(done.bytes), pace(done.seconds, done.bytes)));
    for path in &done.replaced {
        out.info(&format!("what was there before is in {}", show(path)));
    }
    for note in &done.notes {
        out.info(&format!("note: {note}"));
    }
    if done.scan.verdict == ReportVerdict::Anomalies {
        out.bad(&format!(
            "the log had {} when it was backed up, and has them now",
            out::anomalies(done.scan.totals.anomalies)
        ));
        out.info(&format!("to repair: {}", recover::command(&done.to, None)));
    }
}
