//! The simulated file system itself: inodes, names, open files, leases, locks, space and time.
//!
//! Calls are given as the kernel gives them; who calls is an argument. What a power cut leaves is decided in
//! [`super::power`].

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};
use std::rc::Rc;

use rustix::io::Errno;

use super::super::sys::{Flock, Lease, Result};
use super::content::{Change, Content};
use super::power::{Pending, Set};

/// A process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) number: u32,
    pub(crate) user: u32,
}

/// The index of an inode; none is ever used again.
pub(crate) type Inode = usize;

/// The index of an open file; none is ever used again.
pub(crate) type Descriptor = usize;

/// A folder's names, few enough to be looked through.
pub(crate) type Names = Vec<(Rc<OsStr>, Inode)>;

/// How this disk is.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The unit of holes and of space, in bytes.
    pub(crate) block: u64,
    /// What `F_SETLEASE` answers, if it is an error.
    pub(crate) leases: std::result::Result<(), Errno>,
    /// Whether `RENAME_EXCHANGE` is there.
    pub(crate) exchange: bool,
    /// Whether `RENAME_NOREPLACE` is there.
    pub(crate) no_replace: bool,
    /// Whether a file may have two names.
    pub(crate) links: bool,
    /// Bytes for content in all.
    pub(crate) room: u64,
    /// One journal for all names, kept in order; else each folder is written by itself and in any order.
    pub(crate) journal: bool,
    /// What it only says it does.
    pub(crate) lie: Option<Lie>,
    /// How many files of a set Papyra reads. The disk does not mind; the books do.
    pub(crate) files: u32,
}

/// A promise that a disk does not keep. A simulation that finds nothing on such a disk is no good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    /// `fsync` of a file does nothing.
    FileSync,
    /// `fsync` of a folder does nothing.
    FolderSync,
    /// A lease is given whoever has the file open.
    LeaseOnBusyFile,
    /// Nobody waits for a lease.
    LeaseKeepsNobodyOut,
    /// An exchange only renames the one over the other.
    ExchangeReplaces,
}

impl Lie {
    pub(crate) const ALL: [Lie; 5] =
        [Lie::FileSync, Lie::FolderSync, Lie::LeaseOnBusyFile, Lie::LeaseKeepsNobodyOut, Lie::ExchangeReplaces];
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            block: 4096,
            leases: Ok(()),
            exchange: true,
            no_replace: true,
            links: true,
            room: u64::MAX,
            journal: true,
            lie: None,
            files: u32::MAX,
        }
    }
}

/// What an inode is.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    File { now: Content, synced: Content, since: Vec<Change> },
    Folder { now: Names, durable: Names, parent: Inode, device: u64 },
    Link(OsString),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) mode: u32,
    pub(crate) owner: u32,
    pub(crate) group: u32,
    pub(crate) attributes: Vec<(OsString, Vec<u8>)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) meta: Meta,
    pub(crate) durable_meta: Meta,
    pub(crate) links: u64,
    /// Nanoseconds since 1970.
    pub(super) modified: i64,
    pub(super) changed: i64,
    pub(super) readers: u32,
    pub(super) writers: u32,
    pub(super) leases: Vec<Held>,
    /// Whether it is a mount point of its own, which cannot be renamed.
    pub(crate) is_mount: bool,
}

/// A lease.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) by: Descriptor,
    pub(super) kind: Lease,
    /// What it is to be broken to (`None`: nothing), and when it will be.
    pub(super) breaking: Option<(Option<Lease>, i64)>,
}

/// What an open file is open for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) append: bool,
    /// As by `O_TRUNC`: emptied once it is open.
    pub(crate) empty: bool,
}

