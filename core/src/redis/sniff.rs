//! What a file is, by its content.

use super::aof::reader::AofReader;
use super::rdb::crc::Crc64;
use super::rdb::header::{REDIS_VERSIONS, VALKEY_VERSIONS};

/// The Redis formats that a file may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// An RDB file, or an append-only file that begins with one: which of the two shows at the end of the RDB part.
    Rdb,
    /// An append-only file of commands.
    Aof,
    /// The manifest of an append-only folder.
    Manifest,
    /// A DUMP payload.
    Dump,
}

/// Bytes of the start that are enough.
pub const SNIFF_START: usize = 512;
/// Bytes of the end that are enough.
pub const SNIFF_END: usize = 10;

/// Tells the format from the first [`SNIFF_START`] bytes; a DUMP payload has no mark there, see [`is_dump`].
pub fn sniff(start: &[u8]) -> Option<Format> {
    if start.starts_with(b"REDIS") || start.starts_with(b"VALKEY") {
        return Some(Format::Rdb);
    }
    if AofReader::recognises(start) {
        return Some(Format::Aof);
    }
    let mut lines = start.split(|&byte| byte == b'\n').skip_while(|line| line.first() == Some(&b'#'));
    let line = lines.next()?.to_ascii_lowercase();
    let is_file = line.starts_with(b"file ") && line.windows(5).any(|word| word == b" seq ");
    is_file.then_some(Format::Manifest)
}

/// Could a file with this first byte and these last [`SNIFF_END`] bytes be a DUMP payload? The type and the version are
/// looked at, which a log of text cannot have; whether the checksum holds, reading it will tell.
pub fn is_dump(first: u8, end: &[u8]) -> bool {
    let Some([low, high, ..]) = end.last_chunk::<SNIFF_END>() else { return false };
    let version = u32::from(u16::from_le_bytes([*low, *high]));
    (first < 64 && !first.is_ascii_whitespace() || first == 243)
        && (REDIS_VERSIONS.contains(&version) || VALKEY_VERSIONS.contains(&version))
}

/// What the two ends of a file say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seems {
    /// A Redis file.
    Is(Format),
    /// A DUMP payload, if [`is_whole_dump`] says so of all its bytes.
    IfWhole,
    /// No Redis file.
    Other,
}

/// A manifest, or a payload among other files, is looked at whole up to this many bytes.
const SMALL: u64 = 64 << 20;

impl Seems {
    /// Tells by the first [`SNIFF_START`] and the last [`SNIFF_END`] bytes of a file that was meant by itself, or else
    /// lies among others: there, only a name that ends with `.dump` lets a payload pass whose checksum does not hold.
    pub fn of(name: &str, start: &[u8], end: &[u8], size: u64, meant: bool) -> Self {
        match sniff(start) {
            Some(Format::Manifest) if size > SMALL => Self::Other,
            Some(format) => Self::Is(format),
            // What a full disk leaves.
            None if size == 0 && name.ends_with(".rdb") => Self::Is(Format::Rdb),
            None if size == 0 && name.ends_with(".dump") => Self::Is(Format::Dump),
            None if !start.first().is_some_and(|&first| is_dump(first, end)) => Self::Other,
            None if meant || name.ends_with(".dump") => Self::Is(Format::Dump),
            None if size <= SMALL => Self::IfWhole,
            None => Self::Other,
        }
    }
}

/// The key that a payload's file is named after.
pub fn key_of(name: &str) -> &[u8] {
    name.strip_suffix(".dump").unwrap_or(name).as_bytes()
}

/// Is this, whole, a DUMP payload with a checksum that holds?
pub fn is_whole_dump(bytes: &[u8]) -> bool {
    let Some((rest, crc)) = bytes.split_last_chunk::<8>() else { return false };
    let mut own = Crc64::new();
    own.update(rest);
    rest.first().is_some_and(|&first| is_dump(first, bytes)) && own.value() == u64::from_le_bytes(*crc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_content() {
        assert_eq!(sniff(b"REDIS0011\xfa"), Some(Format::Rdb));
        assert_eq!(sniff(b"VALKEY080"), Some(Format::Rdb));
        assert_eq!(sniff(b"*2\r\n$6\r\nSELECT"), Some(Format::Aof));
        assert_eq!(sniff(b"#TS:1\r\n*2"), Some(Format::Aof));
        assert_eq!(sniff(b"# a\nfile x seq 1 type b\n"), Some(Format::Manifest));
        for other in [&b"{\"kind\": 1}\n"[..], b"", b"*not", b"file", b"file not found\n", b"\x1f\x8b"] {
            assert_eq!(sniff(other), None, "{other:?}");
        }
    }

    #[test]
    fn payloads() {
        // DUMP of the string "a" by Redis 7.0.
        let mut bytes = vec![0, 1, b'a', 10, 0];
        let mut crc = Crc64::new();
        crc.update(&bytes);
        bytes.extend(crc.value().to_le_bytes());
        assert!(is_whole_dump(&bytes));
        bytes[2] = b'b';
        assert!(!is_whole_dump(&bytes) && is_dump(bytes[0], &bytes));
        assert!(!is_dump(b'{', b"\"x\": 1234567890}\n"));
    }
}
