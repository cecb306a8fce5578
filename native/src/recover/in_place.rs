//! Repair in place, for logs that somebody writes to: damage is overwritten with white space, and a torn tail is cut
//! off.
//!
//! JSON allows white space around a record, and Papyra calls such a line clean. No intact byte is written, so none can
//! be lost, doubled or moved; the inode stays, so a writer, a rotation and a kill need no care: every state in between
//! is only a less damaged log. What is overwritten was secured before, and is compared with that under a lease right
//! before; a writer waits for some milliseconds at most.
//!
//! It cannot part two records that have no byte between them, nor shrink a long stretch of damage; a log with a second
//! name (a hard link) is not touched, since the other name would change too. A write does not damage the bytes beside
//! it: that is assumed of the disk.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::path::Path;

use papyra_core::plan::Plan;
use papyra_core::scan::{Flow, Sink, Step};
use rustix::io::Errno;

use super::keeping::Keeping;
use super::outcome::Repaired;
use super::quarantine;
use super::refusals::{changed, held_open, no_lease};
use super::rejects::Rejects;
use super::swap::PATIENCE;
use crate::disk::fault::Fault;
use crate::disk::{File, Folder, Lease, sparse};
use crate::error::{Error, Result};
use crate::reading::{self, ScanOptions, scan_settled};

/// The longest stretch of damage, in bytes, that becomes white space: Papyra's reader holds a line in memory.
const LONGEST: u64 = 1 << 16;

/// Stretches that are overwritten under one lease.
const BATCH: usize = 256;

/// How it went.
pub(super) enum InPlace {
    Done(Box<Repaired>),
    Clean,
    /// Bytes would have to move: only a log at rest can be repaired so.
    Impossible,
}

/// A stretch of damage with a record on either side, or a newline that is owed before it.
#[derive(Debug, Clone)]
struct Stretch {
    range: Range<u64>,
    /// A record ends right before it.
    newline_owed: bool,
    /// Where its bytes were secured.
    secured_at: u64,
}

/// Turns a scan's steps into stretches: what lies between two that stay is one.
#[derive(Debug, Default)]
struct Stretches {
    open: Option<Stretch>,
    newline_owed: bool,
    rejected: u64,
    /// Where the last byte that stays ends.
    kept_to: u64,
}

impl Stretches {
    /// Takes a step; gives the stretch that it ends. `Err`: two records stand side by side.
    fn take(&mut self, step: &Step) -> std::result::Result<Option<Stretch>, ()> {
        match step {
            Step::Newline => self.newline_owed = true,
            Step::Reject(range) => {
                let newline_owed = std::mem::take(&mut self.newline_owed);
                let secured_at = self.rejected;
                self.rejected += range.end - range.start;
                match &mut self.open {
                    Some(open) => open.range.end = range.end,
                    open => *open = Some(Stretch { range: range.clone(), newline_owed, secured_at }),
                }
            }
            Step::Keep(range) => {
                self.kept_to = range.end;
                let ended = self.open.take();
                if std::mem::take(&mut self.newline_owed) {
                    return Err(());
                }
                return Ok(ended);
            }
        }
        Ok(None)
    }
}

/// Secures what goes, and finds out whether all of it can be done in place.
struct Survey<'a> {
    source: &'a File,
    rejects: &'a mut Rejects,
    stretches: Stretches,
    plan: Plan,
    is_possible: bool,
    failed: Option<io::Error>,
}

impl Sink for Survey<'_> {
    fn step(&mut self, step: Step) -> Flow {
        match self.stretches.take(&step) {
            Ok(ended) => self.is_possible &= ended.is_none_or(|ended| ended.range.end - ended.range.start <= LONGEST),
            Err(()) => self.is_possible = false,
        }
        if let Step::Reject(range) = &step {
            let rejects = &mut *self.rejects;
            match sparse::each_piece(self.source, range.clone(), |bytes| rejects.write(bytes)) {
                Ok(()) => self.rejects.add_range(range.clone()),
                Err(error) => self.failed = Some(error),
            }
        }
        if !self.is_possible || self.failed.is_some() {
            return Flow::Break(());
        }
        self.plan.step(step)
    }
}

