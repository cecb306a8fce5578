//! Bytes that were appended to a file when it was not the log any more: where they go in the one that is.
//!
//! Their place is known by content: behind the bytes that the other file had at the swap. What an interrupted run has
//! put there already is not put there again.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::Path;

use papyra_core::scan::{Flow, Record, Scanner, Sink};

use super::journal::{Hidden, Mark, State, unfinished};
use super::keeping::Keeping;
use super::meaning::meaning;
use super::member::{NewFile, at_rest, put_in_place};
use super::refusals::changed;
use super::rejects::Rejects;
use crate::disk::fault::Fault;
use crate::disk::{File, sparse};
use crate::error::{Error, Result};
use crate::reading::ScanOptions;
use crate::records;

/// Bytes that came too late for the file that they were appended to.
pub(super) struct LateBytes<'a> {
    pub(super) file: &'a File,
    pub(super) from: u64,
    pub(super) size: u64,
}

impl LateBytes<'_> {
    /// Without what was not written to its end: with the newline of its new place behind it, a record inside that one
    /// would look like one of its own.
    pub(super) fn without_torn_tail(self) -> io::Result<Self> {
        let mut line = self.from;
        let mut at = self.from;
        sparse::each_piece(self.file, self.from..self.size, |bytes| {
            line = memchr::memrchr(b'\n', bytes).map_or(line, |newline| at + newline as u64 + 1);
            at += bytes.len() as u64;
            Ok(())
        })?;
        let mut whole = Whole(line);
        let mut scanner = Scanner::new(line, 0);
        sparse::each_piece(self.file, line..self.size, |bytes| {
            _ = scanner.push(bytes, &mut whole);
            Ok(())
        })?;
        scanner.finish(&mut whole);
        Ok(LateBytes { size: whole.0, ..self })
    }
}

/// Where the last whole record ends.
struct Whole(u64);

impl Sink for Whole {
    fn record(&mut self, record: &Record<'_>) -> Flow {
        self.0 = record.span.offset + record.span.length;
        Flow::Continue(())
    }
}

/// Puts late bytes at their place in a member, unless they are there. They stand on lines of their own. `false`: they
/// were put there once, and somebody has changed them since, or their place is in the middle of a line.
pub(super) fn insert(hidden: &mut Hidden<'_>, late: &LateBytes<'_>, name: &str, behind: &Mark) -> Result<bool> {
    let (folder, path) = (hidden.folder, hidden.folder.join(name));
    let failed = |error: io::Error| Error::cannot_read(&path, behind.size, &error);
    let is_carried = hidden.journal.state != State::Swap;
    let mut place = place(late, &folder.read(name)?, behind.size, is_carried).map_err(failed)?;
    if late.from + place.there == late.size && !place.is_owed {
        // Whoever put them there may have been killed before he synced them.
        folder.read(name)?.sync_all().map_err(|error| Error::cannot_write("sync", &path, error))?;
        return Ok(true);
    }
    // A file that somebody was writing to when it was noted may go on in the middle of a record.
    let is_split = hidden.journal.displaced.is_some() && place.is_owed && place.there == 0;
    if is_split && folder.stat(name)?.is_some_and(|stat| stat.size > place.at) {
        return Ok(false);
    }
    if is_carried && has_any(hidden, late, place.there, (&folder.read(name)?, &path), place.at)? {
        return Ok(false);
    }
    if !is_carried {
        hidden.goes_on_to(hidden.journal.at(State::Carried))?;
    }
    let source = folder.read(name)?;
    let lease = at_rest(folder, name, &source, hidden.at_rest)?;
    // It was looked at before nobody could write to it any more.
    let is_same_place = self::place(late, &source, behind.size, is_carried).map_err(failed)? == place;
    let is_as_before = behind.fits(&source, &path)? && is_same_place || Fault::PlaceUnchecked.is_back();
    if !is_as_before && !Fault::LateToTheLogsName.is_back() {
        return Err(changed(folder, name));
    }
    let end = source.size().map_err(failed)?;
    if Fault::LateAtTheEnd.is_back() || Fault::LateToTheLogsName.is_back() {
        place.at = end;
    }
    let Place { at, there, is_owed } = place;
    let temporary = unfinished(name);
    if folder.stat(&temporary)?.is_some() {
        folder.remove(&temporary)?;
    }
    let output = folder.create_new(&temporary)?;
    let mut writer = sparse::SparseWriter::new(&output);
    let mut last = b'\n';
    let mut write = || -> io::Result<u64> {
        sparse::each_piece(&source, 0..at, |bytes| writer.write_all(bytes))?;
        if is_owed {
            writer.write_all(b"\n")?;
        }
        sparse::each_piece(late.file, late.from + there..late.size, |bytes| {
            last = *bytes.last().unwrap_or(&last);
            writer.write_all(bytes)
        })?;
        if last != b'\n' && end > at {
            writer.write_all(b"\n")?;
        }
        sparse::each_piece(&source, at..end, |bytes| writer.write_all(bytes))?;
        Ok(0)
    };
    let written = write().and_then(|_| writer.finish());
    let (_, size) = written.map_err(|error| {
        _ = folder.remove(&temporary);
        Error::cannot_write("write", &path, error)
    })?;
    let new = NewFile { output: &output, rejects: Rejects::discarded(), size };
    put_in_place(folder, name, (&source, lease, end), new, &Keeping::Nothing, hidden.at_rest).map(|_| true)
}

