//! Recovery: what is damaged goes, what is whole stays as it is, and what goes is kept.
//!
//! Every file is repaired where it stands. A kill, a full disk or an I/O error at any step leaves the old file or the
//! new one at its path, and the next run finishes the job.

pub mod aof;
mod emptied;
mod gap;
mod in_place;
mod interrupted;
mod journal;
mod late;
mod manifest;
mod meaning;
mod member;
pub mod packed;
mod quarantine;
pub mod rejects;
mod rewrite;
mod settle;
mod swap;

use std::path::{Path, PathBuf};

use papyra_core::plan::Plan;
use papyra_core::report::{Backend, FileReport, Report, Role};
use papyra_core::sniff::{self, Looks};
use serde::Serialize;

use crate::TOOL;
use crate::disk::{File, Folder, Lock, Stat, sys};
use crate::error::{Code, Error, Result, show};
use crate::history::History;
use crate::reading::{self, Effort};

pub(crate) use emptied::{Emptied, restore_unless_empty};
pub(crate) use journal::{Mark, emptied};
pub(crate) use member::{Job, Keeping, Only, repair};
pub(crate) use settle::leftovers;

/// What becomes of the damaged parts.
#[derive(schemars::JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// They are cut out, and kept in a rejects file beside the log.
    Repair,
    /// They are cut out, and the whole original is kept in the quarantine folder.
    Quarantine,
    /// They stay.
    Ignore,
}

/// How to recover.
#[derive(Debug, Clone)]
pub struct Options {
    /// What becomes of the damaged parts.
    pub mode: Mode,
    /// The quarantine folder; required by [`Mode::Quarantine`].
    pub quarantine_dir: Option<PathBuf>,
    /// Do not keep what is removed. Only for [`Mode::Repair`].
    pub discard_rejects: bool,
    /// Say what would be done, and do nothing.
    pub dry_run: bool,
    /// Recover it though nothing in it looks like a record of Papyra's.
    pub not_a_log: bool,
    /// Accept the loss of members that are missing from a rotation set: rename the older ones down.
    pub close_gap: bool,
    /// Go on where the file system gives no leases or no exchange of names: the caller vouches that nobody writes.
    pub at_rest: bool,
}

/// What was done: schema `papyra.recover/1`.
#[derive(schemars::JsonSchema, Debug, Serialize)]
pub struct Outcome {
    /// `papyra.recover/1`.
    pub schema: &'static str,
    /// Who did it: name and version.
    pub tool: &'static str,
    /// In which mode.
    pub mode: Mode,
    /// Whether nothing was done.
    pub dry_run: bool,
    /// The scan before.
    pub before: Report,
    /// What was to be done, file by file.
    pub plan: Vec<FilePlan>,
    /// The files that were repaired.
    pub repaired_files: Vec<PathBuf>,
    /// Where the originals, and files that are no members, went.
    pub quarantined_files: Vec<PathBuf>,
    /// What was removed, and where it went.
    pub rejected: Vec<Rejected>,
    /// Whole records among it, which cannot stay: each has a finding that says why.
    #[serde(skip_serializing_if = "is_zero")]
    pub rejected_records: u64,
    /// Entries to be removed from streams, stream by stream.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removals: Vec<Removal>,
    /// What the operator should know besides.
    pub warnings: Vec<String>,
    /// The scan after; the one before when nothing was done.
    pub after: Report,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// One report over the files of two.
fn both(one: Report, other: Report) -> Report {
    let rotating = [one.backend, other.backend].contains(&Backend::Rotating);
    let backend = if rotating { Backend::Rotating } else { one.backend };
    Report::new(TOOL, backend, one.files.into_iter().chain(other.files).collect(), false)
}

/// A file's plan.
#[derive(schemars::JsonSchema, Debug, Serialize)]
pub struct FilePlan {
    /// The file's name.
    pub path: String,
    /// Its plan.
    #[serde(flatten)]
    pub plan: Plan,
}

/// A stream's plan.
#[derive(schemars::JsonSchema, Debug, Serialize)]
pub struct Removal {
    /// The stream's key.
    pub key: String,
    /// How many entries go.
    pub entries: u64,
    /// The first of them.
    pub ids: Vec<String>,
}

/// What was removed from a file.
#[derive(schemars::JsonSchema, Debug, Serialize)]
pub struct Rejected {
    /// The file that holds the removed bytes; `None` when they were discarded or the quarantine has them.
    pub file: Option<PathBuf>,
    /// The log they were removed from.
    pub source: String,
    /// How many bytes.
    pub bytes: u64,
    /// In how many stretches, or entries of a stream.
    pub ranges: u64,
}

impl Outcome {
    /// Whether something is left that recovery could not, or was not to, mend.
    pub fn remains(&self) -> bool {
        let is_left = self.after.totals.anomalies > 0 || self.rejected_records > 0;
        !self.dry_run && self.mode != Mode::Ignore && is_left
    }

