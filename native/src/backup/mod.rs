//! Backups: plain folders that hold the files as they were, `manifest.json` and `SHA256SUMS`; or the same files in a
//! repository, which lies in a folder or an object store.
//!
//! One module a step. A folder with a backup's final name is complete: it is written, and removed, under a hidden
//! name. What is common to the steps lives here; words and exit codes live in the command line.

mod access;
mod brief;
mod contents;
mod copy_end;
pub mod create;
pub mod diff;
pub mod drill;
mod drilled;
#[cfg(test)]
mod everywhere;
mod evidence;
mod files;
mod folder;
mod guard;
mod hidden;
mod into_place;
pub mod list;
mod location;
mod moments;
mod open_files;
mod output;
mod pipeline;
pub mod prometheus;
pub mod prune;
pub mod read_back;
pub mod redis;
pub mod remote;
pub mod repository;
pub mod restore;
mod restored;
mod sample;
pub mod series;
mod share;
mod snapshot;
mod unchanged;
mod under_way;
mod unfinished;
pub mod until;
pub mod verify;

use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use papyra_core::digest::sha256;
use papyra_core::manifest::{self, Manifest};
use papyra_core::report::Verdict;
use papyra_core::verification;

use crate::disk::{self, Folder, Lock, file_name};
use crate::error::{Code, Error, Result, show};

pub use evidence::{Attestation, Attested};
pub use files::Files;
use files::{Status, is_unreachable, side_by_side};
use hidden::{UNFINISHED, clear_leftovers, host_mark};
pub use location::{Location, Prefix};
use moments::{is_from_future, rfc3339, seconds_since};

/// A backup, open for reading; while it is, nobody prunes it where that can be helped.
#[derive(Debug)]
pub struct Backup {
    /// Its folder.
    pub files: Box<dyn Files>,
    /// Its manifest, checked.
    pub manifest: Manifest,
    /// The manifest's SHA-256.
    pub manifest_sha256: String,
    /// The path that it was opened by, resolved.
    pub path: PathBuf,
    _lock: Option<Lock>,
}

impl Backup {
    /// Opens the backup there. A manifest that is damaged, or that leads out of the backup, is refused.
    pub fn open(location: &Location) -> Result<Backup> {
        match location {
            Location::Folder(path) if !repository::is_repository(location)? => {
                Backup::of(at(&Location::Folder(disk::canonical(path)?))?)
            }
            _ => Backup::of(at(location)?),
        }
    }

    /// Opens the backup that lies there.
    fn of(files: Box<dyn Files>) -> Result<Backup> {
        let lock = files.share()?;
        Ok(Backup { _lock: lock, ..Backup::read(files)? })
    }

    /// Reads what lies there without keeping anybody from removing it.
    fn read(files: Box<dyn Files>) -> Result<Backup> {
        let bytes = whole(&*files, manifest::NAME)?;
        let manifest_sha256 = sha256(&bytes);
        let sums = whole(&*files, manifest::SUMS)?;
        let manifest = verification::open(&bytes, &manifest_sha256, &sums)
            .map_err(|refused| cannot_trust(&*files, refused.file, &refused.why))?;
        let path = files.path().to_owned();
        Ok(Backup { files, manifest, manifest_sha256, path, _lock: None })
    }

    /// Keeps what came of looking at it beside it; `Err` says why that could not be.
    fn keep(
        &self,
        what: Attested,
        seconds: f64,
        intact: bool,
        verdict: Verdict,
    ) -> std::result::Result<PathBuf, String> {
        let beside = || Some((self.files.parent().ok()?, disk::name_of(&self.path)?));
        let (folder, name) = beside().ok_or("the folder that holds the backup cannot be opened")?;
        evidence::keep((&*folder, name), &self.manifest_sha256, what, seconds, intact, verdict)
    }

    /// When it was made.
    pub fn created(&self) -> Option<Timestamp> {
        self.manifest.created.parse().ok()
    }

    /// Whether it is dated so far ahead that a clock was wrong.
    pub fn is_from_future(&self) -> bool {
        self.created().is_some_and(|created| is_from_future(created, Timestamp::now()))
    }
}

