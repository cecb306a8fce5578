//! Finishes swaps that a kill or a power cut has interrupted, as far as that is certain.
//!
//! The hidden file and the log are told apart by their content, wherever a rotation has taken the log since, and
//! whether or not the folder was copied. What was appended to the file that is no longer the log belongs at one place:
//! behind the bytes that the other had at the swap. Where that place is not there any more, or not there once, nothing
//! is done, and the hidden file stays reported.

use super::displaced::{PutBack, put_back, take_out};
use super::emptied::{Emptied, restore_unless_empty};
use super::exchange::change_places;
use super::journal::{Hidden, Journal, Mark, emptied, unfinished};
use super::keeping::{Keeping, aside};
use super::late_bytes::{LateBytes, insert};
use super::outcome::Recovered;
use super::quarantine;
use super::refusals::{changed, held_open};
use super::swap::is_left;
use crate::disk::fault::{Fault, is_known};
use crate::disk::{File, Folder};
use crate::error::{Result, show};
use crate::history::{History, Leftover, leftovers};

/// A file beside the hidden one, open.
struct Other {
    name: String,
    file: File,
}

/// What the hidden file is.
enum Which {
    /// The new file: the exchange never was, or was taken back. What it hit is this one, if it is there.
    New(Option<Other>),
    /// The old file: the new one is this one, if it is there.
    Old(Option<Other>),
    /// Another, that a rotation had put in the log's place before the exchange: the new one has its name.
    Displaced(Other),
    /// One that was hit when the displaced one was about to get its place back: that has the place of this one.
    Misplaced(Other),
    /// It cannot be told.
    Unclear,
}

/// Finishes what earlier runs were killed over.
pub(super) fn settle(history: &History, keeping: &Keeping, at_rest: bool, outcome: &mut Recovered) -> Result<()> {
    for Leftover { folder, log, hidden } in leftovers(history)? {
        // What was being written for another of them has been written again, and is in its place.
        if folder.stat(&hidden)?.is_none() {
            continue;
        }
        if hidden == emptied(&log) {
            if restore_unless_empty(history, &hidden, &log, at_rest)? == Emptied::Unclear {
                if folder.stat(&hidden)?.is_none_or(|stat| stat.size == 0) {
                    return Err(changed(&folder, &log));
                }
                outcome.warnings.push(unclear(&folder, &hidden, &log));
            }
            continue;
        }
        let mut name = hidden.clone();
        if let Some(journal) = Journal::parse(&hidden) {
            let mut hidden = Hidden { folder: &folder, log: &log, journal, at_rest };
            let is_settled = one(history, &mut hidden, outcome)?;
            name = hidden.journal.name();
            if !is_settled {
                continue;
            }
        }
        // All that it holds is elsewhere; one that was being written holds what is in the log.
        let set = history.known_set()?;
        // A rotation may have taken the log's name away.
        let members = set.members.iter().map(|member| &*member.name);
        let like: Vec<&str> = [&*log].into_iter().chain(members).collect();
        let path = quarantine::set_aside(&folder, &name, &aside(&folder, &like, keeping)?)?;
        outcome.quarantined_files.push(path);
    }
    Ok(())
}

/// `true`: whatever the hidden file holds is elsewhere now, and it may go aside.
fn one(history: &History, hidden: &mut Hidden<'_>, outcome: &mut Recovered) -> Result<bool> {
    // Files get their places back first; what is hidden then is another one.
    for _ in 0..PLACES {
        let name = hidden.journal.name();
        if hidden.folder.stat(&name)?.is_some_and(|stat| !stat.is_file()) {
            match link(history, hidden)? {
                Some(new) => _ = change_places(hidden.folder, hidden.log, &name, &new.file)?,
                None => break,
            }
            hidden.folder.sync()?;
            continue;
        }
        let file = hidden.folder.read(&name)?;
        // Who had found it before the swap may be about to write to it.
        if !is_left(&file, hidden.at_rest) {
            return Err(held_open(hidden.folder, &name));
        }
        let size = file.size().map_err(|error| hidden.failed(&error))?;
        let others = others(history, hidden.folder)?;
        let whole = Mark::of(&file, &hidden.path(), size)?;
        // One that should hold something was emptied by somebody who meant the log.
        let may_be_empty = hidden.journal.old.size == 0 || hidden.journal.new.size == 0;
        let mut is_elsewhere = false;
        for other in &others {
            if size == 0 && may_be_empty || size > 0 && whole.fits(&other.file, &hidden.folder.join(&other.name))? {
                is_elsewhere = true;
                break;
            }
        }
        let which = which(hidden, &file, others)?;
        // One that a rotation had put there may hold so little that another file begins as it does.
        let has_no_place = matches!(which, Which::Displaced(_) | Which::Misplaced(_));
        if !has_no_place && (is_elsewhere || never_was(hidden, &file)?) {
            return Ok(true);
        }
        match which {
            Which::Displaced(new) => match put_back(hidden, &file, &new.name, &new.file)? {
                PutBack::Whole => return Ok(true),
                PutBack::Grown => {}
                PutBack::Unclear => break,
            },
            Which::Misplaced(displaced) => {
                if !take_out(hidden, &displaced.name, &displaced.file)? {
                    break;
                }
            }
            which => return put_late_bytes(hidden, (&file, size), which, outcome),
        }
    }
    Ok(unsettled(hidden, outcome))
}

