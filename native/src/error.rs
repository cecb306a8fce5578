//! Errors, and the exit code each of them means.
//!
//! An error says what happened, to which file, and what to do next. A finding is never an error.

use std::fmt;
use std::io;
use std::path::Path;

use papyra_core::escape::escape;

/// A sysexits-style exit code. The codes 1 to 3 are verdicts and belong to the verbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// Wrong usage.
    Usage = 64,
    /// The input is not what it claims to be.
    Data = 65,
    /// The input does not exist or cannot be read.
    NoInput = 66,
    /// Redis or the object store cannot be reached, or refuses.
    Unavailable = 69,
    /// The output exists already or cannot be created.
    CannotCreate = 73,
    /// Reading or writing failed midway.
    Io = 74,
    /// Somebody else holds the lock, or the source changed meanwhile: try again.
    TryAgain = 75,
    /// Wrong configuration.
    Config = 78,
}

/// What went wrong, for people, and the code for scripts.
#[derive(Debug)]
pub struct Error {
    /// The process's exit code.
    pub code: Code,
    message: String,
}

/// What the fallible functions of this crate return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error with a message of its own.
    pub fn new(code: Code, message: impl Into<String>) -> Error {
        Error { code, message: message.into() }
    }

    /// The input at `path` cannot be opened.
    pub fn cannot_open(path: &Path, error: impl Into<io::Error>) -> Error {
        let error = error.into();
        let advice = match error.kind() {
            io::ErrorKind::NotFound => "check the path: nothing was looked at",
            io::ErrorKind::PermissionDenied => "run as a user who may read it",
            _ => "nothing was looked at",
        };
        Error::new(Code::NoInput, format!("cannot open {}: {}; {advice}", show(path), reason(&error)))
    }

    /// Reading `path` failed at byte `offset`.
    pub fn cannot_read(path: &Path, offset: u64, error: &io::Error) -> Error {
        Error::new(Code::Io, format!("reading {} failed at byte {offset}: {}", show(path), reason(error)))
    }

    /// Creating or changing something at `path` failed; the log is as it was.
    pub fn cannot_create(what: &str, path: &Path, error: impl Into<io::Error>) -> Error {
        let error = error.into();
        let text = format!("cannot {what} {}: {}; {}", show(path), reason(&error), advice(&error));
        Error::new(Code::CannotCreate, text)
    }

    /// Writing to `path` failed midway.
    pub fn cannot_write(what: &str, path: &Path, error: impl Into<io::Error>) -> Error {
        let error = error.into();
        Error::new(Code::Io, format!("cannot {what} {}: {}; {}", show(path), reason(&error), advice(&error)))
    }

    /// The same error with more said.
    #[must_use]
    pub fn and(mut self, more: &str) -> Error {
        self.message.push_str("; ");
        self.message.push_str(more);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// A path, safe to print.
pub fn show(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}

/// What to do about a write that failed.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull => "free some space and try again",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "the folder must be writable",
        _ => "try again once that is mended",
    }
}

/// The system's words without Rust's "(os error N)".
fn reason(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::NotFound {
        return "no such file or folder".into();
    }
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}
