//! What is found at a path, opened without waiting for anybody.

use std::io;
use std::path::Path;

use papyra_core::folder::Entry;

use crate::disk::{self, File};
use crate::error::{reason, show};

/// What is found at a path.
pub(super) enum Found {
    Nothing,
    File(File),
    Entry(Entry),
}

impl Found {
    /// Opens what is at `path`, links followed.
    pub(super) fn at(path: &Path) -> Found {
        let is_gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        let closed = |error: &io::Error| {
            let why = match disk::link(path) {
                Some(target) if is_gone(error) => format!("a link to {}, which does not exist", show(&target)),
                Some(target) => format!("a link to {}: {}", show(&target), reason(error)),
                None => format!("a file that cannot be opened: {}", reason(error)),
            };
            Found::Entry(Entry::Closed(why))
        };
        let stat = match disk::stat(path) {
            Err(error) if is_gone(&error) && disk::link(path).is_none() => return Found::Nothing,
            Err(error) => return closed(&error),
            Ok(stat) => stat,
        };
        if stat.is_folder() {
            return Found::Entry(Entry::Folder(Vec::new()));
        }
        if !stat.is_file() {
            return Found::Entry(match () {
                () if stat.is_pipe() => Entry::Special("a named pipe"),
                () if stat.is_socket() => Entry::Special("a socket"),
                () if stat.is_null_device() => {
                    Entry::Closed("/dev/null, which keeps nothing of what is written to it".into())
                }
                () => Entry::Special("a device"),
            });
        }
        match disk::open(path) {
            Ok(file) => Found::File(file),
            Err(error) if is_gone(&error) => Found::Nothing,
            Err(error) => closed(&error),
        }
    }
}
