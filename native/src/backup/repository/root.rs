//! A repository, seen as the folder of backups that it is to every verb: its snapshots, and what is remembered of their
//! verifications and drills.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustic_core::{PruneOptions, PrunePlan};

use super::index::told_of;
use super::snapshot::{Held, Snapshot};
use super::store::{small, write_new};
use super::{PATIENCE, RECORDS, Repository, lock};
use crate::backup::attest::forget;
use crate::backup::files::{Bytes, Files, Hold, Look};
use crate::disk::{Folder, Lock};
use crate::error::{Code, Error, Result, show};

/// A repository, seen as a folder of backups.
#[derive(Debug, Clone)]
pub(super) struct Root(pub(super) Arc<Repository>);

impl Root {
    fn records(&self) -> Result<Folder> {
        self.0.store.folder.subfolder(RECORDS)
    }
}

impl Files for Root {
    fn path(&self) -> &Path {
        &self.0.path
    }

    fn names(&self) -> Result<Vec<String>> {
        Ok(self.0.backups()?.into_keys().collect())
    }

    fn look(&self, name: &str) -> Result<Look> {
        if self.0.found(name)?.is_some() {
            return Ok(Look::Folder);
        }
        if self.0.store.folder.stat(RECORDS)?.is_none() {
            return Ok(Look::Nothing);
        }
        Files::look(&self.0.store.folder.existing_subfolder(RECORDS)?, name)
    }

    fn read_from(&self, name: &str, at: u64) -> Result<Box<dyn Bytes>> {
        let sealed = small(&self.records()?, name)?;
        let opened = self.0.seal.open(&sealed);
        let damage = match &opened {
            Some(_) => None,
            None if sealed.is_empty() => Some("it is empty".into()),
            None => Some("it was changed since it was written, or was cut".into()),
        };
        let bytes = opened.unwrap_or_default();
        let from = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
        Ok(Box::new(Held { bytes: Cursor::new(bytes[from..].to_vec()), damage }))
    }

    fn folder(&self, name: &str) -> Result<Box<dyn Files>> {
        let path = self.0.join(name);
        let gone =
            || Error::new(Code::NoInput, format!("cannot open {}: the repository has no such backup", show(&path)));
        let snapshot = self.0.backup(name)?.ok_or_else(gone)?;
        Ok(Box::new(Snapshot::open(Arc::clone(&self.0), &snapshot, path)?))
    }

    fn parent(&self) -> Result<Box<dyn Files>> {
        crate::backup::at(self.0.path.parent().unwrap_or(Path::new("/")))
    }

    fn join(&self, name: &str) -> PathBuf {
        let is_record = [".verified.json", ".drilled.json"].iter().any(|end| name.ends_with(end));
        if is_record { self.0.path.join(RECORDS).join(name) } else { self.0.join(name) }
    }

    fn write_over(&self, name: &str, bytes: &[u8]) -> Result<()> {
        write_new(&self.records()?, name, &[&self.0.closed(self.0.seal.close(bytes))?])
    }

    fn remove(&self, name: &str) -> Result<()> {
        Files::remove(&self.records()?, name)
    }

    fn share(&self) -> Result<Option<Lock>> {
        self.0.share().map(Some)
    }

    fn tidy(&self) -> Result<Option<Hold>> {
        let ours = self.0.store.folder.lock_within(PATIENCE)?;
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
        let unsound = self.0.read_index_again()?.unsound(store)?;
        if let Some(why) = told_of(&unsound) {
            let text = format!("no space of {} was freed: {why}; then prune again", show(path));
            return Err(Error::new(Code::Data, text));
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
