//! A source: what is scanned, listed, recovered and backed up. A log or a rotation set, a compressed log, a pipe, files
//! that a Redis server wrote by itself, streams of a server, or a folder of these.

mod folder;
mod found;
mod once;
mod records;
mod recover;
mod scan;
mod task;

use std::io;
use std::path::{Path, PathBuf};

use papyra_core::folder::{Entry, PassedOver};
use papyra_core::manifest;
use papyra_core::report::Backend;
use papyra_core::sniff;

pub use folder::Logs;
pub use records::Each;
pub use scan::{NothingChecked, Scanned};
pub use task::Task;

use crate::archive::{self, Format};
use crate::disk;
use crate::error::{Code, Error, Result, show};
use crate::history::{Choice, History};
use crate::offline::ServerFiles;
use crate::redis::Store;
use found::Found;

/// What there is to read.
#[derive(Debug)]
pub enum Source {
    /// A log or a rotation set.
    History(History),
    /// A compressed log, or a compressed dump.
    Packed(PathBuf, Format),
    /// A pipe, or `-` for standard input.
    Pipe(PathBuf),
    /// A file that a Redis server wrote, or a folder of its append-only files, and the path that was named.
    Redis(PathBuf, ServerFiles),
    /// Streams of a server.
    Server(Box<Store>),
    /// A folder with such files in it.
    Folder(Logs),
}

impl Source {
    /// Finds out what is at `path`; `-` is standard input. Whether logs are rotation sets, and of how many files, is
    /// for `choice` and `max_files` to say.
    ///
    /// # Errors
    /// There is nothing at `path`, it cannot be read, or it is an archive of several files.
    pub fn at(path: &Path, choice: Choice, max_files: Option<u32>) -> Result<Source> {
        if path == Path::new("-") {
            return Ok(Source::Pipe(path.into()));
        }
        let history = || History::open(path, choice, max_files);
        let file = match Found::at(path) {
            // A set may be without its active file, for good or while a writer rotates.
            Found::Nothing => return history().map(Source::History),
            Found::File(file) => file,
            Found::Entry(Entry::Folder(_)) => {
                let mut logs = Logs::in_folder(path, choice, max_files)?;
                let alone = !logs.has_logs() && logs.unread.is_empty();
                return Ok(match if alone && logs.backups.len() == 1 { logs.backups.pop() } else { None } {
                    Some(backup) => Source::Redis(path.into(), backup),
                    None => Source::Folder(logs),
                });
            }
            // What a shell makes of `<(command)`.
            Found::Entry(Entry::Special(_)) if path.starts_with("/dev/fd") || path.starts_with("/proc") => {
                return Ok(Source::Pipe(path.into()));
            }
            Found::Entry(Entry::Special(_)) if path == Path::new("/dev/stdin") => {
                return Ok(Source::Pipe(path.into()));
            }
            Found::Entry(Entry::Special(what)) => return closed(path, what, history()),
            Found::Entry(Entry::Closed(why)) => return closed(path, &why, history()),
        };
        let failed = |error: io::Error| Error::cannot_open(path, error);
        if let Some(format) = archive::of_file(&file).map_err(failed)? {
            return match sniff::sniff(&archive::head(format, &file)) {
                looks if looks.is_archive() => Err(unpack_first(path, looks.packed(format))),
                _ => Ok(Source::Packed(path.into(), format)),
            };
        }
        let mut start = [0; sniff::HEAD];
        let read = file.read_at(&mut start, 0).map_err(failed)?;
        let looks = sniff::sniff(&start[..read]);
        if looks.is_archive() {
            return Err(unpack_first(path, looks));
        }
        match ServerFiles::of(&file, path, true)? {
            Some(backup) => Ok(Source::Redis(path.into(), backup)),
            None => history().map(Source::History),
        }
    }

    /// What it is called in messages, without a password.
    pub fn called(&self) -> String {
        match self {
            Source::History(history) => show(&history.path()),
            Source::Packed(path, _) | Source::Pipe(path) | Source::Redis(path, _) => show(path),
            Source::Server(store) => store.settings.called(),
            Source::Folder(logs) => show(logs.folder.path()),
        }
    }

    /// The logs and rotation sets that are not compressed, by name.
    pub fn histories(&self) -> &[History] {
        match self {
            Source::History(history) => std::slice::from_ref(history),
            Source::Folder(logs) => &logs.histories,
            Source::Packed(..) | Source::Pipe(_) | Source::Redis(..) | Source::Server(_) => &[],
        }
    }

    /// What lies beside what is read, or in the folder, and is passed over.
    pub fn passed_over(&self) -> Result<Vec<PassedOver>> {
        match self {
            Source::Folder(logs) => Ok(logs.passed_over.clone()),
            Source::History(history) => history.passed_over(),
            Source::Packed(..) | Source::Pipe(_) | Source::Redis(..) | Source::Server(_) => Ok(Vec::new()),
        }
    }

    /// How many bytes a scan of it will read, as far as that is known before.
    pub fn size(&self) -> Option<u64> {
        let of = |history: &History| -> u64 {
            let members = history.set().map(|set| set.members).unwrap_or_default();
            let sizes = members.iter().filter_map(|member| disk::stat(&history.folder.join(&member.name)).ok());
            sizes.map(|stat| stat.size).sum()
        };
        match self {
            Source::History(history) => Some(of(history)),
            Source::Redis(_, backup) => Some(backup.size()),
            Source::Folder(logs) if logs.archives.is_empty() => Some(logs.bytes),
            _ => None,
        }
    }
}

/// What a Redis server wrote by itself at `path`, where it is no backup of ours: a backup can be made of it, and it can
/// be restored and drilled without one.
pub fn redis_files(path: &Path) -> Option<ServerFiles> {
    if disk::exists(&path.join(manifest::NAME)) || !disk::exists(path) {
        return None;
    }
    match Source::at(path, Choice::Auto, None) {
        Ok(Source::Redis(_, files)) => Some(files),
        _ => None,
    }
}

/// The set whose active file cannot be read, if there is more of it.
fn closed(path: &Path, why: &str, history: Result<History>) -> Result<Source> {
    match history {
        Ok(history) if history.backend == Backend::Rotating => Ok(Source::History(history)),
        _ => Err(Error::new(Code::NoInput, format!("cannot read {}: it is {why}; nothing was read", show(path)))),
    }
}

fn unpack_first(path: &Path, looks: sniff::FileKind) -> Error {
    let what = looks.passed_over(&papyra_core::name::text(path.as_os_str().as_encoded_bytes()));
    Error::new(Code::Data, format!("{} is {what}; nothing was read", show(path)))
}
