//! Swapping a new file in for a log at rest, with nobody's record lost, doubled or moved.
//!
//! A lease keeps writers from opening the old file from before it is read until after the exchange. What a lease cannot
//! keep away are a rename of the log (then the exchange is taken back) and an `open` that had found the old file before
//! the exchange and reaches it after: it is waited for, and what it wrote is added to the new file, which nobody can
//! open until then. A run that is killed in between leaves a hidden file whose name says what it and the log were:
//! [`settle`] finishes it.
//!
//! [`settle`]: super::settle

use std::time::Duration;

use rustix::io::Errno;

use super::exchange::change_places;
use super::journal::{Journal, Mark, State, id, unfinished};
use super::refusals::{changed, mount_point, no_guarantee, no_lease, still_open, unsettled};
use crate::disk::fault::{self, Fault};
use crate::disk::{File, Folder, Lease, Leased, Rename, sparse, sys};
use crate::error::{Error, Result};

/// How long to wait for processes that have a file open.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);

/// How long to wait for a writer that got hold of the old file in the last moment, before the operator is told.
const LAST_PATIENCE: Duration = Duration::from_secs(10);

/// The time in which an `open` that has found a file reaches it.
pub(super) const ON_THE_WAY: Duration = Duration::from_millis(20);

/// A swap that did not end well.
pub(crate) struct Failed {
    pub(crate) error: Error,
    /// Whether the new file is in place all the same: then what was secured must stay, and the hidden file waits for
    /// the next run.
    pub(crate) swapped: bool,
}

/// Two files that change places.
pub(crate) struct Swap<'a> {
    pub(crate) folder: &'a Folder,
    /// The log's name.
    pub(crate) log: &'a str,
    /// The log, and the lease on it; `None` where there are none and the operator vouches that nobody writes.
    pub(crate) old: &'a File,
    pub(crate) lease: Option<Leased<'a>>,
    /// What [`unfinished`] names, written and synced.
    pub(crate) new: &'a File,
    pub(crate) marks: (Mark, Mark),
    /// The operator vouches that nobody writes.
    pub(crate) vouched: bool,
    /// The lease on the new file.
    pub(crate) barrier: Option<Leased<'a>>,
}

