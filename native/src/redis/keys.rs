//! The keys of a Papyra system, by Papyra's own naming (0.3.0, `persistence/backends/redis.py`).

use papyra_core::record::Kind;
use serde::{Deserialize, Serialize};

/// Papyra's three streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamKind {
    /// Actors' lives.
    Events,
    /// Snapshots of the registry.
    Audits,
    /// Messages that could not be delivered.
    DeadLetters,
}

impl StreamKind {
    /// All three, in the order of reports.
    pub const ALL: [StreamKind; 3] = [StreamKind::Events, StreamKind::Audits, StreamKind::DeadLetters];

    /// The last part of the key.
    pub fn name(self) -> &'static str {
        match self {
            StreamKind::Events => "events",
            StreamKind::Audits => "audits",
            StreamKind::DeadLetters => "dead_letters",
        }
    }

    /// The records that belong there.
    pub fn record_kind(self) -> Kind {
        match self {
            StreamKind::Events => Kind::Event,
            StreamKind::Audits => Kind::Audit,
            StreamKind::DeadLetters => Kind::DeadLetter,
        }
    }
}

/// One stream of one system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PapyraKey {
    /// What stands before the system.
    pub prefix: String,
    /// The actor system.
    pub system_id: String,
    /// Which of its streams.
    pub kind: StreamKind,
}

impl PapyraKey {
    /// The key itself.
    pub fn key(&self) -> String {
        format!("{}:{}:{}", self.prefix, self.system_id, self.kind.name())
    }

    /// Where Papyra puts bad entries of this stream: its own prefix replaced by `quarantine_prefix`, if there is one.
    pub fn quarantine(&self, quarantine_prefix: Option<&str>) -> String {
        let source = self.key().replace(':', "_");
        match quarantine_prefix {
            Some(base) => format!("{base}:{source}"),
            None => format!("{}:{}:quarantine:{source}", self.prefix, self.system_id),
        }
    }

    /// The key of that prefix that `key` is.
    pub fn within(prefix: &str, key: &str) -> Option<PapyraKey> {
        let (system_id, last) = key.strip_prefix(prefix)?.strip_prefix(':')?.rsplit_once(':')?;
        let kind = StreamKind::ALL.into_iter().find(|kind| kind.name() == last)?;
        (!system_id.is_empty()).then(|| PapyraKey { prefix: prefix.into(), system_id: system_id.into(), kind })
    }
}

/// A pattern for SCAN that takes `text` as it is.
pub(super) fn literally(text: &str) -> String {
    text.chars().fold(String::new(), |mut pattern, character| {
        if matches!(character, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
            pattern.push('\\');
        }
        pattern.push(character);
        pattern
    })
}

/// The hash slot of a key in Redis Cluster: CRC-16/XMODEM of the key, or of what its first `{…}` holds.
pub(super) fn slot(key: &[u8]) -> u16 {
    let tag = tag(key).unwrap_or(key);
    let crc = tag.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 })
    });
    crc % 16_384
}

/// What a key's hash tag holds.
pub(super) fn tag(key: &[u8]) -> Option<&[u8]> {
    let from = key.iter().position(|byte| *byte == b'{')? + 1;
    let length = key[from..].iter().position(|byte| *byte == b'}')?;
    (length > 0).then(|| &key[from..from + length])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_papyras() {
        let key = PapyraKey { prefix: "a:b".into(), system_id: "c".into(), kind: StreamKind::DeadLetters };
        assert_eq!(key.key(), "a:b:c:dead_letters");
        assert_eq!(key.quarantine(None), "a:b:c:quarantine:a_b_c_dead_letters");
        assert_eq!(key.quarantine(Some("bad")), "bad:a_b_c_dead_letters");
        assert_eq!(PapyraKey::within("a:b", "a:b:c:dead_letters"), Some(key));
        for other in ["a:c:events", "a:b:events", "a:b:c:quarantine:a_b_c_events", "a:bc:d:events"] {
            assert_eq!(PapyraKey::within("a:b", other), None, "{other}");
        }
        assert_eq!(literally("a*[b]:"), "a\\*\\[b\\]:");
    }

    #[test]
    fn slots_are_those_of_the_cluster_specification() {
        assert_eq!(slot(b"123456789"), 0x31c3);
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"));
        assert_eq!(slot(b"foo{}{bar}"), slot(b"foo{}{bar}"));
        assert_eq!((tag(b"foo{}{bar}"), tag(b"foo{{bar}}zap")), (None, Some(&b"{bar"[..])));
    }
}
