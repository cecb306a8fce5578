//! Bytes for the scanner: plain files by offset and in parallel, streams and compressed files in sequence.
//!
//! A file's size is fixed when it is opened; what a writer appends meanwhile is not looked at. Files are read, not
//! mapped: a file that is cut while it is scanned must be an error, not a signal.

mod settled;

use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use memchr::{memchr, memrchr};
use papyra_core::scan::{Scanner, Sink};
use papyra_core::summary::Summary;

pub(crate) use settled::{ends_without_newline, scan_settled};

use crate::disk::File;
use crate::error::{Error, Result};

/// Bytes read at a time, by each thread.
const BUFFER: usize = 1 << 20;

/// One thread's share of a file before it takes the next: small, so that all of them come to an end at about the same
/// time.
const STRETCH: u64 = 2 << 20;

/// How to scan.
#[derive(Clone, Copy)]
pub struct ScanOptions<'a> {
    /// Threads for one file, at least 1.
    pub threads: usize,
    /// Findings listed for one file.
    pub max_findings: usize,
    /// Is told how many more bytes were read.
    pub progress: &'a (dyn Fn(u64) + Sync),
}

/// Something to read at offsets: a file, or what is left of it.
struct Source<'a> {
    file: &'a File,
    path: &'a Path,
}

impl Source<'_> {
    /// Fills `buffer` from `offset` on, as far as the file goes.
    fn fill(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            let at = offset + filled as u64;
            match self.file.read_at(&mut buffer[filled..], at) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::cannot_read(self.path, at, &error)),
            }
        }
        Ok(filled)
    }
}

