//! Leases and locks, as Linux gives them.
//!
//! A write lease is given only when nobody else has the file open; whoever opens it, or cuts it by its path, waits
//! until it is given back, or until it is taken after 45 s.

use rustix::io::Errno;

use super::super::sys::{Flock, Lease, Result};
use super::file_system::{BREAK_TIME, Descriptor, FileSystem, Held, Inode, Kind, Lie, Opened, Process};

impl FileSystem {
    /// Asks for the leases on a file to be given back. Whether one is in the way.
    pub(crate) fn break_leases(&mut self, inode: Inode, to_write: bool, by: Descriptor) -> bool {
        self.time_out(inode);
        if self.settings.lie == Some(Lie::LeaseKeepsNobodyOut) {
            return false;
        }
        let until = self.clock + BREAK_TIME;
        let mut in_the_way = false;
        for lease in self.nodes[inode].leases.iter_mut().filter(|lease| lease.by != by) {
            let target = if to_write { None } else { Some(Lease::Read) };
            if lease.kind == Lease::Read && !to_write {
                continue;
            }
            in_the_way = true;
            match &mut lease.breaking {
                Some((to @ Some(_), _)) if target.is_none() => *to = None,
                Some(_) => {}
                breaking => *breaking = Some((target, until)),
            }
        }
        in_the_way
    }

    pub(super) fn time_out(&mut self, inode: Inode) {
        let clock = self.clock;
        self.nodes[inode].leases.retain_mut(|lease| match lease.breaking {
            Some((None, until)) if until <= clock => false,
            Some((Some(to), until)) if until <= clock => {
                (lease.kind, lease.breaking) = (to, None);
                true
            }
            _ => true,
        });
    }

    pub(crate) fn flock(&mut self, fd: Descriptor, how: Flock) -> Result<()> {
        let opened = self.get(fd)?;
        if opened.lock == Some(how) {
            return Ok(());
        }
        // Linux gives the old lock up before it asks for the new one.
        if let Some(opened) = &mut self.opened[fd] {
            opened.lock = None;
        }
        let in_the_way = |other: &Opened| {
            other.inode == opened.inode
                && (other.lock == Some(Flock::Exclusive) || other.lock.is_some() && how == Flock::Exclusive)
        };
        if self.opened.iter().flatten().any(in_the_way) {
            return Err(Errno::WOULDBLOCK);
        }
        if let Some(opened) = &mut self.opened[fd] {
            opened.lock = Some(how);
        }
        Ok(())
    }

    pub(crate) fn lease(&mut self, who: Process, fd: Descriptor, kind: Lease) -> Result<()> {
        let opened = self.get(fd)?;
        self.settings.leases?;
        self.time_out(opened.inode);
        let node = &mut self.nodes[opened.inode];
        if who.user != 0 && who.user != node.meta.owner {
            return Err(Errno::ACCESS);
        }
        if !matches!(node.kind, Kind::File { .. }) {
            return Err(Errno::INVAL);
        }
        let (readers, writers) = if opened.access.write { (0, 1) } else { (1, 0) };
        let alone = match kind {
            Lease::Read => node.writers == 0,
            Lease::Write => (node.readers, node.writers) == (readers, writers),
        } || self.settings.lie == Some(Lie::LeaseOnBusyFile);
        let in_the_way =
            |lease: &Held| lease.by != fd && (kind == Lease::Write || matches!(lease.breaking, Some((None, _))));
        if !alone || node.leases.iter().any(in_the_way) {
            return Err(Errno::AGAIN);
        }
        match node.leases.iter_mut().find(|lease| lease.by == fd) {
            Some(own) => {
                own.kind = kind;
                if kind == Lease::Read && matches!(own.breaking, Some((Some(_), _))) {
                    own.breaking = None;
                }
            }
            None => node.leases.push(Held { by: fd, kind, breaking: None }),
        }
        Ok(())
    }

    pub(crate) fn is_leased(&mut self, fd: Descriptor, kind: Lease) -> bool {
        let Ok(opened) = self.get(fd) else { return false };
        self.time_out(opened.inode);
        let found = self.nodes[opened.inode].leases.iter().find(|lease| lease.by == fd);
        found.is_some_and(|lease| lease.breaking.map_or(Some(lease.kind), |(to, _)| to) == Some(kind))
    }

    pub(crate) fn unlease(&mut self, fd: Descriptor) {
        if let Ok(opened) = self.get(fd) {
            self.nodes[opened.inode].leases.retain(|lease| lease.by != fd);
        }
    }
}
