//! `papyra backup list`

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use jiff::Timestamp;
use papyra_core::escape::escape;
use papyra_core::report::Verdict as ReportVerdict;
use serde::Serialize;

use super::checking::folder_of_backups;
use super::words::command;
use crate::backup::list::{self, Entry, all_readable, list};
use crate::backup::{Backup, Location};
use crate::cli::out::{self, Out, counted, duration};
use crate::cli::settings::{Format, Output, label};
use crate::cli::settings_file::Config;
use crate::cli::verdict::Verdict;
use crate::error::Result;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The folder of backups, or a repository, such as s3://BUCKET/PREFIX; by default the one that papyra.toml names
    #[arg(value_name = "FOLDER", env = "PAPYRA_BACKUPS")]
    backups: Option<PathBuf>,

    /// How old the newest backup may be: 26h, 8d
    #[arg(long, value_name = "DURATION", value_parser = crate::cli::when::seconds)]
    max_age: Option<f64>,

    /// Only this series
    #[arg(long, env = "PAPYRA_SERIES", value_name = "NAME", value_parser = label)]
    series: Option<String>,

    /// Only backups with this tag; may be given several times
    #[arg(long, value_name = "TAG", value_delimiter = ',', value_parser = label)]
    tag: Vec<String>,

    #[command(flatten)]
    config: Config,

    #[command(flatten)]
    output: Output,
}

/// The backups in a folder: schema `papyra.backups/1`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(in crate::cli) struct Document<'a> {
    schema: &'static str,
    tool: &'static str,
    /// Oldest first; those that cannot be read come first of all.
    backups: &'a [Entry],
    /// What an operator must not overlook; not empty where the exit code is 2.
    warnings: &'a [String],
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<Verdict> {
    let folder = folder_of_backups(args.backups.as_ref(), &args.config)?;
    let mut entries = entries(&folder)?;
    let all: BTreeSet<String> = entries.iter().filter_map(|entry| entry.series.clone()).collect();
    if let Some(series) = &args.series {
        // What cannot be read may belong to it.
        entries.retain(|entry| entry.series.as_ref().is_none_or(|name| name == series));
    }
    if !args.tag.is_empty() {
        entries.retain(|entry| entry.series.is_none() || entry.tags.iter().any(|tag| args.tag.contains(tag)));
    }
    let warnings = warnings(&entries, &all, args);
    match out.format() {
        Format::Json => out.json(&Document {
            schema: "papyra.backups/1",
            tool: crate::TOOL,
            backups: &entries,
            warnings: &warnings,
        })?,
        Format::Text => {
            for (series, entries) in by_series(&entries) {
                out.info(&escape(series.unwrap_or("of no known series").as_bytes()));
                entries.iter().for_each(|entry| print(entry, out));
            }
            warnings.iter().for_each(|warning| out.bad(warning));
        }
    }
    all_readable(&entries, "what was said of the others holds")?;
    Ok(if warnings.is_empty() { Verdict::Fine } else { Verdict::Anomalies })
}

/// The backups in the folder; the one alone, where the folder is a backup itself.
fn entries(folder: &Location) -> Result<Vec<Entry>> {
    let entries = list(folder, Timestamp::now())?;
    if entries.is_empty()
        && let Ok(backup) = Backup::open(folder)
        && let (Ok(parent), Some(name)) = (backup.files.parent(), backup.path.file_name())
    {
        let mut beside = list::entries(&*parent, Timestamp::now())?;
        beside.retain(|entry| *entry.name == *name);
        return Ok(beside);
    }
    Ok(entries)
}

/// The backups of each series, oldest first.
fn by_series(entries: &[Entry]) -> BTreeMap<Option<&str>, Vec<&Entry>> {
    let mut series: BTreeMap<Option<&str>, Vec<&Entry>> = BTreeMap::new();
    entries.iter().for_each(|entry| series.entry(entry.series.as_deref()).or_default().push(entry));
    series
}

