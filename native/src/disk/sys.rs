//! The calls to the kernel that logs and backups need, one function each, and a second implementation of them for
//! tests: the simulated disk.
//!
//! Nothing is decided here: names, flags and errors are the kernel's. What the calls are put together to lives in
//! [`super::Folder`] and its neighbours.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{self, AtFlags, FlockOperation, Mode, OFlags, RenameFlags, SeekFrom, StatxFlags};
use rustix::io::Errno;

#[cfg(test)]
use super::simulated;

pub(crate) use super::lease::Lease;

/// What the calls return.
pub(crate) type Result<T> = rustix::io::Result<T>;

/// An open file or folder.
#[derive(Debug)]
pub(crate) enum Handle {
    Kernel(OwnedFd),
    #[cfg(test)]
    Simulated(simulated::Handle),
}

/// What the kernel tells of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// The device's number.
    pub device: u64,
    /// The inode's number.
    pub inode: u64,
    /// Type and permission bits.
    pub mode: u32,
    /// How many names it has.
    pub links: u64,
    /// The user it belongs to.
    pub owner: u32,
    /// The group it belongs to.
    pub group: u32,
    /// In bytes.
    pub size: u64,
    /// Allocated, in bytes.
    pub allocated: u64,
    /// When the content was changed; seconds and nanoseconds since 1970.
    pub modified: (i64, i64),
    /// When content or inode were changed; seconds and nanoseconds since 1970.
    pub changed: (i64, i64),
    /// Which device a device file stands for.
    pub stands_for: u64,
}

impl Stat {
    fn kind(&self) -> u32 {
        self.mode & libc::S_IFMT
    }

    /// When the content was changed, in milliseconds since 1970.
    pub(crate) fn modified_ms(&self) -> i64 {
        self.modified.0.saturating_mul(1000).saturating_add(self.modified.1 / 1_000_000)
    }

    /// A run of root's was killed before it gave this to whom it was made for; only root can do that now.
    pub(crate) fn was_not_given_to(&self, like: &Stat) -> bool {
        user() == 0 && self.owner == 0 && like.owner != 0
    }

    pub(crate) fn is_file(&self) -> bool {
        self.kind() == libc::S_IFREG
    }

    pub(crate) fn is_folder(&self) -> bool {
        self.kind() == libc::S_IFDIR
    }

    pub(crate) fn is_link(&self) -> bool {
        self.kind() == libc::S_IFLNK
    }

    pub(crate) fn is_pipe(&self) -> bool {
        self.kind() == libc::S_IFIFO
    }

    pub(crate) fn is_socket(&self) -> bool {
        self.kind() == libc::S_IFSOCK
    }

    pub(crate) fn is_null_device(&self) -> bool {
        self.kind() == libc::S_IFCHR && self.stands_for == fs::makedev(1, 3)
    }
}

/// What a file is opened for. No call follows a link in the last component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open {
    /// To read; a pipe is not waited for.
    Read,
    /// To read and to write at offsets.
    Write,
    /// To read, and to write at the end alone.
    Append,
    /// The same; made with this mode, less the umask, when it is not there.
    AppendOrCreate(u32),
    /// To read and write; it must not be there yet, and gets this mode.
    Create(u32),
}

/// What a rename does with the name that it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rename {
    Replace,
    NoReplace,
    Exchange,
}

/// `flock`, which never waits here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flock {
    Exclusive,
    Shared,
}

/// Calls the kernel, or the simulated disk.
macro_rules! call {
    ($handle:expr, $kernel:ident => $real:expr, $sim:ident => $simulated:expr) => {
        match $handle {
            Handle::Kernel($kernel) => $real,
            #[cfg(test)]
            Handle::Simulated($sim) => $simulated,
        }
    };
}

/// The same for two folders, which are always of one kind.
macro_rules! call_two {
    ($one:expr, $other:expr, $k1:ident, $k2:ident => $real:expr, $s1:ident, $s2:ident => $simulated:expr) => {
        match ($one, $other) {
            (Handle::Kernel($k1), Handle::Kernel($k2)) => $real,
            #[cfg(test)]
            (Handle::Simulated($s1), Handle::Simulated($s2)) => $simulated,
            #[cfg(test)]
            _ => Err(Errno::XDEV),
        }
    };
}

