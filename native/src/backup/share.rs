//! What a plain backup has in common with the last one of its series: a file that holds the same is that backup's file,
//! cloned or, where that was asked for, linked.
//!
//! Either way nothing is written, and damage to one of the two is damage to both. So the stored file is read back
//! first: what is not what was written is not carried on, and the log is copied.

use std::collections::HashMap;
use std::io;

use papyra_core::manifest::{Compression, StoredFile};
use papyra_core::summary::Summary;

use super::Backup;
use super::access::Access;
use super::copy_end::Stretch;
use super::pipeline::Hashed;
use super::unchanged::{Known, known};
use crate::disk::{File, Folder, Identity, Stat};
use crate::error::{Error, Result, show};
use crate::recover::quoted;

/// The series' last backup. Nobody prunes it meanwhile.
pub(super) struct Last {
    backup: Backup,
    folder: Folder,
    known: HashMap<(u64, u64), Known>,
    /// Whether its files are to be linked.
    link: bool,
}

/// A log that is to be backed up.
pub(super) struct Wanted<'a> {
    pub(super) file: &'a File,
    pub(super) stat: &'a Stat,
    pub(super) access: &'a Access,
    pub(super) compression: Compression,
    /// Where it is to be stored.
    pub(super) folder: &'a Folder,
    pub(super) stored: &'a str,
}

/// A file that was taken from the last backup.
pub(super) struct Taken {
    /// What that backup's manifest says of it.
    pub(super) known: StoredFile,
    pub(super) summary: Summary,
    /// The file.
    pub(super) file: File,
    /// Whether it is a file of its own, which has no attributes yet.
    pub(super) is_clone: bool,
}

impl Last {
    /// Opens the last backup, to clone its files or to link them.
    pub(super) fn open(backups: &Folder, name: &str, link: bool) -> Result<Last> {
        let folder = backups.existing_subfolder(name)?;
        let backup = Backup::of(Box::new(folder.clone()))?;
        let known = known(&backup.manifest);
        Ok(Last { backup, folder, known, link })
    }

    /// Takes a log from it. `Ok(None)`: it is not there as it is now, or cannot be had without being written.
    pub(super) fn take(&self, wanted: &Wanted<'_>, warnings: &mut Vec<String>) -> Result<Option<Taken>> {
        let Wanted { stat, .. } = wanted;
        let alike = |known: &&Known| known.resembles(stat) && known.file.compression == wanted.compression;
        let Some(known) = self.known.get(&(stat.device, stat.inode)).filter(alike) else { return Ok(None) };
        let Some((file, is_clone)) = self.place(&known.file.stored, wanted)? else { return Ok(None) };
        let is_same = self.is_as_written(&known.file, &file, warnings)
            && (known.is_unchanged(stat) || is(wanted.file, known.file.bytes, &known.file.sha256).unwrap_or(false));
        if !is_same {
            wanted.folder.remove(wanted.stored)?;
            return Ok(None);
        }
        Ok(Some(Taken { known: known.file.clone(), summary: known.summary.clone(), file, is_clone }))
    }

    /// Gives its file the wanted name, or a clone of it; says which. `None`: neither can be had.
    fn place(&self, name: &str, wanted: &Wanted<'_>) -> Result<Option<(File, bool)>> {
        let Ok(from) = self.folder.read(name) else { return Ok(None) };
        let Wanted { folder, stored, .. } = wanted;
        if self.link && wanted.access.covers(&from).unwrap_or(false) && self.folder.link_to(name, folder, stored)? {
            let linked = folder.read(stored)?;
            let same = Identity::of_file(&linked).ok() == Identity::of_file(&from).ok();
            if same {
                return Ok(Some((linked, false)));
            }
            folder.remove(stored)?;
        }
        let clone = folder.create_new(stored)?;
        if clone.clone_from(&from) {
            return Ok(Some((clone, true)));
        }
        folder.remove(stored)?;
        Ok(None)
    }

    /// Whether a file holds what the last backup's manifest says of it.
    fn is_as_written(&self, known: &StoredFile, file: &File, warnings: &mut Vec<String>) -> bool {
        let path = self.folder.join(&known.stored);
        let why = match is(file, known.stored_bytes, &known.stored_sha256) {
            Ok(true) => return true,
            Ok(false) => format!("{} is not what was written", show(&path)),
            Err(error) => Error::cannot_read(&path, 0, &error).to_string(),
        };
        warnings.push(format!(
            "{why}; this backup has a copy of the log, and papyra backup verify {} says more",
            quoted(&self.backup.path)
        ));
        false
    }
}

/// Whether a file has that size and hash.
fn is(file: &File, bytes: u64, sha256: &str) -> io::Result<bool> {
    if file.size()? != bytes {
        return Ok(false);
    }
    let mut hashed = Hashed::new(Stretch { file, at: 0, end: bytes });
    io::copy(&mut hashed, &mut io::sink())?;
    Ok(hashed.finish() == (bytes, sha256.to_owned()))
}
