//! Which lines of a log match what someone typed, while its bytes go by.

use std::collections::VecDeque;

use crate::browse::{kind_of, newline};
use crate::record::Kind;
use crate::view::View;

/// What someone typed: words that must all stand in a line, in any order and case, and kinds of which it must be one.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// Each word in the spellings it may have in a log.
    words: Vec<Vec<Vec<u8>>>,
    kinds: Vec<Kind>,
    lowered: Vec<u8>,
}

impl Matcher {
    /// A matcher for words apart by white space; no kinds means all.
    pub fn new(query: &str, kinds: Vec<Kind>) -> Matcher {
        let words = query.split_whitespace().map(spellings).collect();
        Matcher { words, kinds, lowered: Vec::new() }
    }

    /// Whether a line, without its newline, matches.
    pub fn matches(&mut self, line: &[u8]) -> bool {
        if !self.words.is_empty() {
            self.lowered.clear();
            self.lowered.extend(line.iter().map(u8::to_ascii_lowercase));
            let found = |word: &Vec<u8>| memchr::memmem::find(&self.lowered, word).is_some();
            if !self.words.iter().all(|spellings| spellings.iter().any(found)) {
                return false;
            }
        }
        self.kinds.is_empty() || self.kinds.contains(&kind_of(&View::of(line)))
    }
}

/// As it is, and as Python writes it when told to write ASCII: `ë` as `\u00eb`.
fn spellings(word: &str) -> Vec<Vec<u8>> {
    let plain = word.to_ascii_lowercase().into_bytes();
    if word.is_ascii() {
        return vec![plain];
    }
    let mut escaped = String::new();
    for character in word.chars() {
        if character.is_ascii() {
            escaped.push(character.to_ascii_lowercase());
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    vec![plain, escaped.into_bytes()]
}

/// A hit of a [`Search`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// From 1.
    pub line: u64,
    /// Of the line's first byte.
    pub offset: u64,
    /// In bytes, the newline not counted.
    pub length: u64,
}

/// Runs a [`Matcher`] over a file that comes in chunks.
#[derive(Debug)]
pub struct Search {
    matcher: Matcher,
    /// The start of a line that goes on in the next chunk; of a very long one only the first part is searched.
    open: Vec<u8>,
    open_length: u64,
    /// Where the line that is open, or would be, starts.
    start: u64,
    /// Whether a carriage return ended the last chunk: a line feed that follows belongs to it.
    returned: bool,
    line: u64,
    total: u64,
    hits: VecDeque<Hit>,
}

impl Search {
    /// Bytes of one line that are searched.
    const LONGEST: usize = 1 << 20;
    /// Hits held until they are taken; more are counted only.
    const HELD: usize = 64 * 1024;

    /// A search from the start of a file.
    pub fn new(matcher: Matcher) -> Search {
        Search {
            matcher,
            open: Vec::new(),
            open_length: 0,
            start: 0,
            returned: false,
            line: 1,
            total: 0,
            hits: VecDeque::new(),
        }
    }

    /// Searches the next bytes.
    pub fn push(&mut self, mut bytes: &[u8]) {
        if self.returned && !bytes.is_empty() {
            let fed = usize::from(bytes[0] == b'\n');
            self.start += fed as u64;
            self.returned = false;
            bytes = &bytes[fed..];
        }
        while let Some(end) = memchr::memchr2(b'\n', b'\r', bytes) {
            let text = &bytes[..end];
            let width = newline(&bytes[end..]);
            let length = self.open_length + end as u64;
            if self.open_length == 0 {
                self.check(text, length);
            } else {
                self.hold(text);
                self.close();
            }
            self.returned = bytes[end] == b'\r' && end + 1 == bytes.len();
            self.start += length + width as u64;
            self.line += 1;
            bytes = &bytes[end + width..];
        }
        self.hold(bytes);
    }

    /// The file is over: a last line without a newline is a line too.
    pub fn finish(&mut self) {
        if self.open_length > 0 {
            self.close();
        }
    }

    /// Hits so far, held or not.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The hits since the last call, in order.
    pub fn take(&mut self) -> impl Iterator<Item = Hit> + '_ {
        self.hits.drain(..)
    }

    fn hold(&mut self, text: &[u8]) {
        let room = Self::LONGEST.saturating_sub(self.open.len());
        self.open.extend_from_slice(&text[..text.len().min(room)]);
        self.open_length += text.len() as u64;
    }

    fn close(&mut self) {
        let open = std::mem::take(&mut self.open);
        let length = std::mem::take(&mut self.open_length);
        self.check(&open, length);
        self.open = open;
        self.open.clear();
    }

    fn check(&mut self, text: &[u8], length: u64) {
        if self.matcher.matches(&text[..text.len().min(Self::LONGEST)]) {
            self.total += 1;
            if self.hits.len() < Self::HELD {
                self.hits.push_back(Hit { line: self.line, offset: self.start, length });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::browse::{lines, tests::LOG};

    fn search(query: &str, kinds: &[Kind], step: usize) -> Vec<Hit> {
        let mut search = Search::new(Matcher::new(query, kinds.to_vec()));
        LOG.as_bytes().chunks(step).for_each(|chunk| search.push(chunk));
        search.finish();
        let hits: Vec<Hit> = search.take().collect();
        assert_eq!(search.total(), hits.len() as u64);
        hits
    }

    #[test]
    fn a_search_finds_the_same_lines_in_any_chunks() {
        let expected: Vec<Hit> = lines(LOG.as_bytes())
            .enumerate()
            .map(|(line, (offset, text))| Hit {
                line: line as u64 + 1,
                offset: offset as u64,
                length: text.len() as u64,
            })
            .collect();
        for step in [1, 2, 7, 1000] {
            assert_eq!(search("", &[], step), expected);
            assert_eq!(search("actorSTARTED a:1", &[], step), expected[..1]);
            assert_eq!(search("zoë", &[], step), [expected[1], expected[4]]);
            assert_eq!(search("", &[Kind::Event], step), [expected[0], expected[4]]);
            assert_eq!(search("zoë", &[Kind::Audit], step), []);
        }
    }
}
