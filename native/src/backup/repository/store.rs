//! Where a repository's files lie: a folder, laid out as restic's are. This is the backend that `rustic_core` works on; a
//! file is whole and on the disk before it has its name, and one that has its name is never changed.

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustic_core::{
    ALL_FILE_TYPES, BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend,
};

use papyra_core::digest::sha256;
use serde::de::DeserializeOwned;

use super::seal::{self, Seal};
use crate::disk::{File, Folder};
use crate::error::{Code, Error, Result, show};

/// The end of the hidden name of a file under way.
pub(super) const UNDER_WAY: &str = ".papyra.tmp";

/// The largest file beside packs that is read, in bytes.
const LARGEST: u64 = 1 << 30;

/// A folder that holds a repository.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) folder: Folder,
    /// What a call from within `rustic_core` has met, which knows no errors of ours.
    met: Mutex<Option<Error>>,
}

impl Store {
    pub(super) fn new(folder: Folder) -> Arc<Store> {
        Arc::new(Store { folder, met: Mutex::new(None) })
    }

    /// What to say when `rustic_core` fails: what this backend has met, else what the crate says itself.
    pub(super) fn told(&self, what: &str, error: &RusticError) -> Error {
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner).take();
        met.unwrap_or_else(|| {
            let text = format!("cannot {what} the repository {}: {}", show(self.folder.path()), plain(error));
            Error::new(Code::Data, text)
        })
    }

    /// The folder of a file, and its name there.
    fn place(&self, kind: FileType, id: &Id, make: bool) -> Result<(Folder, String)> {
        let name = id.to_hex().as_str().to_owned();
        let folder = |folder: &Folder, name: &str| {
            if make { folder.subfolder(name) } else { folder.existing_subfolder(name) }
        };
        Ok(match kind {
            FileType::Config => (self.folder.clone(), kind.dirname().to_owned()),
            FileType::Pack => (folder(&folder(&self.folder, kind.dirname())?, &name[..2])?, name),
            _ => (folder(&self.folder, kind.dirname())?, name),
        })
    }

    fn open(&self, kind: FileType, id: &Id) -> Result<File> {
        let (folder, name) = self.place(kind, id, false)?;
        folder.read(name)
    }

    /// The whole file.
    pub(super) fn whole(&self, kind: FileType, id: &Id) -> Result<Vec<u8>> {
        let file = self.open(kind, id)?;
        let size = file.size().map_err(|error| self.unread(kind, id, 0, &error))?;
        if size > LARGEST {
            let text = format!("{} is larger than 1 GiB, which no file of its kind is", self.called(kind, id));
            return Err(Error::new(Code::Data, text));
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        file.read_exact_at(&mut bytes, 0).map_err(|error| self.unread(kind, id, 0, &error))?;
        Ok(bytes)
    }

    /// What an index or a snapshot says. The inner error tells what is wrong with the file, the outer one that nobody
    /// could look.
    pub(super) fn text<T: DeserializeOwned>(&self, seal: &Seal, kind: FileType, id: &Id) -> Result<Result<T>> {
        let sealed = self.whole(kind, id)?;
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
        let file = match self.open(FileType::Pack, pack) {
            Ok(file) => file,
            Err(_) if !self.has(FileType::Pack, pack)? => return Ok(None),
            Err(error) => return Err(error),
        };
        let (offset, length) = (u64::from(offset), u64::from(length));
        let size = file.size().map_err(|error| self.unread(FileType::Pack, pack, offset, &error))?;
        if offset + length > size {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        file.read_exact_at(&mut bytes, offset).map_err(|error| self.unread(FileType::Pack, pack, offset, &error))?;
        Ok(Some(bytes))
    }

    /// Whether a file is there. `Err` says that nobody could look.
    pub(super) fn has(&self, kind: FileType, id: &Id) -> Result<bool> {
        let mut folder = self.folder.clone();
        let name = id.to_hex().as_str().to_owned();
        let way = [kind.dirname(), &name[..2]];
        for step in &way[..if kind == FileType::Pack { 2 } else { 1 }] {
            if folder.stat(*step)?.is_none() {
                return Ok(false);
            }
            folder = folder.existing_subfolder(step)?;
        }
        Ok(folder.stat(&*name)?.is_some())
    }

    /// Writes a file, so that it is there whole or not at all, whatever happens.
    pub(super) fn put(&self, kind: FileType, id: &Id, pieces: &[&[u8]]) -> Result<()> {
        let (folder, name) = self.place(kind, id, true)?;
        write_new(&folder, &name, pieces)
    }

    pub(super) fn delete(&self, kind: FileType, id: &Id) -> Result<()> {
        let (folder, name) = self.place(kind, id, false)?;
        folder.remove(&*name)?;
        folder.sync()
    }

    /// The files of a kind, with their sizes in bytes.
    pub(super) fn list(&self, kind: FileType) -> Result<Vec<(Id, u64)>> {
        if kind == FileType::Config {
            let stat = self.folder.stat(kind.dirname())?;
            return Ok(stat.filter(|stat| stat.is_file()).map(|stat| (Id::default(), stat.size)).into_iter().collect());
        }
        if self.folder.stat(kind.dirname())?.is_none() {
            return Ok(Vec::new());
        }
        let top = self.folder.existing_subfolder(kind.dirname())?;
        let mut files = Vec::new();
        let mut look_in = |folder: &Folder| -> Result<()> {
            for name in folder.names()? {
                // Others' temporary files, and whatever else there is.
                let Some(id) = id_of(&name) else { continue };
                if let Some(stat) = folder.stat(&*name)?.filter(|stat| stat.is_file()) {
                    files.push((id, stat.size));
                }
            }
            Ok(())
        };
        if kind == FileType::Pack {
            for name in top.names()?.iter().filter(|name| name.len() == 2) {
                look_in(&top.existing_subfolder(name)?)?;
            }
        } else {
            look_in(&top)?;
        }
        Ok(files)
    }

    /// Removes what runs that were killed left. Nobody may be writing.
    pub(super) fn clear_leftovers(&self) -> Result<()> {
        let clear = |folder: &Folder| -> Result<()> {
            for name in folder.names()?.iter().filter(|name| name.starts_with('.') && name.ends_with(UNDER_WAY)) {
                folder.remove(name)?;
            }
            Ok(())
        };
        clear(&self.folder)?;
        for kind in ALL_FILE_TYPES {
            let Ok(top) = self.folder.existing_subfolder(kind.dirname()) else { continue };
            clear(&top)?;
            for name in top.names()?.iter().filter(|name| kind == FileType::Pack && name.len() == 2) {
                clear(&top.existing_subfolder(name)?)?;
            }
        }
        Ok(())
    }

    fn path(&self, kind: FileType, id: &Id) -> PathBuf {
        let path = self.folder.join(kind.dirname());
        if kind == FileType::Config { path } else { path.join(id.to_hex().as_str()) }
    }

    fn called(&self, kind: FileType, id: &Id) -> String {
        show(&self.path(kind, id))
    }

    fn unread(&self, kind: FileType, id: &Id, at: u64, error: &std::io::Error) -> Error {
        Error::cannot_read(&self.path(kind, id), at, error)
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

/// The largest record or lock that is read, in bytes.
const SMALL: u64 = 1 << 20;

/// The beginning of a small file of ours, which is all of it.
pub(super) fn small(folder: &Folder, name: &str) -> Result<Vec<u8>> {
    let path = folder.join(name);
    let file = folder.read(name)?;
    let size = file.size().map_err(|error| Error::cannot_read(&path, 0, &error))?.min(SMALL);
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
    file.read_exact_at(&mut bytes, 0).map_err(|error| Error::cannot_read(&path, 0, &error))?;
    Ok(bytes)
}

/// Writes a file in a folder under a hidden name first.
pub(super) fn write_new(folder: &Folder, name: &str, pieces: &[&[u8]]) -> Result<()> {
    let hidden = format!(".{name}.{}{UNDER_WAY}", std::process::id());
    if folder.stat(&*hidden)?.is_some() {
        // Left by a process that was killed and had this number.
        folder.remove(&*hidden)?;
    }
    let mut file = folder.create_new(&*hidden)?;
    let written = pieces.iter().try_for_each(|piece| file.write_all(piece)).and_then(|()| file.sync_all());
    written
        .map_err(|error| Error::cannot_write("write", &folder.join(name), error))
        .and_then(|()| folder.rename(&*hidden, name))
        .inspect_err(|_| _ = folder.remove(&*hidden))?;
    folder.sync()
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
        show(self.folder.path())
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        let files = self.hand_on(self.list(kind))?;
        Ok(files.into_iter().map(|(id, size)| (id, u32::try_from(size).unwrap_or(u32::MAX))).collect())
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<bytes::Bytes> {
        Ok(self.hand_on(self.whole(kind, id))?.into())
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
            for name in ["keys", "snapshots", "index", "locks"] {
                self.folder.subfolder(name)?;
            }
            let data = self.folder.subfolder("data")?;
            (0..=u8::MAX).try_for_each(|byte| data.subfolder(&format!("{byte:02x}")).map(|_| ()))
        };
        self.hand_on(make())
    }

    fn write_bytes(&self, kind: FileType, id: &Id, _cacheable: bool, content: BytesList) -> RusticResult<()> {
        let pieces: Vec<&[u8]> = content.slice().iter().map(|piece| &piece[..]).collect();
        self.hand_on(self.put(kind, id, &pieces))
    }

    fn remove(&self, kind: FileType, id: &Id, _cacheable: bool) -> RusticResult<()> {
        self.hand_on(self.delete(kind, id))
    }
}
