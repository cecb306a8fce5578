//! Repairs one file: at rest by a new file that is swapped in, beside a writer in place.

use std::path::PathBuf;

use papyra_core::plan::Plan;
use papyra_core::summary::Summary;
use rustix::io::Errno;

use super::in_place::{self, InPlace};
use super::journal::{Mark, unfinished};
use super::keeping::Keeping;
use super::outcome::Repaired;
use super::quarantine::{self, Kept};
use super::refusals::{busy, changed, held_open, mount_point, no_lease};
use super::rejects::{Rejects, Secured};
use super::rewrite::{Filter, Rewriter, Rewritten};
use super::swap::{PATIENCE, Swap};
use crate::disk::fault::Fault;
use crate::disk::{File, Folder, Lease, Leased};
use crate::error::{Code, Error, Result, show};
use crate::reading::{self, ScanOptions, scan_settled};

/// What is to be done to a file besides leaving out what is damaged.
pub(crate) struct Job<'a> {
    pub(crate) keeping: &'a Keeping,
    /// Whole lines to stand before the file's own.
    pub(crate) prefix: Option<&'a File>,
    /// Drops records; without it all stay.
    pub(crate) filter: Option<Filter<'a>>,
    /// What the filter was made for: it must not be applied to another file, nor to other bytes.
    pub(crate) only: Option<Only>,
    /// The operator vouches that nobody writes: where the kernel gives no lease and no exchange, it is done without.
    pub(crate) at_rest: bool,
}

/// The file that a filter was made for.
pub(crate) struct Only {
    /// Its device and inode.
    pub(crate) file: (u64, u64),
    /// What was counted.
    pub(crate) begins_with: Mark,
}

/// How often a log at which somebody knocks is let go and tried again, before it is repaired in place.
const KNOCKS: usize = 3;

