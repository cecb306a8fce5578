//! Stream entry IDs: `milliseconds-sequence`.

use std::fmt;
use std::str::FromStr;

/// The ID of a stream entry, ordered as Redis orders them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StreamId {
    /// Milliseconds, usually since 1970; whoever adds an entry may choose any number.
    pub ms: u64,
    /// The sequence within the millisecond.
    pub seq: u64,
}

impl StreamId {
    /// Below every entry's.
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    /// The greatest there is.
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

    /// The one after it. Servers before Redis 6.2 know no other way to leave a range's start out.
    pub fn next(self) -> Option<StreamId> {
        match (self.seq.checked_add(1), self.ms.checked_add(1)) {
            (Some(seq), _) => Some(StreamId { seq, ..self }),
            (None, Some(ms)) => Some(StreamId { ms, seq: 0 }),
            (None, None) => None,
        }
    }

    /// The one before it.
    pub fn previous(self) -> Option<StreamId> {
        match (self.seq.checked_sub(1), self.ms.checked_sub(1)) {
            (Some(seq), _) => Some(StreamId { seq, ..self }),
            (None, Some(ms)) => Some(StreamId { ms, seq: u64::MAX }),
            (None, None) => None,
        }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

impl FromStr for StreamId {
    type Err = String;

    /// Reads `ms-seq`; a bare `ms` means its first.
    fn from_str(text: &str) -> Result<StreamId, String> {
        let (ms, seq) = text.split_once('-').unwrap_or((text, "0"));
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| digits.parse().ok()).flatten()
        };
        match (number(ms), number(seq)) {
            (Some(ms), Some(seq)) => Ok(StreamId { ms, seq }),
            _ => Err("no entry ID: write MILLISECONDS-SEQUENCE".into()),
        }
    }
}

impl serde::Serialize for StreamId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for StreamId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<StreamId, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_one_another() {
        let id = |text: &str| text.parse::<StreamId>().expect("an ID");
        assert!(id("5-10") > id("5-9") && id("10-0") > id("9-99") && id("7") == id("7-0"));
        assert_eq!(id("5-18446744073709551615").next(), Some(id("6-0")));
        assert_eq!(id("6-0").previous(), Some(id("5-18446744073709551615")));
        assert_eq!((StreamId::MAX.next(), StreamId::MIN.previous()), (None, None));
        for wrong in ["", "-", "1-", "+1-0", "1-2-3", "x", "18446744073709551616-0"] {
            assert!(wrong.parse::<StreamId>().is_err(), "{wrong}");
        }
    }
}
