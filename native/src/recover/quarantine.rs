//! The quarantine folder: where whole originals go, under Papyra's own naming, `NAME.quarantine.<unix_ms>`.

use crate::disk::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::rewrite::copy_range;
use crate::disk::{Folder, Identity};
use crate::error::{Code, Error, Result, show};

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

/// Keeps the whole of `name`, which is open as `source`: as a hard link where that can be, as a synced copy elsewhere.
pub(crate) fn keep_original(
    folder: &Folder,
    name: &str,
    source: &File,
    identity: &Identity,
    quarantine: &Path,
) -> Result<Kept> {
    let quarantine = Folder::create(quarantine)?;
    if let Some(earlier) = kept_before(&quarantine, name, source, identity)? {
        return Ok(Kept { path: quarantine.join(&earlier), undo: None });
    }
    let to = free_name(&quarantine, name)?;
    if folder.link_to(name, &quarantine, &to)? {
        let linked = quarantine.stat(&to)?.map(|stat| Identity::of(&stat));
        if linked.is_none_or(|linked| (linked.device, linked.inode) != (identity.device, identity.inode)) {
            quarantine.remove(&to)?;
            let text = format!("{} was replaced meanwhile: try again", show(&folder.join(name)));
            return Err(Error::new(Code::TryAgain, text));
        }
    } else {
        copy(source, identity.size, &quarantine, &to)?;
    }
    quarantine.sync()?;
    Ok(Kept { path: quarantine.join(&to), undo: Some((quarantine, to)) })
}

/// Moves a file that is no member out of the way, for good: to the quarantine folder, or to the rejects.
pub(crate) fn set_aside(folder: &Folder, name: &str, aside: &Folder) -> Result<PathBuf> {
    let to = free_name(aside, name.trim_start_matches('.'))?;
    if !folder.move_to(name, aside, &to)? {
        let source = folder.read(name)?;
        let size = Identity::of_file(&source).map_err(|error| Error::cannot_read(&folder.join(name), 0, &error))?.size;
        copy(&source, size, aside, &to)?;
        aside.sync()?;
        folder.remove(name)?;
    }
    aside.sync()?;
    folder.sync()?;
    Ok(aside.join(&to))
}

/// Copies under a temporary name, so that the final name never holds half a file.
fn copy(source: &File, size: u64, folder: &Folder, to: &str) -> Result<()> {
    let temporary = format!(".{to}.tmp");
    if folder.stat(&temporary)?.is_some() {
        folder.remove(&temporary)?;
    }
    let mut target = folder.create_new(&temporary)?;
    let mut write = || -> io::Result<()> {
        copy_range(source, 0..size, |bytes| target.write_all(bytes))?;
        target.sync_all()
    };
    let done = write().map_err(|error| Error::cannot_write("keep the original as", &folder.join(to), error));
    done.and_then(|()| folder.rename(&temporary, to)).inspect_err(|_| _ = folder.remove(&temporary))
}

/// What an interrupted run has kept of the very same file: the same inode, or a copy with the same bytes.
fn kept_before(quarantine: &Folder, name: &str, source: &File, identity: &Identity) -> Result<Option<String>> {
    let prefix = format!("{name}.quarantine.");
    for candidate in quarantine.names()? {
        if !candidate.starts_with(&prefix) {
            continue;
        }
        let Some(stat) = quarantine.stat(&candidate)? else { continue };
        let kept = Identity::of(&stat);
        if (kept.device, kept.inode) == (identity.device, identity.inode) {
            return Ok(Some(candidate));
        }
        if kept.size == identity.size
            && quarantine.read(&candidate).is_ok_and(|file| same_bytes(&file, source, kept.size))
        {
            return Ok(Some(candidate));
        }
    }
    Ok(None)
}

/// Whether the first `size` bytes of two files are the same.
pub(super) fn same_bytes(one: &File, other: &File, size: u64) -> bool {
    let (mut left, mut right) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut at = 0;
    while at < size {
        let width = left.len().min(usize::try_from(size - at).unwrap_or(usize::MAX));
        let read = one.read_exact_at(&mut left[..width], at).and(other.read_exact_at(&mut right[..width], at));
        if read.is_err() || left[..width] != right[..width] {
            return false;
        }
        at += width as u64;
    }
    true
}

/// `NAME.quarantine.<unix_ms>` for a millisecond that is not taken.
fn free_name(folder: &Folder, name: &str) -> Result<String> {
    let mut millisecond = jiff::Timestamp::now().as_millisecond();
    loop {
        let candidate = format!("{name}.quarantine.{millisecond}");
        if folder.stat(&candidate)?.is_none() {
            return Ok(candidate);
        }
        millisecond += 1;
    }
}
