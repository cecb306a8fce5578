//! Backups: plain folders that hold the files as they were, `manifest.json` and `SHA256SUMS`.
//!
//! One module a step. A folder with a backup's final name is complete: it is written, and removed, under a hidden
//! name. What is common to the steps lives here; words and exit codes live in the command line.

mod attest;
pub mod create;
mod cut;
pub mod drill;
pub mod list;
mod pass;
mod place;
pub mod prometheus;
pub mod prune;
pub mod restore;
mod snapshot;
pub mod stored;
pub mod verify;
mod writers;
mod writing;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use papyra_core::digest::sha256;
use papyra_core::manifest::{self, Manifest};
use papyra_core::verification::{self, sums_of};

use crate::error::{Code, Error, Result, show};
use crate::folder::{Folder, Lock};

pub use attest::{Attestation, Attested};

/// The end of the hidden name of a backup under way.
const UNFINISHED: &str = ".papyra-backup.tmp";

/// The end of the hidden name of a backup that is being removed.
const CONDEMNED: &str = ".papyra-pruned.tmp";

/// A backup, open for reading; while it is, nobody prunes it.
#[derive(Debug)]
pub struct Backup {
    /// Its folder.
    pub folder: Folder,
    /// Its manifest, checked.
    pub manifest: Manifest,
    /// The manifest's SHA-256.
    pub manifest_sha256: String,
    /// The path that it was opened by, resolved.
    pub path: PathBuf,
    _lock: Lock,
}

impl Backup {
    /// Opens the backup at `path`. A manifest that is damaged, or that leads out of the backup, is refused.
    pub fn open(path: &Path) -> Result<Backup> {
        let path = std::fs::canonicalize(path).map_err(|error| Error::cannot_open(path, error))?;
        let folder = Folder::open(&path)?;
        let lock = folder.share()?;
        let bytes = whole(&folder, manifest::NAME)?;
        let manifest_sha256 = sha256(&bytes);
        let sums = whole(&folder, manifest::SUMS)?;
        let manifest = verification::open(&bytes, &manifest_sha256, &sums).map_err(|refused| {
            let path = show(&folder.join(refused.file));
            let advice = "nothing was done; if there is no other backup, the files in it are plain: copy what you \
                          need and scan it";
            Error::new(Code::Data, format!("{path} cannot be trusted: {}; {advice}", refused.why))
        })?;
        Ok(Backup { folder, manifest, manifest_sha256, path, _lock: lock })
    }

    /// Opens one of its files.
    fn read(&self, stored: &str) -> Result<File> {
        match stored.split_once('/') {
            None => self.folder.read(stored),
            Some((folder, name)) => self.folder.existing_subfolder(folder)?.read(name),
        }
    }

    /// When it was made.
    pub fn created(&self) -> Option<Timestamp> {
        self.manifest.created.parse().ok()
    }
}

/// A small file's bytes.
fn whole(folder: &Folder, name: &str) -> Result<Vec<u8>> {
    let path = folder.join(name);
    if folder.stat(name)?.is_none() {
        let text = format!("{} is no backup: it has no {name}", show(folder.path()));
        return Err(Error::new(Code::Data, text));
    }
    let file = folder.read(name)?;
    let mut bytes = Vec::new();
    file.take(manifest::GREATEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::cannot_read(&path, bytes.len() as u64, &error))?;
    if bytes.len() as u64 > manifest::GREATEST {
        let text = format!("{} is larger than any that was ever written: it cannot be trusted", show(&path));
        return Err(Error::new(Code::Data, text));
    }
    Ok(bytes)
}

/// The backups in a folder: the names of the folders with a manifest in them, sorted.
pub fn names(backups: &Folder) -> Result<Vec<String>> {
    let mut names = backups.names()?;
    names.retain(|name| {
        manifest::is_name(name) && backups.existing_subfolder(name).is_ok_and(|folder| is_backup(&folder))
    });
    names.sort();
    Ok(names)
}

fn is_backup(folder: &Folder) -> bool {
    [manifest::NAME, manifest::SUMS].iter().any(|name| matches!(folder.stat(name), Ok(Some(_))))
}

/// The newest backup in a folder whose manifest can be read.
pub fn newest(backups: &Path) -> Result<PathBuf> {
    let folder = Folder::open(backups)?;
    let dated = |name: String| Some((Backup::open(&folder.join(&name)).ok()?.created()?, name));
    names(&folder)?
        .into_iter()
        .filter_map(dated)
        .max()
        .map(|(_, name)| folder.join(&name))
        .ok_or_else(|| no_backups(backups))
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