    /// The outcome over all logs of a folder, which have names of their own; `None` without any.
    pub fn of_all(outcomes: impl IntoIterator<Item = Outcome>) -> Option<Outcome> {
        outcomes.into_iter().reduce(|mut all, next| {
            all.before = both(all.before, next.before);
            all.plan.extend(next.plan);
            all.repaired_files.extend(next.repaired_files);
            all.quarantined_files.extend(next.quarantined_files);
            all.rejected.extend(next.rejected);
            all.rejected_records += next.rejected_records;
            all.removals.extend(next.removals);
            all.warnings.extend(next.warnings);
            all.after = both(all.after, next.after);
            all
        })
    }

    pub(crate) fn begin(options: &Options, before: Report) -> Outcome {
        Outcome {
            schema: "papyra.recover/1",
            tool: TOOL,
            mode: options.mode,
            dry_run: options.dry_run,
            after: before.clone(),
            before,
            plan: Vec::new(),
            repaired_files: Vec::new(),
            quarantined_files: Vec::new(),
            rejected: Vec::new(),
            rejected_records: 0,
            removals: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// How often a file that changes meanwhile is tried again.
const TRIES: usize = 5;

/// Recovers a history.
pub fn recover(history: &History, options: &Options, effort: Effort<'_>) -> Result<Outcome> {
    let keeping = options.keeping()?;
    let report = |history: &History| Ok(Report::new(TOOL, history.backend, history.scan(effort)?, false));
    let writes = !options.dry_run && options.mode != Mode::Ignore;
    let _locks = if writes { lock(history)? } else { Vec::new() };
    let mut outcome = Outcome::begin(options, report(history)?);
    if outcome.before.totals.anomalies == 0 {
        return Ok(outcome);
    }
    if (outcome.before.is_no_log() || is_foreign(history, &outcome.before)?) && !options.not_a_log {
        return Err(no_log(history));
    }
    let history = &history.anew();
    if !writes {
        outcome.plan = plans(history, &outcome.before.files, effort)?;
        if options.close_gap && options.dry_run {
            gap::close(history, true, &mut outcome)?;
        }
        return Ok(outcome);
    }
    settle::settle(history, &keeping, options.at_rest, &mut outcome)?;
    let doing = Doing { history, keeping: &keeping, at_rest: options.at_rest, effort };
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

/// Whether no record is whole and a file begins as one of another format does: a database or a dump may hold text that looks
/// like records, and is not a log for that.
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
        if !is_text && !matches!(sniff::sniff(&head[..read]), Looks::Empty | Looks::Log | Looks::Text | Looks::Unknown)
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
        "{path} does not look like a Papyra log: all of it would be removed; nothing was changed; `recover --not-a-log` \
         insists"
    );
    Error::new(Code::Data, text)
}

/// What compaction does first: finishes what was interrupted. Returns what the operator should know.
pub(crate) fn finish_interrupted(history: &History, at_rest: bool, effort: Effort<'_>) -> Result<Vec<String>> {
    let options = Options {
        mode: Mode::Repair,
        quarantine_dir: None,
        discard_rejects: false,
        dry_run: false,
        not_a_log: false,
        close_gap: false,
        at_rest,
    };
    let mut outcome = Outcome::begin(&options, Report::new(TOOL, history.backend, Vec::new(), false));
    settle::settle(history, &Keeping::Rejects, at_rest, &mut outcome)?;
    let doing = Doing { history, keeping: &Keeping::Rejects, at_rest, effort };
    interrupted::settle(&doing, &mut outcome)?;
    let aside = outcome.quarantined_files.iter().map(|path| format!("a leftover was moved to {}", show(path)));
    Ok(aside.chain(outcome.warnings).collect())
}

impl Options {
    /// Whether the options go together, before anything is looked at.
    pub fn check(&self) -> Result<()> {
        let wrong = |text: &str| Err(Error::new(Code::Usage, text));
        match (self.mode, &self.quarantine_dir) {
            (Mode::Quarantine, None) => {
                wrong("quarantine mode requires --quarantine-dir: name the folder that is to keep the originals")
            }
            (Mode::Quarantine, Some(_)) if self.discard_rejects => {
                wrong("--discard-rejects is for repair mode: quarantine keeps the whole original")
            }
            _ => Ok(()),
        }
    }

    fn keeping(&self) -> Result<Keeping> {
        self.check()?;
        Ok(match (self.mode, &self.quarantine_dir) {
            (Mode::Quarantine, Some(folder)) => Keeping::Quarantine(folder.clone()),
            _ if self.discard_rejects => Keeping::Nothing,
            _ => Keeping::Rejects,
        })
    }
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

fn plans(history: &History, files: &[FileReport], effort: Effort<'_>) -> Result<Vec<FilePlan>> {
    let damaged =
        files.iter().filter(|file| matches!(file.role, Role::Active | Role::Rotated) && file.anomaly_count > 0);
    damaged
        .map(|file| {
            let mut plan = Plan::with_limit(effort.max_findings);
            let source = history.read(&file.path)?;
            reading::scan_range(&source, &history.folder.join(&file.path), 0, file.bytes, effort, &mut plan)?;
            Ok(FilePlan { path: file.path.clone(), plan })
        })
        .collect()
}

/// What is being recovered, and how.
#[derive(Clone, Copy)]
struct Doing<'a> {
    history: &'a History,
    keeping: &'a Keeping,
    at_rest: bool,
    effort: Effort<'a>,
}

impl Doing<'_> {
    /// Repairs one member where it really is, and adds what was done to the outcome. Lines of `prefix` come before its own.
    fn mend(&self, name: &str, prefix: Option<&File>, outcome: &mut Outcome) -> Result<()> {
        let Doing { history, keeping, at_rest, effort } = *self;
        let place = history.place(name)?;
        let (folder, log) = place.as_ref().map_or((&history.folder, name), |(folder, log)| (folder, log));
        let mut tries = 1;
        let inode = || Ok::<_, Error>(folder.stat(log)?.map(|stat| stat.inode));
        let first = if prefix.is_some() { inode()? } else { None };
        // Lines that a swap has put there must not come before themselves.
        let may_try_again = || Ok::<_, Error>(prefix.is_none() || inode()? == first);
        let repaired = loop {
            match repair(folder, log, Job { keeping, prefix, filter: None, only: None, at_rest }, effort) {
                // Between the two steps of a rotation there is no file of this name.
                Err(error)
                    if matches!(error.code, Code::TryAgain | Code::NoInput) && tries < TRIES && may_try_again()? =>
                {
                    tries += 1;
                }
                Err(error) if error.code == Code::NoInput && folder.stat(log)?.is_none() => {
                    let text = format!("{} was rotated away meanwhile: try again", show(&folder.join(log)));
                    return Err(Error::new(Code::TryAgain, text));
                }
                other => break other?,
            }
        };
        let Some(repaired) = repaired else { return Ok(()) };
        outcome.repaired_files.push(history.folder.join(name));
        outcome.quarantined_files.extend(repaired.quarantined);
        let ranges = repaired.rejected_ranges;
        if repaired.plan.rejected_bytes > 0 {
            let (bytes, source) = (repaired.plan.rejected_bytes, name.to_owned());
            outcome.rejected.push(Rejected { file: repaired.rejects, source, bytes, ranges });
        }
        outcome.warnings.extend(repaired.warnings);
        if repaired.late_bytes > 0 {
            let (bytes, path) = (repaired.late_bytes, show(&folder.join(log)));
            let text = format!("{bytes} bytes that were appended to {path} meanwhile were carried over");
            outcome.warnings.push(text);
        }
        outcome.plan.push(FilePlan { path: name.to_owned(), plan: repaired.plan });
        Ok(())
    }
}

/// Gives a file a name that nobody has. That somebody took the file or the name meanwhile, as a rotation and Papyra's own
/// compaction do, is a reason to try again.
fn give_name(folder: &Folder, from: &str, to: &str, at_rest: bool) -> Result<()> {
    let Err(error) = folder.give_name(from, to, at_rest) else { return Ok(()) };
    let is_taken = folder.stat(from)?.is_none() || folder.stat(to)?.is_some();
    Err(if is_taken { swap::changed(folder, to) } else { error })
}

/// Where a file goes that is in the way: a folder that belongs to whom the first of these files belongs to that is there, or,
/// in the middle of a rotation, to whom the log's folder belongs to.
fn aside(folder: &Folder, like: &[&str], keeping: &Keeping) -> Result<Folder> {
    match keeping {
        Keeping::Quarantine(quarantine) => Folder::create(quarantine),
        Keeping::Rejects | Keeping::Nothing => folder.subfolder_like(rejects::FOLDER, owner_of(folder, like)?.as_ref()),
    }
}

/// The first of these files that is there: a new one is to belong to whom that belongs to. A link may be anybody's. Without
/// one, root asks whose the folder is, and anybody else keeps what is made.
fn owner_of(folder: &Folder, like: &[&str]) -> Result<Option<Stat>> {
    for name in like {
        if let Some(stat) = folder.stat(name)?.filter(Stat::is_file) {
            return Ok(Some(stat));
        }
    }
    if sys::user() != 0 {
        return Ok(None);
    }
    let own = folder.stat_self()?;
    Ok(Some(Stat { mode: own.mode & 0o700, ..own }))
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