pub(crate) fn open_folder(path: &Path) -> Result<Handle> {
    #[cfg(test)]
    if let Some(disk) = simulated::current() {
        return disk.open_folder(path).map(Handle::Simulated);
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    fs::open(path, flags, Mode::empty()).map(Handle::Kernel)
}

/// Opens what the path leads to, links followed, to read; a pipe is not waited for.
pub(crate) fn open(path: &Path) -> Result<Handle> {
    #[cfg(test)]
    if let Some(disk) = simulated::current() {
        return disk.open(path).map(Handle::Simulated);
    }
    fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty()).map(Handle::Kernel)
}

/// Links are followed.
pub(crate) fn stat(path: &Path) -> Result<Stat> {
    #[cfg(test)]
    if let Some(disk) = simulated::current() {
        return disk.stat(path);
    }
    fs::stat(path).map(|stat| of_kernel(&stat))
}

/// What the link at the path says; `INVAL` when there is something else.
pub(crate) fn read_link(path: &Path) -> Result<PathBuf> {
    #[cfg(test)]
    if let Some(disk) = simulated::current() {
        return disk.read_link(path);
    }
    fs::readlink(path, Vec::new()).map(|target| PathBuf::from(OsString::from_vec(target.into_bytes())))
}

/// Makes one folder, with the mode 0777 less the umask; its parent must be there.
pub(crate) fn make_folder(path: &Path) -> Result<()> {
    #[cfg(test)]
    if let Some(disk) = simulated::current() {
        return disk.make_folder(path);
    }
    fs::mkdir(path, Mode::from_raw_mode(0o777))
}

/// The path without links; all of it must be there.
pub(crate) fn canonical(path: &Path) -> std::io::Result<PathBuf> {
    #[cfg(test)]
    if let Some(disk) = simulated::current() {
        return disk.canonical(path).map_err(Into::into);
    }
    std::fs::canonicalize(path)
}

/// Milliseconds since 1970.
pub(crate) fn now() -> i64 {
    #[cfg(test)]
    if let Some(disk) = simulated::current() {
        return disk.now();
    }
    jiff::Timestamp::now().as_millisecond()
}

/// Lets the others go on for a while.
pub(crate) fn pause(time: Duration) {
    #[cfg(test)]
    if let Some(disk) = simulated::current() {
        return disk.pause(time);
    }
    std::thread::sleep(time);
}

/// The effective user.
pub(crate) fn user() -> u32 {
    #[cfg(test)]
    if let Some(disk) = simulated::current() {
        return disk.user();
    }
    rustix::process::geteuid().as_raw()
}

