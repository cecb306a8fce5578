//! A repository's files, laid out as restic's are, wherever they lie ([`super::site`]). This is the backend that
//! `rustic_core` works on; a file is whole and stored before it has its name, and one that has its name is never
//! changed.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustic_core::{
    ALL_FILE_TYPES, BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend,
};

use papyra_core::digest::sha256;
use serde::de::DeserializeOwned;

use super::cache::Cache;
use super::seal::{self, Seal};
use super::site::{Site, UNDER_WAY};
use crate::disk::Folder;
use crate::error::{Code, Error, Result, show};

/// The largest file beside packs that is read, in bytes.
const LARGEST: u64 = 1 << 30;

/// The files of a repository.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) site: Arc<dyn Site>,
    /// What was fetched before, where fetching takes time.
    pub(super) cache: OnceLock<Cache>,
    /// What a call from within `rustic_core` has met, which knows no errors of ours.
    met: Mutex<Option<Error>>,
}

/// Whether what was fetched before is good enough, or only what the repository says now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    Kept,
    Fresh,
}

impl Store {
    pub(super) fn new(site: Arc<dyn Site>) -> Arc<Store> {
        Arc::new(Store { site, cache: OnceLock::new(), met: Mutex::new(None) })
    }

    /// What to say when `rustic_core` fails: what this backend has met, else what the crate says itself.
    pub(super) fn told(&self, what: &str, error: &RusticError) -> Error {
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner).take();
        met.unwrap_or_else(|| {
            let text = format!("cannot {what} the repository {}: {}", show(self.site.path()), plain(error));
            Error::new(Code::Data, text)
        })
    }

    /// The file, as it was written. What came is read once more when it is not: a bit may have flipped on the way.
    pub(super) fn whole(&self, kind: FileType, id: &Id, trust: Trust) -> Result<Vec<u8>> {
        let name = name(kind, id);
        let is_named = |bytes: &[u8]| kind == FileType::Config || sha256(bytes) == id.to_hex().as_str();
        let cache = self.cache.get().filter(|_| matches!(kind, FileType::Snapshot | FileType::Index));
        if let Some(cache) = cache.filter(|_| trust == Trust::Kept)
            && let Some(bytes) = cache.get(&name)
        {
            if is_named(&bytes) {
                return Ok(bytes.to_vec());
            }
            cache.forget(&name);
        }
        let mut bytes = self.site.read(&name, LARGEST)?;
        if !is_named(&bytes) {
            bytes = self.site.read(&name, LARGEST)?;
        }
        if let Some(cache) = cache.filter(|_| is_named(&bytes)) {
            cache.put(&name, &bytes);
        }
        Ok(bytes)
    }

    /// What an index or a snapshot says. The inner error tells what is wrong with the file, the outer one that nobody
    /// could look.
    pub(super) fn text<T: DeserializeOwned>(
        &self,
        seal: &Seal,
        kind: FileType,
        id: &Id,
        trust: Trust,
    ) -> Result<Result<T>> {
        let sealed = self.whole(kind, id, trust)?;
        let is_whole = sha256(&sealed) == id.to_hex().as_str();
        let text = seal.open(&sealed).filter(|_| is_whole).and_then(|bytes| seal::text(&bytes));
        let read = text.and_then(|text| serde_json::from_slice(&text).ok());
        Ok(read.ok_or_else(|| {
            let text = format!("{} was changed since it was written, or was cut", self.called(kind, id));
            Error::new(Code::Data, text)
        }))
    }

    /// A stretch of a pack; `None` when the pack is not there, or ends before.
    pub(super) fn stretch(&self, pack: &Id, offset: u32, length: u32) -> Result<Option<Vec<u8>>> {
        self.site.stretch(&name(FileType::Pack, pack), u64::from(offset), u64::from(length))
    }

    /// Whether a file is there. `Err` says that nobody could look.
    pub(super) fn has(&self, kind: FileType, id: &Id) -> Result<bool> {
        Ok(self.site.size(&name(kind, id))?.is_some())
    }

    /// Writes a file, so that it is there whole or not at all, whatever happens.
    pub(super) fn put(&self, kind: FileType, id: &Id, pieces: &[&[u8]]) -> Result<()> {
        self.site.put(&name(kind, id), pieces)
    }

    pub(super) fn delete(&self, kind: FileType, id: &Id) -> Result<()> {
        self.site.remove(&name(kind, id))
    }

    /// The files of a kind, with their sizes in bytes. Others' temporary files, and whatever else there is, are none.
    pub(super) fn list(&self, kind: FileType) -> Result<Vec<(Id, u64)>> {
        if kind == FileType::Config {
            return Ok(self.site.size(kind.dirname())?.map(|size| (Id::default(), size)).into_iter().collect());
        }
        let files = self.site.files(kind.dirname())?.into_iter().filter_map(|(path, size)| {
            let id = match (kind, path.split_once('/')) {
                (FileType::Pack, Some((folder, name))) if folder.len() == 2 => id_of(name)?,
                (FileType::Pack, _) | (_, Some(_)) => return None,
                (_, None) => id_of(&path)?,
            };
            Some((id, size))
        });
        Ok(files.collect())
    }

    /// Removes what runs that were killed left. Nobody may be writing.
    pub(super) fn clear_leftovers(&self) -> Result<()> {
        // An object is there whole or not at all.
        let Some(folder) = self.site.folder() else { return Ok(()) };
        let clear = |folder: &Folder| -> Result<()> {
            for name in folder.names()?.iter().filter(|name| name.starts_with('.') && name.ends_with(UNDER_WAY)) {
                folder.remove(name)?;
            }
            Ok(())
        };
        clear(folder)?;
        for kind in ALL_FILE_TYPES {
            let Ok(top) = folder.existing_subfolder(kind.dirname()) else { continue };
            clear(&top)?;
            for name in top.names()?.iter().filter(|name| kind == FileType::Pack && name.len() == 2) {
                clear(&top.existing_subfolder(name)?)?;
            }
        }
        Ok(())
    }

    fn path(&self, kind: FileType, id: &Id) -> PathBuf {
        let path = self.site.path().join(kind.dirname());
        if kind == FileType::Config { path } else { path.join(id.to_hex().as_str()) }
    }

    fn called(&self, kind: FileType, id: &Id) -> String {
        show(&self.path(kind, id))
    }

    /// Remembers what was met, and tells the crate that there was something.
    fn hand_on<T>(&self, done: Result<T>) -> RusticResult<T> {
        done.map_err(|error| {
            let text = error.to_string();
            *self.met.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            RusticError::new(ErrorKind::Backend, text)
        })
    }
}

