//! Is a backup what its manifest says? What is wrong with a stored file, what recovery would make of it, and what the
//! report on the whole says. Shared by all who verify backups, so that they come to the same verdict.
//!
//! Reading the files and scanning their lines is for whoever has them.

mod damage;
mod inside;
mod read_back;
mod stored;
pub mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::escape::escape;
use crate::finding::{self, Reason};
use crate::manifest::{self, Content, Manifest, StoredFile};
use crate::report::{FileReport, Report, Role};
use crate::summary::Summary;
use crate::sums::{self, Sums};

pub use damage::Damage;
pub use inside::{Inside, Piece, Seen};
pub use read_back::ReadBack;
pub use stored::{Stored, format};

/// Why a backup is not verified: one of the two files that describe it cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Which of them.
    pub file: &'static str,
    /// Why, fit to be shown.
    pub why: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be trusted: {}", self.file, self.why)
    }
}

impl std::error::Error for Refused {}

/// The manifest of a backup, from the bytes of its two describing files and the SHA-256 of the first.
pub fn open(manifest: &[u8], manifest_sha256: &str, sums: &[u8]) -> Result<Manifest, Refused> {
    let refused = |file, why: &str| Refused { file, why: escape(why.as_bytes()) };
    let manifest = Manifest::parse(manifest).map_err(|why| refused(manifest::NAME, &why.to_string()))?;
    let listed =
        sums::parse(sums).map_err(|line| refused(manifest::SUMS, &format!("line {line} is not a checksum line")))?;
    if listed != sums_of(&manifest, manifest_sha256) {
        let why = format!("it and {} disagree, so one of them is damaged", manifest::NAME);
        return Err(refused(manifest::SUMS, &why));
    }
    Ok(manifest)
}

/// What `SHA256SUMS` says of a backup.
pub fn sums_of(manifest: &Manifest, manifest_sha256: &str) -> Sums {
    let files = manifest.files.iter().map(|file| (file.stored.clone(), file.stored_sha256.clone()));
    files.chain([(manifest::NAME.to_owned(), manifest_sha256.to_owned())]).collect()
}

/// The files that the manifest does not know, sorted, from the paths in the backup's folder. Of a folder that it does
/// not know, only the folder's name.
pub fn foreign<'a>(manifest: &Manifest, paths: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let known: BTreeSet<&str> = manifest.files.iter().map(|file| &*file.stored).collect();
    let folders: BTreeSet<&str> = known.iter().filter_map(|path| Some(path.split_once('/')?.0)).collect();
    let foreign =
        paths.into_iter().filter(|path| !matches!(*path, manifest::NAME | manifest::SUMS)).filter_map(|path| {
            let (folder, rest) = path.split_once('/').unwrap_or((path, ""));
            if known.contains(path) || (rest.is_empty() && folders.contains(folder)) {
                return None;
            }
            let inner = rest.split('/').next().unwrap_or_default();
            Some(if folders.contains(folder) { format!("{folder}/{inner}") } else { folder.to_owned() })
        });
    foreign.collect::<BTreeSet<String>>().into_iter().collect()
}

/// The report on a stored file: what was just read, with the role that the manifest gives it. `None` for a file that is
/// not scanned.
pub fn file_report(manifest: &Manifest, file: &StoredFile, summary: Option<Summary>) -> Option<FileReport> {
    let then = manifest.scan.files.iter().find(|report| report.path == file.path)?;
    let summary = summary.unwrap_or_default();
    if !matches!(file.content, Content::Log | Content::Archive) {
        return None;
    }
    Some(if matches!(then.role, Role::Active | Role::Rotated) {
        let mut now = FileReport::new(&file.path, then.role, then.index, summary);
        let of_file = then.anomalies.iter().filter(|finding| finding.reason == Reason::DamagedArchive);
        of_file.for_each(|finding| now.add(finding.clone()));
        now
    } else {
        FileReport {
            anomaly_count: then.anomaly_count,
            reasons: finding::by_reason(&then.anomalies),
            anomalies: then.anomalies.clone(),
            ..FileReport::new(&file.path, then.role, then.index, summary)
        }
    })
}

/// Where each file stands in the manifest's scan, which is in reading order.
fn places(manifest: &Manifest) -> BTreeMap<&str, usize> {
    manifest.scan.files.iter().enumerate().map(|(at, report)| (&*report.path, at)).collect()
}

/// The report on all files, those that are missing from a set included.
pub fn whole_report(tool: &str, manifest: &Manifest, mut reports: Vec<FileReport>) -> Report {
    let then = &manifest.scan;
    let known: BTreeSet<&str> = manifest.files.iter().map(|file| &*file.path).collect();
    reports
        .extend(then.files.iter().filter(|file| file.role == Role::Missing || !known.contains(&*file.path)).cloned());
    let places = places(manifest);
    reports.sort_by_key(|report| places.get(&*report.path));
    Report::new(tool, then.backend, reports, false)
}

/// The positions of the manifest's files in reading order: scanned ones as the scan went, then the others.
pub fn reading_order(manifest: &Manifest) -> Vec<usize> {
    let mut order: Vec<usize> = (0..manifest.files.len()).collect();
    let places = places(manifest);
    order.sort_by_key(|at| places.get(&*manifest.files[*at].path).copied().unwrap_or(usize::MAX));
    order
}
