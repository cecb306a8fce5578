//! What a manifest says of a backup of streams: the server, and each stream as it was read from the stored bytes.
//!
//! Records by kind, findings and checksums stand in the manifest's scan, under the path of the file that holds the
//! stream.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::stored::{Compression, Content, StoredFile};
use crate::redis::{PapyraKey, StreamFacts, StreamKind};
use crate::sums::is_hash;

/// A server that streams were copied from.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedisSource {
    /// Its address, without secrets.
    pub server: String,
    /// Its version.
    pub version: String,
    /// Its run ID, which is another after each start.
    pub run_id: String,
    /// The database number.
    pub db: u64,
    /// What Papyra's keys begin with.
    pub prefix: String,
    /// How the streams were copied.
    pub method: Method,
    /// The streams, system by system.
    pub streams: Vec<StoredStream>,
}

/// How streams are copied.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Each by DUMP, all of a system in one transaction.
    Dump,
    /// All that the server holds, as an RDB file.
    Bgsave,
}

/// A stream in a backup.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredStream {
    /// Its key.
    pub key: String,
    /// The actor system that it belongs to.
    pub system_id: String,
    /// Which of the system's streams.
    pub kind: StreamKind,
    /// It is the stream that bad entries of that one were moved to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub quarantine: bool,
    /// The file that holds it, by its path in the source.
    pub file: String,
    /// When the key would have expired, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_ms: Option<i64>,
    /// SHA-256 over the entries in order: of each its ID, 16 bytes big-endian, the number of its fields, and each name
    /// and value with its length before it, as 8 bytes little-endian.
    pub entries_sha256: String,
    /// What the stream says of itself.
    #[serde(flatten)]
    pub facts: StreamFacts,
}

impl StoredStream {
    /// The key's parts; none of a quarantine stream.
    pub fn papyra(&self, prefix: &str) -> Option<PapyraKey> {
        let key = || PapyraKey { prefix: prefix.to_owned(), system_id: self.system_id.clone(), kind: self.kind };
        (!self.quarantine).then(key)
    }
}

impl RedisSource {
    /// The systems, each once, in order.
    pub fn systems(&self) -> Vec<&str> {
        let mut systems: Vec<&str> = Vec::new();
        for stream in &self.streams {
            if !systems.contains(&&*stream.system_id) {
                systems.push(&stream.system_id);
            }
        }
        systems
    }

    /// The stream that a payload's file holds.
    pub fn stream_in(&self, file: &str) -> Option<&StoredStream> {
        self.streams.iter().find(|stream| stream.file == file)
    }

    /// What no backup of ours says.
    pub(super) fn check(&self, files: &[StoredFile]) -> Result<(), String> {
        if self.streams.is_empty() || self.prefix.is_empty() {
            return Err("it lists no streams: nothing could be restored".into());
        }
        let wanted = match self.method {
            Method::Dump => Content::Dump,
            Method::Bgsave => Content::Rdb,
        };
        let (mut keys, mut holders) = (BTreeSet::new(), BTreeSet::new());
        for stream in &self.streams {
            let StoredStream { key, system_id, kind, file, .. } = stream;
            if system_id.is_empty() || !keys.insert(key) {
                return Err(format!("{key:?} is listed twice, or of no system"));
            }
            // Papyra's own naming (0.3.0, `persistence/backends/redis.py`): a restore must not be led to other keys.
            let own = format!("{}:{system_id}:{}", self.prefix, kind.name());
            let is_its = match stream.quarantine {
                false => *key == own,
                true => key.ends_with(&format!(":{}", own.replace(':', "_"))),
            };
            if !is_its {
                return Err(format!("{key:?} is not what the {} of {system_id:?} are called", kind.name()));
            }
            if !is_hash(&stream.entries_sha256) {
                return Err(format!("{key:?} has no SHA-256"));
            }
            let holder = files.iter().find(|stored| stored.path == *file);
            if holder.is_none_or(|stored| stored.content != wanted) {
                return Err(format!("{file:?} is said to hold {key:?}, and is not a file that could"));
            }
            if !holders.insert(file) && self.method == Method::Dump {
                return Err(format!("{file:?} is said to hold two streams"));
            }
        }
        let streams = |content: Content| !matches!(content, Content::Other);
        for file in files.iter().filter(|file| streams(file.content)) {
            if !holders.contains(&file.path) {
                return Err(format!("no stream is said to be in {:?}", file.path));
            }
            if file.content == Content::Rdb && file.compression != Compression::None {
                return Err(format!("{:?} cannot be read where its streams lie", file.path));
            }
        }
        Ok(())
    }
}
