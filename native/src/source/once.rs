//! What can be read once only, from its first byte to its last: what is compressed, what comes in a pipe.

use std::io::{self, Read};
use std::path::Path;

use crate::archive::{self, Format};
use crate::error::{Code, Error, Result, show};

/// What comes on standard input or in a pipe, and whether that is compressed.
///
/// # Errors
/// Nothing comes.
pub(crate) fn stream(path: &Path) -> Result<(Option<Format>, impl Read + use<>)> {
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
    Ok((Format::of(&head), io::Cursor::new(head).chain(input)))
}

pub(super) fn unpacked<'a>(format: Option<Format>, input: impl Read + 'a) -> Box<dyn Read + 'a> {
    match format {
        Some(format) => Box::new(archive::unpack(format, input)),
        None => Box::new(input),
    }
}

/// Why what comes in a pipe cannot be worked on, when it has to be a file.
pub(crate) fn refuse_stream(path: &Path, verb: &str) -> Error {
    let mut first = [0];
    let is_empty = path == Path::new("-") && matches!(io::stdin().lock().read(&mut first), Ok(0));
    if is_empty {
        return nothing_came(path);
    }
    Error::new(Code::Usage, format!("cannot {verb} the stream {}: save it to a file first", show(path)))
}

/// A pipe that ended before its first byte: the command that should have filled it failed.
pub(crate) fn nothing_came(path: &Path) -> Error {
    let what = if path == Path::new("-") { "standard input".into() } else { show(path) };
    let text = format!("nothing came on {what}: did the command before it fail? Nothing was read");
    Error::new(Code::NoInput, text)
}
