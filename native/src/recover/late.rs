//! What writers append while recovery is under way: judged like the rest of the log, and never left behind.

use crate::disk::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use memchr::memmem;
use papyra_core::scan::{Flow, Sink, Step};

use super::rewrite::copy_range;
use super::swap::{Ready, changed};
use crate::disk::lease;
use crate::disk::{Folder, Identity};
use crate::error::{Error, Result};
use crate::reading::{self, Effort};

/// How long to wait for writers that have a file open.
const PATIENCE: Duration = Duration::from_millis(500);

/// What was carried over.
pub(crate) struct Carried {
    pub(crate) bytes: u64,
    /// Where the next look begins.
    pub(crate) ready: Ready,
    /// Whether every late byte is in the log or was secured before, and no more can come. If not, the old file must
    /// stay.
    pub(crate) all_is_safe: bool,
}

/// Adds to the new file, which nobody else can write to, what was appended to the old one since the scan.
///
/// Returns how far the two go together now; `None` when something came that is no record and is secured nowhere yet,
/// or when others have written to the new file after all.
pub(crate) fn catch_up(folder: &Folder, log: &str, old: &File, new: &File, ready: Ready) -> Result<Option<Ready>> {
    let size = size_of(folder, log, old)?;
    if size == ready.size {
        return Ok(Some(ready));
    }
    let late =
        if size > ready.size { Late::of(folder, log, old, ready, size)? } else { return Err(changed(folder, log)) };
    // The kernel takes a barrier down after a while, as when this process was stopped: then others write there too.
    let shared = size_of(folder, log, new)? != ready.new_size;
    if !late.all_is_safe || shared {
        return Ok(None);
    }
    new.write_all_at(&late.bytes, ready.new_size)
        .map_err(|error| Error::cannot_write("write a repaired copy of", &folder.join(log), error))?;
    Ok(Some(Ready { size, resume_at: late.resume_at, new_size: ready.new_size + late.bytes.len() as u64, ..ready }))
}

/// The old file has the hidden name: what was appended to it goes to the log.
pub(crate) fn carry_over_from_old(folder: &Folder, log: &str, hidden: &str, ready: Ready) -> Result<Carried> {
    let nothing = Carried { bytes: 0, ready, all_is_safe: true };
    if folder.stat(hidden)?.is_none() {
        return Ok(nothing);
    }
    let old = folder.read(hidden)?;
    let quiet = wait_for_writers(&old);
    let size = size_of(folder, hidden, &old)?;
    if size <= ready.size {
        return Ok(Carried { all_is_safe: quiet, ..nothing });
    }
    let late = Late::of(folder, hidden, &old, ready, size)?;
    let bytes = append_once(&open(folder, log)?, &folder.join(log), &late.bytes, ready.new_size)?;
    let all_is_safe = late.all_is_safe && quiet;
    Ok(Carried { bytes, ready: Ready { size, resume_at: late.resume_at, ..ready }, all_is_safe })
}

/// The new file may have been the log for a moment: what was appended to it goes to the log as it is again, which is open
/// as `current`.
pub(crate) fn carry_over_from_new(folder: &Folder, log: &str, current: &File, new: &File, ready: Ready) -> Result<u64> {
    let size = size_of(folder, log, new)?;
    let bytes = read(new, ready.new_size..size)
        .map_err(|error| Error::cannot_read(&folder.join(log), ready.new_size, &error))?;
    append_once(current, &folder.join(log), &bytes, ready.size)
}

/// Opens a log that is there, to be read and appended to.
pub(crate) fn open(folder: &Folder, log: &str) -> Result<File> {
    folder.append_existing(log).map_err(|error| Error::cannot_write("append to", &folder.join(log), error))
}

/// Waits, for a while, until nobody has the file open for writing. `false`: somebody still has.
pub(crate) fn wait_for_writers(file: &File) -> bool {
    wait(|| !lease::has_writer(file))
}

/// Waits, for a while, until nobody but this process has the file open at all. `false`: somebody still has.
pub(crate) fn wait_for_others(file: &File) -> bool {
    wait(|| lease::Barrier::raise(file).is_some())
}

