//! Verifying a backup: every stored byte is read, every record scanned, and both compared with the manifest.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;
use papyra_core::manifest::{Content, Manifest, StoredFile};
use papyra_core::report::{Report, Verdict};
use papyra_core::summary::Summary;
use papyra_core::verification;
use serde::Serialize;

use super::read_back::{Damage, read_back};
pub use super::sample::Unread;
use super::sample::sample;
use super::series::unknown;
use super::{Attested, Backup, Files, Location, at, is_unreachable, names, no_backups, seconds_since};
use crate::TOOL;
use crate::error::{Code, Error, Result, show};
use crate::reading::ScanOptions;

/// What a verification says, schema `papyra.verify/1`.
#[derive(schemars::JsonSchema, Debug, Serialize)]
pub struct Verification {
    /// `papyra.verify/1`.
    pub schema: &'static str,
    /// Who did it: name and version.
    pub tool: &'static str,
    /// The backup's folder.
    pub backup: PathBuf,
    /// When it was made, RFC 3339, UTC.
    pub created: String,
    /// Whether only names and sizes were compared.
    pub quick: bool,
    /// How much was read, where not all was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampled: Option<Share>,
    /// Files that were checked.
    pub files: u64,
    /// Stored bytes that were read.
    pub bytes: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Whether every file is what was written.
    pub intact: bool,
    /// What is wrong with the others.
    pub damage: Vec<Damage>,
    /// Files that could not be read, where others are damaged: nothing is known of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
    /// Files in the folder that are not part of the backup.
    pub foreign: Vec<String>,
    /// What a scan of the stored bytes says; `None` where not all was read.
    pub scan: Option<Report>,
    /// Where the result is kept.
    pub recorded: Option<PathBuf>,
    /// Why the result could not be recorded.
    pub not_recorded: Option<String>,
}

/// The share of a backup that was read.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Share {
    /// How much was asked for, in percent.
    pub percent: f64,
    /// How many stored bytes there are.
    pub of_bytes: u64,
}

/// How much of a backup to read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// Its manifest, and names and sizes of its files.
    Quick,
    /// So many percent, chosen anew each time.
    Sample(f64),
}

impl Verification {
    /// When the backup was made.
    pub fn time(&self) -> Option<Timestamp> {
        self.created.parse().ok()
    }

    /// Whether it is dated so far ahead that a clock was wrong.
    pub fn is_from_future(&self) -> bool {
        self.time().is_some_and(|time| super::is_from_future(time, Timestamp::now()))
    }

    /// Whether all is well.
    pub fn is_good(&self) -> bool {
        self.intact && self.scan.as_ref().is_none_or(|scan| scan.verdict == Verdict::Clean)
    }
}

/// What a verification of all backups in a folder says, schema `papyra.verifications/1`.
#[derive(schemars::JsonSchema, Debug, Serialize)]
pub struct Verifications {
    /// `papyra.verifications/1`.
    pub schema: &'static str,
    /// Who did it: name and version.
    pub tool: &'static str,
    /// The folder of the backups.
    pub folder: PathBuf,
    /// Stored bytes that were read; what backups share is read once.
    pub bytes: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// What was found, backup by backup, by name.
    pub backups: Vec<Verification>,
    /// Backups that could not be verified.
    pub failed: Vec<Failed>,
    #[serde(skip)]
    error: Option<Error>,
}

/// A backup that could not be verified.
#[derive(schemars::JsonSchema, Debug, Serialize)]
pub struct Failed {
    /// The backup's folder.
    pub backup: PathBuf,
    /// Why.
    pub why: String,
}

impl Verifications {
    /// Whether all is well.
    pub fn is_good(&self) -> bool {
        self.failed.is_empty() && self.backups.iter().all(Verification::is_good)
    }

    /// Why a backup could not be verified, where none was found that is damaged or has anomalies.
    pub fn take_error(&mut self) -> Option<Error> {
        self.error.take_if(|_| self.backups.iter().all(Verification::is_good))
    }
}

/// Verifies all backups in a folder, or those of one series.
pub fn verify_all(
    folder: &Location,
    series: Option<&str>,
    extent: Extent,
    scanning: ScanOptions<'_>,
) -> Result<Verifications> {
    let begun = Instant::now();
    let names = names(&*at(folder)?)?;
    let (mut backups, mut failed, mut first, mut seen) = (Vec::new(), Vec::new(), None, Seen::new());
    let mut all = BTreeSet::new();
    for location in names.into_iter().map(|name| folder.join(&name)) {
        let opened = Backup::open(&location);
        if let Ok(backup) = &opened {
            let of = backup.manifest.series();
            let is_other = series.is_some_and(|series| of != series);
            all.insert(of);
            if is_other {
                continue;
            }
        }
        match opened.and_then(|backup| verify_once(&backup, extent, &mut seen, scanning)) {
            Ok(done) => backups.push(done),
            Err(error) if is_unreachable(&error) => return Err(error),
            Err(error) => {
                failed.push(Failed { backup: location.path().to_owned(), why: error.to_string() });
                first.get_or_insert(error);
            }
        }
    }
    if backups.is_empty() && failed.is_empty() {
        let all: BTreeSet<&str> = all.iter().map(String::as_str).collect();
        return Err(series.map_or_else(|| no_backups(folder), |series| unknown(series, &all, folder)));
    }
    let (bytes, folder) = (backups.iter().map(|done| done.bytes).sum(), folder.path().to_owned());
    let (tool, seconds) = (TOOL, seconds_since(begun));
    Ok(Verifications { schema: "papyra.verifications/1", tool, folder, bytes, seconds, backups, failed, error: first })
}

