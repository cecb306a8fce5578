//! What is remembered of a backup's last verification and last drill: `NAME.verified.json` and `NAME.drilled.json`
//! beside it, so that the backup itself stays as it was written.

use crate::disk::File;
use std::io::{Read, Write};

use jiff::Timestamp;
use papyra_core::report::Verdict;
use serde::{Deserialize, Serialize};

use super::{Backup, Files, rfc3339};
use crate::TOOL;
use crate::disk::Folder;
use crate::error::{Error, Result, show};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attested {
    /// Every stored byte was read.
    Verified,
    /// It was restored and compared.
    Drilled,
}

/// The record of a verification or a drill, schema `papyra.verified/1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attestation {
    /// `papyra.verified/1`.
    pub schema: String,
    /// Who did it: name and version.
    pub tool: String,
    /// The backup's folder.
    pub backup: String,
    /// The manifest that it was checked against.
    pub manifest_sha256: String,
    /// When, RFC 3339, UTC.
    pub time: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Whether every byte was what was written.
    pub intact: bool,
    /// What the scan said.
    pub verdict: Verdict,
}

const SCHEMA: &str = "papyra.verified/1";

impl Attested {
    /// The record's file name.
    pub(super) fn file(self, backup: &str) -> String {
        match self {
            Attested::Verified => format!("{backup}.verified.json"),
            Attested::Drilled => format!("{backup}.drilled.json"),
        }
    }
}

impl Attestation {
    /// When it was.
    pub fn when(&self) -> Option<Timestamp> {
        self.time.parse().ok()
    }

    /// Whether all was well.
    pub fn is_good(&self) -> bool {
        self.intact && self.verdict == Verdict::Clean
    }
}

/// Where a backup lies, and its folder's name there.
fn place(backup: &Backup) -> Option<(Box<dyn Files>, String)> {
    Some((backup.files.parent().ok()?, crate::disk::name_of(&backup.path)?))
}

/// Keeps a record; `Err` says why that could not be, which is no failure of the verification.
pub(super) fn keep(
    backup: &Backup,
    what: Attested,
    seconds: f64,
    intact: bool,
    verdict: Verdict,
) -> std::result::Result<std::path::PathBuf, String> {
    let (folder, name) = place(backup).ok_or("the folder that holds the backup cannot be opened")?;
    let record = Attestation {
        schema: SCHEMA.into(),
        tool: TOOL.into(),
        backup: name.clone(),
        manifest_sha256: backup.manifest_sha256.clone(),
        time: rfc3339(Timestamp::now()),
        seconds,
        intact,
        verdict,
    };
    let text = serde_json::to_string_pretty(&record).map_err(|error| error.to_string())? + "\n";
    let file = what.file(&name);
    folder.write_over(&file, text.as_bytes()).map_err(|error| error.to_string())?;
    Ok(folder.join(&file))
}

/// Removes what is remembered of a backup that is being removed.
pub(super) fn forget(backups: &dyn Files, backup: &str) -> Result<()> {
    for record in [Attested::Verified, Attested::Drilled].map(|what| what.file(backup)) {
        if backups.size(&record)?.is_some() {
            backups.remove(&record)?;
        }
    }
    Ok(())
}

/// Replaces a small file in one step.
pub(super) fn write_over(folder: &Folder, name: &str, bytes: &[u8]) -> Result<()> {
    let temporary = format!(".{name}.{}.tmp", std::process::id());
    let mut file = match folder.create_new(&temporary) {
        // Left by a process that was killed and had this number.
        Err(_) if folder.stat(&temporary)?.is_some() => {
            folder.remove(&temporary)?;
            folder.create_new(&temporary)?
        }
        file => file?,
    };
    let write = |file: &mut File| {
        file.write_all(bytes)?;
        rustix::fs::fchmod(&*file, rustix::fs::Mode::from_raw_mode(0o644))?;
        file.sync_all()
    };
    let written = write(&mut file).map_err(|error| Error::cannot_write("write", &folder.join(name), error));
    written.and_then(|()| folder.rename(&temporary, name)).inspect_err(|_| _ = folder.remove(&temporary))?;
    folder.sync()
}

/// The record kept of a backup, if it is about this very manifest; `Err` says that it is there and no good.
pub(super) fn find(backup: &Backup, what: Attested) -> std::result::Result<Option<Attestation>, String> {
    let Some((folder, name)) = place(backup) else { return Ok(None) };
    let file = what.file(&name);
    if !matches!(folder.size(&file), Ok(Some(_))) {
        return Ok(None);
    }
    let path = show(&folder.join(&file));
    let mut text = String::new();
    let read = folder.read(&file).map_err(|error| error.to_string())?.take(1 << 16).read_to_string(&mut text);
    let record: Attestation = match read.map(|_| serde_json::from_str(&text)) {
        Ok(Ok(record)) => record,
        _ => return Err(format!("{path} is damaged and was passed over")),
    };
    if record.manifest_sha256 != backup.manifest_sha256 {
        return Err(format!("{path} is about another backup and was passed over"));
    }
    Ok(Some(record))
}
