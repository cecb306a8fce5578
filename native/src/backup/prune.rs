//! Pruning: which backups stay and why, and removing the others.
//!
//! Each series is weighed by itself. A period (an hour, a day, an ISO week, a month, a year, UTC) is stood for by its
//! newest backup that is not known to be damaged. A backup goes under a hidden name first, so that a kill leaves no
//! half of one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use papyra_core::escape::escape;
use serde::Serialize;

use super::list::{Entry, all_readable, entries_opened};
use super::series::unknown;
use super::verify::foreign;
use super::{Backup, Files, Location, at, is_itself_a_backup, no_backups};
use crate::error::{Code, Error, Result};

/// Which backups of a series to keep.
#[derive(Debug, Clone, Default)]
pub struct Keep {
    /// The newest, so many.
    pub last: usize,
    /// The newest of each of so many hours that have one, from the newest on.
    pub hourly: usize,
    /// Of so many days.
    pub daily: usize,
    /// Of so many weeks.
    pub weekly: usize,
    /// Of so many months.
    pub monthly: usize,
    /// Of so many years.
    pub yearly: usize,
    /// All that are not older than the newest by more than this.
    pub within: Option<Span>,
    /// All that have one of these tags.
    pub tags: Vec<String>,
}

impl Keep {
    /// Whether nothing is said of what to keep.
    pub fn is_empty(&self) -> bool {
        let counts = [self.last, self.hourly, self.daily, self.weekly, self.monthly, self.yearly];
        counts == [0; 6] && self.within.is_none() && self.tags.is_empty()
    }
}

/// What is to become of a backup.
#[derive(schemars::JsonSchema, Debug, Clone, Serialize)]
pub struct Decision {
    /// Its folder's name.
    pub name: String,
    /// The series that it belongs to; unknown when its manifest cannot be read.
    pub series: Option<String>,
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

/// Decides what becomes of the backups in a folder, or of one series there, and with `apply` removes what is not kept.
/// A backup that cannot be removed says why, and the others go all the same.
///
/// Fails, and removes nothing, when one of them cannot be read.
pub fn prune(
    backups: &Location,
    series: Option<&str>,
    keep: &Keep,
    apply: bool,
    now: Timestamp,
) -> Result<Vec<Decision>> {
    let folder = at(backups)?;
    // What is decided on is what is there when it is removed: nobody adds or removes a backup meanwhile.
    let _names = if apply { folder.tidy()? } else { None };
    let mut entries = entries_opened(&*folder, now)?;
    let is_meant = |entry: &&Entry| series.is_none() || entry.series.is_none() || entry.series.as_deref() == series;
    all_readable(entries.iter().filter(is_meant), "nothing was removed, since it is unknown what is still needed")?;
    if let Some(series) = series {
        let all: BTreeSet<&str> = entries.iter().filter_map(|entry| entry.series.as_deref()).collect();
        if !all.contains(series) {
            return Err(unknown(series, &all, backups));
        }
        entries.retain(|entry| entry.series.as_deref() == Some(series));
    } else if entries.is_empty() && is_itself_a_backup(backups) {
        return Err(no_backups(backups));
    }
    let mut decisions = decide(&entries, keep);
    if apply {
        carry_out(&*folder, &entries, &mut decisions, now)?;
        folder.sweep()?;
    }
    Ok(decisions)
}

/// Decides over `entries`, which come oldest first. The result is in their order.
pub fn decide(entries: &[Entry], keep: &Keep) -> Vec<Decision> {
    let mut reasons: Vec<Vec<String>> = vec![Vec::new(); entries.len()];
    let mut series: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, entry) in entries.iter().enumerate() {
        if let Some(name) = &entry.series {
            series.entry(name).or_default().push(i);
        }
        if entry.problem.is_some() {
            reasons[i].push("its manifest cannot be trusted: check it yourself".into());
        } else if entry.unreadable.is_some() {
            reasons[i].push("it cannot be read".into());
        } else if entry.from_future {
            reasons[i].push("dated in the future, and counts for nothing until then: remove it yourself".into());
        }
    }
    for members in series.values() {
        decide_series(entries, members, keep, &mut reasons);
    }
    let decision = |(entry, kept): (&Entry, Vec<String>)| Decision {
        name: entry.name.clone(),
        series: entry.series.clone(),
        created: entry.created.clone(),
        stored_bytes: entry.stored_bytes,
        kept,
        removed: false,
        failed: None,
    };
    entries.iter().zip(reasons).map(decision).collect()
}

