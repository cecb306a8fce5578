//! `papyra persistence compact`

use papyra_core::escape::escape;
use papyra_core::retention::Retention;

use super::out::{self, Out, counted, thousands};
use super::progress::Progress;
use super::settings::{Common, Format, Settings, begin};
use super::verdict::Verdict;
use super::when::seconds;
use crate::compact;
use crate::error::{Code, Error, Result, show};
use crate::redis;
use crate::redis::compact::{Trim, Trimmed};
use crate::source::{Source, Task};

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

    /// Show what would be removed, without changing anything
    #[arg(long)]
    dry_run: bool,

    /// Go on where the file system cannot keep writers away (network file systems, another user's log): you vouch that
    /// nothing writes to it
    #[arg(long)]
    at_rest: bool,

    /// Redis: trim approximately, as XTRIM ~ does; leaves up to some hundred entries more (the default)
    #[arg(long, conflicts_with = "exact")]
    approx: bool,

    /// Redis: trim exactly
    #[arg(long)]
    exact: bool,

    /// Redis: also remove entries that are not yet delivered to, or pending in, a consumer group
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<Verdict> {
    let settings = Settings::of(&args.common, None)?.acting_as(redis::Role::Recover);
    let now = jiff::Timestamp::now().as_millisecond() as f64 / 1e3;
    let policy = Retention {
        max_records: args.max_records,
        oldest: args.max_age.map(|age| now - age),
        max_total_bytes: args.max_total_bytes,
    };
    let source = settings.source()?;
    if let Source::Server(store) = &source {
        let progress = Progress::over(args.common.output.quiet, &source, 1);
        let trimmed = redis::compact::compact(store, policy_of(args)?, settings.scanning(&progress))?;
        drop(progress);
        print_trimmed(&trimmed, out)?;
        return Ok(Verdict::Fine);
    }
    if args.approx || args.exact || args.force {
        return Err(Error::new(Code::Usage, "--approx, --exact and --force are for --backend redis"));
    }
    let mut outcomes = Vec::new();
    let mut each = || -> Result<()> {
        begin(Task::Compact, &source)?;
        for history in source.histories() {
            let progress = Progress::new(args.common.output.quiet, None);
            let outcome =
                compact::compact(history, policy, now, args.dry_run, args.at_rest, settings.scanning(&progress))?;
            drop(progress);
            if out.format() == Format::Text {
                print(&outcome, out);
            }
            outcomes.push(outcome);
        }
        Ok(())
    };
    let done = each();
    // What was done before a log could not be compacted is told all the same.
    if let (Format::Json, Some(all)) = (out.format(), compact::Compacted::of_all(outcomes)) {
        out.json(&all)?;
    }
    done.map(|()| Verdict::Fine)
}

/// What to trim streams by.
fn policy_of(args: &Args) -> Result<Trim> {
    if args.max_total_bytes.is_some() {
        let text = "--max-total-bytes is not for --backend redis: streams are trimmed with --max-records or --max-age";
        return Err(Error::new(Code::Usage, text));
    }
    Ok(Trim {
        max_records: args.max_records,
        max_age_ms: args.max_age.map(|age| (age * 1e3) as u64),
        exact: args.exact,
        force: args.force,
        dry_run: args.dry_run,
    })
}

fn print_trimmed(trimmed: &Trimmed, out: &mut Out) -> Result<()> {
    if out.format() == Format::Json {
        return out.json(trimmed);
    }
    out.info(if trimmed.dry_run { "Dry run: nothing was written" } else { "Compaction completed" });
    for stream in &trimmed.streams {
        let key = escape(stream.key.as_bytes());
        let (before, after) = (counted(stream.before, "entry", "entries"), thousands(stream.after));
        if trimmed.dry_run {
            out.info(&format!("{key}: {before}, {} would go", thousands(stream.named)));
            continue;
        }
        out.info(&format!("{key}: {before} before, {after} after"));
        let left = stream.named.saturating_sub(stream.before - stream.after);
        if left > 0 {
            out.detail(&format!("{} more could go: --exact cuts to the entry", thousands(left)));
        }
    }
    trimmed.warnings.iter().for_each(|warning| out.info(&format!("note: {warning}")));
    Ok(())
}

fn print(outcome: &compact::Compacted, out: &mut Out) {
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
