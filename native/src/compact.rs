//! Compaction: the oldest records go, as a retention policy names them, and damaged lines go to the rejects.
//!
//! It is a repair with a filter, file by file and in the same crash-safe steps: an interrupted compaction has removed
//! less, and nothing else. What retention removes is gone; that is its purpose.

use std::path::PathBuf;

use papyra_core::report::{Backend, FileReport, Report, Role};
use papyra_core::retention::{Census, Retention, Sieve, is_unix_time};
use papyra_core::scan::Flow;
use papyra_core::summary::Summary;
use serde::Serialize;

use crate::disk::Identity;
use crate::error::{Code, Error, Result, show};
use crate::history::{History, Pinned, leftovers};
use crate::reading::ScanOptions;
use crate::recover::{self, Emptied, Job, Keeping, Mark, Only};
use crate::setting::Setting;
use crate::{TOOL, records};

/// What was done: schema `papyra.compact/1`.
#[derive(schemars::JsonSchema, Debug, Serialize)]
pub struct Compacted {
    /// `papyra.compact/1`.
    pub schema: &'static str,
    /// Who did it: name and version.
    pub tool: &'static str,
    /// Whether nothing was done.
    pub dry_run: bool,
    /// Intact records before.
    pub records_before: u64,
    /// Records that the policy names.
    pub records_removed: u64,
    /// Bytes of the history before.
    pub bytes_before: u64,
    /// Bytes of those records, their newlines counted.
    pub bytes_removed: u64,
    /// Bytes of damaged lines.
    pub rejected_bytes: u64,
    /// Files that were, or would be, rewritten.
    pub files: Vec<PathBuf>,
    /// Where the bytes of damaged lines went.
    pub rejects: Vec<PathBuf>,
    /// What the operator should know besides.
    pub warnings: Vec<String>,
}

impl Compacted {
    /// The outcome over all logs of a folder; `None` without any.
    pub fn of_all(outcomes: impl IntoIterator<Item = Compacted>) -> Option<Compacted> {
        outcomes.into_iter().reduce(|mut all, next| {
            all.records_before += next.records_before;
            all.records_removed += next.records_removed;
            all.bytes_before += next.bytes_before;
            all.bytes_removed += next.bytes_removed;
            all.rejected_bytes += next.rejected_bytes;
            all.files.extend(next.files);
            all.rejects.extend(next.rejects);
            all.warnings.extend(next.warnings);
            all
        })
    }
}

/// A member, and the sieve as it stands where the member begins.
struct Share {
    member: Pinned,
    sieve: Sieve,
    removed: u64,
    bytes_removed: u64,
    summary: Summary,
    /// The bytes that were counted.
    only: Option<Only>,
}

/// Compacts a history. `now` is in seconds since 1970 and only decides whether its timestamps can be Unix time.
pub fn compact(
    history: &History,
    policy: Retention,
    now: f64,
    dry_run: bool,
    at_rest: bool,
    scanning: ScanOptions<'_>,
) -> Result<Compacted> {
    let _locks = if dry_run { Vec::new() } else { recover::lock(history)? };
    let mut warnings = Vec::new();
    if !dry_run {
        warnings = recover::finish_interrupted(history, at_rest, scanning)?;
        if let Some(left) = leftovers(history)?.first() {
            return Err(recover::unsettled(&left.folder, &left.hidden));
        }
    }
    let mut shares = shares(history, policy, now, scanning)?;
    let sum = |of: fn(&Share) -> u64| shares.iter().map(of).sum::<u64>();
    let mut outcome = Compacted {
        schema: "papyra.compact/1",
        tool: TOOL,
        dry_run,
        records_before: sum(|share| share.summary.records.total() + share.summary.salvageable),
        records_removed: sum(|share| share.removed),
        bytes_before: sum(|share| share.summary.bytes),
        bytes_removed: sum(|share| share.bytes_removed),
        rejected_bytes: sum(|share| share.summary.rejected_bytes),
        files: Vec::new(),
        rejects: Vec::new(),
        warnings,
    };
    let look =
        |share: &Share| FileReport::new(&share.member.name, Role::Active, share.member.index, share.summary.clone());
    let report = Report::new(TOOL, history.backend, shares.iter().map(look).collect(), false);
    if report.is_no_log() || recover::is_foreign(history, &report)? {
        return Err(recover::no_log(history));
    }
    for share in shares.iter_mut().filter(|share| share.removed > 0 || share.summary.anomalies > 0) {
        outcome.files.push(history.folder.join(&share.member.name));
        if dry_run {
            continue;
        }
        let place = history.place(&share.member.name)?;
        let name = &share.member.name;
        let (folder, log) = place.as_ref().map_or((&history.folder, name), |(folder, log)| (folder, log));
        let mut sieve = share.sieve;
        let mut filter = |record: &papyra_core::scan::Record<'_>| {
            sieve.keeps(record.facts.timestamp, record.span.length + record.newline)
        };
        let only = share.only.take();
        let job = Job { keeping: &Keeping::Rejects, prefix: None, filter: Some(&mut filter), only, at_rest };
        if let Some(repaired) = recover::repair(folder, log, job, scanning)? {
            outcome.rejects.extend(repaired.rejects);
            outcome.warnings.extend(repaired.warnings);
        }
    }
    if !dry_run && history.backend == Backend::Rotating {
        remove_emptied(history, at_rest)?;
    }
    Ok(outcome)
}

