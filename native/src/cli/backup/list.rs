//! `papyra backup list`

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use papyra_core::escape::escape;
use papyra_core::report::Verdict as ReportVerdict;
use serde_json::json;

use super::checking::folder_of_backups;
use super::command;
use crate::backup::Backup;
use crate::backup::list::{Entry, list};
use crate::cli::Verdict;
use crate::cli::config::Config;
use crate::cli::out::{self, Out, counted, duration};
use crate::cli::settings::{Format, Output};
use crate::error::Result;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The folder that holds the backups, or s3://BUCKET/PREFIX; by default the one that papyra.toml names
    #[arg(value_name = "FOLDER", env = "PAPYRA_BACKUPS")]
    backups: Option<PathBuf>,

    /// How old the newest may be: 26h, 8d
    #[arg(long, value_name = "DURATION", value_parser = crate::cli::when::seconds)]
    max_age: Option<f64>,

    #[command(flatten)]
    config: Config,

    #[command(flatten)]
    output: Output,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<Verdict> {
    let entries = entries(&folder_of_backups(args.backups.as_ref(), &args.config)?)?;
    let warnings = warnings(&entries, args);
    match out.format() {
        Format::Json => out.json(&json!({
            "schema": "papyra.backups/1", "tool": crate::TOOL, "backups": entries, "warnings": warnings,
        }))?,
        Format::Text => {
            entries.iter().for_each(|entry| print(entry, out));
            warnings.iter().for_each(|warning| out.bad(warning));
        }
    }
    Ok(if warnings.is_empty() { Verdict::Fine } else { Verdict::Anomalies })
}

/// The backups in the folder; the one alone, where the folder is a backup itself.
fn entries(folder: &Path) -> Result<Vec<Entry>> {
    let entries = list(folder, Timestamp::now())?;
    if entries.is_empty()
        && let Ok(backup) = Backup::open(folder)
        && let (Some(parent), Some(name)) = (backup.path.parent(), backup.path.file_name())
    {
        let mut beside = list(parent, Timestamp::now())?;
        beside.retain(|entry| *entry.name == *name);
        return Ok(beside);
    }
    Ok(entries)
}

/// What an operator must not overlook.
fn warnings(entries: &[Entry], args: &Args) -> Vec<String> {
    let mut warnings = Vec::new();
    for entry in entries.iter().filter(|entry| entry.is_damaged()) {
        warnings.push(format!("{} is damaged", escape(entry.name.as_bytes())));
    }
    for entry in entries.iter().filter(|entry| entry.is_abandoned()) {
        let name = escape(entry.name.as_bytes());
        warnings.push(format!("{name} was never sent to its end: papyra backup prune removes it"));
    }
    let Some(newest) = entries.iter().rev().find(|entry| entry.is_restorable()) else {
        warnings.push("there is no backup that could be restored: papyra backup create makes one".into());
        return warnings;
    };
    let name = escape(newest.name.as_bytes());
    if let (Some(most), Some(seconds)) = (args.max_age, newest.age_seconds)
        && seconds > most
    {
        warnings.push(format!("the newest backup is {} old, and {} is the limit", duration(seconds), duration(most)));
    }
    match &newest.verified {
        None => {
            warnings.push(format!("{name} is the newest and not verified yet: {}", command("verify", &newest.path)))
        }
        Some(verified) if !verified.is_good() && verified.intact => {
            warnings.push(format!("{name} is the newest, and the log had anomalies when it was made"));
        }
        Some(_) => {}
    }
    warnings
}

fn print(entry: &Entry, out: &mut Out) {
    let name = escape(entry.name.as_bytes());
    if let Some(problem) = &entry.problem {
        out.bad(&name);
        out.detail(problem);
        return;
    }
    if entry.unfinished {
        let since = duration(entry.age_seconds.unwrap_or(0.0));
        out.info(&format!("{name}: begun {since} ago, not sent to its end yet: no backup"));
        return;
    }
    let packed = match entry.compression {
        Some(compression) if entry.stored_bytes != entry.bytes => {
            format!(" ({} as {})", out::bytes(entry.stored_bytes), compression.name())
        }
        _ => String::new(),
    };
    let verdict = if entry.verdict == Some(ReportVerdict::Clean) { "clean" } else { "with anomalies" };
    let now = Timestamp::now();
    let since = |time: Option<Timestamp>| {
        time.map_or("at an unknown time".into(), |time| {
            format!("{} ago", duration(now.duration_since(time).as_secs_f64()))
        })
    };
    let verified = match &entry.verified {
        None => "not verified".into(),
        Some(verified) if verified.intact => format!("verified {}", since(verified.when())),
        Some(verified) => format!("found damaged {}", since(verified.when())),
    };
    let drilled = match &entry.drilled {
        None => String::new(),
        Some(drilled) => format!(", drilled {}", since(drilled.when())),
    };
    let age = match entry.age_seconds.unwrap_or(0.0) {
        seconds if seconds < 0.0 => "dated in the future".into(),
        seconds => format!("{} old", duration(seconds)),
    };
    let line = format!("{name}: {age}, {verdict}, {verified}{drilled}");
    if entry.is_verified_clean() {
        out.success(&line);
    } else if entry.is_damaged() {
        out.bad(&line);
    } else {
        out.info(&line);
    }
    out.detail(&format!("{}{packed}, {}", out::bytes(entry.bytes), counted(entry.records, "record", "records")));
    for note in &entry.notes {
        out.detail(&format!("note: {note}"));
    }
}
