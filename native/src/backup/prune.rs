//! Pruning: which backups stay and why, and removing the others.
//!
//! A period (a day, an ISO week, a month, UTC) is stood for by its newest backup that is not known to be damaged. A
//! backup goes under a hidden name first, so that a kill leaves no half of one.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::list::Entry;
use super::verify::foreign;
use super::{Backup, Files, unfinished_in};
use crate::error::{Code, Error, Result};

/// How many backups to keep, by period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// The newest.
    pub last: usize,
    /// Of the newest days.
    pub daily: usize,
    /// Of the newest weeks.
    pub weekly: usize,
    /// Of the newest months.
    pub monthly: usize,
}

/// What is to become of a backup.
#[derive(Debug, Clone, Serialize)]
pub struct Decision {
    /// Its folder's name.
    pub name: String,
    /// When it was made.
    pub created: Option<String>,
    /// Size of its files in bytes.
    pub stored_bytes: u64,
    /// Why it stays; empty when it may go.
    pub kept: Vec<String>,
    /// Whether it is gone.
    pub removed: bool,
    /// Why it could not be removed.
    pub failed: Option<String>,
}

/// Decides over `entries`, which come oldest first. The result is in their order.
pub fn decide(entries: &[Entry], keep: Keep) -> Vec<Decision> {
    let mut reasons: Vec<Vec<String>> = vec![Vec::new(); entries.len()];
    let is_sound = |entry: &Entry| entry.is_restorable() && !entry.is_damaged();
    let sound: Vec<usize> = (0..entries.len()).rev().filter(|i| is_sound(&entries[*i])).collect();
    for i in sound.iter().take(keep.last) {
        reasons[*i].push("one of the last".into());
    }
    type Period = fn(Timestamp) -> String;
    let periods: [(usize, &str, Period); 3] = [
        (keep.daily, "the newest of the day", |time| time.strftime("%Y-%m-%d").to_string()),
        (keep.weekly, "the newest of the week", |time| {
            let week = time.to_zoned(TimeZone::UTC).date().iso_week_date();
            format!("{}-W{:02}", week.year(), week.week())
        }),
        (keep.monthly, "the newest of the month", |time| time.strftime("%Y-%m").to_string()),
    ];
    for (count, reason, period) in periods {
        let mut seen = BTreeSet::new();
        for i in &sound {
            let Some(time) = entries[*i].time else { continue };
            let period = period(time);
            if seen.len() < count && seen.insert(period.clone()) {
                reasons[*i].push(format!("{reason} {period}"));
            }
        }
    }
    let newest_good = sound.iter().copied().find(|i| entries[*i].is_verified_clean());
    if let Some(newest) = newest_good {
        reasons[newest].push("the newest that is verified and clean".into());
    }
    for (i, entry) in entries.iter().enumerate() {
        if entry.problem.is_some() {
            reasons[i].push("its manifest cannot be trusted: look at it yourself".into());
        } else if entry.unfinished && !entry.is_abandoned() {
            reasons[i].push("not sent to its end yet, and begun less than a week ago".into());
        } else if entry.is_damaged() && newest_good.is_none_or(|newest| newest < i) {
            reasons[i].push("damaged, but no newer backup is verified and clean".into());
        }
    }
    let decision = |(entry, kept): (&Entry, Vec<String>)| Decision {
        name: entry.name.clone(),
        created: entry.created.clone(),
        stored_bytes: entry.stored_bytes,
        kept,
        removed: false,
        failed: None,
    };
    entries.iter().zip(reasons).map(decision).collect()
}

/// Removes what is not kept. A backup that cannot be removed says why, and the others go all the same.
pub fn apply(backups: &dyn Files, decisions: &mut [Decision]) -> Result<()> {
    let _names = backups.tidy()?;
    for decision in decisions.iter_mut().filter(|decision| decision.kept.is_empty()) {
        match remove(backups, &decision.name) {
            Ok(()) => decision.removed = true,
            Err(error) => decision.failed = Some(error.to_string()),
        }
    }
    Ok(())
}

fn remove(backups: &dyn Files, name: &str) -> Result<()> {
    let files = backups.folder(name)?;
    let foreign = match unfinished_in(&*files)? {
        Some(manifest) => foreign(&*files, &manifest)?,
        None => {
            let backup = Backup::of(files)?;
            foreign(&*backup.files, &backup.manifest)?
        }
    };
    if !foreign.is_empty() {
        let text = format!("{} files in it are not the backup's: move them away first", foreign.len());
        return Err(Error::new(Code::Io, text));
    }
    backups.discard(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::Attestation;
    use papyra_core::report::Verdict;

    fn entry(time: &str, verified: Option<bool>) -> Entry {
        let attested = |intact| Attestation {
            schema: String::new(),
            tool: String::new(),
            backup: String::new(),
            manifest_sha256: String::new(),
            time: time.into(),
            seconds: 0.0,
            intact,
            verdict: Verdict::Clean,
        };
        Entry {
            name: time.into(),
            path: time.into(),
            problem: None,
            created: Some(time.into()),
            age_seconds: None,
            bytes: 0,
            stored_bytes: 0,
            compression: None,
            records: 0,
            verdict: Some(Verdict::Clean),
            verified: verified.map(attested),
            drilled: None,
            unfinished: false,
            notes: Vec::new(),
            time: time.parse().ok(),
        }
    }

    fn kept(entries: &[Entry], keep: Keep) -> Vec<usize> {
        let decisions = decide(entries, keep);
        (0..entries.len()).filter(|i| !decisions[*i].kept.is_empty()).collect()
    }

    #[test]
    fn each_period_keeps_its_newest() {
        let times = [
            "2026-01-01T02:00:00Z",
            "2026-01-01T14:00:00Z",
            "2026-01-04T02:00:00Z",
            "2026-01-05T02:00:00Z",
            "2026-02-10T02:00:00Z",
        ];
        let entries: Vec<Entry> = times.iter().map(|time| entry(time, None)).collect();
        assert_eq!(kept(&entries, Keep { last: 2, ..Keep::default() }), [3, 4]);
        assert_eq!(kept(&entries, Keep { daily: 9, ..Keep::default() }), [1, 2, 3, 4]);
        assert_eq!(kept(&entries, Keep { daily: 2, ..Keep::default() }), [3, 4]);
        // The first of January 2026 is in the week that ends on the fourth.
        assert_eq!(kept(&entries, Keep { weekly: 9, ..Keep::default() }), [2, 3, 4]);
        assert_eq!(kept(&entries, Keep { monthly: 9, ..Keep::default() }), [3, 4]);
    }

    #[test]
    fn the_newest_verified_clean_one_stays_and_a_damaged_one_stands_for_nothing() {
        let entries = [
            entry("2026-01-01T02:00:00Z", Some(true)),
            entry("2026-01-02T02:00:00Z", Some(true)),
            entry("2026-01-03T02:00:00Z", None),
            entry("2026-01-04T02:00:00Z", None),
            entry("2026-01-05T02:00:00Z", Some(false)),
        ];
        // The last one is damaged, and nothing newer is good: it stays, and takes no other's place.
        assert_eq!(kept(&entries, Keep { last: 1, ..Keep::default() }), [1, 3, 4]);
        let mut entries = entries;
        entries.swap(0, 4);
        entries[0].time = entries[4].time.take();
        assert_eq!(kept(&entries[..4], Keep { last: 1, ..Keep::default() }), [1, 3]);
    }
}
