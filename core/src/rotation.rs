//! Which files of a folder make up a rotation set, by their names alone.
//!
//! Source: Papyra 0.3.0, `persistence/backends/rotating.py`. The active file is `NAME`, older ones are `NAME.1`
//! (newest) to `NAME.{max_files-1}` (oldest); every other name that begins with `NAME` is an orphan to Papyra.

use crate::finding::{AnomalyType, Finding, Reason};

/// Without a `max_files`, a greater number than this is no rotation but somebody's date or process ID.
const GREATEST_INDEX: u32 = 999;

/// A file of a set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// 0 for the active file, N for `NAME.N`.
    pub index: u32,
    /// The file's name.
    pub name: String,
}

/// Which step of Papyra's a leftover temporary belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TemporaryOf {
    /// `*.compact.tmp`
    Compaction,
    /// `*.recovered.tmp`
    Recovery,
}

/// A temporary of an interrupted compaction or recovery of Papyra's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Temporary {
    /// The index of the member it was to become.
    pub index: u32,
    /// Which of the two.
    pub of: TemporaryOf,
    /// The file's name.
    pub name: String,
    /// The name it was to get.
    pub target: String,
}

/// A file that bears the log's name and belongs to no set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Orphan {
    /// The file's name.
    pub name: String,
    /// `beyond_rotation` or `foreign_file`.
    pub reason: Reason,
}

/// A folder's files as one log's name sees them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RotationSet {
    /// Members, oldest first, the active file last.
    pub members: Vec<Member>,
    /// Numbers that are absent below the greatest one there is.
    pub gaps: Vec<u32>,
    /// Temporaries, by index.
    pub temporaries: Vec<Temporary>,
    /// Orphans, by name.
    pub orphans: Vec<Orphan>,
}

impl RotationSet {
    /// Sorts the `names` of a folder by what they are to the log `base`; names that have nothing to do with it are
    /// passed over. `max_files` counts the active file; without it every `NAME.N` belongs.
    pub fn of<'a>(base: &str, names: impl IntoIterator<Item = &'a str>, max_files: Option<u32>) -> RotationSet {
        let mut set = RotationSet::default();
        for name in names {
            let Some(rest) = name.strip_prefix(base) else { continue };
            let name = name.to_owned();
            if let Some(index) = member_index(rest) {
                match max_files {
                    _ if index == 0 => set.members.push(Member { index, name }),
                    Some(max_files) if index >= max_files => {
                        set.orphans.push(Orphan { name, reason: Reason::BeyondRotation });
                    }
                    None if index > GREATEST_INDEX => set.orphans.push(Orphan { name, reason: Reason::ForeignFile }),
                    _ => set.members.push(Member { index, name }),
                }
            } else if let Some((index, of)) = temporary(rest) {
                set.temporaries.push(Temporary { index, of, name, target: member_name(base, index) });
            } else {
                set.orphans.push(Orphan { name, reason: Reason::ForeignFile });
            }
        }
        set.members.sort_by(|a, b| b.cmp(a));
        set.temporaries.sort();
        set.orphans.sort();
        let oldest = set.members.first().map_or(0, |member| member.index);
        set.gaps = (1..oldest).filter(|index| !set.members.iter().any(|member| member.index == *index)).collect();
        set
    }

    /// Whether there is any rotated member, or the temporary of one.
    pub fn is_rotated(&self) -> bool {
        self.members.iter().any(|member| member.index > 0) || self.temporaries.iter().any(|file| file.index > 0)
    }
}

/// The name of the member with that index.
pub fn member_name(base: &str, index: u32) -> String {
    if index == 0 { base.to_owned() } else { format!("{base}.{index}") }
}

/// The log's name that `name` is a member of, when it ends like one: `rot.log.3` gives `rot.log` and 3.
pub fn base_of(name: &str) -> Option<(&str, u32)> {
    let (base, index) = name.rsplit_once('.')?;
    let index = number(index)?;
    (!base.is_empty() && index <= GREATEST_INDEX).then_some((base, index))
}

fn member_index(rest: &str) -> Option<u32> {
    if rest.is_empty() { Some(0) } else { number(rest.strip_prefix('.')?) }
}

/// A number as Papyra writes it: from 1, no leading zero, no sign.
fn number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    plain.then(|| text.parse().ok()).flatten()
}

fn temporary(rest: &str) -> Option<(u32, TemporaryOf)> {
    let (rest, of) = match rest.strip_suffix(".compact.tmp") {
        Some(rest) => (rest, TemporaryOf::Compaction),
        None => (rest.strip_suffix(".recovered.tmp")?, TemporaryOf::Recovery),
    };
    Some((member_index(rest)?, of))
}

/// The finding for a number that is absent.
pub fn gap_finding() -> Finding {
    Finding::of_file(
        AnomalyType::MissingFile,
        Reason::RotationGap,
        "this member of the set is missing: a file was lost, or a rotation was interrupted; recovery cannot mend this",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_sorted_into_members_gaps_temporaries_and_orphans() {
        let names = [
            "rot.log",
            "rot.log.1",
            "rot.log.4",
            "rot.log.01",
            "rot.log.bak",
            "rot.log2",
            "rot.log.20260101",
            "rot.log.compact.tmp",
            "rot.log.2.recovered.tmp",
            "other",
            ".rot.log.x",
        ];
        let set = RotationSet::of("rot.log", names, None);
        assert_eq!(set.members.iter().map(|member| member.index).collect::<Vec<_>>(), [4, 1, 0]);
        assert_eq!(set.gaps, [2, 3]);
        assert_eq!(set.temporaries.iter().map(|file| &*file.target).collect::<Vec<_>>(), ["rot.log", "rot.log.2"]);
        let orphans: Vec<_> = set.orphans.iter().map(|orphan| &*orphan.name).collect();
        assert_eq!(orphans, ["rot.log.01", "rot.log.20260101", "rot.log.bak", "rot.log2"]);
        let bounded = RotationSet::of("rot.log", names, Some(4));
        assert_eq!(bounded.members.iter().map(|member| member.index).collect::<Vec<_>>(), [1, 0]);
        assert!(bounded.orphans.contains(&Orphan { name: "rot.log.4".into(), reason: Reason::BeyondRotation }));
    }
}
