//! A plain backup under way: the hidden folder that its files are written to, until it gets its name.

use std::io::{self, Write};
use std::time::Duration;

use papyra_core::manifest::{Compression, StoredFile};
use papyra_core::summary::Summary;

use super::access::Access;
use super::output::{Syncer, nanoseconds, origin, set_attributes};
use super::share::{Last, Taken, Wanted};
use super::{UNFINISHED, host_mark};
use crate::disk::{File, Folder, Lock, Stat};
use crate::error::{Error, Result};
use crate::reading::ScanOptions;

/// How long another run is waited for that is choosing a name.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A hidden folder. Dropped unfinished, it goes.
pub(super) struct Hidden<'a> {
    pub(super) backups: &'a Folder,
    name: String,
    pub(super) folder: Folder,
    _lock: Lock,
    finished: bool,
    pub(super) syncer: Syncer,
    /// Who may read the files so far.
    accesses: Vec<Access>,
    /// The series' last backup, where files may be taken from it.
    pub(super) last: Option<Box<Last>>,
    /// How many bytes were.
    pub(super) shared: u64,
}

impl<'a> Hidden<'a> {
    /// Makes the folder.
    pub(super) fn begin(backups: &'a Folder, name: String, scanning: ScanOptions<'_>) -> Result<Hidden<'a>> {
        let folder = backups.new_subfolder(&name)?;
        let lock = folder.lock()?;
        let syncer = Syncer::begin(scanning.threads > 1);
        let (accesses, last) = (Vec::new(), None);
        Ok(Hidden { backups, name, folder, _lock: lock, finished: false, syncer, accesses, last, shared: 0 })
    }

    /// A file is there to its end, and gets its attributes unless it has them.
    pub(super) fn keep(&mut self, file: File, attributes: Option<(&Access, i64)>, stored: &str) -> Result<()> {
        let kept = attributes.map_or(Ok(()), |(access, modified)| set_attributes(&file, access, modified, None));
        kept.and_then(|()| {
            self.accesses.push(Access::of(&file)?);
            self.syncer.add(file)
        })
        .map_err(|error| Error::cannot_write("write", &self.folder.join(stored), error).and("the backup was not made"))
    }

    /// Takes a file from the series' last backup, if it is the same; returns what the manifest and a scan say of it.
    pub(super) fn reuse(
        &mut self,
        name: &str,
        (file, stat, access): (&File, &Stat, &Access),
        compression: Compression,
        warnings: &mut Vec<String>,
    ) -> Result<Option<(StoredFile, Summary)>> {
        let Some(last) = &self.last else { return Ok(None) };
        let stored = format!("{name}{}", compression.suffix());
        let wanted = Wanted { file, stat, access, compression, folder: &self.folder, stored: &stored };
        let Some(Taken { known, summary, file, is_clone }) = last.take(&wanted, warnings)? else { return Ok(None) };
        let modified_ns = nanoseconds(stat.modified);
        self.keep(file, is_clone.then_some((access, modified_ns)), &stored)?;
        self.shared += known.stored_bytes;
        let (source, &Access { mode, gid, .. }) = (origin(stat, stat.size), access);
        Ok(Some((StoredFile { stored, mode, uid: stat.owner, gid, modified_ns, source, ..known }, summary)))
    }

    /// Makes a file in it.
    pub(super) fn create(&self, name: &str) -> Result<File> {
        match name.split_once('/') {
            None => self.folder.create_new(name),
            Some((folder, name)) => self.folder.subfolder(folder)?.create_new(name),
        }
    }

    /// Takes back the file that was written last.
    pub(super) fn discard(&mut self, stored: &str) -> Result<()> {
        self.accesses.pop();
        self.folder.remove(stored)
    }

    /// Writes a file that tells of the others, for no more people than may read each of them.
    pub(super) fn write_text(&mut self, name: &str, text: &[u8]) -> Result<()> {
        let mut file = self.folder.create_new(name)?;
        let written = file.write_all(text).and_then(|()| {
            let gid = file.stat()?.group;
            let mode = self.accesses.iter().fold(0o044, |mode, access| mode & access.mode_for(gid));
            Access { mode: 0o600 | mode, gid, ..Access::PRIVATE }.give(&file, None)
        });
        written
            .and_then(|()| self.syncer.add(file))
            .map_err(|error| Error::cannot_write("write", &self.folder.join(name), error))
    }

    /// Gives the folder its name.
    pub(super) fn finish(&mut self, name: &str) -> Result<()> {
        let not_synced =
            |error| Error::cannot_write("write", self.backups.path(), error).and("the backup was not made");
        self.syncer.end().map_err(not_synced)?;
        self.folder.set_mode(0o700, None)?;
        self.folder.sync()?;
        let _names = self.backups.lock_within(PATIENCE)?;
        if !self.backups.put(&self.name, self.backups, name)? {
            let error = io::Error::other("the folder cannot be renamed");
            return Err(Error::cannot_create("put in place", &self.backups.join(name), error));
        }
        self.finished = true;
        self.backups.sync()
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        if !self.finished {
            // If it stays, the next backup clears it away.
            _ = self.backups.remove_tree(&self.name);
        }
    }
}

/// What a backup is called until it is complete.
pub(super) fn hidden(name: &str) -> String {
    format!(".{name}.{}{UNFINISHED}", host_mark())
}
