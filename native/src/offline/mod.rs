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
    self, ErrorKind, FileRole, Flow, Format, Manifest, SNIFF_END, SNIFF_START, is_dump, is_whole_dump, server_name,
    sniff,
};

use crate::error::{Code, Error, Result, show};
use crate::folder::Folder;

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
    /// Why the manifest cannot be followed, or that there is none.
    pub broken: Option<Box<redis::Finding>>,
    /// The manifest that the files' names and what is left of the broken one leave as the only one possible, or why there is none.
    pub rebuilt: std::result::Result<Manifest, &'static str>,
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
                match AofSet::around(path)? {
                    Some(set) if !is => Some(Backup::Aof(set)),
                    _ => is.then(|| Backup::Dump(path.into())),
                }
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
        AofSet {
            folder,
            manifest: None,
            broken: None,
            rebuilt: Err("it is whole"),
            files: vec![name],
            history: Vec::new(),
        }
    }

    fn of_manifest(path: &Path) -> Result<AofSet> {
        let text = std::fs::read(path).map_err(|error| Error::cannot_open(path, error))?;
        let mut set = AofSet::one(path);
        set.manifest = set.files.pop();
        match Manifest::parse(&text) {
            Ok(manifest) => set.follow(&manifest),
            Err(finding) => set.rebuild(&text, finding)?,
        }
        Ok(set)
    }

    /// The set of the manifest `path` whose content does not show that it is one: the files beside it do.
    fn around(path: &Path) -> Result<Option<AofSet>> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Some(stem) = name.strip_suffix(".manifest") else { return Ok(None) };
        let set = AofSet::one(path);
        let is = AofSet::stems(&set.names()?).iter().any(|own| own == stem);
        if is { AofSet::of_manifest(path).map(Some) } else { Ok(None) }
    }

    /// The set of the files in `folder` that are called `stem`, which has no manifest.
    pub(crate) fn without_manifest(folder: &Path, stem: &str) -> Result<AofSet> {
        let mut set = AofSet::one(&folder.join(format!("{stem}.manifest")));
        set.manifest = set.files.pop();
        let text = "there are append-only files and no manifest: a server would start empty";
        set.rebuild(b"", redis::Finding::new(redis::Reason::BrokenManifest, 0, text))?;
        Ok(set)
    }

    /// The stems among `names` that have a base and an incremental file under the names that servers give.
    pub(crate) fn stems(names: &[String]) -> Vec<String> {
        let of = |role| names.iter().filter_map(move |name| server_name(name).filter(|parts| parts.2 == role));
        let mut stems: Vec<&str> = of(FileRole::Base).map(|parts| parts.0).collect();
        stems.retain(|stem| of(FileRole::Incremental).any(|parts| parts.0 == *stem));
        stems.dedup();
        stems.into_iter().map(str::to_owned).collect()
    }

    fn names(&self) -> Result<Vec<String>> {
        let mut names = Folder::open(&self.folder)?.names()?;
        names.sort();
        Ok(names)
    }

    fn follow(&mut self, manifest: &Manifest) {
        self.files = manifest.in_order().map(|file| file.name.clone()).collect();
        let all = manifest.files.iter().map(|file| file.name.clone());
        self.history = all.filter(|name| !self.files.contains(name)).collect();
    }

    fn rebuild(&mut self, text: &[u8], broken: redis::Finding) -> Result<()> {
        let stem = self.manifest.as_deref().and_then(|name| name.strip_suffix(".manifest")).unwrap_or_default();
        self.rebuilt = Manifest::rebuild(stem, text, &self.names()?);
        if let Ok(manifest) = self.rebuilt.clone() {
            self.follow(&manifest);
        }
        let order = match &self.rebuilt {
            Ok(_) => format!("the files themselves leave one order: {}", self.files.join(", ")),
            Err(why) => format!("the order of the files cannot be told from their names: {why}"),
        };
        self.broken = Some(Box::new(redis::Finding { detail: format!("{}; {order}", broken.detail), ..broken }));
        Ok(())
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
            return Err(shorter(path));
        }
        if push(&buffer[..read]).is_break() {
            break;
        }
    }
    Ok(())
}

fn shorter(path: &Path) -> Error {
    Error::new(Code::TryAgain, format!("{} became shorter while it was read: try again", show(path)))
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
