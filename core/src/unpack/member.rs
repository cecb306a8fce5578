//! A file in an archive, whoever is told of it, and why no more of them can be had.

use std::ops::Range;

use crate::archive::Broken;

/// A file in an archive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Member {
    /// Its path as it stands in the archive, without a `./` at the front. Not to be trusted: it may hold anything.
    pub path: String,
    /// Its size in bytes, where the archive says so before the bytes.
    pub size: Option<u64>,
    /// Where its bytes lie in the archive, when they lie there as they are.
    pub place: Option<Range<u64>>,
}

/// Why the files of an archive could not be told to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Unpacking failed below the container.
    Packed(Broken),
    /// It ends before its end mark, at this byte of the container.
    CutShort(u64),
    /// What stands at this byte of the container is not what the format has there.
    Damaged(u64),
    /// From this byte on it uses something that is not read here.
    Beyond(u64, &'static str),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Packed(broken) => broken.fmt(f),
            Fault::CutShort(at) => write!(f, "it ends too early, at byte {at}"),
            Fault::Damaged(at) => write!(f, "it is damaged at byte {at}"),
            Fault::Beyond(at, what) => write!(f, "from byte {at} on it has {what}, which is not read here"),
        }
    }
}

impl std::error::Error for Fault {}

/// Is told of the files, in the archive's order.
pub trait Visit {
    /// A file begins.
    fn begin(&mut self, member: Member);
    /// The next bytes of the file that has begun.
    fn bytes(&mut self, bytes: &[u8]);
    /// The file has ended; `intact` is false where its own checksum says otherwise.
    fn end(&mut self, intact: bool);
    /// Something that is no file whose bytes could be read, and what it is.
    fn other(&mut self, path: &str, what: &'static str);
}

/// The path of a member as reports give it: without what only says "here".
pub(super) fn path_of(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let mut path = &*text;
    while let Some(rest) = path.strip_prefix("./") {
        path = rest.trim_start_matches('/');
    }
    path.to_owned()
}
