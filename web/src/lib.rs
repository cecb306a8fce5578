//! `papyra-core` for JavaScript. It translates and decides nothing.
//!
//! Structured answers travel as JSON text, which both sides read and write fast; long lists of numbers travel as
//! typed arrays. The types on the other side are in `www/src/engine/`.
//!
//! The page carries it as two modules. With the feature `judge` alone it opens and scans logs, sets, folders and Redis
//! files; with `explore` alone it looks into records, unpacks archives, verifies backups and compares histories, and is
//! loaded when that is asked for.

#[cfg(feature = "explore")]
mod archive;
#[cfg(feature = "explore")]
mod backup;
#[cfg(not(feature = "explore"))]
#[path = "no_backup.rs"]
mod backup;
#[cfg(feature = "explore")]
mod compare;
mod details;
mod opening;
#[cfg(feature = "explore")]
mod records;
mod redis;
mod scanner;
mod watch;

use std::collections::BTreeMap;

use papyra_core::record::Note;
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;

#[cfg(feature = "explore")]
pub use archive::Archive;
#[cfg(feature = "explore")]
pub use backup::backup;
#[cfg(feature = "explore")]
pub use compare::Compared;
pub use opening::{Opening, archive};
#[cfg(feature = "explore")]
pub use records::{Search, misunderstood, rows};
pub use redis::RedisBackups;
pub use scanner::Scanner;

/// The tool's name and version as reports give it.
pub const TOOL: &str = concat!("papyra ", env!("CARGO_PKG_VERSION"));

/// Unix time from September 2001 on; up to now, which is an argument.
const CALENDAR: f64 = 1e9;
const DAY: f64 = 86_400.0;

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

/// Structured answers as text, all of them as the report is printed: a second way would be compiled a second time.
fn text(answer: &impl Serialize) -> String {
    // Their types hold nothing that JSON does not.
    let text = serde_json::to_string_pretty(answer).unwrap_or_default();
    // As the command prints them.
    papyra_core::escape::safe_json(&text).into_owned()
}
