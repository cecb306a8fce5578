//! A backup in a repository, seen as the folder that it is, and its files, read blob by blob.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use papyra_core::digest::sha256;
use papyra_core::escape::escape;
use papyra_core::manifest;
use rustic_core::Id;
use rustic_core::repofile::{BlobType, FileType, Node, SnapshotFile, Tree};

use super::Repository;
use super::root::Root;
use super::store::Trust;
use crate::backup::access::Access;
use crate::backup::files::{Bytes, Files, Hold, Status};
use crate::disk::Lock;
use crate::error::{Code, Error, Result, show};

impl Repository {
    /// The backup of that name, open.
    pub(super) fn snapshot(self: &Arc<Repository>, name: &str, trust: Trust) -> Result<Snapshot> {
        let path = self.join(name);
        let gone =
            || Error::new(Code::NoInput, format!("cannot open {}: the repository has no such backup", show(&path)));
        let snapshot = self.backup(name)?.ok_or_else(gone)?;
        if trust == Trust::Fresh {
            self.store.text::<SnapshotFile>(&self.seal, FileType::Snapshot, &snapshot.id, trust)??;
        }
        Snapshot::open(Arc::clone(self), &snapshot, path, trust)
    }
}

/// A backup, or a folder in one.
#[derive(Debug)]
pub(super) struct Snapshot {
    repository: Arc<Repository>,
    path: PathBuf,
    pub(super) nodes: BTreeMap<String, Node>,
    is_whole: bool,
    trust: Trust,
    /// What its creation has added to the repository, in bytes.
    added: Option<u64>,
}

impl Snapshot {
    pub(super) fn open(
        repository: Arc<Repository>,
        snapshot: &SnapshotFile,
        path: PathBuf,
        trust: Trust,
    ) -> Result<Snapshot> {
        let nodes = nodes(&repository, &snapshot.tree, &path, trust)?;
        let added = snapshot.summary.as_ref().map(|summary| summary.data_added_packed);
        Ok(Snapshot { repository, path, nodes, is_whole: true, trust, added })
    }

    fn inner(&self, name: &str) -> Result<Option<Snapshot>> {
        let Some(tree) = self.nodes.get(name).and_then(|node| node.subtree) else { return Ok(None) };
        let path = self.path.join(name);
        let nodes = nodes(&self.repository, &tree, &path, self.trust)?;
        let repository = Arc::clone(&self.repository);
        Ok(Some(Snapshot { repository, path, nodes, is_whole: false, trust: self.trust, added: None }))
    }

    /// The node at a name, which may lead through one folder.
    fn node(&self, name: &str) -> Result<Option<Node>> {
        match name.split_once('/') {
            None => Ok(self.nodes.get(name).cloned()),
            Some((folder, name)) => Ok(self.inner(folder)?.and_then(|mut inner| inner.nodes.remove(name))),
        }
    }

    fn is_never_changed(&self, name: &str) -> Error {
        let text =
            format!("{} belongs to a backup in a repository, which is never changed", show(&self.path.join(name)));
        Error::new(Code::CannotCreate, text)
    }
}

fn nodes(repository: &Repository, tree: &Id, path: &Path, trust: Trust) -> Result<BTreeMap<String, Node>> {
    let odd = |why: String| Error::new(Code::Data, format!("{} is damaged: {why}", show(path)));
    let bytes = repository.blob(BlobType::Tree, tree, Some(trust))?.map_err(odd)?;
    let tree: Tree = serde_json::from_slice(&bytes).map_err(|error| odd(error.to_string()))?;
    Ok(tree.nodes.into_iter().map(|node| (node.name().to_string_lossy().into_owned(), node)).collect())
}

impl Files for Snapshot {
    fn path(&self) -> &Path {
        &self.path
    }

    fn is_far(&self) -> bool {
        self.repository.store.site.folder().is_none()
    }

    fn names(&self) -> Result<Vec<String>> {
        Ok(self.nodes.keys().cloned().collect())
    }

    fn status(&self, name: &str) -> Result<Status> {
        let Some(node) = self.node(name)? else { return Ok(Status::Nothing) };
        Ok(match () {
            () if node.is_file() => Status::File(node.meta.size),
            () if node.is_dir() => Status::Folder,
            () => Status::Other,
        })
    }

    fn lacks(&self, name: &str) -> Result<Option<String>> {
        for id in self.node(name)?.into_iter().flat_map(|node| node.content.unwrap_or_default()) {
            if let Some(why) = self.repository.lost(BlobType::Data, &id)? {
                return Ok(Some(why));
            }
        }
        Ok(None)
    }

