//! Looking through a log: where a line starts, what a line shows in a table, and which lines match what someone typed.
//!
//! For reading only. Whether a line is intact is the scan's to say; here a damaged line shows what it can.

use std::collections::VecDeque;

use serde::Serialize;

use crate::record::Kind;
use crate::scan::Scanner;
use crate::view::View;

/// Where every so many lines start, in bounded memory: the stride doubles as the file turns out longer.
#[derive(Debug, Clone)]
pub struct LineIndex {
    stride: u64,
    offsets: Vec<u64>,
}

impl LineIndex {
    /// Most entries; 8 bytes each.
    const MOST: usize = 32 * 1024;

    /// Tells of a line, by its number from 1. Lines come in order, none left out.
    #[inline]
    pub fn line(&mut self, number: u64, offset: u64) {
        // The stride is a power of two.
        if (number - 1) & (self.stride - 1) == 0 {
            self.add(number - 1, offset);
        }
    }

    fn add(&mut self, line: u64, offset: u64) {
        if line / self.stride != self.offsets.len() as u64 {
            return;
        }
        self.offsets.push(offset);
        if self.offsets.len() == Self::MOST {
            let mut keep = false;
            self.offsets.retain(|_| {
                keep = !keep;
                keep
            });
            self.stride *= 2;
        }
    }

    /// How many lines lie between two entries.
    pub fn stride(&self) -> u64 {
        self.stride
    }

    /// The offsets of lines 1, 1 + stride, 1 + 2 × stride and so on.
    pub fn offsets(&self) -> &[u64] {
        &self.offsets
    }
}

impl Default for LineIndex {
    fn default() -> Self {
        LineIndex { stride: 64, offsets: Vec::new() }
    }
}

/// A line as a table shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// From 1.
    pub line: u64,
    /// Of the line's first byte.
    pub offset: u64,
    /// In bytes, the newline not counted.
    pub length: u64,
    /// `event`, `audit`, `dead_letter` or `other`.
    pub kind: Kind,
    /// The event's or the message's type.
    #[serde(rename = "type")]
    pub what: String,
    /// The actor, or the target of a dead letter.
    pub actor: String,
    /// Seconds of the writer's clock.
    pub time: Option<f64>,
    /// The payload as it stands, cut to what a cell can show; the whole line where there is none.
    pub payload: String,
    /// Whether it is no intact record. Means nothing of a line that was cut for showing.
    pub damaged: bool,
}

/// Characters of a payload that a row keeps.
const SHOWN: usize = 240;

impl Row {
    /// The row of a line without its newline.
    pub fn of(text: &[u8], line: u64, offset: u64) -> Row {
        let view = View::of(text);
        let shown =
            view.raw("payload").map_or_else(|| String::from_utf8_lossy(&text[..text.len().min(4 * SHOWN)]), Into::into);
        Row {
            line,
            offset,
            length: text.len() as u64,
            kind: kind_of(&view),
            what: cut(&view.text("event_type").or_else(|| view.text("message_type")).unwrap_or_default()),
            actor: cut(&view.address("actor_address").or_else(|| view.address("target")).unwrap_or_default()),
            time: view.raw("timestamp").and_then(|time| time.parse().ok()).filter(|time: &f64| time.is_finite()),
            payload: cut(&shown),
            damaged: is_damaged(text),
        }
    }
}

fn kind_of(view: &View<'_>) -> Kind {
    view.text("kind").map_or(Kind::Other, |kind| Kind::of(kind.as_bytes()))
}

fn is_damaged(text: &[u8]) -> bool {
    let mut scanner = Scanner::new(0, 0);
    // Neither breaks off: the sink wants nothing.
    _ = scanner.push(text, &mut ());
    _ = scanner.push(b"\n", &mut ());
    scanner.finish(&mut ()).anomalies > 0
}

fn cut(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

/// The lines of a stretch that begins at a line's start: each without its newline, and the offset in the stretch.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
        let start = at;
        let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        at += end + newline(&rest[end..]);
        Some((start, &rest[..end]))
    })
}

fn newline(bytes: &[u8]) -> usize {
    match bytes {
        [b'\r', b'\n', ..] => 2,
        [] => 0,
        _ => 1,
    }
}

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

    const LOG: &str = "{\"kind\": \"event\", \"event_type\": \"ActorStarted\", \"actor_address\": \"a:1\", \"payload\": {}, \"timestamp\": 1.5}\r\n\
        {\"kind\": \"dead_letter\", \"target\": null, \"message_type\": \"Pay\", \"payload\": {\"name\": \"Zo\\u00eb\"}, \"timestamp\": NaN}\n\
        \n\
        {\"kind\": \"audit\"}\r{\"kind\": \"event\", \"event_type\": \"zoë\"}";

    fn search(query: &str, kinds: &[Kind], step: usize) -> Vec<Hit> {
        let mut search = Search::new(Matcher::new(query, kinds.to_vec()));
        LOG.as_bytes().chunks(step).for_each(|chunk| search.push(chunk));
        search.finish();
        let hits: Vec<Hit> = search.take().collect();
        assert_eq!(search.total(), hits.len() as u64);
        hits
    }

    #[test]
    fn lines_end_as_the_scan_ends_them() {
        let texts: Vec<_> = lines(LOG.as_bytes()).collect();
        assert_eq!(texts.len(), 5);
        for (offset, text) in texts {
            assert_eq!(&LOG.as_bytes()[offset..offset + text.len()], text);
            assert!(!text.contains(&b'\n') && !text.contains(&b'\r'));
        }
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

    #[test]
    fn rows_show_what_there_is() {
        let rows: Vec<Row> =
            lines(LOG.as_bytes()).enumerate().map(|(n, (at, text))| Row::of(text, n as u64 + 1, at as u64)).collect();
        assert_eq!((rows[0].what.as_str(), rows[0].actor.as_str(), rows[0].time), ("ActorStarted", "a:1", Some(1.5)));
        assert_eq!((rows[1].kind, rows[1].actor.as_str(), rows[1].time), (Kind::DeadLetter, "null", None));
        assert_eq!(rows[1].payload, "{\"name\": \"Zo\\u00eb\"}");
        assert_eq!((rows[2].kind, rows[2].payload.as_str()), (Kind::Other, ""));
        assert_eq!(rows.iter().map(|row| row.damaged).collect::<Vec<_>>(), [false, false, true, false, false]);
        assert_eq!(Row::of(b"{\"kind\": \xff", 1, 0).kind, Kind::Other);
    }

    #[test]
    fn an_index_stays_small_and_right() {
        let mut index = LineIndex::default();
        let total = 10_000_000_u64;
        for line in 1..=total {
            index.line(line, (line - 1) * 3);
        }
        assert!(index.offsets().len() < LineIndex::MOST);
        for (entry, offset) in index.offsets().iter().enumerate() {
            assert_eq!(*offset, entry as u64 * index.stride() * 3);
        }
        assert_eq!(index.offsets().len() as u64, total.div_ceil(index.stride()));
    }
}