impl Access {
    pub(crate) const READ: Access = Access { read: true, write: false, append: false, empty: false };
    pub(crate) const APPEND: Access = Access { read: false, write: true, append: true, empty: false };
    pub(crate) const EMPTY: Access = Access { read: false, write: true, append: false, empty: true };
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Opened {
    pub(super) inode: Inode,
    process: u32,
    pub(super) access: Access,
    pub(super) position: u64,
    /// How many handles there are to it.
    handles: u32,
    pub(super) lock: Option<Flock>,
    /// It waits for a lease.
    waits: bool,
}

/// The file system.
#[derive(Debug)]
pub(crate) struct FileSystem {
    pub(crate) settings: Settings,
    pub(crate) nodes: Vec<Node>,
    pub(crate) pending: Vec<Pending>,
    pub(super) opened: Vec<Option<Opened>>,
    /// Nanoseconds since 1970.
    pub(super) clock: i64,
}

/// How long a lease stands that somebody waits for.
pub(super) const BREAK_TIME: i64 = 45_000_000_000;

/// A kernel's tick, by which it stamps files.
const TICK: i64 = 4_000_000;

/// What a call takes.
const CALL: i64 = 10_000;

pub(super) const UMASK: u32 = 0o022;

pub(crate) const ROOT: Inode = 0;

impl FileSystem {
    pub(crate) fn new(settings: Settings) -> FileSystem {
        let mut fs = FileSystem {
            settings,
            nodes: Vec::new(),
            pending: Vec::new(),
            opened: Vec::new(),
            clock: 1_700_000_000_000_000_000,
        };
        let root = Kind::Folder { now: Vec::new(), durable: Vec::new(), parent: ROOT, device: 1 };
        fs.add(root, 0o777, 0);
        fs
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock
    }

    pub(crate) fn wait(&mut self, nanoseconds: i64) {
        self.clock += nanoseconds;
    }

    pub(crate) fn tick(&mut self) {
        self.clock += CALL;
    }

    pub(super) fn stamp(&self) -> i64 {
        self.clock / TICK * TICK
    }

    pub(super) fn add(&mut self, kind: Kind, mode: u32, owner: u32) -> Inode {
        let meta = Meta { mode, owner, group: owner, attributes: Vec::new() };
        let stamp = self.stamp();
        self.nodes.push(Node {
            kind,
            durable_meta: meta.clone(),
            meta,
            links: 0,
            modified: stamp,
            changed: stamp,
            readers: 0,
            writers: 0,
            leases: Vec::new(),
            is_mount: false,
        });
        self.nodes.len() - 1
    }

    /// An inode without a name.
    pub(crate) fn new_file(&mut self, mode: u32, owner: u32) -> Inode {
        let kind = Kind::File { now: Content::default(), synced: Content::default(), since: Vec::new() };
        self.add(kind, mode, owner)
    }

    pub(crate) fn names(&self, folder: Inode) -> &Names {
        match &self.nodes[folder].kind {
            Kind::Folder { now, .. } => now,
            _ => panic!("no folder"),
        }
    }

    pub(crate) fn content(&self, inode: Inode) -> Option<&Content> {
        match &self.nodes[inode].kind {
            Kind::File { now, .. } => Some(now),
            _ => None,
        }
    }

    /// The content as it was when it was last synced; `None` when it has changed since.
    pub(crate) fn synced(&self, inode: Inode) -> Option<&Content> {
        match &self.nodes[inode].kind {
            Kind::File { synced, since, .. } if since.is_empty() => Some(synced),
            _ => None,
        }
    }

    pub(super) fn device(&self, folder: Inode) -> u64 {
        match &self.nodes[folder].kind {
            Kind::Folder { device, .. } => *device,
            _ => 0,
        }
    }

    pub(super) fn is_folder(&self, inode: Inode) -> bool {
        matches!(self.nodes[inode].kind, Kind::Folder { .. })
    }

    // Names.

    pub(crate) fn lookup(&self, folder: Inode, name: &OsStr) -> Option<Inode> {
        self.names(folder).iter().find(|(known, _)| &**known == name).map(|(_, inode)| *inode)
    }

