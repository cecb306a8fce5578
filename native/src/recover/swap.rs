//! Swapping the repaired file in, with nobody's write lost.
//!
//! Papyra takes no lock: it opens, appends and closes, and renames when it rotates. So the two files change names in
//! one step, and only then is it seen whether the one that came out is still the one that was scanned. If not, they
//! change back. What a writer that had the old file open still wrote to it is carried over to the new one.
//!
//! The hidden name under which the other file lies meanwhile says all that a later run needs to know to finish this.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use memchr::memmem;
use papyra_core::scan::{Flow, Sink, Step};

use super::rewrite::copy_range;
use crate::error::{Code, Error, Result, show};
use crate::folder::{Folder, Identity};
use crate::lease;
use crate::reading::{self, Effort};

/// How long to wait for a writer that has the old file open.
const PATIENCE: Duration = Duration::from_secs(2);

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

/// Swaps the finished `unfinished(log)` in for `log`, which was scanned as `scanned`.
///
/// On success the old file is gone from the folder. A failure before the swap leaves the log as its writers left it
/// and no hidden file. Returns the number of late bytes that were carried over.
pub(crate) fn swap(folder: &Folder, log: &str, scanned: &Identity, ready: Ready) -> std::result::Result<u64, Failed> {
    let hidden = ready.name(log);
    let not_swapped = |error| Failed { error, swapped: false };
    let swapped = |error| Failed { error, swapped: true };
    let exchanged = change_names(folder, log, scanned, &hidden).map_err(not_swapped)?;
    let out = folder.stat(&hidden).map_err(swapped)?.map(|stat| Identity::of(&stat));
    if exchanged && out != Some(*scanned) {
        let back = || -> Result<()> {
            folder.exchange(&hidden, log)?;
            carry_over_from_new(folder, log, &hidden, ready)?;
            folder.remove(&hidden)?;
            folder.sync()
        };
        back().map_err(swapped)?;
        return Err(not_swapped(changed(folder, log)));
    }
    let finish = || -> Result<u64> {
        folder.sync()?;
        let late = carry_over_from_old(folder, log, &hidden, ready)?;
        if out.is_some() {
            folder.remove(&hidden)?;
        }
        folder.sync()?;
        Ok(late)
    };
    finish().map_err(swapped)
}

/// Gives the new file the log's name and the old one the hidden name. `true`: in one step, which can be taken back.
fn change_names(folder: &Folder, log: &str, scanned: &Identity, hidden: &str) -> Result<bool> {
    let temporary = unfinished(log);
    folder.rename(&temporary, hidden)?;
    let swapped = match folder.exchange(hidden, log) {
        Ok(false) => replace(folder, log, scanned, &temporary, hidden).map(|()| false),
        other => other,
    };
    swapped.map_err(|error| {
        _ = folder.remove(hidden);
        let gone = folder.stat(log).is_ok_and(|stat| stat.is_none());
        if gone { changed(folder, log) } else { error }
    })
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

fn changed(folder: &Folder, log: &str) -> Error {
    let text =
        format!("{} changed while it was being repaired and was left as it is: try again", show(&folder.join(log)));
    Error::new(Code::TryAgain, text)
}

/// The old file has the hidden name: what was appended to it since the scan goes to the log.
pub(crate) fn carry_over_from_old(folder: &Folder, log: &str, hidden: &str, ready: Ready) -> Result<u64> {
    let Some(old) = open_when_quiet(folder, hidden)? else { return Ok(0) };
    let size = size_of(folder, hidden, &old)?;
    if size <= ready.size {
        return Ok(0);
    }
    let mut late = Late { source: &old, bytes: Vec::new(), failed: None };
    let effort = Effort { threads: 1, max_findings: 0, progress: &|_| {} };
    let path = folder.join(hidden);
    reading::scan_range(&old, &path, ready.resume_at, size, effort, &mut late)?;
    if let Some(error) = late.failed {
        return Err(Error::cannot_read(&path, ready.resume_at, &error));
    }
    append_once(folder, log, &late.bytes, ready.new_size)
}

/// The repaired file has the hidden name, and may have been the log for a moment: what was appended to it goes back.
pub(crate) fn carry_over_from_new(folder: &Folder, log: &str, hidden: &str, ready: Ready) -> Result<u64> {
    let Some(new) = open_when_quiet(folder, hidden)? else { return Ok(0) };
    let size = size_of(folder, hidden, &new)?;
    let mut bytes = Vec::new();
    copy_range(&new, ready.new_size..size, |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    })
    .map_err(|error| Error::cannot_read(&folder.join(hidden), ready.new_size, &error))?;
    append_once(folder, log, &bytes, ready.size)
}

/// Opens a file and waits, for a while, until nobody has it open for writing.
fn open_when_quiet(folder: &Folder, name: &str) -> Result<Option<File>> {
    if folder.stat(name)?.is_none() {
        return Ok(None);
    }
    let file = folder.read(name)?;
    let begun = Instant::now();
    while lease::has_writer(&file) && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(Some(file))
}

fn size_of(folder: &Folder, name: &str, file: &File) -> Result<u64> {
    Ok(Identity::of_file(file).map_err(|error| Error::cannot_read(&folder.join(name), 0, &error))?.size)
}

/// Appends late bytes to the log, unless a run that was killed right after doing so has left them there, somewhere
/// behind offset `from`.
fn append_once(folder: &Folder, log: &str, bytes: &[u8], from: u64) -> Result<u64> {
    if bytes.is_empty() {
        return Ok(0);
    }
    let path = folder.join(log);
    let current = folder.read(log)?;
    let size = size_of(folder, log, &current)?;
    let mut since = Vec::new();
    copy_range(&current, from.min(size)..size, |piece| {
        since.extend_from_slice(piece);
        Ok(())
    })
    .map_err(|error| Error::cannot_read(&path, from, &error))?;
    if memmem::find(&since, bytes).is_some() {
        return Ok(0);
    }
    let failed = |error| Error::cannot_write("append to", &path, error);
    let mut file = folder.append_existing(log).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(bytes.len() as u64)
}

/// Collects what stays.
struct Late<'a> {
    source: &'a File,
    bytes: Vec<u8>,
    failed: Option<std::io::Error>,
}

impl Sink for Late<'_> {
    fn step(&mut self, step: Step) -> Flow {
        match step {
            Step::Keep(range) => {
                let bytes = &mut self.bytes;
                let copied = copy_range(self.source, range, |piece| {
                    bytes.extend_from_slice(piece);
                    Ok(())
                });
                self.failed = copied.err();
            }
            Step::Newline => self.bytes.push(b'\n'),
            Step::Reject(_) => {}
        }
        if self.failed.is_some() { Flow::Break(()) } else { Flow::Continue(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
