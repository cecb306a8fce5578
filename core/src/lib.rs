//! Bytes in, facts out: what a Papyra history holds, what is wrong with it, and what recovery would keep.
//!
//! No I/O, no clock, no threads, and no panic on any input: file access, time and concurrency belong to the
//! crates that depend on this one. It compiles to `wasm32-unknown-unknown`, so that a server, a CI job and a
//! browser tab give the same report to the byte.
//!
//! A scan goes through [`scan::Scanner`]; its [`summary::Summary`] becomes a [`report::FileReport`], and what
//! recovery would do comes out of the same scan as [`scan::Step`]s.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod line;
mod reason;
mod tally;
mod utf8;

pub mod archive;
pub mod assembly;
pub mod browse;
pub mod crc32;
pub mod csv;
pub mod diff;
pub mod digest;
pub mod entry;
pub mod escape;

pub mod figures;
pub mod finding;
pub mod folder;
pub mod fuzz;
pub mod json;
pub mod manifest;
pub mod name;
pub mod plan;
pub mod query;
pub mod ranking;
pub mod record;
pub mod records;
pub mod redis;
pub mod report;
pub mod retention;
pub mod rotation;
pub mod scan;
pub mod search;
pub mod shell;
pub mod sniff;
pub mod summary;
pub mod sums;
pub mod timeline;
pub mod unpack;
pub mod verification;
pub mod view;
