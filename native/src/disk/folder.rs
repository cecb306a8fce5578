//! A folder held open, and what is done in it. Names are relative to it, so that nobody can move it away underneath,
//! and no call follows a link in the last component.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use papyra_core::name;
use rustix::io::Errno;

use super::File;
use super::fault::Fault;
use super::sys::{self, Flock, Handle, Open, Rename, Stat};
use crate::error::{Code, Error, Result, show};

/// An open folder. A clone is the same folder.
#[derive(Debug, Clone)]
pub struct Folder {
    pub(super) handle: Arc<Handle>,
    path: PathBuf,
}

/// The lock on a folder; it goes with the value.
#[derive(Debug)]
pub struct Lock {
    _handle: Handle,
}

impl AsRef<Handle> for Folder {
    fn as_ref(&self) -> &Handle {
        &self.handle
    }
}

impl Folder {
    /// Opens the folder at `path`; the empty path is the working folder.
    pub fn open(path: &Path) -> Result<Folder> {
        let real = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let handle = sys::open_folder(real).map_err(|error| Error::cannot_open(path, error))?;
        Ok(Folder { handle: Arc::new(handle), path: path.to_owned() })
    }

    /// Opens the folder at `path`, making it and its parents first if need be. What is made survives a power cut.
    pub fn create(path: &Path) -> Result<Folder> {
        let failed = |error: Errno| Error::cannot_create("create the folder", path, error);
        let real = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        match sys::make_folder(real) {
            Ok(()) => {
                sync_parent(real)?;
                Folder::open(path)
            }
            // What is there and is not a folder, or cannot be entered, is named as such.
            Err(Errno::EXIST) => {
                let folder = Folder::open_for_writing(path)?;
                // Whoever made it may have been killed before he synced its name. Not everyone may look into the
                // parent.
                match sys::open_folder(parent_of(real)) {
                    Err(Errno::ACCESS) => {}
                    _ => sync_parent(real)?,
                }
                Ok(folder)
            }
            Err(Errno::NOENT) => {
                let parent = real.parent().filter(|parent| !parent.as_os_str().is_empty());
                Folder::create(parent.ok_or_else(|| failed(Errno::NOENT))?)?;
                Folder::create(path)
            }
            Err(Errno::ROFS | Errno::ISDIR) if sys::open_folder(real).is_ok() => Folder::open(path),
            Err(error) => Err(failed(error)),
        }
    }

    fn open_for_writing(path: &Path) -> Result<Folder> {
        let handle = sys::open_folder(path).map_err(|error| Error::cannot_create("use the folder", path, error))?;
        Ok(Folder { handle: Arc::new(handle), path: path.to_owned() })
    }

    /// Opens a folder in this one, making it first if need be; a link at its name is refused. One that is made belongs
    /// to whom `like` belongs to, and is open to nobody whom `like` is not open to.
    pub(crate) fn subfolder_like(&self, name: &str, like: Option<&Stat>) -> Result<Folder> {
        let path = self.join(name);
        match self.handle.make_folder(&os(name), 0o700) {
            Ok(()) => {
                let folder = self.existing_subfolder(name)?;
                if let Some(like) = like {
                    folder.give_to(like)?;
                    folder.sync()?;
                }
                self.sync()?;
                Ok(folder)
            }
            Err(Errno::EXIST) => {
                let failed = |error| Error::cannot_create("use the folder", &path, error);
                let handle = match self.handle.open_folder(&os(name)) {
                    // Empty and closed: root was killed before giving it away.
                    Err(Errno::ACCESS) if self.handle.remove_folder(&os(name)).is_ok() => {
                        return self.subfolder_like(name, like);
                    }
                    other => other.map_err(failed)?,
                };
                let folder = Folder { handle: Arc::new(handle), path };
                let now = folder.stat_self()?;
                if let Some(like) = like {
                    if now.was_not_given_to(like) {
                        folder.give_to(like)?;
                    }
                    // A run that was killed may have given it away a moment ago: that has to last before it holds
                    // anything.
                    folder.sync()?;
                }
                // And so has its name.
                self.sync()?;
                Ok(folder)
            }
            Err(error) => Err(Error::cannot_create("create the folder", &path, error)),
        }
    }

    /// The same, for its maker alone.
    pub fn subfolder(&self, name: &str) -> Result<Folder> {
        self.subfolder_like(name, None)
    }

