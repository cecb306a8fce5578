//! What an operator's path leads to, links followed: opened, looked at, resolved.
//!
//! What is changed, or must not be moved away meanwhile, is reached through a [`super::Folder`] instead.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::File;
use super::sys::{self, Stat};
use crate::error::{Error, Result};

/// Opens the regular file that `path` leads to, to be read.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    // Opening a pipe would let go on who waits to write to it.
    if !sys::stat(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    File::opened(|| sys::open(path))
}

/// All of a small file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let file = open(path).map_err(|error| Error::cannot_open(path, error))?;
    let mut bytes = Vec::new();
    (&file).read_to_end(&mut bytes).map_err(|error| Error::cannot_read(path, bytes.len() as u64, &error))?;
    Ok(bytes)
}

/// What `path` leads to.
pub(crate) fn stat(path: &Path) -> io::Result<Stat> {
    Ok(sys::stat(path)?)
}

/// Whether there is anything where `path` leads.
pub(crate) fn exists(path: &Path) -> bool {
    sys::stat(path).is_ok()
}

/// Whether there is nothing at `path`, not even a link that leads nowhere.
pub(crate) fn is_absent(path: &Path) -> bool {
    sys::stat(path) == Err(Errno::NOENT) && sys::read_link(path).is_err()
}

/// Whether `path` leads to a folder.
pub(crate) fn is_folder(path: &Path) -> bool {
    sys::stat(path).is_ok_and(|stat| stat.is_folder())
}

/// Where the link at `path` leads; `None` when there is none.
pub(crate) fn link(path: &Path) -> Option<PathBuf> {
    sys::read_link(path).ok()
}

/// The path without links; all of it must be there.
pub(crate) fn canonical(path: &Path) -> Result<PathBuf> {
    sys::canonical(path).map_err(|error| Error::cannot_open(path, error))
}

/// The path without links, as far as it exists. A link that leads nowhere stands for itself.
pub(crate) fn resolved(path: &Path) -> PathBuf {
    if let Ok(path) = sys::canonical(path) {
        return path;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => resolved(parent).join(name),
        _ => path.to_owned(),
    }
}
