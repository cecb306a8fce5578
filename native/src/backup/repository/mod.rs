//! Repositories in restic's format: encrypted, deduplicated and compressed. Each backup is a snapshot that holds exactly
//! what a plain backup is, so that `restic restore` gives one; every verb reads it as [`Files`].
//!
//! `rustic_core` knows the format: keys, configuration, index, pruning. What it does not do is ours: writing blobs while a
//! log is read once ([`packing`]), reading them back with damage told from not being able to look ([`snapshot`]), and
//! where the files lie ([`store`], [`site`]). What is remembered of verifications and drills lies in a folder beside restic's own.

mod cache;
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
mod site;
mod snapshot;
mod store;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use papyra_core::digest::sha256;
use papyra_core::manifest;
use rustic_core::repofile::{BlobType, FileType, SnapshotFile};
use rustic_core::{ConfigOptions, Credentials, Id, KeyOptions, OpenStatus, RepositoryBackends, RepositoryOptions};

use super::files::{Files, side_by_side};
use super::is_unreachable;
use super::remote::{self, Location};
use crate::disk::{self, Folder, Lock, file_name};
use crate::error::{Code, Error, Result, show};
use cache::Cache;
use index::{Index, short};
use root::Root;
use seal::Seal;
pub(super) use site::{Site, Tops};
use snapshot::Snapshot;
use store::{Store, Trust};

/// The tag of snapshots that are backups of ours.
const OURS: &str = "papyra";

/// What begins the tags that tell a backup's name, its series and the verdict of the day.
const NAME: &str = "papyra-name=";
const SERIES: &str = "papyra-series=";
const VERDICT: &str = "papyra-verdict=";

/// The file that makes a repository one.
const CONFIG: &str = "config";

/// The folder of what is remembered of verifications and drills.
const RECORDS: &str = "papyra";

/// The cache's folder of what a list reads.
const BLOBS: &str = "blobs";

/// The largest record or lock that is read, in bytes.
const SMALL: u64 = 1 << 20;

/// The end of the hidden name of a file under way.
const UNDER_WAY: &str = ".papyra.tmp";

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
    /// The sizes of its records as they were last listed, by name.
    records: Mutex<Option<BTreeMap<String, u64>>>,
}

/// What a snapshot's file holds.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// A backup.
    Whole(Box<SnapshotFile>),
    /// Not what was written, and what is wrong with it.
    Changed(Id, String),
}