/// So often files get their places back, each time hidden by whoever comes in between.
const PLACES: usize = 4;

/// What was appended to the hidden file too late goes to its place. `true`: all that it holds is there.
fn put_late_bytes(
    hidden: &mut Hidden<'_>,
    (file, size): (&File, u64),
    which: Which,
    outcome: &mut Recovered,
) -> Result<bool> {
    let journal = hidden.journal.clone();
    let is_sure = !matches!(which, Which::Old(None));
    let (mut from, behind, mut other) = match which {
        Which::Old(other) => (journal.old.size, journal.new, other),
        // It was the log for a moment, and the file whose place it had is the log again.
        Which::New(other) => (journal.new.size, journal.displaced.unwrap_or(journal.old), other),
        _ => (0, journal.new, None),
    };
    if Fault::KnownByInode.is_back() && !is_known(file) {
        from = 0;
    }
    let late = LateBytes { file, from, size }.without_torn_tail().map_err(|error| hidden.failed(&error))?;
    // What begins in the middle of a line may be a part of a record, and the file another one.
    if from > 0 && late.size == from && (size == from || is_sure) {
        return Ok(true);
    }
    if Fault::LateToTheLogsName.is_back() {
        other = Some(Other { name: hidden.log.to_owned(), file: hidden.folder.read(hidden.log)? });
    }
    let is_there = match &other {
        Some(other) => insert(hidden, &late, &other.name, &behind)?,
        None => false,
    };
    let Some(other) = other.filter(|_| is_there) else {
        return Ok(unsettled(hidden, outcome));
    };
    let mut text = format!(
        "{} bytes that an interrupted recovery had left behind were put back into {}",
        late.size - from,
        show(&hidden.folder.join(&other.name))
    );
    if late.size < size {
        text.push_str(&format!(
            "; {} more, of a record that was not written to its end, are kept aside",
            size - late.size
        ));
    }
    outcome.warnings.push(text);
    Ok(true)
}

/// Where names cannot be exchanged, the log gets its hidden name besides its own, and then the new file replaces it.
/// While the new file still waits, that has not been: a log that begins as the new one does was written so by Papyra,
/// with all that the hidden file holds.
fn never_was(hidden: &Hidden<'_>, file: &File) -> Result<bool> {
    let (name, journal) = (unfinished(hidden.log), &hidden.journal);
    if journal.new.size == 0 || hidden.folder.stat(&name)?.is_none_or(|stat| stat.size != journal.new.size) {
        return Ok(false);
    }
    let waiting = hidden.folder.read(&name)?;
    Ok(journal.old.fits(file, &hidden.path())? && journal.new.fits(&waiting, &hidden.folder.join(&name))?)
}

/// The new file that has the place of a link, which a rotation had put there.
fn link(history: &History, hidden: &Hidden<'_>) -> Result<Option<Other>> {
    let mut others = others(history, hidden.folder)?;
    Ok(match only_ones(&hidden.journal, &all_fits(hidden, &others)?) {
        (Ok(Some(_)), Ok(Some(new))) => Some(others.swap_remove(new)),
        _ => None,
    })
}

/// `false`, and the operator is told.
fn unsettled(hidden: &Hidden<'_>, outcome: &mut Recovered) -> bool {
    outcome.warnings.push(unclear(hidden.folder, &hidden.journal.name(), hidden.log));
    false
}

fn unclear(folder: &Folder, hidden: &str, log: &str) -> String {
    format!(
        "{} was left by an interrupted recovery and holds bytes of {}, and where they belong cannot be proven: \
         nothing was changed; compare the two",
        show(&folder.join(hidden)),
        show(&folder.join(log))
    )
}

