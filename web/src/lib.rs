//! `papyra-core` for JavaScript. It translates and decides nothing.
//!
//! Structured answers travel as JSON text, which both sides read and write fast; long lists of numbers travel as
//! typed arrays. The types on the other side are in `www/src/engine/`.

mod archive;
mod backup;
mod details;
mod opening;
mod redis;
mod scanner;
mod stored;
mod watch;

use std::collections::BTreeMap;

use papyra_core::browse::{self, Row};
use papyra_core::record::{Kind, Note};
use papyra_core::search::{self, Matcher};
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;

pub use archive::{Archive, archive};
pub use backup::backup;
pub use opening::Opening;
pub use redis::RedisBackups;
pub use scanner::Scanner;

/// The tool's name and version as reports give it.
pub const TOOL: &str = concat!("papyra ", env!("CARGO_PKG_VERSION"));

/// What the page wants to know before anything is opened: the tool, and core's words for the notes.
#[wasm_bindgen]
pub fn about() -> String {
    #[derive(Serialize)]
    struct About {
        tool: &'static str,
        notes: BTreeMap<Note, &'static str>,
    }
    text(&About { tool: TOOL, notes: Note::ALL.into_iter().map(|note| (note, note.meaning())).collect() })
}

/// Table rows for the lines of a stretch that starts at the byte `offset`, where line `line` begins.
#[wasm_bindgen]
pub fn rows(bytes: &[u8], offset: f64, line: f64) -> String {
    let rows: Vec<Row> = browse::lines(bytes)
        .zip(line as u64..)
        .map(|((at, text), line)| Row::of(text, line, offset as u64 + at as u64))
        .collect();
    text(&rows)
}

/// Structured answers as text, all of them as the report is printed: a second way would be compiled a second time.
fn text(answer: &impl Serialize) -> String {
    // Their types hold nothing that JSON does not.
    let text = serde_json::to_string_pretty(answer).unwrap_or_default();
    // As the command prints them.
    papyra_core::escape::safe_json(&text).into_owned()
}

/// A search over one file's plain text, which comes in chunks.
#[wasm_bindgen]
pub struct Search(search::Search);

#[wasm_bindgen]
impl Search {
    /// Words that must all stand in a line; kinds by name, none for all.
    #[wasm_bindgen(constructor)]
    pub fn new(query: &str, kinds: Vec<String>) -> Search {
        let kinds = kinds.iter().map(|kind| Kind::of(kind.as_bytes())).collect();
        Search(search::Search::new(Matcher::new(query, kinds)))
    }

    /// The next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.push(bytes);
    }

    /// The text is over.
    pub fn finish(&mut self) {
        self.0.finish();
    }

    /// New hits: line, offset and length of each, one after the other.
    pub fn take(&mut self) -> Vec<f64> {
        self.0.take().flat_map(|hit| [hit.line as f64, hit.offset as f64, hit.length as f64]).collect()
    }

    /// All hits so far.
    pub fn total(&self) -> f64 {
        self.0.total() as f64
    }
}
