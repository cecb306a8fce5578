//! Why a backup could not be looked into, as opposed to what is wrong with it.
//!
//! The rule: damage is a [`BackupFinding`](super::BackupFinding), an [`Error`] is a limit of this reader. A file whose
//! checksum holds is intact, so bytes in it that make no sense to us are our shortcoming and become an error; the same
//! bytes under a checksum that does not hold are damage.

use std::fmt;

/// What a reader did not understand, in which part, before anyone judged whether that is damage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: ErrorKind,
    pub(crate) detail: String,
}

impl Problem {
    /// Bytes that do not follow the format.
    pub(crate) fn structure(detail: impl Into<String>) -> Self {
        Self { kind: ErrorKind::NotUnderstood, detail: detail.into() }
    }

    pub(crate) fn unknown(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

/// The kinds of [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The bytes do not begin as the format does.
    NotRecognised,
    /// A format version that this reader does not know.
    UnknownVersion(u64),
    /// A value type or opcode that this reader does not know.
    UnknownType(u8),
    /// One unit is larger than the caller's limit on memory, in bytes.
    TooLarge(u64),
    /// The checksum holds, yet the structure does not parse.
    NotUnderstood,
}

/// A backup could not be looked into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    offset: u64,
    detail: String,
}

impl ErrorKind {
    /// What someone who was told of it can do.
    pub fn advice(self) -> &'static str {
        match self {
            Self::UnknownVersion(_) | Self::UnknownType(_) => {
                "this papyra does not know it, a later one may; nothing was changed"
            }
            Self::NotUnderstood => "the file is intact, but papyra cannot read it: please report this",
            Self::TooLarge(_) => "it is larger than papyra holds in memory; nothing was changed",
            Self::NotRecognised => "check the path: this is not a Redis backup that papyra knows",
        }
    }
}

impl Error {
    pub(crate) fn new(offset: u64, problem: Problem) -> Self {
        Self { kind: problem.kind, offset, detail: problem.detail }
    }

    /// What stood in the way, with the number that was not known.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Where, in bytes from the start of the file.
    pub fn offset(&self) -> u64 {
        self.offset
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ErrorKind::NotUnderstood => {
                write!(f, "not understood at offset {}, though the checksum holds: {}", self.offset, self.detail)
            }
            _ => write!(f, "at offset {}: {}", self.offset, self.detail),
        }
    }
}

impl std::error::Error for Error {}