/// The history's members that lie in this folder.
fn others(history: &History, folder: &Folder) -> Result<Vec<Other>> {
    let mut others = Vec::new();
    for member in history.set()?.members {
        let (place, name) = history.place(&member.name)?.unwrap_or((history.folder.clone(), member.name));
        if place.identity()? == folder.identity()?
            && let Ok(file) = place.read(&name)
        {
            others.push(Other { name, file });
        }
    }
    Ok(others)
}

/// Whether a file begins with these bytes, if they are any.
fn begins(mark: &Mark, file: &File, path: &std::path::Path) -> Result<bool> {
    Ok(mark.size > 0 && mark.fits(file, path)?)
}

/// Whether a file begins as the old one does, and as the new one.
fn fits(journal: &Journal, file: &File, path: &std::path::Path) -> Result<(bool, bool)> {
    Ok((begins(&journal.old, file, path)?, begins(&journal.new, file, path)?))
}

fn all_fits(hidden: &Hidden<'_>, others: &[Other]) -> Result<Vec<(bool, bool)>> {
    let path = |other: &Other| hidden.folder.join(&other.name);
    others.iter().map(|other| fits(&hidden.journal, &other.file, &path(other))).collect()
}

type Only = std::result::Result<Option<usize>, ()>;

/// The only one that begins as the old one, and as the new one: what begins as both do is the longer of the two.
fn only_ones(journal: &Journal, all: &[(bool, bool)]) -> (Only, Only) {
    let longer = is_old_longer(journal);
    let old = only(all.iter().map(|(old, new)| *old && (!new || longer)));
    (old, only(all.iter().map(|(old, new)| *new && !(*old && longer))))
}

fn is_old_longer(journal: &Journal) -> bool {
    journal.old.size > journal.new.size
}

/// The one of which this holds; `Err(())` when there are several.
fn only(holds: impl Iterator<Item = bool>) -> Only {
    let mut found = holds.enumerate().filter_map(|(index, holds)| holds.then_some(index));
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(()),
        (found, None) => Ok(found),
    }
}

