//! What survives a power cut.
//!
//! A file's content and size survive once the file was synced, its name once the folder was. What was not synced may
//! be lost: names either as a journal loses them, all from some moment on, or one by one; one rename or exchange is
//! there whole or not at all, and of two changes of the same name the later is never there without the earlier.

use std::ffi::OsStr;
use std::rc::Rc;

use super::chance::Chance;
use super::content::after_power_cut;
use super::file_system::{FileSystem, Inode, Kind, Lie, ROOT, set_name};

/// A name that is to lead to this inode, or to be gone.
#[derive(Debug, Clone)]
pub(crate) struct Set {
    pub(crate) folder: Inode,
    pub(crate) name: Rc<OsStr>,
    pub(crate) inode: Option<Inode>,
}

impl Set {
    pub(crate) fn new(folder: Inode, name: &OsStr, inode: Option<Inode>) -> Set {
        Set { folder, name: name.into(), inode }
    }

    fn is_same_name(&self, other: &Set) -> bool {
        self.folder == other.folder && self.name == other.name
    }
}

/// Names that were changed in one step, and not synced yet.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) sets: Vec<Set>,
}

impl Pending {
    fn depends_on(&self, earlier: &Pending) -> bool {
        self.sets.iter().any(|set| earlier.sets.iter().any(|other| set.is_same_name(other)))
    }
}

impl FileSystem {
    /// `fsync`.
    pub(crate) fn sync(&mut self, inode: Inode) {
        let is_folder = matches!(self.nodes[inode].kind, Kind::Folder { .. });
        if self.settings.lie == Some(if is_folder { Lie::FolderSync } else { Lie::FileSync }) {
            return;
        }
        let node = &mut self.nodes[inode];
        node.durable_meta.clone_from(&node.meta);
        let is_folder = match &mut node.kind {
            Kind::File { now, synced, since } => {
                if !since.is_empty() {
                    synced.clone_from(now);
                    since.clear();
                }
                false
            }
            Kind::Folder { .. } => true,
            Kind::Link(_) => false,
        };
        if self.settings.journal {
            let all = vec![true; self.pending.len()];
            self.make_durable(&all);
        } else if is_folder {
            let mut chosen: Vec<bool> =
                self.pending.iter().map(|pending| pending.sets.iter().any(|set| set.folder == inode)).collect();
            self.close_over(&mut chosen);
            self.make_durable(&chosen);
        }
    }

    /// Chooses what the chosen ones depend on, too.
    fn close_over(&self, chosen: &mut [bool]) {
        for later in (0..chosen.len()).rev().filter(|at| chosen[*at]).collect::<Vec<_>>() {
            self.choose_earlier(later, chosen);
        }
    }

    fn choose_earlier(&self, later: usize, chosen: &mut [bool]) {
        for earlier in (0..later).rev() {
            if !chosen[earlier] && self.pending[later].depends_on(&self.pending[earlier]) {
                chosen[earlier] = true;
                self.choose_earlier(earlier, chosen);
            }
        }
    }

    fn make_durable(&mut self, chosen: &[bool]) {
        let pending = std::mem::take(&mut self.pending);
        for (one, is_chosen) in pending.into_iter().zip(chosen) {
            if !is_chosen {
                self.pending.push(one);
                continue;
            }
            for set in &one.sets {
                if let Kind::Folder { durable, .. } = &mut self.nodes[set.folder].kind {
                    set_name(durable, &set.name, set.inode);
                }
            }
        }
    }

    /// Everything as it is now has reached the disk.
    pub(crate) fn sync_all(&mut self) {
        for inode in 0..self.nodes.len() {
            self.sync(inode);
        }
        let all = vec![true; self.pending.len()];
        self.make_durable(&all);
    }

    /// Whether a power cut cannot change what this name leads to.
    pub(crate) fn is_durable(&self, folder: Inode, name: &OsStr) -> bool {
        !self.pending.iter().flat_map(|pending| &pending.sets).any(|set| set.folder == folder && &*set.name == name)
    }

    /// The power goes, and comes back.
    pub(crate) fn cut_power(&mut self, chance: &mut Chance) {
        self.end_all();
        let count = self.pending.len();
        let mut chosen = vec![true; count];
        if self.settings.journal {
            let lost = chance.pick(count + 1);
            chosen[count - lost..].fill(false);
        } else if count > 0 && chance.pick(3) > 0 {
            for one in &mut chosen {
                *one = chance.pick(2) == 0;
            }
            self.close_over(&mut chosen);
        }
        self.make_durable(&chosen);
        self.pending.clear();
        let block = self.settings.block;
        for node in &mut self.nodes {
            node.links = 0;
            match &mut node.kind {
                Kind::File { now, synced, since } => {
                    if !since.is_empty() {
                        *now = after_power_cut(synced, since, block, chance);
                        synced.clone_from(now);
                        since.clear();
                    }
                }
                Kind::Folder { now, durable, .. } => now.clone_from(durable),
                Kind::Link(_) => {}
            }
            if node.meta != node.durable_meta {
                if chance.pick(2) == 0 {
                    node.durable_meta.clone_from(&node.meta);
                } else {
                    node.meta.clone_from(&node.durable_meta);
                }
            }
        }
        // What lies in a folder that has lost its name has none either.
        let mut folders = vec![ROOT];
        while let Some(folder) = folders.pop() {
            let Kind::Folder { now, .. } = &self.nodes[folder].kind else { continue };
            let inside: Vec<Inode> = now.iter().map(|(_, inode)| *inode).collect();
            for inode in inside {
                self.nodes[inode].links += 1;
                folders.push(inode);
            }
        }
    }
}
