//! Redis backups on disk: dumps, DUMP payloads and append-only files, recognised by content and fed to the readers of
//! core.
//!
//! This module finds the files and hands their bytes on, in pieces. What the bytes mean is core's affair; what a scan
//! says of them is in [`scan`], what an export writes in [`export`], and how an append-only file is repaired in
//! [`crate::recover`].

mod aof;
pub mod entries;
pub mod export;
pub(crate) mod packed;
pub mod scan;

use std::io::Read;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use papyra_core::escape::escape;
use papyra_core::redis::{self, AofNames, Flow, Format, SNIFF_END, SNIFF_START, Seems, is_whole_dump};

use crate::archive::read_at;
use crate::disk::{self, File, Folder};
use crate::error::{Code, Error, Result, show};

pub(crate) use aof::survey;

/// Bytes read at a time.
const BUFFER: usize = 1 << 20;
/// Some are read while others are looked at.
const BUFFERS: usize = 3;
/// Bytes of a manifest that are read; what a server writes is a thousandth of it.
const LARGEST_MANIFEST: u64 = 1 << 20;

/// What a Redis server wrote by itself.
#[derive(Debug)]
pub enum ServerFiles {
    /// An RDB file, or an old append-only file that begins with one.
    Rdb(PathBuf),
    /// A DUMP payload; its key is the file's name.
    Dump(PathBuf),
    /// An append-only file, or a folder of them.
    Aof(AofSet),
}

/// Append-only files that make up one state.
#[derive(Debug)]
pub struct AofSet {
    /// The folder that they are in.
    pub folder: PathBuf,
    /// Their names, in the order in which they are read.
    pub names: Box<AofNames>,
}

impl ServerFiles {
    /// The backup that the file at `path` is. Among other files a payload is only taken for one when its checksum
    /// holds.
    pub fn at(path: &Path, named: bool) -> Result<Option<ServerFiles>> {
        ServerFiles::of(&disk::open(path).map_err(|error| Error::cannot_open(path, error))?, path, named)
    }

    /// The same for a file that is open.
    pub(crate) fn of(file: &File, path: &Path, named: bool) -> Result<Option<ServerFiles>> {
        let failed = |error| Error::cannot_read(path, 0, &error);
        let size = file.size().map_err(failed)?;
        let mut start = [0; SNIFF_START];
        let read = read_at(file, &mut start, 0).map_err(failed)?;
        let mut end = [0; SNIFF_END];
        let end_read = read_at(file, &mut end, size.saturating_sub(SNIFF_END as u64)).map_err(failed)?;
        Ok(match Seems::of(&name_of(path), &start[..read], &end[..end_read], size, named) {
            Seems::Is(Format::Rdb) => Some(ServerFiles::Rdb(path.into())),
            Seems::Is(Format::Aof) => Some(ServerFiles::Aof(AofSet::one(path))),
            Seems::Is(Format::Manifest) => Some(ServerFiles::Aof(AofSet::of_manifest(path)?)),
            Seems::Is(Format::Dump) => Some(ServerFiles::Dump(path.into())),
            Seems::IfWhole if is_whole_dump(&disk::read(path)?) => Some(ServerFiles::Dump(path.into())),
            Seems::IfWhole | Seems::Other => AofSet::around(path)?.map(ServerFiles::Aof),
        })
    }

    /// The file that it was told by.
    pub fn path(&self) -> PathBuf {
        match self {
            ServerFiles::Rdb(path) | ServerFiles::Dump(path) => path.clone(),
            ServerFiles::Aof(set) => set.path(set.manifest.iter().chain(&set.files).next().map_or("", String::as_str)),
        }
    }

    /// The bytes that a scan will read.
    pub fn size(&self) -> u64 {
        let of = |path: &Path| disk::stat(path).map_or(0, |stat| stat.size);
        match self {
            ServerFiles::Rdb(path) | ServerFiles::Dump(path) => of(path),
            ServerFiles::Aof(set) => set.paths().map(|path| of(&path)).sum(),
        }
    }
}

impl Deref for AofSet {
    type Target = AofNames;

    fn deref(&self) -> &AofNames {
        &self.names
    }
}

impl AofSet {
    /// One file without a manifest.
    pub fn one(path: &Path) -> AofSet {
        AofSet { folder: folder_of(path), names: Box::new(AofNames::one(name_of(path))) }
    }

