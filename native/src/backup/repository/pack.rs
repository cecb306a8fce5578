//! Storing blobs: those that are new are compressed and sealed, gathered into packs, and told of by index files when
//! the packs are on the disk (restic's design, "Pack Format", "Indexing").

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use papyra_core::digest::{hex, sha256};
use rustic_core::Id;
use rustic_core::repofile::{BlobType, FileType};
use serde::Serialize;
use sha2::{Digest, Sha256};
use zstd::bulk::Compressor;

use super::Repository;
use super::index::Index;
use super::note::Needs;
use crate::error::{Code, Error, Result};

/// A pack is written when it has so many bytes (restic's own default).
const PACK: usize = 16 << 20;

/// An index is written after so many packs: what a run that is killed has stored since is stored again.
const PACKS: usize = 16;

/// Stores the blobs of one backup, from several threads.
pub(super) struct Packer {
    pub(super) repository: Arc<Repository>,
    /// What the repository held when the backup was begun.
    index: Arc<Index>,
    level: i32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    data: Pack,
    trees: Pack,
    /// Blobs that were new in this run.
    stored: HashSet<(BlobType, Id)>,
    /// Packs that no index tells of yet.
    packs: Vec<IndexedPack>,
    /// The packs that the snapshot needs, with their sizes in bytes.
    needed: BTreeMap<Id, u64>,
    /// The index files that tell of them.
    index: BTreeSet<Id>,
    added: u64,
    failed: Option<Error>,
}

/// A pack under way.
#[derive(Default)]
struct Pack {
    pieces: Vec<Vec<u8>>,
    blobs: Vec<IndexedBlob>,
    bytes: usize,
}

/// What an index file says, in the fields that restic knows.
#[derive(Serialize)]
struct IndexText {
    packs: Vec<IndexedPack>,
}

#[derive(Serialize)]
struct IndexedPack {
    id: String,
    blobs: Vec<IndexedBlob>,
    time: String,
    size: usize,
}

#[derive(Serialize)]
struct IndexedBlob {
    id: String,
    #[serde(rename = "type")]
    kind: BlobType,
    offset: usize,
    length: usize,
    uncompressed_length: usize,
}

