//! What a folder of backups and a repository have in common. What differs between them is told in [`super::folder`] and
//! [`super::repository`], and nowhere else.

use crate::disk::File;
use std::fmt::Debug;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::access::Access;
use super::brief::Brief;
use crate::disk::Lock;
use crate::error::{Code, Error, Result};

/// What there is at a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Nothing.
    Nothing,
    /// A regular file of so many bytes.
    File(u64),
    /// A folder.
    Folder,
    /// Something else, such as a link or a pipe.
    Other,
}

impl Status {
    /// Why this is not a stored file of `bytes` bytes, as far as name and size tell.
    pub(super) fn differs(self, bytes: u64) -> Option<String> {
        Some(match self {
            Status::File(size) if size == bytes => return None,
            Status::File(size) => format!("it has {size} bytes where {bytes} were written"),
            Status::Nothing => "it is not there".into(),
            Status::Folder => "a folder is in its place".into(),
            Status::Other => "something other than a regular file is in its place".into(),
        })
    }
}

/// What keeps others out until it is dropped.
pub(super) type Hold = Box<dyn Debug>;

/// A folder of backups or a backup, wherever it lies.
pub trait Files: Debug + Send + Sync {
    /// What it is called.
    fn path(&self) -> &Path;

    /// Whether it lies in an object store.
    fn is_far(&self) -> bool {
        false
    }

    /// The names of files and folders directly inside, in no order.
    fn names(&self) -> Result<Vec<String>>;

    /// What there is at a name, which may lead through one folder; a link is not followed. `Err` says that nobody could
    /// look.
    fn status(&self, name: &str) -> Result<Status>;

    /// Why the file at a name cannot have the bytes that it should have, though there is one of its size.
    fn lacks(&self, _name: &str) -> Result<Option<String>> {
        Ok(None)
    }

    /// What the file at a name has in common with the files of other backups that have the same bytes stored in the
    /// same place, where backups share some.
    fn shared(&self, _name: &str) -> Result<Option<String>> {
        Ok(None)
    }

    /// The size in bytes of the regular file at a name; `None` when there is none.
    fn size(&self, name: &str) -> Result<Option<u64>> {
        Ok(match self.status(name)? {
            Status::File(bytes) => Some(bytes),
            _ => None,
        })
    }

    /// Opens a file, whose name may lead through one folder.
    fn read(&self, name: &str) -> Result<Box<dyn Bytes>> {
        self.read_from(name, 0)
    }

    /// The same, to be read from byte `at` on.
    fn read_from(&self, name: &str, at: u64) -> Result<Box<dyn Bytes>>;

    /// A folder in it.
    fn folder(&self, name: &str) -> Result<Box<dyn Files>>;

    /// What the backup lies in.
    fn parent(&self) -> Result<Box<dyn Files>>;

    /// Replaces a small file in one step.
    fn write_over(&self, name: &str, bytes: &[u8]) -> Result<()>;

    /// Removes a file.
    fn remove(&self, name: &str) -> Result<()>;

    /// Keeps others from removing it meanwhile, where that can be done.
    fn share(&self) -> Result<Option<Lock>>;

    /// Keeps others from adding or removing backups meanwhile, where that can be done, and clears away what killed
    /// runs left.
    fn tidy(&self) -> Result<Option<Hold>>;

    /// Removes a backup in it, and what is remembered of it, so that a kill leaves no half of one that looks whole.
    fn discard(&self, name: &str) -> Result<()>;

    /// Frees what the removed backups took, where that is a step of its own.
    fn sweep(&self) -> Result<()> {
        Ok(())
    }

    /// How many of the things in it can be read at a time.
    fn width(&self) -> usize {
        1
    }

    /// Forgets what was seen of things that may change, where it is remembered.
    fn renew(&self) {}

    /// What is noted of a backup in it and the bytes that the backup took, where that is as good as a look into the
    /// backup: all of its files are there, as far as names and sizes tell.
    fn noted(&self, _name: &str) -> Result<Option<(Brief, Option<u64>)>> {
        Ok(None)
    }

    /// How many bytes it took that were not there before, where backups share some.
    fn added(&self) -> Option<u64> {
        None
    }

    /// The path of a name in it.
    fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}

/// The bytes of a file that is read once.
pub trait Bytes: Read {
    /// Who may read and change the file.
    fn access(&self) -> io::Result<Access> {
        Ok(Access::PRIVATE)
    }

    /// Why reading failed, if it was not the file's fault: then nothing is known of it.
    fn failure(&mut self) -> Option<Error> {
        None
    }

    /// Why what was read is not what was written, where that shows.
    fn damage(&mut self) -> Option<String> {
        None
    }

    /// What to say of an error that reading has met at byte `at` of what is called `path`.
    fn failed(&mut self, path: &Path, at: u64, error: &io::Error) -> Error {
        self.failure().unwrap_or_else(|| Error::cannot_read(path, at, error))
    }
}

impl Bytes for File {
    fn access(&self) -> io::Result<Access> {
        Access::of(self)
    }
}

/// Whether an error is about all of a store, not about one of its backups.
pub(super) fn is_unreachable(error: &Error) -> bool {
    matches!(error.code, Code::Unavailable | Code::Config)
}

/// Does the same with each of many things, so many at a time; the first failure ends it.
pub(super) fn side_by_side<T: Sync, R: Send>(
    width: usize,
    things: &[T],
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    if width <= 1 || things.len() <= 1 {
        return things.iter().map(work).collect();
    }
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let take = || -> Vec<(usize, Result<R>)> {
        let mut done = Vec::new();
        while !failed.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(thing) = things.get(at) else { break };
            let result = work(thing);
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            done.push((at, result));
        }
        done
    };
    let mut done: Vec<(usize, Result<R>)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..width.min(things.len())).map(|_| scope.spawn(take)).collect();
        let lost = |_| vec![(0, Err(Error::new(Code::Io, "a thread that reads backups has failed")))];
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_else(lost)).collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}
