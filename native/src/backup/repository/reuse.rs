//! The files of a series' last backup in a repository: one that has not changed since is not read again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rustic_core::Id;
use rustic_core::repofile::Node;

use super::Repository;
use super::snapshot::Snapshot;
use super::store::Trust;
use crate::backup::Backup;
use crate::backup::unchanged::{self, Known};
use crate::disk::Stat;
use crate::error::Result;

/// The last backup's logs, and where the repository has them.
#[derive(Default)]
pub(super) struct Last {
    known: HashMap<(u64, u64), Known>,
    nodes: BTreeMap<String, Node>,
}

impl Last {
    /// That of the backup of that name.
    pub(super) fn read(repository: &Arc<Repository>, name: &str) -> Result<Last> {
        let Some(snapshot) = repository.backup(name)? else { return Ok(Last::default()) };
        let snapshot = Snapshot::open(Arc::clone(repository), &snapshot, repository.join(name), Trust::Kept)?;
        let nodes = snapshot.nodes.clone();
        let known = unchanged::known(&Backup::read(Box::new(snapshot))?.manifest);
        Ok(Last { known, nodes })
    }

    /// What is known of a file that has not changed since.
    pub(super) fn unchanged(&self, stat: &Stat) -> Option<(&Known, &Node)> {
        let known = self.known.get(&(stat.device, stat.inode)).filter(|known| known.is_unchanged(stat))?;
        Some((known, self.nodes.get(&known.file.stored)?))
    }

    /// The blobs of what lay in that file, in order.
    pub(super) fn blobs(&self, (device, inode): (u64, u64)) -> impl Iterator<Item = Id> {
        let nodes = self.nodes.values().filter(move |node| (node.meta.device_id, node.meta.inode) == (device, inode));
        nodes.take(1).filter_map(|node| node.content.as_ref()).flatten().map(|id| **id)
    }
}
