//! The calls of the simulated file system, as the kernel answers them; who calls is an argument.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use rustix::io::Errno;

use super::super::sys::{Open, Rename, Result, Stat};
use super::content::{Change, Content};
use super::file_system::{Access, Descriptor, FileSystem, Inode, Kind, Lie, Process, ROOT, UMASK};
use super::power::Set;

impl FileSystem {
    pub(crate) fn open_folder_at(&mut self, who: Process, path: &Path) -> Result<Descriptor> {
        let found = self.walk(who, path, true)?;
        self.open_found_folder(who, found)
    }

    pub(crate) fn open_folder(&mut self, who: Process, fd: Descriptor, name: &OsStr) -> Result<Descriptor> {
        let folder = self.get(fd)?.inode;
        let found = self.at(who, folder, name)?;
        self.open_found_folder(who, found)
    }

    fn open_found_folder(&mut self, who: Process, found: Inode) -> Result<Descriptor> {
        if !self.is_folder(found) {
            return Err(Errno::NOTDIR);
        }
        self.may(who, found, 4)?;
        Ok(self.open_inode(who, found, Access::READ))
    }

    pub(crate) fn make_folder(&mut self, who: Process, folder: Inode, name: &OsStr, mode: u32) -> Result<()> {
        match self.at(who, folder, name) {
            Ok(_) => return Err(Errno::EXIST),
            Err(Errno::NOENT) if !name.is_empty() => {}
            Err(error) => return Err(error),
        }
        self.may_change(who, folder)?;
        let device = self.device(folder);
        let kind = Kind::Folder { now: Vec::new(), durable: Vec::new(), parent: folder, device };
        let made = self.add(kind, mode & !UMASK, who.user);
        self.set_names(vec![Set::new(folder, name, Some(made))]);
        Ok(())
    }

    pub(crate) fn make_link(&mut self, folder: Inode, name: &OsStr, target: &OsStr) {
        let link = self.add(Kind::Link(target.to_owned()), 0o777, 0);
        self.set_names(vec![Set::new(folder, name, Some(link))]);
    }

    pub(crate) fn create(&mut self, who: Process, folder: Inode, name: &OsStr, mode: u32) -> Result<Inode> {
        self.may_change(who, folder)?;
        let made = self.new_file(mode & !UMASK, who.user);
        self.set_names(vec![Set::new(folder, name, Some(made))]);
        Ok(made)
    }

    pub(crate) fn open(&mut self, who: Process, fd: Descriptor, name: &OsStr, how: Open) -> Result<Descriptor> {
        let folder = self.get(fd)?.inode;
        let found = match (self.at(who, folder, name), how) {
            (Ok(_), Open::Create(_)) => return Err(Errno::EXIST),
            (Ok(found), _) => found,
            (Err(Errno::NOENT), Open::Create(mode) | Open::AppendOrCreate(mode)) if !name.is_empty() => {
                let made = self.create(who, folder, name, mode)?;
                let append = matches!(how, Open::AppendOrCreate(_));
                return Ok(self.open_inode(who, made, Access { read: true, write: true, append, empty: false }));
            }
            (Err(error), _) => return Err(error),
        };
        self.open_found(who, found, how)
    }

    /// Opens what the path leads to, to read.
    pub(crate) fn open_path(&mut self, who: Process, path: &Path) -> Result<Descriptor> {
        let found = self.walk(who, path, true)?;
        self.open_found(who, found, Open::Read)
    }

    fn open_found(&mut self, who: Process, found: Inode, how: Open) -> Result<Descriptor> {
        let write = how != Open::Read;
        let access = Access { read: true, write, append: write && how != Open::Write, empty: false };
        match self.nodes[found].kind {
            Kind::Link(_) => return Err(Errno::LOOP),
            Kind::Folder { .. } if write => return Err(Errno::ISDIR),
            _ => {}
        }
        self.may(who, found, 4 | u32::from(write) << 1)?;
        let fd = self.open_inode(who, found, access);
        if self.break_leases(found, write, fd) {
            self.close(fd);
            return Err(Errno::WOULDBLOCK);
        }
        Ok(fd)
    }

    pub(crate) fn list(&self, fd: Descriptor) -> Result<Vec<OsString>> {
        let folder = self.get(fd)?.inode;
        if !self.is_folder(folder) {
            return Err(Errno::NOTDIR);
        }
        Ok(self.names(folder).iter().map(|(name, _)| name.to_os_string()).collect())
    }

