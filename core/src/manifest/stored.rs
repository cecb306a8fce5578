//! What a manifest says of one file of a backup.

use serde::{Deserialize, Serialize};

/// How files are stored.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// As they are.
    #[default]
    None,
    /// As gzip data, `.gz` added to the name.
    Gzip,
    /// As zstd data, `.zst` added to the name.
    Zstd,
}

impl Compression {
    /// The format's name.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        }
    }

    /// What is added to a stored file's name.
    pub fn suffix(self) -> &'static str {
        match self {
            Compression::None => "",
            Compression::Gzip => ".gz",
            Compression::Zstd => ".zst",
        }
    }
}

/// What a file of a backup is.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Lines, which were scanned.
    Log,
    /// A log that was gzip or zstd data already; what it unpacks to was scanned.
    Archive,
    /// The DUMP payload of one stream.
    Dump,
    /// An RDB file: all that a server held.
    Rdb,
    /// Kept along with the others, and not scanned.
    Other,
}

/// One file of a backup.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// Its path in the source's folder.
    pub path: String,
    /// Its path in the backup's.
    pub stored: String,
    /// What it is.
    pub content: Content,
    /// How it is stored.
    pub compression: Compression,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of these bytes.
    pub sha256: String,
    /// Checksums of the stretches of these bytes, which tell where a damaged file is damaged.
    pub blocks: Blocks,
    /// Size in bytes of the stored file.
    pub stored_bytes: u64,
    /// SHA-256 of the stored file.
    pub stored_sha256: String,
    /// Permission bits.
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// Modification time, nanoseconds since 1970.
    pub modified_ns: i64,
    /// The file that was read.
    pub source: Origin,
}

/// CRC-32 (IEEE) of each stretch of a file.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocks {
    /// A stretch's length in bytes; the last one may be shorter.
    pub bytes: u64,
    /// Eight hexadecimal digits a stretch, in order.
    pub crc32: String,
}

impl Blocks {
    /// The checksum of stretch number `index`, from 0.
    pub fn get(&self, index: usize) -> Option<u32> {
        let digits = self.crc32.get(index.checked_mul(8)?..index.checked_mul(8)?.checked_add(8)?)?;
        u32::from_str_radix(digits, 16).ok()
    }
}

/// The file that a stored one was read from.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// When content or inode were changed last (`ctime`), nanoseconds since 1970; unknown of what is no file, and in
    /// older backups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_ns: Option<i64>,
    /// 0 for a log, N for `NAME.N`.
    pub index: u32,
    /// The size that was seen first, in bytes.
    pub seen_bytes: u64,
    /// The offset at which the copy ends, when the file grew meanwhile: a record's end.
    pub cut: Option<u64>,
}
