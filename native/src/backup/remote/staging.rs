//! Where a backup is made before it is sent: a private folder, with a journal of what has arrived. What a killed run
//! left there is continued by a run for the same name, and cleared away by any other.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use papyra_core::digest::sha256;
use serde::{Deserialize, Serialize};

use crate::backup::attest::write_over;
use crate::disk::{Folder, Lock};
use crate::error::{Code, Error, Result, show};

const SCHEMA: &str = "papyra.upload/1";

/// What was sent of a backup, schema `papyra.upload/1`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Journal {
    schema: String,
    /// What is backed up, in words.
    pub(super) source: String,
    /// The tag of each object that has arrived, by the stored file's name.
    pub(super) sent: BTreeMap<String, String>,
    /// The uploads in parts that have begun.
    pub(super) begun: BTreeMap<String, Parts>,
}

/// An upload in parts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Parts {
    /// The store's name for it.
    pub(super) id: String,
    /// A part's size in bytes; the last one may be smaller.
    pub(super) bytes: u64,
    /// The tags of the parts that have arrived, from the first on.
    pub(super) sent: Vec<String>,
}

/// The folder for one destination.
#[derive(Debug)]
pub(super) struct Staging {
    pub(super) folder: Folder,
}

impl Staging {
    /// The folder in `scratch` for backups that go to `to`; nobody else may look into it.
    pub(super) fn open(scratch: &Path, to: &Path) -> Result<Staging> {
        let user = rustix::process::geteuid();
        let private = Folder::create(scratch)?.subfolder(&format!(".papyra-upload-{}", user.as_raw()))?;
        let stat = private.stat_self()?;
        if stat.owner != user.as_raw() || stat.mode & 0o077 != 0 {
            let text = format!("{} is not this user's alone: name another folder with --scratch", show(private.path()));
            return Err(Error::new(Code::CannotCreate, text));
        }
        let folder = private.subfolder(&sha256(to.as_os_str().as_bytes())[..16])?;
        Ok(Staging { folder })
    }

    fn journal_file(name: &str) -> String {
        format!("{name}.upload.json")
    }

    /// The journal of a backup that is an incomplete upload, and the lock that keeps others from sending it too.
    pub(super) fn find(&self, name: &str) -> Result<Option<(Journal, Lock)>> {
        let file = Self::journal_file(name);
        if self.folder.stat(&file)?.is_none() || self.folder.stat(name)?.is_none() {
            return Ok(None);
        }
        let lock = self.folder.existing_subfolder(name)?.lock()?;
        let path = self.folder.join(&file);
        let bytes = std::fs::read(&path).map_err(|error| Error::cannot_open(&path, error))?;
        // One that cannot be read is of no use: the backup is made anew.
        let journal = serde_json::from_slice(&bytes).ok().filter(|journal: &Journal| journal.schema == SCHEMA);
        Ok(journal.map(|journal| (journal, lock)))
    }

    /// Begins a journal for a backup that was just made here.
    pub(super) fn begin(&self, name: &str, source: &str) -> Result<(Journal, Lock)> {
        let lock = self.folder.existing_subfolder(name)?.lock()?;
        let (sent, begun) = (BTreeMap::new(), BTreeMap::new());
        let journal = Journal { schema: SCHEMA.into(), source: source.into(), sent, begun };
        self.keep(name, &journal)?;
        Ok((journal, lock))
    }

    /// Writes the journal down.
    pub(super) fn keep(&self, name: &str, journal: &Journal) -> Result<()> {
        let text = serde_json::to_string(journal).map_err(|error| Error::new(Code::Io, error.to_string()))?;
        write_over(&self.folder, &Self::journal_file(name), text.as_bytes())
    }

    /// The backups that lie here and that nobody is sending.
    pub(super) fn idle(&self) -> Result<Vec<String>> {
        let mut names = self.folder.names()?;
        names.retain(|name| {
            !name.starts_with('.') && self.folder.existing_subfolder(name).is_ok_and(|folder| folder.lock().is_ok())
        });
        Ok(names)
    }

    /// Removes a backup from here.
    pub(super) fn clear(&self, name: &str) -> Result<()> {
        let file = Self::journal_file(name);
        if self.folder.stat(&file)?.is_some() {
            self.folder.remove(&file)?;
        }
        self.folder.remove_tree(name)
    }
}