/// The logs that were read back whole, by what they share with other backups, and what a scan of them said.
type Seen = HashMap<(String, String), Summary>;

/// Verifies a backup. Where not all was read, it is remembered only that something is damaged, never that all is well.
///
/// A file that cannot be read is an error and no damage; when another one is damaged, that is known all the same.
pub fn verify(backup: &Backup, extent: Extent, scanning: ScanOptions<'_>) -> Result<Verification> {
    verify_once(backup, extent, &mut Seen::new(), scanning)
}

/// The same without reading what is in `seen` already.
fn verify_once(backup: &Backup, extent: Extent, seen: &mut Seen, scanning: ScanOptions<'_>) -> Result<Verification> {
    let begun = Instant::now();
    let (mut damage, mut reports, mut bytes) = (Vec::new(), Vec::new(), 0);
    let (mut unread, mut first) = (Vec::new(), None);
    if extent != Extent::Whole {
        damage = wrong_sizes(backup)?;
    }
    if let Extent::Sample(percent) = extent {
        let is_whole = |file: &StoredFile| !damage.iter().any(|damage| damage.file == file.stored);
        let sampled = sample(backup, percent / 100.0, is_whole, scanning)?;
        (bytes, unread, first) = (sampled.bytes, sampled.unread, sampled.error);
        damage.extend(sampled.damage);
    }
    if extent == Extent::Whole {
        for file in &backup.manifest.files {
            let shared = backup.files.shared(&file.stored)?.filter(|_| file.content == Content::Log);
            let key = shared.map(|shared| (shared, file.sha256.clone()));
            if let Some(summary) = key.as_ref().and_then(|key| seen.get(key)) {
                reports.extend(verification::file_report(&backup.manifest, file, Some(summary.clone())));
                continue;
            }
            match read_back(backup, file, None, scanning) {
                Ok(read) => {
                    bytes += file.stored_bytes;
                    damage.extend(read.damage.clone());
                    if let (Some(key), None, Some(summary)) = (key, &read.damage, &read.summary) {
                        seen.insert(key, summary.clone());
                    }
                    reports.extend(read.report(backup, file));
                }
                Err(error) if error.code == Code::Unavailable => return Err(error),
                Err(error) => {
                    unread.push(Unread { file: file.stored.clone(), why: error.to_string() });
                    first.get_or_insert(error);
                }
            }
        }
    }
    if let Some(error) = first.filter(|_| damage.is_empty()) {
        let others = unread.iter().skip(1).map(|unread| show(Path::new(&unread.file)));
        let others = others.reduce(|all, file| format!("{all}, {file}"));
        let others = others.map(|others| format!("nor could {others} be read; ")).unwrap_or_default();
        return Err(error.and(&format!("{others}the backup was not found damaged, and not found intact")));
    }
    let seconds = seconds_since(begun);
    let intact = damage.is_empty();
    let scan = (extent == Extent::Whole).then(|| verification::whole_report(TOOL, &backup.manifest, reports));
    let verdict = match (&scan, extent) {
        (Some(scan), _) => Some(scan.verdict),
        (None, Extent::Sample(_)) if !intact => Some(Verdict::Anomalies),
        _ => None,
    };
    let recorded = verdict.map(|verdict| backup.keep(Attested::Verified, seconds, intact, verdict));
    let (recorded, not_recorded) = match recorded {
        Some(Ok(path)) => (Some(path), None),
        Some(Err(why)) => (None, Some(why)),
        None => (None, None),
    };
    Ok(Verification {
        schema: "papyra.verify/1",
        tool: TOOL,
        backup: backup.path.clone(),
        created: backup.manifest.created.clone(),
        quick: extent == Extent::Quick,
        sampled: match extent {
            Extent::Sample(percent) => Some(Share { percent, of_bytes: backup.manifest.stored_bytes() }),
            _ => None,
        },
        files: backup.manifest.files.len() as u64,
        bytes,
        seconds,
        intact,
        damage,
        unread,
        foreign: foreign(&*backup.files, &backup.manifest)?,
        scan,
        recorded,
        not_recorded,
    })
}

fn wrong_sizes(backup: &Backup) -> Result<Vec<Damage>> {
    let files = &backup.manifest.files;
    let names: Vec<&str> = files.iter().map(|file| &*file.stored).collect();
    let found = names.iter().map(|name| backup.files.status(name)).collect::<Result<Vec<_>>>()?;
    let damage = |(file, detail): (&StoredFile, String)| {
        let recovery = "a full verification tells".into();
        Damage { file: file.stored.clone(), offset: None, length: None, detail, recovery }
    };
    let mut wrong = Vec::new();
    for (file, found) in files.iter().zip(found) {
        let why = match found.differs(file.stored_bytes) {
            Some(why) => Some(why),
            None => backup.files.lacks(&file.stored)?,
        };
        wrong.extend(why.map(|why| damage((file, why))));
    }
    Ok(wrong)
}

/// The files in a backup's folder that its manifest does not know, sorted.
pub(super) fn foreign(folder: &dyn Files, manifest: &Manifest) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    for name in folder.names()? {
        let prefix = format!("{name}/");
        if manifest.files.iter().any(|file| file.stored.starts_with(&prefix)) {
            let inside = folder.folder(&name)?.names()?;
            paths.extend(inside.into_iter().map(|inner| format!("{prefix}{inner}")));
        } else {
            paths.push(name);
        }
    }
    Ok(verification::foreign(manifest, paths.iter().map(String::as_str)))
}