    fn of_manifest(path: &Path) -> Result<AofSet> {
        let mut text = Vec::new();
        let read = open(path)?.0.take(LARGEST_MANIFEST).read_to_end(&mut text);
        read.map_err(|error| Error::cannot_read(path, 0, &error))?;
        let folder = folder_of(path);
        let names = AofNames::of_manifest(name_of(path), &text, || sizes_in(&folder))?;
        Ok(AofSet { folder, names: Box::new(names) })
    }

    /// The set of the manifest `path` whose content does not show that it is one: the files beside it do.
    fn around(path: &Path) -> Result<Option<AofSet>> {
        let is = AofNames::seems_manifest(&name_of(path), || names_in(&folder_of(path)))?;
        if is { AofSet::of_manifest(path).map(Some) } else { Ok(None) }
    }

    /// The path of one of the files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(&*disk::os(name))
    }

    /// The paths of all, in the order in which they are read.
    pub fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.names.files.iter().map(|name| self.path(name))
    }

    /// Their sizes. A file that the manifest names may be absent; one that was named must be there.
    pub(crate) fn sizes(&self) -> Result<Vec<Option<u64>>> {
        let is_absent = |path: &Path| self.names.manifest.is_some() && !disk::exists(path);
        self.paths()
            .map(|path| if is_absent(&path) { Ok(None) } else { open(&path).map(|(_, size)| Some(size)) })
            .collect()
    }
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).to_owned()
}

/// The names in a folder, sorted.
fn names_in(folder: &Path) -> Result<Vec<String>> {
    let here = folder.as_os_str().is_empty();
    let mut names = Folder::open(if here { Path::new(".") } else { folder })?.names()?;
    names.sort();
    Ok(names)
}

/// The names in a folder, sorted, with the sizes of the files.
fn sizes_in(folder: &Path) -> Result<Vec<(String, u64)>> {
    let size = |name: &String| disk::stat(&folder.join(&*disk::os(name))).map_or(0, |stat| stat.size);
    Ok(names_in(folder)?.into_iter().map(|name| (name.clone(), size(&name))).collect())
}

/// The name that reports give a file.
pub(crate) fn name_of(path: &Path) -> String {
    disk::name_of(path).unwrap_or_default()
}

/// Hands the bytes of a stretch of a file on, piece by piece, until `push` has enough. A thread reads ahead.
pub(crate) fn feed(
    file: &File,
    path: &Path,
    range: std::ops::Range<u64>,
    progress: &(dyn Fn(u64) + Sync),
    mut push: impl FnMut(&[u8]) -> Flow,
) -> Result<()> {
    std::thread::scope(|scope| {
        let (give_back, returned) = sync_channel::<Vec<u8>>(BUFFERS);
        let (send, pieces) = sync_channel(BUFFERS);
        scope.spawn(move || {
            let mut at = range.start;
            for fresh in 0.. {
                let left = usize::try_from(range.end.saturating_sub(at)).unwrap_or(usize::MAX);
                // Nobody wants more once the channels are closed.
                let buffer = if fresh < BUFFERS { Ok(vec![0; BUFFER.min(left)]) } else { returned.recv() };
                let (Ok(mut buffer), 1..) = (buffer, left) else { return };
                buffer.truncate(left);
                let piece = read_piece(file, path, buffer, at);
                at += piece.as_ref().map_or(0, |piece| piece.len() as u64);
                if send.send(piece).is_err() {
                    return;
                }
            }
        });
        for piece in pieces {
            let piece = piece?;
            progress(piece.len() as u64);
            if push(&piece).is_break() {
                break;
            }
            // The last ones are not wanted back.
            _ = give_back.send(piece);
        }
        Ok(())
    })
}

fn read_piece(file: &File, path: &Path, mut buffer: Vec<u8>, at: u64) -> Result<Vec<u8>> {
    let read = read_at(file, &mut buffer, at).map_err(|error| Error::cannot_read(path, at, &error))?;
    if read == 0 {
        let text = format!("{} became shorter while it was read: try again", show(path));
        return Err(Error::new(Code::TryAgain, text));
    }
    buffer.truncate(read);
    Ok(buffer)
}

/// Opens a file of a backup, and tells its size.
pub(crate) fn open(path: &Path) -> Result<(File, u64)> {
    let file = disk::open(path).map_err(|error| Error::cannot_open(path, error))?;
    let size = file.size().map_err(|error| Error::cannot_read(path, 0, &error))?;
    Ok((file, size))
}

/// A backup that is beyond the readers.
pub(crate) fn beyond(path: &Path, error: &redis::Error) -> Error {
    let text = escape(error.to_string().as_bytes());
    Error::new(Code::Data, format!("cannot read {}: {text}; {}", show(path), error.kind().advice()))
}