    /// The inode that the last component is, a link there not followed.
    pub(super) fn at(&self, who: Process, folder: Inode, name: &OsStr) -> Result<Inode> {
        self.may_enter(who, folder)?;
        match name.as_bytes() {
            b"" => Err(Errno::NOENT),
            b"." => Ok(folder),
            name if name.len() > 255 => Err(Errno::NAMETOOLONG),
            _ => self.lookup(folder, name).ok_or(Errno::NOENT),
        }
    }

    /// Where a path leads, links followed, the last one only if asked to.
    pub(crate) fn walk(&self, who: Process, path: &Path, follow_last: bool) -> Result<Inode> {
        self.walk_from(who, ROOT, path, follow_last, 0)
    }

    fn walk_from(&self, who: Process, from: Inode, path: &Path, follow_last: bool, depth: u32) -> Result<Inode> {
        if depth > 40 {
            return Err(Errno::LOOP);
        }
        let mut at = from;
        let mut rest = path.components();
        while let Some(component) = rest.next() {
            let name = match component {
                Component::RootDir => {
                    at = ROOT;
                    continue;
                }
                Component::Normal(name) => name,
                Component::ParentDir => {
                    if let Kind::Folder { parent, .. } = self.nodes[at].kind {
                        at = parent;
                        continue;
                    }
                    return Err(Errno::NOTDIR);
                }
                _ => continue,
            };
            if !self.is_folder(at) {
                return Err(Errno::NOTDIR);
            }
            let found = self.at(who, at, name)?;
            let is_last = rest.as_path().as_os_str().is_empty();
            at = match &self.nodes[found].kind {
                Kind::Link(target) if !is_last || follow_last => {
                    self.walk_from(who, at, Path::new(target), true, depth + 1)?
                }
                _ => found,
            };
        }
        Ok(at)
    }

    /// The folder and the name that a path means, links in the last component followed, whether it is there or not.
    pub(crate) fn place(&self, who: Process, path: &Path) -> Result<(Inode, OsString)> {
        let mut path = path.to_owned();
        for _ in 0..40 {
            let parent = self.walk(who, path.parent().unwrap_or(Path::new("/")), true)?;
            let name = path.file_name().ok_or(Errno::ISDIR)?.to_owned();
            let target = match self.lookup(parent, &name).map(|found| &self.nodes[found].kind) {
                Some(Kind::Link(target)) => target,
                _ => return Ok((parent, name)),
            };
            path = path.parent().unwrap_or(Path::new("/")).join(target);
        }
        Err(Errno::LOOP)
    }

    /// Changes names, all at once: now, and for the power cut some time after.
    pub(crate) fn set_names(&mut self, sets: Vec<Set>) {
        for Set { folder, name, inode } in &sets {
            let old = self.lookup(*folder, name);
            if let Some(old) = old {
                self.nodes[old].links -= 1;
            }
            if let Some(new) = *inode {
                self.nodes[new].links += 1;
            }
            let Kind::Folder { now, .. } = &mut self.nodes[*folder].kind else { panic!("no folder") };
            set_name(now, name, *inode);
        }
        // A name that went to another place in the same step was never without one.
        let stamp = self.stamp();
        for set in &sets {
            self.nodes[set.folder].modified = stamp;
            self.nodes[set.folder].changed = stamp;
            if let Some(inode) = set.inode {
                self.nodes[inode].changed = stamp;
            }
        }
        self.pending.push(Pending { sets });
    }

    /// The bytes that are taken, files that are open and have no name among them.
    pub(super) fn used(&self) -> u64 {
        let block = self.settings.block;
        let taken = |node: &Node| match &node.kind {
            Kind::File { now, .. } if node.links > 0 || node.readers + node.writers > 0 => now.allocated(block),
            _ => 0,
        };
        self.nodes.iter().map(taken).sum()
    }

    // Permissions.

    pub(super) fn may(&self, who: Process, inode: Inode, bit: u32) -> Result<()> {
        let meta = &self.nodes[inode].meta;
        let shift = if meta.owner == who.user { 6 } else { 0 };
        if who.user == 0 || meta.mode >> shift & bit == bit { Ok(()) } else { Err(Errno::ACCESS) }
    }

