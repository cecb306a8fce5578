//! Where the blobs lie, as the index files say, held against the packs that are there: a pack may have been lost or
//! cut, and another tool may have moved blobs since the index was read. A blob may lie in several packs; one of them is
//! enough.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustic_core::Id;
use rustic_core::repofile::{BlobType, FileType, IndexFile, IndexPack};

use super::note::head;
use super::seal::{ADDED, Seal};
use super::store::{Store, Trust};
use crate::backup::files::side_by_side;
use crate::error::Result;

/// How often reading is begun again when another tool replaces index files meanwhile.
const TRIES: usize = 5;

/// The index of a repository.
#[derive(Debug)]
pub(super) struct Index {
    /// The files that it was read from.
    files: BTreeSet<Id>,
    packs: Vec<Pack>,
    /// Sorted by blob.
    places: Vec<Place>,
    /// The packs that are there, with their sizes in bytes, once they are asked for.
    there: OnceLock<HashMap<Id, u64>>,
    /// Those that the index tells of, too, with the same size, by the first digits of their IDs.
    whole: OnceLock<HashMap<u64, u64>>,
    /// Whether the index files were still the same after the packs had been listed, once that is asked for.
    was_current: OnceLock<bool>,
    asking: Mutex<()>,
}

#[derive(Debug)]
struct Pack {
    id: Id,
    size: u64,
    /// The index file that tells of it.
    file: Id,
    /// A prune has found that no snapshot needs it, and removes it later.
    is_marked: bool,
}

/// Where a blob lies.
#[derive(Debug, Clone)]
pub(super) struct Place {
    kind: BlobType,
    id: Id,
    pack: u32,
    /// Where it begins in the pack, in bytes.
    pub(super) offset: u32,
    /// How many bytes it takes there.
    pub(super) length: u32,
    /// How many it has unpacked, if it is compressed.
    pub(super) unpacked: Option<u32>,
}

impl Index {
    pub(super) fn read(store: &Store, seal: &Seal, trust: Trust) -> Result<Index> {
        let mut tries = TRIES;
        let mut files = listed(store)?;
        loop {
            tries -= 1;
            let read = Index::read_once(store, seal, trust, &files);
            if read.is_ok() || tries == 0 {
                return read;
            }
            let now = listed(store)?;
            if now == files {
                return read;
            }
            files = now;
        }
    }

    fn read_once(store: &Store, seal: &Seal, trust: Trust, files: &BTreeSet<Id>) -> Result<Index> {
        let (mut packs, mut places) = (Vec::new(), Vec::new());
        let mut add = |pack: IndexPack, file, is_marked| {
            let number = u32::try_from(packs.len()).unwrap_or(u32::MAX);
            packs.push(Pack { id: *pack.id, size: u64::from(pack.pack_size()), file, is_marked });
            places.extend(pack.blobs.into_iter().map(|blob| Place {
                kind: blob.tpe,
                id: *blob.id,
                pack: number,
                offset: blob.location.offset,
                length: blob.location.length,
                unpacked: blob.location.uncompressed_length.map(std::num::NonZeroU32::get),
            }));
        };
        let ids: Vec<Id> = files.iter().copied().collect();
        let read = |id: &Id| -> Result<IndexFile> {
            store.text(seal, FileType::Index, id, trust)?.map_err(|error| {
                error.and("restic repair index (restic rebuild-index before 0.16) makes the index from the packs")
            })
        };
        for (id, file) in ids.iter().zip(side_by_side(store.site.width(), &ids, read)?) {
            file.packs.into_iter().for_each(|pack| add(pack, *id, false));
            file.packs_to_delete.into_iter().for_each(|pack| add(pack, *id, true));
        }
        let pack = |place: &Place| &packs[place.pack as usize];
        places
            .sort_unstable_by_key(|place| (place.kind, place.id, pack(place).is_marked, pack(place).id, place.offset));
        // Several index files may tell of one pack.
        places.dedup_by_key(|place| (place.kind, place.id, pack(place).id, place.offset));
        if let Some(cache) = store.cache.get() {
            cache.keep_only("index", &files.iter().map(|id| id.to_hex().as_str().to_owned()).collect());
        }
        let (there, whole, was_current) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Ok(Index { files: files.clone(), packs, places, there, whole, was_current, asking: Mutex::default() })
    }

    /// Whether the index files are still those that it was read from.
    pub(super) fn is_current(&self, store: &Store) -> Result<bool> {
        Ok(listed(store)? == self.files)
    }

    /// Where a blob lies, perhaps.
    pub(super) fn places(&self, kind: BlobType, id: &Id) -> &[Place] {
        let from = self.places.partition_point(|place| (place.kind, &place.id) < (kind, id));
        let rest = &self.places[from..];
        &rest[..rest.partition_point(|place| (place.kind, &place.id) == (kind, id))]
    }

