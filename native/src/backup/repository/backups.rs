//! The backups of a repository: its snapshots, by name. What one of them holds lives in [`super::snapshot`].

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use papyra_core::manifest;
use rustic_core::Id;
use rustic_core::repofile::{FileType, SnapshotFile};

use super::index::short;
use super::note::{Note, There};
use super::store::Trust;
use super::{Found, NAME, OURS, Repository};
use crate::backup::brief::Brief;
use crate::backup::files::side_by_side;
use crate::backup::is_unreachable;
use crate::error::{Code, Error, Result};

impl Repository {
    /// The backups, by name. Of several with one name, the oldest has it, and the others an ID behind it. A snapshot
    /// that was changed may be a backup, and is called by its ID.
    pub(super) fn backups(&self) -> Result<BTreeMap<String, Found>> {
        let (mut ours, mut backups) = (Vec::new(), BTreeMap::new());
        let ids: Vec<Id> = self.store.list(FileType::Snapshot)?.into_iter().map(|(id, _)| id).collect();
        let read = |id: &Id| match self.store.text::<SnapshotFile>(&self.seal, FileType::Snapshot, id, Trust::Kept) {
            Err(error) if is_unreachable(&error) => Err(error),
            other => Ok(other),
        };
        for (id, read) in ids.iter().zip(side_by_side(self.store.site.width(), &ids, read)?) {
            let id = *id;
            match read {
                Ok(Ok(mut snapshot)) if snapshot.tags.contains(OURS) => {
                    snapshot.id = id.into();
                    ours.push(snapshot);
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => _ = backups.insert(short(&id), Found::Changed(id, error.to_string())),
                // Removed meanwhile.
                Err(_) if !self.store.has(FileType::Snapshot, &id)? => {}
                Err(error) => return Err(error),
            }
        }
        if let Some(cache) = self.store.cache.get() {
            cache.keep_only("snapshots", &ids.iter().map(|id| id.to_hex().as_str().to_owned()).collect());
        }
        ours.sort_by_key(|snapshot| (snapshot.time.timestamp(), snapshot.id));
        for snapshot in ours {
            let id = short(&snapshot.id);
            let named = snapshot.tags.iter().find_map(|tag| tag.strip_prefix(NAME));
            let named = named.filter(|name| manifest::is_name(name)).map_or_else(|| id.clone(), str::to_owned);
            let name = if backups.contains_key(&named) { format!("{named}-{id}") } else { named };
            backups.insert(name, Found::Whole(Arc::new(snapshot)));
        }
        *self.backups.lock().unwrap_or_else(PoisonError::into_inner) = backups.clone();
        Ok(backups)
    }

    /// What the snapshot of a backup notes, if all that it needs is there as far as names and sizes tell.
    pub(super) fn note(&self, name: &str) -> Result<Option<(Brief, Option<u64>)>> {
        let Some(Found::Whole(snapshot)) = self.found(name)? else { return Ok(None) };
        let Some(note) = Note::of(&snapshot) else { return Ok(None) };
        let is_read = self.index.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        // A tool that prunes makes other index files of those that were noted.
        let is_there =
            !is_read && note.is_there(&*self.there()?) || self.index()?.has_all(&self.store, note.packs())?;
        let added = snapshot.summary.as_ref().map(|summary| summary.data_added_packed);
        Ok(is_there.then_some((note.backup, added)))
    }

    /// What was there when that was first asked for, after the snapshots were listed.
    fn there(&self) -> Result<Arc<There>> {
        let mut there = self.there.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = &*there {
            return Ok(Arc::clone(there));
        }
        Ok(Arc::clone(there.insert(Arc::new(There::now(&self.store)?))))
    }

    /// What there is of that name now.
    pub(super) fn found(&self, name: &str) -> Result<Option<Found>> {
        let known = self.backups.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        // Far away, what was there a moment ago will do: what it needs outlasts a prune by a day.
        if let Some(found) = known
            && (self.store.site.folder().is_none() || self.store.has(FileType::Snapshot, found.id())?)
        {
            return Ok(Some(found));
        }
        Ok(self.backups()?.remove(name))
    }

    /// The backup of that name, if it is there now.
    pub(super) fn backup(&self, name: &str) -> Result<Option<Arc<SnapshotFile>>> {
        match self.found(name)? {
            None => Ok(None),
            Some(Found::Whole(snapshot)) => Ok(Some(snapshot)),
            Some(Found::Changed(_, why)) => Err(Error::new(Code::Data, why)),
        }
    }
}
