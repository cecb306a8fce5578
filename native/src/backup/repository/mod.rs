//! Repositories in restic's format: encrypted, deduplicated and compressed. Each backup is a snapshot that holds
//! exactly what a plain backup is, so that `restic restore` gives one; every verb reads it as [`super::Files`].
//!
//! `rustic_core` knows the format: keys, configuration, index, pruning. What it does not do is ours: writing blobs
//! while a log is read once (`packing`), reading them back with damage told from not being able to look (`blob`), and
//! where the files lie (`store`, `site`). What is remembered of verifications and drills lies in a folder beside
//! restic's own.
//!
//! Opening a repository lives here, and what its parts share; `locate` finds and makes them.

mod backups;
mod blob;
mod cache;
mod chunk;
mod incoming;
mod index;
mod locate;
mod lock;
mod note;
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
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustic_core::repofile::{FileType, SnapshotFile};
use rustic_core::{Id, OpenStatus, RepositoryBackends, RepositoryOptions};

use crate::disk::{self, Folder, Lock};
use crate::error::{Code, Error, Result, show};
use cache::Cache;
use index::{Index, short};
#[cfg(test)]
pub(super) use locate::begin;
pub(super) use locate::{find, folder_of, is_one, site_at};
pub use locate::{init, is_repository, named};
use note::There;
use seal::Seal;
pub(super) use site::{Site, Tops};
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
    /// How much what was fetched before is trusted.
    trust: Trust,
    /// Where the blobs lie, once that was asked for.
    index: Mutex<Option<Arc<Index>>>,
    /// What was there when that was last asked for.
    there: Mutex<Option<Arc<There>>>,
    path: PathBuf,
    /// Its backups as they were last listed, by name.
    backups: Mutex<BTreeMap<String, Found>>,
    /// The sizes of its records as they were last listed, by name.
    records: Mutex<Option<BTreeMap<String, u64>>>,
}

fn options() -> RepositoryOptions {
    // What is in a folder at hand is not kept a second time.
    RepositoryOptions::default().no_cache(true)
}

/// The path of a repository, which is the same however it was named.
fn resolved(site: &dyn Site) -> Result<PathBuf> {
    match site.folder() {
        Some(folder) => disk::canonical(folder.path()),
        None => Ok(site.path().to_owned()),
    }
}

impl Repository {
    fn open(site: Arc<dyn Site>, trust: Trust) -> Result<Repository> {
        let path = resolved(&*site)?;
        if site.size(CONFIG)?.is_none() {
            let text = format!(
                "{} is a repository without its file config: put it back from a copy; if it was never used, papyra \
                 backup init makes a new one",
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
                "{} is a repository of version {version}, which this papyra does not support: use a newer papyra, or \
                 restic",
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
        Ok(Repository {
            store,
            seal,
            inner: opened,
            trust,
            index: Mutex::default(),
            there: Mutex::default(),
            path,
            backups: Mutex::default(),
            records: Mutex::default(),
        })
    }

    /// The place of a backup of that name.
    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Keeps others from pruning.
    pub(super) fn share(&self) -> Result<Option<Lock>> {
        self.store.site.folder().map(Folder::share).transpose()
    }

    fn closed(&self, sealed: Option<Vec<u8>>) -> Result<Vec<u8>> {
        sealed.ok_or_else(|| Error::new(Code::Io, format!("sealing a file of {} failed", show(&self.path))))
    }
}

/// What a snapshot's file holds.
#[derive(Debug, Clone)]
enum Found {
    /// A backup.
    Whole(Arc<SnapshotFile>),
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
