//! The operator's checklist: is what one will need on a bad day there? Looks at the set-up, not at the log's content.
//!
//! What a Redis server has to offer is looked at in [`crate::redis::checklist`].

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use crate::backup::list::{Entry, all_readable, list};
use crate::backup::{Attestation, Attested, Location, series};
use crate::disk::{self, Access, Folder};
use crate::error::{Code, Result, show};
use crate::figures::{bytes, duration};
use crate::setting::Setting;

/// What to check, and what is too old. Ages are in seconds.
#[derive(Debug)]
pub struct Wanted {
    /// The log, a set's name, or the folder of logs; none of a server's.
    pub path: Option<PathBuf>,
    /// The quarantine folder, if one is configured.
    pub quarantine_dir: Option<PathBuf>,
    /// Where backups lie, if that is configured; `Err` where it cannot be understood.
    pub backups: Option<Result<Location>>,
    /// Which series of them is checked.
    pub series: series::Wanted,
    /// How many bytes the next backup needs.
    pub bytes: Option<u64>,
    /// The newest backup may be this old.
    pub backup_age: f64,
    /// The last good verification may be this long ago.
    pub verify_age: f64,
    /// The last good drill may be this long ago.
    pub drill_age: f64,
}

/// One item of the list.
#[derive(schemars::JsonSchema, Debug, Clone, Serialize)]
pub struct Item {
    /// A short name.
    pub check: &'static str,
    /// Whether it is as it should be; none when nobody was allowed to look, or only people can tell.
    pub passed: Option<bool>,
    /// What was found.
    pub detail: String,
    /// What to do, when it did not pass.
    pub advice: Option<String>,
    /// What the caller may set so that it passes.
    #[serde(skip)]
    pub settings: &'static [Setting],
}

impl Item {
    pub(crate) fn passed(check: &'static str, detail: String) -> Item {
        Item { check, passed: Some(true), detail, advice: None, settings: &[] }
    }

    pub(crate) fn failed(check: &'static str, detail: String, advice: impl Into<String>) -> Item {
        Item { passed: Some(false), ..Item::undecided(check, detail, advice) }
    }

    /// Nobody was allowed to look, or only people can tell.
    pub(crate) fn undecided(check: &'static str, detail: String, advice: impl Into<String>) -> Item {
        Item { check, passed: None, detail, advice: Some(advice.into()), settings: &[] }
    }

    fn decided_by(self, settings: &'static [Setting]) -> Item {
        Item { settings, ..self }
    }
}

/// Goes through the list.
pub fn check(wanted: &Wanted, now: Timestamp) -> Vec<Item> {
    let mut items = Vec::new();
    if let Some(path) = &wanted.path {
        items.extend([log_folder(path), quarantine(wanted)]);
    }
    const UNREAD: &str = "until it can be read, it is unknown what is there";
    let backups = match &wanted.backups {
        Some(Ok(backups)) => backups,
        Some(Err(error)) => {
            items.push(Item::failed("backups", error.to_string(), UNREAD));
            return items;
        }
        None => {
            let none =
                Item::failed("backups", "no folder of backups is configured".into(), "name it, best in the settings");
            items.push(none.decided_by(&[Setting::Backups]));
            return items;
        }
    };
    let mut entries = match list(backups, now) {
        Ok(entries) => entries,
        Err(error) => {
            let advice = match error.code {
                Code::NoInput => format!("papyra backup create --to {backups} makes the first one"),
                _ => UNREAD.into(),
            };
            items.push(Item::failed("backups", error.to_string(), advice));
            return items;
        }
    };
    if let Err(error) = all_readable(&entries, "it may be the newest backup") {
        items.push(Item::failed("backups", error.to_string(), "run as a user who may read the backups"));
    }
    match wanted.series.among(&entries, backups) {
        Ok(series) => entries.retain(|entry| entry.series.as_ref() == Some(&series)),
        Err(error) => {
            // A backup of something else is not a backup of this.
            entries.clear();
            items.push(Item::failed("series", error.to_string(), "papyra backup create begins one"));
        }
    }
    items.push(newest(&entries, wanted));
    items.push(attested(&entries, Attested::Verified, wanted.verify_age, now, backups));
    items.push(attested(&entries, Attested::Drilled, wanted.drill_age, now, backups));
    items.extend(room(backups, wanted));
    items.extend(elsewhere(backups, wanted));
    items
}

