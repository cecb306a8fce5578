//! A backup on its way into a repository: its files, then the folders, and last of all the snapshot, when everything
//! that it needs is on the disk (restic's design, "Trees and Data", "Snapshots"). Blobs and packs are those of
//! [`super::pack`].

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use papyra_core::manifest::{Manifest, StoredFile};
use papyra_core::report::Verdict;
use papyra_core::summary::Summary;
use rustic_core::repofile::{BlobType, Chunker as Cutting, FileType, Metadata, Node, NodeType, SnapshotFile, Tree};
use rustic_core::{DataId, Id, TreeId};

use super::chunk::Chunker;
pub(in crate::backup) use super::incoming::Incoming;
use super::incoming::{Stored, Storers};
use super::index::told_of;
use super::note::Note;
use super::pack::Packer;
use super::reuse::Last;
use super::root::Root;
use super::site::Site;
use super::store::{Store, Trust};
use super::{NAME, OURS, Repository, SERIES, VERDICT, lock};
use crate::TOOL;
use crate::backup::brief::Brief;
use crate::backup::files::Files;
use crate::disk::{Folder, Lock, Stat};
use crate::error::{Code, Error, Result, show};

/// How long somebody who prunes is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// The level of zstd unless the repository's configuration has one: restic's own. Logs are as small as with the next
/// ones.
const FASTEST: i32 = 1;

/// A folder's bit in the modes of restic, which are those of Go.
const FOLDER: u32 = 1 << 31;

/// A backup under way in a repository.
pub(in crate::backup) struct Packing {
    packer: Arc<Packer>,
    storers: Storers,
    nodes: BTreeMap<String, Node>,
    last: Last,
    lock: Option<lock::Lock>,
    _ours: Option<Lock>,
}

/// What a snapshot says of its files besides their content.
pub(in crate::backup) struct Attributes {
    pub(in crate::backup) mode: u32,
    pub(in crate::backup) uid: u32,
    pub(in crate::backup) gid: u32,
    pub(in crate::backup) modified_ns: i64,
    pub(in crate::backup) changed_ns: i64,
    pub(in crate::backup) device: u64,
    pub(in crate::backup) inode: u64,
}

impl Packing {
    /// Begins a backup in the repository that lies there.
    pub(in crate::backup) fn begin(site: Arc<dyn Site>, threads: usize) -> Result<Packing> {
        // While it goes on nobody prunes: no papyra, where locks reach, and no restic.
        let ours = site.folder().map(|folder| share_within(folder, PATIENCE)).transpose()?;
        let repository = Arc::new(Repository::open(site, Trust::Kept)?);
        let config = repository.inner.config();
        if config.version < 2 {
            let text = format!(
                "{} is a repository of version 1, which papyra reads and does not write: restic migrate \
                 upgrade_repo_v2 upgrades it",
                show(&repository.path)
            );
            return Err(Error::new(Code::Data, text));
        }
        if config.append_only == Some(true) && config.is_hot == Some(true) {
            let text = format!("{} is the hot half of a repository: name the other half", show(&repository.path));
            return Err(Error::new(Code::Usage, text));
        }
        let all = lock::Lock::take(&repository, false, PATIENCE)?;
        let level = config.zstd().ok().flatten().filter(|level| *level != 0).unwrap_or(FASTEST);
        let packer = Arc::new(Packer::new(repository, level)?);
        let storers = Storers::begin(&packer, threads);
        Ok(Packing { packer, storers, nodes: BTreeMap::new(), last: Last::default(), lock: Some(all), _ours: ours })
    }

    /// What the operator should know of the repository: packs that are lost or cut. What they held is stored again.
    pub(in crate::backup) fn warning(&self) -> Result<Option<String>> {
        Ok(told_of(&self.packer.unsound()?))
    }

    /// Where a backup of that name will be.
    pub(in crate::backup) fn path(&self, name: &str) -> PathBuf {
        self.packer.repository.join(name)
    }

    /// The backups that are there.
    pub(in crate::backup) fn backups(&self) -> impl Files + use<> {
        Root(Arc::clone(&self.packer.repository))
    }

    /// Takes from that backup what has not changed since; without it, all is read.
    pub(in crate::backup) fn build_on(&mut self, last: &str) {
        self.last = Last::read(&self.packer.repository, last).unwrap_or_default();
    }