impl Packer {
    /// `level` is how hard zstd tries.
    pub(super) fn new(repository: Arc<Repository>, level: i32) -> Result<Packer> {
        let index = repository.index()?;
        Ok(Packer { repository, index, level, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers why something could not be stored.
    pub(super) fn fail(&self, error: Error) {
        self.state().failed.get_or_insert(error);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.state().failed.is_some()
    }

    /// Fails when something was not stored.
    pub(super) fn check(&self) -> Result<()> {
        match self.state().failed.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// How many bytes were written.
    pub(super) fn added(&self) -> u64 {
        self.state().added
    }

    /// The packs that the backup needs, with their sizes in bytes.
    pub(super) fn needed(&self) -> BTreeMap<Id, u64> {
        self.state().needed.clone()
    }

    /// The same, and the index files that tell of them, for the snapshot to note.
    pub(super) fn needs(&self) -> Needs {
        let state = self.state();
        Needs::new(&state.needed, &state.index)
    }

    /// Whether a blob was there before, in a pack that is whole; then the backup needs that pack.
    pub(super) fn rely_on(&self, kind: BlobType, id: &Id) -> Result<bool> {
        let holder = self.index.holder(&self.repository.store, kind, id)?;
        if let Some((pack, size, file)) = holder {
            let mut state = self.state();
            state.needed.insert(pack, size);
            state.index.insert(file);
        }
        Ok(holder.is_some())
    }

    /// The packs that the index tells of and that are not there whole.
    pub(super) fn unsound(&self) -> Result<BTreeSet<Id>> {
        self.index.unsound(&self.repository.store)
    }

    /// What compresses the blobs of one thread.
    pub(super) fn compressor(&self) -> Result<Compressor<'static>> {
        Compressor::new(self.level).map_err(|error| Error::new(Code::Io, error.to_string()))
    }

    /// Stores a blob, unless it is there.
    pub(super) fn store(&self, kind: BlobType, id: Id, bytes: &[u8], with: &mut Compressor<'_>) -> Result<()> {
        if self.state().stored.contains(&(kind, id)) || self.rely_on(kind, &id)? {
            return Ok(());
        }
        if !self.state().stored.insert((kind, id)) {
            return Ok(());
        }
        let packed = with.compress(bytes).map_err(|error| Error::new(Code::Io, error.to_string()))?;
        let sealed = self.repository.closed(self.repository.seal.close(&packed))?;
        let full = {
            let mut state = self.state();
            let pack = state.pack(kind);
            pack.blobs.push(IndexedBlob {
                id: id.to_hex().as_str().to_owned(),
                kind,
                offset: pack.bytes,
                length: sealed.len(),
                uncompressed_length: bytes.len(),
            });
            pack.bytes += sealed.len();
            pack.pieces.push(sealed);
            if pack.bytes >= PACK { std::mem::take(pack) } else { return Ok(()) }
        };
        self.write_pack(full)?;
        if self.state().packs.len() >= PACKS { self.write_index() } else { Ok(()) }
    }

    /// Writes all that was stored to the disk, and the index that tells of it.
    pub(super) fn flush(&self) -> Result<()> {
        for kind in [BlobType::Data, BlobType::Tree] {
            let pack = std::mem::take(self.state().pack(kind));
            self.write_pack(pack)?;
        }
        self.write_index()
    }

    fn write_pack(&self, mut pack: Pack) -> Result<()> {
        if pack.blobs.is_empty() {
            return Ok(());
        }
        let header = self.repository.closed(self.repository.seal.close(&header(&pack.blobs)?))?;
        let length = u32::try_from(header.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
        pack.bytes += header.len() + length.len();
        pack.pieces.extend([header, length]);
        let mut hash = Sha256::new();
        pack.pieces.iter().for_each(|piece| hash.update(piece));
        let id = id_of(&hex(&hash.finalize()))?;
        let pieces: Vec<&[u8]> = pack.pieces.iter().map(Vec::as_slice).collect();
        self.repository.store.put(FileType::Pack, &id, &pieces)?;
        let mut state = self.state();
        state.added += pack.bytes as u64;
        state.needed.insert(id, pack.bytes as u64);
        state.packs.push(IndexedPack {
            id: id.to_hex().as_str().to_owned(),
            blobs: pack.blobs,
            time: Timestamp::now().to_string(),
            size: pack.bytes,
        });
        Ok(())
    }

    /// Writes an index of the packs that none tells of yet. What a run that fails has stored is there for the next one.
    pub(super) fn write_index(&self) -> Result<()> {
        let packs = std::mem::take(&mut self.state().packs);
        if packs.is_empty() {
            return Ok(());
        }
        let text = serde_json::to_vec(&IndexText { packs }).map_err(|error| Error::new(Code::Io, error.to_string()))?;
        let id = self.write_text(FileType::Index, &text)?;
        self.state().index.insert(id);
        Ok(())
    }

    /// Writes the text of an index or a snapshot.
    pub(super) fn write_text(&self, kind: FileType, text: &[u8]) -> Result<Id> {
        let sealed = self.repository.closed(self.repository.seal.close_text(text, self.level))?;
        let id = id_of(&sha256(&sealed))?;
        self.repository.store.put(kind, &id, &[&sealed])?;
        self.state().added += sealed.len() as u64;
        Ok(id)
    }
}

impl State {
    fn pack(&mut self, kind: BlobType) -> &mut Pack {
        match kind {
            BlobType::Data => &mut self.data,
            BlobType::Tree => &mut self.trees,
        }
    }
}

/// What a pack ends with: kind, length, length unpacked and ID of each blob.
fn header(blobs: &[IndexedBlob]) -> Result<Vec<u8>> {
    let mut header = Vec::new();
    for blob in blobs {
        header.push(match blob.kind {
            BlobType::Data => 2,
            BlobType::Tree => 3,
        });
        for length in [blob.length, blob.uncompressed_length] {
            let length = u32::try_from(length).map_err(|_| Error::new(Code::Io, "a blob is too large"))?;
            header.extend(length.to_le_bytes());
        }
        let hex = blob.id.as_bytes().chunks_exact(2);
        header.extend(hex.filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()));
    }
    Ok(header)
}

pub(super) fn id_of(hex: &str) -> Result<Id> {
    hex.parse().map_err(|_| Error::new(Code::Io, "a hash is not an ID"))
}
