//! The records and the streams of a source: what is listed, searched and replayed is read here. What is done with them
//! is decided by the verbs.

use std::cell::Cell;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use papyra_core::archive::Broken;
use papyra_core::finding::Span;
use papyra_core::record::RecordFacts;
use papyra_core::redis::{Entry, PapyraKey, RecordCheck, Scope, push_line};
use papyra_core::scan::{Flow, Record};

use super::once::Once;
use super::{Logs, Source};
use crate::archive::Format;
use crate::error::{Code, Error, Result};
use crate::history::History;
use crate::offline::entries::{self, Streams};
use crate::offline::packed::{self, Holds};
use crate::reading::ScanOptions;
use crate::records::{self, Found};
use crate::redis;

/// Takes a record, and says whether to go on.
pub type Each<'a> = &'a mut dyn FnMut(&Found<'_>) -> io::Result<Flow>;

impl Source {
    /// Goes through the records that recovery would keep: of a log or a set oldest first, of a folder log after log, by
    /// name; of its Redis backups none. Returns how many anomalies were passed over.
    ///
    /// # Errors
    /// It cannot be read, or a line of what is compressed or comes in a pipe is longer than 64 MiB.
    pub fn each_record(
        &self,
        scope: impl Fn() -> Result<Scope>,
        scanning: ScanOptions<'_>,
        each: Each<'_>,
    ) -> Result<u64> {
        let mut walk = Walk { scope: &scope, scanning, each, stopped: false, passed_over: 0 };
        match self {
            Source::History(history) => walk.history(history)?,
            Source::Folder(logs) => walk.folder(logs)?,
            Source::Packed(path, format) => walk.once(path, Once::packed(path, *format)?)?,
            Source::Pipe(path) => walk.once(path, Once::pipe(path)?)?,
            Source::Redis(_, backup) => {
                let (scope, scanning) = ((walk.scope)()?, walk.scanning);
                walk.streams(|to| entries::each(backup, &scope, scanning, to))?;
            }
            Source::Server(store) => {
                let bad = redis::scan::each_record(store, |facts, bytes| {
                    let flow = walk.hand_on(facts, bytes);
                    flow.map(|flow| flow.is_continue()).map_err(|error| Error::new(Code::Io, error.to_string()))
                })?;
                walk.passed_over += bad;
            }
        }
        Ok(walk.passed_over)
    }

    /// Goes through Papyra's streams of a Redis backup, be it compressed or in a pipe. Returns how many things are
    /// wrong; `None` where there is no Redis backup.
    pub fn each_stream(&self, scope: &Scope, scanning: ScanOptions<'_>, to: &mut impl Streams) -> Result<Option<u64>> {
        let (path, once) = match self {
            Source::Redis(_, backup) => return entries::each(backup, scope, scanning, to).map(Some),
            Source::Packed(path, format) => (path, Once::packed(path, *format)?),
            Source::Pipe(path) => (path, Once::pipe(path)?),
            Source::History(_) | Source::Folder(_) | Source::Server(_) => return Ok(None),
        };
        match once.holds()? {
            Holds::Dump(input) => packed::each(path, input, scope, scanning, to).map(Some),
            Holds::Other(_) => Ok(None),
        }
    }
}

struct Walk<'a> {
    scope: &'a dyn Fn() -> Result<Scope>,
    scanning: ScanOptions<'a>,
    each: Each<'a>,
    stopped: bool,
    passed_over: u64,
}

