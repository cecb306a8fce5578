//! Scanning a file that may be growing.

use std::io;
use std::path::Path;

use papyra_core::finding::{AnomalyType, Finding};
use papyra_core::scan::{Flow, Sink};
use papyra_core::summary::Summary;

use super::{ScanOptions, scan_file, scan_range};
use crate::disk::File;
use crate::error::{Code, Error, Result, show};

/// How often a tail that is being written is looked at again.
const TRIES: usize = 10;

/// Scans a file that may be growing. A torn tail counts as torn only when the file has not grown since.
pub(crate) fn scan_settled(file: &File, path: &Path, scanning: ScanOptions<'_>) -> Result<Summary> {
    let size = || file.size().map_err(|error| Error::cannot_read(path, 0, &error));
    let mut until = size()?;
    let mut tries = 0;
    loop {
        let summary = scan_file(file, path, until, scanning)?;
        let now = size()?;
        if summary.bytes < until || now < until {
            let text = format!("{} became shorter while it was read: try again", show(path));
            return Err(Error::new(Code::TryAgain, text));
        }
        if now == until
            || !ends_without_newline(file, until).map_err(|error| Error::cannot_read(path, until, &error))?
        {
            return Ok(summary);
        }
        until = now;
        tries += 1;
        if tries == TRIES {
            // It never holds still: the line under way is the writer's, and not looked at.
            let mut tail = Tail::default();
            scan_range(file, path, 0, until, ScanOptions { max_findings: 0, ..scanning }, &mut tail)?;
            return scan_file(file, path, tail.start.unwrap_or(until), scanning);
        }
    }
}

/// Whether the byte before offset `size` ends no line.
pub(crate) fn ends_without_newline(file: &File, size: u64) -> io::Result<bool> {
    let mut last = [0];
    if size == 0 || file.read_at(&mut last, size - 1)? == 0 {
        return Ok(false);
    }
    Ok(!matches!(last[0], b'\n' | b'\r'))
}

/// Where the line without a newline begins.
#[derive(Default)]
struct Tail {
    start: Option<u64>,
}

impl Sink for Tail {
    fn finding(&mut self, finding: &Finding) -> Flow {
        self.start = finding.offset.filter(|_| finding.kind == AnomalyType::TruncatedLine);
        Flow::Continue(())
    }
}
