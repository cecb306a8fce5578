//! A simulated disk for tests: a file system in memory behind the calls of [`super::sys`], and the world around it.
//!
//! The disk of a test lives on its thread from [`install`] to [`remove`]; while it is there, every folder that is
//! opened by a path is a simulated one. The process that runs there is real code on the test's thread; who watches its
//! calls ([`Watch`]) may let others go on in between, make a call fail, or end the process.

mod books;
mod calls;
mod chance;
mod content;
mod differential;
mod file_system;
mod leases;
mod ours;
mod power;
mod schedule;
mod tests;
mod world;
mod writers;

use std::cell::{Cell, RefCell};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use rustix::io::Errno;

use super::sys::{Flock, Lease, Open, Rename, Result, Stat};
use file_system::{Descriptor, FileSystem, Kind, Process};

thread_local! {
    static DISK: RefCell<Option<FileSystem>> = const { RefCell::new(None) };
    static WATCH: RefCell<Option<Rc<dyn Watch>>> = const { RefCell::new(None) };
    static RUNNING: Cell<Process> = const { Cell::new(Process { number: 0, user: 0 }) };
    /// Handles of another time are dead.
    static TIME: Cell<u32> = const { Cell::new(0) };
}

/// Makes this the disk of this thread.
fn install(fs: FileSystem, watch: Option<Rc<dyn Watch>>) {
    TIME.set(TIME.get() + 1);
    DISK.set(Some(fs));
    WATCH.set(watch);
}

/// Takes the disk away again.
fn remove() -> Option<FileSystem> {
    TIME.set(TIME.get() + 1);
    WATCH.set(None);
    DISK.take()
}

/// Does what `work` does on an empty disk in memory, which does all that it promises.
pub(crate) fn in_memory<T>(work: impl FnOnce() -> T) -> T {
    install(FileSystem::new(file_system::Settings::default()), None);
    let done = work();
    remove();
    done
}

/// Works on the disk of this thread.
fn with<T>(work: impl FnOnce(&mut FileSystem) -> T) -> T {
    DISK.with_borrow_mut(|disk| work(disk.as_mut().expect("a simulated disk")))
}

/// Runs as this process from here on; returns the one before.
fn run_as(process: Process) -> Process {
    RUNNING.replace(process)
}

/// A call that the running process makes.
struct Call<'a> {
    /// What is called.
    name: &'static str,
    /// The file, for people.
    about: &'a dyn Fn() -> String,
    /// Whether it changes anything on the disk.
    changes: bool,
    /// How many bytes are to be written.
    writes: usize,
}

/// What becomes of a call.
enum Order {
    Go,
    Fail(Errno),
    /// Only so many bytes are written.
    Part(usize),
}