/// Scans the first `size` bytes of a file on as many threads as there are and make sense.
pub fn scan_file(file: &File, path: &Path, size: u64, scanning: ScanOptions<'_>) -> Result<Summary> {
    let stretches = size.div_ceil(STRETCH);
    let threads = scanning.threads.min(usize::try_from(stretches).unwrap_or(usize::MAX));
    if threads <= 1 {
        return scan_range(file, path, 0, size, scanning, &mut ());
    }
    let source = Source { file, path };
    let next = AtomicU64::new(0);
    let merged =
        Mutex::new(Merged { whole: Ok(Summary::default()), done: 0, waiting: Vec::new(), most: scanning.max_findings });
    let work = || {
        let (mut scanner, mut buffer) = (Scanner::new(0, 0), Vec::new());
        loop {
            let stretch = next.fetch_add(1, Ordering::Relaxed);
            let listed = {
                let merged = merged.lock().unwrap_or_else(PoisonError::into_inner);
                let Ok(whole) = &merged.whole else { return };
                scanning.max_findings.saturating_sub(whole.findings.len())
            };
            if stretch >= stretches {
                return;
            }
            let end = size.min((stretch + 1) * STRETCH);
            let scanning = ScanOptions { max_findings: listed, ..scanning };
            let part = scan_stretch(&source, stretch * STRETCH, end, size, scanning, &mut scanner, &mut buffer);
            merged.lock().unwrap_or_else(PoisonError::into_inner).add(stretch, part);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    merged.into_inner().unwrap_or_else(PoisonError::into_inner).whole
}

/// Parts come in any order and are merged in the file's.
struct Merged {
    whole: Result<Summary>,
    done: u64,
    waiting: Vec<(u64, Summary)>,
    /// Findings to list in all.
    most: usize,
}

impl Merged {
    fn add(&mut self, stretch: u64, part: Result<Summary>) {
        match part {
            Ok(part) => {
                self.waiting.push((stretch, part));
                self.waiting.sort_by_key(|(stretch, _)| *stretch);
            }
            Err(error) => {
                // Of two failures the first one seen will do.
                if self.whole.is_ok() {
                    self.whole = Err(error);
                }
            }
        }
        let Ok(whole) = &mut self.whole else { return };
        while self.waiting.first().is_some_and(|(stretch, _)| *stretch == self.done) {
            whole.merge(self.waiting.remove(0).1, self.most);
            self.done += 1;
        }
        // A part may wait long, for one with a line of gigabytes: no more findings wait than will be listed.
        let mut listed = whole.findings.len();
        for (_, part) in &mut self.waiting {
            part.findings.truncate(self.most.saturating_sub(listed));
            part.findings.shrink_to_fit();
            listed += part.findings.len();
        }
    }
}

/// Scans the lines that begin between `start` and `end`.
fn scan_stretch(
    source: &Source<'_>,
    start: u64,
    end: u64,
    size: u64,
    scanning: ScanOptions<'_>,
    scanner: &mut Scanner,
    buffer: &mut Vec<u8>,
) -> Result<Summary> {
    let Some(from) = line_start(source, start, end)? else {
        (scanning.progress)(end - start);
        return Ok(Summary::default());
    };
    let to = line_start(source, end, size)?.unwrap_or(size);
    scanner.begin(from, scanning.max_findings);
    feed(source, from, to, scanner, scanning.progress, buffer, &mut ())?;
    Ok(scanner.end(&mut ()))
}

/// The start of the first line that begins at or after `offset` and before `limit`.
fn line_start(source: &Source<'_>, offset: u64, limit: u64) -> Result<Option<u64>> {
    if offset == 0 || offset >= limit {
        return Ok((offset < limit).then_some(offset));
    }
    let mut at = offset - 1;
    let mut buffer = Vec::new();
    while at + 1 < limit {
        // Lines are short: a page is enough nearly always.
        let width = if buffer.is_empty() { 4096 } else { BUFFER };
        buffer.resize(width.min(usize::try_from(limit - 1 - at).unwrap_or(width)), 0);
        let read = source.fill(&mut buffer, at)?;
        if let Some(newline) = memchr(b'\n', &buffer[..read]) {
            return Ok(Some(at + newline as u64 + 1));
        }
        if read == 0 {
            break;
        }
        at += read as u64;
    }
    Ok(None)
}

/// Scans the bytes from `start` to `end`, `start` being a line's, and tells `sink` of everything.
pub fn scan_range(
    file: &File,
    path: &Path,
    start: u64,
    end: u64,
    scanning: ScanOptions<'_>,
    sink: &mut impl Sink,
) -> Result<Summary> {
    let mut scanner = Scanner::new(start, scanning.max_findings);
    feed(&Source { file, path }, start, end, &mut scanner, scanning.progress, &mut Vec::new(), sink)?;
    Ok(scanner.finish(sink))
}

/// Feeds whole lines while they fit into the buffer, so that the scanner's fast reader gets them in one piece.
fn feed(
    source: &Source<'_>,
    start: u64,
    end: u64,
    scanner: &mut Scanner,
    progress: &(dyn Fn(u64) + Sync),
    buffer: &mut Vec<u8>,
    sink: &mut impl Sink,
) -> Result<()> {
    let mut at = start;
    let mut held = 0;
    buffer.resize(BUFFER.min(usize::try_from(end - start).unwrap_or(BUFFER)), 0);
    while at < end {
        let room = (buffer.len() - held).min(usize::try_from(end - at).unwrap_or(usize::MAX));
        let read = source.fill(&mut buffer[held..held + room], at)?;
        progress(read as u64);
        at += read as u64;
        held += read;
        let whole = match memrchr(b'\n', &buffer[..held]) {
            Some(newline) if at < end && read == room => newline + 1,
            _ => held,
        };
        if scanner.push(&buffer[..whole], sink).is_break() {
            return Ok(());
        }
        buffer.copy_within(whole..held, 0);
        held -= whole;
        if read < room {
            // Cut short by somebody meanwhile; the caller compares sizes.
            return Ok(());
        }
    }
    Ok(())
}

/// Scans whatever `input` gives, to its end. `Ok` carries the error that ended a damaged archive early.
pub fn scan_stream(
    mut input: impl Read,
    scanning: ScanOptions<'_>,
    sink: &mut impl Sink,
) -> (Summary, std::result::Result<(), io::Error>) {
    let mut scanner = Scanner::new(0, scanning.max_findings);
    let mut buffer = vec![0; BUFFER];
    let ended = loop {
        match input.read(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(read) => {
                (scanning.progress)(read as u64);
                if scanner.push(&buffer[..read], sink).is_break() {
                    break Ok(());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    (scanner.finish(sink), ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_findings_wait_than_will_be_listed() {
        let part = |line: &str| {
            let mut scanner = Scanner::new(0, 8);
            _ = scanner.push(format!("{line}\n").repeat(8).as_bytes(), &mut ());
            Ok(scanner.finish(&mut ()))
        };
        let mut merged = Merged { whole: Ok(Summary::default()), done: 0, waiting: Vec::new(), most: 10 };
        for (stretch, line) in [(3, "d"), (1, "b"), (2, "c")] {
            merged.add(stretch, part(line));
            let waiting: usize = merged.waiting.iter().map(|(_, part)| part.findings.len()).sum();
            assert!(waiting <= 10, "{waiting} findings wait");
        }
        merged.add(0, part("a"));
        let whole = merged.whole.unwrap_or_else(|error| panic!("{error}"));
        let listed: String = whole.findings.iter().filter_map(|finding| finding.excerpt.clone()).collect();
        assert_eq!((whole.anomalies, &*listed), (32, "aaaaaaaabb"));
    }
}
