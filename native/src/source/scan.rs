//! The scan of a source: what is intact in it, and what is not.

use papyra_core::folder::PassedOver;
use papyra_core::name;
use papyra_core::record::Note;
use papyra_core::redis::Scope;
use papyra_core::report::{Backend, FileReport, Report};

use super::once::Once;
use super::{Logs, Source};
use crate::TOOL;
use crate::error::{Code, Error, Result};
use crate::offline::{self, ServerFiles};
use crate::reading::ScanOptions;
use crate::redis;

/// What a scan found.
#[derive(Debug)]
pub struct Scanned {
    /// What was found.
    pub report: Report,
    /// Why there is more that could not be read: the report is no verdict on the whole then.
    pub beyond: Option<Error>,
}

/// A Redis backup in which no stream of Papyra's is: intact as it may be, no record was checked.
#[derive(Debug, PartialEq, Eq)]
pub struct NothingChecked {
    /// How many keys it holds.
    pub keys: u64,
    /// The names of some of them.
    pub names: Vec<String>,
    /// How many commands are not known.
    pub unknown_commands: u64,
}

impl Source {
    /// Scans all of it. Of Redis backups, the streams in `scope` are taken for Papyra's; it is not asked of what holds
    /// none. With `strict`, notes about intact records count as anomalies.
    ///
    /// # Errors
    /// It cannot be read, or the server cannot be reached.
    pub fn scan(&self, scope: &dyn Fn() -> Result<Scope>, scanning: ScanOptions<'_>, strict: bool) -> Result<Scanned> {
        let mut beyond = None;
        let (backend, files) = match self {
            Source::History(history) => (history.backend, history.scan(scanning)?),
            Source::Packed(path, format) => of_one(Once::packed(path, *format)?.scan(scope, scanning)?),
            Source::Pipe(path) => of_one(Once::pipe(path)?.scan(scope, scanning)?),
            Source::Server(store) => (Backend::Redis, redis::scan::scan(store, scanning)?),
            Source::Redis(_, backup) => {
                let (files, rest) = offline::scan::scan_as_far(backup, &scope()?, scanning)?;
                beyond = rest;
                (Backend::Redis, files)
            }
            Source::Folder(logs) => (logs.backend, of_folder(logs, scope, scanning)?),
        };
        let loaded = if let Source::Folder(logs) = self { logs.loaded.clone() } else { None };
        let report = Report { passed_over: self.passed_over()?, loaded, ..Report::new(TOOL, backend, files, strict) };
        Ok(Scanned { report, beyond })
    }
}

impl Scanned {
    /// Whether there was nothing in it to check.
    pub fn nothing_checked(&self) -> Option<NothingChecked> {
        let Report { files, totals, .. } = &self.report;
        let is_checked = files.iter().any(|file| file.streams.iter().any(|stream| stream.papyra.is_some()));
        let is_log = files.iter().any(|file| file.backup.is_none());
        if self.beyond.is_some() || is_checked || files.is_empty() || is_log || totals.anomalies > 0 {
            return None;
        }
        let backups = || files.iter().filter_map(|file| file.backup.as_ref());
        let streams = files.iter().flat_map(|file| &file.streams).map(|stream| &stream.key);
        Some(NothingChecked {
            keys: backups().map(|backup| backup.other_keys + backup.other_streams).sum(),
            names: streams.chain(backups().flat_map(|backup| &backup.other_names)).take(5).cloned().collect(),
            unknown_commands: totals.notes.get(&Note::UnknownCommand).copied().unwrap_or_default(),
        })
    }
}

/// A report of one file, with the backend that it shows.
fn of_one(file: FileReport) -> (Backend, Vec<FileReport>) {
    (if file.backup.is_some() { Backend::Redis } else { Backend::Json }, vec![file])
}

fn of_folder(logs: &Logs, scope: &dyn Fn() -> Result<Scope>, scanning: ScanOptions<'_>) -> Result<Vec<FileReport>> {
    let mut files = Vec::new();
    for history in &logs.histories {
        match history.scan(scanning) {
            // One that cannot be read must not keep the others from being looked at.
            Err(error) if error.code == Code::NoInput => {
                let (path, reason) = (history.base.clone(), error.to_string());
                files.push(PassedOver { path, reason }.report());
            }
            scanned => files.extend(scanned?),
        }
    }
    for (path, format) in &logs.archives {
        files.push(Once::packed(path, *format)?.scan(scope, scanning)?);
    }
    for backup in &logs.backups {
        let mut scanned = offline::scan::scan(backup, &scope()?, scanning)?;
        // Those in a folder of their own.
        if let ServerFiles::Aof(set) = backup
            && let Ok(inner) = set.folder.strip_prefix(logs.folder.path())
            && !inner.as_os_str().is_empty()
        {
            let inner = name::text(inner.as_os_str().as_encoded_bytes());
            scanned.iter_mut().for_each(|file| file.path = format!("{inner}/{}", file.path));
        }
        files.extend(scanned);
    }
    files.extend(logs.unread_reports());
    Ok(files)
}
