//! What some bytes look like, told by their content and never by a name.
//!
//! Serves two ends: choosing how to read a file (plain, gzip, zstd, Redis), and telling someone who picked the wrong
//! file what it seems to be. A guess for people, not a verdict: only the scan decides what a log holds. What a Redis
//! file looks like, [`redis::sniff`] knows.

use crate::archive;
use crate::name;
use crate::redis::{self, Format};
use crate::shell::quoted;

/// How many bytes from a file's start [`sniff`] can make use of.
pub const HEAD: usize = 512;

/// The kind of file that the first bytes speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// No bytes at all.
    Empty,
    /// Starts as a line of a Papyra log does, or as a damaged one might: with a `{`, NUL bytes or a blank line.
    Log,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
    /// A Redis or Valkey snapshot.
    Rdb,
    /// A Redis append-only file of commands.
    Aof,
    /// The manifest in a Redis `appendonlydir`.
    AofManifest,
    /// An archive: its name, with its article, and the command that unpacks it.
    Archive(&'static str, &'static str),
    /// Some other well-known format, by name, with its article.
    Other(&'static str),
    /// Readable text without a `{` at its start.
    Text,
    /// None of these.
    Unknown,
}

/// Magic numbers (offset, bytes) of files that end up beside a backup.
const MAGICS: &[(usize, &[u8], FileKind)] = &[
    (0, b"\x89PNG\r\n\x1a\n", FileKind::Other("a PNG picture")),
    (0, b"\xff\xd8\xff", FileKind::Other("a JPEG picture")),
    (0, b"GIF8", FileKind::Other("a GIF picture")),
    (0, b"%PDF-", FileKind::Other("a PDF document")),
    (0, b"PK\x03\x04", FileKind::Archive("a ZIP archive", "unzip")),
    (0, b"7z\xbc\xaf\x27\x1c", FileKind::Archive("a 7-Zip archive", "7z x")),
    (0, b"\xfd7zXZ\0", FileKind::Archive("xz data", "unxz -k")),
    (0, b"BZh", FileKind::Archive("bzip2 data", "bunzip2 -k")),
    (0, b"\x7fELF", FileKind::Other("a Linux program")),
    (0, b"MZ", FileKind::Other("a Windows program")),
    (0, b"SQLite format 3\0", FileKind::Other("an SQLite database")),
    (0, b"PAR1", FileKind::Other("a Parquet table")),
    (0, b"\x00asm", FileKind::Other("a WebAssembly module")),
    (0, b"\xff\xfe", FileKind::Other("UTF-16 text")),
    (0, b"\xfe\xff", FileKind::Other("UTF-16 text")),
    (0, b"\x04\x22\x4d\x18", FileKind::Archive("LZ4 data", "unlz4")),
    (257, b"ustar", TAR),
];

const TAR: FileKind = FileKind::Archive("a tar archive", "tar -xf");

/// Recognises a file by its first bytes, [`HEAD`] of them if it has as many.
pub fn sniff(head: &[u8]) -> FileKind {
    if head.is_empty() {
        return FileKind::Empty;
    }
    match archive::Format::of(head) {
        Some(archive::Format::Gzip) => return FileKind::Gzip,
        Some(archive::Format::Zstd) => return FileKind::Zstd,
        None => {}
    }
    for &(offset, magic, looks) in MAGICS {
        if head.get(offset..).is_some_and(|rest| rest.starts_with(magic)) {
            return looks;
        }
    }
    if is_utf16(head) {
        return FileKind::Other("UTF-16 text");
    }
    if is_sync(head) {
        return FileKind::Other("what a Redis server sends to a replica, an RDB file behind its length");
    }
    match redis::sniff(head) {
        Some(Format::Rdb) => return FileKind::Rdb,
        Some(Format::Aof) => return FileKind::Aof,
        Some(Format::Manifest) => return FileKind::AofManifest,
        // Its mark is at the end.
        Some(Format::Dump) | None => {}
    }
    let text = head.trim_ascii_start();
    match text.first() {
        None | Some(b'{' | 0) => FileKind::Log,
        Some(b'[') => FileKind::Other("a JSON array"),
        Some(b'<') => FileKind::Other("an HTML or XML document"),
        _ if is_text(head) => FileKind::Text,
        _ => FileKind::Unknown,
    }
}

/// Whether these bytes are a length as a server sends it, `$N` and a line end, and the start of an RDB file.
fn is_sync(head: &[u8]) -> bool {
    let Some(rest) = head.strip_prefix(b"$") else { return false };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && rest[digits..].strip_prefix(b"\r\n").is_some_and(|rest| redis::sniff(rest) == Some(Format::Rdb))
}

/// Whether these bytes are text in which every character takes two bytes, as some editors and PowerShell write it: then
/// every second byte is NUL as long as the text is English, which a record's names of fields are. A power cut leaves
/// runs of NUL bytes.
pub(crate) fn is_utf16(bytes: &[u8]) -> bool {
    let is_text = |byte: u8| matches!(byte, 0x20..=0x7e);
    let bytes = bytes.strip_prefix(b"\xff\xfe").or_else(|| bytes.strip_prefix(b"\xfe\xff")).unwrap_or(bytes);
    let pairs = || bytes.chunks_exact(2).take(32);
    let one_way = pairs().all(|pair| is_text(pair[0]) && pair[1] == 0);
    let other_way = pairs().all(|pair| pair[0] == 0 && is_text(pair[1]));
    bytes.len() >= 8 && (one_way || other_way)
}