    /// Begins a file, and builds on what the last backup has of the one with this device and inode.
    pub(in crate::backup) fn file(&self, last: Option<(u64, u64)>) -> Result<Incoming> {
        let config = self.packer.repository.inner.config();
        let odd = |error: Box<rustic_core::RusticError>| self.packer.repository.store.told("write to", &error);
        let (size, smallest, largest) = match config.chunker() {
            Cutting::Rabin => (config.chunk_size(), config.chunk_min_size(), config.chunk_max_size()),
            _ => (config.chunk_size(), config.chunk_size(), config.chunk_size()),
        };
        let chunker = Chunker::new(config.poly().map_err(odd)?, size, smallest, largest);
        let Some(last) = last else { return Ok(self.storers.file(chunker)) };
        let index = self.packer.repository.index()?;
        let length = |id: &Id| usize::try_from(index.length(BlobType::Data, id)?).ok();
        let before: Vec<(usize, Id)> = self.last.blobs(last).map_while(|id| Some((length(&id)?, id))).collect();
        Ok(self.storers.file(chunker.cut_before(&before)))
    }

    /// The file is written to its end.
    pub(in crate::backup) fn add(&mut self, path: &str, file: Incoming, attributes: &Attributes) -> Result<()> {
        let Stored { blobs, bytes } = file.finish()?;
        let name = path.rsplit('/').next().unwrap_or(path);
        let time = |ns: i64| Timestamp::from_nanosecond(i128::from(ns)).ok();
        let modified = time(attributes.modified_ns);
        let meta = Metadata {
            mode: Some(attributes.mode & 0o777),
            mtime: modified,
            atime: modified,
            ctime: time(attributes.changed_ns),
            uid: Some(attributes.uid),
            gid: Some(attributes.gid),
            device_id: attributes.device,
            inode: attributes.inode,
            size: bytes,
            links: 1,
            ..Metadata::default()
        };
        let mut node = Node::new_node(OsStr::new(name), NodeType::File, meta);
        node.content = Some(blobs.into_iter().map(DataId::from).collect());
        self.nodes.insert(path.to_owned(), node);
        Ok(())
    }

