//! A scan of a Redis backup: core says which bytes it wants and what they mean, this module reads them.

use std::path::{Path, PathBuf};

use papyra_core::manifest::{self, Manifest};
use papyra_core::redis::{self, AofNames, BackupScan, Pass, Scope};
use papyra_core::report::FileReport;

use super::{ServerFiles, beyond, feed, name_of, open};
use crate::disk;
use crate::error::{Error, Result};
use crate::reading::ScanOptions;

/// Scans a backup, file by file.
pub fn scan(backup: &ServerFiles, scope: &Scope, scanning: ScanOptions<'_>) -> Result<Vec<FileReport>> {
    let (files, beyond) = scan_as_far(backup, scope, scanning)?;
    beyond.map_or(Ok(files), Err)
}

/// Scans a backup as far as it can be read, and tells what lies beyond: an intact file of a kind that is not known.
pub(crate) fn scan_as_far(
    backup: &ServerFiles,
    scope: &Scope,
    scanning: ScanOptions<'_>,
) -> Result<(Vec<FileReport>, Option<Error>)> {
    let most = scanning.max_findings;
    let (mut scan, paths): (BackupScan, Vec<PathBuf>) = match backup {
        ServerFiles::Rdb(path) => {
            (BackupScan::rdb(&name_of(path), open(path)?.1, scope.clone(), most), vec![path.clone()])
        }
        ServerFiles::Dump(path) => (
            BackupScan::payload_of(&name_of(path), &key_of(path), open(path)?.1, scope.clone(), most),
            vec![path.clone()],
        ),
        ServerFiles::Aof(set) => {
            (BackupScan::aof(AofNames::clone(set), set.sizes()?, scope.clone(), most), set.paths().collect())
        }
    };
    while let Some(want) = scan.want() {
        let path = &paths[want.file];
        let (file, _) = open(path)?;
        let progress: &(dyn Fn(u64) + Sync) = if want.pass == Pass::Read { scanning.progress } else { &|_| {} };
        feed(&file, path, want.range, progress, |bytes| scan.push(bytes))?;
        if let Err((_, error)) = scan.end() {
            return Ok((scan.finish(), Some(beyond(path, &error))));
        }
    }
    Ok((scan.finish(), None))
}

/// The key of a payload: what the manifest of the backup around it says, else what its file is named after.
pub(crate) fn key_of(path: &Path) -> Vec<u8> {
    let name = name_of(path);
    let manifest = path.parent().and_then(|folder| disk::read(&folder.join(manifest::NAME)).ok());
    let redis = manifest.and_then(|bytes| Manifest::parse(&bytes).ok()).and_then(|manifest| manifest.source.redis);
    let stream = redis.as_ref().and_then(|redis| redis.stream_in(&name));
    stream.map_or_else(|| redis::key_of(&name).to_vec(), |stream| stream.key.clone().into_bytes())
}
