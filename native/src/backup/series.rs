//! Series: backups of one source, one after the other in time. Which series a new backup is filed under, and which one
//! a verb means, is decided here and nowhere else; [`papyra_core::manifest`] says which one a backup belongs to.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use papyra_core::escape::escape;
use papyra_core::manifest::derived;

pub use super::hidden::host;
use super::list::{Entry, all_readable, list as list_of};
use super::{Location, no_backups};
use crate::disk;
use crate::error::{Code, Error, Result, show};
use crate::setting::Setting;

/// What a new backup is filed under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filing {
    /// The series.
    pub series: String,
    /// Whether the series was given no name, so that its name is that of host and source.
    pub is_derived: bool,
    /// The host that makes the backup.
    pub host: String,
    /// What is backed up.
    pub source: String,
    /// What the operator calls the backup besides.
    pub tags: Vec<String>,
}

/// Which series a verb means.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The one of this name.
    pub named: Option<String>,
    /// Without a name: the one of this source on this host.
    pub source: Option<String>,
}

/// What a path is called as a source: with its folder's links resolved, as far as the folder exists.
pub fn source_of(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // A log that is a link is the log of that name; what a folder leads to is the folder.
    let resolved = match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if !disk::is_folder(&path) => disk::resolved(parent).join(name),
        _ => disk::resolved(&path),
    };
    escape(resolved.as_os_str().as_encoded_bytes())
}

impl Filing {
    /// Files a backup of `source` under the series of that name, or under that of this host and the source.
    pub fn new(named: Option<&str>, source: &str, tags: &[String]) -> Filing {
        let host = host();
        Filing {
            series: named.map_or_else(|| derived(&host, source), str::to_owned),
            is_derived: named.is_none(),
            host,
            source: source.to_owned(),
            tags: tags.to_vec(),
        }
    }

    /// What the operator should know before another backup goes to where `entries` lie, oldest first.
    pub(super) fn warnings(&self, entries: &[Entry]) -> Vec<String> {
        let mut warnings = Vec::new();
        let ours = |entry: &&Entry| entry.series.as_ref() == Some(&self.series);
        let same_source = |entry: &&Entry| entry.source.as_ref() == Some(&self.source);
        let series = escape(self.series.as_bytes());
        if let Some(last) = entries.iter().rev().find(ours) {
            if !self.is_derived && last.source.as_ref().is_some_and(|source| *source != self.source) {
                let source = last.source.as_deref().unwrap_or_default();
                warnings.push(format!(
                    "the series {series} has held backups of {} so far, and this one is of {}: they count as backups \
                     of the same source; give each source a series of its own",
                    escape(source.as_bytes()),
                    escape(self.source.as_bytes())
                ));
            }
        } else if self.is_derived
            && let Some(other) = entries.iter().rev().find(same_source).and_then(|entry| entry.series.as_deref())
        {
            warnings.push(format!(
                "the series {series} begins with this backup, and {} has backups of the same source: if this host's \
                 name changes, name the series",
                escape(other.as_bytes())
            ));
        }
        for entry in entries.iter().filter(|entry| entry.from_future) {
            let (name, created) = (escape(entry.name.as_bytes()), entry.created.as_deref().unwrap_or_default());
            warnings.push(format!("{name} is dated in the future ({created}): check this host's clock"));
        }
        warnings
    }
}

impl Wanted {
    /// The series of that name.
    pub fn named(series: &str) -> Wanted {
        Wanted { named: Some(series.to_owned()), source: None }
    }

    /// The series that is meant among the backups in a folder.
    pub fn among(&self, entries: &[Entry], backups: &Location) -> Result<String> {
        let known = |of: &dyn Fn(&&Entry) -> bool| -> BTreeSet<&str> {
            let there = entries.iter();
            there.filter(of).filter_map(|entry| entry.series.as_deref()).collect()
        };
        let all = known(&|_| true);
        let (found, meant) = if let Some(named) = &self.named {
            (known(&|entry| entry.series.as_ref() == Some(named)), of(named))
        } else if let Some(source) = &self.source {
            let host = host();
            let found = known(&|entry| entry.is_of(&host, source));
            (found, format!(" of {} that {} made", escape(source.as_bytes()), escape(host.as_bytes())))
        } else {
            (all.clone(), String::new())
        };
        let mut names = found.iter();
        match (names.next(), names.next()) {
            (Some(one), None) => Ok((*one).to_owned()),
            (None, _) => Err(none(&meant, &all, backups)),
            (Some(_), Some(_)) => {
                let text =
                    format!("{backups} holds backups{meant} in several series; name one of them: {}", list(&found));
                Err(Error::new(Code::Usage, text).decided_by(&[Setting::Series]))
            }
        }
    }
}

/// The newest backup of the series that is meant, or the newest that is not later than `until`.
pub fn latest(backups: &Location, wanted: &Wanted, until: Option<Timestamp>, now: Timestamp) -> Result<Location> {
    let entries = list_of(backups, now)?;
    let unknown = entries.iter().filter(|entry| entry.series.is_none());
    all_readable(unknown, "it is unknown which backup is the newest: name the one that is meant")?;
    let series = wanted.among(&entries, backups)?;
    let of_series =
        entries.iter().rev().filter(|entry| entry.series.as_ref() == Some(&series) && entry.problem.is_none());
    let of_series: Vec<&Entry> = of_series.collect();
    let in_time = |entry: &&&Entry| !entry.from_future && until.is_none_or(|until| entry.time <= Some(until));
    if let Some(found) = of_series.iter().find(in_time) {
        return Ok(match backups {
            Location::Folder(_) => Location::Folder(found.path.clone()),
            Location::Store(_) => backups.join(&found.name),
        });
    }
    let series = escape(series.as_bytes());
    let text = match (of_series.last(), until) {
        (Some(oldest), Some(until)) => format!(
            "the oldest backup of {series} is {}, created {}: there is none from before {until}",
            show(&oldest.path),
            oldest.created.as_deref().unwrap_or_default()
        ),
        (Some(future), None) => format!(
            "all backups of {series} are dated in the future, as {} is: when one of them is meant, name it",
            show(&future.path)
        ),
        (None, _) => return Err(no_backups(backups)),
    };
    Err(Error::new(Code::NoInput, text))
}

/// What to say when there is no backup of what is meant: `of` tells it, and `all` are the series that there are.
fn none(of: &str, all: &BTreeSet<&str>, backups: &Location) -> Error {
    if all.is_empty() {
        return no_backups(backups);
    }
    let text = format!("there is no backup{of} in {backups}; name one of these series: {}", list(all));
    Error::new(Code::NoInput, text).decided_by(&[Setting::Series])
}

/// The same of a series that was named.
pub(super) fn unknown(series: &str, all: &BTreeSet<&str>, backups: &Location) -> Error {
    none(&of(series), all, backups)
}

fn of(series: &str) -> String {
    format!(" of the series {}", escape(series.as_bytes()))
}

fn list(series: &BTreeSet<&str>) -> String {
    let names: Vec<String> = series.iter().map(|name| escape(name.as_bytes())).collect();
    names.join("; ")
}
