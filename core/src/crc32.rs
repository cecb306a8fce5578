//! CRC-32 (IEEE 802.3): the checksum of a stretch in a backup's manifest, and of what a gzip member holds.

#[cfg(not(target_arch = "wasm32"))]
use crc32fast::Hasher as Digest;

/// The other library keeps 16 KiB of tables, which do not compress: in a browser they are made when first needed.
#[cfg(target_arch = "wasm32")]
mod small {
    use std::sync::LazyLock;

    use crc::{CRC_32_ISO_HDLC, Crc, Table};

    pub(super) type Digest = crc::Digest<'static, u32, Table<16>>;

    pub(super) static IEEE: LazyLock<Crc<u32, Table<16>>> =
        LazyLock::new(|| Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC));
}
#[cfg(target_arch = "wasm32")]
use small::Digest;

/// A checksum over bytes that arrive in pieces.
#[derive(Clone)]
pub struct Crc32(Digest);

impl std::fmt::Debug for Crc32 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Crc32({:#010x})", self.value())
    }
}

impl Default for Crc32 {
    fn default() -> Self {
        #[cfg(not(target_arch = "wasm32"))]
        let digest = Digest::new();
        #[cfg(target_arch = "wasm32")]
        let digest = small::IEEE.digest();
        Self(digest)
    }
}

impl Crc32 {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all bytes so far.
    pub fn value(&self) -> u32 {
        let Self(digest) = self.clone();
        digest.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value() {
        let mut crc = Crc32::default();
        crc.update(b"1234");
        crc.update(b"56789");
        assert_eq!(crc.value(), 0xcbf4_3926);
    }
}
