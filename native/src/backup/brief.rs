//! What a list says of a backup: as its manifest has it, or as its snapshot in a repository notes it, so that a list
//! far away reads no more than the snapshot. What was noted is as untrusted as a manifest.

use papyra_core::manifest::{Compression, Manifest, is_label};
use papyra_core::report::Verdict;
use papyra_core::sums::is_hash;
use serde::{Deserialize, Serialize};

/// What a list says of a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Brief {
    /// The manifest's SHA-256.
    pub(super) manifest_sha256: String,
    pub(super) series: String,
    pub(super) host: Option<String>,
    /// What was backed up.
    pub(super) source: Option<String>,
    /// The folder that held it.
    pub(super) folder: String,
    pub(super) tags: Vec<String>,
    pub(super) created: String,
    /// Size of the logs in bytes.
    pub(super) bytes: u64,
    /// Size of the backup's files in bytes.
    pub(super) stored_bytes: u64,
    pub(super) compression: Compression,
    /// Intact records.
    pub(super) records: u64,
    pub(super) verdict: Verdict,
}

impl Brief {
    pub(super) fn of(manifest: &Manifest, manifest_sha256: &str) -> Brief {
        Brief {
            manifest_sha256: manifest_sha256.to_owned(),
            series: manifest.series(),
            host: manifest.host.clone(),
            source: manifest.source.path.clone(),
            folder: manifest.source.folder.clone(),
            tags: manifest.tags.clone(),
            created: manifest.created.clone(),
            bytes: manifest.bytes(),
            stored_bytes: manifest.stored_bytes(),
            compression: manifest.compression,
            records: manifest.scan.totals.records.total(),
            verdict: manifest.scan.verdict,
        }
    }

    /// Whether a manifest of ours could say the same.
    pub(super) fn is_sound(&self) -> bool {
        let mut labels = [&self.series].into_iter().chain(&self.host).chain(&self.tags);
        let most = i64::MAX as u64;
        labels.all(|label| is_label(label))
            && is_hash(&self.manifest_sha256)
            && self.bytes <= most
            && self.stored_bytes <= most
    }
}