impl Handle {
    pub(crate) fn open_folder(&self, name: &OsStr) -> Result<Handle> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        call!(self, fd => fs::openat(fd, name, flags, Mode::empty()).map(Handle::Kernel),
            sim => sim.open_folder(name).map(Handle::Simulated))
    }

    pub(crate) fn make_folder(&self, name: &OsStr, mode: u32) -> Result<()> {
        call!(self, fd => fs::mkdirat(fd, name, Mode::from_raw_mode(mode)), sim => sim.make_folder(name, mode))
    }

    pub(crate) fn open(&self, name: &OsStr, how: Open) -> Result<Handle> {
        let common = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let (flags, mode) = match how {
            Open::Read => (OFlags::RDONLY, 0),
            Open::Write => (OFlags::RDWR, 0),
            Open::Append => (OFlags::RDWR | OFlags::APPEND, 0),
            Open::AppendOrCreate(mode) => (OFlags::RDWR | OFlags::APPEND | OFlags::CREATE, mode),
            Open::Create(mode) => (OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, mode),
        };
        call!(self, fd => fs::openat(fd, name, flags | common, Mode::from_raw_mode(mode)).map(Handle::Kernel),
            sim => sim.open(name, how).map(Handle::Simulated))
    }

    /// The names in this folder, `.` and `..` left out, in no order.
    pub(crate) fn names(&self) -> Result<Vec<OsString>> {
        let list = |fd: &OwnedFd| {
            let mut names = Vec::new();
            for entry in fs::Dir::read_from(fd)? {
                let entry = entry?;
                let name = entry.file_name().to_bytes();
                if !matches!(name, b"." | b"..") {
                    names.push(OsString::from_vec(name.to_vec()));
                }
            }
            Ok(names)
        };
        call!(self, fd => list(fd), sim => sim.names())
    }

    pub(crate) fn stat(&self) -> Result<Stat> {
        call!(self, fd => fs::fstat(fd).map(|stat| of_kernel(&stat)), sim => sim.stat())
    }

    /// A link is not followed.
    pub(crate) fn stat_at(&self, name: &OsStr) -> Result<Stat> {
        call!(self, fd => fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW).map(|stat| of_kernel(&stat)),
            sim => sim.stat_at(name))
    }

    pub(crate) fn rename(&self, from: &OsStr, folder: &Handle, to: &OsStr, how: Rename) -> Result<()> {
        let flags = match how {
            Rename::Replace => RenameFlags::empty(),
            Rename::NoReplace => RenameFlags::NOREPLACE,
            Rename::Exchange => RenameFlags::EXCHANGE,
        };
        call_two!(self, folder,
            one, other => match flags.is_empty() {
                true => fs::renameat(one, from, other, to),
                false => fs::renameat_with(one, from, other, to, flags),
            },
            one, other => one.rename(from, other, to, how))
    }

    pub(crate) fn link(&self, name: &OsStr, folder: &Handle, to: &OsStr) -> Result<()> {
        call_two!(self, folder, one, other => fs::linkat(one, name, other, to, AtFlags::empty()),
            one, other => one.link(name, other, to))
    }

    pub(crate) fn unlink(&self, name: &OsStr) -> Result<()> {
        call!(self, fd => fs::unlinkat(fd, name, AtFlags::empty()), sim => sim.unlink(name))
    }

    pub(crate) fn remove_folder(&self, name: &OsStr) -> Result<()> {
        call!(self, fd => fs::unlinkat(fd, name, AtFlags::REMOVEDIR), sim => sim.remove_folder(name))
    }

    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        call!(self, fd => rustix::io::pread(fd, buffer, offset), sim => sim.read_at(buffer, offset))
    }

    /// Where the next [`Handle::read`] begins.
    pub(crate) fn start_at(&self, offset: u64) -> Result<()> {
        call!(self, fd => fs::seek(fd, SeekFrom::Start(offset)).map(drop), sim => sim.start_at(offset))
    }

    /// The next bytes from where the last call of this kind ended.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        call!(self, fd => rustix::io::read(fd, buffer), sim => sim.read(buffer))
    }

    pub(crate) fn write_at(&self, bytes: &[u8], offset: u64) -> Result<usize> {
        call!(self, fd => rustix::io::pwrite(fd, bytes, offset), sim => sim.write_at(bytes, offset))
    }

    /// At the end where the file is open to append, else behind what was written last.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<usize> {
        call!(self, fd => rustix::io::write(fd, bytes), sim => sim.write(bytes))
    }

    pub(crate) fn truncate(&self, size: u64) -> Result<()> {
        call!(self, fd => fs::ftruncate(fd, size), sim => sim.truncate(size))
    }

    /// Shares the bytes of another file (`FICLONE`).
    pub(crate) fn clone_from(&self, from: &Handle) -> Result<()> {
        call_two!(self, from, one, other => fs::ioctl_ficlone(one, other), _one, _other => Err(Errno::OPNOTSUPP))
    }

    /// Content and size, or the names in a folder, survive a power cut.
    pub(crate) fn sync(&self) -> Result<()> {
        call!(self, fd => fs::fsync(fd), sim => sim.sync())
    }

    /// The offset of the next data at or after `offset`; `NXIO` when there is none.
    pub(crate) fn next_data(&self, offset: u64) -> Result<u64> {
        call!(self, fd => fs::seek(fd, SeekFrom::Data(offset)), sim => sim.next_data(offset))
    }

    pub(crate) fn flock(&self, how: Flock) -> Result<()> {
        let operation = match how {
            Flock::Exclusive => FlockOperation::NonBlockingLockExclusive,
            Flock::Shared => FlockOperation::NonBlockingLockShared,
        };
        call!(self, fd => fs::flock(fd, operation), sim => sim.flock(how))
    }

    /// Asks for a lease, or changes the one that is held.
    ///
    /// `AGAIN`: somebody has the file open in a way that the lease excludes. Any other error: the kernel gives none
    /// here.
    pub(crate) fn lease(&self, kind: Lease) -> Result<()> {
        call!(self, fd => super::lease::set(fd, kind), sim => sim.lease(kind))
    }

    /// Whether the lease of this kind still stands and nobody waits for it.
    pub(crate) fn is_leased(&self, kind: Lease) -> bool {
        call!(self, fd => super::lease::stands(fd, kind), sim => sim.is_leased(kind))
    }

    /// Gives the lease back: whoever waits goes on.
    pub(crate) fn unlease(&self) {
        call!(self, fd => super::lease::give_back(fd), sim => sim.unlease());
    }

    pub(crate) fn set_mode(&self, mode: u32) -> Result<()> {
        call!(self, fd => fs::fchmod(fd, Mode::from_raw_mode(mode)), sim => sim.set_mode(mode))
    }

    pub(crate) fn set_owner(&self, owner: u32, group: u32) -> Result<()> {
        call!(self,
            fd => fs::fchown(fd, Some(fs::Uid::from_raw(owner)), Some(fs::Gid::from_raw(group))),
            sim => sim.set_owner(owner, group))
    }

    /// Names and values of the extended attributes.
    pub(crate) fn attributes(&self) -> Result<Vec<(OsString, Vec<u8>)>> {
        call!(self, fd => attributes(fd), sim => sim.attributes())
    }

    /// The value of one of them; `NODATA` when it is not there.
    pub(crate) fn attribute(&self, name: &OsStr) -> Result<Vec<u8>> {
        call!(self, fd => attribute(fd, name), sim => sim.attribute(name))
    }

    pub(crate) fn remove_attribute(&self, name: &OsStr) -> Result<()> {
        call!(self, fd => fs::fremovexattr(fd, name), sim => sim.remove_attribute(name))
    }

    pub(crate) fn set_attribute(&self, name: &OsStr, value: &[u8]) -> Result<()> {
        let flags = fs::XattrFlags::empty();
        call!(self, fd => fs::fsetxattr(fd, name, value, flags), sim => sim.set_attribute(name, value))
    }

    /// Sets when content was read and changed last, in seconds and nanoseconds since 1970.
    pub(crate) fn set_modified(&self, modified: (i64, i64)) -> Result<()> {
        let time = fs::Timespec { tv_sec: modified.0, tv_nsec: modified.1 };
        let times = fs::Timestamps { last_access: time, last_modification: time };
        call!(self, fd => fs::futimens(fd, &times), sim => sim.set_modified(modified))
    }

    /// The mount that it was opened through; `None` where the kernel does not tell, and on the simulated disk, which
    /// has one.
    pub(crate) fn mount(&self) -> Option<u64> {
        let of = |fd: &OwnedFd| {
            let seen = fs::statx(fd, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).ok()?;
            (seen.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(seen.stx_mnt_id)
        };
        call!(self, fd => of(fd), _sim => None)
    }

    /// Bytes that an ordinary user may still write there.
    pub(crate) fn free(&self) -> Result<u64> {
        call!(self, fd => fs::fstatvfs(fd).map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize)), sim => sim.free())
    }
}

