//! The intact records of a file or a history, one by one and oldest first: for listing, replaying and comparing.
//!
//! What is handed out is what recovery would keep.

use crate::disk::{File, sparse};
use std::borrow::Cow;
use std::io::{self, Read};
use std::path::Path;

use papyra_core::records::Records;
use papyra_core::scan::{Flow, Record, Sink};
use papyra_core::summary::Summary;

use crate::error::{Error, Result};
use crate::history::History;
use crate::reading::{self, ScanOptions};

/// A record and the file that holds it.
pub struct Found<'a> {
    /// What the scanner says of it.
    pub record: &'a Record<'a>,
    /// For those whose bytes the scanner does not hold.
    file: Option<&'a File>,
}

impl<'a> Found<'a> {
    /// A record whose bytes are at hand.
    pub(crate) fn held(record: &'a Record<'a>) -> Found<'a> {
        Found { record, file: None }
    }

    /// The record's bytes, without a newline and without white space around it.
    pub fn bytes(&self) -> io::Result<Cow<'_, [u8]>> {
        if let Some(bytes) = self.record.bytes {
            return Ok(bytes.trim_ascii().into());
        }
        let mut bytes = Vec::new();
        self.copy(|piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(bytes.into())
    }

    /// Hands the record's bytes on in pieces, however long it is.
    pub fn copy(&self, mut write: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let span = self.record.span;
        match (self.record.bytes, self.file) {
            (Some(bytes), _) => write(bytes.trim_ascii()),
            (None, None) => Ok(()),
            (None, Some(file)) => {
                let mut trim = Trim::default();
                sparse::each_piece(file, span.offset..span.offset + span.length, |bytes| trim.pass(bytes, &mut write))
            }
        }
    }
}

/// Leaves out the white space around a record: a repair in place puts some there.
#[derive(Default)]
struct Trim {
    begun: bool,
    /// White space that may be the record's last.
    held: Vec<u8>,
}

impl Trim {
    fn pass(&mut self, bytes: &[u8], write: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let bytes = if self.begun { bytes } else { bytes.trim_ascii_start() };
        let text = bytes.trim_ascii_end();
        self.begun |= !text.is_empty();
        if !text.is_empty() {
            write(&std::mem::take(&mut self.held))?;
            write(text)?;
        }
        self.held.extend_from_slice(&bytes[text.len()..]);
        if self.held.len() > 1 << 16 {
            write(&std::mem::take(&mut self.held))?;
        }
        Ok(())
    }
}

struct Each<'a, F> {
    file: &'a File,
    each: F,
    failed: Option<io::Error>,
    stopped: bool,
}

impl<F: FnMut(Found<'_>) -> io::Result<Flow>> Sink for Each<'_, F> {
    fn record(&mut self, record: &Record<'_>) -> Flow {
        match (self.each)(Found { record, file: Some(self.file) }) {
            Ok(Flow::Continue(())) => return Flow::Continue(()),
            Ok(Flow::Break(())) => self.stopped = true,
            Err(error) => self.failed = Some(error),
        }
        Flow::Break(())
    }
}

/// Goes through the records in the first `size` bytes of a file. The summary is partial when `each` breaks.
pub fn each(
    file: &File,
    path: &Path,
    size: u64,
    scanning: ScanOptions<'_>,
    each: impl FnMut(Found<'_>) -> io::Result<Flow>,
) -> Result<(Summary, Flow)> {
    let mut sink = Each { file, each, failed: None, stopped: false };
    let summary = reading::scan_range(file, path, 0, size, ScanOptions { max_findings: 0, ..scanning }, &mut sink)?;
    match sink.failed {
        Some(error) => Err(Error::cannot_write("pass on the records of", path, error)),
        None if sink.stopped => Ok((summary, Flow::Break(()))),
        None => Ok((summary, Flow::Continue(()))),
    }
}

/// Goes through the records of a history, oldest file first. Returns the summaries of the files that were read.
pub fn each_of(
    history: &History,
    scanning: ScanOptions<'_>,
    mut each_record: impl FnMut(Found<'_>) -> io::Result<Flow>,
) -> Result<Vec<Summary>> {
    let mut summaries = Vec::new();
    for member in history.pin()?.members {
        let path = history.folder.join(&member.name);
        let file = member.file.map_err(|reason| {
            Error::new(crate::error::Code::NoInput, format!("{reason}; the history has a hole there"))
        })?;
        let size = member.identity.map_or(0, |identity| identity.size);
        let (summary, flow) = each(&file, &path, size, scanning, &mut each_record)?;
        summaries.push(summary);
        if flow.is_break() {
            break;
        }
    }
    Ok(summaries)
}

/// Goes through the records of what can only be read from its beginning to its end. Lines are held whole: one that is
/// longer than 64 MiB is an error.
pub(crate) fn each_in(input: &mut dyn Read, each: &mut dyn FnMut(&[u8], &Record<'_>)) -> io::Result<Summary> {
    let mut records = Records::default();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => records.push(&buffer[..read], each).map_err(io::Error::other)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(records.finish(each))
}
