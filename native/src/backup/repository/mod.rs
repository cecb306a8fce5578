//! Repositories in restic's format: encrypted, deduplicated and compressed. Each backup is a snapshot that holds exactly
//! what a plain backup is, so that `restic restore` gives one; every verb reads it as [`Files`].
//!
//! `rustic_core` knows the format: keys, configuration, index, pruning. What it does not do is ours: writing blobs while a
//! log is read once ([`packing`]), reading them back with damage told from not being able to look ([`snapshot`]), and
//! where the files lie ([`store`]). What is remembered of verifications and drills lies in a folder beside restic's own.

mod chunk;
pub(super) mod packing;
mod seal;
mod secret;
mod snapshot;
mod store;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use papyra_core::manifest;
use rustic_core::repofile::{BlobType, FileType, SnapshotFile};
use rustic_core::{
    ConfigOptions, DataId, Id, IndexedFullStatus, KeyOptions, PruneOptions, PrunePlan, RepositoryBackends,
    RepositoryOptions, TreeId,
};

use super::attest::forget;
use super::files::{Bytes, Files, Look};
use crate::disk::{Folder, Lock, file_name};
use crate::error::{Code, Error, Result, show};
use seal::Seal;
use snapshot::Snapshot;
use store::{Store, write_new};

/// The tag of snapshots that are backups of ours.
const OURS: &str = "papyra";

/// What begins the tags that tell a backup's name, its series and the verdict of the day.
const NAME: &str = "papyra-name=";
const SERIES: &str = "papyra-series=";
const VERDICT: &str = "papyra-verdict=";

/// The folder of what is remembered of verifications and drills.
const RECORDS: &str = "papyra";

/// The versions of the format that are read; the newest is written.
const VERSIONS: std::ops::RangeInclusive<u32> = 1..=2;

/// How long another papyra that adds or removes a backup is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A repository, open.
#[derive(Debug)]
pub(super) struct Repository {
    store: Arc<Store>,
    seal: Seal,
    inner: rustic_core::Repository<IndexedFullStatus>,
    path: PathBuf,
    /// Its packs, with their sizes in bytes, once they are asked for.
    packs: OnceLock<HashMap<Id, u64>>,
    /// Its backups as they were last listed, by name.
    backups: Mutex<BTreeMap<String, SnapshotFile>>,
}

/// The folder at a path, where it is a repository.
pub(super) fn folder_of(path: &Path) -> Option<Folder> {
    Folder::open(path).ok().filter(is_one)
}

/// Whether a folder holds a repository.
pub(super) fn is_one(folder: &Folder) -> bool {
    let is_folder = |name| folder.stat(name).is_ok_and(|stat| stat.is_some_and(|stat| stat.is_folder()));
    ["keys", "snapshots", "data"].into_iter().all(is_folder)
        && folder.stat("config").is_ok_and(|stat| stat.is_some_and(|stat| stat.is_file()))
}

/// The repository that a path leads into, and the name of a backup in it.
fn inside(path: &Path) -> Option<(Folder, String)> {
    let parent = path.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent })?;
    let name = file_name(path).ok().filter(|name| manifest::is_name(name))?;
    if Folder::open(path).is_ok() { None } else { folder_of(parent).map(|folder| (folder, name)) }
}

/// Whether a path is a repository, or a name in one.
pub fn is_repository(path: &Path) -> bool {
    folder_of(path).is_some() || inside(path).is_some()
}

/// The repository, or the backup in one, that a path leads to; `None` when it leads to no repository.
pub(super) fn find(path: &Path) -> Result<Option<Box<dyn Files>>> {
    if let Some(folder) = folder_of(path) {
        return Ok(Some(Box::new(Root(Arc::new(Repository::open(folder)?)))));
    }
    let Some((folder, name)) = inside(path) else { return Ok(None) };
    Root(Arc::new(Repository::open(folder)?)).folder(&name).map(Some)
}

/// The repository that restic's own variable names.
pub fn named() -> Result<Option<PathBuf>> {
    let Some(named) = std::env::var_os("RESTIC_REPOSITORY").filter(|value| !value.is_empty()) else { return Ok(None) };
    let text = named.to_str().unwrap_or_default();
    let elsewhere = ["azure:", "b2:", "gs:", "opendal:", "rclone:", "rest:", "s3:", "sftp:", "swift:"];
    if elsewhere.iter().any(|scheme| text.starts_with(scheme)) {
        let text = format!(
            "RESTIC_REPOSITORY names {}, which is no folder: this papyra works on repositories in folders",
            text.split_once(':').map_or("", |(scheme, _)| scheme)
        );
        return Err(Error::new(Code::Usage, text));
    }
    Ok(Some(text.strip_prefix("local:").map_or_else(|| PathBuf::from(&named), PathBuf::from)))
}

