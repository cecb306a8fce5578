//! Where removed bytes go: `.papyra-rejected/NAME.<utc>.rejected` beside the log, and an index of where they stood.
//!
//! Both are written under temporary names and take their own just before the log is swapped. A run that follows a
//! crash recognises what the one before it has secured and does not secure it twice.

use crate::disk::File;
use std::io::{self, BufWriter, Read, Write};
use std::ops::Range;
use std::path::PathBuf;

use serde_json::json;

use super::quarantine::same_bytes;
use crate::disk::{Folder, Identity};
use crate::error::{Error, Result};

/// The folder's name. It begins with a dot, so that it is part of no log's name.
pub const FOLDER: &str = ".papyra-rejected";

/// The index's schema.
const SCHEMA: &str = "papyra.rejected/1";

/// Rejected bytes under way.
#[derive(Debug)]
pub(crate) struct Rejects {
    bytes: u64,
    ranges: u64,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    folder: Folder,
    name: String,
    data: BufWriter<File>,
    index: BufWriter<File>,
    head: String,
    error: Option<io::Error>,
}

/// Rejected bytes that are safe, under their own names.
#[derive(Debug)]
pub(crate) struct Secured {
    pub(crate) path: PathBuf,
    /// What to remove again if the log is not swapped after all.
    undo: Option<(Folder, [String; 2])>,
}

impl Rejects {
    /// Counts rejected bytes and keeps none.
    pub(crate) fn discarded() -> Rejects {
        Rejects { bytes: 0, ranges: 0, open: None }
    }

    /// Keeps the rejected bytes of the file `name` in `folder`.
    pub(crate) fn beside(folder: &Folder, name: &str, source: &Identity) -> Result<Rejects> {
        let folder = folder.subfolder(FOLDER)?;
        let mut files = Vec::new();
        for file in [data_temporary(name), index_temporary(name)] {
            if folder.stat(&file)?.is_some() {
                // Only ever copies of bytes that still stand in the log.
                folder.remove(&file)?;
            }
            files.push(BufWriter::new(folder.create_new(&file)?));
        }
        let head = json!({
            "schema": SCHEMA, "source": name, "source_inode": source.inode, "source_bytes": source.size,
            "source_modified": source.modified.0,
        })
        .to_string();
        // The ranges follow as one more member.
        let head = head.trim_end_matches('}').to_owned();
        let [data, mut index]: [BufWriter<File>; 2] = files
            .try_into()
            .map_err(|_| Error::cannot_create("create", folder.path(), io::Error::other("no files")))?;
        write!(index, "{head},\"ranges\":[").map_err(|error| Error::cannot_write("write", folder.path(), error))?;
        let open = Open { folder, name: name.to_owned(), data, index, head, error: None };
        Ok(Rejects { bytes: 0, ranges: 0, open: Some(open) })
    }

    /// Takes rejected bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        self.open.as_mut().map_or(Ok(()), |open| open.data.write_all(bytes))
    }

    /// The bytes written last were this stretch of the source.
    pub(crate) fn add_range(&mut self, range: Range<u64>) {
        let length = range.end - range.start;
        let at = self.bytes - length;
        let comma = if self.ranges == 0 { "" } else { "," };
        self.ranges += 1;
        if let Some(open) = &mut self.open
            && let Err(error) = write!(
                open.index,
                "{comma}\n{{\"offset\":{},\"length\":{length},\"rejected_offset\":{at}}}",
                range.start
            )
        {
            open.error = Some(error);
        }
    }

    /// How many bytes, in how many stretches.
    pub(crate) fn amount(&self) -> (u64, u64) {
        (self.bytes, self.ranges)
    }

    /// Makes the rejected bytes safe under their own name; `None` when there are none, or they are not wanted.
    pub(crate) fn secure(self) -> Result<Option<Secured>> {
        let Some(open) = self.open else { return Ok(None) };
        let (data, index) = (data_temporary(&open.name), index_temporary(&open.name));
        if self.bytes == 0 {
            open.folder.remove(&data)?;
            open.folder.remove(&index)?;
            return Ok(None);
        }
        let Open { folder, name, data: data_file, index: mut index_file, head, error } = open;
        let closing = format!("],\"rejected_bytes\":{}}}\n", self.bytes);
        let finish = move || -> io::Result<()> {
            error.map_or(Ok(()), Err)?;
            data_file.into_inner()?.sync_all()?;
            index_file.write_all(closing.as_bytes())?;
            index_file.into_inner()?.sync_all()
        };
        finish().map_err(|error| Error::cannot_write("keep the removed bytes in", folder.path(), error))?;
        if let Some(earlier) = secured_before(&folder, &name, &head, &data, self.bytes)? {
            folder.remove(&data)?;
            folder.remove(&index)?;
            return Ok(Some(Secured { path: folder.join(&earlier), undo: None }));
        }
        let stem = free_stem(&folder, &name)?;
        let names = [format!("{stem}.rejected"), format!("{stem}.json")];
        folder.rename(&index, &names[1])?;
        folder.rename(&data, &names[0])?;
        folder.sync()?;
        Ok(Some(Secured { path: folder.join(&names[0]), undo: Some((folder, names)) }))
    }

    /// Gives up: removes what was written under temporary names.
    pub(crate) fn abandon(self) {
        if let Some(open) = self.open {
            // Copies only; if they stay, the next run clears them away.
            _ = open.folder.remove(data_temporary(&open.name));
            _ = open.folder.remove(index_temporary(&open.name));
        }
    }
}

impl Secured {
    /// The log was not swapped: the bytes still stand in it, and need no second place.
    pub(crate) fn abandon(self) {
        if let Some((folder, names)) = self.undo {
            for name in names {
                // A copy too many is no loss.
                _ = folder.remove(&name);
            }
        }
    }
}

fn data_temporary(name: &str) -> String {
    format!(".{name}.data.tmp")
}

fn index_temporary(name: &str) -> String {
    format!(".{name}.index.tmp")
}

/// A name with the time in it that is not taken.
pub(crate) fn free_stem(folder: &Folder, name: &str) -> Result<String> {
    let stem = format!("{name}.{}", jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ"));
    let mut candidate = stem.clone();
    for number in 2.. {
        if folder.stat(format!("{candidate}.rejected"))?.is_none()
            && folder.stat(format!("{candidate}.json"))?.is_none()
        {
            break;
        }
        candidate = format!("{stem}-{number}");
    }
    Ok(candidate)
}

/// What an interrupted run has secured of the very same file: the same bytes, by the same words in the index.
fn secured_before(folder: &Folder, name: &str, head: &str, data: &str, size: u64) -> Result<Option<String>> {
    let prefix = format!("{name}.");
    let new = folder.read(data)?;
    for index in folder.names()? {
        let Some(stem) = index.strip_suffix(".json").filter(|stem| stem.starts_with(&prefix)) else { continue };
        let earlier = format!("{stem}.rejected");
        let same_size = folder.stat(&earlier)?.is_some_and(|stat| stat.size == size);
        if same_size && begins_with(folder, &index, head)? && same_bytes(&folder.read(&earlier)?, &new, size) {
            return Ok(Some(earlier));
        }
    }
    Ok(None)
}

fn begins_with(folder: &Folder, name: &str, head: &str) -> Result<bool> {
    let mut start = vec![0; head.len()];
    let read = folder.read(name)?.read(&mut start);
    Ok(matches!(read, Ok(read) if start[..read] == *head.as_bytes()))
}
