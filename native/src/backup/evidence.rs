//! What is remembered of a backup's last verification and last drill: `NAME.verified.json` and `NAME.drilled.json`
//! beside it, so that the backup itself stays as it was written.

use crate::disk::File;
use std::io::{Read, Write};

use jiff::Timestamp;
use papyra_core::report::Verdict;
use serde::{Deserialize, Serialize};

use super::files::{Files, Status};
use super::moments::{self, rfc3339};
use crate::TOOL;
use crate::disk::Folder;
use crate::error::{Code, Error, Result, show};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attested {
    /// Every stored byte was read.
    Verified,
    /// It was restored and compared.
    Drilled,
}

/// The record of a verification or a drill, schema `papyra.verified/1`.
#[derive(schemars::JsonSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
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

    /// Whether it is dated so far ahead that a clock was wrong.
    pub(super) fn is_from_future(&self, now: Timestamp) -> bool {
        self.when().is_some_and(|time| moments::is_from_future(time, now))
    }

    /// Whether all was well.
    pub fn is_good(&self) -> bool {
        self.intact && self.verdict == Verdict::Clean
    }
}

/// Keeps a record beside a backup; `Err` says why that could not be, which is no failure of the verification.
pub(super) fn keep(
    (folder, name): (&dyn Files, String),
    manifest_sha256: &str,
    what: Attested,
    seconds: f64,
    intact: bool,
    verdict: Verdict,
) -> std::result::Result<std::path::PathBuf, String> {
    let file = what.file(&name);
    let record = Attestation {
        schema: SCHEMA.into(),
        tool: TOOL.into(),
        backup: name,
        manifest_sha256: manifest_sha256.to_owned(),
        time: rfc3339(Timestamp::now()),
        seconds,
        intact,
        verdict,
    };
    let text = serde_json::to_string_pretty(&record).map_err(|error| error.to_string())? + "\n";
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
        file.set_mode(0o644)?;
        file.sync_all()
    };
    let written = write(&mut file).map_err(|error| Error::cannot_write("write", &folder.join(name), error));
    written.and_then(|()| folder.rename(&temporary, name)).inspect_err(|_| _ = folder.remove(&temporary))?;
    folder.sync()
}

/// The record kept beside a backup in `folder`, if it is about this very manifest; a record about another one earns a
/// note. `Err` says that there is one and that it cannot be read: then nobody knows whether the backup was found
/// damaged.
pub(super) fn find(
    folder: &dyn Files,
    backup: &str,
    manifest_sha256: &str,
    what: Attested,
    notes: &mut Vec<String>,
) -> Result<Option<Attestation>> {
    let file = what.file(backup);
    match folder.status(&file)? {
        Status::Nothing => return Ok(None),
        Status::File(_) => {}
        other => {
            let why = other.differs(0).unwrap_or_default();
            return Err(unreadable(folder, &file, &why));
        }
    }
    let path = folder.join(&file);
    let mut bytes = Vec::new();
    let mut opened = folder.read(&file)?;
    let read = opened.by_ref().take(1 << 16).read_to_end(&mut bytes);
    read.map_err(|error| opened.failed(&path, bytes.len() as u64, &error))?;
    if let Some(why) = opened.damage() {
        return Err(unreadable(folder, &file, &why));
    }
    let record: Attestation = match serde_json::from_slice(&bytes) {
        Ok(record) => record,
        Err(_) if bytes.is_empty() => return Err(unreadable(folder, &file, "it is empty")),
        Err(_) => return Err(unreadable(folder, &file, "it is not a record of a verification")),
    };
    if record.when().is_none() {
        return Err(unreadable(folder, &file, "it does not say when the backup was verified"));
    }
    if record.manifest_sha256 != manifest_sha256 {
        notes.push(format!("{} is about another backup and does not count", show(&path)));
        return Ok(None);
    }
    Ok(Some(record))
}

fn unreadable(folder: &dyn Files, file: &str, why: &str) -> Error {
    let is_in_the_way = matches!(folder.status(file), Ok(Status::Folder));
    let text = format!(
        "cannot read {}: {why}; it is unknown what it said of the backup: {}verify or drill the backup again, which \
         replaces it",
        show(&folder.join(file)),
        if is_in_the_way { "move the folder away, then " } else { "" }
    );
    Error::new(Code::Io, text)
}
