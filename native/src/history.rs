//! A history on disk: one log, or the rotation set that bears its name, in an open folder.
//!
//! This module finds the files, pins them open so that a rotation in progress cannot mix them up, and scans them.
//! What is done to them lives in [`crate::recover`] and [`crate::compact`].

mod leftovers;
mod report;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use papyra_core::folder::{Log, PassedOver, beside};
use papyra_core::report::Backend;
use papyra_core::rotation::{RotationSet, member_name};

pub(crate) use leftovers::{Leftover, leftovers};
pub use papyra_core::rotation::Choice;
pub use report::Part;

use crate::disk::{File, Folder, Identity, file_name, sys};
use crate::error::{Code, Error, Result, show};

/// How often a set that is being rotated is read again.
const TRIES: usize = 10;

/// A log and its folder.
#[derive(Debug, Clone)]
pub struct History {
    /// The folder that its files are in.
    pub folder: Folder,
    /// The log's name: the active file's.
    pub base: String,
    /// How it is stored.
    pub backend: Backend,
    max_files: Option<u32>,
    /// How the folder was when it was listed for all logs in it together.
    listed: Option<Listed>,
}

/// A listing that logs share, so that a folder of many is not listed for each of them.
#[derive(Debug, Clone)]
struct Listed {
    set: RotationSet,
    /// All names, sorted.
    names: Arc<Vec<String>>,
}

/// A file of a history, held open: whatever happens to its name, these are its bytes.
#[derive(Debug)]
pub struct Pinned {
    /// The file's name in the history's folder.
    pub name: String,
    /// 0 for the active file, N for `NAME.N`.
    pub index: u32,
    /// The open file; `Err` says why it could not be opened.
    pub file: std::result::Result<File, String>,
    /// Which file it is, and its size when it was opened.
    pub identity: Option<Identity>,
}

/// A history's files at one moment.
#[derive(Debug)]
pub struct Listing {
    /// By name.
    pub set: RotationSet,
    /// The members, oldest first.
    pub members: Vec<Pinned>,
}

impl History {
    /// The history that the log at `path` belongs to. The log itself may be missing when other files of its set are
    /// there.
    pub fn open(path: &Path, choice: Choice, max_files: Option<u32>) -> Result<History> {
        let parent = path.parent().unwrap_or(Path::new(""));
        let base = file_name(path)?;
        let folder = Folder::open(parent).map_err(|error| error.and("is the path right?"))?;
        let mut history = History { folder, base, backend: Backend::Rotating, max_files, listed: None };
        let (backend, set) = history.set()?.as_chosen(choice);
        if set.is_empty() && set.renamed.is_empty() {
            return Err(Error::cannot_open(path, io::Error::from(io::ErrorKind::NotFound)));
        }
        history.backend = backend;
        Ok(history)
    }

    /// A log of a folder that was listed for all logs in it; `names` are all that there are, sorted.
    pub(crate) fn listed(folder: Folder, log: Log, names: Arc<Vec<String>>, max_files: Option<u32>) -> History {
        let Log { base, backend, set, .. } = log;
        History { folder, base, backend, max_files, listed: Some(Listed { set, names }) }
    }

    /// The same history, of which nothing is known from an earlier listing.
    pub(crate) fn anew(&self) -> History {
        History { listed: None, ..self.clone() }
    }

    /// The names in the folder that begin with this: hidden ones of ours.
    pub(crate) fn hidden(&self, prefix: &str) -> Result<Vec<String>> {
        let Some(Listed { names, .. }) = &self.listed else {
            let mut names = self.folder.names()?;
            names.retain(|name| name.starts_with(prefix));
            return Ok(names);
        };
        let mut hidden = Vec::new();
        let from = names.partition_point(|name| &**name < prefix);
        for name in names[from..].iter().take_while(|name| name.starts_with(prefix)) {
            // Another papyra may have finished what was begun.
            if self.folder.stat(name)?.is_some() {
                hidden.push(name.clone());
            }
        }
        Ok(hidden)
    }

    /// What lies beside the log, may have been a part of it, and is not read with it.
    pub fn passed_over(&self) -> Result<Vec<PassedOver>> {
        Ok(beside(&self.base, self.backend, &self.folder.names()?))
    }

