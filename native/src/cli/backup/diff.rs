//! `papyra backup diff`

use std::path::PathBuf;

use papyra_core::diff::{Change, Counts, Kind};
use papyra_core::escape::escape;

use super::Reading;
use crate::backup::diff::{LogDiff, Place, diff};
use crate::cli::Verdict;
use crate::cli::out::{Out, counted, thousands};
use crate::cli::settings::Format;
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
    let found = diff(&args.old, &args.new, args.reading.max_findings, args.reading.effort(&progress))?;
    drop(progress);
    match out.format() {
        Format::Json => out.json(&found)?,
        Format::Text => found.logs.iter().for_each(|log| print(log, out)),
    }
    Ok(if found.append_only { Verdict::Fine } else { Verdict::Anomalies })
}

fn print(log: &LogDiff, out: &mut Out) {
    let found = &log.difference;
    let name = escape(log.new_log.as_ref().or(log.old_log.as_ref()).map_or(b"", |name| name.as_bytes()));
    if log.append_only {
        out.success(&format!("{name}: history was only appended to"));
    } else if log.new_log.is_none() {
        out.bad(&format!("{name}: the log is not there any more"));
    } else if found.common == 0 {
        out.bad(&format!("{name}: no record of the older history is in the newer one"));
    } else {
        out.bad(&format!("{name}: history was changed: {}", told(found.counts)));
    }
    out.detail(&format!(
        "{} in common, {} new, {} left at the front",
        counted(found.common, "record", "records"),
        thousands(found.added),
        thousands(found.left)
    ));
    for change in &found.changes {
        out.detail(&describe(change));
    }
    let counts = found.counts;
    let all = counts.gone + counts.changed + counts.doubled + counts.moved + counts.inserted;
    if all > found.changes.len() as u64 {
        out.detail(&format!("and {} more: --max-findings lists them", thousands(all - found.changes.len() as u64)));
    }
}

fn told(counts: Counts) -> String {
    let named = [
        (counts.gone, "gone"),
        (counts.changed, "changed"),
        (counts.doubled, "doubled"),
        (counts.moved, "moved"),
        (counts.inserted, "put in"),
    ];
    let parts = named.into_iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> =
        parts.map(|(count, what)| format!("{} {what}", counted(count, "record", "records"))).collect();
    parts.join(", ")
}

fn describe(change: &Change<Place>) -> String {
    let place = |place: &Option<Place>| {
        place.as_ref().map_or_else(String::new, |place| {
            format!(
                "{} line {} at byte {}",
                escape(place.file.as_bytes()),
                thousands(place.line),
                thousands(place.offset)
            )
        })
    };
    let (old, new) = (place(&change.old), place(&change.new));
    match change.kind {
        Kind::Gone => format!("gone: {old}"),
        Kind::Changed => format!("changed: {old}, now {new}"),
        Kind::Doubled => format!("doubled: {old}, again {new}"),
        Kind::Moved => format!("moved: {old}, now {new}"),
        Kind::Inserted => format!("put in: {new}"),
    }
}
