//! What came of reading a stored file of a backup to its end, and what follows by its manifest.

use super::damage::Damage;
use super::inside::Seen;
use super::streams;
use crate::escape::escape;
use crate::figures::thousands;
use crate::manifest::{Blocks, Manifest, StoredFile};
use crate::redis::stored_streams::Streams;
use crate::summary::Summary;

/// What came of reading a stored file to its end.
#[derive(Debug)]
pub struct ReadBack<'a> {
    /// Size in bytes of the stored file.
    pub stored_bytes: u64,
    /// SHA-256 of the stored file.
    pub stored_sha256: String,
    /// Size in bytes of its content.
    pub bytes: u64,
    /// SHA-256 of its content.
    pub sha256: String,
    /// Checksums of the stretches of its content.
    pub blocks: Blocks,
    /// Why it could not be read or unpacked to its end.
    pub failed: Option<String>,
    /// What a scan of the lines in it found.
    pub summary: Option<&'a Summary>,
}

impl ReadBack<'_> {
    /// What is wrong with the file, if anything is, and the streams in it; `is_remote` when the backup lies in an
    /// object store.
    pub fn judge(
        mut self,
        manifest: &Manifest,
        file: &StoredFile,
        seen: Seen,
        is_remote: bool,
    ) -> (Option<Damage>, Option<Streams>) {
        self.summary = self.summary.filter(|_| seen.holds_lines);
        let Some(looked) = seen.streams else { return (self.damage(manifest, file, seen.broken.is_some()), None) };
        let found = match looked {
            // Of what could not be read to its end no stream is told.
            _ if self.failed.is_some() => None,
            Ok(found) => Some(found),
            Err(error) => {
                let (path, why) = (escape(file.path.as_bytes()), escape(error.to_string().as_bytes()));
                self.failed = Some(format!("cannot read {path}: {why}; {}", error.kind().advice()));
                None
            }
        };
        let damage = self.damage(manifest, file, false);
        (streams::judge(manifest, file, damage, found.as_ref(), is_remote), found)
    }

    fn damage(&self, manifest: &Manifest, file: &StoredFile, cut_short: bool) -> Option<Damage> {
        let same = self.sha256 == file.sha256
            && self.bytes == file.bytes
            && self.stored_sha256 == file.stored_sha256
            && self.stored_bytes == file.stored_bytes;
        let (size, written) = (self.stored_bytes, file.stored_bytes);
        let detail = match &self.failed {
            None if same => return None,
            Some(error) => format!("it cannot be read past byte {} of its content: {error}", self.bytes),
            None if size < written => format!("it has {size} bytes where {written} were written"),
            None if size > written => format!("it has {size} bytes, more than the {written} that were written"),
            None => "its bytes are not those that were written".into(),
        };
        let place = first_difference(&file.blocks, &self.blocks, file.bytes, self.bytes);
        Some(Damage {
            file: file.stored.clone(),
            offset: place.map(|(offset, _)| offset),
            length: place.map(|(_, length)| length),
            detail: escape(detail.as_bytes()),
            recovery: prospects(manifest, file, self.summary, cut_short),
        })
    }
}

/// The first stretch, offset and length, whose checksum differs.
fn first_difference(written: &Blocks, read: &Blocks, bytes: u64, bytes_read: u64) -> Option<(u64, u64)> {
    let count = bytes.max(bytes_read).div_ceil(written.bytes.max(1));
    let at = (0..count).find(|index| {
        let index = usize::try_from(*index).unwrap_or(usize::MAX);
        written.get(index) != read.get(index) || read.get(index).is_none()
    })?;
    let offset = at * written.bytes;
    Some((offset, written.bytes.min(bytes.max(bytes_read) - offset)))
}

/// What recovery would make of the damaged content, in a sentence.
fn prospects(manifest: &Manifest, file: &StoredFile, now: Option<&Summary>, cut_short: bool) -> String {
    let then = manifest.scan.files.iter().find(|report| report.path == file.path);
    let (Some(now), Some(then)) = (now, then) else {
        return "it holds no records that recovery could judge".into();
    };
    let (kept, held) = (now.records.total() + now.salvageable, then.records.total() + then.salvageable);
    if cut_short || kept < held {
        return format!("recovery would bring back {} of its {} records", thousands(kept), thousands(held));
    }
    if now.anomalies > then.anomaly_count {
        return format!("recovery would keep all of its {} records", thousands(held));
    }
    format!(
        "every line is still a record, so recovery would keep all {} and cannot tell which one is wrong: use another \
         backup",
        thousands(held)
    )
}
