//! What is wrong with a Redis backup, as data.
//!
//! Findings name the key, the entry and the byte. How they are shown, and which exit code they lead to, is decided by
//! whoever receives them.

use serde::{Deserialize, Serialize, Serializer};

use super::stream::id::StreamId;
use super::stream::keys::NoRecord;
use crate::entry::Flaw;

/// Why something is a finding. The snake_case name is stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The file ends inside a structure.
    Truncated,
    /// The checksum at the end is not that of the bytes before it.
    ChecksumMismatch,
    /// Bytes that do not follow the format; what comes after them could not be followed either.
    BrokenStructure,
    /// Bytes after the end of the backup.
    TrailingBytes,
    /// A stream node whose packed entries do not parse.
    BrokenNode,
    /// Two nodes of a stream have the same master ID, or stand in the wrong order.
    NodeOrder,
    /// An entry that is not greater than the one before it, or greater than the stream's last ID.
    EntryOrder,
    /// The length that a stream or node declares is not the number of its entries.
    CountMismatch,
    /// First, last or greatest deleted ID contradict the entries.
    IdMismatch,
    /// Two groups of a stream have one name.
    DuplicateGroup,
    /// Two consumers of a group have one name.
    DuplicateConsumer,
    /// Two streams of a database have one name.
    DuplicateKey,
    /// An ID is twice in a group's pending entries list.
    DuplicatePending,
    /// A consumer holds an ID that its group does not list as pending.
    PendingNotInGroup,
    /// Two consumers hold the same pending ID.
    PendingTwice,
    /// A group lists an ID as pending that no consumer holds.
    PendingUnowned,
    /// An entry that holds no record. Reports name it as they name such an entry of a live server.
    #[serde(skip_deserializing)]
    NoRecord(NoRecord),
    /// An append-only file ends inside a command.
    TornTail,
    /// Bytes of an append-only file that are no command.
    BrokenCommand,
    /// A transaction that was begun and never executed: its commands do not count.
    UnfinishedTransaction,
    /// A whole record of a damaged append-only file that cannot stay: which database it belongs to is lost.
    UnknownDatabase,
    /// A whole record of a damaged append-only file that cannot stay: nothing proves where commands begin around it.
    RecordInDamage,
    /// A command that the server would refuse, or that contradicts the state before it.
    RefusedCommand,
    /// A value for which a server refuses to load the whole file.
    RefusedValue,
    /// A file that the manifest names is not there, or the manifest itself does not parse.
    BrokenManifest,
}

impl Reason {
    /// The stable name, as in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::ChecksumMismatch => "checksum_mismatch",
            Self::BrokenStructure => "broken_structure",
            Self::TrailingBytes => "trailing_bytes",
            Self::BrokenNode => "broken_node",
            Self::NodeOrder => "node_order",
            Self::EntryOrder => "entry_order",
            Self::CountMismatch => "count_mismatch",
            Self::IdMismatch => "id_mismatch",
            Self::DuplicateGroup => "duplicate_group",
            Self::DuplicateConsumer => "duplicate_consumer",
            Self::DuplicateKey => "duplicate_key",
            Self::DuplicatePending => "duplicate_pending",
            Self::PendingNotInGroup => "pending_not_in_group",
            Self::PendingTwice => "pending_twice",
            Self::PendingUnowned => "pending_unowned",
            Self::NoRecord(why) => Flaw::from(why).reason.name(),
            Self::TornTail => "torn_tail",
            Self::BrokenCommand => "broken_command",
            Self::UnfinishedTransaction => "unfinished_transaction",
            Self::UnknownDatabase => "unknown_database",
            Self::RecordInDamage => "record_in_damage",
            Self::RefusedCommand => "refused_command",
            Self::RefusedValue => "refused_value",
            Self::BrokenManifest => "broken_manifest",
        }
    }

    /// The name among Papyra's anomaly types that reports carry beside the reason.
    pub fn anomaly(self) -> &'static str {
        match self {
            Self::Truncated | Self::TornTail => "TRUNCATED_LINE",
            Self::UnfinishedTransaction => "PARTIAL_WRITE",
            _ => "CORRUPTED_LINE",
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Reason {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "BackupReason".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "description": "What is wrong with a Redis backup file."})
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Findings about an append-only file that are held; all are counted. Such a file may be damaged at every hundredth byte.
pub(super) const MOST_FINDINGS: usize = 10_000;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Why.
    pub reason: Reason,
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

impl Finding {
    /// A finding that concerns no key in particular.
    pub fn new(reason: Reason, offset: u64, detail: impl Into<String>) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_read_by_the_name_under_which_it_is_written() {
        for reason in [Reason::Truncated, Reason::PendingNotInGroup, Reason::BrokenManifest, Reason::IdMismatch] {
            assert_eq!(serde_json::from_value::<Reason>(serde_json::to_value(reason).unwrap()).unwrap(), reason);
        }
    }
}
