//! What is wrong with a Redis backup, as data.
//!
//! Findings name the key, the entry and the byte. How they are shown, and which exit code they lead to, is decided by
//! whoever receives them.

use serde::{Serialize, Serializer};

use super::stream::id::StreamId;

pub use crate::reason::BackupReason;

/// Findings about an append-only file that are held; all are counted. Such a file may be damaged at every hundredth
/// byte.
pub(super) const MOST_FINDINGS: usize = 10_000;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackupFinding {
    /// Why.
    pub reason: BackupReason,
    /// The database number, where the finding lies within one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db: Option<u64>,
    /// The key, raw. Serialised with invalid UTF-8 replaced.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "lossy")]
    pub key: Option<Vec<u8>>,
    /// The entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<StreamId>,
    /// Bytes from the start of the file. Entries of a compressed node carry the offset of that node.
    pub offset: u64,
    /// How many bytes are concerned, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// A sentence for people. It may quote names from the file: escape it before a terminal sees it.
    pub detail: String,
}

impl BackupFinding {
    /// A finding that concerns no key in particular.
    pub fn new(reason: BackupReason, offset: u64, detail: impl Into<String>) -> Self {
        Self { reason, db: None, key: None, id: None, offset, length: None, detail: detail.into() }
    }

    pub(crate) fn at_key(mut self, db: u64, key: &[u8]) -> Self {
        self.db = Some(db);
        self.key = Some(key.to_vec());
        self
    }

    pub(crate) fn at_entry(mut self, id: StreamId) -> Self {
        self.id = Some(id);
        self
    }

    pub(crate) fn of_length(mut self, length: u64) -> Self {
        self.length = Some(length);
        self
    }
}

fn lossy<S: Serializer>(key: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    match key {
        Some(key) => serializer.serialize_str(&String::from_utf8_lossy(key)),
        None => serializer.serialize_none(),
    }
}
