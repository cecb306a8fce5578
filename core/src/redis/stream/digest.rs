//! One number for all entries of a stream, however they are packed: what shows that a restored stream is the one that
//! was backed up.

use sha2::{Digest, Sha256};

use super::id::StreamId;
use crate::digest::hex;
use crate::redis::rdb::node::Fields;

/// SHA-256 over entries, as the manifest's `entries_sha256` has it.
#[derive(Debug, Clone, Default)]
pub struct Entries {
    hash: Sha256,
    /// How many.
    pub count: u64,
}

impl Entries {
    /// Adds the next entry.
    pub fn add(&mut self, id: StreamId, fields: &Fields<'_>) {
        self.count += 1;
        self.hash.update(id.to_be_bytes());
        self.hash.update(fields.remaining().to_le_bytes());
        for (name, value) in fields.clone() {
            self.text(name.as_bytes());
            self.text(value.as_bytes());
        }
    }

    /// The number.
    pub fn finish(self) -> String {
        hex(&self.hash.finalize())
    }

    fn text(&mut self, text: &[u8]) {
        self.hash.update((text.len() as u64).to_le_bytes());
        self.hash.update(text);
    }
}