/// Repairs the file `log` in `folder`, and does what `job` says besides.
///
/// `None` when there is nothing to do. Any error leaves the log as its writers left it, or with less damage.
pub(crate) fn repair(
    folder: &Folder,
    log: &str,
    mut job: Job<'_>,
    scanning: ScanOptions<'_>,
) -> Result<Option<Repaired>> {
    let is_plain = job.filter.is_none() && job.prefix.is_none();
    let is_mounted = folder.has_mounted(&folder.read(log)?);
    if is_mounted && !is_plain {
        return Err(mount_point(folder, log));
    }
    let mut last = None;
    for _ in 0..if is_mounted { 0 } else { KNOCKS } {
        match rewrite(folder, log, &mut job, false, scanning) {
            Err(error) if error.code == Code::TryAgain && is_plain => last = Some(error),
            Ok(Some(Rewrite::OnlyTail)) => break,
            Ok(Some(Rewrite::Done(repaired))) => return Ok(Some(*repaired)),
            Ok(None) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    let error = match in_place::repair(folder, log, job.keeping, job.at_rest, scanning) {
        Ok(InPlace::Done(repaired)) => return Ok(Some(*repaired)),
        Ok(InPlace::Clean) => return Ok(None),
        Ok(InPlace::Impossible) if is_mounted => return Err(mount_point(folder, log)),
        Ok(InPlace::Impossible) => last.unwrap_or_else(|| busy(folder, log)),
        Err(error) if error.code == Code::TryAgain && !is_mounted => error,
        Err(error) => return Err(error),
    };
    // Somebody who only reads may keep it open, or bytes have to move: then it can be swapped.
    match rewrite(folder, log, &mut job, true, scanning) {
        Ok(Some(Rewrite::Done(repaired))) => Ok(Some(*repaired)),
        Ok(None) => Ok(None),
        Ok(Some(Rewrite::OnlyTail)) => Err(error),
        Err(again) if again.code == Code::TryAgain => Err(error),
        Err(other) => Err(other),
    }
}

/// How writing it anew went.
enum Rewrite {
    Done(Box<Repaired>),
    /// All that goes stands at the end, or only a newline is owed there: no byte has to move.
    OnlyTail,
}

fn rewrite(
    folder: &Folder,
    log: &str,
    job: &mut Job<'_>,
    also_tail: bool,
    scanning: ScanOptions<'_>,
) -> Result<Option<Rewrite>> {
    let path = folder.join(log);
    let quiet = ScanOptions { max_findings: 0, ..scanning };
    let source = folder.read(log)?;
    let failed = |error| Error::cannot_read(&path, 0, &error);
    let seen = scan_settled(&source, &path, ScanOptions { max_findings: 1, ..scanning })?;
    let stat = source.stat().map_err(failed)?;
    if job.only.as_ref().is_some_and(|only| only.file != (stat.device, stat.inode)) {
        return Err(Error::new(Code::TryAgain, format!("{} was rotated meanwhile: try again", show(&path))));
    }
    let is_plain = job.prefix.is_none() && job.filter.is_none();
    let in_place = is_plain && stat.links == 1 && !also_tail;
    if seen.anomalies == 0 && is_plain {
        return Ok(None);
    }
    let is_tail = seen.anomalies == 1
        && seen
            .findings
            .first()
            .is_some_and(|finding| finding.kind == papyra_core::finding::AnomalyType::TruncatedLine);
    if in_place && is_tail {
        return Ok(Some(Rewrite::OnlyTail));
    }
    let mut lease = at_rest(folder, log, &source, job.at_rest)?;
    if Fault::LeaseAfterReading.is_back() {
        lease = None;
    }
    // From here on nobody writes to it.
    let size = source.size().map_err(failed)?;
    if let Some(only) = &job.only
        && !only.begins_with.fits(&source, &path)?
        && !Fault::FiltersWhateverIsThere.is_back()
    {
        return Err(changed(folder, log));
    }
    let before = reading::scan_file(&source, &path, size, quiet)?;
    if before.anomalies == 0 && is_plain {
        return Ok(None);
    }
    room_for(folder, &source, &before)?;
    let temporary = unfinished(log);
    if folder.stat(&temporary)?.is_some() {
        // Of a run that was killed, or of an earlier try: a copy of what is in the log.
        folder.remove(&temporary)?;
    }
    let output = folder.create_new(&temporary)?;
    let mut rejects = match job.keeping {
        Keeping::Rejects if before.rejected_bytes > 0 => {
            Rejects::beside(folder, log, &stat).inspect_err(|_| _ = folder.remove(&temporary))?
        }
        _ => Rejects::discarded(),
    };
    let is_quiet = || lease.as_ref().is_none_or(Leased::is_quiet);
    let mut filter = job.filter.take();
    let mut keeps = |record: &papyra_core::scan::Record<'_>| filter.as_mut().is_none_or(|keeps| keeps(record));
    let to = Target { source: &source, output: &output, path: &path, is_quiet: &is_quiet };
    let written =
        write(&to, &before, job.prefix, &mut rejects, &mut keeps, quiet, scanning.max_findings).and_then(|done| {
            if !is_quiet() {
                return Err(changed(folder, log));
            }
            verify(&output, &folder.join(&temporary), &done.0, quiet).map(|()| done)
        });
    let (done, plan) = match written {
        Ok((done, plan)) if !plan.is_empty() || done.dropped > 0 || job.prefix.is_some() => (done, plan),
        other => {
            rejects.abandon();
            folder.remove(&temporary)?;
            return other.map(|_| None);
        }
    };
    if done.is_beginning && in_place {
        rejects.abandon();
        folder.remove(&temporary)?;
        return Ok(Some(Rewrite::OnlyTail));
    }
    let (_, rejected_ranges) = rejects.amount();
    let new = NewFile { output: &output, rejects, size: done.size };
    let placed = put_in_place(folder, log, (&source, lease, size), new, job.keeping, job.at_rest)?;
    Ok(Some(Rewrite::Done(Box::new(Repaired {
        plan,
        rejected_ranges,
        quarantined: placed.quarantined,
        rejects: placed.rejects,
        late_bytes: placed.late_bytes,
        warnings: placed.warnings,
    }))))
}

/// Holds writers off the log; `None` where the kernel does not, and the operator vouches that there are none.
pub(super) fn at_rest<'a>(folder: &Folder, log: &str, source: &'a File, vouched: bool) -> Result<Option<Leased<'a>>> {
    match source.lease_within(Lease::Read, PATIENCE) {
        Ok(lease) => Ok(Some(lease)),
        Err(Errno::AGAIN) => Err(held_open(folder, log)),
        Err(_) if vouched || Fault::SwapsWithoutLease.is_back() => Ok(None),
        Err(error) => Err(no_lease(&folder.join(log), error)),
    }
}

