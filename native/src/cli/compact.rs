//! `papyra persistence compact`

use papyra_core::retention::Retention;

use super::Verdict;
use super::out::{self, Out, thousands};
use super::progress::Progress;
use super::settings::{Common, Format, Settings};
use crate::compact;
use crate::error::{Result, show};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,

    /// Keep at most this many records, the newest
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_records: Option<u64>,

    /// Remove records older than this: 30d, 12h, 1d12h; needs Unix time in the records
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    max_age: Option<f64>,

    /// Keep at most this many bytes of records, the newest
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_total_bytes: Option<u64>,

    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// Reads a duration such as `30d` or `1h30m`; a bare number is seconds, as in Papyra.
pub(super) fn seconds(text: &str) -> std::result::Result<f64, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        return if seconds > 0.0 && seconds.is_finite() { Ok(seconds) } else { Err("must be above 0".into()) };
    }
    let span: jiff::Span = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    let days = jiff::SpanRelativeTo::days_are_24_hours();
    let seconds = span.total((jiff::Unit::Second, days)).map_err(|error| error.to_string())?;
    if seconds > 0.0 { Ok(seconds) } else { Err("must be above 0".into()) }
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<Verdict> {
    let settings = Settings::of(&args.common, None)?;
    let now = jiff::Timestamp::now().as_millisecond() as f64 / 1e3;
    let policy = Retention {
        max_records: args.max_records,
        oldest: args.max_age.map(|age| now - age),
        max_total_bytes: args.max_total_bytes,
    };
    for history in settings.histories("compact")? {
        let progress = Progress::new(args.common.quiet, None);
        let outcome = compact::compact(&history, policy, now, args.dry_run, settings.effort(&progress))?;
        drop(progress);
        match args.common.format {
            Format::Json => out.json(&outcome)?,
            Format::Text => print(&outcome, out),
        }
    }
    Ok(Verdict::Fine)
}

fn print(outcome: &compact::Outcome, out: &mut Out) {
    if outcome.dry_run {
        out.info("Dry run: nothing was written");
    } else {
        out.info("Compaction completed");
    }
    out.info(&format!(
        "{} of {} records {}, {} of {}",
        thousands(outcome.records_removed),
        thousands(outcome.records_before),
        if outcome.dry_run { "would be removed" } else { "removed" },
        out::bytes(outcome.bytes_removed),
        out::bytes(outcome.bytes_before)
    ));
    if outcome.rejected_bytes > 0 {
        out.info(&format!("{} of damaged lines {}", out::bytes(outcome.rejected_bytes), {
            if outcome.dry_run { "would be cut out and kept" } else { "cut out and kept" }
        }));
    }
    for path in &outcome.rejects {
        out.detail(&format!("kept in {}", show(path)));
    }
    for path in &outcome.files {
        out.detail(&format!("{} {}", if outcome.dry_run { "would rewrite" } else { "rewrote" }, show(path)));
    }
    for warning in &outcome.warnings {
        out.info(&format!("note: {warning}"));
    }
}
