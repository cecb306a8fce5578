//! Redis backups on disk: dumps, DUMP payloads and append-only files, recognised by content and fed to the readers of core.
//!
//! This module finds the files and hands their bytes on, in pieces. What the bytes mean is core's affair; what a scan says of them is in
//! [`scan`], what an export writes in [`export`], and how an append-only file is repaired in [`crate::recover`].

mod aof;
pub mod entries;
pub mod export;
pub mod scan;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use papyra_core::escape::escape;
use papyra_core::redis::{
    self, ErrorKind, Flow, Format, Manifest, SNIFF_END, SNIFF_START, is_dump, is_whole_dump, sniff,
};

use crate::error::{Code, Error, Result, show};

pub(crate) use aof::{Survey, survey};

/// Bytes read at a time.
const BUFFER: usize = 1 << 20;

/// A manifest or a payload beside other files is looked at whole up to this many bytes.
const SMALL: u64 = 64 << 20;

/// A Redis backup.
#[derive(Debug)]
pub enum Backup {
    /// An RDB file, or an old append-only file that begins with one.
    Rdb(PathBuf),
    /// A DUMP payload; its key is the file's name.
    Dump(PathBuf),
    /// An append-only file, or a folder of them.
    Aof(AofSet),
}

/// Append-only files that make up one state, in the order in which they are read.
#[derive(Debug)]
pub struct AofSet {
    /// The folder that they are in.
    pub folder: PathBuf,
    /// The manifest's name, if there is one.
    pub manifest: Option<String>,
    /// Why the manifest cannot be followed.
    pub broken: Option<redis::Finding>,
    /// Plain names.
    pub files: Vec<String>,
    /// Names that the server no longer needs.
    pub history: Vec<String>,
}

impl Backup {
    /// The backup that the file at `path` is. Among other files a payload is only taken for one when its checksum holds.
    pub fn at(path: &Path, named: bool) -> Result<Option<Backup>> {
        let failed = |error| Error::cannot_read(path, 0, &error);
        let file = File::open(path).map_err(|error| Error::cannot_open(path, error))?;
        let size = file.metadata().map_err(failed)?.len();
        let mut start = [0; SNIFF_START];
        let read = read_at(&file, &mut start, 0).map_err(failed)?;
        Ok(match sniff(&start[..read]) {
            Some(Format::Rdb) => Some(Backup::Rdb(path.into())),
            Some(Format::Aof) => Some(Backup::Aof(AofSet::one(path))),
            Some(Format::Manifest) => Some(Backup::Aof(AofSet::of_manifest(path)?)),
            Some(Format::Dump) => Some(Backup::Dump(path.into())),
            None => {
                let mut end = [0; SNIFF_END];
                let from = size.saturating_sub(SNIFF_END as u64);
                let short = read == 0 || read_at(&file, &mut end, from).map_err(failed)? < SNIFF_END;
                let seems = !short && is_dump(start[0], &end);
                let is = seems && (named || size <= SMALL && is_whole_dump(&std::fs::read(path).map_err(failed)?));
                is.then(|| Backup::Dump(path.into()))
            }
        })
    }

    /// The file that it was told by.
    pub fn path(&self) -> PathBuf {
        match self {
            Backup::Rdb(path) | Backup::Dump(path) => path.clone(),
            Backup::Aof(set) => {
                set.folder.join(set.manifest.iter().chain(&set.files).next().map_or("", String::as_str))
            }
        }
    }

    /// The bytes that a scan will read.
    pub fn size(&self) -> u64 {
        let of = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
        match self {
            Backup::Rdb(path) | Backup::Dump(path) => of(path),
            Backup::Aof(set) => set.files.iter().map(|name| of(&set.path(name))).sum(),
        }
    }
}

impl AofSet {
    /// One file without a manifest.
    pub fn one(path: &Path) -> AofSet {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        AofSet { folder, manifest: None, broken: None, files: vec![name], history: Vec::new() }
    }

    fn of_manifest(path: &Path) -> Result<AofSet> {
        let text = std::fs::read(path).map_err(|error| Error::cannot_open(path, error))?;
        let mut set = AofSet::one(path);
        set.manifest = set.files.pop();
        match Manifest::parse(&text) {
            Ok(manifest) => {
                set.files = manifest.in_order().map(|file| file.name.clone()).collect();
                let all = manifest.files.into_iter().map(|file| file.name);
                set.history = all.filter(|name| !set.files.contains(name)).collect();
            }
            Err(finding) => set.broken = Some(finding),
        }
        Ok(set)
    }

    /// The path of one of the files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Whether a file belongs to the set.
    pub fn holds(&self, name: &str) -> bool {
        self.manifest.as_deref() == Some(name) || self.files.iter().chain(&self.history).any(|own| own == name)
    }
}

/// Fills `buffer` from `offset` on, as far as the file goes.
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Hands the bytes of a stretch of a file on, piece by piece, until `push` has enough.
pub(crate) fn feed(
    file: &File,
    path: &Path,
    range: std::ops::Range<u64>,
    progress: &(dyn Fn(u64) + Sync),
    mut push: impl FnMut(&[u8]) -> Flow,
) -> Result<()> {
    let mut at = range.start;
    let mut buffer = vec![0; BUFFER.min(usize::try_from(range.end.saturating_sub(at)).unwrap_or(BUFFER))];
    while at < range.end {
        let want = buffer.len().min(usize::try_from(range.end - at).unwrap_or(usize::MAX));
        let read = read_at(file, &mut buffer[..want], at).map_err(|error| Error::cannot_read(path, at, &error))?;
        progress(read as u64);
        at += read as u64;
        if read == 0 {
            let text = format!("{} became shorter while it was read: try again", show(path));
            return Err(Error::new(Code::TryAgain, text));
        }
        if push(&buffer[..read]).is_break() {
            break;
        }
    }
    Ok(())
}

/// Opens a file of a backup, and tells its size.
pub(crate) fn open(path: &Path) -> Result<(File, u64)> {
    let file = File::open(path).map_err(|error| Error::cannot_open(path, error))?;
    let size = file.metadata().map_err(|error| Error::cannot_read(path, 0, &error))?.len();
    Ok((file, size))
}

/// A backup that is beyond the readers.
pub(crate) fn beyond(path: &Path, error: &redis::Error) -> Error {
    let advice = match error.kind() {
        ErrorKind::UnknownVersion(_) | ErrorKind::UnknownType(_) => {
            "this papyra does not know it, a later one may; nothing was changed"
        }
        ErrorKind::NotUnderstood => "the file is intact and papyra falls short: please report this",
        ErrorKind::TooLarge(_) => "it is larger than papyra holds in memory; nothing was changed",
        _ => "check the path: this is no Redis backup that papyra knows",
    };
    Error::new(Code::Data, format!("cannot read {}: {}; {advice}", show(path), escape(error.to_string().as_bytes())))
}
