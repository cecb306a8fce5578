//! Blobs, read back: damage is told from not being able to look, and a blob that another tool has moved is found.
//! Storing them lives in [`super::pack`].

use std::sync::{Arc, PoisonError};

use papyra_core::digest::sha256;
use rustic_core::Id;
use rustic_core::repofile::BlobType;

use super::index::{self, Index, short};
use super::store::Trust;
use super::{BLOBS, Repository, seal};
use crate::error::Result;

/// A blob as it is stored, and open.
struct Blob {
    sealed: Vec<u8>,
    bytes: Vec<u8>,
}

impl Repository {
    /// A blob; the inner error says what is wrong with it, the outer one that nobody could look.
    ///
    /// Before a blob is called damaged it is read once more, where another tool may have moved it to meanwhile.
    ///
    /// With `keeping`, it is kept for the next time, and with trust in what was kept taken from there.
    pub(super) fn blob(
        &self,
        kind: BlobType,
        id: &Id,
        keeping: Option<Trust>,
    ) -> Result<std::result::Result<Vec<u8>, String>> {
        let index = self.index()?;
        let kept = self.store.cache.get().filter(|_| keeping.is_some());
        let name = format!("{BLOBS}/{}", id.to_hex().as_str());
        if let Some(cache) = kept.filter(|_| keeping == Some(Trust::Kept))
            && let (Some(sealed), Some(place)) = (cache.get(&name), index.places(kind, id).first())
        {
            match self.opened(&sealed, place, id) {
                Some(bytes) => return Ok(Ok(bytes)),
                None => cache.forget(&name),
            }
        }
        if let Ok(Blob { sealed, bytes }) = self.blob_by(&index, kind, id)? {
            if let Some(cache) = kept {
                cache.put(&name, &sealed);
            }
            return Ok(Ok(bytes));
        }
        if let Some(why) = self.lost(kind, id)? {
            return Ok(Err(why));
        }
        let index = self.index()?;
        let index = if index.is_current(&self.store)? { index } else { self.read_index_again(Trust::Kept)? };
        Ok(self.blob_by(&index, kind, id)?.map(|blob| blob.bytes))
    }

    /// Why a blob cannot be read, as far as the packs that are there and their sizes tell.
    pub(super) fn lost(&self, kind: BlobType, id: &Id) -> Result<Option<String>> {
        let index = self.index()?;
        let why = index.misses(&self.store, kind, id)?;
        if why.is_none() || index.was_current(&self.store)? {
            return Ok(why);
        }
        self.read_index_again(Trust::Kept)?.misses(&self.store, kind, id)
    }

    /// The blob that is sealed there; `None` when it is another, which somebody may have put there.
    fn opened(&self, sealed: &[u8], place: &index::Place, id: &Id) -> Option<Vec<u8>> {
        let bytes = self.seal.open(sealed)?;
        let bytes = match place.unpacked {
            Some(length) => seal::unpack(&bytes, length)?,
            None => bytes,
        };
        (sha256(&bytes) == id.to_hex().as_str()).then_some(bytes)
    }

    /// The blob, at the first of its places where it is whole.
    fn blob_by(&self, index: &Index, kind: BlobType, id: &Id) -> Result<std::result::Result<Blob, String>> {
        let mut wrong = None;
        for place in index.places(kind, id) {
            let pack = index.pack_of(place);
            let Some(sealed) = self.store.stretch(pack, place.offset, place.length)? else {
                wrong = Some(format!("the pack {} is gone, or was cut", short(pack)));
                continue;
            };
            match self.opened(&sealed, place, id) {
                Some(bytes) => return Ok(Ok(Blob { sealed, bytes })),
                None => {
                    wrong = Some(format!("the pack {} was changed at byte {} or behind", short(pack), place.offset));
                }
            }
        }
        Ok(Err(wrong.unwrap_or_else(|| index::unknown(id))))
    }

    /// Where the blobs lie. A list far away may have no need to ask.
    pub(super) fn index(&self) -> Result<Arc<Index>> {
        // One reads it, and who comes meanwhile waits.
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = &*index {
            return Ok(Arc::clone(index));
        }
        let read = Arc::new(Index::read(&self.store, &self.seal, self.trust)?);
        Ok(Arc::clone(index.insert(read)))
    }

    pub(super) fn read_index_again(&self, trust: Trust) -> Result<Arc<Index>> {
        let index = Arc::new(Index::read(&self.store, &self.seal, trust)?);
        *self.index.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&index));
        Ok(index)
    }
}
