//! Names of groups and consumers as text. Redis takes any bytes for a name, JSON and a command line take only text.

use std::fmt::Write as _;

/// A name as text, from which [`name_of`] makes the same bytes again: what is not UTF-8 becomes `\xHH`, a backslash
/// two.
pub fn written(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', r"\\"));
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// The name that a text stands for. A backslash before anything but `\` and `xHH` stands for itself.
pub fn name_of(text: &str) -> Vec<u8> {
    let mut name = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = match after {
            [b'\\', after @ ..] if *first == b'\\' => (b'\\', after),
            [b'x', high, low, after @ ..] if *first == b'\\' => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, after),
                _ => (b'\\', &rest[1..]),
            },
            _ => (*first, after),
        };
        name.push(byte);
        rest = after;
    }
    name
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_goes_there_and_back() {
        let mut names: Vec<Vec<u8>> = (0..=255).map(|byte| vec![b'a', byte, b'x', b'4', b'1']).collect();
        names.extend([b"".to_vec(), br"\\x41\".to_vec(), br"\x4".to_vec(), "zoë\\".into(), vec![0xff, b'\\', 0xc3]]);
        for name in names {
            assert_eq!(name_of(&written(&name)), name, "{}", written(&name));
        }
    }

    #[test]
    fn ordinary_names_are_written_as_they_are() {
        assert_eq!((written("zoë 東\n".as_bytes()), written(b"a\\\xff")), ("zoë 東\n".into(), r"a\\\xff".into()));
        assert_eq!((name_of(r"a\b\x4g"), name_of(r"\xFf")), (br"a\b\x4g".to_vec(), vec![0xff]));
    }
}
