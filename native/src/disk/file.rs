//! An open file: bytes at offsets and at the end, what the kernel tells of it, and leases on it.

use std::fmt;
use std::io::{self, Read, Write};
use std::time::Duration;

use rustix::io::Errno;

use super::sys::{self, Handle, Lease, Stat};

/// An open file.
#[derive(Debug)]
pub struct File {
    pub(super) handle: Handle,
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
    pub(crate) fn of(stat: &Stat) -> Identity {
        Identity { device: stat.device, inode: stat.inode, size: stat.size, modified: stat.modified }
    }

    /// The identity of an open file.
    pub fn of_file(file: &File) -> io::Result<Identity> {
        Ok(Identity::of(&file.stat()?))
    }
}

/// A lease on a file; it is given back with the value.
#[derive(Debug)]
pub(crate) struct Leased<'a> {
    file: &'a File,
    kind: Lease,
}

impl Leased<'_> {
    /// Whether nobody waits for it.
    pub(crate) fn is_quiet(&self) -> bool {
        self.file.handle.is_leased(self.kind)
    }
}

impl Drop for Leased<'_> {
    fn drop(&mut self) {
        self.file.handle.unlease();
    }
}

/// How long a file is waited for that another process has a lease on, in milliseconds.
const LEASED: i64 = 1_000;

impl File {
    /// A regular file, opened by `open`. Another of ours may have a lease on it, for as long as an exchange of names
    /// takes.
    pub(super) fn opened(mut open: impl FnMut() -> sys::Result<Handle>) -> io::Result<File> {
        let begun = sys::now();
        let handle = loop {
            match retry(&mut open) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && sys::now() - begun < LEASED => {
                    sys::pause(Duration::from_millis(1));
                }
                opened => break opened?,
            }
        };
        let file = File { handle };
        if file.stat()?.is_file() { Ok(file) } else { Err(io::Error::other("not a regular file")) }
    }

    /// What the kernel tells of it.
    pub(crate) fn stat(&self) -> io::Result<Stat> {
        Ok(self.handle.stat()?)
    }

    /// Its size in bytes.
    pub fn size(&self) -> io::Result<u64> {
        Ok(self.handle.stat()?.size)
    }

    /// Reads at `offset`; 0 at the end of the file.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        retry(|| self.handle.read_at(buffer, offset))
    }

    /// Fills the buffer from `offset` on, or fails as one that was cut at the end of the file.
    pub fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(buffer, offset)? {
                0 => return Err(io::Error::other(Shortened { at: offset })),
                read => {
                    buffer = &mut buffer[read..];
                    offset += read as u64;
                }
            }
        }
        Ok(())
    }

    /// Writes all of it at `offset`.
    pub(crate) fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match retry(|| self.handle.write_at(bytes, offset))? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => {
                    bytes = &bytes[written..];
                    offset += written as u64;
                }
            }
        }
        Ok(())
    }

    /// Cuts it, or makes it longer with a hole.
    pub(crate) fn set_size(&self, size: u64) -> io::Result<()> {
        retry(|| self.handle.truncate(size))
    }

    /// Makes content and size survive a power cut.
    pub fn sync_all(&self) -> io::Result<()> {
        retry(|| self.handle.sync())
    }

    /// Asks for a lease; [`Lease`] says what it keeps away.
    pub(crate) fn lease(&self, kind: Lease) -> Result<Leased<'_>, Errno> {
        self.handle.lease(kind).map(|()| Leased { file: self, kind })
    }

    /// Whether somebody has the file open for writing. `false` also where nobody can tell.
    pub(crate) fn has_writer(&self) -> bool {
        self.lease(Lease::Read).is_err_and(|error| error == Errno::AGAIN)
    }

    /// Asks for a lease after waiting for those who have the file open, at most so long.
    pub(crate) fn lease_within(&self, kind: Lease, patience: Duration) -> Result<Leased<'_>, Errno> {
        let begun = sys::now();
        // A write takes microseconds; who holds a file open longer is waited for at leisure.
        let mut pause = Duration::from_micros(50);
        loop {
            match self.lease(kind) {
                Err(Errno::AGAIN) if sys::now() - begun < patience.as_millis() as i64 => sys::pause(pause),
                other => return other,
            }
            pause = (pause * 2).min(Duration::from_millis(5));
        }
    }

    /// The start of the next data at or after `offset`. Without data there that is the size, and where the file system
    /// knows of no holes `offset` itself.
    pub(crate) fn next_data(&self, offset: u64, size: u64) -> u64 {
        match self.handle.next_data(offset) {
            Ok(at) => at.min(size),
            Err(Errno::NXIO) => size,
            Err(_) => offset,
        }
    }

    pub(crate) fn set_mode(&self, mode: u32) -> io::Result<()> {
        Ok(self.handle.set_mode(mode)?)
    }

    /// Sets when it was changed last, in nanoseconds since 1970.
    pub(crate) fn set_modified(&self, nanoseconds: i64) -> io::Result<()> {
        let time = (nanoseconds.div_euclid(1_000_000_000), nanoseconds.rem_euclid(1_000_000_000));
        Ok(self.handle.set_modified(time)?)
    }

    pub(crate) fn set_owner(&self, owner: u32, group: u32) -> io::Result<()> {
        Ok(self.handle.set_owner(owner, group)?)
    }

    /// Gives it the extended attributes of another, access lists among them.
    pub(crate) fn copy_attributes(&self, from: &File) -> io::Result<()> {
        for (name, value) in from.handle.attributes()? {
            self.handle.set_attribute(&name, &value)?;
        }
        Ok(())
    }

    /// Makes an empty file one with the bytes of another, which takes no room where the file system shares them.
    /// `false`: it cannot do that.
    pub(crate) fn clone_from(&self, from: &File) -> bool {
        self.handle.clone_from(&from.handle).is_ok()
    }

    /// The same open file once more.
    pub(crate) fn try_clone(&self) -> io::Result<File> {
        match &self.handle {
            Handle::Kernel(fd) => Ok(File { handle: Handle::Kernel(fd.try_clone()?) }),
            #[cfg(test)]
            Handle::Simulated(file) => Ok(File { handle: Handle::Simulated(file.clone()) }),
        }
    }

    /// Where the next sequential read begins.
    pub(crate) fn start_at(&self, offset: u64) -> io::Result<()> {
        Ok(self.handle.start_at(offset)?)
    }

    /// The standard library's file, for what needs a descriptor.
    pub fn into_std(self) -> std::fs::File {
        match self.handle {
            Handle::Kernel(fd) => fd.into(),
            #[cfg(test)]
            Handle::Simulated(_) => panic!("a simulated file has no descriptor"),
        }
    }
}

#[cfg(test)]
impl From<std::fs::File> for File {
    fn from(file: std::fs::File) -> File {
        File { handle: Handle::Kernel(file.into()) }
    }
}

impl AsRef<Handle> for File {
    fn as_ref(&self) -> &Handle {
        &self.handle
    }
}

impl Read for &File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.handle.read(buffer)?)
    }
}

impl Write for &File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.handle.write(bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A signal that came in between is no failure.
pub(super) fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

/// A file that somebody has cut while it was read: nothing is wrong with the disk.
#[derive(Debug)]
pub(crate) struct Shortened {
    pub(super) at: u64,
}

impl fmt::Display for Shortened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the file ended at byte {}, earlier than before", self.at)
    }
}

impl std::error::Error for Shortened {}

impl Shortened {
    /// Whether this is why reading failed.
    pub(crate) fn is_reason(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Shortened>())
    }
}
