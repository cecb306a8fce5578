//! Where backups lie: in a folder, or under a prefix of an object store. What differs between the two is told here and
//! in [`super::remote`], and nowhere else.

use crate::disk::File;
use std::fmt::Debug;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::attest::{forget, write_over};
use super::{CONDEMNED, clear_leftovers, remote};
use crate::disk::{Folder, Lock};
use crate::error::{Error, Result};

/// How long another papyra that adds or removes a backup is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A folder of backups or a backup, wherever it lies.
pub trait Files: Debug {
    /// What it is called.
    fn path(&self) -> &Path;

    /// The names of files and folders directly inside, in no order.
    fn names(&self) -> Result<Vec<String>>;

    /// The names among them that may be folders'.
    fn folders(&self) -> Result<Vec<String>> {
        self.names()
    }

    /// The size in bytes of a file, whose name may lead through one folder; `None` when there is none.
    fn size(&self, name: &str) -> Result<Option<u64>>;

    /// Opens a file, whose name may lead through one folder.
    fn read(&self, name: &str) -> Result<Box<dyn Bytes>> {
        self.read_from(name, 0)
    }

    /// The same, to be read from byte `at` on.
    fn read_from(&self, name: &str, at: u64) -> Result<Box<dyn Bytes>>;

    /// A folder in it.
    fn folder(&self, name: &str) -> Result<Box<dyn Files>>;

    /// What it lies in.
    fn parent(&self) -> Result<Box<dyn Files>>;

    /// Replaces a small file in one step.
    fn write_over(&self, name: &str, bytes: &[u8]) -> Result<()>;

    /// Removes a file.
    fn remove(&self, name: &str) -> Result<()>;

    /// Keeps others from removing it meanwhile, where that can be done.
    fn share(&self) -> Result<Option<Lock>>;

    /// Keeps others from adding or removing backups meanwhile, where that can be done, and clears away what killed
    /// runs left.
    fn tidy(&self) -> Result<Option<Lock>>;

    /// Removes a backup in it, and what is remembered of it, so that a kill leaves no half of one that looks whole.
    fn discard(&self, name: &str) -> Result<()>;

    /// The path of a name in it.
    fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}

/// The bytes of a file that is read once.
pub trait Bytes: Read {
    /// How many there are.
    fn size(&self) -> io::Result<u64>;

    /// Why reading failed, if it was not the file's fault: then nothing is known of it.
    fn failure(&mut self) -> Option<Error> {
        None
    }

    /// What to say of an error that reading has met at byte `at` of what is called `path`.
    fn failed(&mut self, path: &Path, at: u64, error: &io::Error) -> Error {
        self.failure().unwrap_or_else(|| Error::cannot_read(path, at, error))
    }
}

impl Bytes for File {
    fn size(&self) -> io::Result<u64> {
        File::size(self)
    }
}

/// Opens the folder or prefix of that name.
pub fn at(path: &Path) -> Result<Box<dyn Files>> {
    if remote::is_remote(path) { remote::open(path) } else { Ok(Box::new(Folder::open(path)?)) }
}

impl Files for Folder {
    fn path(&self) -> &Path {
        Folder::path(self)
    }

    fn names(&self) -> Result<Vec<String>> {
        Folder::names(self)
    }

    fn size(&self, name: &str) -> Result<Option<u64>> {
        let stat = match name.split_once('/') {
            None => self.stat(name)?,
            Some((folder, _)) if self.stat(folder)?.is_none() => None,
            Some((folder, name)) => self.existing_subfolder(folder)?.stat(name)?,
        };
        Ok(stat.map(|stat| stat.size))
    }

    fn read_from(&self, name: &str, at: u64) -> Result<Box<dyn Bytes>> {
        let file = match name.split_once('/') {
            None => Folder::read(self, name)?,
            Some((folder, name)) => self.existing_subfolder(folder)?.read(name)?,
        };
        if at > 0 {
            file.start_at(at).map_err(|error| Error::cannot_read(&self.join(name), at, &error))?;
        }
        Ok(Box::new(file))
    }

    fn folder(&self, name: &str) -> Result<Box<dyn Files>> {
        Ok(Box::new(self.existing_subfolder(name)?))
    }

    fn parent(&self) -> Result<Box<dyn Files>> {
        let path = std::fs::canonicalize(Folder::path(self)).map_err(|error| Error::cannot_open(self.path(), error))?;
        Ok(Box::new(Folder::open(path.parent().unwrap_or(Path::new("/")))?))
    }

    fn write_over(&self, name: &str, bytes: &[u8]) -> Result<()> {
        write_over(self, name, bytes)
    }

    fn remove(&self, name: &str) -> Result<()> {
        Folder::remove(self, name)?;
        self.sync()
    }

    fn share(&self) -> Result<Option<Lock>> {
        Folder::share(self).map(Some)
    }

    fn tidy(&self) -> Result<Option<Lock>> {
        let lock = self.lock_within(PATIENCE)?;
        clear_leftovers(self)?;
        Ok(Some(lock))
    }

    fn discard(&self, name: &str) -> Result<()> {
        let hidden = format!(".{name}{CONDEMNED}");
        // Nobody restores from it now, and nobody begins to once it is hidden.
        let lock = self.existing_subfolder(name)?.lock()?;
        self.rename(name, &hidden)?;
        self.sync()?;
        forget(self, name)?;
        self.remove_tree(&hidden)?;
        drop(lock);
        self.sync()
    }
}
