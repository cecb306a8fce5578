//! Writing a backup into a repository: what is written into a file is cut into blobs on the way, those that are new are
//! compressed and sealed on threads of their own and gathered into packs, and the snapshot comes last of all, when
//! everything that it needs is on the disk (restic's design, "Pack Format", "Trees and Data", "Snapshots").

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use papyra_core::digest::{hex, sha256};
use papyra_core::manifest::{Content, Manifest, StoredFile};
use papyra_core::report::{FileReport, Verdict};
use papyra_core::summary::Summary;
use rustic_core::repofile::{BlobType, Chunker as Cutting, FileType, Metadata, Node, NodeType, SnapshotFile, Tree};
use rustic_core::{DataId, Id, TreeId};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::chunk::Chunker;
use super::snapshot::Snapshot;
use super::{NAME, OURS, Repository, SERIES, VERDICT};
use crate::TOOL;
use crate::backup::Backup;
use crate::backup::create::nanoseconds;
use crate::disk::{Folder, Lock, Stat};
use crate::error::{Code, Error, Result, show};

/// A pack is written when it has so many bytes (restic's own default).
const PACK: usize = 16 << 20;

/// An index is written after so many packs: what a run that is killed has stored since is stored again.
const PACKS: usize = 16;

/// The most threads that compress.
const THREADS: usize = 4;

/// How long somebody who prunes is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder's bit in the modes of restic, which are those of Go.
const FOLDER: u32 = 1 << 31;

/// A backup under way in a repository.
pub(in crate::backup) struct Packing {
    shared: Arc<Shared>,
    jobs: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
    nodes: BTreeMap<String, Node>,
    bytes: u64,
    /// By device and inode.
    known: HashMap<(u64, u64), Known>,
    _lock: Lock,
}

/// A blob to store; its ID goes to whoever gathers those of its file.
struct Job {
    bytes: Vec<u8>,
    at: usize,
    to: Sender<(usize, Id)>,
}

struct Shared {
    repository: Arc<Repository>,
    level: i32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    data: Pack,
    trees: Pack,
    /// Blobs that were new in this run.
    stored: HashSet<(BlobType, Id)>,
    /// Packs that no index tells of yet.
    packs: Vec<IndexedPack>,
    /// What the snapshot needs.
    needed: BTreeSet<Id>,
    added: u64,
    failed: Option<Error>,
}

/// A pack under way.
#[derive(Default)]
struct Pack {
    pieces: Vec<Vec<u8>>,
    blobs: Vec<IndexedBlob>,
    bytes: usize,
}

/// Files beside packs have no field that an index of ours needs and restic does not know.
#[derive(Serialize)]
struct Index {
    packs: Vec<IndexedPack>,
}

#[derive(Serialize)]
struct IndexedPack {
    id: String,
    blobs: Vec<IndexedBlob>,
    time: String,
    size: usize,
}

#[derive(Serialize)]
struct IndexedBlob {
    id: String,
    #[serde(rename = "type")]
    kind: BlobType,
    offset: usize,
    length: usize,
    uncompressed_length: usize,
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

/// A file of the series' last backup.
struct Known {
    file: StoredFile,
    report: FileReport,
    node: Node,
    /// When that backup was begun.
    created: Timestamp,
}

/// A file that was changed so shortly before a backup may have been changed once more within the same tick of the clock.
const TICK: SignedDuration = SignedDuration::from_secs(2);

impl Packing {
    /// Begins a backup in the repository that a folder is; `last` is the last one of its series.
    pub(in crate::backup) fn begin(folder: Folder, threads: usize, last: Option<&str>) -> Result<Packing> {
        // While it goes on nobody prunes, where locks reach.
        let lock = share_within(&folder, PATIENCE)?;
        let repository = Arc::new(Repository::open(folder)?);
        let config = repository.inner.config();
        if config.version < 2 {
            let text = format!(
                "{} is a repository of version 1, which is read and no longer written: restic migrate upgrade_repo_v2",
                show(&repository.path)
            );
            return Err(Error::new(Code::Data, text));
        }
        if config.append_only == Some(true) && config.is_hot == Some(true) {
            let text = format!("{} is the hot half of a repository: name the other half", show(&repository.path));
            return Err(Error::new(Code::Usage, text));
        }
        // Without it, all is read.
        let known = last.and_then(|last| known(&repository, last).ok()).unwrap_or_default();
        let level = config.zstd().ok().flatten().filter(|level| *level != 0).unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL);
        let shared = Arc::new(Shared { repository, level, state: Mutex::default() });
        let (jobs, waiting) = sync_channel(2 * THREADS);
        let waiting = Arc::new(Mutex::new(waiting));
        let work = |_| {
            let (shared, waiting) = (Arc::clone(&shared), Arc::clone(&waiting));
            std::thread::spawn(move || shared.work(&waiting))
        };
        let threads = (0..threads.clamp(1, THREADS)).map(work).collect();
        Ok(Packing { shared, jobs: Some(jobs), threads, nodes: BTreeMap::new(), bytes: 0, known, _lock: lock })
    }

