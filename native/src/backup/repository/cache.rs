//! What is fetched from an object store again and again, kept in the user's cache folder: index files, snapshots, and
//! what a list says of backups. All of it is sealed, and checked by its hash when it is used; losing it costs time
//! alone.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::site::Site;
use crate::disk::Folder;

/// The largest file that is kept, in bytes.
const LARGEST: usize = 8 << 20;

/// How many bytes are kept in memory, too.
const MEMORY: usize = 64 << 20;

/// A folder of it with more files than this begins anew.
const MOST: usize = 20_000;

/// What is kept of one repository.
#[derive(Debug)]
pub(super) struct Cache {
    /// `None` where there is no such folder, or nobody may write there.
    folder: Option<Folder>,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    files: HashMap<String, Arc<Vec<u8>>>,
    bytes: usize,
}

impl Cache {
    /// The cache of the repository with that ID.
    pub(super) fn of(id: &str) -> Cache {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = || Some(variable("HOME")?.join(".cache"));
        let caches = variable("XDG_CACHE_HOME").or_else(home).filter(|path| path.is_absolute() && !cfg!(test));
        let folder = caches.and_then(|caches| Folder::create(&caches.join("papyra").join(id)).ok());
        Cache { folder, memory: Mutex::default() }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept under a name such as `index/0123…`.
    pub(super) fn get(&self, name: &str) -> Option<Arc<Vec<u8>>> {
        if let Some(bytes) = self.memory().files.get(name) {
            return Some(Arc::clone(bytes));
        }
        let bytes = Arc::new(Site::read(self.folder.as_ref()?, name, LARGEST as u64).ok()?);
        self.remember(name, &bytes);
        Some(bytes)
    }

    /// Keeps a file, if that is possible.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) {
        if bytes.len() > LARGEST {
            return;
        }
        self.remember(name, &Arc::new(bytes.to_vec()));
        if let Some(folder) = &self.folder {
            _ = Site::put(folder, name, &[bytes]);
        }
    }

    fn remember(&self, name: &str, bytes: &Arc<Vec<u8>>) {
        let mut memory = self.memory();
        if memory.bytes + bytes.len() <= MEMORY && !memory.files.contains_key(name) {
            memory.bytes += bytes.len();
            memory.files.insert(name.to_owned(), Arc::clone(bytes));
        }
    }

    /// Forgets what was kept under a name and is not what it should be.
    pub(super) fn forget(&self, name: &str) {
        let mut memory = self.memory();
        if let Some(bytes) = memory.files.remove(name) {
            memory.bytes -= bytes.len();
        }
        drop(memory);
        if let Some(folder) = &self.folder {
            _ = Site::remove(folder, name);
        }
    }

    /// Removes files of a kind that the repository has no more.
    pub(super) fn keep_only(&self, kind: &str, there: &BTreeSet<String>) {
        let Some(folder) = self.folder.as_ref().and_then(|folder| folder.existing_subfolder(kind).ok()) else { return };
        for name in folder.names().unwrap_or_default().iter().filter(|name| !there.contains(*name)) {
            _ = folder.remove(name);
        }
    }

    /// Begins a kind anew when it has grown too large.
    pub(super) fn bound(&self, kind: &str) {
        let Some(folder) = &self.folder else { return };
        let names = folder.existing_subfolder(kind).and_then(|inner| inner.names()).unwrap_or_default();
        if names.len() > MOST {
            _ = folder.remove_tree(kind);
        }
    }
}
