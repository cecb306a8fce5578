//! Swapping the repaired file in, with nobody's write lost.
//!
//! Papyra takes no lock: it opens, appends and closes, and renames when it rotates. So the new file first catches up
//! with what was appended since the scan, then the two change names in one step, and only then is it seen whether the
//! one that came out is the one that was scanned. If another came out, they change back. What a writer that had the
//! old file open still wrote to it is carried over to the new one ([`late`]), which nobody can open until then.
//!
//! The hidden name under which the other file lies meanwhile says all that a later run needs to know to finish this.

use crate::disk::File;

use super::late;
use crate::disk::lease::Barrier;
use crate::disk::{Folder, Identity};
use crate::error::{Code, Error, Result, show};

/// What the hidden name says: `.NAME.papyra.<inode>.<size>.<resume>.<new size>`, the first two of the file that was
/// scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) inode: u64,
    pub(crate) size: u64,
    /// From here on, late bytes of the old file are judged.
    pub(crate) resume_at: u64,
    pub(crate) new_size: u64,
}

impl Ready {
    pub(crate) fn name(&self, log: &str) -> String {
        format!(".{log}.papyra.{}.{}.{}.{}", self.inode, self.size, self.resume_at, self.new_size)
    }

    /// Reads such a name; `None` when it is no such name of that log.
    pub(crate) fn parse(name: &str, log: &str) -> Option<Ready> {
        let rest = name.strip_prefix('.')?.strip_prefix(log)?.strip_prefix(".papyra.")?;
        let mut numbers = rest.split('.').map(|number| number.parse::<u64>().ok());
        let mut next = || numbers.next().flatten();
        let ready = Ready { inode: next()?, size: next()?, resume_at: next()?, new_size: next()? };
        (ready.name(log) == name).then_some(ready)
    }
}

/// The name of a repaired file that is being written.
pub(crate) fn unfinished(log: &str) -> String {
    format!(".{log}.papyra.tmp")
}

/// The name of a member that compaction has emptied, while it is looked at once more.
pub(crate) fn emptied(log: &str) -> String {
    format!(".{log}.papyra.emptied")
}

/// The log that a hidden name of ours belongs to.
pub(crate) fn log_of(hidden: &str) -> Option<&str> {
    let (log, _) = hidden.strip_prefix('.')?.rsplit_once(".papyra.")?;
    let ours = unfinished(log) == hidden || emptied(log) == hidden || Ready::parse(hidden, log).is_some();
    ours.then_some(log)
}

/// A swap that did not end well.
pub(crate) struct Failed {
    pub(crate) error: Error,
    /// Whether the new file is in place all the same: then what was secured must stay, and the hidden file waits for
    /// the next run.
    pub(crate) swapped: bool,
}

