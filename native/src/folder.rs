//! A folder held open, and the few things that are done in it: every step of recovery goes through here.
//!
//! Names are relative to the open folder, so that nobody can move it away underneath, and no call follows a link in
//! the last component.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{self, AtFlags, FlockOperation, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use crate::error::{Code, Error, Result, show};

/// An open folder.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

/// Which file it is, and what it looked like: equal as long as nobody touched it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Size in bytes.
    pub size: u64,
    /// Modification time, seconds and nanoseconds since 1970.
    pub modified: (i64, i64),
}

impl Identity {
    /// The identity that a `stat` shows.
    pub fn of(stat: &Stat) -> Identity {
        Identity {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
        }
    }

    /// The identity of an open file.
    pub fn of_file(file: &File) -> io::Result<Identity> {
        Ok(Identity::of(&fs::fstat(file)?))
    }
}

/// The lock on a folder; it goes with the value.
#[derive(Debug)]
pub struct Lock {
    _fd: OwnedFd,
}

impl Folder {
    /// Opens the folder at `path`; the empty path is the working folder.
    pub fn open(path: &Path) -> Result<Folder> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let real = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let fd = fs::open(real, flags, Mode::empty()).map_err(|error| Error::cannot_open(path, error))?;
        Ok(Folder { fd, path: path.to_owned() })
    }

    /// Opens the folder at `path`, making it first if need be.
    pub fn create(path: &Path) -> Result<Folder> {
        std::fs::create_dir_all(path).map_err(|error| Error::cannot_create("create the folder", path, error))?;
        Folder::open(path)
    }

    /// Opens a folder in this one, making it first if need be; a link at its name is refused.
    pub fn subfolder(&self, name: &str) -> Result<Folder> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let failed = |error: Errno| Error::cannot_create("create the folder", &self.join(name), error);
        match fs::mkdirat(&self.fd, name, Mode::from_raw_mode(0o700)) {
            Ok(()) => self.sync()?,
            Err(Errno::EXIST) => {}
            Err(error) => return Err(failed(error)),
        }
        let fd = fs::openat(&self.fd, name, flags, Mode::empty()).map_err(failed)?;
        Ok(Folder { fd, path: self.join(name) })
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of `name` in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The names in it that are UTF-8 (no log of Papyra's has another), in no order.
    pub fn names(&self) -> Result<Vec<String>> {
        let list = || -> rustix::io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in fs::Dir::read_from(&self.fd)? {
                if let Ok(name) = entry?.file_name().to_str()
                    && !matches!(name, "." | "..")
                {
                    names.push(name.to_owned());
                }
            }
            Ok(names)
        };
        list().map_err(|error| Error::cannot_open(&self.path, error))
    }

    /// Takes the lock that keeps two of us apart: `flock` on the folder itself, which leaves nothing behind.
    pub fn lock(&self) -> Result<Lock> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::openat(&self.fd, ".", flags, Mode::empty()).map_err(|e| Error::cannot_open(&self.path, e))?;
        match fs::flock(&fd, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock { _fd: fd }),
            Err(Errno::WOULDBLOCK) => Err(Error::new(
                Code::TryAgain,
                format!("another papyra is at work in {}: try again when it is done", show(&self.path)),
            )),
            Err(error) => Err(Error::cannot_create("lock the folder", &self.path, error)),
        }
    }

    /// The same, after waiting for whoever holds the lock, at most so long.
    pub fn lock_within(&self, patience: Duration) -> Result<Lock> {
        let begun = Instant::now();
        loop {
            match self.lock() {
                Err(error) if error.code == Code::TryAgain && begun.elapsed() < patience => {
                    std::thread::sleep(Duration::from_micros(500));
                }
                other => return other,
            }
        }
    }

    /// Takes a lock that others may hold too; it keeps [`Folder::lock`] out.
    pub fn share(&self) -> Result<Lock> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::openat(&self.fd, ".", flags, Mode::empty()).map_err(|e| Error::cannot_open(&self.path, e))?;
        match fs::flock(&fd, FlockOperation::NonBlockingLockShared) {
            // A file system without locks (some network ones) is read all the same.
            Ok(()) | Err(Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(Lock { _fd: fd }),
            Err(Errno::WOULDBLOCK) => Err(Error::new(
                Code::TryAgain,
                format!("another papyra is at work in {}: try again when it is done", show(&self.path)),
            )),
            Err(error) => Err(Error::cannot_open(&self.path, error)),
        }
    }

    /// Opens a folder in this one, which must be there; a link is refused.
    pub fn existing_subfolder(&self, name: &str) -> Result<Folder> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let path = self.join(name);
        let fd = fs::openat(&self.fd, name, flags, Mode::empty()).map_err(|error| Error::cannot_open(&path, error))?;
        Ok(Folder { fd, path })
    }

    /// Makes a folder in this one, which must not be there yet, readable by its owner only.
    pub fn new_subfolder(&self, name: &str) -> Result<Folder> {
        fs::mkdirat(&self.fd, name, Mode::from_raw_mode(0o700))
            .map_err(|error| Error::cannot_create("create the folder", &self.join(name), error))?;
        self.existing_subfolder(name)
    }

    /// Gives the folder itself these permission bits, and this owner if that can be done.
    pub fn set_mode(&self, mode: u32, owner: Option<(u32, u32)>) -> Result<()> {
        if let Some((uid, gid)) = owner {
            let (uid, gid) = (fs::Uid::from_raw(uid), fs::Gid::from_raw(gid));
            fs::fchown(&self.fd, Some(uid), Some(gid))
                .map_err(|error| Error::cannot_create("give away the folder", &self.path, error))?;
        }
        fs::fchmod(&self.fd, Mode::from_raw_mode(mode & 0o777))
            .map_err(|error| Error::cannot_create("set the permissions of", &self.path, error))
    }

    /// What the folder itself is.
    pub fn stat_self(&self) -> Result<Stat> {
        fs::fstat(&self.fd).map_err(|error| Error::cannot_open(&self.path, error))
    }

    /// The bytes that may still be written to the file system it is on; `None` when nobody can tell.
    pub fn free_bytes(&self) -> Option<u64> {
        let stat = fs::fstatvfs(&self.fd).ok()?;
        stat.f_bavail.checked_mul(stat.f_frsize)
    }

    /// Gives `from` in this folder the name `to` in that one, unless there is something already.
    ///
    /// `Ok(false)`: it cannot be moved there, being on another file system or a mount point.
    pub fn put(&self, from: &str, folder: &Folder, to: &str) -> Result<bool> {
        let moved = match fs::renameat_with(&self.fd, from, &folder.fd, to, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if folder.stat(to)?.is_none() => {
                fs::renameat(&self.fd, from, &folder.fd, to)
            }
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Err(Errno::EXIST),
            other => other,
        };
        match moved {
            Ok(()) => Ok(true),
            Err(Errno::XDEV | Errno::BUSY) => Ok(false),
            Err(error) => Err(Error::cannot_create("put in place", &folder.join(to), error)),
        }
    }

    /// Gives two folders each other's name in one step. `false`: that cannot be done here.
    pub fn exchange_folders(&self, one: &str, other: &str) -> Result<bool> {
        match fs::renameat_with(&self.fd, one, &self.fd, other, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(true),
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::XDEV | Errno::BUSY) => Ok(false),
            Err(error) => Err(Error::cannot_write("swap in", &self.join(other), error)),
        }
    }

    /// Removes a folder and all that is in it; links are removed, not followed.
    pub fn remove_tree(&self, name: &str) -> Result<()> {
        std::fs::remove_dir_all(self.join(name)).map_err(|error| Error::cannot_write("remove", &self.join(name), error))
    }

    /// Opens a regular file for reading.
    pub fn read(&self, name: &str) -> Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let open = || -> io::Result<File> {
            let file = File::from(fs::openat(&self.fd, name, flags, Mode::empty())?);
            if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a regular file")) }
        };
        open().map_err(|error| Error::cannot_open(&self.join(name), error))
    }

    /// Opens a regular file to append to, creating it with the usual mode if it is not there.
    pub fn append(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(fs::openat(&self.fd, name, flags, Mode::from_raw_mode(0o666))?))
    }

    /// Opens a regular file to append to; it must be there.
    pub fn append_existing(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(fs::openat(&self.fd, name, flags, Mode::empty())?))
    }

    /// Creates a file that must not be there yet, readable by its owner only.
    pub fn create_new(&self, name: &str) -> Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        fs::openat(&self.fd, name, flags, Mode::from_raw_mode(0o600))
            .map(File::from)
            .map_err(|error| Error::cannot_create("create", &self.join(name), error))
    }

    /// What `name` is, a link not followed; `None` when there is nothing.
    pub fn stat(&self, name: &str) -> Result<Option<Stat>> {
        match fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(Error::cannot_open(&self.join(name), error)),
        }
    }

    /// Gives both names each other's file in one step. `false`: this file system cannot.
    pub fn exchange(&self, one: &str, other: &str) -> Result<bool> {
        match fs::renameat_with(&self.fd, one, &self.fd, other, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(true),
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(false),
            Err(error) => Err(Error::cannot_write("swap in the repaired", &self.join(other), error)),
        }
    }

    /// Renames over whatever is there.
    pub fn rename(&self, from: &str, to: &str) -> Result<()> {
        fs::renameat(&self.fd, from, &self.fd, to)
            .map_err(|error| Error::cannot_write("put in place", &self.join(to), error))
    }

    /// Moves a file to another folder without replacing anything. `false`: it lies on another file system.
    pub fn move_to(&self, name: &str, folder: &Folder, to: &str) -> Result<bool> {
        match fs::renameat_with(&self.fd, name, &folder.fd, to, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(true),
            Err(Errno::XDEV) => Ok(false),
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                if !self.link_to(name, folder, to)? {
                    return Ok(false);
                }
                self.remove(name)?;
                Ok(true)
            }
            Err(error) => Err(Error::cannot_create("move aside to", &folder.join(to), error)),
        }
    }

    /// Gives a file a second name in another folder. `false`: that cannot be done there.
    pub fn link_to(&self, name: &str, folder: &Folder, to: &str) -> Result<bool> {
        match fs::linkat(&self.fd, name, &folder.fd, to, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::XDEV | Errno::PERM | Errno::OPNOTSUPP | Errno::MLINK) => Ok(false),
            Err(error) => Err(Error::cannot_create("keep the original as", &folder.join(to), error)),
        }
    }

    /// Removes a name.
    pub fn remove(&self, name: &str) -> Result<()> {
        fs::unlinkat(&self.fd, name, AtFlags::empty())
            .map_err(|error| Error::cannot_write("remove", &self.join(name), error))
    }

    /// Makes what was done to the names in this folder survive a power cut.
    pub fn sync(&self) -> Result<()> {
        match fs::fsync(self.fd.as_fd()) {
            // Some network file systems have no such thing for folders.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(error) => Err(Error::cannot_write("sync the folder", &self.path, error)),
        }
    }

    /// The folder's real location, for telling whether two are the same.
    pub fn identity(&self) -> Result<(u64, u64)> {
        let stat = fs::fstat(&self.fd).map_err(|error| Error::cannot_open(&self.path, error))?;
        Ok((stat.st_dev, stat.st_ino))
    }
}

/// The last component of a path as text.
pub fn file_name(path: &Path) -> Result<String> {
    let no = |why: &str| Error::new(Code::NoInput, format!("{} {why}", show(path)));
    let name = path.file_name().ok_or_else(|| no("does not name a file"))?;
    let text = name.to_str().ok_or_else(|| no("has a name that is not UTF-8: rename it, nothing was looked at"))?;
    Ok(text.into())
}
