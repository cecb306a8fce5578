//! From what was found in each file to the files of a report: which role each has, and what is said of those that are
//! no members. Shared by all who make reports, so that they say the same.

use crate::finding::{AnomalyType, Finding, Reason};
use crate::report::{Backend, FileReport, Role};
use crate::rotation::{self, Member, Orphan, Renamed, RotationSet, Temporary, log_of, member_name};
use crate::summary::Summary;

/// Files that someone names together, sorted by what they are to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrangement {
    /// A set when rotated files are among them.
    pub backend: Backend,
    /// The log's name, when all of them bear it.
    pub base: Option<String>,
    /// The files, in reading order; positions are those of the names given.
    pub files: Vec<(usize, Standing)>,
    /// Numbers absent from the set.
    pub gaps: Vec<u32>,
}

/// What a file is to the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// A member of the history: 0 for the active file, N for `NAME.N`.
    Member(Member),
    /// A leftover temporary.
    Temporary(Temporary),
    /// A member that another tool has renamed or compressed.
    Renamed(Renamed),
    /// No member.
    Orphan(Orphan),
}

impl Arrangement {
    /// Sorts names that were given in any order. Files that bear different names are logs of their own.
    pub fn of(names: &[&str]) -> Arrangement {
        let base = names.iter().map(|name| log_of(name)).min_by_key(|base| base.len()).unwrap_or_default();
        let set = RotationSet::of(base, names.iter().copied(), None);
        let one_log = names.len() > 1 && names.iter().all(|name| log_of(name) == base) && set.is_rotated();
        if !one_log {
            let member = |(at, name): (usize, &&str)| (at, Standing::Member(Member { index: 0, name: (*name).into() }));
            let mut files: Vec<_> = names.iter().enumerate().map(member).collect();
            files.sort_by_key(|(at, _)| names[*at]);
            return Arrangement { backend: Backend::Json, base: None, files, gaps: Vec::new() };
        }
        let at = |name: &str| names.iter().position(|given| *given == name).unwrap_or_default();
        let members = set.members.into_iter().map(|member| (at(&member.name), Standing::Member(member)));
        let temporaries = set.temporaries.into_iter().map(|file| (at(&file.name), Standing::Temporary(file)));
        let renamed = set.renamed.into_iter().map(|file| (at(&file.name), Standing::Renamed(file)));
        let orphans = set.orphans.into_iter().map(|orphan| (at(&orphan.name), Standing::Orphan(orphan)));
        let files = members.chain(temporaries).chain(renamed).chain(orphans).collect();
        Arrangement { backend: Backend::Rotating, base: Some(base.into()), files, gaps: set.gaps }
    }
}

impl Standing {
    /// The report of the file in this place, from what a scan of it found.
    pub fn report(&self, backend: Backend, summary: Summary) -> FileReport {
        let holds = holds(&summary);
        self.told(backend, summary, &holds)
    }

    /// The report of a file in this place that could not be read.
    pub fn unread(&self, backend: Backend) -> FileReport {
        self.told(backend, Summary::default(), "it is not a readable file")
    }

    fn told(&self, backend: Backend, summary: Summary, holds: &str) -> FileReport {
        match self {
            Standing::Member(member) => {
                let role = if member.index == 0 { Role::Active } else { Role::Rotated };
                FileReport::new(&member.name, role, member.index, summary)
            }
            Standing::Renamed(file) => {
                let what = match file.reason {
                    Reason::PackedMember => "an older part of the log that was compressed: Papyra does not read it",
                    _ => "an older part of the log that was renamed: Papyra does not read it",
                };
                let detail = format!("{what}, and it is not recovered; {holds}");
                let finding = Finding::of_file(unexpected(backend), file.reason, detail);
                FileReport::outside(&file.name, Role::Orphan, 0, summary, finding)
            }
            Standing::Temporary(file) => {
                let kind = unexpected(backend);
                let detail = format!("left behind by an interrupted compaction or recovery; {holds}");
                let finding = Finding::of_file(kind, Reason::LeftoverTemporary, detail);
                FileReport::outside(&file.name, Role::Temporary, file.index, summary, finding)
            }
            Standing::Orphan(orphan) => {
                let what = match orphan.reason {
                    Reason::BeyondRotation => "a rotated file past the number that belongs to the set",
                    _ => "bears the log's name and is not a member of the set",
                };
                let finding =
                    Finding::of_file(AnomalyType::OrphanedRotatedFile, orphan.reason, format!("{what}; {holds}"));
                FileReport::outside(&orphan.name, Role::Orphan, 0, summary, finding)
            }
        }
    }
}

/// What Papyra calls a file that should not be there.
fn unexpected(backend: Backend) -> AnomalyType {
    match backend {
        Backend::Json | Backend::Redis => AnomalyType::UnexpectedFile,
        Backend::Rotating => AnomalyType::OrphanedRotatedFile,
    }
}

/// The report of a member that is not there.
pub fn gap(base: &str, index: u32) -> FileReport {
    FileReport::outside(member_name(base, index), Role::Missing, index, Summary::default(), rotation::gap_finding())
}

/// What a file that is not a member holds, in words.
pub fn holds(summary: &Summary) -> String {
    let records = summary.records.total() + summary.salvageable;
    let time = match (summary.first_timestamp(), summary.last_timestamp()) {
        (Some(first), Some(last)) => format!(", time {first:.3} to {last:.3}"),
        _ => String::new(),
    };
    format!("it holds {} bytes, {records} records{time}", summary.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(names: &[&str]) -> Vec<usize> {
        Arrangement::of(names).files.into_iter().map(|(at, _)| at).collect()
    }

    #[test]
    fn a_set_in_any_order_is_put_oldest_first() {
        let names = ["rot.log", "rot.log.3", "rot.log.1"];
        let set = Arrangement::of(&names);
        assert_eq!((set.backend, set.base.as_deref(), &set.gaps[..]), (Backend::Rotating, Some("rot.log"), &[2][..]));
        assert_eq!(order(&names), [1, 2, 0]);
        assert_eq!(order(&["rot.log.2.compact.tmp", "rot.log.1", "rot.log"]), [1, 2, 0]);
    }

    #[test]
    fn other_names_are_logs_of_their_own() {
        let set = Arrangement::of(&["b.ndjson", "a.ndjson"]);
        assert_eq!((set.backend, set.base), (Backend::Json, None));
        assert_eq!(order(&["b.ndjson", "a.ndjson"]), [1, 0]);
        assert_eq!(Arrangement::of(&["rot.log.1"]).backend, Backend::Json);
        assert!(Arrangement::of(&[]).files.is_empty());
    }
}