/// Makes a repository in a folder, which must be empty.
pub fn init(path: &Path) -> Result<PathBuf> {
    if folder_of(path).is_some() {
        return Err(Error::new(Code::CannotCreate, format!("{} is a repository already", show(path))));
    }
    let credentials = secret::password(path)?;
    let folder = Folder::create(path)?;
    let _lock = folder.lock_within(PATIENCE)?;
    let store = Store::new(folder);
    if !is_begun(&store)? {
        let text = format!("{} is not empty: name another folder for the repository", show(path));
        return Err(Error::new(Code::CannotCreate, text));
    }
    // A key that a run has left which was killed would open nothing.
    for (id, _) in store.list(FileType::Key)? {
        store.delete(FileType::Key, &id)?;
    }
    store.clear_leftovers()?;
    let opened = rustic_core::Repository::new(&options(), &RepositoryBackends::new(store.clone(), None));
    let made = opened.and_then(|new| new.init(&credentials, &KeyOptions::default(), &ConfigOptions::default()));
    made.map_err(|error| store.told("make", &error))?;
    std::fs::canonicalize(path).map_err(|error| Error::cannot_open(path, error))
}

/// Whether a folder is empty, or holds no more than a killed run of `init` leaves.
fn is_begun(store: &Store) -> Result<bool> {
    let known = |name: &String| {
        ["keys", "snapshots", "index", "locks", "data"].contains(&&**name) || name.ends_with(store::UNDER_WAY)
    };
    let holds = |kind| Ok::<_, Error>(!store.list(kind)?.is_empty());
    Ok(store.folder.names()?.iter().all(known)
        && !(holds(FileType::Snapshot)? || holds(FileType::Index)? || holds(FileType::Pack)?))
}

fn options() -> RepositoryOptions {
    // What is in a folder at hand is not kept a second time.
    RepositoryOptions::default().no_cache(true)
}

impl Repository {
    pub(super) fn open(folder: Folder) -> Result<Repository> {
        let path = std::fs::canonicalize(folder.path()).map_err(|error| Error::cannot_open(folder.path(), error))?;
        let credentials = secret::credentials(&path)?;
        let store = Store::new(folder);
        let new = rustic_core::Repository::new(&options(), &RepositoryBackends::new(store.clone(), None))
            .map_err(|error| store.told("open", &error))?;
        let opened = new.open(&credentials).map_err(|error| match error.is_incorrect_password() {
            true => wrong_password(&store, &path),
            false => store.told("open", &error),
        })?;
        let version = opened.config().version;
        if !VERSIONS.contains(&version) {
            let text = format!(
                "{} is a repository of version {version}, which this papyra does not know: a newer papyra, or restic",
                show(&path)
            );
            return Err(Error::new(Code::Data, text));
        }
        let key = opened.key();
        let odd = || Error::new(Code::Data, format!("the key of {} is none: restore its keys", show(&path)));
        let seal = Seal::new(&key).ok_or_else(odd)?;
        secret::remember(&path, &key);
        let inner = opened.to_indexed().map_err(|error| store.told("read the index of", &error))?;
        Ok(Repository { store, seal, inner, path, packs: OnceLock::new(), backups: Mutex::default() })
    }

    /// The place of a backup of that name.
    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Keeps others from pruning.
    pub(super) fn share(&self) -> Result<Lock> {
        self.store.folder.share()
    }