/// Three looks at the records: how many there are, whether their time can be told, and which member loses what.
fn shares(history: &History, policy: Retention, now: f64, scanning: ScanOptions<'_>) -> Result<Vec<Share>> {
    let members = history.pin()?.members;
    // Taken before anything is counted: who cuts the log and writes it anew meanwhile is found out when it is repaired.
    let mut marks = Vec::new();
    for member in &members {
        marks.push(match (&member.file, member.identity) {
            (Ok(file), Some(identity)) => Some(Only {
                file: (identity.device, identity.inode),
                begins_with: Mark::of(file, &history.folder.join(&member.name), identity.size)?,
            }),
            _ => None,
        });
    }
    let mut census = Census::default();
    let mut summaries = Vec::new();
    for member in &members {
        summaries
            .push(each(history, member, scanning, |timestamp, bytes| policy.count(&mut census, timestamp, bytes))?);
    }
    if policy.oldest.is_some() && !is_unix_time(&summaries, now) {
        let first = summaries.iter().find_map(|summary| summary.time_range).map_or(0.0, |(low, _)| low);
        let text = format!(
            "age needs Unix time, but {} has stamps such as {first:.3} (Papyra stamps with a monotonic clock); \
             say how many records or bytes stay: nothing was changed",
            show(&history.path())
        );
        let others = &[Setting::MaxAge, Setting::MaxRecords, Setting::MaxTotalBytes];
        return Err(Error::new(Code::Data, text).decided_by(others));
    }
    let mut sieve = policy.sieve(census);
    let mut shares = Vec::new();
    for ((member, summary), only) in members.into_iter().zip(summaries).zip(marks) {
        let (before, mut removed, mut bytes_removed) = (sieve, 0, 0);
        each(history, &member, scanning, |timestamp, bytes| {
            if !sieve.keeps(timestamp, bytes) {
                removed += 1;
                bytes_removed += bytes;
            }
        })?;
        shares.push(Share { member, sieve: before, removed, bytes_removed, summary, only });
    }
    Ok(shares)
}

/// Calls `look` with each intact record's timestamp and its length with its newline.
fn each(
    history: &History,
    member: &Pinned,
    scanning: ScanOptions<'_>,
    mut look: impl FnMut(Option<f64>, u64),
) -> Result<Summary> {
    let file = member.file.as_ref().map_err(|reason| Error::new(Code::NoInput, reason.clone()))?;
    let size = member.identity.map_or(0, |identity: Identity| identity.size);
    let (summary, _) = records::each(file, &history.folder.join(&member.name), size, scanning, |found| {
        look(found.record.facts.timestamp, found.record.span.length + found.record.newline);
        Ok(Flow::Continue(()))
    })?;
    Ok(summary)
}

/// Removes members that compaction has emptied, from the oldest on, so that no gap appears.
fn remove_emptied(history: &History, at_rest: bool) -> Result<()> {
    for member in history.set()?.members.into_iter().filter(|member| member.index > 0) {
        if history.folder.stat(&member.name)?.is_none_or(|stat| stat.size > 0) {
            break;
        }
        let hidden = recover::emptied(&member.name);
        // What an interrupted run has hidden, and nobody can tell the place of, keeps its name.
        if history.folder.stat(&hidden)?.is_some() {
            break;
        }
        // A rotation may have moved another file to this name just now: only what is certainly empty goes.
        history.folder.rename(&member.name, &hidden)?;
        match recover::restore_unless_empty(history, &hidden, &member.name, at_rest)? {
            Emptied::Gone => {}
            Emptied::Back => break,
            Emptied::Unclear => {
                let text = format!(
                    "a rotation moved {} just when it was empty and was to go: the file that had its name then is {} \
                     now, and papyra persistence recover gives it back its place",
                    show(&history.folder.join(&member.name)),
                    show(&history.folder.join(&hidden))
                );
                return Err(Error::new(Code::TryAgain, text));
            }
        }
    }
    Ok(())
}
