//! File names as text, whatever bytes they hold.
//!
//! To Linux a name is bytes; reports, manifests and the rules of rotation want text. A byte that belongs to no UTF-8
//! character stands as one character of U+10FF80 to U+10FFFF, which is U+10FF00 plus the byte. Nobody uses these
//! characters (the last ones of the last plane for private use); where a name does hold one, its own bytes stand one by
//! one in the same way. So every name has one text, no two names share one, and [`bytes`] gives back what [`text`] was
//! made of.

use std::borrow::Cow;

/// What is added to a byte.
const BASE: u32 = 0x10_ff00;

/// The name's text.
pub fn text(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        let mut utf8 = [0; 4];
        for character in chunk.valid().chars() {
            if byte_of(character).is_some() {
                text.extend(character.encode_utf8(&mut utf8).bytes().filter_map(stand_in));
            } else {
                text.push(character);
            }
        }
        text.extend(chunk.invalid().iter().copied().filter_map(stand_in));
    }
    text
}

/// The bytes of the name with this text.
pub fn bytes(text: &str) -> Cow<'_, [u8]> {
    if !text.chars().any(|character| byte_of(character).is_some()) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut utf8 = [0; 4];
    for character in text.chars() {
        match byte_of(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(character.encode_utf8(&mut utf8).as_bytes()),
        }
    }
    Cow::Owned(bytes)
}

/// Whether `text` is the one text of the name with its bytes.
pub fn is_canonical(text: &str) -> bool {
    match bytes(text) {
        Cow::Borrowed(_) => true,
        Cow::Owned(bytes) => self::text(&bytes) == text,
    }
}

/// The byte that a character stands for.
pub(crate) fn byte_of(character: char) -> Option<u8> {
    u8::try_from(u32::from(character).checked_sub(BASE)?).ok().filter(|byte| *byte >= 0x80)
}

fn stand_in(byte: u8) -> Option<char> {
    char::from_u32(BASE + u32::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_bytes_have_one_text_each_and_come_back() {
        for (name, expected) in [
            (&b"rot.log.1"[..], "rot.log.1"),
            ("zoë".as_bytes(), "zoë"),
            (b"zo\xeb.log", "zo\u{10ffeb}.log"),
            ("\u{10ffeb}".as_bytes(), "\u{10fff4}\u{10ff8f}\u{10ffbf}\u{10ffab}"),
        ] {
            assert_eq!((text(name), &*bytes(expected)), (expected.into(), name));
        }
        // All that five of these pieces make, whole characters among them and halves of some.
        let pieces: [&[u8]; 7] =
            [b"a", b"\x80", b"\xff", b"\xf4\x8f", b"\xbf\xab", "\u{10ff80}".as_bytes(), "é".as_bytes()];
        for number in 0..7_usize.pow(5) {
            let name: Vec<u8> = (0..5).flat_map(|digit| pieces[number / 7_usize.pow(digit) % 7]).copied().collect();
            let told = text(&name);
            assert_eq!(*bytes(&told), name[..], "{told:?}");
            assert!(is_canonical(&told));
        }
        assert!(!is_canonical("\u{10ffc3}\u{10ffa9}"), "it is the name of é");
    }
}
