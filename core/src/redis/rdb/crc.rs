//! CRC-64/REDIS, the checksum at the end of RDB files and DUMP payloads.
//!
//! Only the arithmetic lives here; which bytes it covers is each format's affair.

#[cfg(not(target_arch = "wasm32"))]
use crc_fast::{CrcAlgorithm, Digest};

/// In a browser the other library would be two thirds of the module, nearly all of it tables: here one is made when it
/// is first needed.
#[cfg(target_arch = "wasm32")]
mod small {
    use std::sync::LazyLock;

    use crc::{CRC_64_REDIS, Crc, Table};

    pub(in crate::redis) type Digest = crc::Digest<'static, u64, Table<16>>;

    pub(in crate::redis) static REDIS: LazyLock<Crc<u64, Table<16>>> =
        LazyLock::new(|| Crc::<u64, Table<16>>::new(&CRC_64_REDIS));
}
#[cfg(target_arch = "wasm32")]
use small::Digest;

/// A checksum over bytes that arrive in pieces.
#[derive(Clone)]
pub(crate) struct Crc64(Digest);

impl std::fmt::Debug for Crc64 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Crc64({:#018x})", self.value())
    }
}

impl Crc64 {
    pub(crate) fn new() -> Self {
        #[cfg(not(target_arch = "wasm32"))]
        let digest = Digest::new(CrcAlgorithm::Crc64Redis);
        #[cfg(target_arch = "wasm32")]
        let digest = small::REDIS.digest();
        Self(digest)
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn value(&self) -> u64 {
        let Self(digest) = self.clone();
        digest.finalize()
    }
}

/// Ends a DUMP payload that has its type and value: adds the version and the checksum (redis `cluster.c`,
/// `createDumpPayload`). The value of a key in an RDB file is the same bytes.
pub fn seal_dump(payload: &mut Vec<u8>, version: u16) {
    payload.extend(version.to_le_bytes());
    let mut crc = Crc64::new();
    crc.update(payload);
    payload.extend(crc.value().to_le_bytes());
}

/// A checksum over all bytes but the last eight of what was pushed, for formats whose end is only known when it is
/// reached.
#[derive(Debug, Clone)]
pub(crate) struct Lagging {
    crc: Crc64,
    tail: [u8; 8],
    held: usize,
}

impl Lagging {
    pub(crate) fn new() -> Self {
        Self { crc: Crc64::new(), tail: [0; 8], held: 0 }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if bytes.len() >= 8 {
            let (head, last) = bytes.split_at(bytes.len() - 8);
            self.crc.update(&self.tail[..self.held]);
            self.crc.update(head);
            self.tail.copy_from_slice(last);
            self.held = 8;
            return;
        }
        let over = (self.held + bytes.len()).saturating_sub(8);
        self.crc.update(&self.tail[..over]);
        self.tail.copy_within(over..self.held, 0);
        self.held -= over;
        self.tail[self.held..self.held + bytes.len()].copy_from_slice(bytes);
        self.held += bytes.len();
    }

    /// The checksum of all but the last eight bytes, and those eight as a number; `None` when fewer were pushed.
    pub(crate) fn split(&self) -> Option<(u64, u64)> {
        (self.held == 8).then(|| (self.crc.value(), u64::from_le_bytes(self.tail)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value() {
        let mut crc = Crc64::new();
        crc.update(b"1234");
        crc.update(b"56789");
        assert_eq!(crc.value(), 0xe9c6_d914_c4b8_d9ca);
    }

    #[test]
    fn the_last_eight_bytes_stay_out_however_the_bytes_arrive() {
        let bytes: Vec<u8> = (0..100).collect();
        let mut whole = Crc64::new();
        whole.update(&bytes[..92]);
        let last = u64::from_le_bytes(bytes[92..].try_into().unwrap());
        for step in 1..=100 {
            let mut lagging = Lagging::new();
            for chunk in bytes.chunks(step) {
                lagging.push(chunk);
            }
            assert_eq!(lagging.split(), Some((whole.value(), last)), "chunks of {step}");
        }
        assert_eq!(Lagging::new().split(), None);
    }
}