/// Says what would not fit before anything is written.
fn room_for(folder: &Folder, source: &File, before: &Summary) -> Result<()> {
    let allocated = source.stat().map_or(u64::MAX, |stat| stat.allocated);
    let needed = (before.bytes - before.rejected_bytes) + before.rejected_bytes.min(allocated);
    match folder.free_bytes() {
        Some(free) if free < needed => {
            let text = format!(
                "{} needs {needed} bytes for a repaired copy and for what is removed, and its file system has {free} \
                 free: free some space and try again; nothing was changed",
                show(folder.path())
            );
            Err(Error::new(Code::CannotCreate, text))
        }
        _ => Ok(()),
    }
}

/// A new file that was written and verified, under its unfinished name.
pub(super) struct NewFile<'a> {
    pub(super) output: &'a File,
    /// What was left out of it.
    pub(super) rejects: Rejects,
    pub(super) size: u64,
}

/// What came of putting it in place.
pub(super) struct Placed {
    pub(super) quarantined: Option<PathBuf>,
    pub(super) rejects: Option<PathBuf>,
    pub(super) late_bytes: u64,
    pub(super) warnings: Vec<String>,
}

/// Syncs the new file, secures what it lacks, and swaps it in for the log, which has `size` bytes. Any error leaves the
/// file as its writers left it.
pub(super) fn put_in_place(
    folder: &Folder,
    log: &str,
    (source, lease, size): (&File, Option<Leased<'_>>, u64),
    new: NewFile<'_>,
    keeping: &Keeping,
    vouched: bool,
) -> Result<Placed> {
    let (path, temporary) = (folder.join(log), unfinished(log));
    let NewFile { output, rejects, size: new_size } = new;
    let finish = || -> Result<Ready> {
        let warnings = like_the_original(source, output, &path)?;
        if !Fault::NewNotSynced.is_back() {
            output.sync_all().map_err(|error| Error::cannot_write("write", &folder.join(&temporary), error))?;
        }
        // An old file that a power cut has emptied would look like one that was emptied on purpose while it was hidden.
        source.sync_all().map_err(|error| Error::cannot_write("sync", &path, error))?;
        let marks = (Mark::of(source, &path, size)?, Mark::of(output, &folder.join(&temporary), new_size)?);
        let original = match keeping {
            Keeping::Quarantine(quarantine) => {
                let stat = source.stat().map_err(|error| Error::cannot_read(&path, 0, &error))?;
                Some(quarantine::keep_original(log, source, &stat, size, quarantine)?)
            }
            Keeping::Rejects | Keeping::Nothing => None,
        };
        match rejects.secure() {
            Ok(secured) => Ok((original, secured, warnings, marks)),
            Err(error) => {
                original.into_iter().for_each(Kept::abandon);
                Err(error)
            }
        }
    };
    let (original, secured, warnings, marks) = finish().inspect_err(|_| _ = folder.remove(&temporary))?;
    match (Swap { folder, log, old: source, lease, new: output, marks, barrier: None, vouched }).run() {
        Ok(late_bytes) => Ok(Placed {
            quarantined: original.map(|kept| kept.path),
            rejects: secured.map(|secured| secured.path),
            late_bytes,
            warnings,
        }),
        Err(failed) if failed.swapped => Err(failed.error.and("run the same command again to finish")),
        Err(failed) => {
            _ = folder.remove(&temporary);
            original.into_iter().for_each(Kept::abandon);
            secured.into_iter().for_each(Secured::abandon);
            Err(failed.error)
        }
    }
}

/// What has to be there before a swap: the original, what was removed, warnings, and the marks of both files.
type Ready = (Option<Kept>, Option<Secured>, Vec<String>, (Mark, Mark));

/// Where a rewrite reads and writes.
struct Target<'a> {
    source: &'a File,
    output: &'a File,
    path: &'a std::path::Path,
    /// Whether nobody waits for the log.
    is_quiet: &'a dyn Fn() -> bool,
}

