//! Which files of a folder make up a rotation set, by their names alone.
//!
//! Source: Papyra 0.3.0, `persistence/backends/rotating.py`. The active file is `NAME`, older ones are `NAME.1`
//! (newest) to `NAME.{max_files-1}` (oldest); every other name that begins with `NAME` is an orphan to Papyra.

use crate::archive;
use crate::finding::{AnomalyType, Finding, Reason};
use crate::report::Backend;

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

/// How a log that lies in one folder with others is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// A set when rotated files stand beside the log, one file otherwise.
    #[default]
    Auto,
    /// One file.
    Json,
    /// A set.
    Rotating,
}

/// A member that a tool other than Papyra has renamed or compressed, so that Papyra no longer reads it.
///
/// Source: logrotate(8): `compress`, `compressext`, `dateext`, `dateformat`, `start`; savelog(8), newsyslog(8).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Renamed {
    /// The file's name.
    pub name: String,
    /// `packed_member` or `renamed_member`.
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
    /// Members that were renamed or compressed, by name.
    pub renamed: Vec<Renamed>,
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
                if index == 0 || index < max_files.unwrap_or(GREATEST_INDEX + 1) {
                    set.members.push(Member { index, name });
                } else if index <= GREATEST_INDEX {
                    set.orphans.push(Orphan { name, reason: Reason::BeyondRotation });
                } else {
                    // A day, or a second since 1970.
                    set.renamed.push(Renamed { name, reason: Reason::RenamedMember });
                }
            } else if let Some((index, of)) = temporary(rest) {
                set.temporaries.push(Temporary { index, of, name, target: member_name(base, index) });
            } else if let Some(reason) = renamed(rest) {
                set.renamed.push(Renamed { name, reason });
            } else {
                set.orphans.push(Orphan { name, reason: Reason::ForeignFile });
            }
        }
        set.members.sort_by(|a, b| b.cmp(a));
        set.temporaries.sort();
        set.renamed.sort();
        set.orphans.sort();
        let oldest = set.members.first().map_or(0, |member| member.index);
        set.gaps = (1..oldest).filter(|index| !set.members.iter().any(|member| member.index == *index)).collect();
        set
    }

    /// The backend, and the set as it sees it.
    pub fn as_chosen(mut self, choice: Choice) -> (Backend, RotationSet) {
        let backend = match choice {
            Choice::Rotating => Backend::Rotating,
            Choice::Auto if self.is_rotated() => Backend::Rotating,
            Choice::Auto | Choice::Json => Backend::Json,
        };
        if backend == Backend::Json {
            self.members.retain(|member| member.index == 0);
            self.temporaries.retain(|temporary| temporary.index == 0);
            self.gaps.clear();
            self.orphans.clear();
        }
        (backend, self)
    }

    /// The names of all its files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let members = self.members.iter().map(|member| &*member.name);
        let temporaries = self.temporaries.iter().map(|temporary| &*temporary.name);
        let renamed = self.renamed.iter().map(|renamed| &*renamed.name);
        members.chain(temporaries).chain(renamed).chain(self.orphans.iter().map(|orphan| &*orphan.name))
    }

    /// Whether no file has the log's name or one of those that Papyra gives, compressed and renamed members not
    /// counted.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.temporaries.is_empty()
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

/// The log that a name speaks of: `rot.log.3` and `rot.log.3.compact.tmp` of `rot.log`.
pub fn log_of(name: &str) -> &str {
    let name = name.strip_suffix(".compact.tmp").or_else(|| name.strip_suffix(".recovered.tmp")).unwrap_or(name);
    base_of(name).map_or(name, |(base, _)| base)
}

/// What has become of a member, told by what follows the log's name: a number, a date or a time, or `.old`, and the end
/// that a compressed file gets. A copy that somebody made (`.bak`, `~`) is not a member.
fn renamed(rest: &str) -> Option<Reason> {
    let (rest, is_packed) = match archive::without_suffix(rest) {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let is_mark = |c: char| matches!(c, '.' | '-' | '_' | 'T' | 'Z' | ':' | '+');
    let dated = rest.starts_with(['.', '-', '_'])
        && rest.chars().all(|c| c.is_ascii_digit() || is_mark(c))
        && rest.contains(|c: char| c.is_ascii_digit());
    match (is_packed, rest) {
        (true, _) if dated || rest == ".old" => Some(Reason::PackedMember),
        // `.01` is somebody's own; a number alone is a member.
        (false, _) if dated && rest.len() > 4 || rest == ".old" => Some(Reason::RenamedMember),
        _ => None,
    }
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
        "this member of the set is missing: a file was lost, or a rotation was interrupted; look for it, or accept the \
         loss: `papyra persistence recover --close-gap` renames the older members down",
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
        assert_eq!(orphans, ["rot.log.01", "rot.log.bak", "rot.log2"]);
        assert_eq!(set.renamed, [Renamed { name: "rot.log.20260101".into(), reason: Reason::RenamedMember }]);
        let bounded = RotationSet::of("rot.log", names, Some(4));
        assert_eq!(bounded.members.iter().map(|member| member.index).collect::<Vec<_>>(), [1, 0]);
        assert!(bounded.orphans.contains(&Orphan { name: "rot.log.4".into(), reason: Reason::BeyondRotation }));
    }

    #[test]
    fn what_logrotate_and_its_like_make_of_a_member_is_known() {
        for (rest, reason) in [
            (".1.gz", Some(Reason::PackedMember)),
            (".12.zst", Some(Reason::PackedMember)),
            // A packed copy.
            (".gz", None),
            (".1.xz", Some(Reason::PackedMember)),
            (".0.bz2", Some(Reason::PackedMember)),
            ("-20260102.gz", Some(Reason::PackedMember)),
            (".old.gz", Some(Reason::PackedMember)),
            ("-20260102", Some(Reason::RenamedMember)),
            ("-20260102-1767312000", Some(Reason::RenamedMember)),
            (".2026-01-02", Some(Reason::RenamedMember)),
            ("_2026-01-02T03:04:05Z", Some(Reason::RenamedMember)),
            ("-1767312000", Some(Reason::RenamedMember)),
            (".old", Some(Reason::RenamedMember)),
            (".bak", None),
            (".bak.gz", None),
            ("x.1.gz", None),
            (".01", None),
            ("2", None),
            ("-", None),
            (".", None),
        ] {
            assert_eq!(renamed(rest), reason, "{rest}");
            let name = format!("events.ndjson{rest}");
            let (_, set) = RotationSet::of("events.ndjson", ["events.ndjson", &*name], None).as_chosen(Choice::Auto);
            assert_eq!(set.renamed.iter().map(|renamed| renamed.reason).next(), reason, "{rest}");
            assert_eq!(set.names().count(), 1 + usize::from(reason.is_some()), "{rest}");
        }
    }
}