impl Swap<'_> {
    /// Carries it out. Returns how many bytes came too late for the old file and were added to the new one.
    ///
    /// A failure before the swap leaves the log as its writers left it, and no hidden file.
    pub(crate) fn run(mut self) -> std::result::Result<u64, Failed> {
        let not_swapped = |error| Failed { error, swapped: false };
        let (old, new) = self.marks.clone();
        let journal = Journal { id: id(self.log), state: State::Swap, old, new, displaced: None };
        // It would take the name of one that is not settled.
        let names = self.folder.names().map_err(not_swapped)?;
        if let Some(left) = names.iter().find(|name| journal.is_of_such(name)) {
            return Err(not_swapped(unsettled(self.folder, left)));
        }
        // While it stands, nobody can open the new file.
        match self.new.lease(Lease::Write) {
            Ok(barrier) => self.barrier = Some(barrier),
            Err(_) if self.vouched || Fault::SwapsWithoutLease.is_back() => {}
            Err(error) => return Err(not_swapped(no_lease(&self.folder.join(self.log), error))),
        }
        if Fault::NoBarrier.is_back() {
            self.barrier = None;
        }
        self.exchange(&journal).map_err(not_swapped)?;
        let swapped = |error: Error| Failed { error, swapped: true };
        self.folder.sync().map_err(swapped)?;
        let Some(late) = self.wait_for_the_last(&journal).map_err(swapped)? else {
            self.take_back(&journal).map_err(swapped)?;
            return Err(not_swapped(changed(self.folder, self.log)));
        };
        self.barrier = None;
        let hidden = if late > 0 { journal.at(State::Carried).name() } else { journal.name() };
        self.clear_away(&hidden).map_err(swapped)?;
        Ok(late)
    }

    /// The old file goes, where it did not go with the rename.
    fn clear_away(&self, hidden: &str) -> Result<()> {
        if self.folder.stat(hidden)?.is_some() {
            self.folder.remove(hidden)?;
        }
        self.folder.sync()
    }

    /// Gives the new file the log's name and the old one the hidden name.
    fn exchange(&mut self, journal: &Journal) -> Result<()> {
        let (folder, log) = (self.folder, self.log);
        let hidden = journal.name();
        folder.rename(unfinished(log), &hidden)?;
        let give_up = |error| {
            _ = folder.remove(&hidden);
            error
        };
        // An exchange is on the disk whole or not at all, and never without what this name was given before: no sync of
        // the folder is owed in between.
        if !self.leads_to(log, self.old).map_err(give_up)? || !self.is_quiet() {
            return Err(give_up(changed(folder, log)));
        }
        match folder.renamed(&hidden, folder, log, Rename::Exchange) {
            Ok(()) => fault::remember(self.old),
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)
                if self.vouched || Fault::ReplacesBesideWriters.is_back() =>
            {
                return self.replace(&hidden).map_err(give_up);
            }
            Err(error) => return Err(give_up(self.why_not_exchanged(error))),
        }
        let is_old = self.leads_to(&hidden, self.old);
        if matches!(is_old, Ok(true)) || Fault::NeverTakenBack.is_back() {
            return Ok(());
        }
        // Another file had the name, or nobody could look: then no later run could tell either.
        self.take_back(journal)?;
        Err(is_old.err().unwrap_or_else(|| changed(folder, log)))
    }

    fn is_quiet(&self) -> bool {
        self.lease.as_ref().is_none_or(Leased::is_quiet)
    }

    fn leads_to(&self, name: &str, file: &File) -> Result<bool> {
        let inode = file.stat().map_err(|error| Error::cannot_read(&self.folder.join(name), 0, &error))?.inode;
        Ok(self.folder.stat(name)?.is_some_and(|found| found.inode == inode))
    }

    fn why_not_exchanged(&self, error: Errno) -> Error {
        let path = self.folder.join(self.log);
        match error {
            Errno::NOENT => changed(self.folder, self.log),
            Errno::BUSY | Errno::XDEV => mount_point(self.folder, self.log),
            Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP => {
                no_guarantee(&path, "an exchange of two names in one step")
            }
            error => Error::cannot_create("swap in the repaired", &path, error),
        }
    }

    /// The swap where the file system has no exchange, and nobody writes by the operator's word: the old file gets the
    /// hidden name as its second if it can have two, then the new one takes its first.
    fn replace(&self, hidden: &str) -> Result<()> {
        let Swap { folder, log, .. } = self;
        let temporary = unfinished(log);
        folder.rename(hidden, &temporary)?;
        let done = folder.link_to(log, folder, hidden).and_then(|_| folder.sync());
        done.and_then(|()| folder.rename(&temporary, log)).inspect_err(|_| _ = folder.remove(&temporary))
    }

    /// Somebody renamed the log in the last moment, and the file that came out is not the one that was read: the two
    /// change back. Who opened the new file meanwhile is let in, and what he wrote is added to the log that he meant.
    fn take_back(&mut self, journal: &Journal) -> Result<()> {
        let (folder, new, mut hidden) = (self.folder, self.new, journal.name());
        // A rotation may have moved a link here; what it leads to is not ours to hold.
        let is_link = folder.stat(&hidden).is_ok_and(|stat| stat.is_some_and(|stat| !stat.is_file()));
        // Nobody may have synced it, and it takes the place of one that was. It has to take it all the same.
        let restored = if is_link { Ok(()) } else { self.sync(&hidden) };
        // Where nobody could look, it may be the old one, and is opened here.
        self.lease = None;
        // By this name it is that file for certain.
        let meant = folder.append_existing(&hidden);
        if let (false, Ok(meant)) = (is_link || Fault::DisplacedNotMarked.is_back(), &meant) {
            // It has to take its place all the same.
            _ = self.note(journal, &mut hidden, meant);
        }
        let log = change_places(folder, self.log, &hidden, new)?;
        if is_link {
            sys::pause(ON_THE_WAY);
            let is_unseen = self.barrier.take().is_none_or(|barrier| barrier.is_quiet());
            return if is_unseen { self.clear_away(&hidden) } else { Err(changed(folder, &log)) };
        }
        let path = folder.join(&log);
        let failed = |error| Error::cannot_write("append to", &path, error);
        let meant = meant.map_err(failed)?;
        // He writes there next: that has to wait until the first is there.
        let gate = match meant.lease_within(Lease::Write, LAST_PATIENCE) {
            Ok(gate) => Some(gate),
            // Who waits for the new file writes to it in the end, and the next run finds that.
            Err(Errno::AGAIN) if !Fault::NoGate.is_back() => return Err(still_open(folder, &log)),
            Err(_) => None,
        };
        // What was written to it until now comes before what was written to the new one.
        if gate.is_some() && hidden != journal.name() {
            self.note(journal, &mut hidden, &meant)?;
            folder.sync()?;
        }
        sys::pause(ON_THE_WAY);
        let waiting = self.barrier.take().is_some_and(|barrier| !barrier.is_quiet());
        if waiting && new.lease_within(Lease::Write, LAST_PATIENCE).is_err() {
            return Err(still_open(folder, &log));
        }
        if !journal.new.fits(new, &path)? {
            // He did something else, and meant the log: the hidden file stays, and is named.
            return Err(changed(folder, &log));
        }
        if new.size().map_err(failed)? > journal.new.size {
            // From here on a run that comes after a power cut, too, has to look whether they are there.
            folder.sync()?;
            append(new, journal.new.size, &meant).map_err(failed)?;
        }
        drop(gate);
        self.clear_away(&hidden)?;
        restored
    }

    /// Has the hidden name say which file the exchange has hit, for whoever comes after a kill.
    fn note(&self, journal: &Journal, hidden: &mut String, hit: &File) -> Result<()> {
        let path = self.folder.join(self.log);
        let size = hit.size().map_err(|error| Error::cannot_read(&path, 0, &error))?;
        let name = journal.hit(Mark::of(hit, &path, size)?).name();
        if name != *hidden {
            self.folder.rename(&*hidden, &name)?;
            *hidden = name;
        }
        Ok(())
    }

    fn sync(&self, name: &str) -> Result<()> {
        let failed = |error| Error::cannot_write("sync", &self.folder.join(name), error);
        self.folder.read(name)?.sync_all().map_err(failed)
    }

    /// Waits for whoever had found the old file before the exchange, and adds what he wrote to the new one. `None`: he
    /// did something else, such as cutting it, and has to find it in its place.
    fn wait_for_the_last(&mut self, journal: &Journal) -> Result<Option<u64>> {
        let (folder, log, size) = (self.folder, self.log, journal.old.size);
        let path = folder.join(log);
        if let Some(lease) = self.lease.take() {
            if !Fault::NoWaitForTheLast.is_back() {
                sys::pause(ON_THE_WAY);
            }
            let waiting = !lease.is_quiet() && !Fault::NoWaitForTheLast.is_back();
            drop(lease);
            // He is let in, writes, and closes.
            if waiting {
                let _again = self.old.lease_within(Lease::Read, LAST_PATIENCE).map_err(|_| still_open(folder, log))?;
                if !journal.old.fits(self.old, &path)? && !Fault::LateUnchecked.is_back() {
                    return Ok(None);
                }
            }
        }
        let late = self.old.size().map_err(|error| Error::cannot_read(&path, size, &error))?.saturating_sub(size);
        if late == 0 {
            return Ok(Some(0));
        }
        // From here on a run that comes after a kill has to look whether they are there.
        folder.rename(journal.name(), journal.at(State::Carried).name())?;
        folder.sync()?;
        let late = append(self.old, size, self.new).map_err(|error| Error::cannot_write("append to", &path, error))?;
        // Somebody may have put another file in its place: then the old one keeps what came late.
        let is_there = self.new.stat().is_ok_and(|stat| stat.links > 0);
        if is_there { Ok(Some(late)) } else { Err(changed(folder, log)) }
    }
}