impl Walk<'_> {
    fn history(&mut self, history: &History) -> Result<()> {
        let Walk { each, stopped, .. } = self;
        let summaries = records::each_of(history, self.scanning, |found| {
            let flow = each(&found)?;
            *stopped |= flow.is_break();
            Ok(flow)
        })?;
        self.passed_over += summaries.iter().map(|summary| summary.anomalies).sum::<u64>();
        Ok(())
    }

    fn folder(&mut self, logs: &Logs) -> Result<()> {
        enum Log<'a> {
            Plain(&'a History),
            Packed(&'a Path, Format),
        }
        let plain = logs.histories.iter().map(|history| (history.path(), Log::Plain(history)));
        let packed = logs.archives.iter().map(|(path, format)| (path.clone(), Log::Packed(path, *format)));
        let mut all: Vec<(PathBuf, Log<'_>)> = plain.chain(packed).collect();
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (_, log) in all {
            match log {
                Log::Plain(history) => self.history(history)?,
                Log::Packed(path, format) => self.once(path, Once::packed(path, format)?)?,
            }
            if self.stopped {
                break;
            }
        }
        Ok(())
    }

    fn once(&mut self, path: &Path, once: Once<'_>) -> Result<()> {
        match once.holds()? {
            Holds::Dump(input) => {
                let (scope, scanning) = ((self.scope)()?, self.scanning);
                self.streams(|to| packed::each(path, input, &scope, scanning, to))
            }
            Holds::Other(input) => self.lines(path, input),
        }
    }

    fn lines(&mut self, path: &Path, input: impl Read) -> Result<()> {
        let Walk { each, scanning, .. } = self;
        let (stopped, mut failed, mut bytes) = (Cell::new(false), None, 0);
        let mut input = Until { input, stopped: &stopped, bytes: &mut bytes, progress: scanning.progress };
        let ended = records::each_in(&mut input, &mut |bytes, record| {
            if stopped.get() {
                return;
            }
            match each(&Found::held(&Record { bytes: Some(bytes), ..*record })) {
                Ok(flow) => stopped.set(flow.is_break()),
                Err(error) => {
                    failed = Some(error);
                    stopped.set(true);
                }
            }
        });
        self.stopped |= stopped.get();
        if let Some(error) = failed {
            return Err(Error::cannot_write("pass on the records of", path, error));
        }
        match ended {
            Ok(summary) => self.passed_over += summary.anomalies,
            // What follows the damage cannot be unpacked.
            Err(error) if error.get_ref().is_some_and(|inner| inner.is::<Broken>()) => self.passed_over += 1,
            Err(error) => return Err(Error::cannot_read(path, bytes, &error)),
        }
        Ok(())
    }

    fn streams(&mut self, read: impl FnOnce(&mut Judging<'_, '_>) -> Result<u64>) -> Result<()> {
        let mut judging = Judging { walk: self, check: RecordCheck::default(), line: Vec::new(), failed: None };
        let found = read(&mut judging)?;
        if let Some(error) = judging.failed {
            return Err(Error::new(Code::Io, error.to_string()));
        }
        self.passed_over += found;
        Ok(())
    }

    fn hand_on(&mut self, facts: &RecordFacts, bytes: &[u8]) -> io::Result<Flow> {
        let span = Span { offset: 0, length: bytes.len() as u64 };
        let record = Record { span, line: 0, facts: *facts, newline: 0, salvaged: false, bytes: Some(bytes) };
        let flow = (self.each)(&Found::held(&record))?;
        self.stopped |= flow.is_break();
        Ok(flow)
    }
}

/// Reads until nobody wants more.
struct Until<'a, R> {
    input: R,
    stopped: &'a Cell<bool>,
    bytes: &'a mut u64,
    progress: &'a (dyn Fn(u64) + Sync),
}

impl<R: Read> Read for Until<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stopped.get() {
            return Ok(0);
        }
        let read = self.input.read(buffer)?;
        *self.bytes += read as u64;
        (self.progress)(read as u64);
        Ok(read)
    }
}

/// Hands on the entries of streams that are records.
struct Judging<'a, 'b> {
    walk: &'a mut Walk<'b>,
    check: RecordCheck,
    line: Vec<u8>,
    failed: Option<io::Error>,
}

impl Streams for Judging<'_, '_> {
    fn begin(&mut self, _db: u64, _key: &PapyraKey, _salvaged: bool) -> Flow {
        Flow::Continue(())
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Flow {
        let (Ok(facts), Some(data)) = (self.check.entry(entry), entry.field(b"data")) else {
            self.walk.passed_over += 1;
            return Flow::Continue(());
        };
        self.line.clear();
        push_line(data.as_bytes(), &mut self.line);
        self.walk.hand_on(&facts, &self.line).unwrap_or_else(|error| {
            self.failed = Some(error);
            Flow::Break(())
        })
    }
}
