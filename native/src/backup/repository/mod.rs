//! Repositories in restic's format: encrypted, deduplicated and compressed. Each backup is a snapshot that holds exactly
//! what a plain backup is, so that `restic restore` gives one; every verb reads it as [`Files`].
//!
//! `rustic_core` knows the format: keys, configuration, index, pruning. What it does not do is ours: writing blobs while a
//! log is read once ([`packing`]), reading them back with damage told from not being able to look ([`snapshot`]), and
//! where the files lie ([`store`]). What is remembered of verifications and drills lies in a folder beside restic's own.

mod chunk;
mod incoming;
mod index;
mod lock;
mod pack;
pub(super) mod packing;
mod reuse;
mod root;
mod seal;
mod secret;
mod snapshot;
mod store;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use papyra_core::digest::sha256;
use papyra_core::manifest;
use rustic_core::repofile::{BlobType, FileType, SnapshotFile};
use rustic_core::{ConfigOptions, Id, KeyOptions, OpenStatus, RepositoryBackends, RepositoryOptions};

use super::files::Files;
use super::remote;
use crate::disk::{self, Folder, Lock, file_name};
use crate::error::{Code, Error, Result, show};
use index::{Index, short};
use root::Root;
use seal::Seal;
use store::Store;

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
    inner: rustic_core::Repository<OpenStatus>,
    index: Mutex<Arc<Index>>,
    path: PathBuf,
    /// Its backups as they were last listed, by name.
    backups: Mutex<BTreeMap<String, Found>>,
}

/// What a snapshot's file holds.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// A backup.
    Whole(Box<SnapshotFile>),
    /// Not what was written, and what is wrong with it.
    Changed(Id, String),
}

impl Found {
    fn id(&self) -> &Id {
        match self {
            Found::Whole(snapshot) => &snapshot.id,
            Found::Changed(id, _) => id,
        }
    }
}

/// The folder at a path, where it is a repository.
pub(super) fn folder_of(path: &Path) -> Option<Folder> {
    Folder::open(path).ok().filter(is_one)
}

/// Whether a folder holds a repository, though a part of it may be lost: then it must not be taken for a folder of plain
/// backups.
pub(super) fn is_one(folder: &Folder) -> bool {
    let is_folder = |name: &&str| folder.stat(*name).is_ok_and(|stat| stat.is_some_and(|stat| stat.is_folder()));
    let folders = ["keys", "snapshots", "index", "data"].iter().filter(|name| is_folder(name)).count();
    folders + usize::from(has_config(folder)) >= 3
}

fn has_config(folder: &Folder) -> bool {
    folder.stat("config").is_ok_and(|stat| stat.is_some_and(|stat| stat.is_file()))
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
            "RESTIC_REPOSITORY names a repository in {}: papyra works on repositories in folders only",
            text.split_once(':').map_or("", |(scheme, _)| scheme)
        );
        return Err(Error::new(Code::Usage, text));
    }
    Ok(Some(text.strip_prefix("local:").map_or_else(|| PathBuf::from(&named), PathBuf::from)))
}