/// Whether nobody has a file open that has just got a name which nobody else knows, nor is about to open it by the one
/// it had. Where the kernel does not tell, the operator's word counts.
pub(super) fn is_left(file: &File, vouched: bool) -> bool {
    if Fault::SettlesAtOnce.is_back() {
        return true;
    }
    match file.lease_within(Lease::Read, PATIENCE) {
        Ok(lease) => {
            sys::pause(ON_THE_WAY);
            lease.is_quiet()
        }
        Err(Errno::AGAIN) => false,
        Err(_) => vouched,
    }
}

/// Adds the bytes of `from` behind offset `at` to the end of `to`. Where its last line has no newline yet, and they do
/// not begin with it, it gets one: a record that is glued to another is none to Papyra.
pub(super) fn append(from: &File, at: u64, to: &File) -> std::io::Result<u64> {
    let (size, end) = (from.size()?, to.size()?);
    let mut written = end;
    sparse::each_piece(from, at.min(size)..size, |bytes| {
        let mut last = [b'\n'];
        if written == end && end > 0 && !bytes.starts_with(b"\n") {
            to.read_exact_at(&mut last, end - 1)?;
        }
        if last != *b"\n" {
            to.write_all_at(b"\n", written)?;
            written += 1;
        }
        to.write_all_at(bytes, written)?;
        written += bytes.len() as u64;
        Ok(())
    })?;
    if written > end {
        to.sync_all()?;
    }
    Ok(written - end)
}

/// Gives a file a name that nobody has. That somebody took the file or the name meanwhile, as a rotation and Papyra's
/// own compaction do, is a reason to try again.
pub(super) fn give_name(folder: &Folder, from: &str, to: &str, at_rest: bool) -> Result<()> {
    let Err(error) = folder.give_name(from, to, at_rest) else { return Ok(()) };
    let is_taken = folder.stat(from)?.is_none() || folder.stat(to)?.is_some();
    Err(if is_taken { changed(folder, to) } else { error })
}
