//! Bytes in, facts out: what a Papyra history holds, what is wrong with it, and what recovery would keep.
//!
//! No I/O, no clock, no threads, and no panic on any input: file access, time and concurrency belong to the
//! crates that depend on this one. It compiles to `wasm32-unknown-unknown`, so that a server, a CI job and a
//! browser tab give the same report to the byte.
//!
//! A scan goes through [`scan::Scanner`]; its [`summary::Summary`] becomes a [`report::FileReport`], and what
//! recovery would do comes out of the same scan as [`scan::Step`]s, which a [`plan::Plan`] writes down. Redis
//! files go through [`redis::BackupScan`], a backup's manifest through [`manifest::Manifest::parse`].
//!
//! ```
//! use papyra_core::report::{Backend, FileReport, Report, Role, Verdict};
//! use papyra_core::scan::Scanner;
//!
//! // A log whose last record was torn by a power cut. It may come in chunks of any size.
//! let log = br#"{"kind": "event", "system_id": "s", "actor_address": "a", "event_type": "E", "payload": 1, "timestamp": 1.5}
//! {"kind": "event", "syst"#;
//! let mut scanner = Scanner::new(0, Scanner::MAX_FINDINGS);
//! for chunk in log.chunks(64) {
//!     _ = scanner.push(chunk, &mut ());
//! }
//! let summary = scanner.finish(&mut ());
//!
//! let file = FileReport::new("events.ndjson", Role::Active, 0, summary);
//! let report = Report::new("an example", Backend::Json, vec![file], false);
//! assert_eq!(report.verdict, Verdict::Anomalies);
//! assert_eq!(report.totals.records.event, 1);
//! assert_eq!(report.files[0].anomalies[0].offset, Some(109));
//! ```
//!
//! # What is stable
//!
//! The modules below are the interface: within one minor version nothing in them is renamed or removed. All else
//! that is public is there for papyra's own crates, is left out of these pages, and may change at any time.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod line;
mod reason;
mod tally;
mod utf8;

pub mod finding;
pub mod manifest;
pub mod plan;
pub mod record;
pub mod redis;
pub mod report;
pub mod scan;
pub mod summary;

// For papyra's own crates.
#[doc(hidden)]
pub mod archive;
#[doc(hidden)]
pub mod assembly;
#[doc(hidden)]
pub mod browse;
#[doc(hidden)]
pub mod crc32;
#[doc(hidden)]
pub mod csv;
#[doc(hidden)]
pub mod diff;
#[doc(hidden)]
pub mod digest;
#[doc(hidden)]
pub mod entry;
#[doc(hidden)]
pub mod escape;
#[doc(hidden)]
pub mod figures;
#[doc(hidden)]
pub mod folder;
#[doc(hidden)]
pub mod fuzz;
#[doc(hidden)]
pub mod json;
#[doc(hidden)]
pub mod name;
#[doc(hidden)]
pub mod query;
#[doc(hidden)]
pub mod ranking;
#[doc(hidden)]
pub mod records;
#[doc(hidden)]
pub mod retention;
#[doc(hidden)]
pub mod rotation;
#[doc(hidden)]
pub mod search;
#[doc(hidden)]
pub mod shell;
#[doc(hidden)]
pub mod sniff;
#[doc(hidden)]
pub mod sums;
#[doc(hidden)]
pub mod timeline;
#[doc(hidden)]
pub mod unpack;
#[doc(hidden)]
pub mod verification;
#[doc(hidden)]
pub mod view;