/// Repairs the log without moving a byte.
pub(super) fn repair(
    folder: &Folder,
    log: &str,
    keeping: &Keeping,
    at_rest: bool,
    scanning: ScanOptions<'_>,
) -> Result<InPlace> {
    let path = folder.join(log);
    let source = folder.read(log)?;
    let quiet = ScanOptions { max_findings: 0, ..scanning };
    let before = scan_settled(&source, &path, quiet)?;
    let stat = source.stat().map_err(|error| Error::cannot_read(&path, 0, &error))?;
    if before.anomalies == 0 {
        return Ok(InPlace::Clean);
    }
    if stat.links > 1 {
        return Ok(InPlace::Impossible);
    }
    let mut rejects = Rejects::beside(folder, log, &stat)?;
    let plan = Plan::with_limit(scanning.max_findings);
    let mut survey = Survey {
        source: &source,
        rejects: &mut rejects,
        stretches: Stretches::default(),
        plan,
        is_possible: true,
        failed: None,
    };
    let again = reading::scan_range(&source, &path, 0, before.bytes, quiet, &mut survey);
    let Survey { plan, is_possible, failed, .. } = survey;
    let surveyed = again.and_then(|again| match failed {
        Some(error) => Err(Error::cannot_read(&path, 0, &error)),
        None if is_possible && again != before => Err(changed(folder, log)),
        None => Ok(()),
    });
    if surveyed.is_err() || !is_possible {
        rejects.abandon();
        return surveyed.map(|()| InPlace::Impossible);
    }
    let (_, rejected_ranges) = rejects.amount();
    let quarantined = match keeping {
        Keeping::Quarantine(quarantine) => {
            Some(quarantine::keep_original(log, &source, &stat, before.bytes, quarantine))
        }
        Keeping::Rejects | Keeping::Nothing => None,
    };
    let quarantined = match quarantined.transpose() {
        Ok(quarantined) => quarantined,
        Err(error) => {
            rejects.abandon();
            return Err(error);
        }
    };
    let secured = rejects.secure()?;
    drop(source);
    let reference = secured.as_ref().map(|secured| secured.open()).transpose()?;
    let file = match folder.write(log) {
        Ok(file) => file,
        Err(error) => {
            quarantined.into_iter().for_each(quarantine::Kept::abandon);
            secured.into_iter().for_each(super::rejects::Secured::abandon);
            // Between the two steps of a rotation there is no file of this name.
            let is_here = folder.stat(log)?.is_some_and(|now| now.inode == stat.inode);
            return Err(if is_here {
                Error::cannot_create("open for writing", &path, error)
            } else {
                changed(folder, log)
            });
        }
    };
    let mut overwrite = Overwrite {
        folder,
        log,
        path: &path,
        file: &file,
        inode: stat.inode,
        reference,
        at_rest,
        stretches: Stretches::default(),
        batch: VecDeque::new(),
        touched: false,
        failed: None,
    };
    let done = reading::scan_range(&file, &path, 0, before.bytes, quiet, &mut overwrite)
        .and_then(|_| overwrite.failed.take().map_or(Ok(()), Err))
        .and_then(|()| overwrite.finish(before.bytes));
    let touched = overwrite.touched;
    if let Err(error) = done {
        if !touched {
            quarantined.into_iter().for_each(quarantine::Kept::abandon);
            secured.into_iter().for_each(super::rejects::Secured::abandon);
        }
        return Err(error);
    }
    let rejects = match (keeping, secured) {
        (Keeping::Rejects, secured) => secured.map(|secured| secured.path),
        (Keeping::Quarantine(_) | Keeping::Nothing, secured) => {
            // The whole original lies elsewhere, or is not wanted.
            secured.into_iter().for_each(super::rejects::Secured::abandon);
            None
        }
    };
    Ok(InPlace::Done(Box::new(Repaired {
        plan,
        rejected_ranges,
        quarantined: quarantined.map(|kept| kept.path),
        rejects,
        late_bytes: 0,
        warnings: Vec::new(),
    })))
}

/// Overwrites stretches as the scan comes past them.
struct Overwrite<'a> {
    folder: &'a Folder,
    log: &'a str,
    path: &'a Path,
    file: &'a File,
    inode: u64,
    /// The secured bytes; `None` when nothing goes.
    reference: Option<File>,
    at_rest: bool,
    stretches: Stretches,
    batch: VecDeque<Stretch>,
    touched: bool,
    failed: Option<Error>,
}

impl Sink for Overwrite<'_> {
    fn step(&mut self, step: Step) -> Flow {
        let done = match self.stretches.take(&step) {
            Ok(ended) => {
                self.batch.extend(ended);
                if self.batch.len() < BATCH { Ok(()) } else { self.write_batch(None) }
            }
            Err(()) => Err(changed(self.folder, self.log)),
        };
        match done {
            Ok(()) => Flow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                Flow::Break(())
            }
        }
    }
}

