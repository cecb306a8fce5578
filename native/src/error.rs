//! Errors, and the exit code each of them means.
//!
//! An error says what happened, to which file, and what to do next. A finding is never an error.

use std::fmt;
use std::io;
use std::path::Path;

use papyra_core::escape::escape;

use crate::disk::Shortened;
use crate::setting::Setting;

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

impl Code {
    /// The code's name, for scripts.
    pub fn name(self) -> &'static str {
        match self {
            Code::Usage => "usage",
            Code::Data => "data",
            Code::NoInput => "no_input",
            Code::Unavailable => "unavailable",
            Code::CannotCreate => "cannot_create",
            Code::Io => "io",
            Code::TryAgain => "try_again",
            Code::Config => "config",
        }
    }
}

/// What went wrong, for people, and the code for scripts.
#[derive(Debug)]
pub struct Error {
    /// The process's exit code.
    pub code: Code,
    message: String,
    path: Option<String>,
    advice: Option<String>,
    settings: &'static [Setting],
}

/// What the fallible functions of this crate return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error with a message of its own.
    pub fn new(code: Code, message: impl Into<String>) -> Error {
        Error { code, message: message.into(), path: None, advice: None, settings: &[] }
    }

    /// An error about `path`: what failed, why, and what to do.
    fn about(code: Code, path: &Path, message: String, advice: &str) -> Error {
        Error { path: Some(show(path)), advice: Some(advice.into()), ..Error::new(code, message) }
    }

    /// Another process has a lease on the file: a recovery of ours, or a file server, is at work on it.
    fn leased(path: &Path, error: &io::Error) -> Option<Error> {
        let text = || format!("another process has a lease on {} and is at work on it: try again", show(path));
        (error.kind() == io::ErrorKind::WouldBlock).then(|| Error::new(Code::TryAgain, text()))
    }

    /// The input at `path` cannot be opened.
    pub fn cannot_open(path: &Path, error: impl Into<io::Error>) -> Error {
        let error = error.into();
        if let Some(leased) = Error::leased(path, &error) {
            return leased;
        }
        let advice = match error.kind() {
            io::ErrorKind::NotFound => "check the path: nothing was read",
            io::ErrorKind::PermissionDenied => "run as a user who may read it",
            _ => "nothing was read",
        };
        Error::about(Code::NoInput, path, format!("cannot open {}: {}", show(path), reason(&error)), advice)
    }

    /// Reading `path` failed at byte `offset`. That somebody has cut it meanwhile is a reason to try again.
    pub fn cannot_read(path: &Path, offset: u64, error: &io::Error) -> Error {
        if Shortened::is_reason(error) {
            let text = format!("{} became shorter while it was read: try again", show(path));
            return Error::new(Code::TryAgain, text);
        }
        let message = format!("reading {} failed at byte {offset}: {}", show(path), reason(error));
        Error { path: Some(show(path)), ..Error::new(Code::Io, message) }
    }

    /// Creating or changing something at `path` failed; the log is as it was.
    pub fn cannot_create(what: &str, path: &Path, error: impl Into<io::Error>) -> Error {
        let error = error.into();
        if let Some(leased) = Error::leased(path, &error) {
            return leased;
        }
        let message = format!("cannot {what} {}: {}", show(path), reason(&error));
        Error::about(Code::CannotCreate, path, message, advice(&error))
    }

    /// Writing to `path` failed midway; or what was copied there was cut meanwhile.
    pub fn cannot_write(what: &str, path: &Path, error: impl Into<io::Error>) -> Error {
        let error = error.into();
        if Shortened::is_reason(&error) {
            return Error::new(Code::TryAgain, format!("cannot {what} {}: {error}: try again", show(path)));
        }
        if let Some(leased) = Error::leased(path, &error) {
            return leased;
        }
        let message = format!("cannot {what} {}: {}", show(path), reason(&error));
        Error::about(Code::Io, path, message, advice(&error))
    }

    /// Appends advice.
    #[must_use]
    pub fn and(mut self, more: &str) -> Error {
        self.advice = Some(match self.advice {
            Some(advice) => format!("{advice}; {more}"),
            None => more.into(),
        });
        self
    }

    /// Names what the caller may set to have it otherwise.
    #[must_use]
    pub(crate) fn decided_by(self, settings: &'static [Setting]) -> Error {
        Error { settings, ..self }
    }

    /// What the caller may set to have it otherwise.
    pub fn settings(&self) -> &'static [Setting] {
        self.settings
    }

    /// What happened.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do next, where the message does not say it.
    pub fn advice(&self) -> Option<&str> {
        self.advice.as_deref()
    }

    /// The file or folder that it is about, with unprintable characters escaped; none when there is none, or when only
    /// the message names it.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.advice.iter().try_for_each(|advice| write!(f, "; {advice}"))
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
        // Unlike EACCES, it is not about permission bits.
        _ if error.raw_os_error() == Some(libc::EPERM) => {
            "permission bits are not the reason: the file or its folder may have the immutable or append-only \
             attribute (lsattr shows it, chattr -i or -a removes it), or belong to somebody else"
        }
        io::ErrorKind::StorageFull => "free some space and try again",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "the folder must be writable",
        _ => "solve that, then try again",
    }
}

/// The system's words without Rust's "(os error N)".
pub(crate) fn reason(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::NotFound {
        return "no such file or folder".into();
    }
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}
