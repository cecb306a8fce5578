//! The logs of a series' last backup, and which of the files that are backed up next are still the same. What is done
//! with one that is, is decided where it is stored: in [`super::share`] for a folder, in [`super::repository`].

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use papyra_core::manifest::{Content, Manifest, StoredFile};
use papyra_core::report::FileReport;
use papyra_core::summary::Summary;

use super::output::nanoseconds;
use crate::disk::Stat;

/// A file that was changed so shortly before a backup may have been changed once more within the same tick of the
/// clock.
const TICK: SignedDuration = SignedDuration::from_secs(2);

/// A log of the last backup: one that was copied to its end, and was clean.
pub(super) struct Known {
    pub(super) file: StoredFile,
    /// What the scan of it said.
    pub(super) summary: Summary,
    /// When that backup was begun.
    created: Timestamp,
}

impl Known {
    /// Whether a file is still that log, as far as its size and the time of its content tell. Device and inode are
    /// known to be the same.
    pub(super) fn resembles(&self, stat: &Stat) -> bool {
        let StoredFile { bytes, modified_ns, source, .. } = &self.file;
        (*bytes, source.seen_bytes, *modified_ns) == (stat.size, stat.size, nanoseconds(stat.modified))
    }

    /// Whether it is that log beyond doubt, so that nobody has to read it. A rename, too, changes an inode.
    pub(super) fn is_unchanged(&self, stat: &Stat) -> bool {
        let changed_ns = nanoseconds(stat.changed);
        let long_ago = || {
            let changed = Timestamp::from_nanosecond(i128::from(changed_ns)).ok()?;
            Some(changed.checked_add(TICK).ok()? < self.created)
        };
        self.resembles(stat) && self.file.source.changed_ns == Some(changed_ns) && long_ago() == Some(true)
    }
}

/// The logs of a backup by device and inode.
pub(super) fn known(manifest: &Manifest) -> HashMap<(u64, u64), Known> {
    let Ok(created) = manifest.created.parse::<Timestamp>() else { return HashMap::new() };
    let reports: HashMap<&str, &FileReport> =
        manifest.scan.files.iter().map(|report| (&*report.path, report)).collect();
    let whole = manifest.files.iter().filter(|file| file.content == Content::Log && file.source.cut.is_none());
    let known = whole.filter_map(|file| {
        let summary = Summary::of_clean(reports.get(&*file.path)?)?;
        Some(((file.source.device, file.source.inode), Known { file: file.clone(), summary, created }))
    });
    known.collect()
}
