//! The backups in a folder, as their manifests and the records beside them tell; no stored log is read.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use papyra_core::manifest::{Compression, Manifest};
use papyra_core::report::Verdict;
use serde::Serialize;

use super::remote::ABANDONED;
use super::{Attestation, Attested, Backup, Files, at, attest, is_unreachable, names, unfinished_in};
use crate::error::Result;

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
    /// Whether it was not sent to its end yet: then there is no backup.
    pub unfinished: bool,
    /// What the operator should know.
    pub notes: Vec<String>,
    #[serde(skip)]
    pub(super) time: Option<Timestamp>,
}

impl Entry {
    /// Whether it is an upload that nobody will finish any more.
    pub fn is_abandoned(&self) -> bool {
        self.unfinished && self.age_seconds.is_none_or(|age| age > ABANDONED)
    }

    /// Whether there is a backup that could be restored, as far as its manifest tells.
    pub fn is_restorable(&self) -> bool {
        self.problem.is_none() && !self.unfinished
    }

    /// Whether it was verified, is what was written, and is clean.
    pub fn is_verified_clean(&self) -> bool {
        self.is_restorable() && self.verified.as_ref().is_some_and(Attestation::is_good)
    }

    /// What the manifest says.
    fn tell(&mut self, manifest: &Manifest, now: Timestamp) {
        self.time = manifest.created.parse().ok();
        if self.time.is_none() {
            self.problem = Some("its manifest does not say when it was made".into());
        }
        self.created = self.time.map(super::rfc3339);
        self.age_seconds = self.time.map(|time| now.duration_since(time).as_secs_f64());
        self.bytes = manifest.bytes();
        self.stored_bytes = manifest.stored_bytes();
        self.compression = Some(manifest.compression);
        self.records = manifest.scan.totals.records.total();
        self.verdict = Some(manifest.scan.verdict);
    }

    /// Whether it is known not to be what was written.
    pub fn is_damaged(&self) -> bool {
        self.problem.is_some() || self.verified.as_ref().is_some_and(|verified| !verified.intact)
    }
}

/// The backups in a folder, oldest first; those that cannot be read come first of all.
pub fn list(backups: &Path, now: Timestamp) -> Result<Vec<Entry>> {
    let folder = at(backups)?;
    let entries = names(&*folder)?.into_iter().map(|name| entry(&*folder, name, now));
    let mut entries = entries.collect::<Result<Vec<Entry>>>()?;
    entries.sort_by(|a, b| (a.time, &a.name).cmp(&(b.time, &b.name)));
    Ok(entries)
}

fn entry(folder: &dyn Files, name: String, now: Timestamp) -> Result<Entry> {
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
        unfinished: false,
        notes: Vec::new(),
        time: None,
    };
    let opened = || -> Result<std::result::Result<Backup, Manifest>> {
        let files = folder.folder(&entry.name)?;
        Ok(match unfinished_in(&*files)? {
            Some(manifest) => Err(manifest),
            None => Ok(Backup::of(files)?),
        })
    };
    let backup = match opened() {
        Ok(Ok(backup)) => backup,
        Ok(Err(manifest)) => {
            entry.unfinished = true;
            entry.tell(&manifest, now);
            return Ok(entry);
        }
        Err(error) if is_unreachable(&error) => return Err(error),
        Err(error) => {
            entry.problem = Some(error.to_string());
            return Ok(entry);
        }
    };
    entry.tell(&backup.manifest, now);
    let mut found = |what| {
        attest::find(&backup, what).unwrap_or_else(|note| {
            entry.notes.push(note);
            None
        })
    };
    (entry.verified, entry.drilled) = (found(Attested::Verified), found(Attested::Drilled));
    Ok(entry)
}