    /// Gives a folder that was made just now to whom a file belongs to, for those to enter who may read the file.
    fn give_to(&self, like: &Stat) -> Result<()> {
        let failed = |error: Errno| Error::cannot_create("give away the folder", &self.path, error);
        let now = self.handle.stat().map_err(failed)?;
        if (now.owner, now.group) != (like.owner, like.group) && !Fault::BelongsToItsMaker.is_back() {
            self.handle.set_owner(like.owner, like.group).map_err(failed)?;
        }
        // Who may read may also enter; nobody gets to write who could not.
        let read = like.mode & 0o444;
        self.handle.set_mode(0o700 | (like.mode & 0o060) | read | (read >> 2)).map_err(failed)
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of `name` in it.
    pub fn join(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.path.join(os(&name))
    }

    /// The names in it, as [`papyra_core::name`] spells them, in no order.
    pub fn names(&self) -> Result<Vec<String>> {
        let names = self.handle.names().map_err(|error| Error::cannot_open(&self.path, error))?;
        Ok(names.iter().map(|name| name::text(name.as_bytes())).collect())
    }

    /// Takes the lock that keeps two of us apart: `flock` on the folder itself, which leaves nothing behind.
    pub fn lock(&self) -> Result<Lock> {
        match self.flock(Flock::Exclusive) {
            Ok(lock) => Ok(lock),
            Err(Errno::WOULDBLOCK) => Err(self.at_work()),
            Err(error) => Err(Error::cannot_create("lock the folder", &self.path, error)),
        }
    }

    /// The same, after waiting for whoever holds the lock, at most so long.
    pub fn lock_within(&self, patience: Duration) -> Result<Lock> {
        let begun = sys::now();
        loop {
            match self.lock() {
                Err(error) if error.code == Code::TryAgain && sys::now() - begun < patience.as_millis() as i64 => {
                    sys::pause(Duration::from_micros(500));
                }
                other => return other,
            }
        }
    }

    /// Takes a lock that others may hold too; it keeps [`Folder::lock`] out.
    pub fn share(&self) -> Result<Lock> {
        match self.flock(Flock::Shared) {
            Ok(lock) => Ok(lock),
            // A file system without locks (some network ones) is read all the same.
            Err(Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP) => {
                let handle = self.handle.open_folder(OsStr::new("."));
                Ok(Lock { _handle: handle.map_err(|error| Error::cannot_open(&self.path, error))? })
            }
            Err(Errno::WOULDBLOCK) => Err(self.at_work()),
            Err(error) => Err(Error::cannot_open(&self.path, error)),
        }
    }

    /// The lock is on an open description of its own: it goes when that is closed.
    fn flock(&self, how: Flock) -> sys::Result<Lock> {
        let handle = self.handle.open_folder(OsStr::new("."))?;
        handle.flock(how).map(|()| Lock { _handle: handle })
    }

    fn at_work(&self) -> Error {
        let text = format!("another papyra is at work in {}: try again when it is done", show(&self.path));
        Error::new(Code::TryAgain, text)
    }

    /// Opens a folder in this one, which must be there; a link is refused.
    pub fn existing_subfolder(&self, name: &str) -> Result<Folder> {
        let path = self.join(name);
        let handle = self.handle.open_folder(&os(name)).map_err(|error| Error::cannot_open(&path, error))?;
        Ok(Folder { handle: Arc::new(handle), path })
    }

    /// Makes a folder in this one, which must not be there yet, readable by its owner only.
    pub fn new_subfolder(&self, name: &str) -> Result<Folder> {
        self.handle
            .make_folder(&os(name), 0o700)
            .map_err(|error| Error::cannot_create("create the folder", &self.join(name), error))?;
        self.existing_subfolder(name)
    }

    /// Gives the folder itself these permission bits, and this owner if that can be done.
    pub fn set_mode(&self, mode: u32, owner: Option<(u32, u32)>) -> Result<()> {
        if let Some((user, group)) = owner {
            self.handle
                .set_owner(user, group)
                .map_err(|error| Error::cannot_create("give away the folder", &self.path, error))?;
        }
        self.handle
            .set_mode(mode & 0o3777)
            .map_err(|error| Error::cannot_create("set the permissions of", &self.path, error))
    }

    /// What the folder itself is.
    pub fn stat_self(&self) -> Result<Stat> {
        self.handle.stat().map_err(|error| Error::cannot_open(&self.path, error))
    }

    /// The bytes that may still be written to the file system it is on; `None` when nobody can tell.
    pub fn free_bytes(&self) -> Option<u64> {
        self.handle.free().ok()
    }

    /// Gives `from` in this folder the name `to` in that one, unless there is something already. Nobody else may be
    /// about to make that name: where the file system cannot refuse to replace, it is looked at first.
    ///
    /// `Ok(false)`: it cannot be moved there, being on another file system or a mount point.
    pub fn put(&self, from: &str, folder: &Folder, to: &str) -> Result<bool> {
        if self.move_to(from, folder, to)? {
            return Ok(true);
        }
        let moved = match folder.stat(to)? {
            Some(_) => Err(Errno::EXIST),
            None => self.renamed(from, folder, to, Rename::Replace),
        };
        match moved {
            Ok(()) => Ok(true),
            Err(Errno::XDEV | Errno::BUSY) => Ok(false),
            Err(error) => Err(Error::cannot_create("put in place", &folder.join(to), error)),
        }
    }

    /// The same for a name in this folder. With `alone` nobody else may be about to make it.
    pub(crate) fn give_name(&self, from: &str, to: &str, alone: bool) -> Result<()> {
        let named = if alone { self.put(from, self, to) } else { self.move_to(from, self, to) };
        if named? {
            return Ok(());
        }
        let text = format!(
            "cannot give {} the name {}: the file system cannot refuse to replace what a writer may make there",
            show(&self.join(from)),
            show(&self.join(to))
        );
        Err(Error::new(Code::CannotCreate, text))
    }

    /// Gives two names each other's file or folder in one step. `false`: that cannot be done here.
    pub fn exchange(&self, one: impl AsRef<OsStr>, other: impl AsRef<OsStr>) -> Result<bool> {
        match self.handle.rename(&os(&one), &self.handle, &os(&other), Rename::Exchange) {
            Ok(()) => Ok(true),
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::XDEV | Errno::BUSY) => Ok(false),
            Err(error) => Err(Error::cannot_write("swap in", &self.join(other), error)),
        }
    }

