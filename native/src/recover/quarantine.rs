//! The quarantine folder: where whole originals go, under Papyra's own naming, `NAME.quarantine.<unix_ms>`.

use std::path::{Path, PathBuf};

use super::rejects::{give_to, shortened};
use crate::disk::fault::Fault;
use crate::disk::{File, Folder, Stat, sparse, sys};
use crate::error::{Error, Result};

/// An original that is safe in the quarantine.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) path: PathBuf,
    /// What to remove again if the log is not swapped after all; an earlier run's is left.
    undo: Option<(Folder, String)>,
}

impl Kept {
    /// The log was not swapped: it is its own original.
    pub(crate) fn abandon(self) {
        if let Some((folder, name)) = self.undo {
            // One name too many for the same bytes is no loss.
            _ = folder.remove(&name);
        }
    }
}

/// Keeps a copy of the first `size` bytes of `name`, which is open as `source`: holes stay holes.
pub(crate) fn keep_original(name: &str, source: &File, stat: &Stat, size: u64, quarantine: &Path) -> Result<Kept> {
    let quarantine = Folder::create(quarantine)?;
    let to = copy(source, size, stat, &quarantine, name)?;
    Ok(Kept { path: quarantine.join(&to), undo: Some((quarantine, to)) })
}

/// Moves a file that is not a member out of the way, for good: to the quarantine folder, or to the rejects.
pub(crate) fn set_aside(folder: &Folder, name: &str, aside: &Folder) -> Result<PathBuf> {
    let source = folder.read(name)?;
    let failed = |error| Error::cannot_write("sync", &folder.join(name), error);
    let mut stat = source.stat().map_err(failed)?;
    let owner = aside.stat_self()?;
    if stat.was_not_given_to(&owner) {
        let given = source.set_owner(owner.owner, owner.group);
        given.map_err(|error| Error::cannot_create("give away", &folder.join(name), error))?;
        stat = source.stat().map_err(failed)?;
    }
    // Whoever wrote it may not have: a name that is synced is no use without the bytes.
    source.sync_all().map_err(failed)?;
    let own = name.trim_start_matches('.');
    let mut to = free_name(aside, own)?;
    if !folder.move_to(name, aside, &to)? {
        to = copy(&source, stat.size, &stat, aside, own)?;
        folder.remove(name)?;
    }
    aside.sync()?;
    folder.sync()?;
    Ok(aside.join(&to))
}

/// Copies under a temporary name, so that the final name never holds half a file, and returns the final one.
fn copy(source: &File, size: u64, like: &Stat, folder: &Folder, name: &str) -> Result<String> {
    let to = free_name(folder, name)?;
    let temporary = format!(".{to}.tmp");
    if folder.stat(&temporary)?.is_some() {
        folder.remove(&temporary)?;
    }
    let target = folder.create_new(&temporary)?;
    // In a folder of somebody else's the copy stays its maker's.
    let given = |()| match give_to(&target, like) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(()),
        done => done,
    };
    let written = sparse::copy(source, size, &target).and_then(given);
    let written = written.and_then(|()| if Fault::OriginalNotSynced.is_back() { Ok(()) } else { target.sync_all() });
    let done = written.map_err(|error| Error::cannot_write("keep the original as", &folder.join(&to), error));
    let named = |()| folder.give_name(&temporary, &to, true);
    done.and_then(named).and_then(|()| folder.sync()).inspect_err(|_| _ = folder.remove(&temporary))?;
    Ok(to)
}

/// `NAME.quarantine.<unix_ms>` for a millisecond that is not taken.
fn free_name(folder: &Folder, name: &str) -> Result<String> {
    let (name, mut millisecond) = (shortened(name), sys::now());
    loop {
        let candidate = format!("{name}.quarantine.{millisecond}");
        if folder.stat(&candidate)?.is_none() {
            return Ok(candidate);
        }
        millisecond += 1;
    }
}
