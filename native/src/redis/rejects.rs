//! Where repair keeps what it removes from streams: a file of one JSON object an entry, synced before the entry goes.
//!
//! A run that was killed between the two may have kept entries that the next run finds again and keeps once more.

use crate::disk::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use papyra_core::redis::push_rejected;

use super::reply::Entry;
use crate::disk::Folder;
use crate::error::{Error, Result};
use crate::recover::rejects::free_stem;

/// The rejects of one stream. The file is made with its first entry.
pub(super) struct Rejects<'a> {
    folder: &'a Path,
    source: String,
    open: Option<(File, PathBuf)>,
}

impl<'a> Rejects<'a> {
    /// Keeps entries of the stream `source` in `folder`.
    pub(super) fn new(folder: &'a Path, source: &str) -> Rejects<'a> {
        Rejects { folder, source: source.into(), open: None }
    }

    /// Makes the entries safe.
    pub(super) fn secure(&mut self, entries: &[Entry]) -> Result<()> {
        let mut lines = Vec::new();
        for entry in entries {
            let fields = entry.fields.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
            push_rejected(&self.source, entry.id, fields, &mut lines);
        }
        let (file, path) = match &mut self.open {
            Some(open) => open,
            None => {
                let folder = Folder::create(self.folder)?;
                let name = format!("{}.rejected", free_stem(&folder, &file_name(&self.source))?);
                let file = folder.create_new(&name)?;
                folder.sync()?;
                self.open.insert((file, folder.join(&name)))
            }
        };
        let mut write = || -> io::Result<()> {
            file.write_all(&lines)?;
            file.sync_all()
        };
        write().map_err(|error| {
            Error::cannot_write("keep the removed entries in", path, error).and("they are still in the stream")
        })
    }

    /// The file, if anything was kept.
    pub(super) fn path(&self) -> Option<PathBuf> {
        self.open.as_ref().map(|(_, path)| path.clone())
    }
}

/// A key as a file name, the way Papyra writes one into another key.
fn file_name(key: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '_' };
    let name: String = key.chars().map(plain).take(100).collect();
    name.trim_start_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_an_entry_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut rejects = Rejects::new(folder.path(), "../a:b");
        assert_eq!(rejects.path(), None);
        let fields = vec![(b"data".to_vec(), b"{\"\n".to_vec()), (b"\xff".to_vec(), b"".to_vec())];
        let entry = Entry { id: "7-1".parse().expect("an ID"), fields };
        rejects.secure(std::slice::from_ref(&entry)).expect("kept");
        rejects.secure(&[entry]).expect("kept");
        let path = rejects.path().expect("a file");
        assert_eq!(path.parent(), Some(folder.path()));
        let line =
            "{\"source\":\"../a:b\",\"id\":\"7-1\",\"fields\":[[\"data\",\"{\\\"\\n\"],[{\"hex\":\"ff\"},\"\"]]}\n";
        assert_eq!(std::fs::read_to_string(path).expect("the file"), line.repeat(2));
    }
}
