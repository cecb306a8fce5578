//! `papyra backup prune`

use std::path::PathBuf;

use jiff::Timestamp;
use papyra_core::escape::escape;
use serde_json::json;

use super::checking::folder_of_backups;
use crate::backup::at;
use crate::backup::list::list;
use crate::backup::prune::{Decision, Keep, apply, decide};
use crate::cli::Verdict;
use crate::cli::config::Config;
use crate::cli::out::{self, Out, thousands};
use crate::cli::settings::{Format, Output};
use crate::error::{Code, Error, Result};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The folder that holds the backups, or s3://BUCKET/PREFIX; by default the one that papyra.toml names
    #[arg(value_name = "FOLDER", env = "PAPYRA_BACKUPS")]
    backups: Option<PathBuf>,

    /// Keep the newest N
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_last: usize,

    /// Keep the newest of each of the newest N days
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_daily: usize,

    /// Keep the newest of each of the newest N weeks
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_weekly: usize,

    /// Keep the newest of each of the newest N months
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_monthly: usize,

    /// Remove what is not kept; without it, nothing is removed
    #[arg(long)]
    apply: bool,

    #[command(flatten)]
    config: Config,

    #[command(flatten)]
    output: Output,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<Verdict> {
    let keep =
        Keep { last: args.keep_last, daily: args.keep_daily, weekly: args.keep_weekly, monthly: args.keep_monthly };
    if keep == Keep::default() {
        let text = "say what to keep: --keep-last, --keep-daily, --keep-weekly or --keep-monthly with a number above 0";
        return Err(Error::new(Code::Usage, text));
    }
    let backups = folder_of_backups(args.backups.as_ref(), &args.config)?;
    let mut decisions = decide(&list(&backups, Timestamp::now())?, keep);
    if args.apply {
        apply(&*at(&backups)?, &mut decisions)?;
    }
    match out.format() {
        Format::Json => out.json(&json!({
            "schema": "papyra.prune/1", "tool": crate::TOOL, "applied": args.apply, "backups": decisions,
        }))?,
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

fn print(decisions: &[Decision], applied: bool, out: &mut Out) {
    for decision in decisions {
        let name = escape(decision.name.as_bytes());
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
