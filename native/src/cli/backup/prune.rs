//! `papyra backup prune`

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::{Span, Timestamp};
use papyra_core::escape::escape;
use serde::Serialize;

use super::checking::folder_of_backups;
use crate::backup::prune::{Decision, Keep, prune};
use crate::cli::out::{self, Out, thousands};
use crate::cli::settings::{Format, Output, label};
use crate::cli::settings_file::Config;
use crate::cli::verdict::Verdict;
use crate::error::{Code, Error, Result};

/// Which backups to keep.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Retention")]
pub(super) struct KeepFlags {
    /// Keep the newest N backups
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_last: usize,

    /// Keep one backup per hour for the last N hours that have one
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_hourly: usize,

    /// Keep one backup per day for the last N days that have one
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_daily: usize,

    /// Keep one backup per week for the last N weeks that have one
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_weekly: usize,

    /// Keep one backup per month for the last N months that have one
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_monthly: usize,

    /// Keep one backup per year for the last N years that have one
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_yearly: usize,

    /// Keep all backups made within this time before the newest one: 2y5m7d3h (years, months, days, hours)
    #[arg(long, value_name = "DURATION", value_parser = span)]
    keep_within: Option<Span>,

    /// Keep all backups with this tag; may be given several times
    #[arg(long, value_name = "TAG", value_delimiter = ',', value_parser = label)]
    keep_tag: Vec<String>,
}

impl KeepFlags {
    pub(super) fn keep(&self) -> Keep {
        Keep {
            last: self.keep_last,
            hourly: self.keep_hourly,
            daily: self.keep_daily,
            weekly: self.keep_weekly,
            monthly: self.keep_monthly,
            yearly: self.keep_yearly,
            within: self.keep_within,
            tags: self.keep_tag.clone(),
        }
    }
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The folder of backups, or a repository, such as s3://BUCKET/PREFIX; by default the one that papyra.toml names
    #[arg(value_name = "FOLDER", env = "PAPYRA_BACKUPS")]
    backups: Option<PathBuf>,

    /// Only this series; by default the policy applies to each series separately
    #[arg(long, env = "PAPYRA_SERIES", value_name = "NAME", value_parser = label)]
    series: Option<String>,

    #[command(flatten)]
    keep: KeepFlags,

    /// Remove the backups that the policy does not keep; without it, nothing is removed
    #[arg(long)]
    apply: bool,

    #[command(flatten)]
    config: Config,

    #[command(flatten)]
    output: Output,
}

/// Which backups stay and which go: schema `papyra.prune/1`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(in crate::cli) struct Document<'a> {
    schema: &'static str,
    tool: &'static str,
    /// Whether anything was to be removed.
    applied: bool,
    backups: &'a [Decision],
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<Verdict> {
    let keep = args.keep.keep();
    if keep.is_empty() {
        let text = "say what to keep: --keep-last, --keep-hourly, --keep-daily, --keep-weekly, --keep-monthly or \
                    --keep-yearly with a number above 0, --keep-within or --keep-tag";
        return Err(Error::new(Code::Usage, text));
    }
    let backups = folder_of_backups(args.backups.as_ref(), &args.config)?;
    let decisions = prune(&backups, args.series.as_deref(), &keep, args.apply, Timestamp::now())?;
    match out.format() {
        Format::Json => out.json(&Document {
            schema: "papyra.prune/1",
            tool: crate::TOOL,
            applied: args.apply,
            backups: &decisions,
        })?,
        Format::Text => print(&decisions, args.apply, out),
    }
    let failed = decisions.iter().filter(|decision| decision.failed.is_some()).count();
    if failed > 0 {
        let due = decisions.iter().filter(|decision| decision.kept.is_empty()).count();
        let text = format!("{failed} of {due} backups that are not kept could not be removed, for the reasons given");
        return Err(Error::new(Code::Io, text));
    }
    Ok(Verdict::Fine)
}

/// Reads a time span as restic writes it: years, months, days and hours, as in 2y5m7d3h.
fn span(text: &str) -> std::result::Result<Span, String> {
    let wrong = || "must be years, months, days and hours, as in 2y5m7d3h".to_owned();
    let (mut span, mut rest) = (Span::new(), text);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: i64 = rest[..digits].parse().map_err(|_| wrong())?;
        span = match rest[digits..].bytes().next() {
            Some(b'y') => span.try_years(number.saturating_add(i64::from(span.get_years()))),
            Some(b'm') => span.try_months(number.saturating_add(i64::from(span.get_months()))),
            Some(b'd') => span.try_days(number.saturating_add(i64::from(span.get_days()))),
            Some(b'h') => span.try_hours(number.saturating_add(i64::from(span.get_hours()))),
            _ => return Err(wrong()),
        }
        .map_err(|error| error.to_string())?;
        rest = &rest[digits + 1..];
    }
    if span.is_zero() { Err(wrong()) } else { Ok(span) }
}

fn print(decisions: &[Decision], applied: bool, out: &mut Out) {
    let several = decisions.iter().filter_map(|decision| decision.series.as_ref()).collect::<BTreeSet<_>>().len() > 1;
    for decision in decisions {
        let series = decision.series.as_ref().filter(|_| several);
        let of = series.map(|series| format!(" ({})", escape(series.as_bytes()))).unwrap_or_default();
        let name = escape(decision.name.as_bytes()) + &of;
        if let Some(why) = &decision.failed {
            out.bad(&format!("{name}: not removed"));
            out.detail(why);
        } else if decision.removed {
            out.info(&format!("{name}: removed"));
        } else if decision.kept.is_empty() {
            out.info(&format!("{name}: would be removed"));
        } else {
            out.success(&format!("{name}: kept"));
            decision.kept.iter().for_each(|reason| out.detail(reason));
        }
    }
    let kept = decisions.iter().filter(|decision| !decision.kept.is_empty()).count();
    let gone: Vec<_> =
        decisions.iter().filter(|decision| decision.kept.is_empty() && decision.failed.is_none()).collect();
    let bytes = gone.iter().map(|decision| decision.stored_bytes).sum();
    out.info(&format!(
        "{} kept, {} {}, {}",
        thousands(kept as u64),
        thousands(gone.len() as u64),
        if applied { "removed" } else { "would be removed" },
        out::bytes(bytes)
    ));
    if !applied && !gone.is_empty() {
        out.info("nothing was removed: --apply does it");
    }
}
