//! A scan of a Redis backup: core says which bytes it wants and what they mean, this module reads them.

use std::path::PathBuf;

use papyra_core::redis::{AofNames, BackupScan, Pass, Scope};
use papyra_core::report::FileReport;

use super::{Backup, beyond, feed, name_of, open};
use crate::error::Result;
use crate::reading::Effort;

/// Scans a backup, file by file.
pub fn scan(backup: &Backup, scope: &Scope, effort: Effort<'_>) -> Result<Vec<FileReport>> {
    let most = effort.max_findings;
    let (mut scan, paths): (BackupScan, Vec<PathBuf>) = match backup {
        Backup::Rdb(path) => (BackupScan::rdb(&name_of(path), open(path)?.1, scope.clone(), most), vec![path.clone()]),
        Backup::Dump(path) => {
            (BackupScan::payload(&name_of(path), open(path)?.1, scope.clone(), most), vec![path.clone()])
        }
        Backup::Aof(set) => {
            (BackupScan::aof(AofNames::clone(set), set.sizes()?, scope.clone(), most), set.paths().collect())
        }
    };
    while let Some(want) = scan.want() {
        let path = &paths[want.file];
        let (file, _) = open(path)?;
        let progress: &(dyn Fn(u64) + Sync) = if want.pass == Pass::Read { effort.progress } else { &|_| {} };
        feed(&file, path, want.range, progress, |bytes| scan.push(bytes))?;
        scan.end().map_err(|(_, error)| beyond(path, &error))?;
    }
    Ok(scan.finish())
}
