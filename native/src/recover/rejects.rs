//! Where removed bytes go: `.papyra-rejected/NAME.<utc>.rejected` beside the log, and an index of where they stood.
//!
//! Both are written under temporary names and take their own before anything is removed from the log. They belong to
//! whom the log belongs to, and are open to nobody whom the log is not open to.

use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::PathBuf;

use serde_json::json;

use super::journal;
use crate::disk::fault::Fault;
use crate::disk::{File, Folder, Stat, sparse::SparseWriter, sys};
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
    /// The log's.
    parent: Folder,
    folder: Folder,
    name: String,
    data: SparseWriter<File>,
    index: BufWriter<File>,
    error: Option<io::Error>,
}

/// Rejected bytes that are safe, under their own names.
#[derive(Debug)]
pub(crate) struct Secured {
    pub(crate) path: PathBuf,
    parent: Folder,
    folder: Folder,
    names: [String; 2],
}

impl Rejects {
    /// Counts rejected bytes and keeps none.
    pub(crate) fn discarded() -> Rejects {
        Rejects { bytes: 0, ranges: 0, open: None }
    }

    /// Keeps the rejected bytes of the file `name` in `folder`, which is what `source` says.
    pub(crate) fn beside(folder: &Folder, name: &str, source: &Stat) -> Result<Rejects> {
        let parent = folder.clone();
        let folder = folder.subfolder_like(FOLDER, Some(source))?;
        let create = |name: String| -> Result<File> {
            if folder.stat(&name)?.is_some() {
                // Only ever copies of bytes that still stand in the log.
                folder.remove(&name)?;
            }
            let file = folder.create_new(&name)?;
            give_to(&file, source).map_err(|error| Error::cannot_create("give away", &folder.join(&name), error))?;
            Ok(file)
        };
        let data = create(data_temporary(name))?;
        let mut index =
            BufWriter::new(create(index_temporary(name)).inspect_err(|_| _ = folder.remove(data_temporary(name)))?);
        let head = json!({
            "schema": SCHEMA, "source": name, "source_inode": source.inode, "source_bytes": source.size,
            "source_modified": source.modified.0,
        })
        .to_string();
        // The ranges follow as one more member.
        let head = head.trim_end_matches('}');
        write!(index, "{head},\"ranges\":[").map_err(|error| Error::cannot_write("write", folder.path(), error))?;
        let open = Open { parent, folder, name: name.to_owned(), data: SparseWriter::new(data), index, error: None };
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
            open.parent.remove_if_empty(FOLDER);
            return Ok(None);
        }
        let Open { parent, folder, name, data: data_file, index: mut index_file, error } = open;
        let closing = format!("],\"rejected_bytes\":{}}}\n", self.bytes);
        let finish = move || -> io::Result<()> {
            error.map_or(Ok(()), Err)?;
            let data = data_file.finish()?.0;
            index_file.write_all(closing.as_bytes())?;
            let index = index_file.into_inner()?;
            if Fault::RejectsNotSynced.is_back() {
                return Ok(());
            }
            data.sync_all()?;
            index.sync_all()
        };
        finish().map_err(|error| Error::cannot_write("keep the removed bytes in", folder.path(), error))?;
        let stem = free_stem(&folder, &name)?;
        let names = [format!("{stem}.rejected"), format!("{stem}.json")];
        folder.rename(&index, &names[1])?;
        folder.rename(&data, &names[0])?;
        folder.sync()?;
        Ok(Some(Secured { path: folder.join(&names[0]), parent, folder, names }))
    }

    /// Gives up: removes what was written under temporary names.
    pub(crate) fn abandon(self) {
        if let Some(open) = self.open {
            // Copies only; if they stay, the next run clears them away.
            _ = open.folder.remove(data_temporary(&open.name));
            _ = open.folder.remove(index_temporary(&open.name));
            open.parent.remove_if_empty(FOLDER);
        }
    }
}

impl Secured {
    /// The bytes, as they were given to [`Rejects::write`].
    pub(crate) fn open(&self) -> Result<File> {
        self.folder.read(&self.names[0])
    }

    /// The bytes still stand in the log, or lie elsewhere, and need no second place.
    pub(crate) fn abandon(self) {
        for name in self.names {
            // A copy too many is no loss.
            _ = self.folder.remove(&name);
        }
        self.parent.remove_if_empty(FOLDER);
    }
}

/// Gives a file that was made just now to whom another belongs to, and lets nobody read it who may not read that.
pub(super) fn give_to(file: &File, like: &Stat) -> io::Result<()> {
    let now = file.stat()?;
    if (now.owner, now.group) != (like.owner, like.group) && !Fault::BelongsToItsMaker.is_back() {
        file.set_owner(like.owner, like.group)?;
    }
    file.set_mode(like.mode & 0o666 | 0o400)
}

fn data_temporary(name: &str) -> String {
    format!(".{}.data.tmp", journal::id(name))
}

fn index_temporary(name: &str) -> String {
    format!(".{}.index.tmp", journal::id(name))
}

/// A name with the time in it that is not taken.
pub(crate) fn free_stem(folder: &Folder, name: &str) -> Result<String> {
    let now = jiff::Timestamp::from_millisecond(sys::now()).unwrap_or_default();
    let stem = format!("{}.{}", shortened(name), now.strftime("%Y%m%dT%H%M%SZ"));
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

/// A log's name may have 255 bytes: of one so long, what still has room for an ending.
pub(super) fn shortened(name: &str) -> String {
    const MOST: usize = 200;
    if name.len() <= MOST {
        return name.to_owned();
    }
    let end = (0..=MOST - 17).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
    format!("{}~{}", &name[..end], journal::id(name))
}