/// A blob as it is stored, and open.
struct Blob {
    sealed: Vec<u8>,
    bytes: Vec<u8>,
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

/// Whether a folder holds a repository, though a part of it may be lost.
pub(super) fn is_one(folder: &Folder) -> bool {
    folder.tops().is_ok_and(|tops| tops.is_repository())
}

/// Where a path leads: a repository, and the name of a backup in it, if it leads to one.
type Led = (Arc<dyn Site>, Option<String>);

fn led(path: &Path) -> Result<Option<Led>> {
    if remote::is_remote(path) {
        return led_far(path);
    }
    if let Some(folder) = folder_of(path) {
        return Ok(Some((Arc::new(folder), None)));
    }
    let parent = path.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
    let name = file_name(path).ok().filter(|name| manifest::is_name(name));
    let (Some(parent), Some(name)) = (parent, name) else { return Ok(None) };
    let folder = if Folder::open(path).is_ok() { None } else { folder_of(parent) };
    Ok(folder.map(|folder| (Arc::new(folder) as _, Some(name))))
}

fn led_far(path: &Path) -> Result<Option<Led>> {
    let location = Location::parse(path)?;
    let site = remote::site(&location)?;
    if site.size(CONFIG)?.is_some() {
        return Ok(Some((site, None)));
    }
    if let Some((outer, name)) = location.split().filter(|(_, name)| manifest::is_name(name)) {
        let outer = remote::site(&outer)?;
        if outer.size(CONFIG)?.is_some() {
            return Ok(Some((outer, Some(name))));
        }
    }
    // Its configuration may be lost.
    Ok(if site.tops()?.is_repository() { Some((site, None)) } else { None })
}

/// Whether a path is a repository, or a name in one. `Err` says that nobody could look.
pub fn is_repository(path: &Path) -> Result<bool> {
    Ok(led(path)?.is_some())
}

/// The repository that lies there, if one does.
pub(super) fn site_at(path: &Path) -> Result<Option<Arc<dyn Site>>> {
    Ok(led(path)?.filter(|(_, name)| name.is_none()).map(|(site, _)| site))
}

/// The repository, or the backup in one, that a path leads to; `None` when it leads to no repository.
pub(super) fn find(path: &Path) -> Result<Option<Box<dyn Files>>> {
    let Some((site, name)) = led(path)? else { return Ok(None) };
    let Some(name) = name else {
        return Ok(Some(Box::new(Root(Arc::new(Repository::open(site, Trust::Kept)?)))));
    };
    // Whoever names a backup wants to know what the repository holds of it, not what it held.
    let repository = Arc::new(Repository::open(site, Trust::Fresh)?);
    repository.snapshot(&name, Trust::Fresh).map(|snapshot| Some(Box::new(snapshot) as _))
}

/// The repository that restic's own variable names.
pub fn named() -> Result<Option<PathBuf>> {
    let Some(named) = std::env::var_os("RESTIC_REPOSITORY").filter(|value| !value.is_empty()) else { return Ok(None) };
    named.to_str().map_or_else(|| Ok(PathBuf::from(&named)), remote::of_restic).map(Some)
}

/// Makes a repository in a folder or under a prefix, which must be empty.
pub fn init(path: &Path) -> Result<PathBuf> {
    remote::refuse_lookalike(path)?;
    let is_already =
        |path: &Path| Error::new(Code::CannotCreate, format!("{} is a repository already", remote::called(path)));
    if remote::is_remote(path) {
        let site = remote::site(&Location::parse(path)?)?;
        if site.size(CONFIG)?.is_some() {
            return Err(is_already(path));
        }
        let password = secret::password(path)?;
        return begin(site, &password);
    }
    if folder_of(path).is_some_and(|folder| folder.tops().is_ok_and(|tops| tops.has_config)) {
        return Err(is_already(path));
    }
    let credentials = secret::password(path)?;
    let folder = Folder::create(path)?;
    let _lock = folder.lock_within(PATIENCE)?;
    begin(Arc::new(folder), &credentials)?;
    disk::canonical(path)
}

fn begin(site: Arc<dyn Site>, credentials: &Credentials) -> Result<PathBuf> {
    let store = Store::new(site);
    let path = store.site.path().to_owned();
    if !is_begun(&store)? {
        let text = format!("{} is not empty: name another place for the repository", show(&path));
        return Err(Error::new(Code::CannotCreate, text));
    }
    // A key that a run has left which was killed would open nothing.
    for (id, _) in store.list(FileType::Key)? {
        store.delete(FileType::Key, &id)?;
    }
    store.clear_leftovers()?;
    let opened = rustic_core::Repository::new(&options(), &RepositoryBackends::new(store.clone(), None));
    let made = opened.and_then(|new| new.init(credentials, &KeyOptions::default(), &ConfigOptions::default()));
    let made = made.map_err(|error| store.told("make", &error))?;
    // Another run that came later may have taken the key for one that was left behind, where no lock keeps it out.
    if let (true, Credentials::Password(password)) = (store.list(FileType::Key)?.is_empty(), credentials) {
        made.add_key(password, &KeyOptions::default()).map_err(|error| store.told("make", &error))?;
    }
    Ok(path)
}

/// Whether a place is empty, or holds no more than a killed run of `init` leaves.
fn is_begun(store: &Store) -> Result<bool> {
    let known =
        |name: &String| ["keys", "snapshots", "index", "locks", "data"].contains(&&**name) || name.ends_with(UNDER_WAY);
    let holds = |kind| Ok::<_, Error>(!store.list(kind)?.is_empty());
    Ok(store.site.tops()?.names.iter().all(known)
        && !(holds(FileType::Snapshot)? || holds(FileType::Index)? || holds(FileType::Pack)?))
}

fn options() -> RepositoryOptions {
    // What is in a folder at hand is not kept a second time.
    RepositoryOptions::default().no_cache(true)
}

impl Repository {
    fn open(site: Arc<dyn Site>, trust: Trust) -> Result<Repository> {
        let path = match site.folder() {
            Some(folder) => disk::canonical(folder.path())?,
            None => site.path().to_owned(),
        };
        if site.size(CONFIG)?.is_none() {
            let text = format!(
                "{} is a repository without its file config: put it back from a copy; if it was never used, papyra \
                 backup init begins anew",
                show(&path)
            );
            return Err(Error::new(Code::Data, text));
        }
        let credentials = secret::credentials(&path)?;
        let store = Store::new(site);
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
        if store.site.folder().is_none() {
            _ = store.cache.set(Cache::of(&opened.config().id.to_hex()));
        }
        let index = Mutex::new(Arc::new(Index::read(&store, &seal, trust)?));
        Ok(Repository { store, seal, inner: opened, index, path, backups: Mutex::default(), records: Mutex::default() })
    }

