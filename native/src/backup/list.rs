//! The backups in a folder, as their manifests and the records beside them tell; no stored log is read.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use papyra_core::manifest::Compression;
use papyra_core::report::Verdict;
use serde::Serialize;

use super::{Attestation, Attested, Backup, attest, names};
use crate::error::Result;
use crate::folder::Folder;

/// A backup in a list.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// Its folder's name.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// Why no more can be said of it.
    pub problem: Option<String>,
    /// When it was made, RFC 3339, UTC.
    pub created: Option<String>,
    /// How long ago, in seconds.
    pub age_seconds: Option<f64>,
    /// Size of the logs in bytes.
    pub bytes: u64,
    /// Size of the backup's files in bytes.
    pub stored_bytes: u64,
    /// How they are stored.
    pub compression: Option<Compression>,
    /// Intact records.
    pub records: u64,
    /// What the scan said when it was made.
    pub verdict: Option<Verdict>,
    /// The last verification.
    pub verified: Option<Attestation>,
    /// The last drill.
    pub drilled: Option<Attestation>,
    /// What the operator should know.
    pub notes: Vec<String>,
    #[serde(skip)]
    pub(super) time: Option<Timestamp>,
}

impl Entry {
    /// Whether it was verified, is what was written, and is clean.
    pub fn is_verified_clean(&self) -> bool {
        self.problem.is_none() && self.verified.as_ref().is_some_and(Attestation::is_good)
    }

    /// Whether it is known not to be what was written.
    pub fn is_damaged(&self) -> bool {
        self.problem.is_some() || self.verified.as_ref().is_some_and(|verified| !verified.intact)
    }
}

/// The backups in a folder, oldest first; those that cannot be read come first of all.
pub fn list(backups: &Path, now: Timestamp) -> Result<Vec<Entry>> {
    let folder = Folder::open(backups)?;
    let mut entries: Vec<Entry> = names(&folder)?.into_iter().map(|name| entry(&folder, name, now)).collect();
    entries.sort_by(|a, b| (a.time, &a.name).cmp(&(b.time, &b.name)));
    Ok(entries)
}

fn entry(folder: &Folder, name: String, now: Timestamp) -> Entry {
    let path = folder.join(&name);
    let mut entry = Entry {
        name,
        path,
        problem: None,
        created: None,
        age_seconds: None,
        bytes: 0,
        stored_bytes: 0,
        compression: None,
        records: 0,
        verdict: None,
        verified: None,
        drilled: None,
        notes: Vec::new(),
        time: None,
    };
    let backup = match Backup::open(&entry.path) {
        Ok(backup) => backup,
        Err(error) => {
            entry.problem = Some(error.to_string());
            return entry;
        }
    };
    let manifest = &backup.manifest;
    entry.time = backup.created();
    if entry.time.is_none() {
        entry.problem = Some("its manifest does not say when it was made".into());
    }
    entry.created = entry.time.map(super::rfc3339);
    entry.age_seconds = entry.time.map(|time| now.duration_since(time).as_secs_f64());
    entry.bytes = manifest.bytes();
    entry.stored_bytes = manifest.stored_bytes();
    entry.compression = Some(manifest.compression);
    entry.records = manifest.scan.totals.records.total();
    entry.verdict = Some(manifest.scan.verdict);
    let mut found = |what| {
        attest::find(&backup, what).unwrap_or_else(|note| {
            entry.notes.push(note);
            None
        })
    };
    (entry.verified, entry.drilled) = (found(Attested::Verified), found(Attested::Drilled));
    entry
}