/// The folder that the log is in.
fn folder_of(path: &Path) -> &Path {
    if disk::is_folder(path) {
        return path;
    }
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn log_folder(path: &Path) -> Item {
    let folder = folder_of(path);
    match disk::access(folder, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => Item::passed("log folder", format!("{} can be written to", show(folder))),
        Err(error) => Item::failed(
            "log folder",
            format!("{} cannot be written to: {}", show(folder), std::io::Error::from(error)),
            "recovery needs to: run as the user who owns the log",
        ),
    }
}

fn quarantine(wanted: &Wanted) -> Item {
    let check = "quarantine";
    let Some(folder) = &wanted.quarantine_dir else {
        let none = Item::failed(check, "no quarantine folder is configured".into(), "name it, best in the settings");
        return none.decided_by(&[Setting::QuarantineFolder]);
    };
    if !disk::is_folder(folder) {
        let advice = format!("mkdir -p {}", crate::recover::quoted(folder));
        return Item::failed(check, format!("{} is not a folder", show(folder)), advice);
    }
    match disk::access(folder, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => Item::passed(check, format!("{} can be written to", show(folder))),
        Err(error) => Item::failed(
            check,
            format!("{} cannot be written to: {}", show(folder), std::io::Error::from(error)),
            "make it writable for the user who runs recover",
        ),
    }
}

fn newest(entries: &[Entry], wanted: &Wanted) -> Item {
    let check = "newest backup";
    let advice = "run papyra backup create now, and find out why the timer did not";
    let newest = entries.iter().rev().find(|entry| !entry.from_future && entry.problem.is_none());
    let Some(newest) = newest else {
        return Item::failed(check, "there is no backup that could be restored".into(), advice);
    };
    let name = papyra_core::escape::escape(newest.name.as_bytes());
    let looked = newest.damage.as_ref().or(newest.unreadable.as_ref());
    if let Some(why) = looked.cloned().or_else(|| newest.is_damaged().then(|| "it was found damaged".into())) {
        return Item::failed(check, format!("{name}: {why}"), "run papyra backup create now, and verify the backup");
    }
    let age = newest.age_seconds.unwrap_or(f64::INFINITY);
    let detail = format!("{name} is {} old, {} is the limit", duration(age), duration(wanted.backup_age));
    if age <= wanted.backup_age { Item::passed(check, detail) } else { Item::failed(check, detail, advice) }
}

fn attested(entries: &[Entry], what: Attested, limit: f64, now: Timestamp, backups: &Location) -> Item {
    let (check, verb, of): (_, _, fn(&Entry) -> Option<&Attestation>) = match what {
        Attested::Verified => ("last verification", "verify", |entry| entry.verified.as_ref()),
        Attested::Drilled => ("last drill", "drill", |entry| entry.drilled.as_ref()),
    };
    let advice = format!("papyra backup {verb} --latest {}", crate::recover::quoted(backups.path()));
    let there = entries.iter().filter(|entry| !entry.from_future);
    let last = there.filter_map(|entry| Some((of(entry)?, entry))).max_by_key(|(record, _)| record.when());
    let Some((record, entry)) = last else {
        return Item::failed(check, "there was none yet".into(), advice);
    };
    let name = papyra_core::escape::escape(entry.name.as_bytes());
    if !record.intact {
        return Item::failed(check, format!("{name} was found damaged"), "make a new backup and verify it");
    }
    if let Some(damage) = &entry.damage {
        let detail = format!("{name} is damaged since: {damage}");
        return Item::failed(check, detail, "make a new backup and verify it");
    }
    let age = record.when().map_or(f64::INFINITY, |time| now.duration_since(time).as_secs_f64());
    let detail = format!("{name}, {} ago, {} is the limit", duration(age), duration(limit));
    if age <= limit { Item::passed(check, detail) } else { Item::failed(check, detail, advice) }
}

fn room(backups: &Location, wanted: &Wanted) -> Option<Item> {
    let Location::Folder(backups) = backups else { return None };
    let (free, needed) = (Folder::open(backups).ok()?.free_bytes()?, wanted.bytes?);
    let detail = format!("{} are free in {}, the next backup needs {}", bytes(free), show(backups), bytes(needed));
    Some(if free >= needed {
        Item::passed("room", detail)
    } else {
        Item::failed("room", detail, "remove old backups with papyra backup prune, or store them compressed")
            .decided_by(&[Setting::Compression])
    })
}

/// A disk that dies takes along what is on it.
fn elsewhere(backups: &Location, wanted: &Wanted) -> Option<Item> {
    let Location::Folder(backups) = backups else {
        return Some(Item::passed("another disk", "the backups are in an object store".into()));
    };
    let device = |path: &Path| Some(Folder::open(path).ok()?.identity().ok()?.0);
    let same = device(backups)? == device(folder_of(wanted.path.as_ref()?))?;
    let check = "another disk";
    Some(if same {
        Item::undecided(check, "the backups are on the log's own file system".into(), "copy them elsewhere too")
    } else {
        Item::passed(check, "the backups are on another file system than the log".into())
    })
}
