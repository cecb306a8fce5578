//! `papyra persistence recover`

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use papyra_core::escape::escape;
use papyra_core::finding::Finding;
use papyra_core::report::Backend;

use super::out::{self, Out, counted, thousands};
use super::progress::Progress;
use super::settings::{Common, Format, Settings, begin};
use super::shown;
use super::verdict::Verdict;
use crate::error::{Code, Error, Result, show};
use crate::reading::ScanOptions;
use crate::recover::aof::After;
use crate::recover::{self, Mode, RecoverOptions, Recovered};
use crate::redis;
use crate::source::{Source, Task};

/// Recovery modes, by Papyra's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ModeName {
    /// Remove damaged bytes; keep them in .papyra-rejected beside the log
    Repair,
    /// Remove damaged bytes; keep the whole original in the quarantine folder
    Quarantine,
    /// Another name for repair
    Rebuild,
    /// Change nothing
    Ignore,
}

impl From<ModeName> for Mode {
    fn from(name: ModeName) -> Mode {
        match name {
            ModeName::Repair | ModeName::Rebuild => Mode::Repair,
            ModeName::Quarantine => Mode::Quarantine,
            ModeName::Ignore => Mode::Ignore,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,

    /// How to recover
    #[arg(long, value_name = "MODE", default_value = "repair", ignore_case = true)]
    mode: ModeName,

    /// The quarantine folder: it keeps the whole originals of recovered files
    #[arg(long, env = "PAPYRA_QUARANTINE_DIR", value_name = "FOLDER")]
    quarantine_dir: Option<PathBuf>,

    /// Show what would be done, without changing anything
    #[arg(long)]
    dry_run: bool,

    /// Do not keep the removed bytes
    #[arg(long)]
    discard_rejects: bool,

    /// Go on where the file system cannot keep writers away (network file systems, another user's log): you vouch that
    /// nothing writes to it
    #[arg(long)]
    at_rest: bool,

    /// Redis: the folder for the rejects file; by default the working folder
    #[arg(long, value_name = "FOLDER", conflicts_with = "discard_rejects")]
    rejects_dir: Option<PathBuf>,

    /// Compressed logs: write what can be unpacked, recovered, to this file; the compressed one stays as it is
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,

    /// Accept that members are missing from a rotation set: rename the older ones down, with the writer stopped
    #[arg(long)]
    close_gap: bool,

    /// Recover a file even if it holds nothing that looks like a record; all its bytes go to the rejects
    #[arg(long)]
    not_a_log: bool,

    /// Append-only files: keep commands after the damage that are on keys other than Papyra's streams
    #[arg(long, conflicts_with = "truncate")]
    keep_later: bool,

    /// Append-only files: cut at the damage and keep nothing after it, as redis-check-aof does
    #[arg(long)]
    truncate: bool,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<Verdict> {
    let settings = Settings::of(&args.common, args.quarantine_dir.as_ref())?.acting_as(redis::Role::Recover);
    let options = RecoverOptions {
        mode: args.mode.into(),
        quarantine_dir: settings.quarantine_dir.clone(),
        discard_rejects: args.discard_rejects,
        dry_run: args.dry_run,
        not_a_log: args.not_a_log,
        close_gap: args.close_gap,
        at_rest: args.at_rest,
    };
    check(&settings, &options)?;
    let source = settings.source()?;
    if !args.common.output.quiet {
        shown::name_passed_over(&source.passed_over()?);
    }
    // A server's streams are gone through three times: to see, to mend, to see again.
    let progress = match &source {
        Source::Server(_) => Progress::over(args.common.output.quiet, &source, 3),
        _ => Progress::new(args.common.output.quiet, None),
    };
    let after = After { keep: args.keep_later, truncate: args.truncate };
    if !matches!(source, Source::Redis(..)) && (after.keep || after.truncate) {
        let text = "--keep-later and --truncate are for append-only files: leave them out";
        return Err(Error::new(Code::Usage, text));
    }
    if args.to.is_some() && !matches!(source, Source::Packed(..)) {
        return Err(Error::new(Code::Usage, "--to is for compressed logs: others are recovered where they are"));
    }
    let mut outcomes = Vec::new();
    let rejects_dir = args.rejects_dir.as_deref();
    if let (Source::Packed(path, format), Some(to)) = (&source, &args.to) {
        let outcome = recover::packed::recover_to(path, *format, to, &options, settings.scanning(&progress))?;
        drop(progress);
        match out.format() {
            Format::Text => print(&outcome, out),
            Format::Json => out.json(&outcome)?,
        }
        return Ok(if outcome.remains() { Verdict::Remain } else { Verdict::Fine });
    }
    let done = each(&settings, &source, &options, after, rejects_dir, settings.scanning(&progress), |outcome| {
        if out.format() == Format::Text {
            print(&outcome, out);
        }
        outcomes.push(outcome);
    });
    drop(progress);
    let remains = outcomes.iter().any(Recovered::remains);
    // What was done before a log could not be recovered is told all the same.
    if let (Format::Json, Some(all)) = (out.format(), Recovered::of_all(outcomes)) {
        out.json(&all)?;
    }
    done.map(|()| if remains { Verdict::Remain } else { Verdict::Fine })
}

/// Whether the options go together, before anything is read.
pub(super) fn check(settings: &Settings, options: &RecoverOptions) -> Result<()> {
    // On a server, the quarantine is a stream and needs no folder.
    if settings.is_redis() && !options.discard_rejects { Ok(()) } else { options.check() }
}

/// Recovers whatever the source is, and shows each outcome as soon as it is there.
pub(super) fn each(
    settings: &Settings,
    source: &Source,
    options: &RecoverOptions,
    after: After,
    rejects_dir: Option<&Path>,
    scanning: ScanOptions<'_>,
    mut show: impl FnMut(Recovered),
) -> Result<()> {
    begin(Task::Recover, source)?;
    let mut failed = None;
    source.recover(&|| settings.scope(), options, after, rejects_dir, scanning, &mut |done| match done {
        Ok(outcome) => show(outcome),
        Err(error) => {
            if let Some(earlier) = failed.replace(error) {
                out::message(&earlier.to_string());
            }
        }
    })?;
    failed.map_or(Ok(()), Err)
}

pub(super) fn print(outcome: &Recovered, out: &mut Out) {
    if outcome.dry_run {
        return print_plan(outcome, out);
    }
    if outcome.before.totals.anomalies == 0 {
        out.info("Recovery completed");
        out.detail("nothing was wrong, nothing was written");
        return;
    }
    out.info("Recovery completed");
    if outcome.mode == Mode::Ignore {
        out.detail(&format!("{} ignored, as asked", out::anomalies(outcome.before.totals.anomalies)));
    }
    for path in &outcome.repaired_files {
        out.info(&format!("repaired {}", show(path)));
    }
    for path in &outcome.quarantined_files {
        out.info(&format!("quarantined {}", show(path)));
    }
    let is_backup = outcome.before.files.iter().any(|file| file.backup.is_some());
    let is_redis = outcome.before.backend == Backend::Redis && !is_backup;
    for rejected in &outcome.rejected {
        let place = match &rejected.file {
            Some(file) => format!("kept in {}", show(file)),
            None if outcome.mode == Mode::Quarantine && is_redis => "kept in the quarantine stream".into(),
            None if outcome.mode == Mode::Quarantine => "kept with the original in quarantine".into(),
            None => "discarded, as asked".into(),
        };
        out.detail(&format!(
            "{} in {} {} cut out of {}, {place}",
            out::bytes(rejected.bytes),
            thousands(rejected.ranges),
            match (is_redis, rejected.ranges) {
                (true, 1) => "entry",
                (true, _) => "entries",
                (false, 1) => "place",
                (false, _) => "places",
            },
            escape(rejected.source.as_bytes())
        ));
    }
    for warning in &outcome.warnings {
        out.info(&format!("note: {warning}"));
    }
    let (before, after) = (&outcome.before.totals, &outcome.after.totals);
    if outcome.mode != Mode::Ignore {
        out.info(&format!(
            "{} before, {} now; {} brought back from damaged lines",
            counted(before.records.total(), "intact record", "intact records"),
            thousands(after.records.total()),
            thousands(before.salvageable)
        ));
    }
    if outcome.rejected_records > 0 {
        let count = counted(outcome.rejected_records, "intact record was", "intact records were");
        out.bad(&format!("{count} cut out with the damage:"));
        for file in &outcome.before.files {
            let is_one = |finding: &&Finding| ["unknown_database", "record_in_damage"].contains(&finding.reason.name());
            for finding in file.anomalies.iter().filter(is_one) {
                let part = |part: &Option<String>| escape(part.as_deref().unwrap_or_default().as_bytes());
                let why = escape(finding.detail.as_bytes());
                out.detail(&format!("entry {} of {}: {why}", part(&finding.id), part(&finding.key)));
            }
        }
    }
    if after.anomalies > 0 && outcome.remains() {
        let (remain, them) = if after.anomalies == 1 { ("remains", "it") } else { ("remain", "them") };
        out.bad(&format!("{} {remain}; recovery cannot repair {them}:", out::anomalies(after.anomalies)));
        for file in &outcome.after.files {
            for finding in &file.anomalies {
                let id = finding.id.as_ref().map(|id| format!(" entry {id}")).unwrap_or_default();
                out.bad(&format!("- {}: {}{id}", finding.kind.name(), escape(file.path.as_bytes())));
                out.detail(&escape(finding.detail.as_bytes()));
            }
        }
    }
}

fn print_plan(outcome: &Recovered, out: &mut Out) {
    out.info("Dry run: nothing was written");
    for removal in &outcome.removals {
        let key = escape(removal.key.as_bytes());
        out.info(&format!("{key}: {}", counted(removal.entries, "entry goes", "entries go")));
        out.detail(&removal.ids.join(" "));
        if removal.entries > removal.ids.len() as u64 {
            out.detail("… and more (--max-findings lists more)");
        }
    }
    if outcome.plan.is_empty() && outcome.removals.is_empty() {
        out.detail("there is nothing to cut out");
    }
    outcome.warnings.iter().for_each(|warning| out.info(&format!("note: {warning}")));
    for file in &outcome.plan {
        out.info(&format!(
            "{}: {} stay, {} go, {} newlines added",
            escape(file.path.as_bytes()),
            out::bytes(file.plan.kept_bytes),
            out::bytes(file.plan.rejected_bytes),
            thousands(file.plan.newlines)
        ));
        for part in &file.plan.parts {
            let action = match part.action {
                papyra_core::plan::Action::Keep => "keep",
                papyra_core::plan::Action::KeepAndAddNewline => "keep, add a newline",
                papyra_core::plan::Action::Reject => "cut out",
            };
            let (from, to) = (part.span.offset, part.span.offset + part.span.length);
            out.detail(&format!("bytes {from} to {to}: {action}"));
        }
        if file.plan.truncated {
            out.detail("… and more (--max-findings lists more)");
        }
    }
}
