//! A record's fields for people: materialised only when somebody wants to see them.
//!
//! Works on the bytes of a record that the scanner found whole; on others it shows what it can and never fails.

use std::borrow::Cow;

/// A record's top-level fields, as the text they are in the line.
#[derive(Debug, Clone, Default)]
pub struct View<'a> {
    fields: Vec<(Cow<'a, str>, &'a str)>,
}

impl<'a> View<'a> {
    /// Splits a record into its top-level fields.
    pub fn of(record: &'a [u8]) -> View<'a> {
        let Ok(text) = std::str::from_utf8(record) else { return View::default() };
        let mut fields = Vec::new();
        let mut rest = text.trim_matches([' ', '\t']).strip_prefix('{').unwrap_or_default();
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            let (key, after) = rest.split_at(value_length(rest));
            let Some(value) = after.trim_start_matches([' ', '\t']).strip_prefix(':') else { break };
            let value = value.trim_start_matches([' ', '\t']);
            let (value, after) = value.split_at(value_length(value));
            fields.push((unescape(key), value));
            rest = after;
        }
        View { fields }
    }

    /// The fields in their order, keys unescaped, values as they stand.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.fields.iter().map(|(key, value)| (&**key, *value))
    }

    /// A field's value as it stands in the line; the last one of that name.
    pub fn raw(&self, name: &str) -> Option<&'a str> {
        self.fields.iter().rev().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// A field's value as text: a string without quotes and escapes, anything else as it stands.
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.raw(name).map(unescape)
    }

    /// A field's value as a number, if it is one that is finite.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.raw(name)?.parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// An event's or a message's type.
    pub fn what(&self) -> Option<Cow<'a, str>> {
        self.text("event_type").or_else(|| self.text("message_type"))
    }

    /// The actor that an event is about, or the target of a dead letter.
    pub fn actor(&self) -> Option<Cow<'a, str>> {
        self.address("actor_address").or_else(|| self.address("target"))
    }

    /// Why an actor crashed or a message was not delivered, in the words of whoever wrote the payload.
    pub fn reason(&self) -> Option<Cow<'a, str>> {
        let payload = View::of(self.raw("payload")?.as_bytes());
        let text =
            |name: &str| payload.text(name).filter(|_| payload.raw(name).is_some_and(|raw| raw.starts_with('"')));
        text("reason").or_else(|| text("error")).filter(|reason| !reason.is_empty())
    }

    /// An actor's address: a string, or `{"system": S, "actor_id": N}` as `S:N`.
    pub fn address(&self, name: &str) -> Option<Cow<'a, str>> {
        let raw = self.raw(name)?;
        let object = View::of(raw.as_bytes());
        match (object.text("system"), object.text("actor_id")) {
            (Some(system), Some(actor)) => Some(format!("{system}:{actor}").into()),
            _ => Some(unescape(raw)),
        }
    }
}

/// A record's tokens: strings with their quotes, numbers, words and punctuation, without white space.
pub fn tokens(record: &[u8]) -> impl Iterator<Item = &str> {
    let mut rest = std::str::from_utf8(record).unwrap_or_default();
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t']);
        let bytes = rest.as_bytes();
        let length = match bytes.first()? {
            b'"' => string_end(bytes, 0) + 1,
            b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
            _ => rest.find([' ', '\t', ',', ':', '}', ']', '{', '[', '"']).unwrap_or(rest.len()),
        };
        let token;
        (token, rest) = rest.split_at(length.min(rest.len()));
        Some(token)
    })
}

/// The length of the JSON value at the start of `text`, which is known to be whole.
fn value_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut i) = (0_usize, 0);
    while let Some(byte) = bytes.get(i) {
        match byte {
            b'"' => i = string_end(bytes, i),
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return i,
            b'}' | b']' => depth -= 1,
            b',' | b':' | b' ' | b'\t' if depth == 0 => return i,
            _ => {}
        }
        i += 1;
        if depth == 0 && matches!(bytes.get(i - 1), Some(b'"' | b'}' | b']')) {
            return i.min(bytes.len());
        }
    }
    bytes.len()
}

/// The index of the quote that closes the string opened at `i`, or the last index.
fn string_end(bytes: &[u8], mut i: usize) -> usize {
    i += 1;
    while let Some(byte) = bytes.get(i) {
        match byte {
            b'"' => return i,
            b'\\' => i += 2,
            _ => i += 1,
        }
    }
    bytes.len().saturating_sub(1)
}

/// A JSON string's text; what is no string comes back as it is. A lone surrogate becomes U+FFFD.
pub fn unescape(raw: &str) -> Cow<'_, str> {
    let Some(inner) = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')) else { return raw.into() };
    if !inner.contains('\\') {
        return inner.into();
    }
    let decoded = char::decode_utf16(units(raw));
    decoded.map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>().into()
}

/// A JSON string's text in UTF-16 code units, lone surrogates as they are: Python tells them apart, and so do those who
/// compare what strings mean. What is no string is taken for its own text.
pub fn units(raw: &str) -> Vec<u16> {
    let inner = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')).unwrap_or(raw);
    let mut units: Vec<u16> = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(character) = rest.chars().next() {
        if let Some(unit) = rest.strip_prefix("\\u").and_then(|hex| u16::from_str_radix(hex.get(..4)?, 16).ok()) {
            units.push(unit);
            rest = &rest[6..];
            continue;
        }
        rest = &rest[character.len_utf8()..];
        if character != '\\' {
            units.extend(character.encode_utf16(&mut [0; 2]).iter());
            continue;
        }
        let Some(escaped) = rest.chars().next() else { break };
        rest = &rest[escaped.len_utf8()..];
        let meant = match escaped {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            other => other,
        };
        units.extend(meant.encode_utf16(&mut [0; 2]).iter());
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_out_whatever_they_hold() {
        let view = View::of(
            r#" {"kind": "event", "payload" : {"a": [1, "}]\""]}, "\u006bey":"\ud83d\ude00\n\ud800", "n": -1.5e3,"kind":"audit"} "#
                .as_bytes(),
        );
        assert_eq!(view.text("kind").as_deref(), Some("audit"));
        assert_eq!(view.raw("payload"), Some(r#"{"a": [1, "}]\""]}"#));
        assert_eq!(view.text("key").as_deref(), Some("😀\n\u{fffd}"));
        assert_eq!(view.text("n").as_deref(), Some("-1.5e3"));
        assert_eq!(view.fields().count(), 5);
    }

    #[test]
    fn both_forms_of_an_address_read_the_same() {
        for address in [r#""local:7""#, r#"{"system": "local", "actor_id": 7}"#] {
            let record = format!(r#"{{"actor_address": {address}}}"#);
            assert_eq!(View::of(record.as_bytes()).address("actor_address").as_deref(), Some("local:7"));
        }
    }
}