/// Decides over one series.
fn decide_series(entries: &[Entry], members: &[usize], keep: &Keep, reasons: &mut [Vec<String>]) {
    let is_sound = |entry: &Entry| entry.is_restorable() && !entry.is_damaged() && !entry.from_future;
    let sound: Vec<usize> = members.iter().rev().copied().filter(|i| is_sound(&entries[*i])).collect();
    for i in sound.iter().take(keep.last) {
        reasons[*i].push("one of the last".into());
    }
    type Period = fn(Timestamp) -> String;
    let periods: [(usize, &str, Period); 5] = [
        (keep.hourly, "the newest of the hour", |time| time.strftime("%Y-%m-%d %H:00").to_string()),
        (keep.daily, "the newest of the day", |time| time.strftime("%Y-%m-%d").to_string()),
        (keep.weekly, "the newest of the week", |time| {
            let week = time.to_zoned(TimeZone::UTC).date().iso_week_date();
            format!("{}-W{:02}", week.year(), week.week())
        }),
        (keep.monthly, "the newest of the month", |time| time.strftime("%Y-%m").to_string()),
        (keep.yearly, "the newest of the year", |time| time.strftime("%Y").to_string()),
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
    let since = keep.within.and_then(|span| {
        let newest = entries[*sound.first()?].time?;
        // What reaches back before the beginning of time keeps everything.
        let since = newest.to_zoned(TimeZone::UTC).checked_sub(span);
        Some(since.map_or(Timestamp::MIN, |since| since.timestamp()))
    });
    for i in sound.iter().filter(|i| since.is_some_and(|since| entries[**i].time >= Some(since))) {
        reasons[*i].push("not much older than the newest".into());
    }
    for i in members {
        let tags = entries[*i].tags.iter().filter(|tag| keep.tags.contains(tag));
        reasons[*i].extend(tags.map(|tag| format!("it has the tag {}", escape(tag.as_bytes()))));
    }
    let newest_good = sound.iter().copied().find(|i| entries[*i].is_verified_clean());
    if let Some(newest) = newest_good {
        reasons[newest].push("the newest that is verified and clean".into());
    }
    for i in members {
        if entries[*i].is_damaged() && newest_good.is_none_or(|newest| newest < *i) {
            reasons[*i].push("damaged, but no newer backup is verified and clean".into());
        }
    }
}

/// Removes what is not kept.
fn carry_out(backups: &dyn Files, entries: &[Entry], decisions: &mut [Decision], now: Timestamp) -> Result<()> {
    for at in 0..decisions.len() {
        if !decisions[at].kept.is_empty() {
            continue;
        }
        // It may go for the sake of others in its series: they must still be what they were.
        let stay = (0..decisions.len()).filter(|i| {
            let decision = &decisions[*i];
            !decision.kept.is_empty() && decision.series == decisions[at].series && entries[*i].is_restorable()
        });
        let gone = changed(backups, entries, stay.chain([at]), now).and_then(|()| remove(backups, &entries[at]));
        match gone {
            Ok(()) => decisions[at].removed = true,
            Err(error) => decisions[at].failed = Some(error.to_string()),
        }
    }
    Ok(())
}

/// Fails when something else would be said now of one of the entries.
fn changed(
    backups: &dyn Files,
    entries: &[Entry],
    which: impl IntoIterator<Item = usize>,
    now: Timestamp,
) -> Result<()> {
    backups.renew();
    for entry in which.into_iter().map(|i| &entries[i]) {
        if !entry.is_as_it_was(backups, now)? {
            let name = escape(entry.name.as_bytes());
            let text = format!("{name} was verified, drilled or changed meanwhile: run papyra backup prune again");
            return Err(Error::new(Code::TryAgain, text));
        }
    }
    Ok(())
}

fn remove(backups: &dyn Files, entry: &Entry) -> Result<()> {
    let backup = Backup::of(backups.folder(&entry.name)?)?;
    if backup.manifest_sha256 != entry.manifest_sha256 {
        let text = "it is another backup than it was a moment ago: run papyra backup prune again";
        return Err(Error::new(Code::TryAgain, text));
    }
    let foreign = foreign(&*backup.files, &backup.manifest)?;
    if !foreign.is_empty() {
        let text = format!("{} files in it are not the backup's: move them away first", foreign.len());
        return Err(Error::new(Code::Io, text));
    }
    // Nobody reads it any more, and we do not either.
    drop(backup);
    backups.discard(&entry.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::Attestation;
    use papyra_core::report::Verdict;

    fn attested(time: &str, intact: bool) -> Option<Attestation> {
        Some(Attestation {
            schema: String::new(),
            tool: String::new(),
            backup: String::new(),
            manifest_sha256: String::new(),
            time: time.into(),
            seconds: 0.0,
            intact,
            verdict: Verdict::Clean,
        })
    }

    fn entry(time: &str, verified: Option<bool>) -> Entry {
        Entry {
            series: Some("one".into()),
            created: Some(time.into()),
            verdict: Some(Verdict::Clean),
            verified: verified.and_then(|intact| attested(time, intact)),
            time: time.parse().ok(),
            ..Entry::new(time.into(), time.into())
        }
    }

    fn kept(entries: &[Entry], keep: Keep) -> Vec<usize> {
        let decisions = decide(entries, &keep);
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
            "2027-02-10T02:10:00Z",
            "2027-02-10T02:20:00Z",
        ];
        let all: Vec<Entry> = times.iter().map(|time| entry(time, None)).collect();
        let entries = &all[..5];
        assert_eq!(kept(entries, Keep { last: 2, ..Keep::default() }), [3, 4]);
        assert_eq!(kept(entries, Keep { daily: 9, ..Keep::default() }), [1, 2, 3, 4]);
        assert_eq!(kept(entries, Keep { daily: 2, ..Keep::default() }), [3, 4]);
        // The first of January 2026 is in the week that ends on the fourth.
        assert_eq!(kept(entries, Keep { weekly: 9, ..Keep::default() }), [2, 3, 4]);
        assert_eq!(kept(entries, Keep { monthly: 9, ..Keep::default() }), [3, 4]);
        assert_eq!(kept(&all, Keep { hourly: 3, ..Keep::default() }), [3, 4, 6]);
        assert_eq!(kept(&all, Keep { yearly: 9, ..Keep::default() }), [4, 6]);
        // Counted from the newest, not from today.
        let within = |span| Keep { within: Some(span), ..Keep::default() };
        assert_eq!(kept(&all, within(Span::new().minutes(9))), [6]);
        assert_eq!(kept(&all, within(Span::new().years(1).days(1))), [4, 5, 6]);
        assert_eq!(kept(&all, within(Span::new().years(19_000))), [0, 1, 2, 3, 4, 5, 6]);
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

    #[test]
    fn the_newest_evidence_of_either_kind_decides() {
        let (early, late) = ("2026-01-02T02:00:00Z", "2026-01-03T02:00:00Z");
        let last = Keep { last: 1, ..Keep::default() };
        for (verified, drilled, kept_ones) in [
            (attested(early, true), attested(late, false), &[0, 1][..]),
            (attested(late, true), attested(early, false), &[1]),
            (attested(early, false), attested(late, true), &[1]),
            // Of two at one moment, the worse.
            (attested(late, true), attested(late, false), &[0, 1]),
            (attested(late, false), attested(late, true), &[0, 1]),
        ] {
            let good = entry("2026-01-01T02:00:00Z", Some(true));
            let tried = Entry { verified, drilled, ..entry(early, None) };
            assert_eq!(kept(&[good, tried.clone()], last.clone()), kept_ones, "{tried:?}");
        }
    }

    #[test]
    fn what_lacks_a_file_or_is_of_the_future_takes_no_ones_place() {
        let good = || entry("2026-01-01T02:00:00Z", Some(true));
        let cut = Entry {
            damage: Some("events.ndjson: it is not there".into()),
            ..entry("2026-01-02T02:00:00Z", Some(true))
        };
        let ahead = Entry { from_future: true, ..entry("2036-01-02T02:00:00Z", Some(true)) };
        for policy in
            [Keep { last: 1, ..Keep::default() }, Keep { within: Some(Span::new().hours(1)), ..Keep::default() }]
        {
            assert_eq!(kept(&[good(), cut.clone(), ahead.clone()], policy.clone()), [0, 1, 2]);
            // Once a newer one is good, the cut one goes.
            let newer = entry("2026-01-03T02:00:00Z", Some(true));
            assert_eq!(kept(&[good(), cut.clone(), newer, ahead.clone()], policy), [2, 3]);
        }
    }

    #[test]
    fn series_are_weighed_by_themselves_and_tags_hold_on() {
        let of = |series: &str, tag: &str, day: u8| Entry {
            series: Some(series.into()),
            tags: vec![tag.into()],
            ..entry(&format!("2026-01-0{day}T02:00:00Z"), Some(true))
        };
        let entries = [of("orders", "x", 1), of("billing", "keep", 2), of("billing", "x", 3), of("billing", "x", 4)];
        assert_eq!(kept(&entries, Keep { last: 1, ..Keep::default() }), [0, 3]);
        assert_eq!(kept(&entries, Keep { tags: vec!["keep".into()], ..Keep::default() }), [0, 1, 3]);
    }
}