/// Whether these bytes hold text that only a record of Papyra's would hold.
pub(crate) fn names_a_field(bytes: &[u8]) -> bool {
    FIELDS.iter().any(|field| memchr::memmem::find(bytes, field).is_some())
}

/// As long as the longest of [`FIELDS`].
pub(crate) const LONGEST_FIELD: usize = 23;

/// Fields of records that other formats hardly have, and the kinds. Source: Papyra 0.3.0, `persistence/models.py`.
const FIELDS: [&[u8]; 15] = [
    b"\"system_id\"",
    b"\"actor_address\"",
    b"\"total_actors\"",
    b"\"alive_actors\"",
    b"\"stopping_actors\"",
    b"\"restarting_actors\"",
    b"\"registry_orphans\"",
    b"\"registry_dead\"",
    b"\"dead_letters_count\"",
    b"\"kind\": \"event\"",
    b"\"kind\": \"audit\"",
    b"\"kind\": \"dead_letter\"",
    b"\"kind\":\"event\"",
    b"\"kind\":\"audit\"",
    b"\"kind\":\"dead_letter\"",
];

impl FileKind {
    /// Whether it is an archive that has to be unpacked before anything in it can be read.
    pub fn is_archive(self) -> bool {
        matches!(self, Self::Archive(..))
    }

    /// What a compressed file is whose content looks so.
    pub fn packed(self, format: archive::Format) -> FileKind {
        match (self, format) {
            (TAR, archive::Format::Gzip) => Self::Archive("a tar archive, compressed with gzip", "tar -xzf"),
            (TAR, archive::Format::Zstd) => Self::Archive("a tar archive, compressed with zstd", "tar --zstd -xf"),
            (_, archive::Format::Gzip) => Self::Archive("an archive, compressed with gzip", "gunzip -k"),
            (_, archive::Format::Zstd) => Self::Archive("an archive, compressed with zstd", "unzstd"),
        }
    }

    /// What is said of a file called `name` that was passed over: what it is, and how to read what is in it.
    pub fn passed_over(self, name: &str) -> String {
        match self {
            Self::Archive(what, command) => format!("{what}; unpack it with: {command} {}", quoted(&name::bytes(name))),
            Self::Log => "nothing at its start looks like a record".into(),
            other => other.describe().into(),
        }
    }

    /// In words that follow "this looks like".
    pub fn describe(self) -> &'static str {
        match self {
            Self::Empty => "an empty file",
            Self::Log => "a Papyra log",
            Self::Gzip => "a gzip archive",
            Self::Zstd => "a zstd archive",
            Self::Rdb => "a Redis snapshot (RDB)",
            Self::Aof => "a Redis append-only file",
            Self::AofManifest => "the manifest of a Redis append-only folder",
            Self::Archive(name, _) | Self::Other(name) => name,
            Self::Text => "some other text",
            Self::Unknown => "binary data",
        }
    }
}

/// No control characters but white space; a character cut at the end is no matter.
fn is_text(head: &[u8]) -> bool {
    let valid = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    valid && !head.iter().any(|&byte| byte < 0x20 && !byte.is_ascii_whitespace() && byte != 0x1b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_content() {
        for (head, looks) in [
            (&b""[..], FileKind::Empty),
            (b"{\"kind\": \"event\"}\n", FileKind::Log),
            (b"\n{\"kind\": \"event\"}\n", FileKind::Log),
            (b"\0\0\0\0", FileKind::Log),
            (b"\x1f\x8b\x08\0", FileKind::Gzip),
            (b"\x28\xb5\x2f\xfd\0", FileKind::Zstd),
            (b"REDIS0011\xfa", FileKind::Rdb),
            (b"VALKEY080\xfa", FileKind::Rdb),
            (b"*3\r\n$3\r\nSET\r\n", FileKind::Aof),
            (b"file appendonly.aof.1.base.rdb seq 1 type b\n", FileKind::AofManifest),
            (b"\x89PNG\r\n\x1a\n\0\0", FileKind::Other("a PNG picture")),
            (b"<!doctype html>", FileKind::Other("an HTML or XML document")),
            (b"2026-01-01 12:00:00 INFO started \xc3", FileKind::Text),
            (b"\x07\xc0\x12\x99", FileKind::Unknown),
            (b"{\0\"\0k\0i\0n\0", FileKind::Other("UTF-16 text")),
            (b"\0{\0\"\0k\0i\0n", FileKind::Other("UTF-16 text")),
            (b"{\"k\0i\0\0\0\0\0\0\0", FileKind::Log),
        ] {
            assert_eq!(sniff(head), looks, "{head:?}");
        }
    }

    #[test]
    fn no_prefix_of_anything_panics() {
        let tar = [&[b'x'; 257][..], b"ustar\0"].concat();
        assert_eq!(sniff(&tar), TAR);
        for end in 0..tar.len() {
            sniff(&tar[..end]);
        }
    }
}
