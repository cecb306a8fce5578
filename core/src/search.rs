//! Which lines of a log match a query while its bytes go by, and what those lines come to: their history, who failed in
//! them, the rows of a table.

use std::collections::VecDeque;

use crate::browse::{kind_of, newline};
use crate::csv;
use crate::query::{Line, Matcher};
use crate::ranking::{Ranked, Ranking};
use crate::record::{CRASHED, RESTARTED, RecordFacts};
use crate::timeline::{Finished, Timeline};

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

/// Runs a [`Matcher`] over files that come in chunks, one after the other.
#[derive(Debug)]
pub struct Search {
    matcher: Matcher,
    place: SearchedFile,
    found: Found,
    csv: Option<Vec<u8>>,
    /// The start of a line that goes on in the next chunk; of a very long one only the first part is searched.
    open: Vec<u8>,
    open_length: u64,
    /// Where the line that is open, or would be, starts.
    start: u64,
    /// Whether a carriage return ended the last chunk: a line feed that follows belongs to it.
    returned: bool,
    line: u64,
    /// Of the file under way, the first and the last byte of lines whose time is asked for.
    extent: Option<(u64, u64)>,
    total: u64,
    hits: VecDeque<Hit>,
}

/// Where a file stands in all that is searched, as the history counts it.
#[derive(Debug, Clone, Default)]
pub struct SearchedFile {
    /// Its name, for the rows of a table.
    pub path: String,
    /// Bytes of the files before it.
    pub base: f64,
    /// Bytes of it for a byte of its plain text: less than 1 where it is packed.
    pub scale: f64,
}

/// What the hits of all files come to.
#[derive(Debug)]
struct Found {
    timeline: Timeline,
    ranking: Ranking,
}

impl Search {
    /// Bytes of one line that are searched.
    const LONGEST: usize = 1 << 20;
    /// Hits held until they are taken; more are counted only.
    const HELD: usize = 64 * 1024;

    /// A search in files of so many bytes in all. `csv`: it also makes rows of what it finds.
    pub fn new(matcher: Matcher, total_bytes: u64, csv: bool) -> Search {
        Search {
            matcher,
            place: SearchedFile::default(),
            found: Found { timeline: Timeline::new(total_bytes), ranking: Ranking::default() },
            csv: csv.then(|| csv::HEADER.into()),
            extent: None,
            open: Vec::new(),
            open_length: 0,
            start: 0,
            returned: false,
            line: 1,
            total: 0,
            hits: VecDeque::new(),
        }
    }

    /// The next bytes are those of the file at this place.
    pub fn begin(&mut self, place: SearchedFile) {
        self.place = place;
        self.open.clear();
        (self.open_length, self.start, self.returned, self.line, self.extent) = (0, 0, false, 1, None);
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

    /// Of the file under way, where the first line begins and the last one ends whose time is one that the query asks
    /// for.
    pub fn extent(&self) -> Option<(u64, u64)> {
        self.extent
    }

    /// The history of what was found up to now, by time when the stamps lie between `from` and `to`.
    pub fn history(&self, from: f64, to: f64) -> Finished {
        self.found.timeline.clone().finish(from, to)
    }

    /// Who failed in what was found up to now.
    pub fn ranked(&self) -> Ranked {
        self.found.ranking.told()
    }

    /// Rows of the hits since the last call, the names of the columns before the first.
    pub fn take_csv(&mut self) -> Vec<u8> {
        self.csv.as_mut().map(std::mem::take).unwrap_or_default()
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
        let text = &text[..text.len().min(Self::LONGEST)];
        let place = self.place.base + self.start as f64 * self.place.scale;
        let line = Line::new(text, self.line, place);
        if self.matcher.query().has_time() && self.matcher.is_in_time(&line) {
            let first = self.extent.map_or(self.start, |(first, _)| first);
            self.extent = Some((first, self.start + length));
        }
        if !self.matcher.matches(&line) {
            return;
        }
        self.total += 1;
        if self.hits.len() < Self::HELD {
            self.hits.push_back(Hit { line: self.line, offset: self.start, length });
        }
        self.found.line(&line);
        if let Some(rows) = &mut self.csv {
            csv::row(rows, &self.place.path, self.line, self.start, text);
        }
    }
}

impl Found {
    fn line(&mut self, line: &Line<'_>) {
        let view = line.view();
        let what = view.what().unwrap_or_default();
        let mut facts = RecordFacts::default();
        (facts.kind, facts.timestamp) = (kind_of(view), line.time());
        (facts.crashed, facts.restarted) = (what.as_bytes() == CRASHED, what.as_bytes() == RESTARTED);
        self.timeline.record(&facts, line.byte as u64);
        self.ranking.record(facts.kind, view);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::browse::{lines, tests::LOG};
    use crate::query::Query;

    fn search(query: &str, step: usize) -> Search {
        let mut search = Search::new(Matcher::new(Query::parse(query).unwrap()), LOG.len() as u64, true);
        search.begin(SearchedFile { path: "a.ndjson".into(), base: 0.0, scale: 1.0 });
        LOG.as_bytes().chunks(step).for_each(|chunk| search.push(chunk));
        search.finish();
        search
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
            let hits = |query: &str| -> Vec<Hit> {
                let mut search = search(query, step);
                let hits: Vec<Hit> = search.take().collect();
                assert_eq!(search.total(), hits.len() as u64);
                hits
            };
            assert_eq!(hits(""), expected);
            assert_eq!(hits("actorSTARTED a:1"), expected[..1]);
            assert_eq!(hits("zoë"), [expected[1], expected[4]]);
            assert_eq!(hits("kind:event"), [expected[0], expected[4]]);
            assert_eq!(hits("zoë kind:audit"), []);
            assert_eq!(hits("line:2..4"), expected[1..3]);
            assert_eq!(hits(&format!("byte:>={}", expected[3].offset)), expected[3..]);
        }
    }

    #[test]
    fn what_was_found_is_counted_and_put_into_rows_and_the_extent_is_that_of_the_times() {
        let mut found = search("time:1..2", 7);
        assert_eq!(found.extent(), Some((0, found.take().next().unwrap().length)));
        assert_eq!(found.ranked().events.names, [("ActorStarted".to_owned(), 1)]);
        let history = found.history(0.0, 2.0);
        assert_eq!((history.by_time, history.span), (true, Some((1.5, 1.5))));
        let rows = String::from_utf8(found.take_csv()).unwrap();
        assert_eq!(rows, format!("{}a.ndjson,1,0,event,ActorStarted,a:1,1.5,{{}}\r\n", csv::HEADER));
        assert_eq!(search("kind:event", 7).extent(), None);
    }

    #[test]
    fn files_are_searched_one_after_the_other() {
        let mut search = Search::new(Matcher::new(Query::parse("byte:100..").unwrap()), 200, false);
        for base in [0.0, 100.0] {
            search.begin(SearchedFile { path: String::new(), base, scale: 0.5 });
            search.push(b"{\"kind\": \"event\"}\r");
            search.finish();
        }
        assert_eq!(search.take().collect::<Vec<_>>(), [Hit { line: 1, offset: 0, length: 17 }]);
        assert!(search.take_csv().is_empty());
    }
}