    /// How many bytes a blob has unpacked, as far as the index knows it.
    pub(super) fn length(&self, kind: BlobType, id: &Id) -> Option<u64> {
        let place = self.places(kind, id).first()?;
        Some(place.unpacked.map_or_else(|| u64::from(place.length).saturating_sub(ADDED as u64), u64::from))
    }

    pub(super) fn pack_of(&self, place: &Place) -> &Id {
        &self.packs[place.pack as usize].id
    }

    /// A pack that holds a blob and is there, has its size and will not be removed, with that size and the index file
    /// that tells of it: what a new backup may rely on.
    pub(super) fn holder(&self, store: &Store, kind: BlobType, id: &Id) -> Result<Option<(Id, u64, Id)>> {
        let there = self.there(store)?;
        let packs = self.places(kind, id).iter().map(|place| &self.packs[place.pack as usize]);
        let mut packs = packs.filter(|pack| !pack.is_marked && there.get(&pack.id) == Some(&pack.size));
        Ok(packs.next().map(|pack| (pack.id, pack.size, pack.file)))
    }

    /// Why a blob cannot be read, as far as packs and their sizes tell.
    pub(super) fn misses(&self, store: &Store, kind: BlobType, id: &Id) -> Result<Option<String>> {
        let there = self.there(store)?;
        let mut why = None;
        for place in self.places(kind, id) {
            let pack = self.pack_of(place);
            match there.get(pack) {
                Some(size) if *size >= place.end() => return Ok(None),
                Some(_) => why = Some(format!("the pack {} was cut", short(pack))),
                None => why = Some(format!("the pack {} is gone", short(pack))),
            }
        }
        Ok(Some(why.unwrap_or_else(|| unknown(id))))
    }

    /// Whether the index files were still those that it was read from when the packs had been listed. This is asked
    /// once: a pack that was gone then is gone for every backup that needs it.
    pub(super) fn was_current(&self, store: &Store) -> Result<bool> {
        self.there(store)?;
        self.once(&self.was_current, || self.is_current(store)).copied()
    }

    /// The packs that the index tells of and that are gone or have another size.
    pub(super) fn unsound(&self, store: &Store) -> Result<BTreeSet<Id>> {
        let there = self.there(store)?;
        let unsound = self.packs.iter().filter(|pack| !pack.is_marked && there.get(&pack.id) != Some(&pack.size));
        Ok(unsound.map(|pack| pack.id).collect())
    }

    /// Whether packs are there with these sizes, and the index tells of them. They come as what a snapshot notes, if it
    /// does.
    pub(super) fn has_all(&self, store: &Store, packs: Option<impl Iterator<Item = (u64, u64)>>) -> Result<bool> {
        let there = self.there(store)?;
        let whole = self.whole.get_or_init(|| {
            let whole = self.packs.iter().filter(|pack| there.get(&pack.id) == Some(&pack.size));
            whole.map(|pack| (head(&pack.id), pack.size)).collect()
        });
        Ok(packs.is_some_and(|mut packs| packs.all(|(pack, size)| whole.get(&pack) == Some(&size))))
    }

    fn there(&self, store: &Store) -> Result<&HashMap<Id, u64>> {
        self.once(&self.there, || Ok(store.list(FileType::Pack)?.into_iter().collect()))
    }

    /// What was answered, or is now: one asks, and who comes meanwhile waits for the answer.
    fn once<'a, T>(&self, answer: &'a OnceLock<T>, ask: impl FnOnce() -> Result<T>) -> Result<&'a T> {
        let _asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = answer.get() {
            return Ok(known);
        }
        let told = ask()?;
        Ok(answer.get_or_init(|| told))
    }
}

/// The index files that are there.
fn listed(store: &Store) -> Result<BTreeSet<Id>> {
    Ok(store.list(FileType::Index)?.into_iter().map(|(id, _)| id).collect())
}

impl Place {
    fn end(&self) -> u64 {
        u64::from(self.offset) + u64::from(self.length)
    }
}

/// The first digits of an ID, as messages have them.
pub(super) fn short(id: &Id) -> String {
    id.to_hex().as_str()[..8].to_owned()
}

/// What to say of a blob that lies nowhere.
pub(super) fn unknown(id: &Id) -> String {
    format!("the blob {} is in no pack that the index knows", short(id))
}

/// What to say of packs that the index tells of and that are not there whole, if there are any.
pub(super) fn told_of(unsound: &BTreeSet<Id>) -> Option<String> {
    let first = short(unsound.first()?);
    let what = match unsound.len() {
        1 => format!("the pack {first}, which the index names, is gone or has another size"),
        many => format!("{many} packs that the index names are gone or have another size, such as {first}"),
    };
    Some(format!("{what}: put back a copy, or run restic repair index (restic rebuild-index before 0.16)"))
}