    fn shared(&self, name: &str) -> Result<Option<String>> {
        let blobs = self.node(name)?.and_then(|node| node.content);
        let ids = blobs.map(|blobs| blobs.iter().map(|id| id.to_hex().as_str().to_owned()).collect::<String>());
        Ok(ids.map(|ids| sha256(ids.as_bytes())))
    }

    fn read_from(&self, name: &str, at: u64) -> Result<Box<dyn Bytes>> {
        let path = self.path.join(name);
        let gone = || Error::new(Code::NoInput, format!("cannot open {}: the backup has no such file", show(&path)));
        let node = self.node(name)?.filter(Node::is_file).ok_or_else(gone)?;
        let access = Access {
            mode: node.meta.mode.unwrap_or(0) & 0o777 | 0o600,
            gid: node.meta.gid.unwrap_or(0),
            ..Access::PRIVATE
        };
        let mut blobs: Vec<Id> = node.content.iter().flatten().map(|id| **id).collect();
        // Blobs that end before it are not read.
        let (index, mut skip, mut before) = (self.repository.index()?, at, 0);
        while let Some(length) = blobs.get(before).and_then(|id| index.length(BlobType::Data, id)) {
            if length > skip {
                break;
            }
            (skip, before) = (skip - length, before + 1);
        }
        blobs.drain(..before);
        let mut reader = Reader {
            repository: Arc::clone(&self.repository),
            blobs: blobs.into_iter(),
            blob: Cursor::default(),
            // What a list looks at is kept, and not the logs.
            trust: Some(self.trust).filter(|_| [manifest::NAME, manifest::SUMS].contains(&name)),
            access,
            failed: None,
            damage: None,
        };
        let skipped = io::copy(&mut (&mut reader).take(skip), &mut io::sink());
        skipped.map_err(|error| reader.failed(&path, at, &error))?;
        Ok(Box::new(reader))
    }

    fn folder(&self, name: &str) -> Result<Box<dyn Files>> {
        let path = self.path.join(name);
        let gone = || Error::new(Code::NoInput, format!("cannot open {}: the backup has no such folder", show(&path)));
        Ok(Box::new(self.inner(name)?.ok_or_else(gone)?))
    }

    fn parent(&self) -> Result<Box<dyn Files>> {
        if !self.is_whole {
            return Err(Error::new(Code::Usage, format!("{} is a folder of a backup, not a backup", show(&self.path))));
        }
        Ok(Box::new(Root(Arc::clone(&self.repository))))
    }

    fn write_over(&self, name: &str, _bytes: &[u8]) -> Result<()> {
        Err(self.is_never_changed(name))
    }

    fn remove(&self, name: &str) -> Result<()> {
        Err(self.is_never_changed(name))
    }

    fn share(&self) -> Result<Option<Lock>> {
        // What it needs outlasts a prune that begins now by a day.
        Ok(None)
    }

    fn tidy(&self) -> Result<Option<Hold>> {
        Ok(None)
    }

    fn discard(&self, name: &str) -> Result<()> {
        Err(self.is_never_changed(name))
    }

    fn added(&self) -> Option<u64> {
        self.added
    }
}

/// A file, read blob by blob. A blob that is damaged ends it: what is read is no longer what was written, and why is
/// kept.
struct Reader {
    repository: Arc<Repository>,
    blobs: std::vec::IntoIter<Id>,
    blob: Cursor<Vec<u8>>,
    trust: Option<Trust>,
    access: Access,
    failed: Option<Error>,
    damage: Option<String>,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.blob.read(buffer)?;
            if read > 0 || buffer.is_empty() || self.damage.is_some() {
                return Ok(read);
            }
            let Some(id) = self.blobs.next() else { return Ok(0) };
            match self.repository.blob(BlobType::Data, &id, self.trust) {
                Ok(Ok(bytes)) => self.blob = Cursor::new(bytes),
                Ok(Err(why)) => self.damage = Some(escape(why.as_bytes())),
                Err(error) => {
                    let text = error.to_string();
                    self.failed = Some(error);
                    return Err(io::Error::other(text));
                }
            }
        }
    }
}

impl Bytes for Reader {
    fn access(&self) -> io::Result<Access> {
        Ok(self.access.clone())
    }

    fn failure(&mut self) -> Option<Error> {
        self.failed.take()
    }

    fn damage(&mut self) -> Option<String> {
        self.damage.take()
    }
}
