//! What a snapshot of ours notes in its description, a field of rustic's: what a list says of the backup, and which
//! packs and index files it needs. A list far away then reads the snapshot alone, and holds it against the names and
//! sizes of what is there. A tool that rewrites snapshots may drop it, and one that prunes makes it outdated: then the
//! backup is read.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write;

use rustic_core::Id;
use rustic_core::repofile::{FileType, SnapshotFile};
use serde::{Deserialize, Serialize};

use super::store::Store;
use crate::backup::brief::Brief;
use crate::error::Result;

const SCHEMA: &str = "papyra.snapshot/1";

/// As many digits of an ID as tell it from all others that were ever made by chance.
const DIGITS: usize = 16;

/// A pack's size follows them, in so many digits.
const SIZE: usize = 8;

/// What a snapshot notes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Note {
    schema: String,
    pub(super) backup: Brief,
    #[serde(flatten)]
    needs: Needs,
}

/// What a backup needs: of each file the first digits of its ID, in one text that is a quarter as long as a list of
/// IDs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Needs {
    /// Of each pack its size, too.
    packs: String,
    /// The index files that tell of them.
    index: String,
}

/// The packs, with their sizes in bytes, and the index files that are there.
#[derive(Debug)]
pub(super) struct There {
    packs: HashMap<u64, u64>,
    index: HashSet<u64>,
}

/// The first digits of an ID, as a number.
pub(super) fn head(id: &Id) -> u64 {
    number(&id.to_hex().as_str()[..DIGITS]).unwrap_or_default()
}

fn number(digits: &str) -> Option<u64> {
    u64::from_str_radix(digits, 16).ok()
}

/// The pieces of a text, each so many digits long; `None` when it is no such text.
fn pieces(text: &str, width: usize) -> Option<impl Iterator<Item = &str>> {
    let is_one = text.len().is_multiple_of(width) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one.then(|| (0..text.len()).step_by(width).map(move |at| &text[at..at + width]))
}

impl Note {
    pub(super) fn new(backup: Brief, needs: Needs) -> Note {
        Note { schema: SCHEMA.into(), backup, needs }
    }

    /// What a snapshot notes, if it is what a run of ours would have noted.
    pub(super) fn of(snapshot: &SnapshotFile) -> Option<Note> {
        let note: Note = serde_json::from_str(snapshot.description.as_deref()?).ok()?;
        (note.schema == SCHEMA && note.backup.is_sound()).then_some(note)
    }

    /// The packs with their sizes; `None` when they are not told as they should be.
    pub(super) fn packs(&self) -> Option<impl Iterator<Item = (u64, u64)>> {
        let pieces = pieces(&self.needs.packs, DIGITS + SIZE)?;
        Some(pieces.filter_map(|piece| Some((number(&piece[..DIGITS])?, number(&piece[DIGITS..])?))))
    }

    /// Whether all that the backup needs is there, as far as names and sizes tell.
    pub(super) fn is_there(&self, there: &There) -> bool {
        let Some(index) = pieces(&self.needs.index, DIGITS) else { return false };
        let mut index = index.filter_map(number);
        index.all(|file| there.index.contains(&file))
            && self.packs().is_some_and(|mut packs| packs.all(|(pack, size)| there.packs.get(&pack) == Some(&size)))
    }
}

impl Needs {
    /// `packs` come with their sizes in bytes.
    pub(super) fn new(packs: &BTreeMap<Id, u64>, index: &BTreeSet<Id>) -> Needs {
        let mut needs = Needs::default();
        for (pack, size) in packs {
            _ = write!(needs.packs, "{:016x}{size:08x}", head(pack));
        }
        for file in index {
            _ = write!(needs.index, "{:016x}", head(file));
        }
        needs
    }
}

impl There {
    pub(super) fn now(store: &Store) -> Result<There> {
        // An index file was there after the packs that it tells of.
        let index = store.list(FileType::Index)?.iter().map(|(id, _)| head(id)).collect();
        let packs = store.list(FileType::Pack)?.iter().map(|(id, size)| (head(id), *size)).collect();
        Ok(There { packs, index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use papyra_core::manifest::Compression;
    use papyra_core::report::Verdict;

    fn id(byte: u8) -> Id {
        format!("{byte:02x}").repeat(32).parse().expect("an ID")
    }

    fn there(packs: &[(u8, u64)], index: &[u8]) -> There {
        There {
            packs: packs.iter().map(|(pack, size)| (head(&id(*pack)), *size)).collect(),
            index: index.iter().map(|file| head(&id(*file))).collect(),
        }
    }

    fn snapshot(change: impl FnOnce(&mut serde_json::Value)) -> SnapshotFile {
        let backup = Brief {
            manifest_sha256: "0f".repeat(32),
            series: "orders".into(),
            host: Some("web1".into()),
            source: None,
            folder: "/srv".into(),
            tags: vec!["x".into()],
            created: "2026-01-01T00:00:00Z".into(),
            bytes: 7,
            stored_bytes: 7,
            compression: Compression::None,
            records: 1,
            verdict: Verdict::Clean,
        };
        let packs = BTreeMap::from([(id(1), 5), (id(2), 1 << 24)]);
        let note = Note::new(backup, Needs::new(&packs, &BTreeSet::from([id(3)])));
        let mut value = serde_json::to_value(note).expect("a value");
        change(&mut value);
        SnapshotFile { description: Some(value.to_string()), ..SnapshotFile::default() }
    }

    #[test]
    fn a_note_counts_while_all_that_it_names_is_there() {
        let note = Note::of(&snapshot(|_| ())).expect("a note");
        assert!(note.is_there(&there(&[(1, 5), (2, 1 << 24), (9, 9)], &[3, 4])));
        for (packs, index) in [
            (&[(1, 5)][..], &[3][..]),
            (&[(1, 4), (2, 1 << 24)], &[3]),
            (&[(1, 5), (2, 1 << 24)], &[4]),
            (&[(1, 5), (2, 0)], &[3]),
        ] {
            assert!(!note.is_there(&there(packs, index)), "{packs:?} {index:?}");
        }
    }

    #[test]
    fn a_note_that_no_run_of_ours_has_written_is_none() {
        type Change = fn(&mut serde_json::Value);
        let changes: [Change; 5] = [
            |note| note["schema"] = "papyra.snapshot/2".into(),
            |note| note["backup"]["series"] = "a\u{1b}[31mb".into(),
            |note| note["backup"]["tags"][0] = "".into(),
            |note| note["backup"]["bytes"] = u64::MAX.into(),
            |note| note["backup"]["manifest_sha256"] = "../x".into(),
        ];
        for change in changes {
            assert!(Note::of(&snapshot(change)).is_none());
        }
        let whole = there(&[(1, 5), (2, 1 << 24)], &[3]);
        for odd in ["0", &("é".to_owned() + &"1".repeat(46)), &("+".to_owned() + &"1".repeat(47))] {
            for field in ["packs", "index"] {
                let note = Note::of(&snapshot(|note| note[field] = odd.into())).expect("a note");
                assert!(!note.is_there(&whole), "{field} {odd}");
            }
        }
        for text in [None, Some("a description of somebody's".to_owned()), Some("{}".to_owned())] {
            assert!(Note::of(&SnapshotFile { description: text, ..SnapshotFile::default() }).is_none());
        }
    }
}
