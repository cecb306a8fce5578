//! Where removed bytes and files that are in the way go, and whose they are to be.

use std::path::PathBuf;

use super::rejects;
use crate::disk::{Folder, Stat, sys};
use crate::error::Result;

/// Where removed bytes go.
#[derive(Debug, Clone)]
pub(crate) enum Keeping {
    /// To a rejects file beside the log.
    Rejects,
    /// The whole original to this folder.
    Quarantine(PathBuf),
    /// Nowhere: the operator said so.
    Nothing,
}

/// Where a file goes that is in the way: a folder that belongs to whom the first of these files belongs to that is
/// there, or, in the middle of a rotation, to whom the log's folder belongs to.
pub(super) fn aside(folder: &Folder, like: &[&str], keeping: &Keeping) -> Result<Folder> {
    match keeping {
        Keeping::Quarantine(quarantine) => Folder::create(quarantine),
        Keeping::Rejects | Keeping::Nothing => folder.subfolder_like(rejects::FOLDER, owner_of(folder, like)?.as_ref()),
    }
}

/// The first of these files that is there: a new one is to belong to whom that belongs to. A link may be anybody's.
/// Without one, root asks whose the folder is, and anybody else keeps what is made.
pub(super) fn owner_of(folder: &Folder, like: &[&str]) -> Result<Option<Stat>> {
    for name in like {
        if let Some(stat) = folder.stat(name)?.filter(Stat::is_file) {
            return Ok(Some(stat));
        }
    }
    if sys::user() != 0 {
        return Ok(None);
    }
    let own = folder.stat_self()?;
    Ok(Some(Stat { mode: own.mode & 0o700, ..own }))
}