/// Is told of every call of the real code.
trait Watch {
    /// Before it is carried out.
    fn before(&self, process: Process, call: &Call<'_>) -> Order;
    /// After it was carried out, or has failed.
    fn after(&self, process: Process, call: &Call<'_>);
    /// The process waits.
    fn pause(&self, process: Process, time: Duration);
}

fn call<T>(
    process: Process,
    call: Call<'_>,
    work: impl FnOnce(&mut FileSystem, Option<usize>) -> Result<T>,
) -> Result<T> {
    let watch = WATCH.with_borrow(Clone::clone);
    let order = watch.as_ref().map_or(Order::Go, |watch| watch.before(process, &call));
    let done = match order {
        Order::Go => with(|fs| work(fs, None)),
        Order::Part(bytes) => with(|fs| work(fs, Some(bytes))),
        Order::Fail(error) => Err(error),
    };
    with(FileSystem::tick);
    if let Some(watch) = watch {
        watch.after(process, &call);
    }
    done
}

/// The simulated disk of this thread; `None` outside of a simulation.
pub(crate) fn current() -> Option<Disk> {
    DISK.with_borrow(Option::is_some).then_some(Disk)
}

/// The disk of this thread.
pub(crate) struct Disk;

fn looks<'a>(name: &'static str, about: &'a dyn Fn() -> String) -> Call<'a> {
    Call { name, about, changes: false, writes: 0 }
}

fn changes<'a>(name: &'static str, about: &'a dyn Fn() -> String) -> Call<'a> {
    Call { name, about, changes: true, writes: 0 }
}

impl Disk {
    pub(crate) fn open_folder(&self, path: &Path) -> Result<Handle> {
        let process = RUNNING.get();
        let about = || path.display().to_string();
        call(process, looks("open_folder", &about), |fs, _| fs.open_folder_at(process, path))
            .map(|fd| Handle::new(process, fd))
    }

    pub(crate) fn open(&self, path: &Path) -> Result<Handle> {
        let process = RUNNING.get();
        let about = || path.display().to_string();
        call(process, looks("open", &about), |fs, _| fs.open_path(process, path)).map(|fd| Handle::new(process, fd))
    }

    pub(crate) fn stat(&self, path: &Path) -> Result<Stat> {
        let process = RUNNING.get();
        let about = || path.display().to_string();
        call(process, looks("stat", &about), |fs, _| Ok(fs.stat_inode(fs.walk(process, path, true)?)))
    }

    pub(crate) fn read_link(&self, path: &Path) -> Result<PathBuf> {
        let process = RUNNING.get();
        let about = || path.display().to_string();
        call(process, looks("read_link", &about), |fs, _| {
            let found = fs.walk(process, path, false)?;
            match &fs.nodes[found].kind {
                Kind::Link(target) => Ok(PathBuf::from(target)),
                _ => Err(Errno::INVAL),
            }
        })
    }

    pub(crate) fn make_folder(&self, path: &Path) -> Result<()> {
        let process = RUNNING.get();
        let about = || path.display().to_string();
        call(process, changes("make_folder", &about), |fs, _| {
            let parent = fs.walk(process, path.parent().unwrap_or(Path::new("/")), true)?;
            fs.make_folder(process, parent, path.file_name().ok_or(Errno::EXIST)?, 0o777)
        })
    }

    pub(crate) fn canonical(&self, path: &Path) -> Result<PathBuf> {
        let process = RUNNING.get();
        let about = || path.display().to_string();
        call(process, looks("canonical", &about), |fs, _| {
            fs.walk(process, path, true)?;
            let (mut folder, name) = fs.place(process, path)?;
            let mut real = vec![name];
            while let Kind::Folder { parent, .. } = fs.nodes[folder].kind
                && folder != file_system::ROOT
            {
                let names = fs.names(parent);
                let (name, _) = names.iter().find(|(_, inode)| *inode == folder).ok_or(Errno::NOENT)?;
                real.push(name.to_os_string());
                folder = parent;
            }
            Ok(Path::new("/").join(real.iter().rev().collect::<PathBuf>()))
        })
    }

    pub(crate) fn now(&self) -> i64 {
        with(|fs| fs.now()) / 1_000_000
    }

    pub(crate) fn pause(&self, time: Duration) {
        with(|fs| fs.wait(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)));
        if let Some(watch) = WATCH.with_borrow(Clone::clone) {
            watch.pause(RUNNING.get(), time);
        }
    }

    pub(crate) fn user(&self) -> u32 {
        RUNNING.get().user
    }
}

/// An open file or folder on the simulated disk.
#[derive(Debug)]
pub(crate) struct Handle {
    process: Process,
    fd: Descriptor,
    time: u32,
}

impl Drop for Handle {
    fn drop(&mut self) {
        // It may outlive its disk, and its thread's.
        if TIME.try_with(Cell::get) == Ok(self.time) {
            _ = DISK.try_with(|disk| {
                if let Ok(mut disk) = disk.try_borrow_mut()
                    && let Some(fs) = disk.as_mut()
                {
                    fs.close(self.fd);
                }
            });
        }
    }
}

/// As by `dup`.
impl Clone for Handle {
    fn clone(&self) -> Handle {
        if TIME.get() == self.time {
            with(|fs| fs.duplicate(self.fd));
        }
        Handle { process: self.process, fd: self.fd, time: self.time }
    }
}

impl Handle {
    fn new(process: Process, fd: Descriptor) -> Handle {
        Handle { process, fd, time: TIME.get() }
    }

    fn call<T>(&self, what: Call<'_>, work: impl FnOnce(&mut FileSystem, Option<usize>) -> Result<T>) -> Result<T> {
        call(self.process, what, work)
    }

