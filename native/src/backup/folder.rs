//! Backups in a folder, as [`Files`].

use std::path::Path;
use std::time::Duration;

use super::evidence::{forget, write_over};
use super::files::{Bytes, Files, Hold, Status};
use super::hidden::{CONDEMNED, clear_leftovers};
use crate::disk::{self, Folder, Lock};
use crate::error::{Error, Result};

/// How long another papyra that adds or removes a backup is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

impl Files for Folder {
    fn path(&self) -> &Path {
        Folder::path(self)
    }

    fn names(&self) -> Result<Vec<String>> {
        Folder::names(self)
    }

    fn status(&self, name: &str) -> Result<Status> {
        let stat = match name.split_once('/') {
            None => self.stat(name)?,
            Some((folder, name)) => match Files::status(self, folder)? {
                Status::Folder => self.existing_subfolder(folder)?.stat(name)?,
                Status::Nothing => None,
                Status::File(_) | Status::Other => return Ok(Status::Other),
            },
        };
        let Some(stat) = stat else { return Ok(Status::Nothing) };
        Ok(match () {
            () if stat.is_file() => Status::File(stat.size),
            () if stat.is_folder() => Status::Folder,
            () => Status::Other,
        })
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

    fn shared(&self, name: &str) -> Result<Option<String>> {
        // A file that another backup has linked.
        let linked = if name.contains('/') { None } else { self.stat(name)? }.filter(|stat| stat.links > 1);
        Ok(linked.map(|stat| format!("{}-{}", stat.device, stat.inode)))
    }

    fn folder(&self, name: &str) -> Result<Box<dyn Files>> {
        Ok(Box::new(self.existing_subfolder(name)?))
    }

    fn parent(&self) -> Result<Box<dyn Files>> {
        let path = disk::canonical(Folder::path(self))?;
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

    fn tidy(&self) -> Result<Option<Hold>> {
        let lock = self.lock_within(PATIENCE)?;
        clear_leftovers(self)?;
        Ok(Some(Box::new(lock)))
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
