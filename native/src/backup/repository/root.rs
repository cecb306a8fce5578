//! A repository, seen as the folder of backups that it is to every verb: its snapshots, and what is remembered of their
//! verifications and drills.

use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use rustic_core::{PruneOptions, PrunePlan};

use super::index::told_of;
use super::store::Trust;
use super::{BLOBS, PATIENCE, RECORDS, Repository, SMALL, lock};
use crate::backup::brief::Brief;
use crate::backup::evidence::forget;
use crate::backup::files::{Bytes, Files, Hold, Status};
use crate::disk::Lock;
use crate::error::{Code, Error, Result, show};

/// A repository, seen as a folder of backups.
#[derive(Debug, Clone)]
pub(super) struct Root(pub(super) Arc<Repository>);

/// Whether a name is that of what is remembered of a backup.
fn is_record(name: &str) -> bool {
    [".verified.json", ".drilled.json"].iter().any(|end| name.ends_with(end))
}

/// Where a record lies.
fn record(name: &str) -> String {
    format!("{RECORDS}/{name}")
}

impl Root {
    /// The records and their sizes, as they were last listed. Looking at one after the other would take its time.
    fn record_size(&self, name: &str) -> Result<Option<u64>> {
        let mut records = self.0.records.lock().unwrap_or_else(PoisonError::into_inner);
        if records.is_none() {
            *records = Some(self.0.store.site.files(RECORDS)?.into_iter().collect());
        }
        Ok(records.as_ref().and_then(|records| records.get(name).copied()))
    }

    fn forget_listing(&self) {
        *self.0.records.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Bytes in memory.
struct Held {
    bytes: Cursor<Vec<u8>>,
    damage: Option<String>,
}

impl Read for Held {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(buffer)
    }
}

impl Bytes for Held {
    fn damage(&mut self) -> Option<String> {
        self.damage.take()
    }
}

impl Files for Root {
    fn path(&self) -> &Path {
        &self.0.path
    }

    fn is_far(&self) -> bool {
        self.0.store.site.folder().is_none()
    }

    fn names(&self) -> Result<Vec<String>> {
        Ok(self.0.backups()?.into_keys().collect())
    }

    fn width(&self) -> usize {
        self.0.store.site.width()
    }

    fn renew(&self) {
        self.forget_listing();
    }

    fn status(&self, name: &str) -> Result<Status> {
        if !is_record(name) && self.0.found(name)?.is_some() {
            return Ok(Status::Folder);
        }
        match self.0.store.site.folder() {
            Some(folder) if folder.stat(RECORDS)?.is_none() => Ok(Status::Nothing),
            Some(folder) => Files::status(&folder.existing_subfolder(RECORDS)?, name),
            None => Ok(self.record_size(name)?.map_or(Status::Nothing, Status::File)),
        }
    }

    fn read_from(&self, name: &str, at: u64) -> Result<Box<dyn Bytes>> {
        let read = || self.0.store.site.read(&record(name), SMALL);
        let (mut sealed, mut damage) = (read()?, None);
        let mut opened = self.0.seal.open(&sealed);
        if opened.is_none() {
            // A bit may have flipped on the way.
            sealed = read()?;
            opened = self.0.seal.open(&sealed);
        }
        if opened.is_none() {
            let why = if sealed.is_empty() { "it is empty" } else { "it was changed since it was written, or was cut" };
            damage = Some(why.to_owned());
        }
        let bytes = opened.unwrap_or_default();
        let from = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
        Ok(Box::new(Held { bytes: Cursor::new(bytes[from..].to_vec()), damage }))
    }

    fn noted(&self, name: &str) -> Result<Option<(Brief, Option<u64>)>> {
        if self.0.store.site.folder().is_none() {
            return self.0.note(name);
        }
        // At hand a look into the backup costs little, and says more; without an index nothing can be said of any.
        self.0.index().map(|_| None)
    }

    fn folder(&self, name: &str) -> Result<Box<dyn Files>> {
        Ok(Box::new(self.0.snapshot(name, Trust::Kept)?))
    }

    fn parent(&self) -> Result<Box<dyn Files>> {
        Err(Error::new(Code::Usage, format!("{} is a repository, not a backup", show(&self.0.path))))
    }

    fn join(&self, name: &str) -> PathBuf {
        if is_record(name) { self.0.path.join(RECORDS).join(name) } else { self.0.join(name) }
    }

    fn write_over(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.forget_listing();
        self.0.store.site.put(&record(name), &[&self.0.closed(self.0.seal.close(bytes))?])
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.forget_listing();
        self.0.store.site.remove(&record(name))
    }

    fn share(&self) -> Result<Option<Lock>> {
        self.0.share()
    }

    fn tidy(&self) -> Result<Option<Hold>> {
        let ours = self.0.store.site.folder().map(|folder| folder.lock_within(PATIENCE)).transpose()?;
        let all = lock::Lock::take(&self.0, true, PATIENCE)?;
        self.0.store.clear_leftovers()?;
        Ok(Some(Box::new((all, ours))))
    }

    fn discard(&self, name: &str) -> Result<()> {
        if let Some(snapshot) = self.0.backup(name)? {
            let done = self.0.inner.delete_snapshots(&[snapshot.id]);
            done.map_err(|error| self.0.store.told("remove a snapshot of", &error))?;
        }
        forget(self, name)
    }

    /// Frees what no snapshot needs: what was found unneeded a day ago goes, and what is found now is marked.
    fn sweep(&self) -> Result<()> {
        let Repository { store, inner, path, .. } = &*self.0;
        let unsound = self.0.read_index_again(Trust::Fresh)?.unsound(store)?;
        if let Some(why) = told_of(&unsound) {
            let text = format!("no space of {} was freed: {why}; then prune again", show(path));
            return Err(Error::new(Code::Data, text));
        }
        if let Some(cache) = store.cache.get() {
            cache.bound(BLOBS);
        }
        let options = PruneOptions::default();
        let told = |error: Box<rustic_core::RusticError>| {
            let advice =
                "no space was freed; if papyra backup list names a damaged backup, remove it with restic forget";
            store.told("prune", &error).and(advice)
        };
        let plan = PrunePlan::from_prune_options(inner, &options).map_err(told)?;
        inner.prune(&options, plan).map_err(told)
    }
}
