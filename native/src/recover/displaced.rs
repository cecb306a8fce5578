//! Files that an exchange has hit instead of the log, and how they get their places back.
//!
//! An exchange knows names alone, and a rotation may give the log's to another file in the moment before it. What was
//! hit is seen at once, and noted in the hidden name before anything else is done, so that whoever comes after a kill
//! or a power cut knows it, too. One case is known in which a record may come out of order all the same: two rotations,
//! each within the few microseconds between two calls of ours, with a kill or a power cut between them.

use std::io;

use rustix::io::Errno;

use super::exchange::change_places;
use super::journal::{Hidden, Mark};
use super::late_bytes::{LateBytes, has_any, lines_there};
use super::refusals::{changed, held_open, no_lease};
use super::swap::{PATIENCE, append, is_left};
use crate::disk::fault::Fault;
use crate::disk::{File, Lease, Leased};
use crate::error::{Error, Result};

/// What has become of a file that was to get its place back.
pub(super) enum PutBack {
    /// It has it, and all that was appended to the new one: that may go aside.
    Whole,
    /// It has it, and the new one got more meanwhile.
    Grown,
    /// It may hold some of that already, and nobody can tell where it ends.
    Unclear,
}

/// A rotation had put a newer file in the log's place just before the exchange: it gets its place back, and what was
/// appended to the one that stood there meanwhile follows it. Nobody has it open.
pub(super) fn put_back(hidden: &mut Hidden<'_>, file: &File, name: &str, new: &File) -> Result<PutBack> {
    let folder = hidden.folder;
    let path = folder.join(name);
    let failed = |error: io::Error| Error::cannot_write("append to", &path, error);
    let gate = gate(hidden, name, new)?;
    let is_wanted = || gate.as_ref().is_some_and(|gate| !gate.is_quiet());
    if !hidden.journal.new.fits(new, &path)? || is_wanted() {
        return Err(changed(folder, name));
    }
    let (from, size) = (hidden.journal.new.size, new.size().map_err(failed)?);
    let late = LateBytes { file: new, from, size };
    let whole = file.size().map_err(failed)?;
    let noted = hidden.journal.displaced.clone();
    let there = match &noted {
        Some(mark) => lines_there(&late, file, mark.size).map_err(failed)?,
        None => 0,
    };
    // What was written to it since it was noted comes before what is added to it now.
    let has_grown = noted.as_ref().is_some_and(|mark| from < size && there == 0 && whole > mark.size);
    if has_grown && has_any(hidden, &late, 0, (file, &hidden.path()), noted.as_ref().map_or(0, |mark| mark.size))? {
        return Ok(PutBack::Unclear);
    }
    if (noted.is_none() || has_grown) && !Fault::DisplacedNotMarked.is_back() {
        file.sync_all().map_err(failed)?;
        hidden.goes_on_to(hidden.journal.hit(Mark::of(file, &hidden.path(), whole)?))?;
    }
    if from + there < size {
        let target = folder.write(hidden.journal.name()).map_err(failed)?;
        append(new, from + there, &target).map_err(failed)?;
    }
    // Nobody may have synced it, and it takes the place of one that was.
    file.sync_all().map_err(failed)?;
    if is_wanted() {
        return Err(changed(folder, name));
    }
    change_places(folder, hidden.log, &hidden.journal.name(), new)?;
    drop(gate);
    folder.sync()?;
    // Somebody may have found it as the log a moment ago.
    if !is_left(new, hidden.at_rest) {
        return Err(held_open(folder, &hidden.journal.name()));
    }
    Ok(if new.size().map_err(failed)? == size { PutBack::Whole } else { PutBack::Grown })
}

/// The displaced file was put where another one belongs, which is hidden since. `false`: it has got more by now, and
/// that is the other one's.
pub(super) fn take_out(hidden: &Hidden<'_>, name: &str, displaced: &File) -> Result<bool> {
    let folder = hidden.folder;
    let _gate = gate(hidden, name, displaced)?;
    let size = displaced.size().map_err(|error| Error::cannot_read(&folder.join(name), 0, &error))?;
    if hidden.journal.displaced.as_ref().is_none_or(|mark| size > mark.size) {
        return Ok(false);
    }
    change_places(folder, hidden.log, &hidden.journal.name(), displaced)?;
    folder.sync()?;
    Ok(true)
}

/// Keeps writers from opening a file that has a name, if nobody has it open.
fn gate<'a>(hidden: &Hidden<'_>, name: &str, file: &'a File) -> Result<Option<Leased<'a>>> {
    match file.lease_within(Lease::Read, PATIENCE) {
        Ok(gate) => Ok(Some(gate)),
        Err(Errno::AGAIN) => Err(held_open(hidden.folder, name)),
        Err(_) if hidden.at_rest => Ok(None),
        Err(error) => Err(no_lease(&hidden.folder.join(name), error)),
    }
}
