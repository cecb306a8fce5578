//! A history on disk: one log, or the rotation set that bears its name, in an open folder.
//!
//! This module finds the files, pins them open so that a rotation in progress cannot mix them up, and scans them.
//! What is done to them lives in [`crate::recover`] and [`crate::compact`].

use crate::disk::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use papyra_core::assembly::{self, Place};
use papyra_core::finding::{AnomalyType, Finding, Reason};
use papyra_core::folder::{Log, PassedOver, beside};
use papyra_core::report::{Backend, FileReport, Role};
use papyra_core::rotation::{RotationSet, member_name};
use papyra_core::scan::Sink;
use papyra_core::summary::Summary;

use crate::archive;
use crate::disk::{Folder, Identity, file_name, sys};
use crate::error::{Code, Error, Result, show};
use crate::reading::{self, Effort};
use crate::recover::leftovers;

/// How often a set that is being rotated, or a tail that is being written, is looked at again.
const TRIES: usize = 10;

pub use papyra_core::rotation::Choice;

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

/// A file of a history, to be read.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Its name in the history's folder.
    pub name: &'a str,
    /// 0 for the log and for what is not a member, N for `NAME.N`.
    pub index: u32,
    /// Its bytes.
    pub file: &'a File,
    /// Which file it is, and its size when it was opened.
    pub seen: Option<Identity>,
    /// Whether it belongs to the history; damage inside what does not is not listed.
    pub is_member: bool,
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

    /// Scans the whole history.
    pub fn scan(&self, effort: Effort<'_>) -> Result<Vec<FileReport>> {
        self.report(&self.pin()?, &mut |part| {
            let most = if part.is_member { effort.max_findings } else { 0 };
            if let Some(format) = part.packed()? {
                let effort = Effort { max_findings: most, ..effort };
                return Ok(reading::scan_stream(archive::unpack(format, part.file), effort, &mut ()).0);
            }
            scan_settled(part.file, &self.folder.join(part.name), Effort { max_findings: most, ..effort })
        })
    }

    /// The report on a pinned history; `read` reads each of its files and says what is in it.
    pub fn report(
        &self,
        listing: &Listing,
        read: &mut dyn FnMut(Part<'_>) -> Result<Summary>,
    ) -> Result<Vec<FileReport>> {
        let mut files = Vec::new();
        for member in &listing.members {
            let role = if member.index == 0 { Role::Active } else { Role::Rotated };
            let file = match (&member.file, self.backend) {
                (Ok(file), _) => file,
                (Err(reason), Backend::Json | Backend::Redis) => return Err(Error::new(Code::NoInput, reason.clone())),
                (Err(reason), Backend::Rotating) => {
                    let finding = Finding::of_file(AnomalyType::PartialWrite, Reason::Unreadable, reason.clone());
                    files.push(FileReport::outside(&member.name, role, member.index, Summary::default(), finding));
                    continue;
                }
            };
            let part = Part { name: &member.name, index: member.index, file, seen: member.identity, is_member: true };
            files.push(FileReport::new(&member.name, role, member.index, read(part)?));
        }
        files.extend(listing.set.gaps.iter().map(|index| assembly::gap(&self.base, *index)));
        for temporary in &listing.set.temporaries {
            files.push(self.beside(&temporary.name, temporary.index, Place::Temporary(temporary.clone()), read)?);
        }
        for hidden in leftovers(self)?.into_iter().map(|leftover| leftover.hidden) {
            let detail = "left behind by an interrupted recovery or compaction of ours; recover finishes it";
            let finding = Finding::of_file(AnomalyType::UnexpectedFile, Reason::LeftoverTemporary, detail);
            files.push(FileReport::outside(hidden, Role::Temporary, 0, Summary::default(), finding));
        }
        for renamed in &listing.set.renamed {
            files.push(self.beside(&renamed.name, 0, Place::Renamed(renamed.clone()), read)?);
        }
        for orphan in &listing.set.orphans {
            files.push(self.beside(&orphan.name, 0, Place::Orphan(orphan.clone()), read)?);
        }
        Ok(files)
    }

    /// The report of a file beside the members.
    fn beside(
        &self,
        name: &str,
        index: u32,
        place: Place,
        read: &mut dyn FnMut(Part<'_>) -> Result<Summary>,
    ) -> Result<FileReport> {
        let Ok(file) = self.read(name) else { return Ok(place.unread(self.backend)) };
        let seen = Identity::of_file(&file).ok();
        let summary = read(Part { name, index, file: &file, seen, is_member: false })?;
        Ok(place.report(self.backend, summary))
    }
}

impl Part<'_> {
    /// How it is compressed; a member never is.
    pub(crate) fn packed(&self) -> Result<Option<archive::Format>> {
        if self.is_member {
            return Ok(None);
        }
        archive::of_file(self.file).map_err(|error| Error::cannot_read(Path::new(self.name), 0, &error))
    }
}

/// Scans a file that may be growing. A torn tail counts as torn only when the file has not grown since.
pub fn scan_settled(file: &File, path: &Path, effort: Effort<'_>) -> Result<Summary> {
    let size = || file.size().map_err(|error| Error::cannot_read(path, 0, &error));
    let mut until = size()?;
    let mut tries = 0;
    loop {
        let summary = reading::scan_file(file, path, until, effort)?;
        let now = size()?;
        if summary.bytes < until || now < until {
            let text = format!("{} became shorter while it was read: try again", show(path));
            return Err(Error::new(Code::TryAgain, text));
        }
        if now == until
            || !ends_without_newline(file, until).map_err(|error| Error::cannot_read(path, until, &error))?
        {
            return Ok(summary);
        }
        until = now;
        tries += 1;
        if tries == TRIES {
            // It never holds still: the line under way is the writer's, and not looked at.
            let mut tail = Tail::default();
            reading::scan_range(file, path, 0, until, Effort { max_findings: 0, ..effort }, &mut tail)?;
            return reading::scan_file(file, path, tail.start.unwrap_or(until), effort);
        }
    }
}

/// Whether the byte before offset `size` ends no line.
pub(crate) fn ends_without_newline(file: &File, size: u64) -> io::Result<bool> {
    let mut last = [0];
    if size == 0 || file.read_at(&mut last, size - 1)? == 0 {
        return Ok(false);
    }
    Ok(!matches!(last[0], b'\n' | b'\r'))
}

/// Where the line without a newline begins.
#[derive(Default)]
struct Tail {
    start: Option<u64>,
}

impl Sink for Tail {
    fn finding(&mut self, finding: &Finding) -> papyra_core::scan::Flow {
        self.start = finding.offset.filter(|_| finding.kind == AnomalyType::TruncatedLine);
        papyra_core::scan::Flow::Continue(())
    }
}
