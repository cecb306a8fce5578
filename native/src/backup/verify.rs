//! Verifying a backup: every stored byte is read, every record scanned, and both compared with the manifest.

use std::path::PathBuf;
use std::time::Instant;

use papyra_core::manifest::{Manifest, StoredFile};
use papyra_core::report::{Report, Verdict};
use papyra_core::verification;
use serde::Serialize;

use super::remote::UNDER_WAY;
use super::stored::{Damage, read_back, why_not_opened};
use super::{Attested, Backup, Files, attest, is_unreachable, seconds_since};
use crate::TOOL;
use crate::error::{Error, Result};
use crate::reading::Effort;

/// What a verification says, schema `papyra.verify/1`.
#[derive(Debug, Serialize)]
pub struct Verification {
    /// `papyra.verify/1`.
    pub schema: &'static str,
    /// Who did it: name and version.
    pub tool: &'static str,
    /// The backup's folder.
    pub backup: PathBuf,
    /// When it was made, RFC 3339, UTC.
    pub created: String,
    /// Whether only sizes were looked at.
    pub quick: bool,
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
    /// Files in the folder that are no part of the backup.
    pub foreign: Vec<String>,
    /// What a scan of the stored bytes says; `None` after a quick check.
    pub scan: Option<Report>,
    /// Where the result is kept.
    pub recorded: Option<PathBuf>,
    /// Why it is kept nowhere.
    pub not_recorded: Option<String>,
}

impl Verification {
    /// Whether all is well.
    pub fn is_good(&self) -> bool {
        self.intact && self.scan.as_ref().is_none_or(|scan| scan.verdict == Verdict::Clean)
    }
}

/// Verifies a backup. A quick check looks at the manifest and at sizes only, and is not remembered.
pub fn verify(backup: &Backup, quick: bool, effort: Effort<'_>) -> Result<Verification> {
    let begun = Instant::now();
    let (mut damage, mut reports, mut bytes) = (Vec::new(), Vec::new(), 0);
    for file in &backup.manifest.files {
        if quick {
            damage.extend(wrong_size(backup, file)?);
            continue;
        }
        let read = read_back(backup, file, None, effort)?;
        bytes += file.stored_bytes;
        damage.extend(read.damage.clone());
        reports.extend(read.report(backup, file));
    }
    let seconds = seconds_since(begun);
    let intact = damage.is_empty();
    let scan = (!quick).then(|| verification::whole_report(TOOL, &backup.manifest, reports));
    let recorded = scan.as_ref().map(|scan| attest::keep(backup, Attested::Verified, seconds, intact, scan.verdict));
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
        quick,
        files: backup.manifest.files.len() as u64,
        bytes,
        seconds,
        intact,
        damage,
        foreign: foreign(&*backup.files, &backup.manifest)?,
        scan,
        recorded,
        not_recorded,
    })
}

fn wrong_size(backup: &Backup, file: &StoredFile) -> Result<Option<Damage>> {
    let size = backup.files.read(&file.stored).and_then(|opened| {
        opened.size().map_err(|error| Error::cannot_read(&backup.files.join(&file.stored), 0, &error))
    });
    let detail = match size {
        Ok(size) if size == file.stored_bytes => return Ok(None),
        Ok(size) => format!("it has {size} bytes where {} were written", file.stored_bytes),
        Err(error) if is_unreachable(&error) => return Err(error),
        Err(error) => why_not_opened(backup, file, &error),
    };
    let recovery = "a whole verification, without --quick, tells".into();
    Ok(Some(Damage { file: file.stored.clone(), offset: None, length: None, detail, recovery }))
}

/// The files in a backup's folder that its manifest does not know, sorted.
pub(super) fn foreign(folder: &dyn Files, manifest: &Manifest) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    for name in folder.names()?.into_iter().filter(|name| name != UNDER_WAY) {
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