impl Overwrite<'_> {
    /// The scan has come to the end, at byte `size`.
    fn finish(&mut self, size: u64) -> Result<()> {
        let tail = self.stretches.open.take();
        let owed = tail.as_ref().map_or(self.stretches.newline_owed, |tail| tail.newline_owed);
        let at = tail.as_ref().map_or(size, |tail| tail.range.start);
        self.write_batch((tail.is_some() || owed).then_some(Tail { stretch: tail, at, newline_owed: owed, size }))
    }

    fn write_batch(&mut self, tail: Option<Tail>) -> Result<()> {
        let failed = |error| Error::cannot_write("repair", self.path, error);
        if self.batch.is_empty() && tail.is_none() {
            return Ok(());
        }
        let lease = match self.file.lease_within(Lease::Write, PATIENCE) {
            Ok(lease) => Some(lease),
            Err(Errno::AGAIN) => return Err(held_open(self.folder, self.log)),
            Err(_) if self.at_rest => None,
            Err(error) => return Err(no_lease(self.path, error)),
        };
        let now = self.file.stat().map_err(failed)?;
        let mut batch: Vec<Stretch> = self.batch.drain(..).collect();
        let tail = match tail {
            // A line that came after it has made it one in the middle. A torn one may have been finished: look again.
            Some(Tail { stretch: Some(stretch), size, .. })
                if now.size > size && ends_line(self.file, size).map_err(failed)? && !stretch.newline_owed =>
            {
                batch.push(stretch);
                None
            }
            Some(tail) if now.size != tail.size => return Err(changed(self.folder, self.log)),
            tail => tail,
        };
        if now.links != 1 || now.inode != self.inode {
            return Err(changed(self.folder, self.log));
        }
        let stretches = batch.iter().chain(tail.iter().filter_map(|tail| tail.stretch.as_ref()));
        for stretch in stretches {
            if !self.is_as_secured(stretch).map_err(failed)? && !Fault::OverwritesUnchecked.is_back() {
                return Err(changed(self.folder, self.log));
            }
        }
        self.touched = true;
        self.blank(&batch).map_err(failed)?;
        if let Some(tail) = tail {
            self.cut(&tail).map_err(failed)?;
        }
        drop(lease);
        Ok(())
    }

    fn is_as_secured(&self, stretch: &Stretch) -> io::Result<bool> {
        let Some(reference) = &self.reference else { return Ok(false) };
        let mut at = stretch.secured_at;
        let mut same = true;
        let mut secured = Vec::new();
        sparse::each_piece(self.file, stretch.range.clone(), |bytes| {
            secured.resize(bytes.len(), 0);
            reference.read_exact_at(&mut secured, at)?;
            same &= secured == bytes;
            at += bytes.len() as u64;
            Ok(())
        })?;
        Ok(same)
    }

    /// Overwrites stretches so that each state in between is one that a scan would keep the same records of: first the
    /// newlines that are owed, then the damage, last the newlines that end it.
    fn blank(&self, batch: &[Stretch]) -> io::Result<()> {
        let mut bodies = Vec::new();
        let (mut first, mut last) = (Vec::new(), Vec::new());
        for stretch in batch {
            let mut bytes = vec![0; usize::try_from(stretch.range.end - stretch.range.start).unwrap_or(0)];
            self.file.read_exact_at(&mut bytes, stretch.range.start)?;
            let kept = stretch.newline_owed.then(|| memchr::memchr(b'\n', &bytes));
            let kept = match kept {
                Some(None) => {
                    first.push(stretch.range.start);
                    Some(0)
                }
                Some(found) => found,
                None => None,
            };
            let ending = bytes.iter().rev().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
            let body = bytes.len() - ending;
            for (from, to) in [(0, kept.unwrap_or(0).min(body)), (kept.map_or(0, |at| at + 1).min(body), body)] {
                bodies.push(stretch.range.start + from as u64..stretch.range.start + to as u64);
            }
            last.extend((body..bytes.len()).filter(|at| Some(*at) != kept).map(|at| stretch.range.start + at as u64));
        }
        if Fault::BlanksTheEndFirst.is_back() {
            bodies.splice(0..0, last.drain(..).map(|at| at..at + 1));
        }
        for at in &first {
            self.file.write_all_at(b"\n", *at)?;
        }
        if !first.is_empty() {
            self.file.sync_all()?;
        }
        for body in bodies.into_iter().filter(|body| !body.is_empty()) {
            let spaces = vec![b' '; usize::try_from(body.end - body.start).unwrap_or(0)];
            self.file.write_all_at(&spaces, body.start)?;
        }
        if !last.is_empty() {
            self.file.sync_all()?;
        }
        for at in &last {
            self.file.write_all_at(b" ", *at)?;
        }
        self.file.sync_all()
    }

    /// Cuts off the damage at the end, and gives the last record the newline that it lacks.
    fn cut(&self, tail: &Tail) -> io::Result<()> {
        if Fault::NewlineBeforeCut.is_back() && tail.newline_owed {
            self.file.write_all_at(b"\n", tail.at)?;
            return self.file.set_size(tail.at + 1);
        }
        // In this order: what follows an owed newline would stand on a line of its own for a moment.
        if tail.stretch.is_some() {
            self.file.set_size(tail.at)?;
        }
        if tail.newline_owed {
            self.file.write_all_at(b"\n", tail.at)?;
        }
        self.file.sync_all()
    }
}

/// What is to be done at the end of the file.
struct Tail {
    /// The damage there.
    stretch: Option<Stretch>,
    /// Where the last byte that stays ends.
    at: u64,
    newline_owed: bool,
    /// The size of the file when it was scanned.
    size: u64,
}

/// Whether the byte before `size` ends a line.
fn ends_line(file: &File, size: u64) -> io::Result<bool> {
    reading::ends_without_newline(file, size).map(|without| !without)
}
