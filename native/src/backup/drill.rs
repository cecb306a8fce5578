//! A drill: the backup is restored into a scratch folder, read there once more, and compared with its manifest.

use std::path::Path;
use std::time::Instant;

use papyra_core::manifest::StoredFile;
use papyra_core::report::Report;
use papyra_core::verification::{self, Inside};

pub use super::drilled::Drill;
use super::drilled::Scratch;
use super::pipeline::{BLOCK, Task, run};
use super::restore::fill;
use super::{Backup, guard, redis, seconds_since};
use crate::TOOL;
use crate::disk::Folder;
use crate::error::{Code, Error, Result, show};
use crate::figures::bytes;
use crate::reading::ScanOptions;
use crate::setting::Setting;

/// Restores a backup into a new folder in the scratch folder, or on a server there, and compares it with its manifest.
/// Nothing stays behind.
pub fn drill(backup: &Backup, trial: redis::Trial<'_>, scanning: ScanOptions<'_>) -> Result<Drill> {
    if backup.manifest.source.redis.is_some() {
        return redis::drill::drill(backup, trial, scanning);
    }
    let scratch = trial.scratch;
    guard::refuse_inside(scratch)?;
    let (_scratch, folder) = Scratch::new(scratch)?;
    let needed = backup.manifest.bytes();
    if let Some(free) = folder.free_bytes().filter(|free| *free < needed) {
        let (free, needed) = (bytes(free), bytes(needed));
        let text = format!("{} has {free} free and the drill needs {needed}: name another folder", show(scratch));
        return Err(Error::new(Code::CannotCreate, text).decided_by(&[Setting::Scratch]));
    }
    let mut done = Drill::of(backup);
    let begun = Instant::now();
    match fill(backup, &folder, None, scanning) {
        Ok(_) => {
            done.restore_seconds = seconds_since(begun);
            let begun = Instant::now();
            done.scan = Some(compare(backup, &folder, scanning, &mut done.differences)?);
            done.check_seconds = seconds_since(begun);
        }
        Err(error) if error.code == Code::Data => done.differences.push(error.to_string()),
        Err(error) => return Err(error),
    }
    Ok(done.recorded_beside(backup))
}

/// Reads the restored files and notes where they are not what the manifest says.
fn compare(
    backup: &Backup,
    folder: &Folder,
    scanning: ScanOptions<'_>,
    differences: &mut Vec<String>,
) -> Result<Report> {
    let mut reports = Vec::new();
    for file in &backup.manifest.files {
        let opened = match file.path.split_once('/') {
            None => folder.read(&file.path)?,
            Some((inner, name)) => folder.existing_subfolder(inner)?.read(name)?,
        };
        let mut source = &opened;
        let passed = run(Task {
            source: &mut source,
            copy: None,
            inside: Inside::new(file.content, None, &file.path, scanning.max_findings),
            max_findings: scanning.max_findings,
            block: BLOCK as u64,
            threads: scanning.threads > 1 && file.bytes > BLOCK as u64,
            progress: &|_| {},
        });
        if let Some(error) = &passed.read_error {
            return Err(Error::cannot_read(&folder.join(&file.path), passed.bytes, error));
        }
        let mut differs = |what: String| differences.push(format!("{}: {what}", show(Path::new(&file.path))));
        if (passed.bytes, &passed.sha256) != (file.bytes, &file.sha256) {
            differs("the restored bytes are not those of the manifest".into());
        }
        let summary = passed.seen.holds_lines.then_some(passed.summary);
        if let Some(report) = verification::file_report(&backup.manifest, file, summary) {
            if let Some((then, now)) =
                counts(backup, file).filter(|then| *then != counts_of(&report)).map(|then| (then, counts_of(&report)))
            {
                differs(format!("{} records in {} lines, and {} in {} by the manifest", now.0, now.1, then.0, then.1));
            }
            reports.push(report);
        }
    }
    Ok(verification::whole_report(TOOL, &backup.manifest, reports))
}

/// Records and lines by the manifest.
fn counts(backup: &Backup, file: &StoredFile) -> Option<(u64, u64)> {
    backup.manifest.scan.files.iter().find(|report| report.path == file.path).map(counts_of)
}

fn counts_of(report: &papyra_core::report::FileReport) -> (u64, u64) {
    (report.records.total(), report.lines)
}