    /// The backups, by name. Of several with one name, the oldest has it, and the others an ID behind it.
    pub(super) fn backups(&self) -> Result<BTreeMap<String, SnapshotFile>> {
        let all = self.inner.get_all_snapshots().map_err(|error| self.store.told("list the snapshots of", &error))?;
        let mut ours: Vec<SnapshotFile> = all.into_iter().filter(|snapshot| snapshot.tags.contains(OURS)).collect();
        ours.sort_by_key(|snapshot| (snapshot.time.timestamp(), snapshot.id));
        let mut backups = BTreeMap::new();
        for snapshot in ours {
            let id = snapshot.id.to_hex().as_str()[..8].to_owned();
            let named = snapshot.tags.iter().find_map(|tag| tag.strip_prefix(NAME));
            let named = named.filter(|name| manifest::is_name(name)).map_or_else(|| id.clone(), str::to_owned);
            let name = if backups.contains_key(&named) { format!("{named}-{id}") } else { named };
            backups.insert(name, snapshot);
        }
        *self.backups.lock().unwrap_or_else(PoisonError::into_inner) = backups.clone();
        Ok(backups)
    }

    /// The backup of that name, if it is there now.
    fn backup(&self, name: &str) -> Result<Option<SnapshotFile>> {
        let known = self.backups.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some(snapshot) = known
            && self.store.has(FileType::Snapshot, &snapshot.id)?
        {
            return Ok(Some(snapshot));
        }
        Ok(self.backups()?.remove(name))
    }

    /// Where a blob lies: its pack, its offset there, its length, and its length unpacked.
    fn place_of(&self, kind: BlobType, id: &Id) -> Option<(Id, u32, u32, Option<u32>)> {
        let entry = match kind {
            BlobType::Data => self.inner.get_index_entry(&DataId::from(*id)),
            BlobType::Tree => self.inner.get_index_entry(&TreeId::from(*id)),
        };
        let entry = entry.ok()?;
        let unpacked = entry.location.uncompressed_length.map(std::num::NonZeroU32::get);
        Some((*entry.pack, entry.location.offset, entry.location.length, unpacked))
    }

    /// A blob; the inner error says what is wrong with it, the outer one that nobody could look.
    fn blob(&self, kind: BlobType, id: &Id) -> Result<std::result::Result<Vec<u8>, String>> {
        let short = |id: &Id| id.to_hex().as_str()[..8].to_owned();
        let Some((pack, offset, length, unpacked)) = self.place_of(kind, id) else {
            return Ok(Err(format!("the blob {} is in no pack that the index knows", short(id))));
        };
        let Some(sealed) = self.store.stretch(&pack, offset, length)? else {
            return Ok(Err(format!("the pack {} is gone, or was cut", short(&pack))));
        };
        let bytes = self.seal.open(&sealed).and_then(|bytes| match unpacked {
            Some(length) => seal::unpack(&bytes, length),
            None => Some(bytes),
        });
        Ok(bytes.ok_or_else(|| format!("the pack {} was changed at byte {offset} or behind", short(&pack))))
    }

    /// Its packs, with their sizes in bytes.
    fn packs(&self) -> Result<&HashMap<Id, u64>> {
        if let Some(packs) = self.packs.get() {
            return Ok(packs);
        }
        let packs = self.store.list(FileType::Pack)?.into_iter().collect();
        Ok(self.packs.get_or_init(|| packs))
    }

    /// The pack that holds a blob, where it is there and long enough.
    fn holds(&self, kind: BlobType, id: &Id) -> Result<Option<Id>> {
        let Some((pack, offset, length, _)) = self.place_of(kind, id) else { return Ok(None) };
        let end = u64::from(offset) + u64::from(length);
        Ok(self.packs()?.get(&pack).is_some_and(|size| *size >= end).then_some(pack))
    }

    /// Why a blob cannot be there whole, as far as index and sizes tell.
    fn misses(&self, id: &Id) -> Result<Option<String>> {
        let packs = self.packs()?;
        let short = |id: &Id| id.to_hex().as_str()[..8].to_owned();
        Ok(match self.place_of(BlobType::Data, id) {
            None => Some(format!("the blob {} is in no pack that the index knows", short(id))),
            Some((pack, offset, length, _)) => match packs.get(&pack) {
                None => Some(format!("the pack {} is gone", short(&pack))),
                Some(size) if *size < u64::from(offset) + u64::from(length) => {
                    Some(format!("the pack {} was cut", short(&pack)))
                }
                Some(_) => None,
            },
        })
    }
}

fn wrong_password(store: &Store, path: &Path) -> Error {
    let keys: Vec<String> = store
        .list(FileType::Key)
        .unwrap_or_default()
        .iter()
        .map(|(id, _)| id.to_hex().as_str()[..8].to_owned())
        .collect();
    let text = format!(
        "the password opens none of the keys of {} ({}): check RESTIC_PASSWORD, RESTIC_PASSWORD_FILE or \
         RESTIC_PASSWORD_COMMAND",
        show(path),
        if keys.is_empty() { "there are none".to_owned() } else { keys.join(", ") }
    );
    Error::new(Code::NoInput, text)
}

