//! How to recover, and what was done.

use std::path::PathBuf;

use papyra_core::plan::Plan;
use papyra_core::report::{Backend, Report};
use serde::Serialize;

use super::keeping::Keeping;
use crate::TOOL;
use crate::error::{Code, Error, Result};
use crate::setting::Setting;

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
pub struct RecoverOptions {
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
pub struct Recovered {
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
    /// Intact records among it, which cannot stay: each has a finding that says why.
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

impl Recovered {
    /// Whether something is left that recovery could not, or was not to, mend.
    pub fn remains(&self) -> bool {
        let is_left = self.after.totals.anomalies > 0 || self.rejected_records > 0;
        !self.dry_run && self.mode != Mode::Ignore && is_left
    }

    /// The outcome over all logs of a folder, which have names of their own; `None` without any.
    pub fn of_all(outcomes: impl IntoIterator<Item = Recovered>) -> Option<Recovered> {
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

    pub(crate) fn begin(options: &RecoverOptions, before: Report) -> Recovered {
        Recovered {
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

impl RecoverOptions {
    /// This mode, and nothing that has to be asked for.
    pub fn new(mode: Mode) -> RecoverOptions {
        RecoverOptions {
            mode,
            quarantine_dir: None,
            discard_rejects: false,
            dry_run: false,
            not_a_log: false,
            close_gap: false,
            at_rest: false,
        }
    }

    /// Whether the options go together, before anything is read.
    pub fn check(&self) -> Result<()> {
        let wrong = |text: &str, setting| Err(Error::new(Code::Usage, text).decided_by(setting));
        match (self.mode, &self.quarantine_dir) {
            (Mode::Quarantine, None) => wrong(
                "quarantine mode requires a folder: name the one that is to keep the originals",
                &[Setting::QuarantineFolder],
            ),
            (Mode::Quarantine, Some(_)) if self.discard_rejects => wrong(
                "removed bytes are discarded in repair mode alone: quarantine keeps the whole original",
                &[Setting::DiscardRejects],
            ),
            _ => Ok(()),
        }
    }

    pub(super) fn keeping(&self) -> Result<Keeping> {
        self.check()?;
        Ok(match (self.mode, &self.quarantine_dir) {
            (Mode::Quarantine, Some(folder)) => Keeping::Quarantine(folder.clone()),
            _ if self.discard_rejects => Keeping::Nothing,
            _ => Keeping::Rejects,
        })
    }
}

/// What was done to a file.
#[derive(Debug)]
pub(crate) struct Repaired {
    pub(crate) plan: Plan,
    pub(crate) rejected_ranges: u64,
    pub(crate) quarantined: Option<PathBuf>,
    pub(crate) rejects: Option<PathBuf>,
    pub(crate) late_bytes: u64,
    pub(crate) warnings: Vec<String>,
}
