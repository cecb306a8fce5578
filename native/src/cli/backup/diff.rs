//! `papyra backup diff`

use std::path::PathBuf;

use papyra_core::diff::LogDiff;

use super::reading::Reading;
use crate::backup::Location;
use crate::backup::diff::diff;
use crate::cli::out::{Out, thousands};
use crate::cli::settings::Format;
use crate::cli::verdict::Verdict;
use crate::error::Result;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The older side: a backup, a log, a rotation set by its active file's name, or a folder of logs
    #[arg(value_name = "OLD")]
    old: PathBuf,

    /// The newer side, which should be the older one grown at its end and, by retention, shrunk at its front
    #[arg(value_name = "NEW")]
    new: PathBuf,

    #[command(flatten)]
    reading: Reading,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<Verdict> {
    let progress = args.reading.progress(0);
    let (old, new) = (Location::parse(&args.old)?, Location::parse(&args.new)?);
    let found = diff(&old, &new, args.reading.max_findings, args.reading.scanning(&progress))?;
    drop(progress);
    match out.format() {
        Format::Json => out.json(&found)?,
        Format::Text => found.logs.iter().for_each(|log| print(log, out)),
    }
    Ok(if found.append_only { Verdict::Fine } else { Verdict::Anomalies })
}

fn print(log: &LogDiff, out: &mut Out) {
    if log.append_only {
        out.success(&log.says());
    } else {
        out.bad(&log.says());
    }
    out.detail(&log.facts());
    for change in &log.difference.changes {
        out.detail(&change.says());
    }
    if log.unlisted() > 0 {
        out.detail(&format!("and {} more: --max-findings lists them", thousands(log.unlisted())));
    }
}