/// A repository, seen as a folder of backups.
#[derive(Debug, Clone)]
pub(super) struct Root(pub(super) Arc<Repository>);

impl Root {
    fn records(&self) -> Result<Folder> {
        self.0.store.folder.subfolder(RECORDS)
    }
}

impl Files for Root {
    fn path(&self) -> &Path {
        &self.0.path
    }

    fn names(&self) -> Result<Vec<String>> {
        Ok(self.0.backups()?.into_keys().collect())
    }

    fn look(&self, name: &str) -> Result<Look> {
        if self.0.backup(name)?.is_some() {
            return Ok(Look::Folder);
        }
        if self.0.store.folder.stat(RECORDS)?.is_none() {
            return Ok(Look::Nothing);
        }
        Files::look(&self.0.store.folder.existing_subfolder(RECORDS)?, name)
    }

    fn read_from(&self, name: &str, at: u64) -> Result<Box<dyn Bytes>> {
        let path = self.0.path.join(RECORDS).join(name);
        let file = self.records()?.read(name)?;
        let size = file.size().map_err(|error| Error::cannot_read(&path, 0, &error))?.min(1 << 20);
        let mut sealed = vec![0; usize::try_from(size).unwrap_or(0)];
        file.read_exact_at(&mut sealed, 0).map_err(|error| Error::cannot_read(&path, 0, &error))?;
        // What this repository has not sealed is told as what it is: no record.
        let bytes = self.0.seal.open(&sealed).unwrap_or_default();
        let from = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
        Ok(Box::new(snapshot::Held(std::io::Cursor::new(bytes[from..].to_vec()))))
    }

    fn folder(&self, name: &str) -> Result<Box<dyn Files>> {
        let path = self.0.join(name);
        let gone =
            || Error::new(Code::NoInput, format!("cannot open {}: the repository has no such backup", show(&path)));
        let snapshot = self.0.backup(name)?.ok_or_else(gone)?;
        Ok(Box::new(Snapshot::open(Arc::clone(&self.0), &snapshot, path)?))
    }

    fn parent(&self) -> Result<Box<dyn Files>> {
        super::at(self.0.path.parent().unwrap_or(Path::new("/")))
    }

    fn join(&self, name: &str) -> PathBuf {
        let is_record = [".verified.json", ".drilled.json"].iter().any(|end| name.ends_with(end));
        if is_record { self.0.path.join(RECORDS).join(name) } else { self.0.join(name) }
    }

    fn write_over(&self, name: &str, bytes: &[u8]) -> Result<()> {
        write_new(&self.records()?, name, &[&self.0.closed(self.0.seal.close(bytes))?])
    }

    fn remove(&self, name: &str) -> Result<()> {
        Files::remove(&self.records()?, name)
    }

    fn share(&self) -> Result<Option<Lock>> {
        self.0.share().map(Some)
    }

    fn tidy(&self) -> Result<Option<Lock>> {
        let lock = self.0.store.folder.lock_within(PATIENCE)?;
        self.0.store.clear_leftovers()?;
        Ok(Some(lock))
    }

    fn discard(&self, name: &str) -> Result<()> {
        if let Some(snapshot) = self.0.backup(name)? {
            let done = self.0.inner.delete_snapshots(&[snapshot.id]);
            done.map_err(|error| self.0.store.told("remove a snapshot of", &error))?;
        }
        forget(self, name)
    }

    /// Frees what no snapshot needs: what was found unneeded a day ago goes, and what is found now is marked.
    fn sweep(&self) -> Result<()> {
        let options = PruneOptions::default();
        let told = |error: Box<rustic_core::RusticError>| self.0.store.told("prune", &error);
        let repository = &self.0.inner;
        let plan = PrunePlan::from_prune_options(repository, &options).map_err(told)?;
        repository.prune(&options, plan).map_err(told)
    }
}

impl Repository {
    fn closed(&self, sealed: Option<Vec<u8>>) -> Result<Vec<u8>> {
        sealed.ok_or_else(|| Error::new(Code::Io, format!("sealing a file of {} failed", show(&self.path))))
    }
}
