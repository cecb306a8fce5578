//! Looking into records for JavaScript: rows of a table, queries, searches and what these come to.

use papyra_core::browse::{self, Row};
use papyra_core::escape::escape;
use papyra_core::query::{Cell, Matcher, Query};
use papyra_core::ranking::Ranked;
use papyra_core::search;
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::details::Told;
use crate::{CALENDAR, DAY, text};

/// Table rows for the lines of a stretch that starts at the byte `offset`, where line `line` begins; and in each the
/// parts of the type, the actor and the payload that a query speaks of.
#[wasm_bindgen]
pub fn rows(bytes: &[u8], offset: f64, line: f64, query: &str) -> String {
    #[derive(Serialize)]
    struct Marked {
        row: Row,
        marks: [Vec<usize>; 3],
    }
    // One that cannot be understood marks nothing.
    let query = Query::parse(query).unwrap_or_default();
    let rows: Vec<Marked> = browse::lines(bytes)
        .zip(line as u64..)
        .map(|((at, text), line)| {
            let row = Row::of(text, line, offset as u64 + at as u64);
            let cells = [(Cell::Type, &row.what), (Cell::Actor, &row.actor), (Cell::Payload, &row.payload)];
            let marks = cells.map(|(cell, text)| query.marks(cell, text));
            Marked { row, marks }
        })
        .collect();
    text(&rows)
}

/// What is wrong with a query; nothing when it can be understood.
#[wasm_bindgen]
pub fn misunderstood(query: &str) -> Option<String> {
    Query::parse(query).err().map(|why| escape(why.as_bytes()))
}

/// A search over the plain text of files, which comes in chunks.
#[wasm_bindgen]
pub struct Search(search::Search);

#[wasm_bindgen]
impl Search {
    /// For a query, in files of so many bytes in all. `csv`: it also makes rows of what it finds. A query that cannot
    /// be understood matches everything, see [`misunderstood`].
    #[wasm_bindgen(constructor)]
    pub fn new(query: &str, total: f64, csv: bool) -> Search {
        let matcher = Matcher::new(Query::parse(query).unwrap_or_default());
        Search(search::Search::new(matcher, total as u64, csv))
    }

    /// The next bytes are those of this file, with so many bytes before it; `scale` is its size for a byte of its plain
    /// text.
    pub fn begin(&mut self, path: String, base: f64, scale: f64) {
        self.0.begin(search::SearchedFile { path, base, scale });
    }

    /// The next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.push(bytes);
    }

    /// The file is over.
    pub fn finish(&mut self) {
        self.0.finish();
    }

    /// New hits, so many at most: line, offset and length of each, one after the other. Those beyond are forgotten.
    pub fn take(&mut self, most: f64) -> Vec<f64> {
        self.0
            .take()
            .take(most as usize)
            .flat_map(|hit| [hit.line as f64, hit.offset as f64, hit.length as f64])
            .collect()
    }

    /// Rows of the hits that were not taken yet.
    pub fn take_csv(&mut self) -> Vec<u8> {
        self.0.take_csv()
    }

    /// All hits so far.
    pub fn total(&self) -> f64 {
        self.0.total() as f64
    }

    /// Of the file under way, where the first line begins and the last one ends whose time is asked for; empty when
    /// there is none.
    pub fn extent(&self) -> Vec<f64> {
        self.0.extent().map(|(first, last)| vec![first as f64, last as f64]).unwrap_or_default()
    }

    /// What the hits come to so far: their history and who failed in them. `now` in seconds.
    pub fn told(&self, now: f64) -> String {
        #[derive(Serialize)]
        struct Found {
            timeline: Told,
            ranked: Ranked,
        }
        let timeline = Told::of(self.0.history(CALENDAR, now + DAY));
        text(&Found { timeline, ranked: self.0.ranked() })
    }
}
