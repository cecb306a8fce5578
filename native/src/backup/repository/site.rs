//! Where a repository's files lie: what a folder and a prefix of a bucket have in common.

use std::fmt::Debug;
use std::io::Write;
use std::path::Path;

use crate::disk::Folder;
use crate::error::{Code, Error, Result, show};

/// The end of the hidden name of a file under way.
pub(super) const UNDER_WAY: &str = ".papyra.tmp";

/// A place that holds a repository's files, by names such as `keys/0123…`, `/` between folders.
pub(in crate::backup) trait Site: Debug + Send + Sync {
    /// What it is called.
    fn path(&self) -> &Path;

    /// What there is at the top, as far as it tells whether this is a repository.
    fn tops(&self) -> Result<Tops>;

    /// The files in a folder and in the folders there, with their sizes in bytes. Without the folder there are none.
    fn files(&self, folder: &str) -> Result<Vec<(String, u64)>>;

    /// The size of a file in bytes; `None` when there is none. `Err` says that nobody could look.
    fn size(&self, name: &str) -> Result<Option<u64>>;

    /// All of a file, which is no larger than `most` bytes.
    fn read(&self, name: &str, most: u64) -> Result<Vec<u8>>;

    /// A stretch of a file; `None` when it is not there, or ends before.
    fn stretch(&self, name: &str, at: u64, length: u64) -> Result<Option<Vec<u8>>>;

    /// Writes a file, so that it is there whole or not at all, whatever happens.
    fn put(&self, name: &str, pieces: &[&[u8]]) -> Result<()>;

    /// Writes a file that must not be there yet: `Ok(false)` says that it is.
    fn put_new(&self, name: &str, bytes: &[u8]) -> Result<bool>;

    /// Removes a file.
    fn remove(&self, name: &str) -> Result<()>;

    /// How many requests make sense at a time.
    fn width(&self) -> usize;

    /// The folder, where it is one: it has locks that end with their process.
    fn folder(&self) -> Option<&Folder>;
}

/// What there is at the top.
#[derive(Debug)]
pub(in crate::backup) struct Tops {
    pub(in crate::backup) has_config: bool,
    /// The folders.
    pub(in crate::backup) folders: Vec<String>,
    /// Folders and files.
    pub(in crate::backup) names: Vec<String>,
}

/// The folders of a repository that is in use.
const PARTS: [&str; 4] = ["keys", "snapshots", "index", "data"];

impl Tops {
    /// Whether this is a repository, though a part of it may be lost: then it must not be taken for something else.
    pub(in crate::backup) fn is_repository(&self) -> bool {
        self.has_config || self.folders.iter().filter(|name| PARTS.contains(&&***name)).count() >= 3
    }
}

/// The folder that a file lies in, by way of `step`, which may find that there is none, and the file's name there.
fn walk<'a>(
    folder: &Folder,
    name: &'a str,
    step: impl Fn(&Folder, &str) -> Result<Option<Folder>>,
) -> Result<Option<(Folder, &'a str)>> {
    let mut folder = folder.clone();
    let (way, name) = name.rsplit_once('/').unwrap_or(("", name));
    for part in way.split('/').filter(|part| !part.is_empty()) {
        let Some(inner) = step(&folder, part)? else { return Ok(None) };
        folder = inner;
    }
    Ok(Some((folder, name)))
}

fn split<'a>(folder: &Folder, name: &'a str, make: bool) -> Result<(Folder, &'a str)> {
    let open = if make { Folder::subfolder } else { Folder::existing_subfolder };
    let way = walk(folder, name, |folder, part| open(folder, part).map(Some))?;
    Ok(way.unwrap_or_else(|| (folder.clone(), name)))
}

impl Site for Folder {
    fn path(&self) -> &Path {
        Folder::path(self)
    }

    fn tops(&self) -> Result<Tops> {
        let is_folder = |name: &&str| self.stat(*name).is_ok_and(|stat| stat.is_some_and(|stat| stat.is_folder()));
        let has_config = self.stat("config").is_ok_and(|stat| stat.is_some_and(|stat| stat.is_file()));
        let folders = PARTS.into_iter().filter(is_folder).map(str::to_owned).collect();
        Ok(Tops { has_config, folders, names: self.names()? })
    }

    fn files(&self, folder: &str) -> Result<Vec<(String, u64)>> {
        if self.stat(folder)?.is_none() {
            return Ok(Vec::new());
        }
        let top = self.existing_subfolder(folder)?;
        let mut files = Vec::new();
        for name in top.names()? {
            // Whatever else there is, is none of ours.
            let Some(stat) = top.stat(&*name)? else { continue };
            if stat.is_file() {
                files.push((name, stat.size));
            } else if stat.is_folder() && name.len() == 2 {
                let inner = top.existing_subfolder(&name)?;
                for file in inner.names()? {
                    if let Some(stat) = inner.stat(&*file)?.filter(|stat| stat.is_file()) {
                        files.push((format!("{name}/{file}"), stat.size));
                    }
                }
            }
        }
        Ok(files)
    }

    fn size(&self, name: &str) -> Result<Option<u64>> {
        let if_there = |folder: &Folder, part: &str| match folder.stat(part)? {
            Some(_) => folder.existing_subfolder(part).map(Some),
            None => Ok(None),
        };
        let Some((folder, name)) = walk(self, name, if_there)? else { return Ok(None) };
        Ok(folder.stat(name)?.map(|stat| stat.size))
    }

    fn read(&self, name: &str, most: u64) -> Result<Vec<u8>> {
        let path = self.join(name);
        let (folder, name) = split(self, name, false)?;
        let file = folder.read(name)?;
        let failed = |error: std::io::Error| Error::cannot_read(&path, 0, &error);
        let size = file.size().map_err(failed)?;
        if size > most {
            return Err(Error::new(Code::Data, format!("{} is larger than any file of its kind", show(&path))));
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        file.read_exact_at(&mut bytes, 0).map_err(failed)?;
        Ok(bytes)
    }

    fn stretch(&self, name: &str, at: u64, length: u64) -> Result<Option<Vec<u8>>> {
        let path = self.join(name);
        let opened = split(self, name, false).and_then(|(folder, name)| folder.read(name));
        let file = match opened {
            Ok(file) => file,
            Err(_) if Site::size(self, name)?.is_none() => return Ok(None),
            Err(error) => return Err(error),
        };
        let failed = |error: std::io::Error| Error::cannot_read(&path, at, &error);
        if at + length > file.size().map_err(failed)? {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        file.read_exact_at(&mut bytes, at).map_err(failed)?;
        Ok(Some(bytes))
    }

    /// Under a hidden name first.
    fn put(&self, name: &str, pieces: &[&[u8]]) -> Result<()> {
        let (folder, name) = split(self, name, true)?;
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

    /// The caller holds the folder's lock.
    fn put_new(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        if Site::size(self, name)?.is_some() {
            return Ok(false);
        }
        Site::put(self, name, &[bytes]).map(|()| true)
    }

    fn remove(&self, name: &str) -> Result<()> {
        let (folder, name) = split(self, name, false)?;
        folder.remove(name)?;
        folder.sync()
    }

    fn width(&self) -> usize {
        1
    }

    fn folder(&self) -> Option<&Folder> {
        Some(self)
    }
}
