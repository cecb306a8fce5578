//! What a record means, as a hash: two texts that Papyra reads as the same value are equal, and no others.
//!
//! Papyra's own compaction reads a record and writes it anew, so white space, escapes, the way a float is written and
//! all but the last of several equal keys make no difference. A string is never a number, a name or another string.

use std::collections::HashMap;

use papyra_core::view;
use sha2::{Digest, Sha256};

/// 16 bytes of a SHA-256.
pub(super) type Meaning = [u8; 16];

/// A list or an object that is not closed yet.
#[derive(Default)]
struct Open {
    is_object: bool,
    /// The key whose value comes next.
    key: Option<Meaning>,
    values: Vec<Meaning>,
    /// Where the value of a key stands in `values`, the key before it.
    places: HashMap<Meaning, usize>,
}

impl Open {
    fn take(&mut self, value: Meaning) {
        match self.key.take() {
            None if self.is_object => self.key = Some(value),
            None => self.values.push(value),
            // As in Python: the first one's place, the last one's value.
            Some(key) => match self.places.get(&key) {
                Some(at) => self.values[*at] = value,
                None => {
                    self.places.insert(key, self.values.len() + 1);
                    self.values.extend([key, value]);
                }
            },
        }
    }
}

/// What this record means.
pub(super) fn meaning(record: &[u8]) -> Meaning {
    let mut open = vec![Open::default()];
    for token in view::tokens(record) {
        let value = match token {
            "{" | "[" => {
                open.push(Open { is_object: token == "{", ..Open::default() });
                continue;
            }
            "}" | "]" => match open.pop() {
                Some(closed) => hash(token.as_bytes()[0], closed.values.as_flattened()),
                None => continue,
            },
            "," | ":" => continue,
            _ => leaf(token),
        };
        if let Some(last) = open.last_mut() {
            last.take(value);
        }
    }
    let all: Vec<Meaning> = open.into_iter().flat_map(|open| open.values).collect();
    hash(b'r', all.as_flattened())
}

fn leaf(token: &str) -> Meaning {
    let is_float = token.contains(['.', 'e', 'E']) || token.ends_with("Infinity");
    if token.starts_with('"') {
        return hash(b's', &view::units(token).into_iter().flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
    }
    match token.parse::<f64>().ok().filter(|_| is_float) {
        Some(number) => hash(b'f', &number.to_bits().to_le_bytes()),
        None => hash(b't', token.as_bytes()),
    }
}

fn hash(kind: u8, bytes: &[u8]) -> Meaning {
    let mut hasher = Sha256::new();
    hasher.update([kind]);
    hasher.update(bytes);
    let mut half = [0; 16];
    half.copy_from_slice(&hasher.finalize()[..16]);
    half
}

#[cfg(test)]
mod tests {
    use super::meaning;

    #[test]
    fn records_that_papyra_reads_alike_mean_the_same_and_no_others() {
        let same = [
            [r#"{"a":1.50,"b":"\u007a"}"#, r#"{ "a": 15e-1, "b": "z" }"#],
            [r#"{"a": 1, "b": 2, "a": 3}"#, r#"{"a": 3, "b": 2}"#],
            [r#"{"x": [{"k": {}, "k": [1]}]}"#, r#"{"x":[{"k":[1]}]}"#],
            [r#"{"t": Infinity}"#, r#"{"t": 1e999}"#],
        ];
        for [one, other] in same {
            assert_eq!(meaning(one.as_bytes()), meaning(other.as_bytes()), "{one} {other}");
        }
        let all = [
            r#"{"a": 5}"#,
            r#"{"a": "5"}"#,
            r#"{"a": 5.0}"#,
            r#"{"a": [5]}"#,
            r#"{"a": [[5]]}"#,
            r#"{"a": {"5": 5}}"#,
            r#"{"a": null}"#,
            r#"{"a": "null"}"#,
            r#"{"a": "\ud800"}"#,
            r#"{"a": "\ud801"}"#,
            r#"{"a": "\udc00"}"#,
            r#"{"a": [1, [2]]}"#,
            r#"{"a": [[1], 2]}"#,
            r#"{"a": [[1, 2]]}"#,
            r#"{"a": 1, "b": 2}"#,
            r#"{"b": 2, "a": 1}"#,
            r#"{"a": -0.0}"#,
            r#"{"a": 0.0}"#,
            r#"{"a": [{}]}"#,
            r#"{"a": [[]]}"#,
            r#"{"a": ["b", "c"]}"#,
            r#"{"a": {"b": "c"}}"#,
            r#"{"a": 12345678901234567890123}"#,
            r#"{"a": 12345678901234567890124}"#,
        ];
        for (at, one) in all.iter().enumerate() {
            for other in &all[at + 1..] {
                assert_ne!(meaning(one.as_bytes()), meaning(other.as_bytes()), "{one} {other}");
            }
        }
    }
}