fn write<'a>(
    to: &Target<'a>,
    before: &Summary,
    prefix: Option<&File>,
    rejects: &'a mut Rejects,
    filter: Filter<'a>,
    scanning: ScanOptions<'_>,
    listed: usize,
) -> Result<(Rewritten, Plan)> {
    let failed = |error| Error::cannot_write("write a repaired copy of", to.path, error);
    let mut rewriter = Rewriter::new(to.source, to.output, rejects, filter, to.is_quiet, listed);
    if let Some(prefix) = prefix {
        rewriter.begin_with(prefix).map_err(failed)?;
    }
    let again = reading::scan_range(to.source, to.path, 0, before.bytes, scanning, &mut rewriter)?;
    let (done, plan) = rewriter.finish().map_err(failed)?;
    if again != *before || !(to.is_quiet)() {
        return Err(Error::new(Code::TryAgain, format!("{} changed while it was read: try again", show(to.path))));
    }
    Ok((done, plan))
}

/// Scans the new file: it must be clean and hold what was kept, no more and no less.
fn verify(output: &File, path: &std::path::Path, done: &Rewritten, scanning: ScanOptions<'_>) -> Result<()> {
    let size = output.size().map_err(|error| Error::cannot_read(path, 0, &error))?;
    let after = reading::scan_file(output, path, size, scanning)?;
    let expected = done.records.total() + done.prefix_lines;
    if after.anomalies == 0 && after.bytes == done.size && after.records.total() == expected {
        return Ok(());
    }
    let text = format!(
        "the repaired copy of the log does not hold what it should ({} of {expected} records, {} anomalies): \
         the log was left as it is; please report this",
        after.records.total(),
        after.anomalies
    );
    Err(Error::new(Code::Io, text))
}

/// Gives the new file the original's owner, mode and extended attributes (access lists among them).
fn like_the_original(source: &File, output: &File, path: &std::path::Path) -> Result<Vec<String>> {
    let failed = |error: std::io::Error| Error::cannot_create("keep owner and mode of", path, error);
    let (old, new) = (source.stat().map_err(failed)?, output.stat().map_err(failed)?);
    if (old.owner, old.group) != (new.owner, new.group) && !Fault::BelongsToItsMaker.is_back() {
        output.set_owner(old.owner, old.group).map_err(|_| {
            let text = format!("cannot keep owner and group of {}: run as root or as its owner", show(path));
            Error::new(Code::CannotCreate, text)
        })?;
    }
    output.set_mode(old.mode & 0o7777).map_err(failed)?;
    let mut warnings = Vec::new();
    if let Err(error) = output.copy_attributes(source) {
        warnings.push(format!("the extended attributes of {} could not be kept: {error}", show(path)));
    }
    if old.links > 1 {
        warnings.push(format!(
            "{} has {} more names (hard links): they keep the old content",
            show(path),
            old.links - 1
        ));
    }
    Ok(warnings)
}