/// Swaps the finished `unfinished(log)`, open as `new`, in for `log`, which was scanned as `scanned` and is open as
/// `old`.
///
/// On success the old file is gone from the folder. A failure before the swap leaves the log as its writers left it
/// and no hidden file. Returns the number of bytes that were appended meanwhile and carried over.
pub(crate) fn swap(
    folder: &Folder,
    log: &str,
    (old, scanned): (&File, &Identity),
    new: &File,
    ready: Ready,
) -> std::result::Result<u64, Failed> {
    let hidden = ready.name(log);
    let not_swapped = |error| Failed { error, swapped: false };
    let swapped = |error| Failed { error, swapped: true };
    // While it stands, nobody can write to the new file before what came late in the old one is in it.
    let barrier = Barrier::raise(new);
    let (exchanged, caught) = change_names(folder, log, (old, scanned), new, ready).map_err(not_swapped)?;
    let out = folder.stat(&hidden).map_err(swapped)?.map(|stat| Identity::of(&stat));
    let fits = |out: Identity| {
        let same = (out.device, out.inode) == (scanned.device, scanned.inode);
        same && (out.size == caught.size || out.size > caught.size && barrier.is_some())
    };
    // A writer that does not let go of the old file may yet write to it: then it must stay the log.
    let held = barrier.is_some() && !late::wait_for_writers(old);
    if exchanged && (held || !out.is_none_or(fits)) {
        let back = || -> Result<()> {
            let log = put_back(folder, log, &hidden, new)?;
            // Whoever opened the new file meanwhile writes to it now, and is to be done before it goes. What he writes
            // next goes to the log, where he has to wait until the first is there.
            let current = late::open(folder, &log)?;
            let gate = Barrier::raise(&current);
            let quiet = barrier.is_none() || {
                drop(barrier);
                late::wait_for_others(new)
            };
            late::carry_over_from_new(folder, &log, &current, new, caught)?;
            drop(gate);
            if quiet {
                folder.remove(&hidden)?;
            }
            folder.sync()
        };
        back().map_err(swapped)?;
        return Err(not_swapped(if held { held_open(folder, log) } else { changed(folder, log) }));
    }
    let finish = || -> Result<u64> {
        let last = match barrier {
            Some(_) => late::catch_up(folder, log, old, new, caught)?.unwrap_or(caught),
            None => caught,
        };
        drop(barrier);
        new.sync_all().map_err(|error| Error::cannot_write("write", &folder.join(log), error))?;
        folder.sync()?;
        // Without a barrier, and for writers that hold a file open for seconds.
        let carried = late::carry_over_from_old(folder, log, &hidden, last)?;
        if out.is_some() {
            if carried.all_is_safe {
                folder.remove(&hidden)?;
            } else {
                // What came late is no record. The next run puts it aside.
                folder.rename(&hidden, carried.ready.name(log))?;
            }
        }
        folder.sync()?;
        Ok(last.size - ready.size + carried.bytes)
    };
    finish().map_err(swapped)
}

/// Gives the new file the log's name and the old one the hidden name. `true`: in one step, which can be taken back.
///
/// Also returns how far the new file follows the old one: what was appended since the scan is added first.
fn change_names(
    folder: &Folder,
    log: &str,
    (old, scanned): (&File, &Identity),
    new: &File,
    ready: Ready,
) -> Result<(bool, Ready)> {
    let (temporary, hidden) = (unfinished(log), ready.name(log));
    folder.rename(&temporary, &hidden)?;
    let exchange = || -> Result<(bool, Ready)> {
        let caught = late::catch_up(folder, log, old, new, ready)?.ok_or_else(|| changed(folder, log))?;
        if folder.exchange(&hidden, log)? {
            return Ok((true, caught));
        }
        if caught != ready {
            return Err(changed(folder, log));
        }
        replace(folder, log, scanned, &temporary, &hidden).map(|()| (false, ready))
    };
    exchange().map_err(|error| {
        _ = folder.remove(&hidden);
        let gone = folder.stat(log).is_ok_and(|stat| stat.is_none());
        if gone { changed(folder, log) } else { error }
    })
}

/// Takes the exchange back, and returns the name at which the new file was found: writers that rotated meanwhile have
/// given it another.
fn put_back(folder: &Folder, log: &str, hidden: &str, new: &File) -> Result<String> {
    let inode = Identity::of_file(new).map_err(|error| Error::cannot_read(&folder.join(hidden), 0, &error))?.inode;
    let is_new = |name: &str| folder.stat(name).is_ok_and(|found| found.is_some_and(|found| found.inode == inode));
    // They may rotate again while it is looked for.
    for _ in 0..100 {
        let members = || folder.names().into_iter().flatten().filter(|name| !name.starts_with('.'));
        let Some(name) = std::iter::once(log.to_owned()).chain(members()).find(|name| is_new(name)) else { continue };
        if folder.exchange(hidden, &name)? {
            if is_new(hidden) {
                return Ok(name);
            }
            folder.exchange(hidden, &name)?;
        }
    }
    Err(changed(folder, log))
}

/// The swap where the file system has no exchange: the old file gets the hidden name as its second, if it can have
/// two, then the new one takes its first.
fn replace(folder: &Folder, log: &str, scanned: &Identity, temporary: &str, hidden: &str) -> Result<()> {
    folder.rename(hidden, temporary)?;
    let replaced = (|| {
        if !folder.link_to(log, folder, hidden)? {
            let current = folder.stat(log)?.map(|stat| Identity::of(&stat));
            return if current == Some(*scanned) { folder.rename(temporary, log) } else { Err(changed(folder, log)) };
        }
        if folder.stat(hidden)?.map(|stat| Identity::of(&stat)) != Some(*scanned) {
            return Err(changed(folder, log));
        }
        folder.rename(temporary, log)
    })();
    replaced.inspect_err(|_| _ = folder.remove(temporary))
}

