//! One number for all entries of a stream, however they are packed: what shows that a restored stream is the one that
//! was backed up.

use papyra_core::digest::hex;
use papyra_core::redis::{Fields, StreamId};
use sha2::{Digest, Sha256};

use crate::error::Result;
use crate::redis::Store;

/// SHA-256 over entries, as the manifest's `entries_sha256` has it.
#[derive(Clone, Default)]
pub(super) struct Entries {
    hash: Sha256,
    /// How many.
    pub(super) count: u64,
}

impl Entries {
    /// The entries that a stream has on a server.
    pub(super) fn of(store: &Store, key: &str) -> Result<Entries> {
        let mut entries = Entries::default();
        store.each_entry(key, |entry| entries.add_live(entry))?;
        Ok(entries)
    }

    /// An entry as it lies in a payload.
    pub(super) fn add(&mut self, id: StreamId, fields: &Fields<'_>) {
        self.begin(id, fields.remaining());
        for (name, value) in fields.clone() {
            self.text(name.as_bytes());
            self.text(value.as_bytes());
        }
    }

    /// An entry as a server gives it.
    fn add_live(&mut self, entry: &crate::redis::Entry) {
        self.begin(entry.id, entry.fields.len() as u64);
        for (name, value) in &entry.fields {
            self.text(name);
            self.text(value);
        }
    }

    /// The number.
    pub(super) fn finish(self) -> String {
        hex(&self.hash.finalize())
    }

    fn begin(&mut self, id: StreamId, fields: u64) {
        self.count += 1;
        self.hash.update(id.to_be_bytes());
        self.hash.update(fields.to_le_bytes());
    }

    fn text(&mut self, text: &[u8]) {
        self.hash.update((text.len() as u64).to_le_bytes());
        self.hash.update(text);
    }
}
