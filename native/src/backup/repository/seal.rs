//! How a repository's bytes are sealed: AES-256 in counter mode with Poly1305-AES, a random number of 16 bytes before
//! and a checksum of 16 bytes behind them (restic's design, "Keys, Encryption and MAC").

use std::io::Read;

use aes256ctr_poly1305aes::aead::AeadInPlace;
use aes256ctr_poly1305aes::{Aes256CtrPoly1305Aes, Key, Nonce, Tag};
use rustic_core::repofile::MasterKey;

/// What sealing adds, in bytes.
pub(super) const ADDED: usize = 32;

/// What begins a file beside packs that is compressed (restic's design, "Unpacked Data Format").
const COMPRESSED: u8 = 2;

/// The largest blob and the largest index or snapshot, unpacked, in bytes.
const LARGEST: u64 = 1 << 30;

/// A repository's key.
pub(super) struct Seal(Aes256CtrPoly1305Aes);

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal")
    }
}

impl Seal {
    /// `None` when the parts of the key have not the lengths of one.
    pub(super) fn new(key: &MasterKey) -> Option<Seal> {
        let parts = [&key.encrypt[..], &key.mac.k, &key.mac.r].concat();
        (key.encrypt.len() == 32 && key.mac.k.len() == 16 && parts.len() == 64)
            .then(|| Seal(Aes256CtrPoly1305Aes::new(Key::from_slice(&parts))))
    }

    /// Seals bytes.
    pub(super) fn close(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; 16];
        rustix::rand::getrandom(&mut nonce[..], rustix::rand::GetRandomFlags::empty()).ok()?;
        let mut sealed = Vec::with_capacity(bytes.len() + ADDED);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(bytes);
        let tag = self.0.encrypt_in_place_detached(Nonce::from_slice(&nonce), &[], &mut sealed[16..]).ok()?;
        sealed.extend_from_slice(&tag);
        Some(sealed)
    }

    /// What was sealed; `None` when it is not what this key has sealed.
    pub(super) fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_at_checked(16)?;
        let (bytes, tag) = rest.split_at_checked(rest.len().checked_sub(16)?)?;
        let mut bytes = bytes.to_vec();
        self.0
            .decrypt_in_place_detached(Nonce::from_slice(nonce), &[], &mut bytes, Tag::from_slice(tag))
            .ok()
            .map(|()| bytes)
    }

    /// Seals the text of an index or a snapshot.
    pub(super) fn close_text(&self, text: &[u8], level: i32) -> Option<Vec<u8>> {
        let mut packed = vec![COMPRESSED];
        packed.extend(zstd::bulk::compress(text, level).ok()?);
        self.close(&packed)
    }
}

/// The text of a file beside packs, which is compressed or not.
pub(super) fn text(bytes: &[u8]) -> Option<Vec<u8>> {
    match bytes.split_first() {
        Some((&COMPRESSED, packed)) => {
            let mut text = Vec::new();
            zstd::Decoder::new(packed).ok()?.take(LARGEST).read_to_end(&mut text).ok()?;
            Some(text)
        }
        _ => Some(bytes.to_vec()),
    }
}

/// Unpacks a blob of so many bytes.
pub(super) fn unpack(packed: &[u8], length: u32) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let decoder = zstd::Decoder::new(packed).ok()?;
    decoder.take(u64::from(length).min(LARGEST) + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 == u64::from(length)).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_key_and_unchanged_only() {
        let (key, other) = (MasterKey::new(), MasterKey::new());
        let (seal, other) = (Seal::new(&key).expect("a key"), Seal::new(&other).expect("a key"));
        for bytes in [&b""[..], b"x", &[7; 100_000]] {
            let sealed = seal.close(bytes).expect("sealed");
            assert_eq!(sealed.len(), bytes.len() + ADDED);
            assert_eq!(seal.open(&sealed).as_deref(), Some(bytes));
            assert_eq!(other.open(&sealed), None);
            for at in [0, sealed.len() / 2, sealed.len() - 1] {
                let mut changed = sealed.clone();
                changed[at] ^= 1;
                assert_eq!(seal.open(&changed), None, "{at}");
            }
            assert_eq!(seal.open(&sealed[1..]), None);
        }
    }

    #[test]
    fn a_blob_unpacks_to_its_length_only() {
        let packed = zstd::bulk::compress(&[1; 1000], 3).expect("packed");
        assert_eq!(unpack(&packed, 1000), Some(vec![1; 1000]));
        assert_eq!(unpack(&packed, 999), None);
        assert_eq!(unpack(&packed, 1001), None);
        assert_eq!(unpack(b"no zstd", 7), None);
    }
}