/// Where late bytes go in a member.
#[derive(Debug, PartialEq)]
struct Place {
    at: u64,
    /// So many of the late bytes are there, whole lines.
    there: u64,
    /// The line before has no newline.
    is_owed: bool,
}

/// The place behind so many bytes of a member, and behind what an interrupted run has carried there.
fn place(late: &LateBytes<'_>, member: &File, behind: u64, is_carried: bool) -> io::Result<Place> {
    let mut around = [0; 2];
    let read = match behind.checked_sub(1) {
        Some(before) => member.read_at(&mut around, before)?,
        None => 0,
    };
    let at = match around[..read] {
        [b'\n' | b'\r', ..] | [] => behind,
        [_, b'\n'] => behind + 1,
        _ => return Ok(Place { at: behind, there: 0, is_owed: true }),
    };
    if !is_carried {
        return Ok(Place { at, there: 0, is_owed: false });
    }
    let There { lines, unended } = there(late, member, at)?;
    Ok(match unended {
        // A power cut may have taken the newline of the last one.
        Some(line) => Place { at: at + lines + line, there: lines + line + 1, is_owed: true },
        None => Place { at: at + lines, there: lines, is_owed: false },
    })
}

/// How many of the late bytes an interrupted run has put behind so many bytes of a file, in whole lines.
pub(super) fn lines_there(late: &LateBytes<'_>, file: &File, behind: u64) -> io::Result<u64> {
    Ok(place(late, file, behind, true)?.there)
}

/// What a member has of late bytes at their place.
struct There {
    /// Bytes of whole lines.
    lines: u64,
    /// The length of one more that is there but for its newline.
    unended: Option<u64>,
}

fn there(late: &LateBytes<'_>, member: &File, at: u64) -> io::Result<There> {
    let (mut same, mut done, mut unended) = (0, 0, None);
    let mut theirs = Vec::new();
    let mut differs = false;
    let end = member.size()?;
    sparse::each_piece(late.file, late.from..late.size, |bytes| {
        if differs {
            return Ok(());
        }
        let there = usize::try_from(end.saturating_sub(at + done)).unwrap_or(usize::MAX).min(bytes.len());
        theirs.resize(there, 0);
        member.read_exact_at(&mut theirs, at + done)?;
        let equal = bytes.iter().zip(&theirs).take_while(|(one, other)| one == other).count();
        if let Some(newline) = memchr::memrchr(b'\n', &bytes[..equal]) {
            same = done + newline as u64 + 1;
        }
        differs = equal < bytes.len();
        let line = done + equal as u64 - same;
        unended = (differs && bytes[equal] == b'\n' && line > 0).then_some(line);
        done += bytes.len() as u64;
        Ok(())
    })?;
    Ok(There { lines: if differs { same } else { late.size - late.from }, unended })
}

/// Whether a member holds one of the late records that are not there in their place, anywhere behind it. Papyra may
/// have written it anew since.
pub(super) fn has_any(
    hidden: &Hidden<'_>,
    late: &LateBytes<'_>,
    there: u64,
    member: (&File, &Path),
    at: u64,
) -> Result<bool> {
    let scanning = ScanOptions { threads: 1, max_findings: 0, progress: &|_| {} };
    let (file, path) = member;
    let mut wanted = HashSet::new();
    _ = records::each(late.file, &hidden.path(), late.size, scanning, |found| {
        if found.record.span.offset >= late.from + there && wanted.len() < MOST {
            wanted.insert(meaning(&found.bytes()?));
        }
        Ok(Flow::Continue(()))
    })?;
    if wanted.is_empty() {
        return Ok(false);
    }
    let size = file.size().map_err(|error| Error::cannot_read(path, at, &error))?;
    let (_, flow) = records::each(file, path, size, scanning, |found| {
        let is_one = found.record.span.offset >= at && wanted.contains(&meaning(&found.bytes()?));
        Ok(if is_one { Flow::Break(()) } else { Flow::Continue(()) })
    })?;
    Ok(flow.is_break())
}

/// LateBytes records that are looked for; about 20 bytes each.
const MOST: usize = 1 << 20;