    pub(super) fn may_enter(&self, who: Process, folder: Inode) -> Result<()> {
        if !self.is_folder(folder) {
            return Err(Errno::NOTDIR);
        }
        self.may(who, folder, 1)
    }

    pub(super) fn may_change(&self, who: Process, folder: Inode) -> Result<()> {
        self.may(who, folder, 3)
    }

    // Opening.

    pub(crate) fn open_inode(&mut self, who: Process, inode: Inode, access: Access) -> Descriptor {
        let node = &mut self.nodes[inode];
        match access.write {
            true => node.writers += 1,
            false => node.readers += 1,
        }
        let opened = Opened { inode, process: who.number, access, position: 0, handles: 1, lock: None, waits: false };
        self.opened.push(Some(opened));
        self.opened.len() - 1
    }

    /// Begins to open an inode that a path led to. It may have to wait for a lease: see [`FileSystem::waits`].
    pub(crate) fn begin_open(&mut self, who: Process, inode: Inode, access: Access) -> Result<Descriptor> {
        self.may(who, inode, u32::from(access.read) << 2 | u32::from(access.write) << 1)?;
        if self.is_folder(inode) {
            return Err(Errno::ISDIR);
        }
        let fd = self.open_inode(who, inode, access);
        if let Some(opened) = &mut self.opened[fd] {
            opened.waits = true;
        }
        self.waits(fd);
        Ok(fd)
    }

    /// Whether an open that was begun still waits.
    pub(crate) fn waits(&mut self, fd: Descriptor) -> bool {
        let Some(Opened { inode, access, waits: true, .. }) = self.opened.get(fd).copied().flatten() else {
            return false;
        };
        if self.break_leases(inode, access.write, fd) {
            return true;
        }
        if let Some(opened) = &mut self.opened[fd] {
            opened.waits = false;
        }
        if access.empty {
            self.cut(inode, 0);
        }
        false
    }

    pub(crate) fn duplicate(&mut self, fd: Descriptor) {
        if let Some(Some(opened)) = self.opened.get_mut(fd) {
            opened.handles += 1;
        }
    }

    pub(crate) fn close(&mut self, fd: Descriptor) {
        if let Some(Some(opened)) = self.opened.get_mut(fd)
            && opened.handles > 1
        {
            opened.handles -= 1;
            return;
        }
        let Some(opened) = self.opened.get_mut(fd).and_then(Option::take) else { return };
        let node = &mut self.nodes[opened.inode];
        match opened.access.write {
            true => node.writers -= 1,
            false => node.readers -= 1,
        }
        node.leases.retain(|lease| lease.by != fd);
    }

    /// A process is gone, and with it what it held.
    pub(crate) fn end(&mut self, process: u32) {
        for fd in 0..self.opened.len() {
            if let Some(opened) = &mut self.opened[fd]
                && opened.process == process
            {
                opened.handles = 1;
                self.close(fd);
            }
        }
    }

    /// After a power cut nobody has anything.
    pub(crate) fn end_all(&mut self) {
        for fd in 0..self.opened.len() {
            if let Some(opened) = &mut self.opened[fd] {
                opened.handles = 1;
            }
            self.close(fd);
        }
    }

    pub(super) fn get(&self, fd: Descriptor) -> Result<Opened> {
        self.opened.get(fd).copied().flatten().ok_or(Errno::BADF)
    }

    pub(crate) fn inode_of(&self, fd: Descriptor) -> Option<Inode> {
        self.get(fd).ok().map(|opened| opened.inode)
    }
}

/// Sets or removes one name.
pub(crate) fn set_name(names: &mut Names, name: &Rc<OsStr>, inode: Option<Inode>) {
    let known = names.iter().position(|(known, _)| known == name);
    match (known, inode) {
        (Some(at), Some(inode)) => names[at].1 = inode,
        (Some(at), None) => _ = names.swap_remove(at),
        (None, Some(inode)) => names.push((Rc::clone(name), inode)),
        (None, None) => {}
    }
}
