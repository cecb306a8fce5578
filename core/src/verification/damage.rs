//! What is wrong with a stored file of a backup.

use serde::Serialize;

use crate::escape::escape;
use crate::manifest::StoredFile;

/// What is wrong with a stored file.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Damage {
    /// The stored file.
    pub file: String,
    /// Where its content first differs, in bytes, as far as the checksums of its stretches tell.
    pub offset: Option<u64>,
    /// How many bytes from there on are in doubt.
    pub length: Option<u64>,
    /// What happened.
    pub detail: String,
    /// Whether recovery would bring back what the file held.
    pub recovery: String,
}

impl Damage {
    /// A stored file of which there is nothing to read.
    pub fn gone(file: &StoredFile, why: &str) -> Damage {
        Damage {
            file: file.stored.clone(),
            offset: None,
            length: None,
            detail: escape(why.as_bytes()),
            recovery: "nothing of it can be brought back from here".into(),
        }
    }
}
