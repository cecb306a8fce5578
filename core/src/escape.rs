//! Bytes made safe to show: what comes out of [`escape`] holds no control character, no terminal escape sequence,
//! nothing that turns the direction of the text, and is never longer than six times what went in.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::name;

/// Escapes bytes for people: printable text stays, the rest becomes `\n`, `\x1b`, `\u{202e}` and the like.
///
/// A backslash stays as it is: excerpts are JSON text, full of them, and are looked at, not parsed back.
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                // Writing to a String cannot fail.
                '\0'..='\x1f' | '\x7f' => _ = write!(text, "\\x{:02x}", u32::from(character)),
                character if is_unsafe(character) => match name::byte_of(character) {
                    // What stands for a byte of a name shows as that byte.
                    Some(byte) => _ = write!(text, "\\x{byte:02x}"),
                    None => _ = write!(text, "\\u{{{:x}}}", u32::from(character)),
                },
                character => text.push(character),
            }
        }
        for byte in chunk.invalid() {
            _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// C1 controls, bidi controls, zero-width and other invisible characters, line separators, tags, private use.
pub fn is_unsafe(character: char) -> bool {
    matches!(character,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
        | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{10ffff}')
}

/// The first and last bytes of a line that comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct Excerpt {
    head: Vec<u8>,
    tail: Vec<u8>,
    length: u64,
}

impl Excerpt {
    const HEAD: usize = 72;
    const TAIL: usize = 24;

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        let (head, rest) = bytes.split_at(bytes.len().min(Self::HEAD - self.head.len()));
        self.head.extend_from_slice(head);
        self.tail.extend_from_slice(&rest[rest.len().saturating_sub(Self::TAIL)..]);
        self.tail.drain(..self.tail.len().saturating_sub(Self::TAIL));
    }

    /// The line's first bytes, all of them when there are few.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    pub(crate) fn text(&self) -> String {
        let shown = (self.head.len() + self.tail.len()) as u64;
        if self.length == shown {
            return escape(&[&self.head[..], &self.tail[..]].concat());
        }
        format!("{} … {}", escape(&self.head), escape(&self.tail))
    }
}

/// JSON with nothing in it that a terminal obeys or that turns text around: such characters stand as `\u009b`, which
/// says the same to a program.
pub fn safe_json(text: &str) -> Cow<'_, str> {
    let is_unsafe = |character: char| character == '\x7f' || is_unsafe(character);
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 64);
    for character in text.chars() {
        if is_unsafe(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                _ = std::fmt::Write::write_fmt(&mut safe, format_args!("\\u{unit:04x}"));
            }
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_gets_through() {
        assert_eq!(escape(b"a\x1b[2Jb\xff\0\x7f"), "a\\x1b[2Jb\\xff\\x00\\x7f");
        assert_eq!(escape("zoë\u{202e}東\u{9b}2J\u{200b}".as_bytes()), "zoë\\u{202e}東\\u{9b}2J\\u{200b}");
    }

    #[test]
    fn an_excerpt_does_not_depend_on_the_pieces() {
        let line: Vec<u8> = (0..300u16).map(|i| b'a' + (i % 26) as u8).collect();
        for length in [0, 1, 71, 72, 73, 95, 96, 97, 300] {
            let mut whole = Excerpt::default();
            whole.feed(&line[..length]);
            for piece in [1, 7, 50] {
                let mut pieces = Excerpt::default();
                line[..length].chunks(piece).for_each(|piece| pieces.feed(piece));
                assert_eq!(pieces.text(), whole.text());
            }
        }
    }

    #[test]
    fn json_says_the_same_without_what_a_terminal_obeys() {
        let text = serde_json::to_string("a\u{7f}\u{9b}2J\u{202e}\u{e0001}é\u{1b}").expect("JSON");
        let safe = safe_json(&text);
        assert_eq!(safe, r#""a\u007f\u009b2J\u202e\udb40\udc01é\u001b""#);
        assert_eq!(serde_json::from_str::<String>(&safe).ok(), serde_json::from_str(&text).ok());
    }
}