    pub(crate) fn stat(&self, fd: Descriptor) -> Result<Stat> {
        Ok(self.stat_inode(self.get(fd)?.inode))
    }

    pub(crate) fn stat_at(&self, who: Process, fd: Descriptor, name: &OsStr) -> Result<Stat> {
        let folder = self.get(fd)?.inode;
        Ok(self.stat_inode(self.at(who, folder, name)?))
    }

    pub(crate) fn stat_inode(&self, inode: Inode) -> Stat {
        let node = &self.nodes[inode];
        let (kind, size, allocated, device) = match &node.kind {
            Kind::File { now, .. } => (libc::S_IFREG, now.size(), now.allocated(self.settings.block), 1),
            Kind::Folder { device, .. } => (libc::S_IFDIR, 4096, 4096, *device),
            Kind::Link(target) => (libc::S_IFLNK, target.len() as u64, 0, 1),
        };
        let time = |nanoseconds: i64| (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
        Stat {
            device,
            inode: inode as u64 + 1,
            mode: kind | node.meta.mode,
            links: node.links,
            owner: node.meta.owner,
            group: node.meta.group,
            size,
            allocated,
            modified: time(node.modified),
            changed: time(node.changed),
            stands_for: 0,
        }
    }

    pub(crate) fn rename(
        &mut self,
        who: Process,
        (from_folder, from): (Inode, &OsStr),
        (to_folder, to): (Inode, &OsStr),
        how: Rename,
    ) -> Result<()> {
        let source = self.at(who, from_folder, from)?;
        let target = match self.at(who, to_folder, to) {
            Ok(found) => Some(found),
            Err(Errno::NOENT) if !to.is_empty() => None,
            Err(error) => return Err(error),
        };
        if self.device(from_folder) != self.device(to_folder) {
            return Err(Errno::XDEV);
        }
        match (how, target) {
            (Rename::NoReplace, Some(_)) => return Err(Errno::EXIST),
            (Rename::Exchange, None) => return Err(Errno::NOENT),
            _ => {}
        }
        if self.is_within(to_folder, source)
            || how == Rename::Exchange && target.is_some_and(|target| self.is_within(from_folder, target))
        {
            return Err(Errno::INVAL);
        }
        if Some(source) == target {
            return Ok(());
        }
        self.may_change(who, from_folder)?;
        self.may_change(who, to_folder)?;
        match (how, target) {
            (Rename::Replace, Some(target)) => match (self.is_folder(source), self.is_folder(target)) {
                (false, true) => return Err(Errno::ISDIR),
                (true, false) => return Err(Errno::NOTDIR),
                (true, true) if !self.names(target).is_empty() => return Err(Errno::NOTEMPTY),
                _ => {}
            },
            (Rename::Exchange, _) if !self.settings.exchange => return Err(Errno::INVAL),
            (Rename::NoReplace, _) if !self.settings.no_replace => return Err(Errno::INVAL),
            _ => {}
        }
        if self.nodes[source].is_mount || target.is_some_and(|target| self.nodes[target].is_mount) {
            return Err(Errno::BUSY);
        }
        let exchanges = how == Rename::Exchange && self.settings.lie != Some(Lie::ExchangeReplaces);
        let back = if exchanges { target } else { None };
        for (inode, new_parent) in [(Some(source), to_folder), (back, from_folder)] {
            if let Some(inode) = inode
                && let Kind::Folder { parent, .. } = &mut self.nodes[inode].kind
            {
                *parent = new_parent;
            }
        }
        // The target's name goes first, so that an exchange never leaves an inode without one.
        self.nodes[source].links += 1;
        self.set_names(vec![Set::new(from_folder, from, back), Set::new(to_folder, to, Some(source))]);
        self.nodes[source].links -= 1;
        Ok(())
    }

    /// Whether `folder` is `inode`, or in it.
    pub(super) fn is_within(&self, mut folder: Inode, inode: Inode) -> bool {
        loop {
            if folder == inode {
                return true;
            }
            match self.nodes[folder].kind {
                Kind::Folder { parent, .. } if folder != ROOT => folder = parent,
                _ => return false,
            }
        }
    }

    pub(crate) fn link(
        &mut self,
        who: Process,
        (from_folder, from): (Inode, &OsStr),
        (to_folder, to): (Inode, &OsStr),
    ) -> Result<()> {
        let source = self.at(who, from_folder, from)?;
        match self.at(who, to_folder, to) {
            Ok(_) => return Err(Errno::EXIST),
            Err(Errno::NOENT) if !to.is_empty() => {}
            Err(error) => return Err(error),
        }
        if self.device(from_folder) != self.device(to_folder) {
            return Err(Errno::XDEV);
        }
        if self.is_folder(source) || !self.settings.links {
            return Err(Errno::PERM);
        }
        self.may_change(who, to_folder)?;
        self.set_names(vec![Set::new(to_folder, to, Some(source))]);
        Ok(())
    }

    pub(crate) fn unlink(&mut self, who: Process, folder: Inode, name: &OsStr) -> Result<()> {
        let found = self.at(who, folder, name)?;
        if self.is_folder(found) {
            return Err(Errno::ISDIR);
        }
        self.may_change(who, folder)?;
        if self.nodes[found].is_mount {
            return Err(Errno::BUSY);
        }
        self.set_names(vec![Set::new(folder, name, None)]);
        self.nodes[found].changed = self.stamp();
        Ok(())
    }

    pub(crate) fn remove_folder(&mut self, who: Process, folder: Inode, name: &OsStr) -> Result<()> {
        if name == "." {
            return Err(Errno::INVAL);
        }
        let found = self.at(who, folder, name)?;
        if !self.is_folder(found) {
            return Err(Errno::NOTDIR);
        }
        self.may_change(who, folder)?;
        if !self.names(found).is_empty() {
            return Err(Errno::NOTEMPTY);
        }
        self.set_names(vec![Set::new(folder, name, None)]);
        Ok(())
    }

    pub(crate) fn read_at(&self, fd: Descriptor, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let opened = self.get(fd)?;
        if !opened.access.read {
            return Err(Errno::BADF);
        }
        self.content(opened.inode).ok_or(Errno::ISDIR).map(|content| content.read(buffer, offset))
    }

    pub(crate) fn read(&mut self, fd: Descriptor, buffer: &mut [u8]) -> Result<usize> {
        let position = self.get(fd)?.position;
        let read = self.read_at(fd, buffer, position)?;
        self.move_to(fd, position + read as u64);
        Ok(read)
    }

    pub(crate) fn move_to(&mut self, fd: Descriptor, position: u64) {
        if let Some(Some(opened)) = self.opened.get_mut(fd) {
            opened.position = position;
        }
    }

    pub(crate) fn write_at(&mut self, fd: Descriptor, bytes: &[u8], offset: u64) -> Result<usize> {
        let opened = self.get(fd)?;
        if !opened.access.write {
            return Err(Errno::BADF);
        }
        // As Linux does: a file that is open to append to is appended to, whatever the offset.
        let offset = if opened.access.append { self.size(opened.inode) } else { offset };
        self.put(opened.inode, bytes, offset)
    }

    pub(crate) fn write(&mut self, fd: Descriptor, bytes: &[u8]) -> Result<usize> {
        let opened = self.get(fd)?;
        if !opened.access.write {
            return Err(Errno::BADF);
        }
        let offset = if opened.access.append { self.size(opened.inode) } else { opened.position };
        let written = self.put(opened.inode, bytes, offset)?;
        // A write of nothing leaves the position alone, also where it is open to append.
        if written > 0 {
            self.move_to(fd, offset + written as u64);
        }
        Ok(written)
    }

    pub(crate) fn size(&self, inode: Inode) -> u64 {
        self.content(inode).map_or(0, Content::size)
    }

    /// Writes as much as there is room for.
    pub(crate) fn put(&mut self, inode: Inode, bytes: &[u8], offset: u64) -> Result<usize> {
        let (block, stamp) = (self.settings.block, self.stamp());
        let room = self.free();
        let node = &mut self.nodes[inode];
        let Kind::File { now, since, .. } = &mut node.kind else { return Err(Errno::ISDIR) };
        let mut length = bytes.len() as u64;
        if room < length + 2 * block {
            let fits = |length: &u64| now.new_blocks(offset, *length, block) * block <= room;
            length = (0..=length).rev().find(fits).unwrap_or(0);
            if length == 0 && !bytes.is_empty() {
                return Err(Errno::NOSPC);
            }
        }
        let bytes = &bytes[..length as usize];
        now.write(offset, bytes, block);
        since.push(Change::Write { offset, bytes: bytes.into() });
        (node.modified, node.changed) = (stamp, stamp);
        Ok(bytes.len())
    }

    pub(crate) fn truncate(&mut self, fd: Descriptor, size: u64) -> Result<()> {
        let opened = self.get(fd)?;
        if !opened.access.write || size > i64::MAX as u64 {
            return Err(Errno::INVAL);
        }
        self.cut(opened.inode, size);
        Ok(())
    }

    pub(super) fn cut(&mut self, inode: Inode, size: u64) {
        let (block, stamp) = (self.settings.block, self.stamp());
        let node = &mut self.nodes[inode];
        let Kind::File { now, since, .. } = &mut node.kind else { return };
        now.truncate(size, block);
        since.push(Change::Truncate(size));
        (node.modified, node.changed) = (stamp, stamp);
    }

    pub(crate) fn next_data(&mut self, fd: Descriptor, offset: u64) -> Result<u64> {
        let opened = self.get(fd)?;
        let content = self.content(opened.inode).ok_or(Errno::INVAL)?;
        let found = content.next_data(offset, self.settings.block).ok_or(Errno::NXIO)?;
        self.move_to(fd, found);
        Ok(found)
    }

    fn is_owner(&self, who: Process, inode: Inode) -> Result<()> {
        if who.user == 0 || who.user == self.nodes[inode].meta.owner { Ok(()) } else { Err(Errno::PERM) }
    }

    pub(crate) fn set_mode(&mut self, who: Process, fd: Descriptor, mode: u32) -> Result<()> {
        let inode = self.get(fd)?.inode;
        self.is_owner(who, inode)?;
        let stamp = self.stamp();
        let node = &mut self.nodes[inode];
        (node.meta.mode, node.changed) = (mode & 0o7777, stamp);
        Ok(())
    }

    pub(crate) fn set_owner(&mut self, who: Process, fd: Descriptor, owner: u32, group: u32) -> Result<()> {
        let inode = self.get(fd)?.inode;
        let meta = &self.nodes[inode].meta;
        if who.user != 0 && (who.user, owner, group) != (meta.owner, meta.owner, meta.group) {
            return Err(Errno::PERM);
        }
        let stamp = self.stamp();
        let node = &mut self.nodes[inode];
        (node.meta.owner, node.meta.group, node.changed) = (owner, group, stamp);
        Ok(())
    }

    pub(crate) fn set_modified(&mut self, who: Process, fd: Descriptor, (seconds, rest): (i64, i64)) -> Result<()> {
        let inode = self.get(fd)?.inode;
        self.is_owner(who, inode)?;
        let stamp = self.stamp();
        let node = &mut self.nodes[inode];
        (node.modified, node.changed) = (seconds.saturating_mul(1_000_000_000).saturating_add(rest), stamp);
        Ok(())
    }

    pub(crate) fn remove_attribute(&mut self, fd: Descriptor, name: &OsStr) -> Result<()> {
        let inode = self.get(fd)?.inode;
        let attributes = &mut self.nodes[inode].meta.attributes;
        let at = attributes.iter().position(|(known, _)| known == name).ok_or(Errno::NODATA)?;
        attributes.remove(at);
        Ok(())
    }

    pub(crate) fn attributes(&self, fd: Descriptor) -> Result<Vec<(OsString, Vec<u8>)>> {
        Ok(self.nodes[self.get(fd)?.inode].meta.attributes.clone())
    }

    pub(crate) fn set_attribute(&mut self, fd: Descriptor, name: &OsStr, value: &[u8]) -> Result<()> {
        let inode = self.get(fd)?.inode;
        let attributes = &mut self.nodes[inode].meta.attributes;
        attributes.retain(|(known, _)| known != name);
        attributes.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    pub(crate) fn free(&self) -> u64 {
        match self.settings.room {
            u64::MAX => u64::MAX,
            room => room.saturating_sub(self.used()),
        }
    }

    /// From now on there is room for so many more bytes.
    pub(crate) fn limit(&mut self, more: u64) {
        self.settings.room = self.used() + more;
    }
}
