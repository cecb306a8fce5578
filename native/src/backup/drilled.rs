//! How a drill went, and the folder that it takes place in.

use std::path::{Path, PathBuf};

use papyra_core::report::{Report, Verdict};
use serde::Serialize;

use super::{Attested, Backup};
use crate::TOOL;
use crate::disk::Folder;
use crate::error::Result;

/// How a drill went, schema `papyra.drill/1`.
#[derive(schemars::JsonSchema, Debug, Serialize)]
pub struct Drill {
    /// `papyra.drill/1`.
    pub schema: &'static str,
    /// Who did it: name and version.
    pub tool: &'static str,
    /// The backup's folder.
    pub backup: PathBuf,
    /// When it was made, RFC 3339, UTC.
    pub created: String,
    /// Files restored.
    pub files: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// How long the restore took, in seconds.
    pub restore_seconds: f64,
    /// How long reading the result took, in seconds.
    pub check_seconds: f64,
    /// Whether every restored file is what was backed up.
    pub intact: bool,
    /// What differs, in sentences.
    pub differences: Vec<String>,
    /// What the operator should know besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What a scan of the restored files says; `None` when there was nothing to scan.
    pub scan: Option<Report>,
    /// Where the result is kept.
    pub recorded: Option<PathBuf>,
    /// Why the result could not be recorded.
    pub not_recorded: Option<String>,
}

impl Drill {
    /// Of something that has not been tried yet.
    pub(super) fn new(path: &Path, bytes: u64) -> Drill {
        Drill {
            schema: "papyra.drill/1",
            tool: TOOL,
            backup: path.to_owned(),
            created: String::new(),
            files: 0,
            bytes,
            restore_seconds: 0.0,
            check_seconds: 0.0,
            intact: false,
            differences: Vec::new(),
            notes: Vec::new(),
            scan: None,
            recorded: None,
            not_recorded: None,
        }
    }

    /// The same of a backup.
    pub(super) fn of(backup: &Backup) -> Drill {
        Drill {
            created: backup.manifest.created.clone(),
            files: backup.manifest.files.len() as u64,
            ..Drill::new(&backup.path, backup.manifest.bytes())
        }
    }

    /// The drill has ended: what came of it is kept beside the backup.
    pub(super) fn recorded_beside(mut self, backup: &Backup) -> Drill {
        self.intact = self.differences.is_empty();
        let verdict = self.scan.as_ref().map_or(Verdict::Anomalies, |scan| scan.verdict);
        match backup.keep(Attested::Drilled, self.restore_seconds, self.intact, verdict) {
            Ok(path) => self.recorded = Some(path),
            Err(why) => self.not_recorded = Some(why),
        }
        self
    }

    /// Whether all is well.
    pub fn is_good(&self) -> bool {
        self.intact && self.scan.as_ref().is_some_and(|scan| scan.verdict == Verdict::Clean)
    }
}

/// A folder that goes when it is dropped.
pub(super) struct Scratch {
    parent: Folder,
    name: String,
}

impl Scratch {
    pub(super) fn new(parent: &Path) -> Result<(Scratch, Folder)> {
        let parent = Folder::create(parent)?;
        let name = format!(".papyra-drill.{}.{}", std::process::id(), jiff::Timestamp::now().as_nanosecond());
        let folder = parent.new_subfolder(&name)?;
        Ok((Scratch { parent, name }, folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing depends on it; a scratch folder is cleared by whoever owns it.
        _ = self.parent.remove_tree(&self.name);
    }
}
