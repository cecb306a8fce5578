//! Backups: plain folders that hold the files as they were, `manifest.json` and `SHA256SUMS`; or the same files in an
//! object store.
//!
//! One module a step. A folder with a backup's final name is complete: it is written, and removed, under a hidden
//! name. What is common to the steps lives here; words and exit codes live in the command line.

mod attest;
pub mod create;
mod cut;
pub mod drill;
mod files;
pub mod list;
mod pass;
mod place;
pub mod prometheus;
pub mod prune;
pub mod redis;
pub mod remote;
pub mod restore;
mod snapshot;
pub mod stored;
mod unfinished;
pub mod verify;
mod writers;
mod writing;

use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use papyra_core::digest::sha256;
use papyra_core::manifest::{self, Manifest};
use papyra_core::verification;

use crate::disk::{Folder, Lock};
use crate::error::{Code, Error, Result, show};

pub use attest::{Attestation, Attested};
pub use files::{Files, at};

/// The end of the hidden name of a backup under way.
const UNFINISHED: &str = ".papyra-backup.tmp";

/// The end of the hidden name of a backup that is being removed.
const CONDEMNED: &str = ".papyra-pruned.tmp";

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
    /// Opens the backup at `path`. A manifest that is damaged, or that leads out of the backup, is refused.
    pub fn open(path: &Path) -> Result<Backup> {
        if remote::is_remote(path) {
            return Backup::of(at(path)?);
        }
        let path = std::fs::canonicalize(path).map_err(|error| Error::cannot_open(path, error))?;
        Backup::of(at(&path)?)
    }

    /// Opens the backup that lies there.
    fn of(files: Box<dyn Files>) -> Result<Backup> {
        let lock = files.share()?;
        let bytes = whole(&*files, manifest::NAME)?;
        let manifest_sha256 = sha256(&bytes);
        let sums = whole(&*files, manifest::SUMS)?;
        let manifest = verification::open(&bytes, &manifest_sha256, &sums)
            .map_err(|refused| cannot_trust(&*files, refused.file, &refused.why))?;
        let path = files.path().to_owned();
        Ok(Backup { files, manifest, manifest_sha256, path, _lock: lock })
    }

    /// When it was made.
    pub fn created(&self) -> Option<Timestamp> {
        self.manifest.created.parse().ok()
    }
}

/// The manifest of a backup that was not sent to its end, if this is one.
fn unfinished_in(files: &dyn Files) -> Result<Option<Manifest>> {
    let unfinished = files.size(manifest::SUMS)?.is_none() && files.size(remote::UNDER_WAY)?.is_some();
    if unfinished { read_manifest(files, remote::UNDER_WAY).map(|(manifest, _)| Some(manifest)) } else { Ok(None) }
}

/// The manifest of that name, checked, and its bytes.
fn read_manifest(files: &dyn Files, name: &str) -> Result<(Manifest, Vec<u8>)> {
    let bytes = whole(files, name)?;
    let manifest = Manifest::parse(&bytes)
        .map_err(|why| cannot_trust(files, name, &papyra_core::escape::escape(why.to_string().as_bytes())))?;
    Ok((manifest, bytes))
}

fn cannot_trust(files: &dyn Files, name: &str, why: &str) -> Error {
    let path = show(&files.join(name));
    let advice = "nothing was done; if there is no other backup, the files in it are plain: copy what you need and \
                  scan it";
    Error::new(Code::Data, format!("{path} cannot be trusted: {why}; {advice}"))
}

/// A small file's bytes.
fn whole(files: &dyn Files, name: &str) -> Result<Vec<u8>> {
    let path = files.join(name);
    if files.size(name)?.is_none() {
        let text = match files.size(remote::UNDER_WAY) {
            Ok(Some(_)) => format!(
                "{} was not sent to its end, or is being sent: there is nothing to read yet",
                show(files.path())
            ),
            _ => format!("{} is no backup: it has no {name}", show(files.path())),
        };
        return Err(Error::new(Code::Data, text));
    }
    let mut bytes = Vec::new();
    let mut file = files.read(name)?;
    let read = file.by_ref().take(manifest::GREATEST + 1).read_to_end(&mut bytes);
    read.map_err(|error| file.failed(&path, bytes.len() as u64, &error))?;
    if bytes.len() as u64 > manifest::GREATEST {
        let text = format!("{} is larger than any that was ever written: it cannot be trusted", show(&path));
        return Err(Error::new(Code::Data, text));
    }
    Ok(bytes)
}

/// The backups in a folder: the names of the folders with a manifest in them, sorted.
pub fn names(backups: &dyn Files) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for name in backups.folders()?.into_iter().filter(|name| manifest::is_name(name)) {
        if let Ok(folder) = backups.folder(&name)
            && is_backup(&*folder)?
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn is_backup(folder: &dyn Files) -> Result<bool> {
    for name in [manifest::SUMS, manifest::NAME, remote::UNDER_WAY] {
        match folder.size(name) {
            Ok(None) => {}
            Ok(Some(_)) => return Ok(true),
            Err(error) if is_unreachable(&error) => return Err(error),
            Err(_) => return Ok(false),
        }
    }
    Ok(false)
}

/// Whether an error says nothing of a backup, only that it cannot be reached.
fn is_unreachable(error: &Error) -> bool {
    matches!(error.code, Code::Unavailable | Code::Config)
}

/// The newest backup in a folder whose manifest can be read.
pub fn newest(backups: &Path) -> Result<PathBuf> {
    let folder = at(backups)?;
    let mut newest = None;
    for name in names(&*folder)? {
        match folder.folder(&name).and_then(Backup::of) {
            Ok(backup) => newest = newest.max(backup.created().map(|created| (created, name))),
            Err(error) if is_unreachable(&error) => return Err(error),
            Err(_) => {}
        }
    }
    newest.map(|(_, name)| folder.join(&name)).ok_or_else(|| no_backups(backups))
}

fn no_backups(backups: &Path) -> Error {
    Error::new(Code::NoInput, format!("there is no backup in {}: papyra backup create makes one", show(backups)))
}

/// Removes what runs that were killed left under hidden names. The caller holds the folder's lock.
fn clear_leftovers(backups: &Folder) -> Result<()> {
    for name in backups.names()? {
        let is_ours = name.starts_with('.') && (name.ends_with(UNFINISHED) || name.ends_with(CONDEMNED));
        // Whoever is still at work in it holds its lock.
        if is_ours && backups.existing_subfolder(&name).is_ok_and(|folder| folder.lock().is_ok()) {
            if let Some(backup) = name[1..].strip_suffix(CONDEMNED) {
                attest::forget(backups, backup)?;
            }
            backups.remove_tree(&name)?;
        }
    }
    Ok(())
}

/// Seconds since `begun`, to the millisecond.
fn seconds_since(begun: std::time::Instant) -> f64 {
    (begun.elapsed().as_secs_f64() * 1e3).round() / 1e3
}

/// A moment as manifests and records write it.
fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