/// What an operator must not overlook.
fn warnings(entries: &[Entry], all: &BTreeSet<String>, args: &Args) -> Vec<String> {
    let mut warnings = Vec::new();
    for entry in entries {
        let name = escape(entry.name.as_bytes());
        if entry.is_damaged() {
            warnings.push(format!("{name} is damaged"));
        }
        if entry.from_future {
            let created = entry.created.as_deref().unwrap_or_default();
            warnings.push(format!("{name} is dated in the future ({created}) and counts as no backup until then"));
        }
    }
    let series = by_series(entries);
    let several = series.keys().flatten().count() > 1;
    let mut any = false;
    for (series, entries) in series.into_iter().filter_map(|(series, entries)| Some((series?, entries))) {
        let of = if several { format!(" of {}", escape(series.as_bytes())) } else { String::new() };
        any = true;
        newest(&of, &entries, args.max_age, &mut warnings);
    }
    if !any {
        warnings.push(nothing(entries, all, args));
    }
    warnings
}

/// What to say when no backup of a known series is shown; `all` are the series that there are.
fn nothing(entries: &[Entry], all: &BTreeSet<String>, args: &Args) -> String {
    if entries.iter().any(|entry| entry.unreadable.is_some()) {
        return "it is unknown whether there is a backup that can be restored: it cannot be read".into();
    }
    let tags: Vec<String> = args.tag.iter().map(|tag| escape(tag.as_bytes())).collect();
    let series = args.series.as_ref().filter(|series| !all.contains(*series));
    match series {
        Some(series) if !all.is_empty() => {
            let all: Vec<String> = all.iter().map(|name| escape(name.as_bytes())).collect();
            format!("there is no backup of the series {}; there are: {}", escape(series.as_bytes()), all.join("; "))
        }
        _ if !tags.is_empty() => format!("there is no backup with the tag {}", tags.join(" or ")),
        _ => "there is no backup that could be restored: papyra backup create makes one".into(),
    }
}

/// What an operator must not overlook of the newest backup of a series.
fn newest(of: &str, entries: &[&Entry], max_age: Option<f64>, warnings: &mut Vec<String>) {
    let Some(newest) = entries.iter().rev().find(|entry| entry.is_restorable() && !entry.from_future) else {
        if entries.iter().any(|entry| entry.unreadable.is_some()) {
            warnings.push(format!("it is unknown whether a backup{of} can be restored: it cannot be read"));
            return;
        }
        warnings.push(format!("there is no backup{of} that could be restored: papyra backup create makes one"));
        return;
    };
    let name = escape(newest.name.as_bytes());
    if let (Some(most), Some(seconds)) = (max_age, newest.age_seconds)
        && seconds > most
    {
        warnings.push(format!(
            "the newest backup{of} is {} old, and {} is the limit",
            duration(seconds),
            duration(most)
        ));
    }
    match newest.evidence() {
        None => {
            warnings.push(format!("{name} is the newest{of} and not verified yet: {}", command("verify", &newest.path)))
        }
        Some(evidence) if !evidence.is_good() && evidence.intact => {
            warnings.push(format!("{name} is the newest{of}, and the log had anomalies when it was made"));
        }
        Some(_) => {}
    }
}

fn print(entry: &Entry, out: &mut Out) {
    let name = escape(entry.name.as_bytes());
    if let Some(problem) = &entry.problem {
        out.bad(&name);
        out.detail(problem);
        return;
    }
    if let Some(why) = &entry.unreadable {
        out.bad(&format!("{name}: cannot be read"));
        out.detail(why);
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
        Some(drilled) if drilled.intact => format!(", drilled {}", since(drilled.when())),
        Some(drilled) => format!(", its drill failed {}", since(drilled.when())),
    };
    let age = match entry.age_seconds.unwrap_or(0.0) {
        _ if entry.from_future => "dated in the future".into(),
        seconds => format!("{} old", duration(seconds)),
    };
    let line = format!("{name}: {age}, {verdict}, {verified}{drilled}");
    if entry.is_verified_clean() && !entry.from_future {
        out.success(&line);
    } else if entry.is_damaged() {
        out.bad(&line);
    } else {
        out.info(&line);
    }
    let new = entry.new_bytes.map(|new| format!(", {} of it new", out::bytes(new))).unwrap_or_default();
    let records = counted(entry.records, "record", "records");
    out.detail(&format!("{}{packed}{new}, {records}", out::bytes(entry.bytes)));
    if !entry.tags.is_empty() {
        let tags: Vec<String> = entry.tags.iter().map(|tag| escape(tag.as_bytes())).collect();
        out.detail(&format!("tags: {}", tags.join(", ")));
    }
    entry.damage.iter().for_each(|damage| out.detail(damage));
    for note in &entry.notes {
        out.detail(&format!("note: {note}"));
    }
}