    /// The name of this file, for people.
    fn name(&self) -> String {
        with(|fs| {
            let inode = fs.inode_of(self.fd);
            let name = fs.nodes.iter().find_map(|node| match &node.kind {
                Kind::Folder { now, .. } => now.iter().find(|(_, found)| Some(*found) == inode),
                _ => None,
            });
            name.map_or(format!("{inode:?} without a name"), |(name, _)| name.to_string_lossy().into_owned())
        })
    }

    pub(crate) fn open_folder(&self, name: &OsStr) -> Result<Handle> {
        let about = || name.to_string_lossy().into_owned();
        let opened = self.call(looks("open_folder", &about), |fs, _| fs.open_folder(self.process, self.fd, name));
        opened.map(|fd| Handle::new(self.process, fd))
    }

    pub(crate) fn make_folder(&self, name: &OsStr, mode: u32) -> Result<()> {
        let about = || name.to_string_lossy().into_owned();
        self.call(changes("make_folder", &about), |fs, _| {
            fs.make_folder(self.process, fs.inode_of(self.fd).ok_or(Errno::BADF)?, name, mode)
        })
    }

    pub(crate) fn open(&self, name: &OsStr, how: Open) -> Result<Handle> {
        let about = || format!("{} {how:?}", name.to_string_lossy());
        let changes = matches!(how, Open::Create(_) | Open::AppendOrCreate(_));
        let what = Call { name: "open", about: &about, changes, writes: 0 };
        let opened = self.call(what, |fs, _| fs.open(self.process, self.fd, name, how));
        opened.map(|fd| Handle::new(self.process, fd))
    }

    pub(crate) fn names(&self) -> Result<Vec<OsString>> {
        self.call(looks("names", &|| self.name()), |fs, _| fs.list(self.fd))
    }

    pub(crate) fn stat(&self) -> Result<Stat> {
        self.call(looks("stat", &|| self.name()), |fs, _| fs.stat(self.fd))
    }

    pub(crate) fn stat_at(&self, name: &OsStr) -> Result<Stat> {
        let about = || name.to_string_lossy().into_owned();
        self.call(looks("stat_at", &about), |fs, _| fs.stat_at(self.process, self.fd, name))
    }

    pub(crate) fn rename(&self, from: &OsStr, folder: &Handle, to: &OsStr, how: Rename) -> Result<()> {
        let about = || format!("{} to {} {how:?}", from.to_string_lossy(), to.to_string_lossy());
        self.call(changes("rename", &about), |fs, _| {
            let (one, other) = self.two(folder, fs)?;
            fs.rename(self.process, (one, from), (other, to), how)
        })
    }

    pub(crate) fn link(&self, name: &OsStr, folder: &Handle, to: &OsStr) -> Result<()> {
        let about = || format!("{} to {}", name.to_string_lossy(), to.to_string_lossy());
        self.call(changes("link", &about), |fs, _| {
            let (one, other) = self.two(folder, fs)?;
            fs.link(self.process, (one, name), (other, to))
        })
    }

    fn two(&self, other: &Handle, fs: &FileSystem) -> Result<(usize, usize)> {
        fs.inode_of(self.fd).zip(fs.inode_of(other.fd)).ok_or(Errno::BADF)
    }

    pub(crate) fn unlink(&self, name: &OsStr) -> Result<()> {
        let about = || name.to_string_lossy().into_owned();
        self.call(changes("unlink", &about), |fs, _| {
            fs.unlink(self.process, fs.inode_of(self.fd).ok_or(Errno::BADF)?, name)
        })
    }

    pub(crate) fn remove_folder(&self, name: &OsStr) -> Result<()> {
        let about = || name.to_string_lossy().into_owned();
        self.call(changes("remove_folder", &about), |fs, _| {
            fs.remove_folder(self.process, fs.inode_of(self.fd).ok_or(Errno::BADF)?, name)
        })
    }

    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let about = || format!("{} at {offset}", self.name());
        self.call(looks("read_at", &about), |fs, _| fs.read_at(self.fd, buffer, offset))
    }