    /// Takes a file from the series' last backup, if it is the same; returns what the manifest and a scan said of it.
    pub(in crate::backup) fn reuse(&mut self, path: &str, stat: &Stat) -> Result<Option<(StoredFile, Summary)>> {
        let Some((known, node)) = self.last.unchanged(stat) else { return Ok(None) };
        for blob in node.content.iter().flatten() {
            if !self.packer.rely_on(BlobType::Data, blob)? {
                return Ok(None);
            }
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        let mut renamed = Node::new_node(OsStr::new(name), NodeType::File, node.meta.clone());
        renamed.content.clone_from(&node.content);
        self.nodes.insert(path.to_owned(), renamed);
        Ok(Some((known.file.clone(), known.summary.clone())))
    }

    /// Takes back a file.
    pub(in crate::backup) fn discard(&mut self, path: &str) {
        self.nodes.remove(path);
    }

    /// Writes the trees, the rest of the packs, an index and, last of all, the snapshot. Returns how many bytes were
    /// new, and what it has left behind, if anything.
    pub(in crate::backup) fn finish(mut self, manifest: &Manifest, brief: Brief) -> Result<(u64, Option<String>)> {
        self.storers.stop();
        let packer = Arc::clone(&self.packer);
        packer.check()?;
        let files = self.nodes.len() as u64;
        let bytes = self.nodes.values().map(|node| node.meta.size).sum();
        let tree = self.trees(manifest)?;
        packer.flush()?;
        let added = packer.added();
        let mut snapshot = snapshot(manifest, tree, files, bytes, added);
        snapshot.description = serde_json::to_string(&Note::new(brief, packer.needs())).ok();
        let text = serde_json::to_vec(&snapshot).map_err(|error| Error::new(Code::Io, error.to_string()))?;
        let id = packer.write_text(FileType::Snapshot, &text)?;
        // Not every tool that prunes looks at locks.
        let Repository { store, inner, path, .. } = &*packer.repository;
        if lacks_one(store, packer.needed().keys())? {
            let done = inner.delete_snapshots(&[id.into()]);
            done.map_err(|error| store.told("remove a snapshot of", &error))?;
            let text = format!(
                "{} was pruned by another tool meanwhile: try again; papyra backup prune waits for others",
                show(path)
            );
            return Err(Error::new(Code::TryAgain, text));
        }
        // The backup is there, whatever becomes of the lock.
        let left = self.lock.take().and_then(|lock| lock.give_up().err()).map(|error| {
            format!("the lock of this backup stays behind, which is harmless and ends within half an hour: {error}")
        });
        Ok((added, left))
    }

    /// Stores the folders; returns the tree of the outermost.
    fn trees(&mut self, manifest: &Manifest) -> Result<Id> {
        let mut folders: BTreeMap<String, Vec<Node>> = BTreeMap::new();
        let mut top = BTreeMap::new();
        for (path, node) in std::mem::take(&mut self.nodes) {
            match path.split_once('/') {
                None => _ = top.insert(path, node),
                Some((folder, _)) => folders.entry(folder.to_owned()).or_default().push(node),
            }
        }
        for (name, nodes) in folders {
            let meta = Metadata {
                mode: Some(FOLDER | 0o700),
                mtime: manifest.created.parse().ok(),
                uid: Some(manifest.source.uid),
                gid: Some(manifest.source.gid),
                ..Metadata::default()
            };
            let mut node = Node::new_node(OsStr::new(&name), NodeType::Dir, meta);
            node.subtree = Some(TreeId::from(self.tree(nodes)?));
            top.insert(name, node);
        }
        self.tree(top.into_values().collect())
    }

    fn tree(&self, nodes: Vec<Node>) -> Result<Id> {
        let odd = |error: &dyn std::fmt::Display| Error::new(Code::Io, format!("cannot write a folder: {error}"));
        let (bytes, id) = Tree { nodes }.serialize().map_err(|error| odd(&error))?;
        self.packer.store(BlobType::Tree, *id, &bytes, &mut self.packer.compressor()?)?;
        Ok(*id)
    }
}

impl Drop for Packing {
    fn drop(&mut self) {
        self.storers.stop();
        // What a run that failed has stored is there for the next one.
        _ = self.packer.write_index();
    }
}

/// Whether one of the packs is not there now.
fn lacks_one<'a>(store: &Store, mut packs: impl Iterator<Item = &'a Id>) -> Result<bool> {
    if store.site.folder().is_none() {
        let there: HashSet<Id> = store.list(FileType::Pack)?.into_iter().map(|(id, _)| id).collect();
        return Ok(packs.any(|pack| !there.contains(pack)));
    }
    for pack in packs {
        if !store.has(FileType::Pack, pack)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Waits for whoever prunes, at most so long.
fn share_within(folder: &Folder, patience: Duration) -> Result<Lock> {
    let begun = Instant::now();
    loop {
        match folder.share() {
            Err(error) if error.code == Code::TryAgain && begun.elapsed() < patience => {
                std::thread::sleep(Duration::from_millis(50));
            }
            other => return other,
        }
    }
}

fn snapshot(manifest: &Manifest, tree: Id, files: u64, bytes: u64, added: u64) -> SnapshotFile {
    let created: Timestamp = manifest.created.parse().unwrap_or_else(|_| Timestamp::now());
    let mut snapshot = SnapshotFile {
        time: created.to_zoned(TimeZone::UTC),
        program_version: TOOL.into(),
        tree: tree.into(),
        hostname: manifest.host.clone().unwrap_or_default(),
        username: String::new(),
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        ..SnapshotFile::default()
    };
    snapshot.paths.add(manifest.source.path.clone().unwrap_or_else(|| manifest.source.folder.clone()));
    let verdict = if manifest.scan.verdict == Verdict::Clean { "clean" } else { "anomalies" };
    // A comma would part a tag where tags are given on a command line.
    let series = manifest.series().replace(',', "%2C");
    for tag in [
        OURS.to_owned(),
        format!("{NAME}{}", manifest.name),
        format!("{SERIES}{series}"),
        format!("{VERDICT}{verdict}"),
    ] {
        snapshot.tags.add(tag);
    }
    manifest.tags.iter().for_each(|tag| snapshot.tags.add(tag.clone()));
    let mut summary = snapshot.summary.take().unwrap_or_default();
    summary.total_files_processed = files;
    summary.total_bytes_processed = bytes;
    summary.data_added_packed = added;
    snapshot.summary = Some(summary);
    snapshot
}