    /// Removes a folder and all that is in it; links are removed, not followed.
    pub fn remove_tree(&self, name: &str) -> Result<()> {
        let inside = self.existing_subfolder(name)?;
        for name in inside.names()? {
            match inside.handle.unlink(&os(&name)) {
                Err(Errno::ISDIR | Errno::PERM) => inside.remove_tree(&name)?,
                other => other.map_err(|error| Error::cannot_write("remove", &inside.join(&name), error))?,
            }
        }
        let name = &os(name);
        self.handle.remove_folder(name).map_err(|error| Error::cannot_write("remove", &self.join(name), error))
    }

    /// Removes a folder that nothing is in. `false`: it stays, which does no harm.
    pub(crate) fn remove_if_empty(&self, name: &str) -> bool {
        self.handle.remove_folder(&os(name)).is_ok()
    }

    fn opened(&self, name: impl AsRef<OsStr>, how: Open) -> io::Result<File> {
        File::opened(|| self.handle.open(&os(&name), how))
    }

    /// Opens a regular file for reading.
    pub fn read(&self, name: impl AsRef<OsStr>) -> Result<File> {
        self.opened(&name, Open::Read).map_err(|error| Error::cannot_open(&self.join(name), error))
    }

    /// Whether a file that was opened in this folder is a mount point of its own, as one is that was mounted into a
    /// container: then its name cannot be given to another.
    pub(crate) fn has_mounted(&self, file: &File) -> bool {
        self.handle.mount() != file.handle.mount()
    }

    /// Opens a regular file to be changed where it stands.
    pub(crate) fn write(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        self.opened(name, Open::Write)
    }

    /// Opens a regular file to append to, creating it with the usual mode if it is not there.
    pub fn append(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        self.opened(name, Open::AppendOrCreate(0o666))
    }

    /// Opens a regular file to append to; it must be there.
    pub fn append_existing(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        self.opened(name, Open::Append)
    }

    /// Creates a file that must not be there yet, readable by its owner only.
    pub fn create_new(&self, name: impl AsRef<OsStr>) -> Result<File> {
        self.opened(&name, Open::Create(0o600)).map_err(|error| Error::cannot_create("create", &self.join(name), error))
    }

