//! What can be read once only, from its first byte to its last: what is compressed, what comes in a pipe.

use std::io::{self, Read};
use std::path::Path;

use papyra_core::name;
use papyra_core::redis::Scope;
use papyra_core::report::{FileReport, Role};

use crate::archive::{self, Format};
use crate::disk::{self, name_of};
use crate::error::{Code, Error, Result, show};
use crate::offline::packed::{self, Holds};
use crate::reading::{self, ScanOptions};

/// What is compressed, or comes in a pipe, before its first byte is read.
pub(super) struct Once<'a> {
    path: &'a Path,
    /// Its name in reports.
    name: String,
    format: Option<Format>,
    input: Box<dyn Read>,
}

impl<'a> Once<'a> {
    /// What is compressed.
    pub(super) fn packed(path: &'a Path, format: Format) -> Result<Once<'a>> {
        let file = disk::open(path).map_err(|error| Error::cannot_open(path, error))?;
        Ok(Once { path, name: name_of(path).unwrap_or_default(), format: Some(format), input: Box::new(file) })
    }

    /// What comes on standard input or in a pipe. It may be compressed.
    ///
    /// # Errors
    /// Nothing comes.
    pub(super) fn pipe(path: &'a Path) -> Result<Once<'a>> {
        let mut input: Box<dyn Read> = if path == Path::new("-") {
            Box::new(io::stdin().lock())
        } else {
            Box::new(std::fs::File::open(path).map_err(|error| Error::cannot_open(path, error))?)
        };
        // A pipe gives as little at a time as it likes.
        let mut head = Vec::new();
        let most = Format::HEAD as u64;
        input.by_ref().take(most).read_to_end(&mut head).map_err(|error| Error::cannot_read(path, 0, &error))?;
        if head.is_empty() {
            return Err(nothing_came(path));
        }
        let (name, format) = (name::text(path.as_os_str().as_encoded_bytes()), Format::of(&head));
        Ok(Once { path, name, format, input: Box::new(io::Cursor::new(head).chain(input)) })
    }

    /// Its content, and whether that is a dump.
    pub(super) fn holds(self) -> Result<Holds<Box<dyn Read>>> {
        packed::peek(self.path, archive::content(self.format, self.input))
    }

    /// Scans it.
    pub(super) fn scan(self, scope: &dyn Fn() -> Result<Scope>, scanning: ScanOptions<'_>) -> Result<FileReport> {
        let (path, name, format) = (self.path, self.name.clone(), self.format);
        let input = match self.holds()? {
            Holds::Dump(input) => return packed::scan(path, &name, input, &scope()?, scanning),
            Holds::Other(input) => input,
        };
        let (summary, ended) = reading::scan_stream(input, scanning, &mut ());
        if let Some(format) = format {
            return Ok(archive::report(name, format, summary, ended));
        }
        ended.map_err(|error| Error::cannot_read(path, summary.bytes, &error))?;
        Ok(FileReport::new(name, Role::Active, 0, summary))
    }
}

/// Why what comes in a pipe cannot be worked on.
pub(super) fn refuse_pipe(path: &Path, verb: &str) -> Error {
    let mut first = [0];
    let is_empty = path == Path::new("-") && matches!(io::stdin().lock().read(&mut first), Ok(0));
    if is_empty {
        return nothing_came(path);
    }
    Error::new(Code::Usage, format!("cannot {verb} the stream {}: save it to a file first", show(path)))
}

/// A pipe that ended before its first byte: the command that should have filled it failed.
fn nothing_came(path: &Path) -> Error {
    let what = if path == Path::new("-") { "standard input".into() } else { show(path) };
    let text = format!("nothing came on {what}: did the command before it fail? Nothing was read");
    Error::new(Code::NoInput, text)
}