    /// The place of a backup of that name.
    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Keeps others from pruning.
    pub(super) fn share(&self) -> Result<Option<Lock>> {
        self.store.site.folder().map(Folder::share).transpose()
    }

    /// The backup of that name, open.
    fn snapshot(self: &Arc<Repository>, name: &str, trust: Trust) -> Result<Snapshot> {
        let path = self.join(name);
        let gone =
            || Error::new(Code::NoInput, format!("cannot open {}: the repository has no such backup", show(&path)));
        let snapshot = self.backup(name)?.ok_or_else(gone)?;
        if trust == Trust::Fresh {
            self.store.text::<SnapshotFile>(&self.seal, FileType::Snapshot, &snapshot.id, trust)??;
        }
        Snapshot::open(Arc::clone(self), &snapshot, path, trust)
    }

    /// The backups, by name. Of several with one name, the oldest has it, and the others an ID behind it. A snapshot that
    /// was changed may be a backup, and is called by its ID.
    pub(super) fn backups(&self) -> Result<BTreeMap<String, Found>> {
        let (mut ours, mut backups) = (Vec::new(), BTreeMap::new());
        let ids: Vec<Id> = self.store.list(FileType::Snapshot)?.into_iter().map(|(id, _)| id).collect();
        let read = |id: &Id| match self.store.text::<SnapshotFile>(&self.seal, FileType::Snapshot, id, Trust::Kept) {
            Err(error) if is_unreachable(&error) => Err(error),
            other => Ok(other),
        };
        for (id, read) in ids.iter().zip(side_by_side(self.store.site.width(), &ids, read)?) {
            let id = *id;
            match read {
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
        if let Some(cache) = self.store.cache.get() {
            cache.keep_only("snapshots", &ids.iter().map(|id| id.to_hex().as_str().to_owned()).collect());
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
        // Far away, what was there a moment ago will do: what it needs outlasts a prune by a day.
        if let Some(found) = known
            && (self.store.site.folder().is_none() || self.store.has(FileType::Snapshot, found.id())?)
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
    ///
    /// With `keeping`, it is kept for the next time, and with trust in what was kept taken from there.
    fn blob(&self, kind: BlobType, id: &Id, keeping: Option<Trust>) -> Result<std::result::Result<Vec<u8>, String>> {
        let index = self.index();
        let kept = self.store.cache.get().filter(|_| keeping.is_some());
        let name = format!("{BLOBS}/{}", id.to_hex().as_str());
        if let Some(cache) = kept.filter(|_| keeping == Some(Trust::Kept))
            && let (Some(sealed), Some(place)) = (cache.get(&name), index.places(kind, id).first())
        {
            match self.opened(&sealed, place, id) {
                Some(bytes) => return Ok(Ok(bytes)),
                None => cache.forget(&name),
            }
        }
        if let Ok(Blob { sealed, bytes }) = self.blob_by(&index, kind, id)? {
            if let Some(cache) = kept {
                cache.put(&name, &sealed);
            }
            return Ok(Ok(bytes));
        }
        let index = if index.is_current(&self.store)? { index } else { self.read_index_again(Trust::Kept)? };
        Ok(self.blob_by(&index, kind, id)?.map(|blob| blob.bytes))
    }

    /// The blob that is sealed there; `None` when it is another, which somebody may have put there.
    fn opened(&self, sealed: &[u8], place: &index::Place, id: &Id) -> Option<Vec<u8>> {
        let bytes = self.seal.open(sealed)?;
        let bytes = match place.unpacked {
            Some(length) => seal::unpack(&bytes, length)?,
            None => bytes,
        };
        (sha256(&bytes) == id.to_hex().as_str()).then_some(bytes)
    }

    /// The blob, at the first of its places where it is whole.
    fn blob_by(&self, index: &Index, kind: BlobType, id: &Id) -> Result<std::result::Result<Blob, String>> {
        let mut wrong = None;
        for place in index.places(kind, id) {
            let pack = index.pack_of(place);
            let Some(sealed) = self.store.stretch(pack, place.offset, place.length)? else {
                wrong = Some(format!("the pack {} is gone, or was cut", short(pack)));
                continue;
            };
            match self.opened(&sealed, place, id) {
                Some(bytes) => return Ok(Ok(Blob { sealed, bytes })),
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

    fn read_index_again(&self, trust: Trust) -> Result<Arc<Index>> {
        let index = Arc::new(Index::read(&self.store, &self.seal, trust)?);
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
