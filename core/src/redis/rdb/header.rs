//! What an RDB file says of itself, and what reading one comes to: the plain types around the reader.
//!
//! `REDIS` and four digits, or `VALKEY` and three (redis and valkey `rdb.c`). Reading the rest is `reader`'s affair.

use serde::Serialize;

use super::cursor::{Cursor, Read};
use crate::redis::error::{ErrorKind, Problem};
use crate::redis::stream::id::decimal;

/// Who wrote the file: type codes from 22 on and opcode 243 mean different things.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Vendor {
    /// Magic `REDIS`: Redis, and Valkey before 9.0.
    Redis,
    /// Magic `VALKEY`: Valkey from 9.0 on.
    Valkey,
}

/// What an RDB file says of itself first.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Header {
    /// By the magic.
    pub vendor: Vendor,
    /// The format version.
    pub version: u32,
}

/// The versions of `REDIS` files that are read: up to Redis 8.10.
pub const REDIS_VERSIONS: std::ops::RangeInclusive<u32> = 1..=15;
/// The versions of `VALKEY` files that are read: 9.0 and 9.2.
pub const VALKEY_VERSIONS: std::ops::RangeInclusive<u32> = 80..=81;

/// What a reader may keep in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of one unit (a stream node, a name), compressed and expanded. A larger one ends the reading with
    /// [`ErrorKind::TooLarge`].
    pub unit: u64,
    /// The most pending entries and consumers of one group that are listed and checked by name; above it they are
    /// counted and compared as a whole.
    pub listed: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { unit: 256 << 20, listed: 500_000 }
    }
}

/// What the checksum says.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Checksum {
    /// It is there and holds.
    Verified,
    /// It is there and does not hold.
    Mismatch,
    /// The server was told not to compute one, or the version has none.
    NotChecksummed,
    /// The reading did not come to it.
    NotReached,
}

/// What is known when the bytes have ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RdbSummary {
    /// The header; for a DUMP payload the version comes from its end.
    pub header: Option<Header>,
    /// What the checksum says.
    pub checksum: Checksum,
    /// Bytes that were pushed.
    pub bytes: u64,
    /// Where the backup ended, in bytes from its start, if its end was reached; an old append-only file goes on from
    /// there.
    pub end: Option<u64>,
    /// Keys of any type.
    pub keys: u64,
    /// Streams among them.
    pub streams: u64,
    /// Where the bytes could not be followed any more.
    pub lost_at: Option<u64>,
    /// The key that was read last, by the offset of its type code: where to look on from when the bytes were lost in
    /// it, since a damaged length may have swallowed what follows.
    pub last_key: Option<u64>,
}

/// Reads the nine bytes that an RDB file begins with.
pub(crate) fn header(cur: &mut Cursor<'_>) -> Read<Header> {
    let seen = cur.left().min(9);
    let bytes = cur.clone().take(seen)?;
    let vendor = [(&b"REDIS"[..], Vendor::Redis), (&b"VALKEY"[..], Vendor::Valkey)]
        .into_iter()
        .find(|(magic, _)| magic.iter().zip(bytes).all(|(a, b)| a == b));
    let Some((magic, vendor)) = vendor else {
        return Err(Problem::unknown(ErrorKind::NotRecognised, "neither REDIS nor VALKEY stands at the start").into());
    };
    let bytes = cur.take(9)?;
    let Some(version) = decimal(&bytes[magic.len()..]).and_then(|version| u32::try_from(version).ok()) else {
        return Err(Problem::unknown(ErrorKind::NotRecognised, "the version is not a number").into());
    };
    Ok(known(vendor, version)?)
}

/// The header, if the version is one that is read.
pub(crate) fn known(vendor: Vendor, version: u32) -> Result<Header, Problem> {
    let (name, versions) = match vendor {
        Vendor::Redis => ("Redis", REDIS_VERSIONS),
        Vendor::Valkey => ("Valkey", VALKEY_VERSIONS),
    };
    if versions.contains(&version) {
        return Ok(Header { vendor, version });
    }
    let text = format!(
        "version {version} of the {name} format is not known (known: {} to {})",
        versions.start(),
        versions.end()
    );
    Err(Problem::unknown(ErrorKind::UnknownVersion(u64::from(version)), text))
}
