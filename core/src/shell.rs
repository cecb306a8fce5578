//! Text for a shell: how a name of any bytes is written in a command that people are told to run.

use crate::escape::escape;

/// A word as a shell takes it, safe to show.
pub fn quoted(word: &[u8]) -> String {
    let text = escape(word);
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text;
    }
    if text.as_bytes() == word {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    // What is not safe to show, in the way that bash, zsh and ksh read.
    let escaped = word.iter().map(|byte| match byte {
        b'\'' | b'\\' => format!("\\{}", char::from(*byte)),
        b' '..=b'~' => char::from(*byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    });
    format!("$'{}'", escaped.collect::<String>())
}
