//! The hidden names under which files of ours lie beside a log while it is recovered, and what they say.
//!
//! A name has to fit beside a log whose own name has 255 bytes, so it carries a hash of the log's. The two files of a
//! swap are told apart by their content, since inode numbers do not survive a copy of the folder.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::disk::fault::Fault;
use crate::disk::{File, Folder, sparse};
use crate::error::{Error, Result};

/// What every hidden name of ours beside a log begins with.
pub(crate) const PREFIX: &str = ".papyra.";

/// A file by its first bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    /// How many bytes.
    pub(crate) size: u64,
    /// The first half of their SHA-256, in hex.
    hash: String,
}

impl Mark {
    /// The mark of a file's first `size` bytes.
    pub(crate) fn of(file: &File, path: &Path, size: u64) -> Result<Mark> {
        let read = hash(file, size).map_err(|error| Error::cannot_read(path, 0, &error))?;
        Ok(Mark { size, hash: read })
    }

    /// Whether a file begins with these bytes.
    pub(crate) fn fits(&self, file: &File, path: &Path) -> Result<bool> {
        let failed = |error| Error::cannot_read(path, 0, &error);
        Ok(file.size().map_err(failed)? >= self.size && hash(file, self.size).map_err(failed)? == self.hash)
    }
}

fn hash(file: &File, size: u64) -> io::Result<String> {
    let mut hasher = Sha256::new();
    sparse::each_piece(file, 0..size, |bytes| {
        hasher.update(bytes);
        Ok(())
    })?;
    Ok(hex(&hasher.finalize()[..16]))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}

/// What the hidden name of a swap says: `.papyra.<log>.<state>.<old size>-<old hash>.<new size>-<new hash>`, and, of an
/// exchange that has hit another file than the old one, a third mark, of that one.
///
/// Before the exchange the file under this name is the new one, afterwards the old one, or the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Journal {
    /// See [`id`].
    pub(crate) id: String,
    pub(crate) state: State,
    /// The log as it was scanned.
    pub(crate) old: Mark,
    /// What takes its place.
    pub(crate) new: Mark,
    /// The file that was hit; there in one state only.
    pub(crate) displaced: Option<Mark>,
}

/// How far a swap has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing came too late, as far as is known.
    Swap,
    /// What was appended to the hidden file too late was added to the other one, or was about to be.
    Carried,
    /// The exchange hit another file than the log that was scanned, and is taken back: the two change places again.
    /// What was appended to the new one meanwhile was added to the other one, or was about to be.
    Displaced,
}

impl State {
    const ALL: [(State, &str); 3] =
        [(State::Swap, "swap"), (State::Carried, "carried"), (State::Displaced, "displaced")];
}

impl Journal {
    /// The same swap, further on.
    pub(crate) fn at(&self, state: State) -> Journal {
        Journal { state, ..self.clone() }
    }

    /// The same swap, which has hit that file.
    pub(crate) fn hit(&self, displaced: Mark) -> Journal {
        Journal { state: State::Displaced, displaced: Some(displaced), ..self.clone() }
    }

    /// Whether a hidden name is that of such a swap, however far it has come.
    pub(crate) fn is_of_such(&self, name: &str) -> bool {
        let such = |journal: &Journal| (&journal.id, &journal.old, &journal.new) == (&self.id, &self.old, &self.new);
        Journal::parse(name).as_ref().is_some_and(such)
    }

    pub(crate) fn name(&self) -> String {
        let Journal { id, state, old, new, displaced } = self;
        let state = State::ALL.iter().find(|(known, _)| known == state).map_or("", |(_, word)| word);
        let mut name = format!("{PREFIX}{id}.{state}");
        for Mark { size, hash } in [old, new].into_iter().chain(displaced) {
            _ = write!(name, ".{size}-{hash}");
        }
        name
    }

    /// Reads such a name.
    pub(crate) fn parse(name: &str) -> Option<Journal> {
        let mut parts = name.strip_prefix(PREFIX)?.split('.');
        let (id, state) = (parts.next()?.to_owned(), parts.next()?);
        let mut mark = || {
            let (size, hash) = parts.next()?.split_once('-')?;
            Some(Mark { size: size.parse().ok()?, hash: hash.to_owned() })
        };
        let (state, _) = *State::ALL.iter().find(|(_, word)| *word == state)?;
        let journal = Journal { id, state, old: mark()?, new: mark()?, displaced: mark() };
        (journal.name() == name && journal.displaced.is_some() == (state == State::Displaced)).then_some(journal)
    }
}

/// What stands for a log's name in hidden names.
pub(crate) fn id(log: &str) -> String {
    hex(&Sha256::digest(log.as_bytes())[..8])
}

/// The name of a file that is being written and will take the log's place.
pub(crate) fn unfinished(log: &str) -> String {
    format!("{PREFIX}{}.tmp", id(log))
}

/// The name of a member that compaction has emptied, while it is looked at once more.
pub(crate) fn emptied(log: &str) -> String {
    format!("{PREFIX}{}.emptied", id(log))
}

/// The [`id`] of the log that a hidden name of ours belongs to.
pub(crate) fn id_of(hidden: &str) -> Option<&str> {
    let (id, state) = hidden.strip_prefix(PREFIX)?.split_once('.')?;
    (matches!(state, "tmp" | "emptied") || Journal::parse(hidden).is_some()).then_some(id)
}

/// A hidden file and what its name says.
pub(super) struct Hidden<'a> {
    pub(super) folder: &'a Folder,
    pub(super) log: &'a str,
    pub(super) journal: Journal,
    /// The operator vouches that nobody writes.
    pub(super) at_rest: bool,
}

impl Hidden<'_> {
    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(self.journal.name())
    }

    pub(super) fn failed(&self, error: &io::Error) -> Error {
        Error::cannot_read(&self.path(), 0, error)
    }

    /// From here on a run that comes after a kill has to look whether the late bytes are there.
    pub(super) fn goes_on_to(&mut self, next: Journal) -> Result<()> {
        if next != self.journal && !(Fault::CarriedNotMarked.is_back() && next.state == State::Carried) {
            self.folder.rename(self.journal.name(), next.name())?;
            self.journal = next;
            self.folder.sync()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_name_reads_back_and_fits_beside_the_longest_name() {
        let mark = |size| Mark { size, hash: "0123456789abcdef0123456789abcdef".into() };
        let log = "x".repeat(255);
        for (state, _) in State::ALL {
            let displaced = (state == State::Displaced).then(|| mark(u64::MAX));
            let journal = Journal { id: id(&log), state, old: mark(u64::MAX), new: mark(u64::MAX), displaced };
            let name = journal.name();
            assert_eq!(Journal::parse(&name), Some(journal));
            assert_eq!(id_of(&name), Some(&*id(&log)));
            assert!(name.len() < 255, "{name}");
        }
        for other in [".papyra.x.tmp2", ".papyra.0.swap.1-2", "log", ".log.papyra.tmp"] {
            assert_eq!(id_of(other), None, "{other}");
        }
    }
}
