//! Stream entry IDs: a millisecond part and a sequence part.
//!
//! Nothing here knows where an ID was found; the readers do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A stream entry ID, ordered as Redis orders it. Printed and serialised as `ms-seq`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StreamId {
    /// Milliseconds, usually of the Unix epoch; an XADD may set any number.
    pub ms: u64,
    /// The sequence within the millisecond.
    pub seq: u64,
}

impl StreamId {
    /// `0-0`, which no entry can have.
    pub const MIN: Self = Self { ms: 0, seq: 0 };
    /// The greatest ID there is.
    pub const MAX: Self = Self { ms: u64::MAX, seq: u64::MAX };

    /// An ID of its two parts.
    pub const fn new(ms: u64, seq: u64) -> Self {
        Self { ms, seq }
    }

    /// The 16 raw bytes that radix tree keys and pending entries hold: both parts big-endian.
    pub fn from_be_bytes(raw: [u8; 16]) -> Self {
        let whole = u128::from_be_bytes(raw);
        Self { ms: (whole >> 64) as u64, seq: whole as u64 }
    }

    /// The inverse of [`StreamId::from_be_bytes`].
    pub fn to_be_bytes(self) -> [u8; 16] {
        ((u128::from(self.ms) << 64) | u128::from(self.seq)).to_be_bytes()
    }

    /// The ID that an entry stores as deltas against its node's master ID. The sequence delta is signed and both
    /// wrap, as they do in the server.
    pub fn plus(self, ms: i64, seq: i64) -> Self {
        Self { ms: self.ms.wrapping_add(ms as u64), seq: self.seq.wrapping_add(seq as u64) }
    }

    /// Reads `ms-seq`; a bare `ms` gets `default_seq`, as in the server's own arguments.
    pub fn parse(text: &[u8], default_seq: u64) -> Option<Self> {
        let dash = text.iter().position(|&b| b == b'-');
        let (ms, seq) = match dash {
            Some(at) => (decimal(&text[..at])?, decimal(&text[at + 1..])?),
            None => (decimal(text)?, default_seq),
        };
        Some(Self { ms, seq })
    }
}

/// An unsigned decimal number and nothing else: no sign, no blank, no overflow.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 20 {
        return None;
    }
    text.iter().try_fold(0u64, |sum, &b| {
        let digit = b.checked_sub(b'0').filter(|&d| d < 10)?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

impl FromStr for StreamId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text.as_bytes(), 0).ok_or_else(|| format!("{text:?} is not a stream ID (expected ms-seq)"))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for StreamId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StreamId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[0-9]+-[0-9]+$"})
    }
}

impl Serialize for StreamId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StreamId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_raw_bytes_both_ways() {
        let id = StreamId::new(1_700_000_000_123, 7);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(StreamId::from_be_bytes(id.to_be_bytes()), id);
        assert_eq!(StreamId::parse(b"5", 9), Some(StreamId::new(5, 9)));
        for bad in ["", "-", "1-", "-1", "1-2-3", "+1", "1 ", "18446744073709551616"] {
            assert_eq!(StreamId::parse(bad.as_bytes(), 0), None, "{bad}");
        }
    }

    #[test]
    fn deltas_wrap_as_the_server_does() {
        assert_eq!(StreamId::new(5, 9).plus(2, -9), StreamId::new(7, 0));
        assert_eq!(StreamId::new(u64::MAX, 0).plus(1, -1), StreamId::new(0, u64::MAX));
    }
}