    /// Where a backup of that name will be.
    pub(in crate::backup) fn path(&self, name: &str) -> PathBuf {
        self.shared.repository.join(name)
    }

    /// Whether there is a backup of that name.
    pub(in crate::backup) fn has(&self, name: &str) -> Result<bool> {
        Ok(self.shared.repository.backups()?.contains_key(name))
    }

    /// Begins a file.
    pub(in crate::backup) fn file(&self) -> Result<Incoming> {
        let config = self.shared.repository.inner.config();
        let odd = |error: Box<rustic_core::RusticError>| self.shared.repository.store.told("write to", &error);
        let (size, smallest, largest) = match config.chunker() {
            Cutting::Rabin => (config.chunk_size(), config.chunk_min_size(), config.chunk_max_size()),
            _ => (config.chunk_size(), config.chunk_size(), config.chunk_size()),
        };
        let chunker = Chunker::new(config.poly().map_err(odd)?, size, smallest, largest);
        let (to, ids) = channel();
        let jobs = self.jobs.clone();
        Ok(Incoming { chunker, jobs, to, ids, count: 0, bytes: 0, shared: Arc::clone(&self.shared) })
    }

    /// The file is written to its end.
    pub(in crate::backup) fn add(&mut self, path: &str, file: Incoming, attributes: &Attributes) -> Result<()> {
        let Stored { blobs, bytes } = file.finish()?;
        self.bytes += bytes;
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
        let Some(Known { file, report, node, created }) = self.known.get(&(stat.device, stat.inode)) else {
            return Ok(None);
        };
        let time = |time| Timestamp::from_nanosecond(i128::from(nanoseconds(time))).ok();
        let meta = &node.meta;
        let same = (meta.size, meta.mtime, meta.ctime) == (stat.size, time(stat.modified), time(stat.changed))
            && (file.bytes, file.source.seen_bytes) == (stat.size, stat.size)
            && time(stat.changed).is_some_and(|changed| changed.saturating_add(TICK).is_ok_and(|end| end < *created));
        let Some(summary) = Summary::of_clean(report).filter(|_| same) else { return Ok(None) };
        for blob in node.content.iter().flatten() {
            let Some(pack) = self.shared.repository.holds(BlobType::Data, blob)? else { return Ok(None) };
            self.shared.state().needed.insert(pack);
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        let mut renamed = Node::new_node(OsStr::new(name), NodeType::File, meta.clone());
        renamed.content.clone_from(&node.content);
        self.nodes.insert(path.to_owned(), renamed);
        self.bytes += file.bytes;
        Ok(Some((file.clone(), summary)))
    }

    /// Takes back a file.
    pub(in crate::backup) fn discard(&mut self, path: &str) {
        self.nodes.remove(path);
    }

    /// Writes the trees, the rest of the packs, an index and, last of all, the snapshot. Returns how many bytes were new.
    pub(in crate::backup) fn finish(mut self, manifest: &Manifest) -> Result<u64> {
        self.end();
        let shared = Arc::clone(&self.shared);
        shared.check()?;
        let tree = self.trees(manifest)?;
        let files = self.nodes.len() as u64;
        shared.flush(BlobType::Data)?;
        shared.flush(BlobType::Tree)?;
        shared.write_index()?;
        let added = shared.state().added;
        let snapshot = snapshot(manifest, tree, files, self.bytes, added);
        let text = serde_json::to_vec(&snapshot).map_err(|error| Error::new(Code::Io, error.to_string()))?;
        let id = shared.write_text(FileType::Snapshot, &text)?;
        // Whoever prunes with another tool knows nothing of us.
        for pack in &shared.state().needed {
            if !shared.repository.store.has(FileType::Pack, pack)? {
                let done = shared.repository.inner.delete_snapshots(&[id.into()]);
                done.map_err(|error| shared.repository.store.told("remove a snapshot of", &error))?;
                let text = format!(
                    "{} was pruned by another tool meanwhile: try again; papyra backup prune waits for others",
                    show(&shared.repository.path)
                );
                return Err(Error::new(Code::TryAgain, text));
            }
        }
        Ok(added)
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
        self.shared.store(BlobType::Tree, *id, &bytes)?;
        Ok(*id)
    }

    /// All that was handed over is stored after this.
    fn end(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

impl Drop for Packing {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            _ = thread.join();
        }
        // What a run that failed has stored is there for the next one.
        _ = self.shared.write_index();
    }
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

/// The logs of a backup by device and inode.
fn known(repository: &Arc<Repository>, name: &str) -> Result<HashMap<(u64, u64), Known>> {
    let Some(snapshot) = repository.backup(name)? else { return Ok(HashMap::new()) };
    let snapshot = Snapshot::open(Arc::clone(repository), &snapshot, repository.join(name))?;
    let mut nodes = snapshot.nodes.clone();
    let Manifest { created, files, scan, .. } = Backup::read(Box::new(snapshot))?.manifest;
    let mut reports: HashMap<String, FileReport> =
        scan.files.into_iter().map(|report| (report.path.clone(), report)).collect();
    let Ok(created) = created.parse() else { return Ok(HashMap::new()) };
    let known = files.into_iter().filter(|file| file.content == Content::Log && file.source.cut.is_none());
    let known = known.filter_map(|file| {
        let (node, report) = (nodes.remove(&file.stored)?, reports.remove(&file.path)?);
        Some(((node.meta.device_id, node.meta.inode), Known { file, report, node, created }))
    });
    Ok(known.collect())
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

/// A file under way.
pub(in crate::backup) struct Incoming {
    chunker: Chunker,
    jobs: Option<SyncSender<Job>>,
    to: Sender<(usize, Id)>,
    ids: Receiver<(usize, Id)>,
    count: usize,
    bytes: u64,
    shared: Arc<Shared>,
}

struct Stored {
    blobs: Vec<Id>,
    bytes: u64,
}

impl Incoming {
    fn finish(mut self) -> Result<Stored> {
        let rest = self.chunker.rest();
        if !rest.is_empty() {
            self.bytes += rest.len() as u64;
            _ = send(self.jobs.as_ref(), &self.to, &mut self.count, rest);
        }
        drop((self.to, self.jobs));
        let mut ids: Vec<(usize, Id)> = self.ids.iter().collect();
        ids.sort_by_key(|(at, _)| *at);
        self.shared.check()?;
        if ids.len() != self.count {
            return Err(Error::new(Code::Io, "a part of a file was not stored"));
        }
        Ok(Stored { blobs: ids.into_iter().map(|(_, id)| id).collect(), bytes: self.bytes })
    }
}

fn send(jobs: Option<&SyncSender<Job>>, to: &Sender<(usize, Id)>, count: &mut usize, bytes: Vec<u8>) -> io::Result<()> {
    let job = Job { bytes, at: *count, to: to.clone() };
    *count += 1;
    let gone = || io::Error::other("nobody stores blobs any more");
    jobs.ok_or_else(gone)?.send(job).map_err(|_| gone())
}

impl Write for Incoming {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Why it failed is told at the end; there is no use in going on.
        if self.shared.state().failed.is_some() {
            return Err(io::Error::other("writing to the repository failed"));
        }
        let Incoming { chunker, jobs, to, count, bytes: total, .. } = self;
        chunker.push(bytes, |chunk| {
            *total += chunk.len() as u64;
            send(jobs.as_ref(), to, count, chunk)
        })?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails when something was not stored.
    pub(super) fn check(&self) -> Result<()> {
        match self.state().failed.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Stores what comes, until nothing comes any more.
    fn work(&self, waiting: &Mutex<Receiver<Job>>) {
        loop {
            let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(Job { bytes, at, to }) = job else { return };
            let done = id_of(&sha256(&bytes)).and_then(|id| self.store(BlobType::Data, id, &bytes).map(|()| id));
            match done {
                Ok(id) => _ = to.send((at, id)),
                Err(error) => _ = self.state().failed.get_or_insert(error),
            }
        }
    }

    /// Stores a blob, unless it is there.
    fn store(&self, kind: BlobType, id: Id, bytes: &[u8]) -> Result<()> {
        if self.state().stored.contains(&(kind, id)) {
            return Ok(());
        }
        if let Some(pack) = self.repository.holds(kind, &id)? {
            self.state().needed.insert(pack);
            return Ok(());
        }
        if !self.state().stored.insert((kind, id)) {
            return Ok(());
        }
        let packed =
            zstd::bulk::compress(bytes, self.level).map_err(|error| Error::new(Code::Io, error.to_string()))?;
        let sealed = self.repository.closed(self.repository.seal.close(&packed))?;
        let full = {
            let mut state = self.state();
            let pack = state.pack(kind);
            pack.blobs.push(IndexedBlob {
                id: id.to_hex().as_str().to_owned(),
                kind,
                offset: pack.bytes,
                length: sealed.len(),
                uncompressed_length: bytes.len(),
            });
            pack.bytes += sealed.len();
            pack.pieces.push(sealed);
            if pack.bytes >= PACK { std::mem::take(pack) } else { return Ok(()) }
        };
        self.write_pack(full)?;
        if self.state().packs.len() >= PACKS { self.write_index() } else { Ok(()) }
    }

    /// Writes the pack that is under way.
    fn flush(&self, kind: BlobType) -> Result<()> {
        let pack = std::mem::take(self.state().pack(kind));
        self.write_pack(pack)
    }

    fn write_pack(&self, mut pack: Pack) -> Result<()> {
        if pack.blobs.is_empty() {
            return Ok(());
        }
        let header = self.repository.closed(self.repository.seal.close(&header(&pack.blobs)?))?;
        let length = u32::try_from(header.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
        pack.bytes += header.len() + length.len();
        pack.pieces.extend([header, length]);
        let mut hash = Sha256::new();
        pack.pieces.iter().for_each(|piece| hash.update(piece));
        let id = id_of(&hex(&hash.finalize()))?;
        let pieces: Vec<&[u8]> = pack.pieces.iter().map(Vec::as_slice).collect();
        self.repository.store.put(FileType::Pack, &id, &pieces)?;
        let mut state = self.state();
        state.added += pack.bytes as u64;
        state.needed.insert(id);
        state.packs.push(IndexedPack {
            id: id.to_hex().as_str().to_owned(),
            blobs: pack.blobs,
            time: Timestamp::now().to_string(),
            size: pack.bytes,
        });
        Ok(())
    }

    /// Writes an index of the packs that none tells of yet.
    fn write_index(&self) -> Result<()> {
        let packs = std::mem::take(&mut self.state().packs);
        if packs.is_empty() {
            return Ok(());
        }
        let text = serde_json::to_vec(&Index { packs }).map_err(|error| Error::new(Code::Io, error.to_string()))?;
        self.write_text(FileType::Index, &text).map(|_| ())
    }

    fn write_text(&self, kind: FileType, text: &[u8]) -> Result<Id> {
        let sealed = self.repository.closed(self.repository.seal.close_text(text, self.level))?;
        let id = id_of(&sha256(&sealed))?;
        self.repository.store.put(kind, &id, &[&sealed])?;
        self.state().added += sealed.len() as u64;
        Ok(id)
    }
}

impl State {
    fn pack(&mut self, kind: BlobType) -> &mut Pack {
        match kind {
            BlobType::Data => &mut self.data,
            BlobType::Tree => &mut self.trees,
        }
    }
}

/// What a pack ends with: kind, length, length unpacked and ID of each blob.
fn header(blobs: &[IndexedBlob]) -> Result<Vec<u8>> {
    let mut header = Vec::new();
    for blob in blobs {
        header.push(match blob.kind {
            BlobType::Data => 2,
            BlobType::Tree => 3,
        });
        for length in [blob.length, blob.uncompressed_length] {
            let length = u32::try_from(length).map_err(|_| Error::new(Code::Io, "a blob is too large"))?;
            header.extend(length.to_le_bytes());
        }
        let hex = blob.id.as_bytes().chunks_exact(2);
        header.extend(hex.filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()));
    }
    Ok(header)
}

fn id_of(hex: &str) -> Result<Id> {
    hex.parse().map_err(|_| Error::new(Code::Io, "a hash is no ID"))
}