fn cannot_trust(files: &dyn Files, name: &str, why: &str) -> Error {
    let path = show(&files.join(name));
    let advice = if disk::is_folder(files.path()) {
        "nothing was done; if there is no other backup, the files in it are plain: copy what you need and scan it"
    } else {
        "nothing was done; take another backup"
    };
    Error::new(Code::Data, format!("{path} cannot be trusted: {why}; {advice}"))
}

/// A small file's bytes.
fn whole(files: &dyn Files, name: &str) -> Result<Vec<u8>> {
    let path = files.join(name);
    if files.size(name)?.is_none() {
        let text = match names(files).unwrap_or_default().first() {
            Some(first) => format!(
                "{} holds backups and is not a backup itself: name one of them, such as {}",
                show(files.path()),
                show(&files.join(first))
            ),
            None => format!("{} is not a backup: it has no {name}", show(files.path())),
        };
        return Err(Error::new(Code::Data, text));
    }
    let mut bytes = Vec::new();
    let mut file = files.read(name)?;
    let read = file.by_ref().take(manifest::GREATEST + 1).read_to_end(&mut bytes);
    read.map_err(|error| file.failed(&path, bytes.len() as u64, &error))?;
    if let Some(why) = file.damage() {
        return Err(cannot_trust(files, name, &why));
    }
    if bytes.len() as u64 > manifest::GREATEST {
        let text = format!("{} is larger than any that was ever written: it cannot be trusted", show(&path));
        return Err(Error::new(Code::Data, text));
    }
    Ok(bytes)
}

/// Opens the folder or repository there, or the backup in one.
pub fn at(location: &Location) -> Result<Box<dyn Files>> {
    match (repository::find(location)?, location) {
        (Some(found), _) => Ok(found),
        (None, Location::Store(prefix)) => Err(remote::no_repository(prefix)),
        (None, Location::Folder(path)) => Ok(Box::new(Folder::open(path)?)),
    }
}

/// Replaces a small file in one step.
pub fn remember(path: &Path, bytes: &[u8]) -> Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    evidence::write_over(&Folder::open(parent)?, &file_name(path)?, bytes)
}

/// The backups in a folder: the names of the folders with a manifest in them, and of those that cannot be looked into,
/// sorted.
pub fn names(backups: &dyn Files) -> Result<Vec<String>> {
    let mut names = backups.names()?;
    names.retain(|name| manifest::is_name(name) && name != "lost+found");
    names.sort();
    let is_one = |name: &String| {
        if backups.noted(name)?.is_some() {
            return Ok(true);
        }
        match backups.folder(name).and_then(|folder| is_backup(&*folder)) {
            Err(error) if is_unreachable(&error) => Err(error),
            // Otherwise it is no folder, or gone.
            Err(_) => Ok(backups.status(name)? == Status::Folder),
            known => known,
        }
    };
    let are = side_by_side(backups.width(), &names, is_one)?;
    Ok(names.into_iter().zip(are).filter_map(|(name, is_one)| is_one.then_some(name)).collect())
}

fn is_backup(folder: &dyn Files) -> Result<bool> {
    for name in [manifest::SUMS, manifest::NAME] {
        if folder.size(name)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a folder is a backup beyond doubt: both files that describe one are there. Others call files
/// `manifest.json`.
fn is_whole(folder: &Folder) -> bool {
    [manifest::SUMS, manifest::NAME].iter().all(|name| matches!(folder.size(name), Ok(Some(_))))
}

fn no_backups(backups: &Location) -> Error {
    if is_itself_a_backup(backups) {
        let text = format!("{backups} is a backup itself: name the folder that it lies in");
        return Error::new(Code::NoInput, text);
    }
    Error::new(Code::NoInput, format!("there is no backup in {backups}: papyra backup create makes one"))
}

fn is_itself_a_backup(location: &Location) -> bool {
    at(location).is_ok_and(|files| matches!(files.size(manifest::SUMS), Ok(Some(_))))
}
