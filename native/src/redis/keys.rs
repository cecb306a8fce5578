//! The keys of a Papyra system, by Papyra's own naming (0.3.0, `persistence/backends/redis.py`).

use papyra_core::record::Kind;
use papyra_core::redis::{PapyraKey, StreamKind};

/// What [`PapyraKey`] is called on a server.
pub trait Naming {
    /// The key itself.
    fn key(&self) -> String;

    /// Where Papyra puts bad entries of this stream: its own prefix replaced by `quarantine_prefix`, if there is one.
    fn quarantine(&self, quarantine_prefix: Option<&str>) -> String;
}

impl Naming for PapyraKey {
    fn key(&self) -> String {
        format!("{}:{}:{}", self.prefix, self.system_id, self.kind.name())
    }

    fn quarantine(&self, quarantine_prefix: Option<&str>) -> String {
        let source = self.key().replace(':', "_");
        match quarantine_prefix {
            Some(base) => format!("{base}:{source}"),
            None => format!("{}:{}:quarantine:{source}", self.prefix, self.system_id),
        }
    }
}

/// The records that belong into a stream.
pub(super) fn record_kind(kind: StreamKind) -> Kind {
    match kind {
        StreamKind::Events => Kind::Event,
        StreamKind::Audits => Kind::Audit,
        StreamKind::DeadLetters => Kind::DeadLetter,
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