fn wait(done: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if done() {
            return true;
        }
        if begun.elapsed() > PATIENCE {
            return false;
        }
        // A write takes microseconds; who holds a file open longer is waited for at leisure.
        if begun.elapsed() < Duration::from_millis(20) {
            std::thread::yield_now();
        } else {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn size_of(folder: &Folder, name: &str, file: &File) -> Result<u64> {
    Ok(Identity::of_file(file).map_err(|error| Error::cannot_read(&folder.join(name), 0, &error))?.size)
}

fn read(file: &File, range: std::ops::Range<u64>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    copy_range(file, range, |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(bytes)
}

/// Appends late lines to the log, except those that a run which was killed over this has left there already,
/// somewhere behind offset `from`.
fn append_once(mut log: &File, path: &Path, lines: &[u8], from: u64) -> Result<u64> {
    if lines.is_empty() {
        return Ok(0);
    }
    let unread = |error| Error::cannot_read(path, from, &error);
    let size = Identity::of_file(log).map_err(unread)?.size;
    let since = read(log, from.min(size)..size).map_err(unread)?;
    let rest = &lines[there_already(lines, &since)..];
    if !rest.is_empty() {
        let written = log.write_all(rest).and_then(|()| log.sync_all());
        written.map_err(|error| Error::cannot_write("append to", path, error))?;
    }
    Ok(rest.len() as u64)
}

/// How many bytes of `lines` are in `since`, line by line and in order. Others may have written between them.
fn there_already(lines: &[u8], since: &[u8]) -> usize {
    let (mut there, mut from) = (0, 0);
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let whole = |at: &usize| *at == 0 || since[from + at - 1] == b'\n';
        let Some(at) = memmem::find_iter(&since[from..], line).find(whole) else { break };
        from += at + line.len();
        there += line.len();
    }
    there
}

/// What stays of the late bytes.
struct Late<'a> {
    source: &'a File,
    /// Bytes before this offset were secured when the log was rewritten.
    secured_to: u64,
    bytes: Vec<u8>,
    resume_at: u64,
    all_is_safe: bool,
    failed: Option<io::Error>,
}

impl Late<'_> {
    fn of<'a>(folder: &Folder, name: &str, source: &'a File, ready: Ready, size: u64) -> Result<Late<'a>> {
        let path = folder.join(name);
        let mut late = Late {
            source,
            secured_to: ready.size,
            bytes: Vec::new(),
            resume_at: ready.resume_at,
            all_is_safe: true,
            failed: None,
        };
        let effort = Effort { threads: 1, max_findings: 0, progress: &|_| {} };
        reading::scan_range(source, &path, ready.resume_at, size, effort, &mut late)?;
        match late.failed.take() {
            Some(error) => Err(Error::cannot_read(&path, ready.resume_at, &error)),
            None => Ok(late),
        }
    }
}

impl Sink for Late<'_> {
    fn step(&mut self, step: Step) -> Flow {
        match step {
            Step::Keep(range) => {
                self.resume_at = range.end;
                match read(self.source, range) {
                    Ok(bytes) => self.bytes.extend(bytes),
                    Err(error) => self.failed = Some(error),
                }
            }
            Step::Newline => self.bytes.push(b'\n'),
            Step::Reject(range) => {
                self.resume_at = range.start;
                if range.end > self.secured_to {
                    match read(self.source, range) {
                        // A newline that comes after its record was kept without it is no loss.
                        Ok(bytes) => self.all_is_safe &= bytes.trim_ascii().is_empty(),
                        Err(error) => self.failed = Some(error),
                    }
                }
            }
        }
        if self.failed.is_some() { Flow::Break(()) } else { Flow::Continue(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{catch_up, there_already};
    use crate::disk::{Folder, Identity};
    use crate::recover::swap::Ready;

    #[test]
    fn nothing_is_written_over_what_others_wrote_to_the_new_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("old"), "{\"n\":1}\n{\"n\":2}\n").expect("written");
        let held = Folder::open(folder.path()).expect("the folder");
        let (old, inode) = (held.read("old").expect("open"), 0);
        let ready = Ready { inode, size: 8, resume_at: 8, new_size: 8 };
        for (new_file, caught) in [("{\"n\":1}\n", Some(16)), ("{\"n\":1}\n{\"n\":3}\n", None)] {
            fs::write(at("new"), new_file).expect("written");
            let new = held.write("new").expect("open");
            let done = catch_up(&held, "old", &old, &new, ready).expect("looked at");
            assert_eq!(done.map(|ready| ready.new_size), caught);
            let size = Identity::of_file(&new).expect("a size").size;
            assert_eq!(size, 16, "{new_file}");
            assert!(fs::read_to_string(at("new")).expect("readable").starts_with(new_file));
        }
    }

    #[test]
    fn lines_that_are_there_are_found_between_those_of_others() {
        assert_eq!(there_already(b"a\nb\nc\n", b"a\nx\nb\ny\n"), 4);
        assert_eq!(there_already(b"a\nb\n", b""), 0);
        assert_eq!(there_already(b"a\n", b"xa\n"), 0);
        assert_eq!(there_already(b"a\n", b"xa\na\n"), 2);
    }
}
