//! How to restore, and what was done.

use std::path::PathBuf;

use papyra_core::report::Report;
use serde::Serialize;

use super::redis::{CutEntries, Losses};
use super::series::Wanted;
use super::until::{CutOff, Until};

/// How to restore.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// Rename existing data first.
    pub replace: bool,
    /// Verify, say what would be done, and do nothing.
    pub dry_run: bool,
    /// The series that was named, and the source that the settings name.
    pub wanted: Wanted,
    /// Up to where.
    pub until: Option<Until>,
}

/// What was done, schema `papyra.restore/1`.
#[derive(schemars::JsonSchema, Debug, Serialize)]
pub struct Restored {
    /// `papyra.restore/1`.
    pub schema: &'static str,
    /// Who did it: name and version.
    pub tool: &'static str,
    /// The backup's folder.
    pub backup: PathBuf,
    /// The folder that holds the files now, or the address of the server that has the streams.
    pub to: PathBuf,
    /// Whether nothing was done.
    pub dry_run: bool,
    /// How many files.
    pub files: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Where what was there before is now.
    pub replaced: Vec<PathBuf>,
    /// What the operator should know.
    pub notes: Vec<String>,
    /// What was cut off, where only records up to a moment were wanted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cut_off: Vec<CutOff>,
    /// The streams that were restored to a server.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<RestoredStream>,
    /// What a scan of the restored bytes says.
    pub scan: Report,
}

/// A stream that was restored, or would be.
#[derive(schemars::JsonSchema, Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestoredStream {
    /// Its key.
    pub key: String,
    /// Its entries, without those that were cut off.
    pub entries: u64,
    /// Its consumer groups.
    pub groups: u64,
    /// Their pending entries.
    pub pending: u64,
    /// The server refused the payload, so the stream was written in an older form or by commands, and this was lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<Losses>,
    /// What was cut off, where only entries up to a moment were wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_off: Option<CutEntries>,
}