    pub(crate) fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        self.call(looks("read", &|| self.name()), |fs, _| fs.read(self.fd, buffer))
    }

    pub(crate) fn write_at(&self, bytes: &[u8], offset: u64) -> Result<usize> {
        let about = || format!("{} bytes to {} at {offset}", bytes.len(), self.name());
        let what = Call { name: "write_at", about: &about, changes: true, writes: bytes.len() };
        self.call(what, |fs, most| fs.write_at(self.fd, &bytes[..most.unwrap_or(bytes.len())], offset))
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> Result<usize> {
        let about = || format!("{} bytes to {}", bytes.len(), self.name());
        let what = Call { name: "write", about: &about, changes: true, writes: bytes.len() };
        self.call(what, |fs, most| fs.write(self.fd, &bytes[..most.unwrap_or(bytes.len())]))
    }

    pub(crate) fn truncate(&self, size: u64) -> Result<()> {
        let about = || format!("{} to {size}", self.name());
        self.call(changes("truncate", &about), |fs, _| fs.truncate(self.fd, size))
    }

    pub(crate) fn sync(&self) -> Result<()> {
        self.call(looks("sync", &|| self.name()), |fs, _| {
            fs.sync(fs.inode_of(self.fd).ok_or(Errno::BADF)?);
            Ok(())
        })
    }

    pub(crate) fn next_data(&self, offset: u64) -> Result<u64> {
        self.call(looks("seek", &|| self.name()), |fs, _| fs.next_data(self.fd, offset))
    }

    pub(crate) fn start_at(&self, offset: u64) -> Result<()> {
        with(|fs| fs.move_to(self.fd, offset));
        Ok(())
    }

    pub(crate) fn flock(&self, how: Flock) -> Result<()> {
        self.call(looks("flock", &|| self.name()), |fs, _| fs.flock(self.fd, how))
    }

    pub(crate) fn lease(&self, kind: Lease) -> Result<()> {
        let about = || format!("{} {kind:?}", self.name());
        self.call(looks("lease", &about), |fs, _| fs.lease(self.process, self.fd, kind))
    }

    pub(crate) fn is_leased(&self, kind: Lease) -> bool {
        let leased = self.call(looks("is_leased", &|| self.name()), |fs, _| Ok(fs.is_leased(self.fd, kind)));
        leased.unwrap_or(false)
    }

    pub(crate) fn unlease(&self) {
        let given_back = self.call(looks("unlease", &|| self.name()), |fs, _| {
            fs.unlease(self.fd);
            Ok(())
        });
        // The process has ended, and so has its lease.
        _ = given_back;
    }

    pub(crate) fn set_mode(&self, mode: u32) -> Result<()> {
        self.call(changes("set_mode", &|| self.name()), |fs, _| fs.set_mode(self.process, self.fd, mode))
    }

    pub(crate) fn set_owner(&self, owner: u32, group: u32) -> Result<()> {
        self.call(changes("set_owner", &|| self.name()), |fs, _| fs.set_owner(self.process, self.fd, owner, group))
    }

    pub(crate) fn attributes(&self) -> Result<Vec<(OsString, Vec<u8>)>> {
        self.call(looks("attributes", &|| self.name()), |fs, _| fs.attributes(self.fd))
    }

    pub(crate) fn attribute(&self, name: &OsStr) -> Result<Vec<u8>> {
        let attributes = self.attributes()?;
        attributes.into_iter().find_map(|(known, value)| (known == name).then_some(value)).ok_or(Errno::NODATA)
    }

    pub(crate) fn remove_attribute(&self, name: &OsStr) -> Result<()> {
        self.call(changes("remove_attribute", &|| self.name()), |fs, _| fs.remove_attribute(self.fd, name))
    }

    pub(crate) fn set_modified(&self, modified: (i64, i64)) -> Result<()> {
        let changed = |fs: &mut FileSystem, _: Option<usize>| fs.set_modified(self.process, self.fd, modified);
        self.call(changes("set_modified", &|| self.name()), changed)
    }

    pub(crate) fn set_attribute(&self, name: &OsStr, value: &[u8]) -> Result<()> {
        self.call(changes("set_attribute", &|| self.name()), |fs, _| fs.set_attribute(self.fd, name, value))
    }

    pub(crate) fn free(&self) -> Result<u64> {
        self.call(looks("free", &|| self.name()), |fs, _| Ok(fs.free()))
    }
}
