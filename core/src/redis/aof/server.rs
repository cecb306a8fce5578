//! The server that wrote an append-only file: what it does otherwise than others, as far as the file says which one it
//! was.
//!
//! A dump at the front names it (`redis-ver`, `valkey-ver`), and a file in a folder is not of one before Redis 7.0.
//! Nothing else does: where neither helps, a group is taken to have read as many entries as ENTRIESREAD says, as Redis
//! 7.0 and Valkey take it.

/// What a server does otherwise than others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::redis) struct Server {
    /// XCLAIM claims pending entries whose entry is gone: before Redis 7.0.
    pub(in crate::redis) claims_gone: bool,
    /// A group has read no more entries than the stream was ever given, whatever ENTRIESREAD says.
    ///
    /// Redis 8.2.3 and 8.10.2 do so, Redis 7.0.15, Valkey 8.1.8 and 9.1.2 do not. It came after 8.2.0 (redis/redis pull
    /// request 14259).
    pub(in crate::redis) caps_entries_read: bool,
}

impl Server {
    /// What an auxiliary field of the dump at the front adds to it.
    pub(in crate::redis) fn learn(&mut self, name: &[u8], value: &[u8]) {
        let version = match name {
            b"redis-ver" => version(value),
            b"valkey-ver" => None,
            _ => return,
        };
        // An old file that a later server took over is read as that one reads it.
        self.claims_gone &= version.is_some_and(|version| version < [7, 0, 0]);
        self.caps_entries_read = version.is_some_and(|version| version >= [8, 2, 1]);
    }
}

fn version(text: &[u8]) -> Option<[u32; 3]> {
    let mut parts = std::str::from_utf8(text).ok()?.splitn(3, '.').map(|part| part.parse().ok());
    Some([parts.next()??, parts.next()??, parts.next()??])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_known_by_what_a_dump_says() {
        let old = Server { claims_gone: true, caps_entries_read: false };
        let learned = |mut server: Server, name: &str, value: &str| {
            server.learn(name.as_bytes(), value.as_bytes());
            (server.claims_gone, server.caps_entries_read)
        };
        for (value, caps) in [("7.0.15", false), ("8.0.6", false), ("8.2.0", false), ("8.2.1", true), ("8.10.2", true)]
        {
            assert_eq!(learned(Server::default(), "redis-ver", value), (false, caps), "{value}");
            assert_eq!(learned(old, "redis-ver", value), (false, caps), "{value}");
        }
        assert_eq!(learned(old, "redis-ver", "6.2.14"), (true, false));
        assert_eq!(learned(Server::default(), "redis-ver", "6.2.14"), (false, false));
        assert_eq!(learned(old, "valkey-ver", "9.1.2"), (false, false));
        assert_eq!(learned(old, "redis-bits", "64"), (true, false));
        assert_eq!(learned(Server::default(), "redis-ver", "newest"), (false, false));
    }
}
