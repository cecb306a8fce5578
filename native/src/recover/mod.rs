//! Recovery: what is damaged goes, what is whole stays as it is, and what goes is kept.
//!
//! Every file is repaired where it stands. A kill, a full disk or an I/O error at any step leaves the old file or the
//! new one at its path, and the next run finishes the job.

pub mod aof;
mod displaced;
mod emptied;
mod exchange;
mod gap;
mod in_place;
mod interrupted;
pub(crate) mod journal;
mod keeping;
mod late_bytes;
mod manifest;
mod meaning;
mod member;
mod outcome;
pub mod packed;
mod quarantine;
mod refusals;
pub mod rejects;
mod repair;
mod rewrite;
mod settle;
mod swap;

use std::path::Path;

use papyra_core::plan::Plan;
use papyra_core::report::{FileReport, Report, Role};
use papyra_core::sniff::{self, FileKind};

use crate::TOOL;
use crate::disk::{Folder, Lock};
use crate::error::{Code, Error, Result, show};
use crate::history::History;
use crate::reading::{self, ScanOptions};
use crate::setting::Setting;
use repair::Doing;

pub(crate) use emptied::{Emptied, restore_unless_empty};
pub(crate) use journal::{Mark, emptied};
pub(crate) use keeping::Keeping;
pub(crate) use member::{Job, Only, repair};
pub use outcome::{FilePlan, Mode, RecoverOptions, Recovered, Rejected, Removal};
pub(crate) use refusals::unsettled;

/// Recovers a history.
pub fn recover(history: &History, options: &RecoverOptions, scanning: ScanOptions<'_>) -> Result<Recovered> {
    let keeping = options.keeping()?;
    let report = |history: &History| Ok(Report::new(TOOL, history.backend, history.scan(scanning)?, false));
    let writes = !options.dry_run && options.mode != Mode::Ignore;
    let _locks = if writes { lock(history)? } else { Vec::new() };
    let mut outcome = Recovered::begin(options, report(history)?);
    if outcome.before.totals.anomalies == 0 {
        return Ok(outcome);
    }
    if (outcome.before.is_no_log() || is_foreign(history, &outcome.before)?) && !options.not_a_log {
        return Err(no_log(history));
    }
    let history = &history.anew();
    if !writes {
        outcome.plan = plans(history, &outcome.before.files, scanning)?;
        if options.close_gap && options.dry_run {
            gap::close(history, true, &mut outcome)?;
        }
        return Ok(outcome);
    }
    settle::settle(history, &keeping, options.at_rest, &mut outcome)?;
    let doing = Doing { history, keeping: &keeping, at_rest: options.at_rest, scanning };
    interrupted::settle(&doing, &mut outcome)?;
    for member in history.set()?.members {
        doing.mend(&member.name, None, &mut outcome)?;
    }
    if let Keeping::Quarantine(quarantine) = &keeping {
        let quarantine = Folder::create(quarantine)?;
        for orphan in history.set()?.orphans {
            let is_file = history.folder.read(&orphan.name).is_ok();
            if is_file && quarantine.identity()? != history.folder.identity()? {
                let path = quarantine::set_aside(&history.folder, &orphan.name, &quarantine)?;
                outcome.quarantined_files.push(path);
            }
        }
    }
    if options.close_gap {
        gap::close(history, false, &mut outcome)?;
    }
    outcome.after = report(history)?;
    Ok(outcome)
}

/// Whether no record is whole and a file begins as one of another format does: a database or a dump may hold text that
/// looks like records, and is not a log for that.
pub(crate) fn is_foreign(history: &History, report: &Report) -> Result<bool> {
    let records = &report.totals.records;
    if records.event + records.audit + records.dead_letter + report.totals.salvageable > 0 {
        return Ok(false);
    }
    for member in history.set()?.members {
        let path = history.folder.join(&member.name);
        let mut head = vec![0; sniff::HEAD];
        let read = history.read(&member.name)?.read_at(&mut head, 0);
        let read = read.map_err(|error| Error::cannot_read(&path, 0, &error))?;
        // A damaged line may begin like a list or like a page: that tells nothing.
        let is_text = head.trim_ascii_start().starts_with(b"[") || head.trim_ascii_start().starts_with(b"<");
        if !is_text
            && !matches!(
                sniff::sniff(&head[..read]),
                FileKind::Empty | FileKind::Log | FileKind::Text | FileKind::Unknown
            )
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A mistyped path must not empty somebody's picture.
pub(crate) fn no_log(history: &History) -> Error {
    let path = show(&history.path());
    let text = format!(
        "{path} does not look like a Papyra log: all of it would be removed; nothing was changed; it is done \
         where you insist"
    );
    Error::new(Code::Data, text).decided_by(&[Setting::NotALog])
}

/// What compaction does first: finishes what was interrupted. Returns what the operator should know.
pub(crate) fn finish_interrupted(history: &History, at_rest: bool, scanning: ScanOptions<'_>) -> Result<Vec<String>> {
    let options = RecoverOptions { at_rest, ..RecoverOptions::new(Mode::Repair) };
    let mut outcome = Recovered::begin(&options, Report::new(TOOL, history.backend, Vec::new(), false));
    settle::settle(history, &Keeping::Rejects, at_rest, &mut outcome)?;
    let doing = Doing { history, keeping: &Keeping::Rejects, at_rest, scanning };
    interrupted::settle(&doing, &mut outcome)?;
    let aside = outcome.quarantined_files.iter().map(|path| format!("a leftover was moved to {}", show(path)));
    Ok(aside.chain(outcome.warnings).collect())
}

/// Locks the history's folder, and those that its links lead to.
pub(crate) fn lock(history: &History) -> Result<Vec<Lock>> {
    let mut locked = vec![history.folder.identity()?];
    let mut locks = vec![history.folder.lock()?];
    for member in history.known_set()?.members {
        if let Some((folder, _)) = history.place(&member.name)?
            && !locked.contains(&folder.identity()?)
        {
            locked.push(folder.identity()?);
            locks.push(folder.lock()?);
        }
    }
    Ok(locks)
}

fn plans(history: &History, files: &[FileReport], scanning: ScanOptions<'_>) -> Result<Vec<FilePlan>> {
    let damaged =
        files.iter().filter(|file| matches!(file.role, Role::Active | Role::Rotated) && file.anomaly_count > 0);
    damaged
        .map(|file| {
            let mut plan = Plan::with_limit(scanning.max_findings);
            let source = history.read(&file.path)?;
            reading::scan_range(&source, &history.folder.join(&file.path), 0, file.bytes, scanning, &mut plan)?;
            Ok(FilePlan { path: file.path.clone(), plan })
        })
        .collect()
}

/// The command that would mend what a scan of `path` found.
pub fn command(path: &Path, quarantine_dir: Option<&Path>) -> String {
    let quarantine = quarantine_dir.map(|folder| format!(" --mode quarantine --quarantine-dir {}", quoted(folder)));
    format!("papyra persistence recover --path {}{}", quoted(path), quarantine.unwrap_or_default())
}

/// A path as a shell takes it.
pub(crate) fn quoted(path: &Path) -> String {
    papyra_core::shell::quoted(path.as_os_str().as_encoded_bytes())
}