    /// How many files belong to the set, where somebody said so.
    pub(crate) fn max_files(&self) -> Option<u32> {
        self.max_files
    }

    /// The path of the log.
    pub fn path(&self) -> PathBuf {
        self.folder.join(&self.base)
    }

    /// The history's files by name, as they are now.
    pub fn set(&self) -> Result<RotationSet> {
        let names = self.folder.names()?;
        let set = RotationSet::of(&self.base, names.iter().map(String::as_str), self.max_files);
        Ok(if self.backend == Backend::Json { set.as_chosen(Choice::Json).1 } else { set })
    }

    /// The same, or as they were when the folder was listed for all logs in it.
    pub(crate) fn known_set(&self) -> Result<RotationSet> {
        self.listed.as_ref().map_or_else(|| self.set(), |listed| Ok(listed.set.clone()))
    }

    /// Whether the names that were listed are there, and no rotation has made another one since.
    fn has_still(&self, set: &RotationSet) -> Result<bool> {
        for name in set.names() {
            if self.folder.stat(name)?.is_none() {
                return Ok(false);
            }
        }
        if self.backend == Backend::Json {
            return Ok(true);
        }
        let oldest = set.members.first().map_or(0, |member| member.index);
        let active = set.members.last().is_none_or(|member| member.index > 0).then_some(0);
        for index in set.gaps.iter().copied().chain(active).chain([oldest + 1]) {
            let is_beyond = self.max_files.is_some_and(|max_files| index >= max_files);
            if !is_beyond && self.folder.stat(member_name(&self.base, index))?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The folder and name that a member really has: a link's target is what is read and repaired.
    pub fn place(&self, name: &str) -> Result<Option<(Folder, String)>> {
        let is_link = self.folder.stat(name)?.is_some_and(|stat| stat.is_link());
        if !is_link {
            return Ok(None);
        }
        let path = self.folder.join(name);
        let target = sys::canonical(&path).map_err(|error| Error::cannot_open(&path, error))?;
        let parent = target.parent().unwrap_or(Path::new("/"));
        Ok(Some((Folder::open(parent)?, file_name(&target)?)))
    }

    /// Opens a member, following a link.
    pub fn read(&self, name: &str) -> Result<File> {
        match self.place(name)? {
            None => self.folder.read(name),
            Some((folder, name)) => folder.read(&name),
        }
    }

    /// Opens every member such that together they are the set of one moment, though a writer may be rotating it.
    pub fn pin(&self) -> Result<Listing> {
        for tries in 0..TRIES {
            let listed = self.listed.as_ref().filter(|_| tries == 0);
            let set = if listed.is_some() { self.known_set()? } else { self.set()? };
            let mut members = Vec::new();
            for member in &set.members {
                let file = self.read(&member.name);
                let identity = match &file {
                    Ok(file) => Identity::of_file(file).ok(),
                    Err(_) => None,
                };
                members.push(Pinned {
                    name: member.name.clone(),
                    index: member.index,
                    file: file.map_err(|error| error.to_string()),
                    identity,
                });
            }
            let stands = if listed.is_some() { self.has_still(&set)? } else { self.set()? == set };
            if stands && members.iter().all(|member| self.is_still(member)) {
                return Ok(Listing { set, members });
            }
        }
        Err(Error::new(
            Code::TryAgain,
            format!("{} is being rotated faster than it can be listed: try again", show(&self.path())),
        ))
    }

    /// Whether the member's name still leads to the file that was opened.
    fn is_still(&self, member: &Pinned) -> bool {
        let now = match self.place(&member.name) {
            Ok(None) => self.folder.stat(&member.name).ok().flatten(),
            Ok(Some((folder, name))) => folder.stat(&name).ok().flatten(),
            Err(_) => None,
        };
        match (&member.identity, now) {
            (Some(then), Some(now)) => (then.device, then.inode) == (now.device, now.inode),
            // One that could not be opened may have been on its way to another name.
            (None, Some(_)) => self.read(&member.name).is_err(),
            (_, None) => false,
        }
    }
}