    /// What `name` is, a link not followed; `None` when there is nothing.
    pub fn stat(&self, name: impl AsRef<OsStr>) -> Result<Option<Stat>> {
        match self.handle.stat_at(&os(&name)) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(Error::cannot_open(&self.join(name), error)),
        }
    }

    /// Renames over whatever is there.
    pub fn rename(&self, from: impl AsRef<OsStr>, to: impl AsRef<OsStr>) -> Result<()> {
        self.renamed(&from, self, &to, Rename::Replace).map_err(|error| match error {
            Errno::NOENT => self.taken(from),
            error => Error::cannot_write("put in place", &self.join(to), error),
        })
    }

    /// What was here a moment ago has another name now, or none.
    fn taken(&self, name: impl AsRef<OsStr>) -> Error {
        let text = format!("{} was renamed or removed meanwhile by somebody else: try again", show(&self.join(name)));
        Error::new(Code::TryAgain, text)
    }

    /// One rename, as the kernel answers it.
    pub(crate) fn renamed(
        &self,
        from: impl AsRef<OsStr>,
        folder: &Folder,
        to: impl AsRef<OsStr>,
        how: Rename,
    ) -> sys::Result<()> {
        self.handle.rename(&os(&from), &folder.handle, &os(&to), how)
    }

    /// Moves a file to another folder, or name, whatever others do meanwhile without replacing anything. `false`: that
    /// cannot be done there.
    pub fn move_to(&self, name: impl AsRef<OsStr>, folder: &Folder, to: impl AsRef<OsStr>) -> Result<bool> {
        match self.renamed(&name, folder, &to, Rename::NoReplace) {
            Ok(()) => Ok(true),
            Err(Errno::XDEV | Errno::BUSY) => Ok(false),
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                if !self.link_to(&name, folder, &to)? {
                    return Ok(false);
                }
                self.remove(name)?;
                Ok(true)
            }
            Err(Errno::NOENT) => Err(self.taken(name)),
            Err(error) => Err(Error::cannot_create("move aside to", &folder.join(to), error)),
        }
    }

    /// Gives a file a second name in another folder. `false`: that cannot be done there.
    pub fn link_to(&self, name: impl AsRef<OsStr>, folder: &Folder, to: impl AsRef<OsStr>) -> Result<bool> {
        match self.handle.link(&os(&name), &folder.handle, &os(&to)) {
            Ok(()) => Ok(true),
            Err(Errno::XDEV | Errno::PERM | Errno::OPNOTSUPP | Errno::MLINK) => Ok(false),
            Err(error) => Err(Error::cannot_create("keep the original as", &folder.join(to), error)),
        }
    }

    /// Removes a name.
    pub fn remove(&self, name: impl AsRef<OsStr>) -> Result<()> {
        self.handle.unlink(&os(&name)).map_err(|error| Error::cannot_write("remove", &self.join(name), error))
    }

    /// Makes what was done to the names in this folder survive a power cut.
    pub fn sync(&self) -> Result<()> {
        match self.handle.sync() {
            // Some network file systems have no such thing for folders.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(error) => Err(Error::cannot_write("sync the folder", &self.path, error)),
        }
    }

    /// The folder's real location, for telling whether two are the same.
    pub fn identity(&self) -> Result<(u64, u64)> {
        let stat = self.stat_self()?;
        Ok((stat.device, stat.inode))
    }
}

/// Makes the name of a folder survive a power cut.
fn sync_parent(path: &Path) -> Result<()> {
    if Fault::ParentsNotSynced.is_back() {
        return Ok(());
    }
    Folder::open(parent_of(path))?.sync()
}

fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    }
}

/// A name as the system takes it: what stands for a byte becomes that byte.
pub fn os<'a>(name: &'a (impl AsRef<OsStr> + ?Sized)) -> Cow<'a, OsStr> {
    let name = name.as_ref();
    match name.to_str().map(name::bytes) {
        Some(Cow::Owned(bytes)) => Cow::Owned(OsString::from_vec(bytes)),
        Some(Cow::Borrowed(_)) | None => Cow::Borrowed(name),
    }
}

/// The last component of a path, as [`papyra_core::name`] spells it.
pub fn file_name(path: &Path) -> Result<String> {
    name_of(path).ok_or_else(|| Error::new(Code::NoInput, format!("{} does not name a file", show(path))))
}

/// The same, if there is one.
pub fn name_of(path: &Path) -> Option<String> {
    Some(name::text(path.file_name()?.as_bytes()))
}