/// Makes a repository in a folder, which must be empty.
pub fn init(path: &Path) -> Result<PathBuf> {
    if remote::is_remote(path) {
        let text = format!("{}: repositories lie in folders only", remote::called(path));
        return Err(Error::new(Code::Usage, text));
    }
    remote::refuse_lookalike(path)?;
    if folder_of(path).is_some_and(|folder| has_config(&folder)) {
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
    disk::canonical(path)
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
        let path = disk::canonical(folder.path())?;
        if !has_config(&folder) {
            let text = format!(
                "{} is a repository without its file config: put it back from a copy; if it was never used, papyra \
                 backup init begins anew",
                show(&path)
            );
            return Err(Error::new(Code::Data, text));
        }
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
                "{} is a repository of version {version}, which this papyra does not support: use a newer papyra, or restic",
                show(&path)
            );
            return Err(Error::new(Code::Data, text));
        }
        let key = opened.key();
        let odd = || {
            Error::new(
                Code::Data,
                format!("the key of {} has a wrong length: put its folder keys back from a copy", show(&path)),
            )
        };
        let seal = Seal::new(&key).ok_or_else(odd)?;
        secret::remember(&path, &key);
        let index = Mutex::new(Arc::new(Index::read(&store, &seal)?));
        Ok(Repository { store, seal, inner: opened, index, path, backups: Mutex::default() })
    }

    /// The place of a backup of that name.
    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Keeps others from pruning.
    pub(super) fn share(&self) -> Result<Lock> {
        self.store.folder.share()
    }

    /// The backups, by name. Of several with one name, the oldest has it, and the others an ID behind it. A snapshot that
    /// was changed may be a backup, and is called by its ID.
    pub(super) fn backups(&self) -> Result<BTreeMap<String, Found>> {
        let (mut ours, mut backups) = (Vec::new(), BTreeMap::new());
        for (id, _) in self.store.list(FileType::Snapshot)? {
            match self.store.text::<SnapshotFile>(&self.seal, FileType::Snapshot, &id) {
                Ok(Ok(mut snapshot)) if snapshot.tags.contains(OURS) => {
                    snapshot.id = id.into();
                    ours.push(snapshot);
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => _ = backups.insert(short(&id), Found::Changed(id, error.to_string())),
                // Removed meanwhile.
                Err(_) if !self.store.has(FileType::Snapshot, &id)? => {}
                Err(error) => return Err(error),
            }
        }
        ours.sort_by_key(|snapshot| (snapshot.time.timestamp(), snapshot.id));
        for snapshot in ours {
            let id = short(&snapshot.id);
            let named = snapshot.tags.iter().find_map(|tag| tag.strip_prefix(NAME));
            let named = named.filter(|name| manifest::is_name(name)).map_or_else(|| id.clone(), str::to_owned);
            let name = if backups.contains_key(&named) { format!("{named}-{id}") } else { named };
            backups.insert(name, Found::Whole(Box::new(snapshot)));
        }
        *self.backups.lock().unwrap_or_else(PoisonError::into_inner) = backups.clone();
        Ok(backups)
    }

    /// What there is of that name now.
    fn found(&self, name: &str) -> Result<Option<Found>> {
        let known = self.backups.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some(found) = known
            && self.store.has(FileType::Snapshot, found.id())?
        {
            return Ok(Some(found));
        }
        Ok(self.backups()?.remove(name))
    }

    /// The backup of that name, if it is there now.
    fn backup(&self, name: &str) -> Result<Option<SnapshotFile>> {
        match self.found(name)? {
            None => Ok(None),
            Some(Found::Whole(snapshot)) => Ok(Some(*snapshot)),
            Some(Found::Changed(_, why)) => Err(Error::new(Code::Data, why)),
        }
    }

    /// A blob; the inner error says what is wrong with it, the outer one that nobody could look.
    ///
    /// Before a blob is called damaged it is read once more, where another tool may have moved it to meanwhile.
    fn blob(&self, kind: BlobType, id: &Id) -> Result<std::result::Result<Vec<u8>, String>> {
        let index = self.index();
        if let Ok(bytes) = self.blob_by(&index, kind, id)? {
            return Ok(Ok(bytes));
        }
        let index = if index.is_current(&self.store)? { index } else { self.read_index_again()? };
        self.blob_by(&index, kind, id)
    }

    fn blob_by(&self, index: &Index, kind: BlobType, id: &Id) -> Result<std::result::Result<Vec<u8>, String>> {
        let mut wrong = None;
        for place in index.places(kind, id) {
            let pack = index.pack_of(place);
            let Some(sealed) = self.store.stretch(pack, place.offset, place.length)? else {
                wrong = Some(format!("the pack {} is gone, or was cut", short(pack)));
                continue;
            };
            let bytes = self.seal.open(&sealed).and_then(|bytes| match place.unpacked {
                Some(length) => seal::unpack(&bytes, length),
                None => Some(bytes),
            });
            // What is sealed may be another blob, which somebody has put there.
            match bytes.filter(|bytes| sha256(bytes) == id.to_hex().as_str()) {
                Some(bytes) => return Ok(Ok(bytes)),
                None => {
                    wrong = Some(format!("the pack {} was changed at byte {} or behind", short(pack), place.offset));
                }
            }
        }
        Ok(Err(wrong.unwrap_or_else(|| index::unknown(id))))
    }

    fn index(&self) -> Arc<Index> {
        Arc::clone(&self.index.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn read_index_again(&self) -> Result<Arc<Index>> {
        let index = Arc::new(Index::read(&self.store, &self.seal)?);
        *self.index.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&index);
        Ok(index)
    }

    fn closed(&self, sealed: Option<Vec<u8>>) -> Result<Vec<u8>> {
        sealed.ok_or_else(|| Error::new(Code::Io, format!("sealing a file of {} failed", show(&self.path))))
    }
}

fn wrong_password(store: &Store, path: &Path) -> Error {
    let keys: Vec<String> = store.list(FileType::Key).unwrap_or_default().iter().map(|(id, _)| short(id)).collect();
    let text = format!(
        "the password opens none of the keys of {} ({}): check RESTIC_PASSWORD, RESTIC_PASSWORD_FILE or \
         RESTIC_PASSWORD_COMMAND",
        show(path),
        if keys.is_empty() { "there are none".to_owned() } else { keys.join(", ") }
    );
    Error::new(Code::NoInput, text)
}