fn which(hidden: &Hidden<'_>, file: &File, mut others: Vec<Other>) -> Result<Which> {
    let (folder, journal) = (hidden.folder, &hidden.journal);
    let (is_old, is_new) = fits(journal, file, &hidden.path())?;
    let all = all_fits(hidden, &others)?;
    let (only_old, only_new) = only_ones(journal, &all);
    if let Some(displaced) = &journal.displaced {
        let hit = begins(displaced, file, &hidden.path())?;
        let mut hits = Vec::new();
        for other in &others {
            hits.push(begins(displaced, &other.file, &folder.join(&other.name))?);
        }
        // One that was noted when it held little begins as others do: of those that are known the others are meant.
        let unknown = only(hits.iter().zip(&all).map(|(hit, (old, new))| *hit && !old && !new));
        let only_hit = if unknown == Ok(None) { only(hits.into_iter()) } else { unknown };
        let is_new = is_new && !(is_old && is_old_longer(journal));
        // One that was empty begins as any does. The new one is told from what somebody repaired since by the old one,
        // which is there.
        return Ok(match (is_new, only_old, only_new, only_hit) {
            (true, _, Ok(None), hit) => Which::New(hit.ok().flatten().map(|hit| others.swap_remove(hit))),
            (false, Ok(Some(_)), Ok(Some(new)), Ok(None)) if hit || displaced.size == 0 => {
                Which::Displaced(others.swap_remove(new))
            }
            (false, Ok(Some(_)), Ok(Some(_)), Ok(Some(at))) if !hit => Which::Misplaced(others.swap_remove(at)),
            _ => Which::Unclear,
        });
    }
    if !is_old && !is_new {
        return Ok(match (only_old, only_new) {
            (Ok(Some(_)), Ok(Some(new))) => Which::Displaced(others.swap_remove(new)),
            _ => Which::Unclear,
        });
    }
    let (old, new) = (only(all.iter().map(|fits| fits.0)), only(all.iter().map(|fits| fits.1)));
    let mut other = |index: Option<usize>| index.map(|index| others.swap_remove(index));
    Ok(match (is_old, is_new, old, new) {
        (false, true, Ok(_), _) => Which::New(None),
        (true, false, _, Ok(new)) => Which::Old(other(new)),
        // One begins with the other: it is the longer.
        (true, true, Ok(None), Ok(None)) if is_old_longer(journal) => Which::Old(None),
        // Where the log is not there as the new one, the exchange never was.
        (true, true, Ok(_), Ok(None)) => Which::New(None),
        (true, true, Ok(None), Ok(new @ Some(_))) => Which::Old(other(new)),
        _ => Which::Unclear,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use papyra_core::report::Report;

    use super::super::journal::{State, id};
    use super::super::outcome::{Mode, RecoverOptions};
    use super::*;
    use crate::error::Code;
    use crate::history::Choice;
    use crate::reading::ScanOptions;

    const OLDER: &str = "{\"kind\": \"event\", \"timestamp\": 1.0}";
    const YOUNGER: &str = "{\"kind\": \"event\", \"timestamp\": 2.0}\n";

    #[test]
    fn a_file_that_a_swap_took_from_a_rotation_goes_back_though_the_new_one_begins_as_the_old_one_does() {
        let ended = format!("{OLDER}\n");
        let torn = format!("{OLDER}\n{{\"ki");
        // What has just been begun may stand at the beginning of another file, too.
        let begun = &OLDER[..1];
        for (old, new, younger) in [(OLDER, &*ended, YOUNGER), (&torn, &ended, YOUNGER), (&torn, &ended, begun)] {
            let place = tempfile::tempdir().expect("a folder");
            let path = |name: &str| place.path().join(name);
            fs::write(path("log"), "").expect("written");
            fs::write(path("log.1"), new).expect("written");
            fs::write(path("log.2"), old).expect("written");
            let mark = |name: &str| {
                let file = Folder::open(place.path()).and_then(|folder| folder.read(name)).expect("there");
                Mark::of(&file, &path(name), file.size().expect("a size")).expect("read")
            };
            let marks = (mark("log.2"), mark("log.1"));
            let journal = Journal { id: id("log.1"), state: State::Swap, old: marks.0, new: marks.1, displaced: None };
            fs::write(path(&journal.name()), younger).expect("written");
            let history = History::open(&path("log"), Choice::Rotating, None).expect("a set");
            let before = Report::new(crate::TOOL, history.backend, Vec::new(), false);
            let mut outcome = Recovered::begin(&RecoverOptions::new(Mode::Repair), before);
            settle(&history, &Keeping::Rejects, false, &mut outcome).expect("settled");
            assert_eq!(outcome.warnings, Vec::<String>::new());
            let read = |name: &str| fs::read_to_string(path(name)).expect("there");
            assert_eq!((read("log.2"), read("log.1")), (old.to_owned(), younger.to_owned()));
            assert_eq!(fs::read_to_string(&outcome.quarantined_files[0]).expect("kept"), new);
        }
    }

    #[test]
    fn a_swap_does_not_take_the_name_of_a_hidden_file_that_is_not_settled() {
        let place = tempfile::tempdir().expect("a folder");
        let path = |name: &str| place.path().join(name);
        let record = |time: u32| {
            format!(
                "{{\"kind\": \"event\", \"system_id\": \"s\", \"actor_address\": \"s:1\", \"event_type\": \"E\", \"payload\": {{}}, \"timestamp\": {time}.0}}\n"
            )
        };
        let damaged = format!("{}\0{}", record(1), record(2));
        let (log, scanning) = ("log", ScanOptions { threads: 1, max_findings: 0, progress: &|_| {} });
        let recover = || {
            let history = History::open(&path(log), Choice::Json, None).expect("a log");
            super::super::recover(&history, &RecoverOptions::new(Mode::Repair), scanning)
        };
        let mark = |name: &str| {
            let file = Folder::open(place.path()).and_then(|folder| folder.read(name)).expect("there");
            Mark::of(&file, &path(name), file.size().expect("a size")).expect("read")
        };
        fs::write(path(log), &damaged).expect("written");
        let old = mark(log);
        recover().expect("recovered");
        let journal = Journal { id: id(log), state: State::Swap, old, new: mark(log), displaced: None };
        // An earlier run was killed, and somebody has changed since what it left.
        let edited = record(3);
        fs::write(path(log), &damaged).expect("written");
        fs::write(path(&journal.name()), &edited).expect("written");
        let error = recover().expect_err("refused");
        assert_eq!(error.code, Code::Data, "{error}");
        let read = |name: &str| fs::read_to_string(path(name)).expect("there");
        assert_eq!((read(log), read(&journal.name())), (damaged, edited));
    }
}
