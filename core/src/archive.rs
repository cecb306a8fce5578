//! Compressed logs: which format the first bytes announce, and what is said when one cannot be unpacked completely.
//! Unpacking is for whoever has the bytes.

use std::fmt;

use crate::finding::{AnomalyType, Finding, Reason};

/// A compression format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// gzip (RFC 1952), any number of members.
    Gzip,
    /// zstd (RFC 8878), any number of frames, skippable ones among them.
    Zstd,
}

impl Format {
    /// How many first bytes tell the format.
    pub const HEAD: usize = 4;

    /// The format's name.
    pub fn name(self) -> &'static str {
        match self {
            Format::Gzip => "gzip",
            Format::Zstd => "zstd",
        }
    }

    /// The format that these first bytes of a file announce.
    pub fn of(head: &[u8]) -> Option<Format> {
        match head {
            // 8 is the only method there is (RFC 1952, 2.3.1).
            [0x1f, 0x8b, 0x08, ..] => Some(Format::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Format::Zstd),
            // A skippable frame may come first (RFC 8878, 3.1.2).
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Format::Zstd),
            _ => None,
        }
    }
}

/// The ends that compressing tools give a name, those of formats that are not read here among them.
const SUFFIXES: [&str; 11] = [".gz", ".zst", ".xz", ".bz2", ".lz4", ".lzma", ".lzo", ".Z", ".br", ".zip", ".7z"];

/// The name that a file had before it was compressed, by its end alone.
pub fn without_suffix(name: &str) -> Option<&str> {
    SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix))
}

/// Why compressed data could not be unpacked to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// It ends in the middle, after this many bytes of its own.
    CutShort(u64),
    /// A header, a block or a checksum does not hold.
    Damaged,
    /// A zstd frame asks its reader to remember more bytes than it is given.
    Window {
        /// What the frame asks for.
        asked: u64,
        /// What it is given.
        most: u64,
    },
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::CutShort(at) => write!(f, "it ends too early, at its own byte {at}"),
            Broken::Damaged => f.write_str("it is damaged there"),
            Broken::Window { asked, most } => {
                write!(f, "it asks for a window of {asked} bytes, and {most} is the most that is given")
            }
        }
    }
}

impl std::error::Error for Broken {}

/// The finding on compressed data of which `bytes` bytes of content came out. `why` is a [`Broken`], or what kept the
/// bytes from being read.
pub fn finding(format: Format, bytes: u64, why: &dyn fmt::Display) -> Finding {
    let why = crate::escape::escape(why.to_string().as_bytes());
    let detail = format!("the {} data cannot be unpacked past byte {bytes} of its content: {why}", format.name());
    Finding::of_file(AnomalyType::PartialWrite, Reason::DamagedArchive, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_told_by_its_first_bytes() {
        assert_eq!(Format::of(b"\x1f\x8b\x08\0"), Some(Format::Gzip));
        assert_eq!(Format::of(b"\x28\xb5\x2f\xfd\0"), Some(Format::Zstd));
        assert_eq!(Format::of(b"\x5a\x2a\x4d\x18\0"), Some(Format::Zstd));
        for other in [&b""[..], b"\x1f\x8b", b"\x1f\x8b\x07\0", b"\x60\x2a\x4d\x18", b"{\"ki"] {
            assert_eq!(Format::of(other), None, "{other:?}");
        }
    }
}
