//! What a report has of a Redis backup file besides its findings and streams.

use serde::Serialize;

use super::rdb::header::{Checksum, Header};

/// What a backup file is.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BackupFormat {
    /// An RDB file.
    Rdb,
    /// A DUMP payload.
    Dump,
    /// An append-only file, with or without an RDB file at its front.
    Aof,
    /// The manifest of an append-only folder.
    Manifest,
}

/// What a backup file says of itself.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackupReport {
    /// What it is.
    pub format: BackupFormat,
    /// The RDB version, of the file or of the part at its front.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<Header>,
    /// What the RDB checksum says; an append-only file has none of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
    /// Commands of an append-only file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commands: Option<u64>,
    /// Keys in an RDB file that are not streams.
    pub other_keys: u64,
    /// The first of them, invalid UTF-8 replaced.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_names: Vec<String>,
    /// Streams that are not Papyra's; the first of them are listed too.
    pub other_streams: u64,
}
