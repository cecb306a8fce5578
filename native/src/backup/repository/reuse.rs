//! The files of a series' last backup: one that has not changed since is not read again.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use papyra_core::manifest::{Content, Manifest, StoredFile};
use papyra_core::report::FileReport;
use papyra_core::summary::Summary;
use rustic_core::repofile::Node;

use super::Repository;
use super::snapshot::Snapshot;
use super::store::Trust;
use crate::backup::Backup;
use crate::backup::writing::nanoseconds;
use crate::disk::Stat;
use crate::error::Result;

/// A file that was changed so shortly before a backup may have been changed once more within the same tick of the clock.
const TICK: SignedDuration = SignedDuration::from_secs(2);

/// A file of the series' last backup.
pub(super) struct Known {
    pub(super) file: StoredFile,
    report: FileReport,
    pub(super) node: Node,
    /// When that backup was begun.
    created: Timestamp,
}

impl Known {
    /// What a scan of the file has said, if the file is still that one and was clean.
    pub(super) fn unchanged(&self, stat: &Stat) -> Option<Summary> {
        let Known { file, report, node, created } = self;
        let time = |time| Timestamp::from_nanosecond(i128::from(nanoseconds(time))).ok();
        let meta = &node.meta;
        let same = (meta.size, meta.mtime, meta.ctime) == (stat.size, time(stat.modified), time(stat.changed))
            && (file.bytes, file.source.seen_bytes) == (stat.size, stat.size)
            && time(stat.changed).is_some_and(|changed| changed.saturating_add(TICK).is_ok_and(|end| end < *created));
        Summary::of_clean(report).filter(|_| same)
    }
}

/// The logs of a backup by device and inode.
pub(super) fn known(repository: &Arc<Repository>, name: &str) -> Result<HashMap<(u64, u64), Known>> {
    let Some(snapshot) = repository.backup(name)? else { return Ok(HashMap::new()) };
    let snapshot = Snapshot::open(Arc::clone(repository), &snapshot, repository.join(name), Trust::Kept)?;
    let mut nodes = snapshot.nodes.clone();
    let Manifest { created, files, scan, .. } = Backup::read(Box::new(snapshot))?.manifest;
    let mut reports: HashMap<String, FileReport> =
        scan.files.into_iter().map(|report| (report.path.clone(), report)).collect();
    let Ok(created) = created.parse() else { return Ok(HashMap::new()) };
    let known = files.into_iter().filter(|file| file.content == Content::Log && file.source.cut.is_none());
    let known = known.filter_map(|file| {
        let (node, report) = (nodes.remove(&file.stored)?, reports.remove(&file.path)?);
        Some(((node.meta.device_id, node.meta.inode), Known { file, report, node, created }))
    });
    Ok(known.collect())
}
