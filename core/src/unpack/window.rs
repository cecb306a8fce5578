//! What a zstd frame may ask its reader to remember.

/// The window that is given, as a power of two: what the `zstd` tool itself gives unless it is told otherwise. A page
/// has less memory; the format's own tools stay under that up to level 19.
pub(super) const LOG: u32 = if cfg!(target_arch = "wasm32") { 23 } else { 27 };

/// The same in bytes.
pub(super) const BYTES: u64 = 1 << LOG;

/// The longest frame header in bytes, magic number included (RFC 8878, 3.1.1).
pub(super) const HEADER: usize = 18;

/// The window in bytes that a frame with this beginning asks for; `None` if it does not say (RFC 8878, 3.1.1.1).
#[cfg(feature = "libzstd")]
pub(super) fn of(header: &[u8]) -> Option<u64> {
    let [0x28, 0xb5, 0x2f, 0xfd, descriptor, rest @ ..] = header else { return None };
    if descriptor & 0b10_0000 == 0 {
        let window = *rest.first()?;
        let base = 1u64 << (10 + (window >> 3));
        return Some(base + base / 8 * u64::from(window & 0b111));
    }
    // A single segment: the window is all of its content, whose size follows the dictionary's number.
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 0b11)];
    let size = rest.get(dictionary..)?;
    let word = |length: usize| {
        let bytes = size.get(..length)?;
        Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    };
    match descriptor >> 6 {
        0 => word(1),
        1 => word(2).map(|size| size + 256),
        2 => word(4),
        _ => word(8),
    }
}