fn held_open(folder: &Folder, log: &str) -> Error {
    let text = format!(
        "a process has {} open for writing and does not let go, so it was left as it is: stop that process, or try again",
        show(&folder.join(log))
    );
    Error::new(Code::TryAgain, text)
}

pub(super) fn changed(folder: &Folder, log: &str) -> Error {
    let text =
        format!("{} changed while it was being repaired and was left as it is: try again", show(&folder.join(log)));
    Error::new(Code::TryAgain, text)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// As when the log was rotated since the scan. A writer without a pause has the new file open each time that the swap
    /// is taken back.
    #[test]
    fn a_swap_that_is_taken_back_leaves_every_line_in_its_place() {
        let directory = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(directory.path()).expect("the folder");
        let at = |name: &str| directory.path().join(name);
        fs::write(at("log"), "").expect("written");
        fs::write(at("log.1"), "").expect("written");
        let scanned = folder.read("log.1").expect("open");
        let identity = Identity::of_file(&scanned).expect("an identity");
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut lines = String::new();
                // Not for ever, should the other side fail.
                for number in 0..1_000_000 {
                    let line = format!("{{\"n\": {number}}}\n");
                    let file = fs::OpenOptions::new().append(true).open(at("log"));
                    file.and_then(|mut file| file.write_all(line.as_bytes())).expect("written");
                    lines += &line;
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
                lines
            });
            for _ in 0..100 {
                let mut new = folder.create_new(unfinished("log")).expect("a new file");
                new.write_all(b"{}\n").expect("written");
                let ready = Ready { inode: identity.inode, size: 0, resume_at: 0, new_size: 3 };
                assert!(swap(&folder, "log", (&scanned, &identity), &new, ready).is_err_and(|failed| !failed.swapped));
            }
            stop.store(true, Ordering::Relaxed);
            let lines = writer.join().expect("the writer");
            let found = fs::read_to_string(at("log")).expect("readable");
            let moved = found.lines().zip(lines.lines()).find(|(one, other)| one != other);
            assert!(found == lines, "{} lines of {}, {moved:?}", found.lines().count(), lines.lines().count());
        });
        assert_eq!(folder.names().expect("names").len(), 2, "{:?}", folder.names());
    }

    #[test]
    fn the_old_file_takes_the_place_that_the_new_one_was_rotated_to() {
        let directory = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(directory.path()).expect("the folder");
        for (name, text) in [("log", "later"), ("log.1", "new"), (".hidden", "old"), ("log.2", "earlier")] {
            fs::write(directory.path().join(name), text).expect("written");
        }
        let new = folder.read("log.1").expect("open");
        assert_eq!(put_back(&folder, "log", ".hidden", &new).expect("put back"), "log.1");
        let text = |name: &str| fs::read_to_string(directory.path().join(name)).expect("readable");
        assert_eq!(["log", "log.1", "log.2", ".hidden"].map(text), ["later", "old", "earlier", "new"]);
    }

    #[test]
    fn a_hidden_name_reads_back() {
        let ready = Ready { inode: 7, size: 100, resume_at: 90, new_size: 80 };
        let name = ready.name("rot.log.1");
        assert_eq!(name, ".rot.log.1.papyra.7.100.90.80");
        assert_eq!(Ready::parse(&name, "rot.log.1"), Some(ready));
        for other in [".rot.log.papyra.7.100.90.80", ".rot.log.1.papyra.tmp", ".rot.log.1.papyra.7.100.90", "rot.log.1"]
        {
            assert_eq!(Ready::parse(other, "rot.log.1"), None, "{other}");
        }
        assert_eq!(log_of(&name), Some("rot.log.1"));
        assert_eq!(log_of(".rot.log.1.papyra.tmp"), Some("rot.log.1"));
        assert_eq!(log_of(".rot.log.1.papyra.7.100"), None);
    }
}
