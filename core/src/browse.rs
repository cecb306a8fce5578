//! Looking through a log: where a line starts, and what a line shows in a table.
//!
//! For reading only. Whether a line is intact is the scan's to say; here a damaged line shows what it can.

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
            what: cut(&view.what().unwrap_or_default()),
            actor: cut(&view.actor().unwrap_or_default()),
            time: view.number("timestamp"),
            payload: cut(&shown),
            damaged: is_damaged(text),
        }
    }
}

pub(crate) fn kind_of(view: &View<'_>) -> Kind {
    view.text("kind").map_or(Kind::Other, |kind| Kind::of(kind.as_bytes()))
}

pub(crate) fn is_damaged(text: &[u8]) -> bool {
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

pub(crate) fn newline(bytes: &[u8]) -> usize {
    match bytes {
        [b'\r', b'\n', ..] => 2,
        [] => 0,
        _ => 1,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const LOG: &str = "{\"kind\": \"event\", \"event_type\": \"ActorStarted\", \"actor_address\": \"a:1\", \"payload\": {}, \"timestamp\": 1.5}\r\n\
        {\"kind\": \"dead_letter\", \"target\": null, \"message_type\": \"Pay\", \"payload\": {\"name\": \"Zo\\u00eb\"}, \"timestamp\": NaN}\n\
        \n\
        {\"kind\": \"audit\"}\r{\"kind\": \"event\", \"event_type\": \"zoë\"}";

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
