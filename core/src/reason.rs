//! Why something is a finding: of a log's line or a file, of a stream's entry, of a Redis backup. Each names the
//! others.

use serde::{Deserialize, Serialize, Serializer};

/// The finer reason for an anomaly.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The last record was not written completely.
    TornTail,
    /// The last record is intact; only its newline was not written.
    MissingNewline,
    /// One or more intact records share a line, alone or with the stump of another.
    GluedRecords,
    /// NUL bytes, as a power cut leaves them in a file that had been extended but not written.
    NulBytes,
    /// Bytes that are not UTF-8.
    InvalidUtf8,
    /// Not a JSON value that Python's `json.loads` takes.
    InvalidJson,
    /// A JSON value, but no object.
    NotAnObject,
    /// Nothing but white space.
    BlankLine,
    /// A temporary file of an interrupted compaction or recovery.
    LeftoverTemporary,
    /// A rotated file past the number of files that belong to the set.
    BeyondRotation,
    /// A file that bears the log's name and is neither a member nor a known temporary.
    ForeignFile,
    /// A member that another tool has compressed: Papyra does not read it.
    PackedMember,
    /// A member that another tool has given a name of its own: Papyra does not read it.
    RenamedMember,
    /// A number is absent from the middle of a rotation set.
    RotationGap,
    /// The file could not be opened, or not be read to its end.
    Unreadable,
    /// A compressed file ends before its own end mark, or its content does not check out.
    DamagedArchive,
    /// A stream entry without the field `data`.
    MissingDataField,
    /// What is wrong with a Redis backup file.
    #[serde(untagged)]
    Backup(BackupReason),
}

impl Reason {
    /// The reason's name, as reports print it.
    pub fn name(self) -> &'static str {
        match self {
            Reason::TornTail => "torn_tail",
            Reason::MissingNewline => "missing_newline",
            Reason::GluedRecords => "glued_records",
            Reason::NulBytes => "nul_bytes",
            Reason::InvalidUtf8 => "invalid_utf8",
            Reason::InvalidJson => "invalid_json",
            Reason::NotAnObject => "not_an_object",
            Reason::BlankLine => "blank_line",
            Reason::LeftoverTemporary => "leftover_temporary",
            Reason::BeyondRotation => "beyond_rotation",
            Reason::ForeignFile => "foreign_file",
            Reason::PackedMember => "packed_member",
            Reason::RenamedMember => "renamed_member",
            Reason::RotationGap => "rotation_gap",
            Reason::Unreadable => "unreadable",
            Reason::DamagedArchive => "damaged_archive",
            Reason::MissingDataField => "missing_data_field",
            Reason::Backup(reason) => reason.as_str(),
        }
    }
}

/// Why something is a finding. The snake_case name is stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BackupReason {
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
    /// An intact record of a damaged append-only file that cannot stay: which database it belongs to is lost.
    UnknownDatabase,
    /// An intact record of a damaged append-only file that cannot stay: nothing proves where commands begin around it.
    RecordInDamage,
    /// A command that the server would refuse, or that contradicts the state before it.
    RefusedCommand,
    /// A value for which a server refuses to load the whole file.
    RefusedValue,
    /// A file that the manifest names is not there, or the manifest itself does not parse.
    BrokenManifest,
}

impl BackupReason {
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
            Self::NoRecord(why) => Reason::from(why).name(),
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
impl schemars::JsonSchema for BackupReason {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "BackupReason".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "description": "What is wrong with a Redis backup file."})
    }
}

impl Serialize for BackupReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Why an entry is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NoRecord {
    /// It has no field `data`.
    MissingData,
    /// `data` is not UTF-8.
    InvalidUtf8,
    /// `data` holds NUL bytes.
    NulBytes,
    /// `data` is empty or white space.
    Blank,
    /// `data` is JSON, but no object.
    NotAnObject,
    /// `data` is not JSON as Python reads it.
    InvalidJson,
    /// Another field is not UTF-8: Papyra decodes them all.
    SideField,
}

impl NoRecord {
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::MissingData => "the entry has no field `data`",
            Self::InvalidUtf8 => "`data` is not UTF-8",
            Self::NulBytes => "`data` holds NUL bytes",
            Self::Blank => "`data` is empty",
            Self::NotAnObject => "`data` is a JSON value, but not an object",
            Self::InvalidJson => "`data` is not JSON",
            Self::SideField => "a field beside `data` is not UTF-8: Papyra cannot read the stream past it",
        }
    }
}

impl From<NoRecord> for Reason {
    fn from(why: NoRecord) -> Reason {
        match why {
            NoRecord::MissingData => Reason::MissingDataField,
            NoRecord::InvalidUtf8 | NoRecord::SideField => Reason::InvalidUtf8,
            NoRecord::NulBytes => Reason::NulBytes,
            NoRecord::NotAnObject => Reason::NotAnObject,
            NoRecord::Blank | NoRecord::InvalidJson => Reason::InvalidJson,
        }
    }
}

impl From<BackupReason> for Reason {
    fn from(reason: BackupReason) -> Self {
        match reason {
            BackupReason::TornTail => Reason::TornTail,
            BackupReason::NoRecord(why) => Reason::from(why),
            other => Reason::Backup(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_read_by_the_name_under_which_it_is_written() {
        for reason in [
            BackupReason::Truncated,
            BackupReason::PendingNotInGroup,
            BackupReason::BrokenManifest,
            BackupReason::IdMismatch,
        ] {
            assert_eq!(serde_json::from_value::<BackupReason>(serde_json::to_value(reason).unwrap()).unwrap(), reason);
        }
    }
}
