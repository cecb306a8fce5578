//! Appending records as Papyra does: same names, same thresholds, and our lock.
//!
//! Source: Papyra 0.3.0, `persistence/backends/rotating.py`. A file is rotated *before* an append that would make it
//! larger than `max_bytes`. Unlike Papyra, nothing is ever truncated, and a full set says so.

use std::io::Write;
use std::time::Duration;

use papyra_core::rotation::member_name;

use crate::disk::Folder;
use crate::error::{Error, Result};

/// How long to wait for somebody else's append, or for a backup that pins the files.
const PATIENCE: Duration = Duration::from_secs(5);

/// When to rotate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// A file's greatest size in bytes.
    pub max_bytes: u64,
    /// The number of files, the active one counted.
    pub max_files: u32,
}

impl Default for Rotation {
    /// Papyra's defaults.
    fn default() -> Self {
        Self { max_bytes: 50_000_000, max_files: 5 }
    }
}

/// How an append went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// To a file with room.
    ToFile,
    /// To a new file; the set was rotated.
    AfterRotation,
    /// To a file past its size: the set is full, and nothing is deleted to make room.
    ToFullSet,
}

/// Appends one record, a line without its newline, to the log `base` in `folder`; with `rotation`, to a set.
///
/// `fsync` makes the record survive a power cut before this returns.
pub fn append(folder: &Folder, base: &str, record: &[u8], rotation: Option<Rotation>, fsync: bool) -> Result<Appended> {
    let _lock = folder.lock_within(PATIENCE)?;
    let appended = match rotation {
        Some(rotation) => make_room(folder, base, record.len() as u64 + 1, rotation)?,
        None => Appended::ToFile,
    };
    let line = [record, b"\n"].concat();
    let write = || -> std::io::Result<()> {
        let mut file = folder.append(base)?;
        file.write_all(&line)?;
        if fsync { file.sync_all() } else { Ok(()) }
    };
    write().map_err(|error| Error::cannot_write("append to", &folder.join(base), error))?;
    if fsync {
        folder.sync()?;
    }
    Ok(appended)
}

fn make_room(folder: &Folder, base: &str, length: u64, rotation: Rotation) -> Result<Appended> {
    let size = folder.stat(base)?.map(|stat| stat.size);
    if size.is_none_or(|size| size + length <= rotation.max_bytes) {
        return Ok(Appended::ToFile);
    }
    let oldest = rotation.max_files.saturating_sub(1);
    if oldest == 0 || folder.stat(member_name(base, oldest))?.is_some() {
        return Ok(Appended::ToFullSet);
    }
    for index in (0..oldest).rev() {
        let from = member_name(base, index);
        if folder.stat(&from)?.is_some() {
            folder.give_name(&from, &member_name(base, index + 1), true)?;
        }
    }
    Ok(Appended::AfterRotation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_rotates_before_it_would_grow_too_large_and_never_deletes() {
        let temporary = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(temporary.path()).expect("the folder");
        let rotation = Some(Rotation { max_bytes: 10, max_files: 3 });
        let results: Vec<_> = ["aaaa", "bbbb", "cccc", "dddd", "eeee", "ffff", "gggg"]
            .iter()
            .map(|record| append(&folder, "rot.log", record.as_bytes(), rotation, true).expect("appended"))
            .collect();
        use Appended::{AfterRotation, ToFile, ToFullSet};
        assert_eq!(results, [ToFile, ToFile, AfterRotation, ToFile, AfterRotation, ToFile, ToFullSet]);
        let read = |name: &str| std::fs::read_to_string(temporary.path().join(name)).expect("readable");
        assert_eq!(
            read("rot.log.2") + &read("rot.log.1") + &read("rot.log"),
            "aaaa\nbbbb\ncccc\ndddd\neeee\nffff\ngggg\n"
        );
    }
}