/// Where restic has a file.
fn name(kind: FileType, id: &Id) -> String {
    let hex = id.to_hex();
    match kind {
        FileType::Config => kind.dirname().to_owned(),
        FileType::Pack => format!("{}/{}/{}", kind.dirname(), &hex.as_str()[..2], hex.as_str()),
        _ => format!("{}/{}", kind.dirname(), hex.as_str()),
    }
}

/// The ID that a file's name is.
pub(super) fn id_of(name: &str) -> Option<Id> {
    if name.len() == 64 { name.parse().ok() } else { None }
}

/// What the crate says, in one line, without where in its own source it said so.
pub(super) fn plain(error: &RusticError) -> String {
    let text = error.display_log();
    let ends = ["Backtrace:", "Some additional details", "For more information"];
    let end = ends.iter().filter_map(|end| text.find(end)).min().unwrap_or(text.len());
    let words: Vec<&str> = text[..end].split_whitespace().collect();
    papyra_core::escape::escape(words.join(" ").as_bytes())
}

impl ReadBackend for Store {
    fn location(&self) -> String {
        show(self.site.path())
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        let files = self.hand_on(self.list(kind))?;
        Ok(files.into_iter().map(|(id, size)| (id, u32::try_from(size).unwrap_or(u32::MAX))).collect())
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<bytes::Bytes> {
        Ok(self.hand_on(self.whole(kind, id, Trust::Kept))?.into())
    }

    fn read_partial(
        &self,
        kind: FileType,
        id: &Id,
        _cacheable: bool,
        offset: u32,
        length: u32,
    ) -> RusticResult<bytes::Bytes> {
        let read = self.hand_on(self.stretch(id, offset, length))?;
        let gone = || RusticError::new(ErrorKind::Backend, format!("{} is gone, or cut", self.called(kind, id)));
        Ok(read.ok_or_else(gone)?.into())
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        self.called(kind, id)
    }
}

impl WriteBackend for Store {
    fn create(&self) -> RusticResult<()> {
        let make = || -> Result<()> {
            let Some(folder) = self.site.folder() else { return Ok(()) };
            for name in ["keys", "snapshots", "index", "locks"] {
                folder.subfolder(name)?;
            }
            let data = folder.subfolder("data")?;
            (0..=u8::MAX).try_for_each(|byte| data.subfolder(&format!("{byte:02x}")).map(|_| ()))
        };
        self.hand_on(make())
    }

    fn write_bytes(&self, kind: FileType, id: &Id, _cacheable: bool, content: BytesList) -> RusticResult<()> {
        let pieces: Vec<&[u8]> = content.slice().iter().map(|piece| &piece[..]).collect();
        if kind != FileType::Config {
            return self.hand_on(self.put(kind, id, &pieces));
        }
        let is_new = self.site.put_new(kind.dirname(), &pieces.concat()).and_then(|is_new| {
            let text = || format!("{} is a repository already: it was made meanwhile", show(self.site.path()));
            if is_new { Ok(()) } else { Err(Error::new(Code::CannotCreate, text())) }
        });
        self.hand_on(is_new)
    }

    fn remove(&self, kind: FileType, id: &Id, _cacheable: bool) -> RusticResult<()> {
        self.hand_on(self.delete(kind, id))
    }
}
