//! The checksums that a backup's manifest holds of a file: SHA-256 of the whole, CRC-32 of each stretch.

use sha2::{Digest, Sha256};

use crate::crc32::Crc32;
use crate::manifest::Blocks;

/// SHA-256 of all bytes, CRC-32 of each stretch of them.
#[derive(Debug, Clone)]
pub struct Hashes {
    whole: Sha256,
    stretch: Crc32,
    length: u64,
    filled: u64,
    crc32: String,
}

impl Hashes {
    /// For stretches of `length` bytes, at least 1.
    pub fn new(length: u64) -> Hashes {
        let length = length.max(1);
        Hashes { whole: Sha256::new(), stretch: Crc32::default(), length, filled: 0, crc32: String::new() }
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        self.whole.update(bytes);
        while !bytes.is_empty() {
            let width = usize::try_from(self.length - self.filled).unwrap_or(usize::MAX).min(bytes.len());
            self.stretch.update(&bytes[..width]);
            self.filled += width as u64;
            bytes = &bytes[width..];
            if self.filled == self.length {
                self.end_stretch();
            }
        }
    }

    fn end_stretch(&mut self) {
        let stretch = std::mem::take(&mut self.stretch);
        self.crc32.push_str(&format!("{:08x}", stretch.value()));
        self.filled = 0;
    }

    /// The SHA-256 as it is written, and the stretches' checksums.
    pub fn finish(mut self) -> (String, Blocks) {
        if self.filled > 0 {
            self.end_stretch();
        }
        (hex(&self.whole.finalize()), Blocks { bytes: self.length, crc32: self.crc32 })
    }
}

/// The SHA-256 of a few bytes.
pub fn of(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The SHA-256 of a few bytes, as it is written.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&of(bytes))
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