/// The longest value that the kernel keeps, in bytes (Linux `XATTR_SIZE_MAX`).
const LONGEST_ATTRIBUTE: usize = 1 << 16;

fn attribute(fd: &OwnedFd, name: &OsStr) -> Result<Vec<u8>> {
    let mut value = vec![0; LONGEST_ATTRIBUTE];
    let length = fs::fgetxattr(fd, name, &mut value[..])?;
    value.truncate(length);
    Ok(value)
}

fn attributes(fd: &OwnedFd) -> Result<Vec<(OsString, Vec<u8>)>> {
    let mut names = vec![0; 1 << 16];
    let length = match fs::flistxattr(fd, &mut names[..]) {
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        length => length?,
    };
    let names = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()).map(OsStr::from_bytes);
    names.map(|name| Ok((name.to_owned(), attribute(fd, name)?))).collect()
}

fn of_kernel(stat: &fs::Stat) -> Stat {
    let time = |seconds, nanoseconds| (seconds, i64::try_from(nanoseconds).unwrap_or(0));
    Stat {
        device: stat.st_dev,
        inode: stat.st_ino,
        mode: stat.st_mode,
        links: stat.st_nlink,
        owner: stat.st_uid,
        group: stat.st_gid,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        allocated: u64::try_from(stat.st_blocks).unwrap_or(0) * 512,
        modified: time(stat.st_mtime, stat.st_mtime_nsec),
        changed: time(stat.st_ctime, stat.st_ctime_nsec),
        stands_for: stat.st_rdev,
    }
}
